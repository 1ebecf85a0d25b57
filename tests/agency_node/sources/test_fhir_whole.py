"""An export that is not whole is unreadable: a child of its missing part must not become "nothing held"."""

import contextlib
import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agency_node.sources.fhir import FhirReader
from agency_node.sources.fhir_export import TAKEN, Export, NotWhole
from agency_node.sources.fhir_manifest import read_manifest
from agency_node.sources.mapping import FhirMapping, parse_mapping
from agency_node.sources.opening import SourceSettings, open_source
from agency_node.sources.source import SourceRow
from federation.errors import ErrorCode, WardgateError
from tests.support.fhir_files import MAPPING, bundle, encounter, entry, patient
from tests.support.source_files import ADA, BEN, TODAY, children, read_source, records

NEXT = {"relation": "next", "url": "https://north.example/fhir?_getpages=1&_getpagesoffset=12"}
SELF = {"relation": "self", "url": "https://north.example/fhir/Patient"}


def outcome(*severities: object) -> dict[str, object]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": each, "code": "x"} for each in severities]}


def refusal(folder: Path, *resources: object, **more: Any) -> str:
    with pytest.raises(WardgateError) as refused:
        bundle(folder, *resources, **more)
    assert refused.value.code is ErrorCode.SOURCE_UNREADABLE
    return refused.value.detail


@pytest.mark.parametrize("kind", sorted(TAKEN - {"batch-response", "transaction-response"}))
def test_a_bundle_that_says_what_is_held_is_read(tmp_path: Path, kind: str) -> None:
    assert len(children(bundle(tmp_path, patient("a", ADA), type=kind))) == 1


@pytest.mark.parametrize("kind", ["history", "transaction", "batch", "message", "Searchset", None, 7, ["collection"]])
def test_a_bundle_that_says_something_else_is_not(tmp_path: Path, kind: object) -> None:
    assert "type is none of batch-response, collection" in refusal(tmp_path, patient("a", ADA), type=kind)


@pytest.mark.parametrize("kind", ["searchset", "collection"])
@pytest.mark.parametrize("relation", ["next", "previous", "prev"])
def test_one_page_of_several_is_not_read(tmp_path: Path, kind: str, relation: str) -> None:
    links = [SELF, {**NEXT, "relation": relation}]
    assert "one page of several" in refusal(tmp_path, patient("a", ADA), type=kind, link=links)


def test_a_bundle_with_links_to_itself_and_to_all_pages_ends_is_whole(tmp_path: Path) -> None:
    links = [SELF, {**NEXT, "relation": "first"}, {**NEXT, "relation": "last"}, {"relation": ["next"]}, "next"]
    assert children(bundle(tmp_path, patient("a", ADA), type="searchset", link=links))


@pytest.mark.parametrize(
    ("total", "is_whole"), [(1, True), (0, True), (2, False), (20, False), ("1", False), (True, False), (None, False)]
)
def test_a_total_must_be_reached_by_matches(tmp_path: Path, total: object, *, is_whole: bool) -> None:
    included = {**entry(encounter("e", {"reference": "Patient/a"})), "search": {"mode": "include"}}
    match = {**entry(patient("a", ADA)), "search": {"mode": "match"}}
    more: dict[str, Any] = {"type": "searchset", "total": total, "entry": [match, included]}
    if is_whole:
        assert len(records(bundle(tmp_path, **more))) == 1
    else:
        assert "total is not reached: it has 1 matches" in refusal(tmp_path, **more)


def test_entries_without_a_mode_are_matches(tmp_path: Path) -> None:
    assert children(bundle(tmp_path, patient("a", ADA), patient("b", BEN), type="searchset", total=2))


