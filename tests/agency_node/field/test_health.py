"""A shared care record's exports (FHIR R4) with the faults that such exports have: no fault becomes "nothing held"."""

import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from federation.policy.evaluator import PolicyPoint
from federation.vocabulary import Outcome, ReadingState, Share
from tests.support.fhir_files import NHS, SERVER, entry
from tests.support.field import STRANGER, Field, a_field_node
from tests.support.node_house import number, url_of

NUMBERS = [number(place).canonical() for place in range(700, 800)]
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
HANDLING = "urn:wardgate:handling-flag"
TRACED = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"

Resource = dict[str, Any]


def identifier(value: str, **more: Any) -> Resource:
    return {"system": NHS, "value": value, **more}


def patient(place: int, *identifiers: Resource, **more: Any) -> Resource:
    found = identifiers or (identifier(NUMBERS[place]),)
    return {
        "resourceType": "Patient",
        "id": f"p{place}",
        "identifier": list(found),
        "birthDate": "2015-02-03",
        **more,
    }


def attended(place: int, subject: Resource | str | None = None, *, name: str = "", **more: Any) -> Resource:
    about = {"reference": subject or f"Patient/p{place}"} if not isinstance(subject, dict) else subject
    return {
        "resourceType": "Encounter",
        "id": name or f"e{place}",
        "status": "finished",
        "class": {"code": "EMER"},
        "subject": about,
        "period": {"start": "2026-11-03T10:00:00Z"},
        "reasonCode": [{"text": f"Complaint {place}"}],
        **more,
    }


def appointment(place: int, **more: Any) -> Resource:
    return {
        "resourceType": "Appointment",
        "id": f"a{place}",
        "status": "noshow",
        "start": "2026-11-01T09:00:00Z",
        "serviceType": [{"text": "Clinic named here"}],
        "participant": [{"actor": {"reference": f"Patient/p{place}"}, "status": "accepted"}],
        **more,
    }


def label(system: str, code: str) -> Resource:
    return {"security": [{"system": system, "code": code}]}


def many(places: Iterable[int] = range(1, 60)) -> list[Resource]:
    """A record beside which one fault is under 2 %."""
    return [resource for place in places for resource in (patient(place), attended(place))]


def bundle(*resources: Resource, **more: Any) -> str:
    entries = [entry(resource) for resource in resources]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries, **more})


def put(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return tmp_path / "bundle.json"


def a_trust(tmp_path: Path, policy: PolicyPoint, location: Path) -> Any:
    return a_field_node(
        url_of(tmp_path),
        policy,
        kind="icb",
        mapping="health-fhir-r4",
        location=location,
        categories=("attendance_health", "appointment", "injury", "gp_registration", "camhs"),
    )


@pytest.fixture
async def trust(tmp_path: Path, export: Path, policy: PolicyPoint) -> AsyncIterator[Field]:
    async with a_trust(tmp_path, policy, export) as field:
        yield field


async def complaints(trust: Field, place: int) -> list[str]:
    return sorted(str(text) for (text,) in await trust.told(NUMBERS[place], "presenting_complaint"))


# -- whose record it is ---------------------------------------------------------------------------------------------


async def test_a_patient_of_another_server_is_another_patient(trust: Field, export: Path) -> None:
    foreign = attended(1, "https://south.example/fhir/Patient/p1", name="foreign")
    put(export, bundle(patient(1), foreign, attended(1)))

    await trust.index()

    assert await complaints(trust, 1) == ["Complaint 1"]
    assert ("encounters", "child_unknown") in await trust.rejects()


async def test_two_servers_patients_of_one_id_are_each_their_own(trust: Field, export: Path) -> None:
    other = {**patient(2), "id": "p1"}
    entries = [
        entry(patient(1)),
        entry(other, "https://south.example/fhir/Patient/p1"),
        entry(attended(1)),
        entry(attended(2, "https://south.example/fhir/Patient/p1")),
    ]
    put(export, json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))

    await trust.index()

    assert (await complaints(trust, 1), await complaints(trust, 2)) == (["Complaint 1"], ["Complaint 2"])


async def test_entries_without_an_id_are_known_by_their_full_url(trust: Field, export: Path) -> None:
    who, what = "urn:uuid:11111111-1111-4111-8111-111111111111", "urn:uuid:22222222-2222-4222-8222-222222222222"
    found = [patient(1), attended(1, who)]
    for resource in found:
        del resource["id"]
    entries = [entry(resource, url) for resource, url in zip(found, (who, what), strict=True)]
    put(export, json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))

    await trust.index()

    assert await complaints(trust, 1) == ["Complaint 1"]


