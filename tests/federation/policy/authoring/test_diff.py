"""What a newer bundle changes is said, and on the right side: whatever is not known to narrow is not said to."""

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from federation.policy.authoring import diff as module
from federation.policy.authoring.build import built_files
from federation.policy.authoring.change import Change, Direction
from federation.policy.authoring.cli import SHIPPED
from federation.policy.authoring.comparators import invokers
from federation.policy.authoring.compared_decisions import decisions
from federation.policy.authoring.compared_rows import DOCUMENTS, WHOLE
from federation.policy.authoring.opa import Opa
from federation.policy.authoring.opened import OpenedBundle
from federation.policy.authoring.source import SHIPPED_SOURCE, PolicySource, to_json
from federation.policy.authoring.windows import in_force
from keys.digest import sha256
from tests.policies.inputs import GOLDEN, REFERENCE
from tests.support.opa import opa_command
from wardgate.cli import build

WIDENED, UNCLEAR, NARROWED, OTHER = Direction
Json = Any
PLAIN = {"title": "Mood", "tags": [], "protected": False}
S47 = ("purposes", "S47_ENQ")
POLICE_INTEL = ("flags", "POLICE_INTEL")


def put(*place: Any, value: Json) -> Callable[[Json], None]:
    def change(data: Json) -> None:
        for step in place[:-1]:
            data = data[step]
        data[place[-1]] = value

    return change


def drop(*place: Any) -> Callable[[Json], None]:
    def change(data: Json) -> None:
        for step in place[:-1]:
            data = data[step]
        del data[place[-1]]

    return change


def add(*place: Any, value: Json) -> Callable[[Json], None]:
    def change(data: Json) -> None:
        for step in place:
            data = data[step]
        data.append(value)

    return change


def unchanged(_: Json) -> None:
    """Leave everything as it is."""


def compared(change: Callable[[Json], None]) -> set[tuple[Direction, str, str]]:
    after = copy.deepcopy(dict(REFERENCE))
    change(after)
    return {(found.direction, found.subject, found.text) for found in module.data_changes(REFERENCE, after)}


