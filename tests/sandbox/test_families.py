import datetime as dt
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from agency_node.sources.record import SourceRecord
from agency_node.sources.source import SourceRow
from federation.errors import ErrorCode, WardgateError
from keys.nhs_number import NhsNumber
from sandbox.families import Family, ScriptedChild, find_child, load_families
from sandbox.generator.kinds import SHAPES
from tests.support.source_files import known, protected

TODAY = dt.date(2026, 11, 22)
FAMILIES = load_families(TODAY)
BUNDLE = json.loads(
    (Path(__file__).resolve().parents[2] / "policies" / "dist" / "data.json").read_text(encoding="utf-8")
)["reference"]
GAP_CHECKS_BY_DATA = {f"G{number}" for number in range(1, 17)}
"""G17, no answer in time, is the gateway's and no child's."""

Read = dict[str, dict[NhsNumber, tuple[frozenset[str], list[SourceRecord]]]]


def scripted() -> list[tuple[Family, ScriptedChild]]:
    return [(family, child) for family in FAMILIES for child in family.children]


@pytest.fixture
def read(rows: Mapping[str, list[SourceRow]]) -> Read:
    """What each kind of agency's own system says of every child."""
    found: Read = {}
    for kind, read_rows in rows.items():
        found[kind] = {child: (flags, []) for child, flags in known(read_rows).items()}
        for record in protected(read_rows):
            found[kind][record.child][1].append(record)
    return found


def test_each_system_holds_of_each_child_exactly_what_the_script_says(read: Read) -> None:
    assert set(SHAPES) < set(read)
    for family, child in scripted():
        assert set(child.held) <= set(read), family.name
        for kind in read:
            where = f"{family.name}/{child.name} at {kind}"
            if kind not in child.held:
                assert child.nhs_number not in read[kind], where
                continue
            flags, records = read[kind][child.nhs_number]
            held = child.held[kind]
            assert flags == held.flags, where
            assert sorted((row.category, row.type, row.date) for row in records) == sorted(
                (draft.category, draft.type, draft.date) for draft in held.drafts
            ), where
            for draft in held.drafts:
                assert any(
                    row.fields.items() >= draft.fields.items()
                    and row.flags == held.flags | draft.flags | always(kind, draft.category)
                    and (row.assertion, row.relation, row.contact_level, row.handling_code)
                    == (draft.assertion, draft.relation, draft.contact_level, draft.handling_code)
                    for row in records
                ), where


def always(kind: str, category: str) -> frozenset[str]:
    if kind not in SHAPES:
        return frozenset()
    return next(table.always for table in SHAPES[kind].tables if table.holds[0][0] == category)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_no_twin_matches(family: Family) -> None:
    twins = [child for child in family.children if child.twin_of]
    assert twins
    for flag in family.flags:
        assert any(flag in child.flags for child in family.children if not child.twin_of), flag
        assert not any(flag in twin.flags for twin in twins), flag
    for twin in twins:
        original = family.child(twin.twin_of)
        assert twin.nhs_number != original.nhs_number
        assert twin.person.born == original.person.born
        assert described(twin) != described(original) or family.name == "gap-two-identities"


def described(child: ScriptedChild) -> object:
    return {kind: (held.flags, held.drafts) for kind, held in child.held.items()}


def test_every_handling_flag_of_the_bundle_has_a_family() -> None:
    assert {flag for family in FAMILIES for flag in family.flags} == set(BUNDLE["flags"])


def test_every_purpose_has_a_family() -> None:
    covered = {purpose for family in FAMILIES for purpose in family.purposes}
    assert covered == set(BUNDLE["purposes"])


def test_every_gap_check_has_a_family() -> None:
    assert {check for family in FAMILIES for check in family.gap_checks} == GAP_CHECKS_BY_DATA


def test_the_child_of_the_referral_is_known_at_five_agencies_and_its_twin_nowhere() -> None:
    family = find_child(FAMILIES, "referral/child")
    assert set(family.held) == set(SHAPES)
    assert find_child(FAMILIES, "referral/twin").held == {}
    assert {draft.category for draft in family.held["childrens_services"].drafts} >= {"s47", "cp_plan"}
    assert any(draft.category == "injury" for draft in family.held["icb"].drafts)
    assert "youth_justice" in find_child(FAMILIES, "referral/brother").held