async def test_of_an_old_and_a_current_number_the_current_one_joins(trust: Field, export: Path) -> None:
    old = identifier(NUMBERS[9], use="old", period={"end": "2020-01-01"})
    put(export, bundle(patient(2, identifier(NUMBERS[2], use="official"), old), attended(2)))

    await trust.index()

    assert await complaints(trust, 2) == ["Complaint 2"]
    assert await trust.outcome(NUMBERS[9]) is Outcome.NOTHING_HELD


async def test_two_current_numbers_are_held_under_either_without_detail(trust: Field, export: Path) -> None:
    both = patient(0, identifier(NUMBERS[0]), identifier(NUMBERS[99]))
    put(export, bundle(both, attended(0), *many()))

    await trust.index()

    assert await trust.faults() == {}
    assert await trust.pointers(NUMBERS[0]) == {"attendance_health": {"UNREADABLE"}}
    assert await trust.pointers(NUMBERS[99]) == {"attendance_health": {"UNREADABLE"}}


async def test_a_second_number_overnight_gives_nobodys_record_away(trust: Field, export: Path) -> None:
    put(export, bundle(patient(0), attended(0), *many()))
    await trust.settle()
    both = patient(0, identifier(NUMBERS[0]), identifier(NUMBERS[99]))
    put(export, bundle(both, attended(0), *many()))

    await trust.index()

    assert await trust.pointers(NUMBERS[0]) == {"attendance_health": {"UNREADABLE"}}
    assert await complaints(trust, 99) == []


async def test_a_number_that_was_not_traced_does_not_join(trust: Field, export: Path) -> None:
    status = {"url": TRACED, "valueCodeableConcept": {"coding": [{"code": "03"}]}}
    untraced = patient(0, identifier(NUMBERS[0], extension=[status]))
    put(export, bundle(untraced, attended(0), *many()))

    await trust.index()

    assert await trust.outcome(NUMBERS[0]) is Outcome.NOTHING_HELD
    assert {item.dataset: item.unidentified for item in (await trust.answer(STRANGER)).reading}["source/patients"] is (
        Share.UP_TO_2
    )


async def test_an_adult_is_on_nobodys_caseload(trust: Field, export: Path) -> None:
    put(export, bundle(patient(4, birthDate="1980-02-01"), attended(4), *many(range(10, 13))))

    report = await trust.index()

    assert report.children == 3
    assert await trust.outcome(NUMBERS[4]) is Outcome.NOTHING_HELD
    assert await trust.faults() == {}


async def test_a_young_person_leaves_on_the_eighteenth_birthday_and_not_a_day_before(
    trust: Field, export: Path
) -> None:
    young, grown = patient(1, birthDate="2008-11-23"), patient(2, birthDate="2008-11-22")
    put(export, bundle(young, attended(1), grown, attended(2)))

    await trust.index()

    assert await complaints(trust, 1) == ["Complaint 1"]
    assert await trust.outcome(NUMBERS[2]) is Outcome.NOTHING_HELD


# -- exports that are not whole -------------------------------------------------------------------------------------


NEXT = {"link": [{"relation": "next", "url": f"{SERVER}?_getpages=1"}]}


@pytest.mark.parametrize(
    "more",
    [
        NEXT,
        {"type": "searchset", "total": 20},
        {"type": "searchset", "total": 20, **NEXT},
        {"type": "history"},
    ],
)
async def test_one_page_of_several_is_no_absence(trust: Field, export: Path, more: dict[str, Any]) -> None:
    put(export, bundle(*many(range(5)), **more))

    await trust.index()

    assert set((await trust.faults()).values()) == {"source_unreadable"}
    assert await trust.outcome(NUMBERS[1]) is Outcome.ERROR
    assert await trust.outcome(STRANGER) is Outcome.ERROR


async def test_a_page_in_the_place_of_the_whole_leaves_the_last_sound_reading_in_force(
    trust: Field, export: Path
) -> None:
    put(export, bundle(*many()))
    await trust.settle()
    put(export, bundle(*many(range(1, 5)), **NEXT))

    await trust.index()

    assert await complaints(trust, 40) == ["Complaint 40"]
    assert await trust.outcome(STRANGER) is Outcome.ERROR


async def test_an_outcome_that_reports_an_error_makes_an_export_of_what_the_server_could_give(
    trust: Field, export: Path
) -> None:
    failed = {"resourceType": "OperationOutcome", "id": "o", "issue": [{"severity": "error", "code": "timeout"}]}
    put(export, bundle(*many(range(5)), failed))

    await trust.index()

    assert await trust.outcome(NUMBERS[1]) is Outcome.ERROR