CASES: dict[str, tuple[Callable[[Json], None], Direction, str]] = {
    "a purpose gone": (drop(*S47), NARROWED, "purpose S47_ENQ: can no longer be cited"),
    "a purpose more": (
        put("purposes", "NEW", value=REFERENCE["purposes"]["S47_ENQ"]),
        WIDENED,
        "purpose NEW: can be cited",
    ),
    "a higher tier": (
        put("purposes", "FRONT_DOOR", "categories", "s47", "highest_tier", value="T2"),
        WIDENED,
        "purpose FRONT_DOOR: category s47: tier at most: T1 is now T2",
    ),
    "a lower tier": (
        put(*S47, "categories", "s47", "highest_tier", value="T1"),
        NARROWED,
        "purpose S47_ENQ: category s47: tier at most: T2 is now T1",
    ),
    "a category gone from a purpose": (drop(*S47, "categories", "s47"), NARROWED, "category s47 can not be asked for"),
    "a higher tier for a role": (
        put(*S47, "invokers", 0, "roles", "social_worker", value="T2"),
        WIDENED,
        "social_worker in",
    ),
    "a role gone": (drop(*S47, "invokers", 0, "roles", "lcpp"), NARROWED, "may not ask any more"),
    "an attestation fewer": (
        put(*S47, "requires", "attestations_all", value=[]),
        WIDENED,
        "purpose S47_ENQ: to ask: need not attest",
    ),
    "an attestation more": (
        add("purposes", "FRONT_DOOR", "requires", "attestations_all", value="reasonable_cause_significant_harm"),
        NARROWED,
        "must attest reasonable_cause_significant_harm now",
    ),
    "an approval fewer": (put(*S47, "requires", "approvals", value=[]), WIDENED, "is not needed any more"),
    "an approver more": (
        add(*S47, "requires", "approvals", 0, "roles", value="headteacher"),
        WIDENED,
        "headteacher may give it now",
    ),
    "the own area": (put(*S47, "area_rule", value="own"), NARROWED, "area: any is now own"),
    "an agreement demanded": (put(*S47, "agreements_any", value=["mash"]), NARROWED, "one of mash is needed now"),
    "an agreement demanded no more": (
        put("purposes", "FRONT_DOOR", "agreements_any", value=[]),
        WIDENED,
        "is needed any more",
    ),
    "a human decides from T0": (put(*S47, "human_decision_from", value="T0"), NARROWED, "a human decides from tier"),
    "no human decides": (put("purposes", "ISD_16LA", "human_decision_from", value=""), WIDENED, "a human decides"),
    "a shorter grant": (put(*S47, "ttl_s", value=60), NARROWED, "seconds for which a grant lasts"),
    "a longer look-back": (
        put("purposes", "EHE_CONSENT_434A", "categories", "cp_plan", "limbs", 1, "look_back_years", value=6),
        WIDENED,
        "limb LIMB_434A_LOOK_BACK: years looked back",
    ),
    "a limb fewer": (
        drop("purposes", "EHE_CONSENT_434A", "categories", "cp_plan", "limbs", 1),
        NARROWED,
        "limb LIMB_434A_LOOK_BACK is no longer asked about",
    ),
    "no limbs": (
        put("purposes", "EHE_CONSENT_434A", "categories", "s47", "limbs", value=[]),
        UNCLEAR,
        "limbs",
    ),
    "a shield opened": (
        add("flags", "CPS_LIVE", "refer", "open_purposes", value="FRONT_DOOR"),
        WIDENED,
        "shows to purpose FRONT_DOOR now",
    ),
    "two people where one decided": (
        put("flags", "CPS_LIVE", "decided_by", "people", value=2),
        NARROWED,
        "people who must agree: 1 is now 2",
    ),
    "a mark that may show": (
        put("flags", "GENDER_RECOG", "redact", "shows", value=True),
        WIDENED,
        "may be told of now",
    ),
    "a ground that stands against an order": (
        put("review_reasons", "more_detrimental", "under_compulsion", value=True),
        NARROWED,
        "stands against compulsion now",
    ),
    "a code for others too": (
        add("handling_codes", "1", "permit_kinds", value="school"),
        WIDENED,
        "permits to school now",
    ),
    "a type more": (add("categories", "custody", "types", value="print"), WIDENED, "print suffices now"),
    "an obligation fewer": (put("purposes", "EHE_CONSENT_434A", "obligations", value=[]), WIDENED, "falls away"),
    "a column nobody knows": (put(*S47, "moon_phase", value="full"), UNCLEAR, "moon_phase appeared: full"),
    "a title": (put(*S47, "title", value="Other"), OTHER, "title: Section 47 enquiry is now Other"),
    "a field more": (
        put("categories", "s47", "fields", "mood", value={**PLAIN, "tier": "T1"}),
        WIDENED,
        "category s47: field mood is given",
    ),
    "a field protected no more": (
        put("categories", "s47", "human_release", value=True),
        NARROWED,
        "category s47: a human releases it now",
    ),
    "a flag gone": (drop(*POLICE_INTEL), NARROWED, "flag POLICE_INTEL: withholds as unknown"),
    "a flag more": (put("flags", "NEW", value=REFERENCE["flags"]["POLICE_INTEL"]), UNCLEAR, "flag NEW: is known"),
    "a flag that caps less": (put(*POLICE_INTEL, "cap", "tier", value="T2"), WIDENED, "cap: tier: T1 is now T2"),
    "a flag that spares a purpose": (
        add("flags", "WITNESS_PROT", "withhold", "except_purposes", value="S47_ENQ"),
        WIDENED,
        "withholding: spares purpose S47_ENQ now",
    ),
    "a flag that reaches the child": (
        put(*POLICE_INTEL, "reach", value="child"),
        NARROWED,
        "reach: record is now child",
    ),
    "a handling code": (put("handling_codes", "C", "effect", value="permit"), WIDENED, "effect: refer is now permit"),
    "a role in more agencies": (add("roles", "lcpp", "agency_kinds", value="police"), WIDENED, "exists in police now"),
    "a role that asks under a grant alone": (
        put("roles", "lcpp", "under_grant", value=True),
        NARROWED,
        "asks under a case grant alone now",
    ),
    "a kind of agency that needs no grant": (
        put("agency_kinds", "macpt", "under_grant", value=False),
        WIDENED,
        "needs no case grant",
    ),
    "another kind of agency nominates": (
        add("professions", "police", "agency_kinds", value="probation"),
        WIDENED,
        "probation nominates it now",
    ),
    "other rules about teams": (
        put("team_rules", "multi_agency_child_protection", "rows", value=[]),
        UNCLEAR,
        "rows",
    ),
    "law in force earlier": (
        put("provisions", "EA1996_S434A", "rows", 1, "effective_from", value="2026-08-01"),
        WIDENED,
        "now in force in testshire from 2026-08-01 to 2026-08-31",
    ),
    "a forbidden use gone": (drop("never_permitted", "BULK_LISTING"), WIDENED, "is no longer refused for ever"),
    "a looser limit": (put("limits", "looks_day", "refuse", value=10**6), WIDENED, "refuse above"),
    "an obligation that need not be met": (
        put("obligations", "alert_misuse", "mandatory", value=False),
        WIDENED,
        "is no longer mandatory",
    ),
    "a text": (put("reasons", "TRAINING_EXPIRED", "user", value="Other."), OTHER, "the user reads"),
    "a reason told to users": (put("reasons", "FLAG_WITNESS_PROT", "audience", value="both"), WIDENED, "who reads it"),
    "a look that shows more": (put("audit", "actions", "account", "ttl_s", value=86400), WIDENED, "audit: "),
    "a document nobody knows": (put("planets", value={}), OTHER, ""),
}


