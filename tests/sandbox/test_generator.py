import datetime as dt
import hashlib
import sqlite3
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from agency_node.sources.opening import SourceSettings, open_source
from agency_node.sources.source import Rejected, RejectionReason, SourceRow
from sandbox.generator.drafts import Draft, Held, Holding, Target
from sandbox.generator.identifiers import DRAWN, SCRIPTED, upn, wrong_number
from sandbox.generator.kinds import SHAPES
from sandbox.generator.people import Need, Person, population
from sandbox.generator.shapes.table import Table
from sandbox.region import AgencyPlan, Region
from sandbox.sources import Prepared, families_of, prepare_source
from tests.support.source_files import known, protected, records

TODAY = dt.date(2026, 11, 22)
Systems = Mapping[str, Prepared]
Rows = Mapping[str, list[SourceRow]]
KINDS = sorted(SHAPES)
UNREADABLE = {RejectionReason.DATE_MISSING, RejectionReason.DATE_INVALID}
"""Of the faults that are written on purpose, those of a child who is known."""


def prepared(region: Region, plan: AgencyPlan, folder: Path) -> Prepared:
    return prepare_source(region, plan, plan.sources[0], folder)


def test_the_shipped_region_has_more_than_two_thousand_children(systems: Systems) -> None:
    everybody = {child.child for found in systems.values() if found.written for child in found.written.children}
    assert len(everybody) >= 2_000
    known_twice = Counter(
        child.child for found in systems.values() if found.written for child in found.written.children
    )
    assert sum(count >= 3 for count in known_twice.values()) >= 100


@pytest.mark.parametrize("kind", KINDS)
def test_every_child_and_record_is_read_back_through_the_mapping(systems: Systems, rows: Rows, kind: str) -> None:
    written = systems[kind].written
    assert written is not None
    found = {record.source_ref: record for record in protected(rows[kind])}
    assert known(rows[kind]) == {child.child: child.flags for child in written.children}
    # Rows that were written with a fault on purpose are unreadable records of their child, and nothing else is.
    faulty = {ref for ref, record in found.items() if record.unreadable}
    assert len(faulty) == sum(written.rejected[reason] for reason in UNREADABLE)
    assert {ref: record for ref, record in found.items() if ref not in faulty} == {
        record.source_ref: record for record in protected([*written.children, *written.records])
    }
    assert len(found) == len(written.records) + len(faulty) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_is_reported_and_nothing_else(systems: Systems, rows: Rows, kind: str) -> None:
    written = systems[kind].written
    assert written is not None
    assert written.rejected
    assert Counter(row.reason for row in rows[kind] if isinstance(row, Rejected)) == written.rejected


def test_the_same_seed_and_day_give_the_same_bytes(shipped: Region, systems: Systems, tmp_path: Path) -> None:
    for plan in shipped.agencies:
        again = prepared(shipped, plan, tmp_path / plan.id)
        assert digests(Path(tmp_path / plan.id)) == digests(folder_of(systems[plan.kind]))
        assert again.written is not None
        assert again.written.records == (systems[plan.kind].written or again.written).records


def test_another_seed_gives_other_bytes(shipped: Region, systems: Systems, tmp_path: Path) -> None:
    other = shipped.model_copy(update={"seed": shipped.seed + 1})
    for plan in (plan for plan in other.agencies if plan.kind in SHAPES):
        prepared(other, plan, tmp_path / plan.id)
        assert digests(tmp_path / plan.id) != digests(folder_of(systems[plan.kind]))


def folder_of(found: Prepared) -> Path:
    location = found.settings["location"].removeprefix("sqlite:///")
    return Path(location) if Path(location).is_dir() else Path(location).parent


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_every_number_is_of_the_range_for_tests_and_no_drawn_one_is_scripted(shipped: Region) -> None:
    drawn = [child.nhs_number.canonical() for home in population(shipped.seed, TODAY, 2_000) for child in home.children]
    assert len(set(drawn)) == len(drawn)
    assert all(int(number[:9]) in DRAWN and number.startswith("999") for number in drawn)
    scripted = [child.nhs_number.canonical() for family in families_of(shipped) for child in family.children]
    assert all(int(number[:9]) in SCRIPTED for number in scripted)


def test_the_population_is_under_eighteen_and_its_needs_are_of_realistic_frequency() -> None:
    homes = population(1, TODAY, 20_000)
    children = [child for home in homes for child in home.children]
    assert len(children) >= 20_000
    assert {child.age(TODAY) for child in children} <= set(range(18))
    share = {need: sum(home.need is need for home in homes) / len(homes) for need in Need}
    assert 0.83 < share[Need.UNIVERSAL] < 0.89
    assert 0.008 < share[Need.PROTECTION] < 0.02
    assert 0.004 < share[Need.CARE] < 0.012
    assert 1.6 < len(children) / len(homes) < 2.1