@pytest.mark.parametrize("severity", ["error", "fatal", "Error", "", None, 7])
def test_a_reported_error_means_that_something_is_missing(tmp_path: Path, severity: object) -> None:
    assert "reports an error" in refusal(tmp_path, patient("a", ADA), outcome("warning", severity))
    export = tmp_path / "export"
    export.mkdir()
    lines = [json.dumps(each) for each in (patient("a", ADA), outcome(severity))]
    (export / "Patient.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(WardgateError, match="reports an error"):
        read_source(tmp_path, MAPPING, "export")


def test_an_outcome_without_issues_is_taken_for_an_error(tmp_path: Path) -> None:
    assert "reports an error" in refusal(tmp_path, outcome())


def test_a_remark_of_the_system_is_no_error(tmp_path: Path) -> None:
    remarks = {**entry(outcome("information", "warning")), "search": {"mode": "outcome"}}
    found = bundle(tmp_path, type="searchset", total=1, entry=[entry(patient("a", ADA)), remarks])
    assert len(children(found)) == 1


@pytest.mark.parametrize("kind", ["batch-response", "transaction-response"])
@pytest.mark.parametrize(
    ("status", "is_whole"), [("200 OK", True), ("200", True), ("404 Not Found", False), ("304", False), (None, False)]
)
def test_every_request_of_a_batch_must_have_succeeded(
    tmp_path: Path, kind: str, status: object, *, is_whole: bool
) -> None:
    entries = [
        {**entry(patient("a", ADA)), "response": {"status": "200 OK"}},
        {**entry(patient("b", BEN)), "response": {"status": status}},
    ]
    if is_whole:
        assert len(children(bundle(tmp_path, type=kind, entry=entries))) == 2
    else:
        assert "entry 2: a request of the batch did not succeed" in refusal(tmp_path, type=kind, entry=entries)


def test_an_error_inside_a_response_is_one(tmp_path: Path) -> None:
    answered = {**entry(patient("a", ADA)), "response": {"status": "200 OK", "outcome": outcome("error")}}
    assert "reports an error" in refusal(tmp_path, type="batch-response", entry=[answered])


def test_a_search_inside_a_batch_is_read_and_must_be_whole(tmp_path: Path) -> None:
    search = {"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [entry(patient("a", ADA))]}
    answered = {"resource": search, "response": {"status": "200 OK"}}
    assert len(children(bundle(tmp_path, type="batch-response", entry=[answered]))) == 1
    answered = {**answered, "resource": {**search, "link": [NEXT]}}
    assert "one page of several" in refusal(tmp_path, type="batch-response", entry=[answered])


# -- bulk exports -------------------------------------------------------------------------------------------------


def export(folder: Path, manifest: object = None, **files: object) -> Path:
    """A bulk export: `Patient__0="…"` becomes `Patient.0.ndjson`; a list is resources, a text the file as it stands."""
    root = folder / "export"
    root.mkdir(exist_ok=True)
    for name, content in files.items():
        lines = content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content)  # type: ignore[attr-defined]
        (root / f"{name.replace('__', '.')}.ndjson").write_text(lines, encoding="utf-8")
    if manifest is not None:
        (root / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return root


def read(folder: Path) -> list[SourceRow]:
    return read_source(folder, MAPPING, "export")


def test_references_resolve_inside_a_bulk_export(tmp_path: Path) -> None:
    export(
        tmp_path,
        Encounter=[encounter("e1", {"reference": "Patient/a"}), encounter("e2", {"reference": "Patient/a/_history/1"})],
        Patient=[patient("a", ADA)],
    )
    assert [row.source_ref for row in records(read(tmp_path))] == ["encounters:e1", "encounters:e2"]


@pytest.mark.parametrize(
    ("request_url", "resolves"),
    [
        ("https://north.example/fhir/$export", True),
        ("https://north.example/fhir/$export?_type=Patient,Encounter", True),
        ("https://north.example/fhir/Patient/$export", True),
        ("https://north.example/fhir/Group/g1/$export?_type=Patient", True),
        ("https://south.example/fhir/$export", False),
        ("https://north.example/fhir", False),
        (None, False),
    ],
)
def test_an_absolute_reference_of_a_bulk_export_needs_its_server_named(
    tmp_path: Path, request_url: str | None, *, resolves: bool
) -> None:
    manifest = {"request": request_url, "output": [{"type": "Patient", "url": "https://files.example/1"}], "error": []}
    export(
        tmp_path,
        manifest,
        Encounter=[
            encounter("e1", {"reference": "https://north.example/fhir/Patient/a"}),
            encounter("e2", {"reference": "Patient/a"}),
        ],
        Patient=[patient("a", ADA)],
    )
    expected = ["encounters:e1", "encounters:e2"] if resolves else ["encounters:e2"]
    assert [row.source_ref for row in records(read(tmp_path))] == expected


def test_without_a_manifest_an_absolute_reference_names_nobody(tmp_path: Path) -> None:
    export(tmp_path, Patient=[patient("a", ADA), encounter("e", {"reference": "https://north.example/fhir/Patient/a"})])
    assert records(read(tmp_path)) == []


@pytest.mark.parametrize("content", ["", "\n", "\n\n"])
def test_an_empty_file_of_a_bulk_export_is_no_answer(tmp_path: Path, content: str) -> None:
    export(tmp_path, Patient=[patient("a", ADA)], Encounter=content)
    with pytest.raises(WardgateError, match=r"Encounter\.ndjson is empty"):
        read(tmp_path)


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_last_line_that_is_cut_off_stops_the_reading(tmp_path: Path, cut: int) -> None:
    whole = "".join(json.dumps(encounter(f"e{n}", {"reference": "Patient/a"})) + "\n" for n in range(2))
    export(tmp_path, Patient=[patient("a", ADA)], Encounter=whole[: -1 - cut])
    with pytest.raises(WardgateError, match=r"Encounter\.ndjson: the last line is cut off"):
        read(tmp_path)
    export(tmp_path, Encounter=whole[:-1])
    assert len(records(read(tmp_path))) == 2


@pytest.mark.parametrize(
    "name",
    [
        *("Encounter.ndjson.part", "Encounter.ndjson.gz", "Encounter.ndjson.tmp", ".Encounter.ndjson.Xa9f", "x.part"),
        *("Encounter.NDJSON.PART", "x.crdownload", "x.filepart", "x.partial"),
    ],
)
def test_a_file_that_is_unfinished_or_packed_stops_the_reading(tmp_path: Path, name: str) -> None:
    root = export(tmp_path, Patient=[patient("a", ADA)])
    (root / "README.txt").write_text("x", encoding="utf-8")
    assert children(read(tmp_path))
    (root / name).write_text(json.dumps(encounter("e", {"reference": "Patient/a"})), encoding="utf-8")
    with pytest.raises(WardgateError, match="not a finished NDJSON file"):
        read(tmp_path)


def test_a_name_in_capitals_is_a_bulk_file_too(tmp_path: Path) -> None:
    root = export(tmp_path, Patient=[patient("a", ADA)])
    (root / "Encounter.NDJSON").write_text(json.dumps(encounter("e", {"reference": "Patient/a"})), encoding="utf-8")
    assert len(records(read(tmp_path))) == 1


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        ([], "not that of an export that is complete"),
        ({}, "not that of an export that is complete"),
        ({"output": None}, "not that of an export that is complete"),
        ({"output": ["x"]}, "not that of an export that is complete"),
        ({"output": [{"type": "Patient", "count": "3"}]}, "not that of an export that is complete"),
        ({"output": [{"type": "Patient", "count": 3}]}, "2 resources of type Patient where"),
        ({"output": [{"type": "Patient", "count": 1}] * 3}, "2 resources of type Patient where"),
        ({"output": [{"type": "Encounter"}]}, "0 resources of type Encounter where"),
        ({"output": [], "error": [{"type": "OperationOutcome"}]}, "0 resources of type OperationOutcome where"),
        ({"output": [], "link": [{"relation": "next"}]}, "next page"),
        ({"output": [], "request": "https://north.example/$export?_since=2026-01-01"}, "export of changes"),
        ({"output": [], "deleted": [{"type": "Bundle"}]}, "export of changes"),
    ],
)
def test_a_manifest_that_is_not_met_stops_the_reading(tmp_path: Path, manifest: object, why: str) -> None:
    export(tmp_path, manifest, Patient=[patient("a", ADA), patient("b", BEN)])
    with pytest.raises(WardgateError, match=why):
        read(tmp_path)