@pytest.mark.parametrize("name", CASES)
def test_a_change_of_data_is_said_and_goes_the_right_way(name: str) -> None:
    change, direction, text = CASES[name]
    found = compared(change)
    if not text:
        assert found == set()
        return

    assert [item for item in found if item[0] is direction and text in f"{item[1]}: {item[2]}"], found
    opposite = {WIDENED: NARROWED, NARROWED: WIDENED}.get(direction)
    assert not [item for item in found if item[0] is opposite], found


def test_nothing_changed_is_nothing_said() -> None:
    assert compared(unchanged) == set()
    same = OpenedBundle.read(SHIPPED)
    found = module.diff(same, same)

    assert (found.changes, found.widens) == ((), False)
    assert list(found.lines())[-1] == "nothing differs"


def test_every_document_is_compared_by_what_it_means() -> None:
    assert {*DOCUMENTS, *WHOLE} == set(REFERENCE)


def leaves(value: Json, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Places of plain values, two rows of each document: the rest are alike."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if steps is None:
        yield place
        return
    for number, (step, inner) in enumerate(steps):
        if len(place) != 1 or number < 2:
            yield from leaves(inner, (*place, step))


def test_no_leaf_of_the_data_changes_in_silence() -> None:
    silent = []
    for place in leaves(REFERENCE):
        old: Json = REFERENCE
        for step in place:
            old = old[step]
        new = not old if isinstance(old, bool) else old + 1 if isinstance(old, int) else "2001-02-03"
        document = {place[0]: copy.deepcopy(REFERENCE[place[0]])}
        put(*place, value=new)(document)
        if not list(module.data_changes({place[0]: REFERENCE[place[0]]}, document)):
            silent.append(place)

    assert silent == []


def test_rows_cut_another_way_are_no_change() -> None:
    row = {"agency_kinds": ["police", "school"], "legal_classes": ["S11_1"], "roles": {"lcpp": "T1", "dsl": "T0"}}
    cut = [{**row, "agency_kinds": ["school"]}, {**row, "agency_kinds": ["police"]}]

    assert list(invokers([row], cut)) == []
    assert [direction for direction, _ in invokers([row], cut[:1])] == [NARROWED, NARROWED]


def window(first: str, last: str | None, *areas: str) -> Json:
    return {"areas": list(areas), "effective_from": first, "effective_to": last, "source": "s", "verified": False}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ([window("2026-01-01", None, "*")], [window("2026-01-01", None, "*")], []),
        ([], [window("9999-12-31", None, "*")], []),
        (
            [window("2026-01-01", "2026-06-30", "*")],
            [window("2026-01-01", "2026-07-31", "*")],
            [(WIDENED, "now in force everywhere that has no row of its own from 2026-07-01 to 2026-07-31")],
        ),
        (
            [window("2026-01-01", None, "*")],
            [window("2026-01-01", "2026-06-30", "*"), window("2026-05-01", None, "leeds")],
            [
                (NARROWED, "no longer in force everywhere that has no row of its own from 2026-07-01"),
            ],
        ),
        (
            [window("2026-01-01", None, "leeds")],
            [window("2026-01-01", "2026-06-30", "leeds"), window("2026-07-01", None, "leeds")],
            [],
        ),
    ],
)
def test_windows_are_compared_by_what_they_come_to(old: Json, new: Json, said: list[Any]) -> None:
    assert [item for item in in_force(old, new) if item[0] is not OTHER] == said