def test_a_upn_has_thirteen_characters_and_is_unique() -> None:
    found = [upn(serial) for serial in (1, 999, 1_000, 49_999, 60_000, 60_100)]
    assert all(len(number) == 13 for number in found)
    assert len(set(found)) == len(found)


def test_a_wrong_number_is_wrong() -> None:
    for home in population(3, TODAY, 50):
        for child in home.children:
            assert wrong_number(child.nhs_number)[:9] == child.nhs_number.canonical()[:9]
            assert wrong_number(child.nhs_number) != child.nhs_number.canonical()


def test_agencies_of_one_kind_share_the_households_out(shipped: Region, tmp_path: Path) -> None:
    first = shipped.agency("thornbury-police")
    second = first.model_copy(update={"id": "thornbury-police-2"})
    both = shipped.model_copy(update={"agencies": (*shipped.agencies, second)})
    left, right = (prepared(both, plan, tmp_path / plan.id).written for plan in (first, second))
    assert left is not None
    assert right is not None
    assert {child.child for child in left.children} & {child.child for child in right.children} == set()
    scripted = {child.nhs_number for family in families_of(shipped) for child in family.children}
    assert {child.child for child in right.children} & scripted == set()
    assert {child.child for child in left.children} & scripted


def test_the_database_has_the_datasets_own_table_and_column_names(systems: Systems) -> None:
    path = systems["childrens_services"].settings["location"].removeprefix("sqlite:///")
    connection = sqlite3.connect(path)
    columns = {
        table: {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    empty = [table for table in columns if not connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]]
    connection.close()
    assert {"pers_person_id", "pers_single_unique_id", "pers_dob"} <= columns["ssd_person"]
    assert {"s47e_s47_enquiry_id", "s47e_s47_start_date", "s47e_s47_nfa"} <= columns["ssd_s47_enquiry"]
    assert {"cppl_cp_plan_id", "cppl_cp_plan_latest_category"} <= columns["ssd_cp_plans"]
    assert {"link_identifier_type", "link_identifier_value"} <= columns["ssd_linked_identifiers"]
    assert empty == []


PERSON = next(iter(population(5, TODAY, 1))).children[0]


def every_table() -> list[tuple[str, Table]]:
    return [(kind, table) for kind, shape in SHAPES.items() for table in shape.tables]


@pytest.mark.parametrize(
    ("kind", "table"), every_table(), ids=lambda part: part if isinstance(part, str) else part.dataset
)
def test_a_system_refuses_a_record_it_has_no_place_for(tmp_path: Path, kind: str, table: Table) -> None:
    category, record_type = table.holds[0]
    values = dict.fromkeys(table.settings.values(), "x")
    unheard = Draft(category, record_type, TODAY, {**dict.fromkeys(table.needs, "x"), "unheard_of": 1})
    with pytest.raises(ValueError, match="unheard_of"):
        SHAPES[kind].write(Holding({PERSON.nhs_number: Held(PERSON, drafts=[unheard])}), target(tmp_path, values))


@pytest.mark.parametrize(("kind", "table"), [(kind, table) for kind, table in every_table() if table.needs])
def test_a_system_refuses_a_record_without_what_it_needs(tmp_path: Path, kind: str, table: Table) -> None:
    draft = Draft(*table.holds[0], TODAY)
    with pytest.raises(ValueError, match=min(table.needs)):
        SHAPES[kind].write(Holding({PERSON.nhs_number: Held(PERSON, drafts=[draft])}), target(tmp_path, {}))


def test_a_system_refuses_a_category_it_does_not_keep(tmp_path: Path) -> None:
    draft = Draft("camhs", "episode", TODAY)
    with pytest.raises(ValueError, match="no place for camhs"):
        SHAPES["police"].write(Holding({PERSON.nhs_number: Held(PERSON, drafts=[draft])}), target(tmp_path, {}))


def target(folder: Path, values: dict[str, str]) -> Target:
    return Target(folder, values, faults=False, today=TODAY)


def test_a_child_may_be_on_a_caseload_with_no_record(tmp_path: Path) -> None:
    asked = {setting for _, table in every_table() for setting in table.settings.values()}
    values = dict.fromkeys(asked, "x")
    for kind, shape in SHAPES.items():
        folder = tmp_path / kind
        folder.mkdir()
        holding = Holding({PERSON.nhs_number: Held(PERSON, frozenset({"WITNESS_PROT"}))})
        written = shape.write(holding, target(folder, values))
        rows = list(
            open_source(
                SourceSettings("s", written.mapping, written.location, values), today=lambda: TODAY, test_numbers=True
            ).read()
        )
        assert known(rows) == {PERSON.nhs_number: frozenset({"WITNESS_PROT"})}, kind
        assert records(rows) == [], kind


def test_a_person_is_not_shown_in_full() -> None:
    assert isinstance(PERSON, Person)
    assert PERSON.nhs_number.canonical() not in repr(PERSON)