async def test_an_outcome_that_warns_is_no_fault(trust: Field, export: Path) -> None:
    warned = {"resourceType": "OperationOutcome", "id": "o", "issue": [{"severity": "warning", "code": "value"}]}
    put(export, bundle(*many(range(1, 5)), warned))

    await trust.index()

    assert await complaints(trust, 1) == ["Complaint 1"]


async def test_a_bundle_that_is_half_written_is_not_read(trust: Field, export: Path) -> None:
    put(export, bundle(*many()))
    await trust.settle()
    put(export, bundle(*many())[:-900])

    await trust.index()

    assert await complaints(trust, 59) == ["Complaint 59"]
    assert await trust.outcome(STRANGER) is Outcome.ERROR


async def test_no_encounter_overnight_is_no_quiet_night(trust: Field, export: Path) -> None:
    put(export, bundle(*many()))
    await trust.settle()
    put(export, bundle(*(patient(place) for place in range(1, 60))))

    await trust.index()

    assert await trust.faults() == {"encounters": "shrunk"}
    assert await complaints(trust, 7) == ["Complaint 7"]
    assert await trust.outcome(STRANGER) is Outcome.ERROR


# -- what protects --------------------------------------------------------------------------------------------------


async def test_a_label_on_an_appointment_protects_it(trust: Field, export: Path) -> None:
    put(export, bundle(patient(1), appointment(1, meta=label(ACT_CODE, "HIV")), patient(2), appointment(2)))

    await trust.index()

    assert await trust.waits_for_a_person(NUMBERS[1])
    assert await trust.told(NUMBERS[2], "appointment_setting") == [("Clinic named here",)]


async def test_a_label_of_confidentiality_on_an_encounter_protects_it(trust: Field, export: Path) -> None:
    put(export, bundle(patient(1), attended(1, meta=label(CONFIDENTIALITY, "V")), patient(2), attended(2)))

    await trust.index()

    assert await trust.is_hidden(NUMBERS[1])
    assert await complaints(trust, 2) == ["Complaint 2"]


async def test_a_label_of_nobodys_list_protects_an_injury(trust: Field, export: Path) -> None:
    injury = {
        "resourceType": "Condition",
        "id": "c1",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "125667009"}], "text": "Bruise"},
        "subject": {"reference": "Patient/p1"},
        "onsetDateTime": "2026-11-02",
    }
    put(export, bundle(patient(1), {**injury, "meta": label("https://local.example/labels", "sealed")}))

    await trust.index()

    assert await trust.is_hidden(NUMBERS[1])
    put(export, bundle(patient(1), injury))
    await trust.index()
    # A label that is gone stays until a person has seen why.
    assert await trust.is_hidden(NUMBERS[1])
    assert await trust.dismiss("flag_disappeared") == 1
    await trust.index()
    assert await trust.told(NUMBERS[1], "injury_description") == [("Bruise",)]


async def test_a_flag_on_a_patient_without_number_protects_what_names_the_number_itself(
    trust: Field, export: Path
) -> None:
    nameless: Resource = {"resourceType": "Patient", "id": "p9", "meta": label(HANDLING, "WITNESS_PROT")}
    subject = {"reference": "Patient/p9", "identifier": identifier(NUMBERS[9])}
    put(export, bundle(nameless, attended(9, subject), *many(range(1, 5))))

    await trust.index()

    assert await trust.is_hidden(NUMBERS[9])
    assert await complaints(trust, 1) == ["Complaint 1"]


async def test_a_flag_resource_about_a_patient_without_number_protects_too(trust: Field, export: Path) -> None:
    nameless: Resource = {"resourceType": "Patient", "id": "p9"}
    marked = {
        "resourceType": "Flag",
        "id": "f9",
        "status": "active",
        "code": {"coding": [{"system": HANDLING, "code": "WITNESS_PROT"}]},
        "subject": {"reference": "Patient/p9"},
    }
    subject = {"reference": "Patient/p9", "identifier": identifier(NUMBERS[9])}
    put(export, bundle(nameless, marked, attended(9, subject), *many()))

    await trust.index()

    assert await trust.is_hidden(NUMBERS[9])


async def test_what_is_said_of_a_child_who_has_died_carries_that_flag(trust: Field, export: Path) -> None:
    put(export, bundle(patient(1, deceasedDateTime="2026-10-01"), attended(1), patient(2), attended(2)))

    await trust.index()

    assert await trust.is_hidden(NUMBERS[1])
    assert await complaints(trust, 2) == ["Complaint 2"]


# -- rows that cannot be read -----------------------------------------------------------------------------------------