def test_a_manifest_that_is_met_lets_the_reading_go_on(tmp_path: Path) -> None:
    manifest = {
        "output": [{"type": "Patient", "count": 1}, {"type": "Patient", "count": 1}],
        "error": [{"type": "OperationOutcome", "count": 1}],
    }
    export(tmp_path, manifest, Patient=[patient("a", ADA), patient("b", BEN)], errors=[outcome("information")])
    assert len(children(read(tmp_path))) == 2
    export(tmp_path, errors=[outcome("error")])
    with pytest.raises(WardgateError, match="reports an error"):
        read(tmp_path)


# -- as of when ---------------------------------------------------------------------------------------------------


def as_at(path: Path) -> int | None:
    mapping = parse_mapping(MAPPING.encode(), name="m")
    assert isinstance(mapping, FhirMapping)
    with FhirReader("a-source", path, mapping, today=lambda: TODAY).open() as feed:
        assert not feed.is_absent("patients")
        return feed.as_at("patients")


def test_an_export_is_as_of_what_it_says_and_no_later_than_it_was_written(tmp_path: Path) -> None:
    made = int(dt.datetime(2026, 11, 20, 2, tzinfo=dt.UTC).timestamp())
    for text, expected in (
        ("2026-11-20T02:00:00+00:00", made),
        ("2026-11-20T02:00:00Z", made),
        ("2027-11-20T02:00:00Z", made + 60),
        ("2026-11-20", made + 60),
        ("yesterday", made + 60),
        (7, made + 60),
    ):
        bundle(tmp_path, patient("a", ADA), timestamp=text)
        os.utime(tmp_path / "bundle.json", (made + 60, made + 60))
        assert as_at(tmp_path / "bundle.json") == expected


