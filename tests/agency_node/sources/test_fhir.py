import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agency_node.sources.source import RejectionReason, SourceRow
from federation.errors import ErrorCode, WardgateError
from tests.support.source_files import ADA, BEN, children, read_source, records, rejected

NHS = "https://fhir.nhs.uk/Id/nhs-number"
MAPPING = f"""
format = 1
title = "FHIR"
kind = "fhir"
ignored_resources = ["Practitioner"]
[datasets.patients]
resource = "Patient"
[datasets.flags]
resource = "Flag"
[datasets.encounters]
resource = "Encounter"
[datasets.appointments]
resource = "Appointment"
[[children]]
dataset = "patients"
key = "@reference"
nhs_number = "identifier[system={NHS}].value"
flags = [{{ column = "meta.security.code", values = {{ U = "", R = "SENSITIVE_ADDRESS" }} }}]
[[marks]]
dataset = "flags"
where = {{ status = ["active"] }}
child = {{ key = "subject.reference" }}
flags = [{{ column = "code.coding.code" }}]
[[records]]
dataset = "encounters"
category = "attendance_health"
type = "emergency"
child = {{ key = "subject.reference", nhs_number = "subject.identifier[system={NHS}].value" }}
ref = "id"
date = {{ column = "period.start", partial = true }}
flags = [{{ column = "status", values = {{ "entered-in-error" = "RETRACTED" }}, unmapped = "ignore" }}]
[[records]]
dataset = "appointments"
category = "appointment"
type = {{ column = "status", values = {{ noshow = "was_not_brought" }}, otherwise = "kept" }}
child = {{ key = "participant.actor.reference" }}
ref = "id"
date = "start"
"""


def patient(identity: str, number: str, security: str = "U") -> dict[str, object]:
    return {
        "resourceType": "Patient",
        "id": identity,
        "meta": {"security": [{"code": security}]},
        "identifier": [{"system": "https://local", "value": "x"}, {"system": NHS, "value": number}],
    }


def encounter(identity: str, subject: dict[str, object], **changes: object) -> dict[str, object]:
    return {
        "resourceType": "Encounter",
        "id": identity,
        "status": "finished",
        "subject": subject,
        "period": {"start": "2026-03-01T10:00:00Z"},
        **changes,
    }


def bundle(folder: Path, *resources: object, urls: dict[int, str] | None = None) -> list[SourceRow]:
    entries = [
        {"fullUrl": (urls or {}).get(number, f"https://x/{number}"), "resource": resource}
        for number, resource in enumerate(resources)
    ]
    content = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    (folder / "bundle.json").write_text(json.dumps(content), encoding="utf-8")
    return read_source(folder, MAPPING, "bundle.json")


def test_patients_are_children_by_their_nhs_number(tmp_path: Path) -> None:
    found = bundle(
        tmp_path,
        patient("a", ADA),
        patient("b", BEN, "R"),
        patient("c", "9990000027"),
        {"resourceType": "Patient", "id": "d"},
    )
    assert [(child.child.canonical(), sorted(child.flags)) for child in children(found)] == [
        (ADA, []),
        (BEN, ["SENSITIVE_ADDRESS"]),
    ]
    assert [row.reason for row in rejected(found)] == [
        RejectionReason.NHS_NUMBER_INVALID,
        RejectionReason.NHS_NUMBER_MISSING,
    ]


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/a"},
        {"reference": "https://fhir.example.nhs.uk/R4/Patient/a"},
        {"reference": "Patient/a/_history/3"},
        {"reference": "urn:uuid:11111111-1111-4111-8111-111111111111"},
        {"identifier": {"system": NHS, "value": ADA}},
        {"reference": "Patient/elsewhere", "identifier": {"system": NHS, "value": ADA}},
    ],
)
def test_every_form_of_reference_leads_to_the_patient(tmp_path: Path, subject: dict[str, object]) -> None:
    urls = {1: "urn:uuid:11111111-1111-4111-8111-111111111111"}
    found = bundle(tmp_path, encounter("e", subject), patient("a", ADA), urls=urls)
    assert [(row.source_ref, row.child.canonical()) for row in records(found)] == [("encounters:e", ADA)]


def test_a_patient_without_id_is_known_by_its_full_url(tmp_path: Path) -> None:
    url = "urn:uuid:11111111-1111-4111-8111-111111111111"
    nameless = {key: value for key, value in patient("a", ADA).items() if key != "id"}
    found = bundle(tmp_path, nameless, encounter("e", {"reference": url}), urls={0: url})
    assert len(records(found)) == 1


@pytest.mark.parametrize("subject", [{"reference": "Patient/z"}, {}, {"reference": 7}, "Patient/a"])
def test_a_resource_of_nobody_known_is_reported(tmp_path: Path, subject: dict[str, object]) -> None:
    found = bundle(tmp_path, patient("a", ADA), encounter("e", subject))
    assert [row.dataset for row in rejected(found)] == ["encounters"]