async def test_an_encounter_on_no_day_is_held_and_could_not_be_read(trust: Field, export: Path) -> None:
    put(export, bundle(patient(0), attended(0, period={"start": "at night"}), *many()))

    await trust.index()

    assert await trust.faults() == {}
    assert await trust.pointers(NUMBERS[0]) == {"attendance_health": {"UNREADABLE"}}


@pytest.mark.parametrize("start", ["2026-11", "2026-11-03", "2026-11-03T10:00:00Z"])
async def test_an_encounter_has_a_date_as_exact_as_it_was_written(trust: Field, export: Path, start: str) -> None:
    put(export, bundle(patient(1), attended(1, period={"start": start})))

    await trust.index()

    assert await complaints(trust, 1) == ["Complaint 1"]


async def test_the_same_resource_twice_with_another_content_is_held_and_could_not_be_read(
    trust: Field, export: Path
) -> None:
    again = attended(0, period={"start": "2024-01-01T10:00:00Z"})
    put(export, bundle(patient(0), attended(0), again, *many()))

    await trust.index()

    assert await trust.faults() == {}
    assert "attendance_health" in await trust.pointers(NUMBERS[0])


# -- NDJSON of a bulk export ----------------------------------------------------------------------------------------


@pytest.fixture
def bulk(tmp_path: Path) -> Path:
    found = tmp_path / "bulk"
    found.mkdir()
    lines(found / "Patient.ndjson", map(patient, range(60)))
    lines(found / "Encounter.ndjson", map(attended, range(60)))
    return found


def lines(path: Path, resources: Iterable[Resource]) -> None:
    path.write_text("".join(json.dumps(resource) + "\n" for resource in resources))


@pytest.fixture
async def bulk_trust(tmp_path: Path, bulk: Path, policy: PolicyPoint) -> AsyncIterator[Field]:
    async with a_trust(tmp_path, policy, bulk) as field:
        await field.settle()
        assert await field.faults() == {}
        yield field


async def test_a_bulk_file_that_is_cut_off_is_not_read(bulk_trust: Field, bulk: Path) -> None:
    path = bulk / "Encounter.ndjson"
    path.write_text(path.read_text()[:-40])

    await bulk_trust.index()

    assert await complaints(bulk_trust, 59) == ["Complaint 59"]
    assert await bulk_trust.outcome(STRANGER) is Outcome.ERROR


async def test_a_bulk_file_that_is_still_on_its_way_is_waited_for(bulk_trust: Field, bulk: Path) -> None:
    (bulk / "Encounter.ndjson").rename(bulk / "Encounter.ndjson.part")

    await bulk_trust.index()

    assert await complaints(bulk_trust, 3) == ["Complaint 3"]
    assert await bulk_trust.outcome(STRANGER) is Outcome.ERROR


async def test_a_bulk_file_without_a_byte_is_not_read(bulk_trust: Field, bulk: Path) -> None:
    (bulk / "Encounter.ndjson").write_bytes(b"")

    await bulk_trust.index()

    assert await bulk_trust.outcome(STRANGER) is Outcome.ERROR


async def test_a_bulk_file_that_is_gone_is_missed(bulk_trust: Field, bulk: Path) -> None:
    (bulk / "Encounter.ndjson").unlink()

    await bulk_trust.index()

    assert await bulk_trust.faults() == {"encounters": "shrunk"}
    assert await complaints(bulk_trust, 3) == ["Complaint 3"]


async def test_a_second_file_of_patients_that_is_gone_is_missed_when_it_was_most_of_them(
    bulk_trust: Field, bulk: Path
) -> None:
    lines(bulk / "Patient.ndjson", map(patient, range(20)))
    lines(bulk / "Patient.2.ndjson", map(patient, range(20, 60)))
    await bulk_trust.index()
    assert await bulk_trust.faults() == {}
    (bulk / "Patient.2.ndjson").unlink()

    await bulk_trust.index()

    assert (await bulk_trust.faults())["patients"] == "shrunk"
    assert await complaints(bulk_trust, 50) == ["Complaint 50"]


async def test_a_line_that_is_no_resource_stops_the_reading_because_it_may_protect_somebody(
    bulk_trust: Field, bulk: Path
) -> None:
    path = bulk / "Encounter.ndjson"
    path.write_text(path.read_text().replace('{"resourceType": "Encounter", "id": "e7"', '{"resourceType', 1))

    await bulk_trust.index()

    assert set((await bulk_trust.faults()).values()) == {"source_unreadable"}
    assert await complaints(bulk_trust, 7) == ["Complaint 7"]
    states = {item.state for item in (await bulk_trust.answer(STRANGER)).reading}
    assert states == {ReadingState.FAILING}
