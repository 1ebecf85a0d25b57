"""Sources that are right pass; each way of spoiling them is found, by the check it belongs to."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from federation.policy.authoring.lint import CHECKS, lint
from federation.policy.authoring.opa import Opa
from federation.policy.authoring.reading import faults_of_notes, places_naming
from federation.policy.authoring.source import SHIPPED_SOURCE, PolicySource
from tests.support.opa import opa_command

TIERS = "wardgate/lib/tiers.rego"
UNNOTED = "\nsurprise := 1\n"
Spoil = Callable[[Path], None]


@pytest.fixture
def source(tmp_path: Path) -> PolicySource:
    """A copy to spoil."""
    ignored = shutil.ignore_patterns("dist")
    shutil.copytree(SHIPPED_SOURCE, tmp_path / "policies", ignore=ignored)
    return PolicySource(tmp_path / "policies")


def append(name: str, text: str) -> Spoil:
    def spoil(root: Path) -> None:
        path = root / name
        path.write_text(path.read_text() + text)

    return spoil


def replace(name: str, old: str, new: str) -> Spoil:
    def spoil(root: Path) -> None:
        path = root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return spoil


def add_row(name: str, key: str, row: object) -> Spoil:
    def spoil(root: Path) -> None:
        path = root / "reference" / name / "data.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), key: row}))

    return spoil


def silent_reason(root: Path) -> None:
    path = root / "reference" / "reasons" / "data.json"
    rows = json.loads(path.read_text())
    path.write_text(json.dumps({**rows, "NEVER_SPOKEN": rows["QUERY_REFUSED"]}))


def drop_twin(root: Path) -> None:
    (root / TIERS.replace(".rego", "_test.rego")).unlink()


def move(root: Path) -> None:
    (root / "wardgate" / "elsewhere").mkdir()
    for name in ("tiers.rego", "tiers_test.rego"):
        (root / "wardgate" / "lib" / name).rename(root / "wardgate" / "elsewhere" / name)


def drop_golden(root: Path) -> None:
    for path in (root / "golden").glob("audit_*.json"):
        path.unlink()


SPOILT: dict[str, tuple[str, Spoil, str]] = {
    "format": ("format", append(TIERS, "\n\n\n"), "tiers.rego: not formatted"),
    "a syntax error": ("format", append(TIERS, "\n}"), "tiers.rego"),
    "a field no schema has": (
        "strict",
        replace("wardgate/lib/query.rego", "input.query.break_glass", "input.query.brake_glass"),
        "undefined ref",
    ),
    "a built-in that is not allowed": ("strict", append(TIERS, "\n_now := time.now_ns()\n"), "time.now_ns"),
    "a public rule without a note": ("notes", append(TIERS, UNNOTED), "rule surprise has no note"),
    "a note without its law": ("notes", replace(TIERS, "#   legal_basis:", "#   basis:"), "the note lacks legal_basis"),
    "a package without a note": ("notes", replace(TIERS, "# METADATA", "# NOTES"), "package wardgate.lib.tiers"),
    "a reason without a row": (
        "reasons",
        replace("wardgate/lib/scope.rego", "reason_code: TIER_ABOVE_ROLE", "reason_code: TIER_ABOVE_RANK"),
        "TIER_ABOVE_RANK: given",
    ),
    "a row nobody gives": ("reasons", silent_reason, "NEVER_SPOKEN: in reference/reasons"),
    "no twin": ("twins", drop_twin, "tiers.rego: no twin"),
    "the wrong folder": ("twins", move, "belongs elsewhere"),
    "data against its schema": ("data", add_row("agency_kinds", "choir", {}), "agency_kinds: choir"),
    "a schema without data": ("data", lambda root: shutil.rmtree(root / "reference" / "limits"), "data.limits.json"),
    "no golden decision": ("golden", drop_golden, "no golden decision for audit"),
    "a golden input the schema refuses": (
        "golden",
        replace("golden/gateway_s47.json", '"urgency": "urgent"', '"urgency": "soon"'),
        "gateway_s47.json: query/urgency",
    ),
}


@pytest.mark.opa
def test_what_is_shipped_has_no_findings() -> None:
    assert lint(PolicySource(SHIPPED_SOURCE), Opa(opa_command())) == []


@pytest.mark.opa
@pytest.mark.parametrize("name", SPOILT)
def test_what_is_spoilt_is_found(name: str, source: PolicySource) -> None:
    check, spoil, text = SPOILT[name]
    spoil(source.root)

    found = lint(source, Opa(opa_command()))

    assert [finding for finding in found if finding.check == check and text in finding.text], found
    assert {finding.check for finding in found} <= set(CHECKS)


def test_every_check_is_attacked() -> None:
    assert {check for check, _, _ in SPOILT.values()} == set(CHECKS)


def test_a_private_rule_needs_no_note() -> None:
    text = (SHIPPED_SOURCE / TIERS).read_text()

    assert list(faults_of_notes({TIERS: (text + "\n_surprise := 1\n").encode()})) == []
    assert list(faults_of_notes({TIERS: (text + UNNOTED).encode()})) == [f"{TIERS}: rule surprise has no note"]


def test_a_code_in_a_comment_is_not_given() -> None:
    files = {"a.rego": b'package a\n\n# "SOME_CODE" is not given here\nb contains "OTHER_CODE" if true\n'}

    assert places_naming(files, "SOME_CODE") == []
    assert places_naming(files, "OTHER_CODE") == ["a.rego:4"]
