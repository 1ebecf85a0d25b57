"""Notes of rules are read as OPA reads them."""

import json

import pytest

from federation.policy.authoring.rules import RuleNote, giving, notes_of, rule_notes
from federation.policy.authoring.source import SHIPPED_SOURCE, PolicySource
from tests.support.opa import opa_command, run_opa

EXAMPLE = """# METADATA
# title: Example
# description: "Quoted: it may hold a colon."
# custom:
#   legal_basis: none
#   reason_code: NONE
package wardgate.example

# METADATA
# title: A rule
# description: >-
#   Folded over two lines, of which the second
#   looks: like a key.
# entrypoint: true
# custom:
#   legal_basis: Some Act 2004 s.1
#   reason_code: SOME_CODE
default rule := false
"""


def notes() -> list[RuleNote]:
    return rule_notes(PolicySource(SHIPPED_SOURCE).rego(tests=True))


def test_a_note_says_where_it_stands_and_all_it_holds() -> None:
    package, rule = notes_of("wardgate/example.rego", EXAMPLE)

    assert (package.is_package, package.description) == (True, "Quoted: it may hold a colon.")
    assert (rule.head, rule.package, rule.place) == ("rule", "wardgate.example", "wardgate/example.rego:18")
    assert rule.description == "Folded over two lines, of which the second looks: like a key."
    assert (rule.entrypoint, rule.reason_code, rule.legal_basis) == (True, "SOME_CODE", "Some Act 2004 s.1")


@pytest.mark.opa
def test_what_is_read_is_what_opa_reads() -> None:
    inspected = run_opa(opa_command(), "inspect", "--annotations", "--format", "json", SHIPPED_SOURCE / "wardgate")
    theirs = {
        (
            f"wardgate{item['location']['file'].rpartition('policies/wardgate')[2]}",
            item["location"]["row"],
            item["annotations"]["title"],
            item["annotations"]["description"].strip(),
            item["annotations"]["custom"]["legal_basis"],
            item["annotations"]["custom"]["reason_code"],
            bool(item["annotations"].get("entrypoint")),
        )
        for item in json.loads(inspected)["annotations"]
        if not item["location"]["file"].endswith("_test.rego")
    }

    mine = {(n.file, n.row, n.title, n.description, n.legal_basis, n.reason_code, n.entrypoint) for n in notes()}

    assert mine == theirs
    assert len(mine) > 100


def test_a_reason_leads_to_the_rules_of_its_package_and_of_the_libraries() -> None:
    found = giving(notes(), "TARGET_OUTSIDE_AREA", "wardgate.gateway")

    assert [note.package for note in found] == ["wardgate.gateway"]
    assert {note.package for note in giving(notes(), "TARGET_OUTSIDE_AREA")} == {"wardgate.gateway", "wardgate.node"}
    assert [note.package for note in giving(notes(), "PURPOSE_UNKNOWN", "wardgate.node")] == ["wardgate.lib.purpose"]