def test_the_witness_has_a_twin_without_the_flag_and_one_that_nobody_knows() -> None:
    assert find_child(FAMILIES, "flag-witness-protection/nobody").held == {}
    child, twin = (find_child(FAMILIES, f"flag-witness-protection/{name}") for name in ("child", "twin"))
    assert set(child.held) == set(twin.held)
    assert all(held.flags == {"WITNESS_PROT"} for held in child.held.values())
    assert all(held.flags == frozenset() for held in twin.held.values())


def test_the_open_enquiry_is_open_and_its_controls_are_not() -> None:
    def is_open(name: str) -> bool:
        held = find_child(FAMILIES, f"home-education/{name}").held["childrens_services"]
        return any(draft.category == "s47" and "s47e_s47_end_date" not in draft.fields for draft in held.drafts)

    assert is_open("child")
    assert not is_open("twin")
    assert not is_open("ended")


def test_the_two_records_of_an_adoption_share_nothing_but_the_day_of_birth() -> None:
    before, after = (find_child(FAMILIES, f"flag-adopted/{name}") for name in ("before", "after"))
    assert before.nhs_number != after.nhs_number
    assert (before.person.forename, before.person.surname) != (after.person.forename, after.person.surname)
    assert set(before.held) & set(after.held) == set()
    assert all("ADOPTED_SEALED" in draft.flags for held in before.held.values() for draft in held.drafts)
    assert after.flags == frozenset()


def test_dates_move_with_the_day() -> None:
    later = load_families(TODAY + dt.timedelta(days=10))
    for old, new in zip(
        FAMILIES[0].children[0].held["police"].drafts, later[0].children[0].held["police"].drafts, strict=True
    ):
        assert new.date > old.date


def test_an_unknown_family_or_child_is_named() -> None:
    for reference in ("nobody/child", "referral/nobody", "referral", ""):
        with pytest.raises(WardgateError) as refused:
            find_child(FAMILIES, reference)
        assert refused.value.code is ErrorCode.FILE_INVALID


GOOD = """
[[families]]
name = "one"
title = "One"
[[families.children]]
name = "child"
nhs_number = "999 000 0018"
forename = "A"
surname = "B"
born = "today-5y"
[families.children.held.police]
flags = ["VIP"]
records = [{ category = "police_known", type = "nominal", date = "today-1d", fields = { known_in_12_months = true } }]
[[families.twins]]
name = "twin"
of = "child"
nhs_number = "999 000 0026"
forename = "C"
surname = "D"
without_flags = ["VIP"]
"""


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('name = "twin"', 'name = "child"', "two children of one name"),
        ('of = "child"', 'of = "nobody"', "a twin of nobody"),
        ('"999 000 0026"', '"999 000 0018"', "two children with one NHS number"),
        ('"999 000 0026"', '"999 000 0027"', "families[0] (one).twins[0] (twin).nhs_number"),
        (
            'date = "today-1d"',
            'date = "yesterday"',
            "families[0] (one).children[0] (child).held.police.records[0].date",
        ),
        ('flags = ["VIP"]', 'flag = ["VIP"]', "families[0] (one).children[0] (child).held.police.flag"),
        ('flags = ["VIP"]', 'flags = ["vip"]', "families[0] (one).children[0] (child).held.police.flags"),
        ("known_in_12_months", "Known", "families[0] (one).children[0] (child).held.police.records[0].fields"),
        ("= true", "= 1.5", "families[0] (one).children[0] (child).held.police.records[0].fields"),
        ('name = "one"', 'name = "One"', "families[0].name"),
    ],
)
def test_a_mistake_is_named_by_table_and_key(tmp_path: Path, old: str, new: str, named: str) -> None:
    path = tmp_path / "families.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert len(load_families(TODAY, path)) == 1
    assert old in GOOD
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(WardgateError) as refused:
        load_families(TODAY, path)
    assert refused.value.code is ErrorCode.FILE_INVALID
    assert named in refused.value.detail
    assert re.search(r"999 ?000", refused.value.detail) is None
