import json
from pathlib import Path

import pytest

from agency_node.sources.mapping import load_mapping, parse_mapping
from agency_node.sources.mapping_sections import RecordSection
from agency_node.sources.mapping_values import ValueType
from agency_node.sources.opening import SHIPPED_MAPPINGS, mapping_path
from federation.errors import ErrorCode, WardgateError
from tests.support.documents import examples
from tests.support.source_files import ADA, children, read_source, records

ROOT = Path(__file__).resolve().parents[3]
BUNDLE = json.loads((ROOT / "policies" / "dist" / "data.json").read_text(encoding="utf-8"))["reference"]
NAMES = sorted(path.stem for path in SHIPPED_MAPPINGS.glob("*.toml"))
KIND_OF = {
    "standard-safeguarding-dataset": "childrens_services",
    "police-exports": "police",
    "school-mis": "school",
    "health-fhir-r4": "icb",
    "youth-justice-exports": "youth_justice",
}
FROM_LEDGER = {"disclosure_account"}
"""No source system holds it: it is read from the ledger."""

LEFT_OUT = {
    # Somebody else's record, or one that the exports of this system have no place for.
    "childrens_services": {
        *("channel", "court_orders", "death_review", "disability", "exploitation", "family_network"),
        *("identity", "kinship", "looked_after_health", "marac", "missing_risk", "private_fostering"),
        *("serious_incident", "special_school_placement"),
    },
    "police": {
        *("channel", "custody", "death_review", "disclosure_scheme", "mappa", "marac", "missing_risk"),
        *("operation_encompass", "serious_incident"),
    },
    "school": {"send", "ehcp_advice", "identity", "safeguarding_file", "serious_incident"},
    "icb": {"address", "ehcp_advice", "identity", "maternity", "serious_incident"},
    "youth_justice": {"exploitation", "involvement"},
}
"""Categories that agencies of a kind may hold and the shipped mapping does not read."""


def sections(name: str) -> tuple[RecordSection, ...]:
    return load_mapping(SHIPPED_MAPPINGS / f"{name}.toml").records


def categories(section: RecordSection) -> set[str]:
    return {str(value) for value in section.category.possible()}


def test_there_is_a_mapping_for_every_kind_and_one_of_wardgates_own_form() -> None:
    assert set(NAMES) == {*KIND_OF, "wardgate-records"}


@pytest.mark.parametrize("name", sorted(KIND_OF))
def test_a_mapping_reads_every_category_its_kind_of_agency_keeps(name: str) -> None:
    kind = KIND_OF[name]
    kept = {category for category, row in BUNDLE["categories"].items() if kind in row["agency_kinds"]}
    read = {category for section in sections(name) for category in categories(section)}
    assert read <= kept
    assert kept - read == LEFT_OUT[kind] | FROM_LEDGER


@pytest.mark.parametrize("name", sorted(KIND_OF))
def test_every_field_is_one_that_policy_knows(name: str) -> None:
    for section in sections(name):
        for category in categories(section):
            known = set(BUNDLE["categories"][category]["fields"])
            assert {field for field, _ in section.field_specs()} <= known, category


@pytest.mark.parametrize("name", sorted(KIND_OF))
def test_what_ends_is_read_where_policy_asks_whether_it_goes_on(name: str) -> None:
    for section in sections(name):
        lasting = {category for category in categories(section) if BUNDLE["categories"][category]["lasts"]}
        assert not lasting or section.ended_on is not None, lasting
        # The end that policy decides by is the one that people read.
        columns = {spec.column for _, spec in section.field_specs() if spec.type is ValueType.DATE}
        assert section.ended_on is None or section.ended_on.column in columns


@pytest.mark.parametrize("name", sorted(KIND_OF))
def test_every_flag_a_mapping_names_is_one_that_policy_knows(name: str) -> None:
    mapping = load_mapping(SHIPPED_MAPPINGS / f"{name}.toml")
    flags = [section.flags for section in mapping.children] + [section.flags for section in mapping.marks]
    specs = [spec for found in (*flags, *(section.flags for section in mapping.records)) for spec in found]
    named = {flag for spec in specs for flag in (spec.values or {}).values()} | {spec.constant for spec in specs}
    assert named - {None, ""} <= set(BUNDLE["flags"])


@pytest.mark.parametrize("name", sorted(KIND_OF))
def test_every_system_has_a_way_to_carry_any_handling_flag(name: str) -> None:
    mapping = load_mapping(SHIPPED_MAPPINGS / f"{name}.toml")
    flags = [section.flags for section in mapping.children] + [section.flags for section in mapping.marks]
    assert any(spec.column is not None and spec.values is None for found in flags for spec in found)


def test_a_bare_name_is_a_shipped_mapping_and_a_path_is_a_path() -> None:
    assert mapping_path("school-mis") == SHIPPED_MAPPINGS / "school-mis.toml"
    assert mapping_path("/etc/wardgate/own.toml") == Path("/etc/wardgate/own.toml")
    assert mapping_path("../../etc/passwd").parent == SHIPPED_MAPPINGS
    with pytest.raises(WardgateError) as refused:
        load_mapping(mapping_path("no-such-mapping"))
    assert refused.value.code is ErrorCode.MAPPING_INVALID


def test_the_documents_example_is_a_mapping_that_reads(tmp_path: Path) -> None:
    (example,) = examples("mapping-file.md", "toml")
    parse_mapping(example.encode(), name="example.toml")
    header = "Case No,NHS No,Alerts,Opened,Closed,Lead\n"
    for day, lead in (("2026-11-21", "FH"), ("2026-11-20", "SCH")):
        text = f"{header}7,{ADA},ADDR;NONE,01/02/2026,,{lead}\n"
        (tmp_path / f"register-{day}.csv").write_text(text, encoding="cp1252")
    rows = read_source(tmp_path, example)
    assert [child.flags for child in children(rows)] == [{"SENSITIVE_ADDRESS"}]
    assert [(row.source_ref, row.fields["earl_episode_organisation"]) for row in records(rows)] == [
        ("register:7/01/02/2026", "Family Hub")
    ]


def test_every_reason_and_mapping_is_documented() -> None:
    from agency_node.sources.source import RejectionReason

    text = (ROOT / "docs" / "mapping-file.md").read_text(encoding="utf-8")
    assert all(f"`{reason}`" in text for reason in RejectionReason)
    assert all(f"`{name}.toml`" in text for name in NAMES)
