import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agency_node.sources.source import RejectionReason
from federation.errors import ErrorCode, WardgateError
from tests.support.fhir_files import MAPPING, NHS, SERVER, bundle, encounter, entry, patient
from tests.support.source_files import ADA, BEN, children, datasets, read_source, records, rejected


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
    ("subject", "url"),
    [
        ({"reference": "Patient/a"}, None),
        ({"reference": f"{SERVER}/Patient/a"}, None),
        ({"reference": "Patient/a/_history/3"}, None),
        ({"reference": f"{SERVER}/Patient/a/_history/3"}, None),
        ({"reference": f"{SERVER}/Patient/a"}, f"{SERVER}/Patient/a/_history/7"),
        (
            {"reference": "urn:uuid:11111111-1111-4111-8111-111111111111"},
            "urn:uuid:11111111-1111-4111-8111-111111111111",
        ),
        ({"reference": "urn:oid:1.2.3"}, "urn:oid:1.2.3"),
        ({"identifier": {"system": NHS, "value": ADA}}, None),
        ({"reference": "Patient/elsewhere", "identifier": {"system": NHS, "value": ADA}}, None),
    ],
)
def test_every_form_of_reference_leads_to_the_patient(
    tmp_path: Path, subject: dict[str, object], url: str | None
) -> None:
    urls = {} if url is None else {1: url}
    found = bundle(tmp_path, encounter("e", subject), patient("a", ADA), urls=urls)
    assert [(row.source_ref, row.child.canonical()) for row in records(found)] == [("encounters:e", ADA)]


UUID = "urn:uuid:11111111-1111-4111-8111-111111111111"
NOT_THE_PATIENT = [
    ("https://south.example/fhir/Patient/a", None, RejectionReason.CHILD_UNKNOWN),
    ("https://north.example/fhir2/Patient/a", None, RejectionReason.CHILD_UNKNOWN),
    ("http://north.example/fhir/Patient/a", None, RejectionReason.CHILD_UNKNOWN),
    ("Patient/A", None, RejectionReason.CHILD_UNKNOWN),
    ("Patient/a", "https://south.example/fhir/Encounter/e", RejectionReason.CHILD_UNKNOWN),
    ("#a", None, RejectionReason.CHILD_UNKNOWN),
    ("#", None, RejectionReason.CHILD_UNKNOWN),
    ("urn:uuid:a", None, RejectionReason.CHILD_UNKNOWN),
    ("Patient/a", UUID, RejectionReason.CHILD_KEY_MISSING),
    ("Patient/a", "https://north.example/fhir/x", RejectionReason.CHILD_KEY_MISSING),
    ("Patient?identifier=a", None, RejectionReason.CHILD_KEY_MISSING),
    ("/Patient/a", None, RejectionReason.CHILD_KEY_MISSING),
    ("../Patient/a", None, RejectionReason.CHILD_KEY_MISSING),
    ("fhir/Patient/a", None, RejectionReason.CHILD_KEY_MISSING),
    ("a", None, RejectionReason.CHILD_KEY_MISSING),
]


@pytest.mark.parametrize(("reference", "url", "reason"), NOT_THE_PATIENT)
def test_what_does_not_name_the_patient_names_another_child(
    tmp_path: Path, reference: str, url: str | None, reason: RejectionReason
) -> None:
    appointment = {
        "resourceType": "Appointment",
        "id": "e",
        "status": "noshow",
        "start": "2026-03-01T10:00:00Z",
        "participant": [{"actor": {"reference": reference}}],
    }
    found = bundle(tmp_path, patient("a", ADA), appointment, urls={} if url is None else {1: url})
    assert records(found) == []
    assert [(row.dataset, row.reason) for row in rejected(found)] == [("appointments", reason)]


def test_a_flag_whose_child_cannot_be_told_stops_the_reading(tmp_path: Path) -> None:
    flag = {
        "resourceType": "Flag",
        "status": "active",
        "subject": {"reference": "Patient/a"},
        "code": {"coding": [{"code": "WITNESS_PROT"}]},
    }
    with pytest.raises(WardgateError, match="may protect somebody"):
        bundle(tmp_path, patient("a", ADA), flag, urls={1: UUID})
    elsewhere = bundle(tmp_path, patient("a", ADA), flag, urls={1: "https://south.example/fhir/Flag/f"})
    assert [row.reason for row in rejected(elsewhere)] == [RejectionReason.CHILD_UNKNOWN]


