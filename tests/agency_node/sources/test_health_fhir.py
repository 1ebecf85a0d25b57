"""The shipped mapping of a shared care record: what real exports hold, and what must come of it."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from agency_node.sources.mapping import load_mapping
from agency_node.sources.mapping_sections import ChildrenSection, RecordSection
from agency_node.sources.opening import SHIPPED_MAPPINGS, SourceSettings, open_source
from agency_node.sources.record import Unreadable
from agency_node.sources.source import RejectionReason, SourceRow
from federation.errors import ErrorCode, WardgateError
from tests.support.fhir_files import NHS, SERVER, entry
from tests.support.source_files import ADA, BEN, CAY, TODAY, children, protected, records, rejected

MAPPING = "health-fhir-r4"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
SENSITIVITY = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
HANDLING = "urn:wardgate:handling-flag"
STATUS = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"
STATUS_CODES = "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland"
SNOMED = "http://snomed.info/sct"
ODS = "https://fhir.nhs.uk/Id/ods-organization-code"

Resource = dict[str, Any]


def read(location: Path) -> list[SourceRow]:
    values = {"duty_contact": "0300", "safeguarding_lead_contact": "0301"}
    settings = SourceSettings("care", MAPPING, str(location), values)
    return list(open_source(settings, today=lambda: TODAY, test_numbers=True).read())


def bundle(folder: Path, *resources: Resource, urls: dict[int, str] | None = None) -> list[SourceRow]:
    entries = [entry(resource, (urls or {}).get(number)) for number, resource in enumerate(resources)]
    path = folder / "bundle.json"
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}), encoding="utf-8")
    return read(path)


def number(value: str, **more: Any) -> Resource:
    return {"system": NHS, "value": value, **more}


def status(code: str | None, **concept: Any) -> list[Resource]:
    coded = {} if code is None else {"coding": [{"system": STATUS_CODES, "code": code}]}
    return [{"url": STATUS, "valueCodeableConcept": {**coded, **concept}}]


def patient(*numbers: Resource | str, id: str = "1", **more: Any) -> Resource:  # noqa: A002 - FHIR's own name
    identifiers = [number(each) if isinstance(each, str) else each for each in numbers]
    return {"resourceType": "Patient", "id": id, "identifier": identifiers, **more}


def labelled(*labels: tuple[str | None, str]) -> Resource:
    return {
        "security": [{"code": code} if system is None else {"system": system, "code": code} for system, code in labels]
    }


def coded(system: str, *codes: str) -> Resource:
    return {"coding": [{"system": system, "code": code} for code in codes]}


SUBJECT = {"reference": "Patient/1"}
WHEN = "2026-11-03T10:00:00Z"
ENCOUNTER: Resource = {
    "resourceType": "Encounter",
    "id": "e1",
    "status": "finished",
    "class": {"code": "EMER"},
    "subject": SUBJECT,
    "period": {"start": WHEN},
}
RESOURCES: dict[str, Resource] = {
    "attendance_health": ENCOUNTER,
    "sexual_health": {**ENCOUNTER, "id": "s1", "class": {"code": "AMB"}, "serviceType": coded("x", "360")},
    "injury": {
        "resourceType": "Condition",
        "id": "c1",
        "code": coded(SNOMED, "125605004"),
        "subject": SUBJECT,
        "onsetDateTime": "2026-11-03",
    },
    "appointment": {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "noshow",
        "start": WHEN,
        "serviceType": [{"text": "Clinic"}],
        "participant": [{"actor": {"reference": "Practitioner/p"}}, {"actor": SUBJECT}],
    },
    "health_visiting": {
        "resourceType": "EpisodeOfCare",
        "id": "h1",
        "status": "active",
        "type": [coded("x", "0-19")],
        "patient": SUBJECT,
        "period": {"start": "2026-11-03"},
    },
    "camhs": {
        "resourceType": "EpisodeOfCare",
        "id": "m1",
        "status": "active",
        "type": [coded("x", "711")],
        "patient": SUBJECT,
        "period": {"start": "2026-11-03"},
    },
    "adult_mental_health": {
        "resourceType": "FamilyMemberHistory",
        "id": "f1",
        "status": "completed",
        "patient": SUBJECT,
        "date": "2026-11-03",
        "relationship": coded("x", "MTH"),
        "condition": [{"code": coded(SNOMED, "74732009")}],
    },
    "substance_misuse": {
        "resourceType": "FamilyMemberHistory",
        "id": "f2",
        "status": "completed",
        "patient": SUBJECT,
        "date": "2026-11-03",
        "condition": [{"code": coded(SNOMED, "66214007")}],
    },
}
"""One resource for each category that is not part of the Patient."""
USUAL = {
    "sexual_health": {"SEX_HEALTH"},
    "adult_mental_health": {"MENTAL_HEALTH_ADULT"},
    "substance_misuse": {"SUBST_MISUSE"},
}
PRACTICE: Resource = {
    "type": "Organization",
    "identifier": {"system": ODS, "value": "Y12345", "period": {"start": "2020-01-01"}},
}


# -- the field's own files ----------------------------------------------------------------------------------------


def test_another_servers_patient_with_the_same_id_is_another_child(tmp_path: Path) -> None:
    stranger = {**ENCOUNTER, "subject": {"reference": "https://south.example/fhir/Patient/1"}}
    found = bundle(tmp_path, patient(ADA), stranger)
    assert [child.child.canonical() for child in children(found)] == [ADA]
    assert records(found) == []
    assert [row.reason for row in rejected(found)] == [RejectionReason.CHILD_UNKNOWN]


def test_entries_known_by_full_url_alone_are_read(tmp_path: Path) -> None:
    urls = {n: f"urn:uuid:{n}1111111-1111-4111-8111-111111111111" for n in range(2)}
    visit = {**ENCOUNTER, "subject": {"reference": urls[0]}}
    nameless = [{key: value for key, value in each.items() if key != "id"} for each in (patient(ADA), visit)]
    found = bundle(tmp_path, *nameless, urls=urls)
    assert [(row.source_ref, row.child.canonical()) for row in records(found)] == [(f"encounters:{urls[1]}", ADA)]
    assert rejected(found) == []


def test_equal_ids_of_two_servers_are_two_records(tmp_path: Path) -> None:
    south = "https://south.example/fhir"
    urls = {2: f"{south}/Patient/1", 3: f"{south}/Encounter/e1"}
    found = bundle(tmp_path, patient(ADA), ENCOUNTER, patient(BEN), ENCOUNTER, urls=urls)
    assert [(row.source_ref, row.child.canonical()) for row in records(found)] == [
        (f"encounters:{SERVER}/Encounter/e1", ADA),
        (f"encounters:{south}/Encounter/e1", BEN),
    ]


def test_an_encounter_of_a_flagged_patient_without_number_is_flagged(tmp_path: Path) -> None:
    subject = {"reference": "Patient/9", "identifier": number(ADA)}
    flagged = patient(id="9", meta=labelled((HANDLING, "WITNESS_PROT")))
    visits = {**ENCOUNTER, "subject": subject}, {**ENCOUNTER, "id": "e2", "subject": {"identifier": number(ADA)}}
    found = bundle(tmp_path, flagged, *visits)
    assert [sorted(row.flags) for row in protected(found)] == [["WITNESS_PROT"], ["WITNESS_PROT"]]


def test_so_is_one_whose_patient_has_a_flag_resource(tmp_path: Path) -> None:
    flag = {
        "resourceType": "Flag",
        "id": "f",
        "status": "active",
        "code": coded(HANDLING, "WITNESS_PROT"),
        "subject": {"reference": "Patient/9"},
    }
    visit = {**ENCOUNTER, "subject": {"reference": "Patient/9", "identifier": number(ADA)}}
    for resources in ((patient(id="9"), flag, visit), (flag, visit)):
        assert [sorted(row.flags) for row in protected(bundle(tmp_path, *resources))] == [["WITNESS_PROT"]]


def test_an_adult_is_no_child_and_the_records_are_nobodys(tmp_path: Path) -> None:
    adult = patient(ADA, birthDate="1980-02-01", generalPractitioner=[PRACTICE])
    own = {**ENCOUNTER, "id": "e2", "subject": {"identifier": number(ADA)}}
    both = {**ENCOUNTER, "id": "e3", "subject": {"reference": "Patient/1", "identifier": number(BEN)}}
    found = bundle(tmp_path, adult, ENCOUNTER, own, both)
    assert not children(found)
    assert not records(found)
    assert {row.reason for row in rejected(found)} == {RejectionReason.NOT_A_CHILD}
    assert len(rejected(found)) == 5  # twice the Patient: as a child and as a registration


@pytest.mark.parametrize(("born", "stays"), [("2008-11-22", False), ("2008-11-23", True), ("2008", True), (None, True)])
def test_a_child_stays_until_the_eighteenth_birthday(tmp_path: Path, born: str | None, *, stays: bool) -> None:
    found = bundle(tmp_path, patient(ADA, birthDate=born), ENCOUNTER)
    assert len(children(found)) == len(records(found)) == stays


@pytest.mark.parametrize(
    "death", [{"deceasedBoolean": True}, {"deceasedDateTime": "2026-05"}, {"deceasedDateTime": "2026-05-01T01:00:00Z"}]
)
def test_a_dead_child_is_marked(tmp_path: Path, death: Resource) -> None:
    found = bundle(tmp_path, patient(ADA, **death), ENCOUNTER)
    assert children(found)[0].flags == protected(found)[0].flags == {"DECEASED"}
    assert children(bundle(tmp_path, patient(ADA, deceasedBoolean=False)))[0].flags == set()


def test_a_dead_child_does_not_grow_up(tmp_path: Path) -> None:
    died = patient(ADA, birthDate="2007-06-01", deceasedDateTime="2024-12-24")
    assert children(bundle(tmp_path, died))[0].flags == {"DECEASED"}


# -- which number joins -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "past",
    [
        {"use": "old"},
        {"period": {"end": "2026-11-21"}},
        {"period": {"end": "2026-10"}},
        {"period": {"end": "2025"}},
        {"period": {"start": "2026-12-01"}},
        {"period": {"end": "in May"}},
        {"use": "official", "period": {"start": "2010-01-01", "end": "2020-01-01"}},
        {"extension": status("03")},
        {"extension": status("02")},
        {"extension": status("99")},
        {"extension": status(None, text="Trace required")},
    ],
)
def test_a_number_that_is_past_or_untraced_does_not_join(tmp_path: Path, past: Resource) -> None:
    other = {**ENCOUNTER, "id": "e2", "subject": {"reference": "Patient/1", "identifier": number(BEN)}}
    found = bundle(tmp_path, patient(number(BEN, **past)), ENCOUNTER, other)
    assert not children(found)
    assert not records(found)
    assert [row.reason for row in rejected(found)] == [RejectionReason.NHS_NUMBER_UNTRACED] * 3
    for order in ((ADA, number(BEN, **past)), (number(BEN, **past), ADA)):
        found = bundle(tmp_path, patient(*order), ENCOUNTER)
        assert [child.child.canonical() for child in children(found)] == [ADA]
        assert [row.child.canonical() for row in records(found)] == [ADA]
        assert rejected(found) == []


@pytest.mark.parametrize(
    "present",
    [
        {},
        {"use": "official"},
        {"use": "usual"},
        {"period": {"start": "2010-01-01"}},
        {"period": {"end": "2026-11-22"}},
        {"period": {"end": "2026-11"}},
        {"period": {"end": "2026"}},
        {"period": {"end": "9999-12-31"}},
        {"period": {"start": "1900-01-01", "end": "1900-01-01"}},
        {"period": {}},
        {"extension": status("01")},
        {"extension": status("01", text="Number present and verified")},
        {"extension": [{"url": "https://local", "valueString": "x"}]},
    ],
)
def test_a_number_that_is_present_and_not_marked_untraced_joins(tmp_path: Path, present: Resource) -> None:
    found = bundle(tmp_path, patient(number(ADA, **present)), ENCOUNTER)
    assert [child.child.canonical() for child in children(found)] == [ADA]
    assert [row.child.canonical() for row in records(found)] == [ADA]


def test_two_present_numbers_are_two_children_under_one_key(tmp_path: Path) -> None:
    found = bundle(tmp_path, patient(ADA, BEN), ENCOUNTER)
    assert [child.child.canonical() for child in children(found)] == [ADA, BEN]
    assert [(row.child.canonical(), row.unreadable, dict(row.fields)) for row in records(found)] == [
        (ADA, frozenset({Unreadable.CHILD}), {}),
        (BEN, frozenset({Unreadable.CHILD}), {}),
    ]
    assert {row.reason for row in rejected(found)} == {RejectionReason.CHILD_AMBIGUOUS}
    same = bundle(tmp_path, patient(ADA, f"{ADA[:3]} {ADA[3:6]} {ADA[6:]}"), ENCOUNTER)
    assert len(children(same)) == len(records(same)) == 1


@pytest.mark.parametrize("active", [{"active": False}, {}])
def test_a_patient_that_another_replaced_does_not_join(tmp_path: Path, active: Resource) -> None:
    link = [{"other": {"reference": "Patient/2"}, "type": "replaced-by"}]
    replaced = patient(ADA, link=link, generalPractitioner=[PRACTICE], **active)
    replacing = patient(BEN, id="2", link=[{"other": {"reference": "Patient/1"}, "type": "replaces"}])
    found = bundle(
        tmp_path, replaced, replacing, ENCOUNTER, {**ENCOUNTER, "id": "e2", "subject": {"reference": "Patient/2"}}
    )
    assert [child.child.canonical() for child in children(found)] == [BEN]
    assert [row.child.canonical() for row in records(found)] == [BEN]
    assert {row.reason for row in rejected(found)} == {RejectionReason.NHS_NUMBER_UNTRACED}


# -- labels -------------------------------------------------------------------------------------------------------


def test_every_section_reads_all_labels() -> None:
    mapping = load_mapping(SHIPPED_MAPPINGS / f"{MAPPING}.toml")
    sections: list[ChildrenSection | RecordSection] = [*mapping.children, *mapping.records]
    assert len(sections) == 10
    for section in sections:
        for system in (CONFIDENTIALITY, SENSITIVITY, HANDLING):
            (spec,) = [spec for spec in section.flags if spec.column == f"meta.security[system={system}].code"]
            assert (spec.unmapped, spec.otherwise) == ("flag", None)


@pytest.mark.parametrize("category", sorted(RESOURCES))
@pytest.mark.parametrize(
    ("label", "flag"),
    [
        ((HANDLING, "WITNESS_PROT"), "WITNESS_PROT"),
        ((HANDLING, "no flag"), "UNRECOGNISED"),
        ((SENSITIVITY, "HIV"), "HIV_STI"),
        ((SENSITIVITY, "PSY"), "UNRECOGNISED"),
        ((CONFIDENTIALITY, "R"), "UNRECOGNISED"),
        ((CONFIDENTIALITY, "V"), "UNRECOGNISED"),
        ((CONFIDENTIALITY, "N"), ""),
        (("https://local/labels", "staff"), "UNRECOGNISED"),
        ((None, "V"), "UNRECOGNISED"),
    ],
)
def test_a_label_on_any_resource_is_read(
    tmp_path: Path, category: str, label: tuple[str | None, str], flag: str
) -> None:
    found = bundle(tmp_path, patient(ADA), {**RESOURCES[category], "meta": labelled(label)})
    assert children(found)[0].flags == set()
    (record,) = records(found)
    assert record.category == category
    assert record.flags == USUAL.get(category, set()) | ({flag} - {""})


@pytest.mark.parametrize(
    ("label", "flag"),
    [
        ((CONFIDENTIALITY, "R"), "SENSITIVE_ADDRESS"),
        ((CONFIDENTIALITY, "V"), "SENSITIVE_ADDRESS"),
        ((CONFIDENTIALITY, "X"), "UNRECOGNISED"),
        ((SENSITIVITY, "SEX"), "SEX_HEALTH"),
        ((HANDLING, "VIP"), "VIP"),
        (("https://local/labels", "staff"), "UNRECOGNISED"),
    ],
)
def test_a_label_on_a_patient_is_on_every_record(tmp_path: Path, label: tuple[str, str], flag: str) -> None:
    found = bundle(tmp_path, patient(ADA, meta=labelled(label), generalPractitioner=[PRACTICE]), *RESOURCES.values())
    assert children(found)[0].flags == {flag}
    assert len(records(found)) == 9
    assert all(record.flags == {flag} | USUAL.get(record.category, set()) for record in protected(found))


def test_what_was_entered_in_error_says_so_everywhere(tmp_path: Path) -> None:
    wrong = [{**row, "status": "entered-in-error"} for name, row in RESOURCES.items() if name != "injury"]
    error = coded("http://terminology.hl7.org/CodeSystem/condition-ver-status", "entered-in-error")
    found = bundle(tmp_path, patient(ADA), *wrong, {**RESOURCES["injury"], "verificationStatus": error})
    assert len(records(found)) == len(RESOURCES)
    assert all("RETRACTED" in record.flags for record in records(found))
    assert rejected(found) == []


# -- what is read of each resource --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((code, "requested") for code in ("proposed", "pending", "waitlist")),
        *((code, "attended") for code in ("arrived", "checked-in", "fulfilled")),
        ("booked", "booked"),
        ("cancelled", "cancelled"),
        ("noshow", "was_not_brought"),
        ("entered-in-error", "entered_in_error"),
    ],
)
def test_every_status_of_an_appointment_is_known(tmp_path: Path, status: str, kind: str) -> None:
    (record,) = records(bundle(tmp_path, patient(ADA), {**RESOURCES["appointment"], "status": status}))
    assert (record.type, record.fields["was_not_brought"]) == (kind, kind == "was_not_brought")


def test_a_status_of_no_standard_is_reported(tmp_path: Path) -> None:
    found = bundle(tmp_path, patient(ADA), {**RESOURCES["appointment"], "status": "dna"})
    assert [row.reason for row in rejected(found)] == [RejectionReason.VALUE_UNMAPPED]


@pytest.mark.parametrize(
    "status", ["planned", "waitlist", "active", "onhold", "finished", "cancelled", "entered-in-error"]
)
def test_every_status_of_an_episode_is_known(tmp_path: Path, status: str) -> None:
    assert len(records(bundle(tmp_path, patient(ADA), {**RESOURCES["camhs"], "status": status}))) == 1


@pytest.mark.parametrize(
    ("category", "changes", "date"),
    [
        ("attendance_health", {"period": {"start": "2026-06"}}, "2026-06-01"),
        ("sexual_health", {"period": {"start": "2026"}}, "2026-01-01"),
        ("health_visiting", {"period": {"start": "2026-06"}}, "2026-06-01"),
        ("camhs", {"period": {"start": "2026-06", "end": "2026-07"}}, "2026-06-01"),
        ("injury", {"onsetDateTime": None, "recordedDate": "2026-06-04"}, "2026-06-04"),
        ("injury", {"onsetDateTime": None, "onsetPeriod": {"start": "2026-06"}}, "2026-06-01"),
        ("injury", {"recordedDate": "2026-06-04"}, "2026-11-03"),
        ("appointment", {"start": None, "requestedPeriod": [{"start": "2026-06-05"}]}, "2026-06-05"),
        ("appointment", {"start": None, "created": "2026-06-06"}, "2026-06-06"),
        ("adult_mental_health", {"date": "2026"}, "2026-01-01"),
    ],
)
def test_a_date_may_be_partial_or_another_one(tmp_path: Path, category: str, changes: Resource, date: str) -> None:
    found = bundle(tmp_path, patient(ADA), {**RESOURCES[category], **changes})
    assert [record.date for record in records(found)] == [dt.date.fromisoformat(date)]


def test_an_injury_that_was_only_written_down_has_no_day_of_its_own(tmp_path: Path) -> None:
    undated = {**RESOURCES["injury"], "onsetDateTime": None, "recordedDate": "2026-06-04"}
    (record,) = records(bundle(tmp_path, patient(ADA), undated))
    assert "injury_date" not in record.fields


def test_a_practice_with_a_code_and_no_name_is_a_registration(tmp_path: Path) -> None:
    (record,) = records(bundle(tmp_path, patient(ADA, generalPractitioner=[PRACTICE])))
    assert (record.category, record.source_ref) == ("gp_registration", f"patients:{SERVER}/Patient/1")
    assert record.date == dt.date(2020, 1, 1)
    assert record.fields["practice_code"] == "Y12345"
    assert "practice_name" not in record.fields
    named = {**PRACTICE, "display": "Practice"}
    (record,) = records(bundle(tmp_path, patient(ADA, generalPractitioner=[named])))
    assert (record.fields["practice_name"], record.fields["practice_code"]) == ("Practice", "Y12345")


def test_a_practice_that_cannot_be_dated_is_reported_and_none_at_all_is_not(tmp_path: Path) -> None:
    found = bundle(tmp_path, patient(ADA, generalPractitioner=[{"reference": "Organization/o"}]))
    assert [(row.dataset, row.reason) for row in rejected(found)] == [("patients", RejectionReason.DATE_MISSING)]
    assert rejected(bundle(tmp_path, patient(ADA))) == []


def test_of_two_practices_the_present_one_says_whether_it_goes_on(tmp_path: Path) -> None:
    former = {"identifier": {"system": ODS, "value": "A1", "period": {"start": "2010", "end": "2019-12-31"}}}
    (record,) = records(bundle(tmp_path, patient(ADA, generalPractitioner=[former, PRACTICE])))
    assert (record.date, record.fields.get("registration_end_date")) == (dt.date(2020, 1, 1), None)
    (record,) = records(bundle(tmp_path, patient(ADA, generalPractitioner=[former])))
    assert (record.date, record.fields["registration_end_date"]) == (dt.date(2010, 1, 1), "2019-12-31")


def test_a_family_history_of_both_conditions_is_a_record_of_each(tmp_path: Path) -> None:
    both = {**RESOURCES["adult_mental_health"], "condition": [{"code": coded(SNOMED, "74732009", "66214007")}]}
    found = records(bundle(tmp_path, patient(ADA), both))
    assert [(row.category, sorted(row.flags)) for row in found] == [
        ("adult_mental_health", ["MENTAL_HEALTH_ADULT"]),
        ("substance_misuse", ["SUBST_MISUSE"]),
    ]
    other = {**both, "condition": [{"code": coded(SNOMED, "73211009")}]}
    assert [row.reason for row in rejected(bundle(tmp_path, patient(ADA), other))] == [RejectionReason.ROW_UNCLAIMED]


# -- the same in other shapes -------------------------------------------------------------------------------------


def bulk(folder: Path, **files: list[Resource]) -> list[SourceRow]:
    root = folder / "export"
    root.mkdir(exist_ok=True)
    for name, rows in files.items():
        (root / f"{name}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return read(root)


def test_a_bulk_export_reads_as_the_bundle_does(tmp_path: Path) -> None:
    child = patient(number(ADA, extension=status("01")), number(BEN, use="old"), generalPractitioner=[PRACTICE])
    found = bulk(tmp_path, Patient=[child], Other=list(RESOURCES.values()))
    whole = bundle(tmp_path, child, *RESOURCES.values())
    assert [child.child.canonical() for child in children(found)] == [ADA]
    assert {(row.category, row.fields.get("practice_code")) for row in records(found)} == {
        (row.category, row.fields.get("practice_code")) for row in records(whole)
    }
    assert records(found)[0].source_ref == "patients:1"
    assert rejected(found) == rejected(whole) == []


def test_in_a_bulk_export_a_foreign_server_is_another_child(tmp_path: Path) -> None:
    stranger = {**RESOURCES["injury"], "subject": {"reference": "https://south.example/fhir/Patient/1"}}
    found = bulk(tmp_path, Patient=[patient(ADA)], Condition=[stranger])
    assert records(found) == []
    assert [row.reason for row in rejected(found)] == [RejectionReason.CHILD_UNKNOWN]


def test_in_a_bulk_export_adults_the_dead_and_labels_are_the_same(tmp_path: Path) -> None:
    people = [
        patient(ADA, birthDate="1979-01-01"),
        patient(BEN, id="2", deceasedBoolean=True, meta=labelled((CONFIDENTIALITY, "R"))),
        patient(number(CAY, extension=status("03")), id="3"),
    ]
    episodes = [
        {
            **RESOURCES["camhs"],
            "id": f"m{n}",
            "patient": {"reference": f"Patient/{n}"},
            "meta": labelled((SENSITIVITY, "SUD")),
        }
        for n in (1, 2, 3)
    ]
    found = bulk(tmp_path, Patient=people, EpisodeOfCare=episodes)
    assert [sorted(child.flags) for child in children(found)] == [["DECEASED", "SENSITIVE_ADDRESS"]]
    assert [sorted(record.flags) for record in protected(found)] == [["DECEASED", "SENSITIVE_ADDRESS", "SUBST_MISUSE"]]
    assert sorted(row.reason for row in rejected(found)) == ["nhs_number_untraced"] * 2 + ["not_a_child"] * 2


def test_an_appointment_of_a_child_and_its_mother_is_the_childs_and_keeps_the_mothers_flag(tmp_path: Path) -> None:
    mother = patient(BEN, id="2", birthDate="1990-01-01", meta=labelled((HANDLING, "WITNESS_PROT")))
    actors = [{"actor": {"reference": f"Patient/{n}"}} for n in (2, 1)]
    found = bundle(tmp_path, patient(ADA), mother, {**RESOURCES["appointment"], "participant": actors})
    assert [(row.child.canonical(), sorted(row.flags)) for row in protected(found)] == [(ADA, ["WITNESS_PROT"])]
    alone = bundle(tmp_path, patient(ADA), mother, {**RESOURCES["appointment"], "participant": actors[:1]})
    assert {row.reason for row in rejected(alone)} == {RejectionReason.NOT_A_CHILD}


def test_an_appointment_of_an_untraced_child_is_a_fault_whoever_else_comes(tmp_path: Path) -> None:
    mother, child = patient(BEN, id="2", birthDate="1990-01-01"), patient(number(ADA, extension=status("03")))
    actors = [{"actor": {"reference": f"Patient/{n}"}} for n in (2, 1)]
    found = bundle(tmp_path, child, mother, {**RESOURCES["appointment"], "participant": actors})
    assert [row.reason for row in rejected(found) if row.dataset == "appointments"] == [
        RejectionReason.NHS_NUMBER_UNTRACED
    ]


def test_a_patient_inside_another_resource_is_a_child(tmp_path: Path) -> None:
    visit = {**ENCOUNTER, "subject": {"reference": "#p"}, "contained": [patient(ADA, id="p")]}
    flagged = {**ENCOUNTER, "id": "e2", "subject": {"reference": "#p"}}
    flagged["contained"] = [patient(number(BEN, use="old"), id="p")]
    found = bundle(tmp_path, visit, flagged)
    assert [row.child.canonical() for row in records(found)] == [ADA]
    assert [row.reason for row in rejected(found)] == [RejectionReason.NHS_NUMBER_UNTRACED] * 2


def test_the_first_page_of_a_search_is_not_read(tmp_path: Path) -> None:
    page = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 20,
        "link": [{"relation": "next", "url": f"{SERVER}?_getpages=1"}],
        "entry": [entry(patient(ADA)), entry(ENCOUNTER)],
    }
    changes: list[Resource] = [{}, {"link": []}, {"total": 1}]
    for change in changes:
        (tmp_path / "bundle.json").write_text(json.dumps({**page, **change}), encoding="utf-8")
        with pytest.raises(WardgateError) as refused:
            read(tmp_path / "bundle.json")
        assert refused.value.code is ErrorCode.SOURCE_UNREADABLE


def test_an_export_in_xml_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "bundle.xml").write_text('<Bundle xmlns="http://hl7.org/fhir"/>', encoding="utf-8")
    with pytest.raises(WardgateError, match="not JSON"):
        read(tmp_path / "bundle.xml")