def test_decisions_that_give_more_are_wider() -> None:
    old = GOLDEN["node_s47_police"]["result"]
    new = copy.deepcopy(old)
    new["records"][1].update(tier="T2", fields=["incident_date", "incident_line"], obligations=[])
    found = list(decisions(old, new))

    assert {direction for direction, _ in found} == {WIDENED}
    assert (WIDENED, "record r2: field incident_line is released") in found
    assert (WIDENED, "record r2: obligation no_onward_share falls away") in found
    assert {direction for direction, _ in decisions(new, old)} == {NARROWED}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build(["policy"]), ["policy", "diff", *(str(item) for item in arguments)])


@cache
def _opa() -> Opa:
    return Opa(opa_command())


@pytest.fixture
def candidate(tmp_path: Path) -> Callable[[Callable[[Json], None], str], Path]:
    """Builds a bundle whose purposes were changed, golden decisions accepted."""

    def make(change: Callable[[Json], None], rule: str = "") -> Path:
        source = PolicySource(tmp_path / "policies")
        shutil.copytree(SHIPPED_SOURCE, source.root, ignore=shutil.ignore_patterns("dist"))
        data = {"purposes": source.reference()["purposes"]}
        change(data)
        folder = source.root / "reference" / "purposes"
        for path in folder.iterdir():
            path.unlink()
        (folder / "data.json").write_text(json.dumps(data["purposes"]))  # without defaults, rows are spelt out
        tiers = source.root / "wardgate/lib/tiers.rego"
        tiers.write_text(tiers.read_text() + rule)
        for name, content in built_files(source, _opa(), accept=True).items():
            (tmp_path / "candidate" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "candidate" / name).write_bytes(content)
        return tmp_path / "candidate"

    return make


@pytest.mark.opa
def test_a_candidate_that_widens_ends_with_its_own_code(candidate: Any) -> None:
    new = candidate(put(*S47, "invokers", 0, "roles", "social_worker", value="T2"))
    done = run(SHIPPED, new, "--json")
    found = json.loads(done.stdout)

    assert (done.exit_code, found["widens"]) == (3, True)
    assert found["changes"][0]["direction"] == "widened"
    assert "up to T1 is now up to T2" in found["changes"][0]["text"]


@pytest.mark.opa
def test_a_candidate_that_only_narrows_ends_well_and_shows_the_decisions_it_turns(candidate: Any) -> None:
    new = candidate(put(*S47, "categories", "s47", "highest_tier", value="T0"))
    done = run(SHIPPED, new)

    assert done.exit_code == 0, done.stdout
    assert "Narrowed" in done.stdout
    assert "decision node_s47: record" in done.stdout
    assert run(new, SHIPPED).exit_code == 3


@pytest.mark.opa
def test_a_changed_rule_may_widen_until_somebody_has_looked(candidate: Any) -> None:
    new = candidate(unchanged, '\n# METADATA\n# title: Surprise\n# description: New.\nsurprise := "T2"\n')
    done = run(SHIPPED, new)

    assert done.exit_code == 3
    assert "wardgate/lib/tiers.rego: new rule: Surprise. New." in done.stdout
    assert "May widen" in done.stdout


def without_names(dist: Path, *names: str) -> None:
    """Take golden decisions out of a built bundle."""
    golden = [item for item in json.loads((dist / "golden.json").read_text()) if item["name"] not in names]
    (dist / "golden.json").write_bytes(to_json(golden))
    manifest = json.loads((dist / "manifest.json").read_text())
    manifest["files"]["golden.json"] = sha256((dist / "golden.json").read_bytes()).hex()
    (dist / "manifest.json").write_bytes(to_json(manifest))


def test_golden_decisions_that_come_or_go_are_said(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "dist")
    without_names(tmp_path / "dist", "node_s47")
    found = module.diff(OpenedBundle.read(SHIPPED), OpenedBundle.read(tmp_path / "dist"))

    assert found.changes == (Change(OTHER, "decision node_s47", "is a golden decision of the older bundle only"),)