def test_the_same_id_on_two_servers_is_two_patients(tmp_path: Path) -> None:
    south = "https://south.example/fhir"
    found = bundle(
        tmp_path,
        patient("1", ADA),
        patient("1", BEN),
        encounter("e1", {"reference": "Patient/1"}),
        encounter("e2", {"reference": "Patient/1"}),
        encounter("e3", {"reference": f"{south}/Patient/1"}),
        urls={1: f"{south}/Patient/1", 3: f"{south}/Encounter/e2"},
    )
    assert rejected(found) == []
    assert [(row.source_ref, row.child.canonical()) for row in records(found)] == [
        ("encounters:e1", ADA),
        ("encounters:e2", BEN),
        ("encounters:e3", BEN),
    ]


def test_entries_without_full_url_know_each_other_by_type_and_id(tmp_path: Path) -> None:
    entries = [
        {"resource": patient("a", ADA)},
        {"resource": encounter("e1", {"reference": "Patient/a"})},
        {"fullUrl": "Encounter/e2", "resource": encounter("e2", {"reference": "Patient/a"})},
        entry(encounter("e3", {"reference": "Patient/a"})),
    ]
    found = bundle(tmp_path, entry=entries)
    assert [row.source_ref for row in records(found)] == ["encounters:e1", "encounters:e2"]
    assert [(row.line, row.reason) for row in rejected(found)] == [(4, RejectionReason.CHILD_UNKNOWN)]


def test_a_contained_patient_is_the_subject_of_its_container_alone(tmp_path: Path) -> None:
    found = bundle(
        tmp_path,
        encounter("e1", {"reference": "#p"}, contained=[patient("p", ADA)]),
        encounter("e2", {"reference": "#p"}),
        encounter("e3", {"reference": "Patient/p"}),
        encounter("e4", {"reference": "#p"}, contained=[patient("p", BEN), {"resourceType": "Flag", "id": "f"}]),
    )
    assert [(row.source_ref, row.child.canonical()) for row in records(found)] == [
        ("encounters:e1", ADA),
        ("encounters:e4", BEN),
    ]
    assert [(row.line, row.reason) for row in rejected(found)] == [
        (2, RejectionReason.CHILD_UNKNOWN),
        (3, RejectionReason.CHILD_UNKNOWN),
    ]


def test_contained_patients_of_nameless_resources_are_never_confused(tmp_path: Path) -> None:
    whole = [encounter("e", {"reference": "#p"}, contained=[patient("p", number)]) for number in (ADA, BEN)]
    nameless = [{key: value for key, value in row.items() if key != "id"} for row in whole]
    found = bundle(tmp_path, *nameless)
    assert records(found) == []
    assert {row.reason for row in rejected(found)} == {RejectionReason.NHS_NUMBER_MISSING}


def test_a_name_that_stands_twice_makes_a_resource_that_cannot_be_read(tmp_path: Path) -> None:
    text = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [entry(patient("a", ADA))]})
    twice = text.replace(f'"value": "{ADA}"', f'"value": "{BEN}", "value": "{ADA}"')
    assert twice != text
    (tmp_path / "bundle.json").write_text(twice, encoding="utf-8")
    with pytest.raises(WardgateError) as refused:
        read_source(tmp_path, MAPPING, "bundle.json")
    assert refused.value.code is ErrorCode.SOURCE_UNREADABLE


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
            "id": code,
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
    assert {flag for child in children(found) for flag in child.flags} == {"WITNESS_PROT"}
    assert len(records(found)) == 1
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
    without = without.replace('flags = [{ column = "meta.security.code", values = {', "# {", 1)
    found = read_source(tmp_path, without, "bundle.json")
    # It may have been a resource of any dataset; of encounters, one with flags.
    assert [(row.dataset, row.line, row.reason, row.has_flags) for row in rejected(found)] == [
        ("patients", 2, RejectionReason.ROW_MALFORMED, False),
        ("encounters", 2, RejectionReason.ROW_MALFORMED, True),
        ("appointments", 2, RejectionReason.ROW_MALFORMED, False),
    ]
    assert [read.unreadable for read in datasets(found).values()] == [1, 1, 1]


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