def test_a_bulk_export_is_as_of_its_oldest_file_or_the_servers_time(tmp_path: Path) -> None:
    root = export(tmp_path, Patient=[patient("a", ADA)], Encounter=[encounter("e", {"reference": "Patient/a"})])
    os.utime(root / "Patient.ndjson", (2_000_000_000, 2_000_000_000))
    os.utime(root / "Encounter.ndjson", (1_900_000_000, 1_900_000_000))
    assert as_at(root) == 1_900_000_000
    export(tmp_path, {"transactionTime": "2026-11-20T02:00:00Z", "output": []})
    assert as_at(root) == int(dt.datetime(2026, 11, 20, 2, tzinfo=dt.UTC).timestamp())


# -- any input ----------------------------------------------------------------------------------------------------

_NAMES = st.sampled_from(
    [
        "resourceType",
        "type",
        "entry",
        "link",
        "relation",
        "total",
        "response",
        "status",
        "search",
        "mode",
        "issue",
        "severity",
        "contained",
        "id",
        "output",
        "count",
        "error",
        "request",
        "resource",
        "fullUrl",
        "period",
        "end",
    ]
)
_LEAVES = st.sampled_from(
    ["Bundle", "searchset", "batch-response", "next", "200", "error", "OperationOutcome", "Patient", "", 1, None, True]
)
_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_NAMES, inner, max_size=4), max_leaves=12
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(_NAMES, _JSON, max_size=6))
def test_any_bundle_is_read_or_found_not_whole(bundle: dict[str, object]) -> None:
    with contextlib.suppress(NotWhole):
        Export(TODAY, frozenset({"Patient"})).add_bundle({"resourceType": "Bundle", "type": "searchset", **bundle}, "f")


@given(_JSON)
def test_any_manifest_is_read_or_found_not_whole(found: object) -> None:
    with contextlib.suppress(NotWhole):
        assert set(map(type, read_manifest(found).counts.values())) <= {int}


def test_a_check_of_the_source_finds_what_is_not_whole_too(tmp_path: Path) -> None:
    refusal(tmp_path, patient("a", ADA), link=[NEXT])
    settings = SourceSettings("a-source", str(tmp_path / "mapping.toml"), str(tmp_path / "bundle.json"))
    with pytest.raises(WardgateError, match="one page of several"):
        open_source(settings, today=lambda: TODAY).check()