def test_an_appointment_of_two_siblings_is_a_record_of_each(tmp_path: Path) -> None:
    actors = ["Practitioner/p", "Patient/a", "Patient/b", "Patient/a"]
    appointment = {
        "resourceType": "Appointment",
        "id": "n",
        "status": "noshow",
        "start": "2026-03-01T10:00:00Z",
        "participant": [{"actor": {"reference": reference}} for reference in actors],
    }
    found = records(bundle(tmp_path, patient("a", ADA), patient("b", BEN), appointment))
    assert [(row.source_ref, row.child.canonical(), row.type) for row in found] == [
        ("appointments:n", ADA, "was_not_brought"),
        ("appointments:n#2", BEN, "was_not_brought"),
    ]


def test_a_flag_resource_marks_the_child_while_it_is_active(tmp_path: Path) -> None:
    def flag(status: str, code: str) -> dict[str, object]:
        return {
            "resourceType": "Flag",
            "status": status,
            "subject": {"reference": "Patient/a"},
            "code": {"coding": [{"code": code}]},
        }

    found = bundle(
        tmp_path,
        flag("active", "WITNESS_PROT"),
        flag("inactive", "VIP"),
        patient("a", ADA),
        encounter("e", {"reference": "Patient/a"}),
    )
    assert children(found)[0].flags == {"WITNESS_PROT"}
    assert records(found)[0].flags == {"WITNESS_PROT"}
    assert [row.reason for row in rejected(found)] == [RejectionReason.ROW_UNCLAIMED]


def test_what_was_entered_in_error_says_so(tmp_path: Path) -> None:
    found = bundle(tmp_path, patient("a", ADA), encounter("e", {"reference": "Patient/a"}, status="entered-in-error"))
    assert records(found)[0].flags == {"RETRACTED"}


def test_resources_of_a_type_the_mapping_does_not_know_are_reported(tmp_path: Path) -> None:
    found = bundle(tmp_path, {"resourceType": "Observation", "id": "o"}, {"resourceType": "Practitioner", "id": "p"})
    assert [(row.dataset, row.line, row.reason, row.column) for row in rejected(found)] == [
        ("other_resources", 1, RejectionReason.ROW_UNCLAIMED, "Observation")
    ]


@pytest.mark.parametrize("entry", [None, "x", {"id": "a"}, {"resourceType": 7}, {"resourceType": "Patient", "id": 7}])
def test_an_entry_that_is_no_resource_stops_a_reading_that_knows_marks(tmp_path: Path, entry: object) -> None:
    with pytest.raises(WardgateError) as refused:
        bundle(tmp_path, patient("a", ADA), entry)
    assert refused.value.code is ErrorCode.SOURCE_UNREADABLE
    without = MAPPING[: MAPPING.index("[[marks]]")] + MAPPING[MAPPING.index("[[records]]") :]
    without = without.replace('[datasets.flags]\nresource = "Flag"\n', "")
    found = read_source(tmp_path, without, "bundle.json")
    assert [(row.line, row.reason) for row in rejected(found)] == [(2, RejectionReason.ROW_MALFORMED)]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"resourceType": "Patient"}', '{"resourceType": "Bundle", "entry": 3}']
)
def test_what_is_no_bundle_is_unreadable(tmp_path: Path, content: str) -> None:
    (tmp_path / "bundle.json").write_text(content, encoding="utf-8")
    with pytest.raises(WardgateError) as refused:
        read_source(tmp_path, MAPPING, "bundle.json")
    assert refused.value.code is ErrorCode.SOURCE_UNREADABLE


def test_a_bulk_export_is_read_file_by_file(tmp_path: Path) -> None:
    export = tmp_path / "export"
    export.mkdir()
    (export / "Encounter.ndjson").write_text(
        json.dumps(encounter("e", {"reference": "Patient/a"})) + "\n", encoding="utf-8"
    )
    (export / "Patient.ndjson").write_text(json.dumps(patient("a", ADA)) + "\n", encoding="utf-8")
    assert len(records(read_source(tmp_path, MAPPING, "export"))) == 1
    for path in export.iterdir():
        path.unlink()
    with pytest.raises(WardgateError):
        read_source(tmp_path, MAPPING, "export")


def test_an_export_that_is_gone_is_unreadable(tmp_path: Path) -> None:
    for location in ("gone.json", "gone.ndjson"):
        with pytest.raises(WardgateError) as refused:
            read_source(tmp_path, MAPPING, location)
        assert refused.value.code is ErrorCode.SOURCE_UNREADABLE


_KEYS = st.sampled_from(
    ["resourceType", "id", "entry", "resource", "subject", "reference", "period", "start", "meta", "code"]
)
_LEAVES = st.sampled_from(
    ["Bundle", "Patient", "Encounter", "Flag", "Patient/a", "2026-03-01", "", "\ud800", 1, None, True, 1.5]
)
_RESOURCES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=8
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_RESOURCES, max_size=4))
def test_any_resources_are_rows_or_an_error_of_the_catalogue(tmp_path: Path, resources: list[object]) -> None:
    with contextlib.suppress(WardgateError):
        bundle(tmp_path, patient("a", ADA), *resources)
