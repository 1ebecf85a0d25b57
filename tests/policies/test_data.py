"""Reference data: of the agreed form, and every name in one document is a row of another."""

import copy
from collections.abc import Iterable
from itertools import pairwise

import pytest
from jsonschema import Draft202012Validator

from federation.limits import (
    MAX_ATTESTATIONS,
    MAX_CATEGORIES,
    MAX_RECORDS_PER_DECISION,
    MAX_TARGETS,
    MAX_TEAM_MEMBERS,
)
from federation.policy.authoring.reference_data import reference_documents
from federation.policy.authoring.source import PolicySource
from federation.policy.engine import Failure
from tests.policies.inputs import POLICIES, REFERENCE, TIERS, Json

SOURCE = PolicySource(POLICIES)
WRITTEN = reference_documents(POLICIES / "reference")
DOCUMENTS = sorted(WRITTEN)
PURPOSES = sorted(REFERENCE["purposes"])
FLAGS = sorted(REFERENCE["flags"])
CATEGORIES = sorted(REFERENCE["categories"])


UNCOMMENCED = {"CA1989_S31ZA", "CA2004_S16LA", "EA1996_S434A", "EA1996_S434A_LOOK_BACK", "EA1996_S436B"}


def known(names: Iterable[str], document: str, *, also: Iterable[str] = ()) -> None:
    missing = set(names) - set(REFERENCE[document]) - set(also)
    assert not missing, f"not in {document}: {sorted(missing)}"


def schema_of(name: str) -> Draft202012Validator:
    return Draft202012Validator(SOURCE.published_schema(name))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_agrees_with_its_schema(name: str) -> None:
    document = WRITTEN[name]
    assert [error.message for error in schema_of(f"data.{name}").iter_errors(document)] == []
    assert document == REFERENCE[name], "policies/dist is stale"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_row_with_an_unknown_column_is_refused(name: str) -> None:
    document = copy.deepcopy(WRITTEN[name])
    row = next(iter(document.values()))
    if name in {"audit", "enquiry"}:
        row = document
    elif name == "limits":
        row = document["looks_day"]
    row["surprise"] = True
    assert not schema_of(f"data.{name}").is_valid(document)


RIGHTS = {*REFERENCE["roles"], *REFERENCE["grants"]}
"""What a person can hold: a role, or a grant that is no purpose."""


def rows() -> Iterable[tuple[str, Json]]:
    for document in ("provisions", "agreements", "team_rules"):
        for name, entry in REFERENCE[document].items():
            yield from ((f"{document}/{name}", row) for row in entry["rows"])
    yield from ((f"flags/{name}", row) for name, row in REFERENCE["flags"].items())


def test_no_row_ends_before_it_begins() -> None:
    for where, row in rows():
        assert row["effective_to"] is None or row["effective_from"] <= row["effective_to"], where


def test_demonstration_areas_say_that_they_are_synthetic() -> None:
    named = [(where, row) for where, row in rows() if row["areas"] != ["*"]]
    assert named
    for where, row in named:
        assert row["areas"] == ["testshire"], where
        assert row["source"].startswith("SYNTHETIC"), where


def test_what_no_person_has_checked_says_so() -> None:
    for where, row in rows():
        assert row["verified"] is False, where
    for document in ("purposes", "categories", "attestations", "handling_codes", "processing_conditions"):
        assert all(row["verified"] is False for row in REFERENCE[document].values()), document


def test_what_is_not_commenced_never_comes_into_force_by_itself() -> None:
    for provision in UNCOMMENCED:
        general = [row for row in REFERENCE["provisions"][provision]["rows"] if row["areas"] == ["*"]]
        assert [row["effective_from"] for row in general] == ["9999-12-31"], provision
    never = {
        provision
        for provision, entry in REFERENCE["provisions"].items()
        if any(row["effective_from"] == "9999-12-31" for row in entry["rows"])
    }
    assert never == UNCOMMENCED


@pytest.mark.parametrize("code", PURPOSES)
def test_a_purpose_names_only_what_exists(code: str) -> None:
    row = REFERENCE["purposes"][code]
    known(row["provisions"], "provisions")
    known(row["agreements_any"] + row["responder_agreements_any"], "agreements")
    known(row["break_glass"]["codes"], "break_glass")
    known((item["id"] for item in row["obligations"]), "obligations")
    known(row["processing"]["by_default"], "processing_conditions")
    for kind, conditions in row["processing"]["by_kind"].items():
        known([kind], "agency_kinds")
        known(conditions, "processing_conditions")
    for invoker in row["invokers"]:
        known(invoker["agency_kinds"], "agency_kinds", also=["*"])
        known(invoker["roles"], "roles")
    for requirement in (row["requires"], row["beyond_default"]):
        known(requirement["attestations_all"] + requirement["attestations_any"], "attestations")
        for approval in requirement["approvals"]:
            known(approval["roles"] + approval["waived_for_roles"], "roles")
    known(row["categories"], "categories")
    for name, cell in row["categories"].items():
        known(cell["provisions"], "provisions")
        known(cell["obligations"], "obligations")
        known([cell["shown_as"]] if cell["shown_as"] else [], "shown_names")
        for limb in cell["limbs"]:
            known([limb["reason_code"]], "reasons")
            known(limb["provisions"], "provisions")
            assert set(limb["types"]) <= set(REFERENCE["categories"][name]["types"]), limb["reason_code"]


@pytest.mark.parametrize("code", PURPOSES)
def test_what_is_shown_under_another_name_is_a_pointer_at_most(code: str) -> None:
    for name, cell in REFERENCE["purposes"][code]["categories"].items():
        assert not cell["shown_as"] or cell["highest_tier"] == "T0", name


@pytest.mark.parametrize("code", PURPOSES)
def test_what_compels_leaves_nothing_else_to_say_who_decides(code: str) -> None:
    row = REFERENCE["purposes"][code]
    assert not row["compelled"]["applies"] or (row["human_decision_from"], row["human_decision_shields"]) == ("", False)
    assert row["compelled"]["applies"] or row["compelled"]["people"] == 1


@pytest.mark.parametrize("code", PURPOSES)
def test_a_purpose_never_gives_less_at_most_than_by_default(code: str) -> None:
    row = REFERENCE["purposes"][code]
    for name, cell in row["categories"].items():
        highest = REFERENCE["categories"][name]["highest_tier"]
        assert TIERS.index(cell["default_tier"]) <= TIERS.index(cell["highest_tier"]), name
        assert TIERS.index(cell["highest_tier"]) <= TIERS.index(highest), name


@pytest.mark.parametrize("code", PURPOSES)
def test_a_purpose_releases_only_protected_fields_by_name(code: str) -> None:
    row = REFERENCE["purposes"][code]
    protected = {
        field
        for name in row["categories"]
        for field, definition in REFERENCE["categories"][name]["fields"].items()
        if definition["protected"]
    }
    assert set(row["protected_fields"]) <= protected


@pytest.mark.parametrize("code", PURPOSES)
def test_a_purpose_is_never_on_the_list_of_those_never_permitted(code: str) -> None:
    assert code not in REFERENCE["never_permitted"]


@pytest.mark.parametrize("code", PURPOSES)
def test_a_purpose_can_be_asked_in_one_query(code: str) -> None:
    row = REFERENCE["purposes"][code]
    assert len(row["categories"]) <= MAX_CATEGORIES
    assert len(row["requires"]["attestations_all"]) < MAX_ATTESTATIONS


@pytest.mark.parametrize("code", PURPOSES)
def test_a_role_that_may_invoke_exists_at_a_kind_that_may(code: str) -> None:
    for invoker in REFERENCE["purposes"][code]["invokers"]:
        for role in invoker["roles"]:
            homes = set(REFERENCE["roles"][role]["agency_kinds"])
            assert "*" in homes or "*" in invoker["agency_kinds"] or homes & set(invoker["agency_kinds"]), role


@pytest.mark.parametrize("name", CATEGORIES)
def test_a_category_names_only_what_exists(name: str) -> None:
    row = REFERENCE["categories"][name]
    known(row["agency_kinds"], "agency_kinds")
    known(row["needs_any_attestation"], "attestations")
    known(row["open_purposes"], "purposes")
    assert row["shields"] or not row["open_purposes"]
    for definition in row["fields"].values():
        assert TIERS.index(definition["tier"]) <= TIERS.index(row["highest_tier"])


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_names_only_what_exists(name: str) -> None:
    row = REFERENCE["flags"][name]
    known([row["reason_code"]], "reasons")
    for part in ("withhold", "refer", "cap"):
        known(row[part]["except_purposes"], "purposes")
    known(row["refer"]["open_purposes"], "purposes")
    assert row["refer"]["shields"] or not row["refer"]["open_purposes"]
    assert set(row["decided_by"]["roles"]) <= RIGHTS
    known(row["withhold"]["except_agreements"], "agreements")
    known(row["withhold"]["responder_kinds"], "agency_kinds", also=["*"])
    known(row["obligations"], "obligations")
    defined = {field for category in REFERENCE["categories"].values() for field in category["fields"]}
    assert set(row["redact"]["fields"]) <= defined


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_does_something(name: str) -> None:
    row = REFERENCE["flags"][name]
    assert (
        row["withhold"]["applies"]
        or row["refer"]["applies"]
        or row["cap"]["tier"] != "T2"
        or row["redact"]["tags"]
        or row["redact"]["fields"]
        or any(row["needs"].values())
        or row["obligations"]
    )


def test_shields_are_open_to_enquiries_or_never() -> None:
    """Where section 47 reaches a record that shields, its referral shows, or nobody need decide, or it is withheld."""
    for purpose in ("S47_ENQ", "S47_EMERG"):
        cells = REFERENCE["purposes"][purpose]["categories"]
        for name, row in REFERENCE["flags"].items():
            spared = purpose in [*row["refer"]["open_purposes"], *row["refer"]["except_purposes"]]
            assert spared or not row["refer"]["shields"], name
        for name in cells:
            row = REFERENCE["categories"][name]
            assert not row["shields"] or purpose in row["open_purposes"], name


def test_an_alert_goes_to_roles_and_grants_that_exist() -> None:
    alerts = {name: row for name, row in REFERENCE["obligations"].items() if row["type"] == "alert"}
    assert alerts
    for name, row in alerts.items():
        assert row["params"]["to"], name
        assert set(row["params"]["to"]) <= RIGHTS, name


def test_nobody_who_asks_is_told_of_what_watches_or_shields() -> None:
    told = {name for name, row in REFERENCE["obligations"].items() if row["told"]}
    watching = {name for name, row in REFERENCE["obligations"].items() if row["type"] in {"alert", "report"}}
    assert not told & watching
    standing = {name for name, row in REFERENCE["obligations"].items() if row["when_withheld"]}
    assert not told & standing


def test_each_decision_has_a_ground_whatever_compels() -> None:
    for decision in ("release", "withhold"):
        rows = [row for row in REFERENCE["review_reasons"].values() if decision in row["decisions"]]
        assert any(row["under_compulsion"] for row in rows), decision


def test_flags_have_an_order_of_precedence_which_their_reasons_keep() -> None:
    order = sorted(REFERENCE["flags"].values(), key=lambda row: int(row["precedence"]))
    assert all(one["precedence"] < other["precedence"] for one, other in pairwise(order))
    for row in order:
        assert REFERENCE["reasons"][row["reason_code"]]["order"] == row["precedence"]


def test_other_rows_name_only_what_exists() -> None:
    for row in REFERENCE["roles"].values():
        known(row["agency_kinds"], "agency_kinds", also=["*"])
    for row in REFERENCE["break_glass"].values():
        known(row["review"]["by_roles"], "roles")
    for row in REFERENCE["handling_codes"].values():
        known(row["obligations"], "obligations")
    for action in REFERENCE["audit"]["actions"].values():
        known(list(action["parts"]) + action["approver_roles"], "roles")
    known([REFERENCE["audit"]["gateway_agreement"]], "agreements")
    for row in REFERENCE["professions"].values():
        known(row["agency_kinds"], "agency_kinds")


def test_a_rule_about_teams_names_only_what_exists_and_can_be_met() -> None:
    classes = SOURCE.published_schema("input.gateway")["$defs"]["agency"]["properties"]["legal_class"]["enum"]
    for entry in REFERENCE["team_rules"].values():
        for row in entry["rows"]:
            known(row["professions"], "professions")
            for lead in row["leads"]:
                known(lead["agency_kinds"], "agency_kinds")
                known(lead["roles"], "roles")
                assert set(lead["legal_classes"]) <= set(classes)


def test_teams_are_not_law_by_themselves() -> None:
    for entry in REFERENCE["team_rules"].values():
        general = [row for row in entry["rows"] if row["areas"] == ["*"]]
        assert [row["effective_from"] for row in general] == ["9999-12-31"]


def test_a_team_may_be_as_large_in_an_input_as_a_document_lets_it() -> None:
    professions = SOURCE.published_schema("input.team")["properties"]["order"]["properties"]["team"]["properties"]
    assert professions["professions"]["maxItems"] == MAX_TEAM_MEMBERS


def test_a_limit_alerts_before_it_refuses() -> None:
    for name, limit in REFERENCE["limits"].items():
        assert limit["alert"] < limit["refuse"], name


def test_a_reason_has_a_text_for_whoever_reads_it() -> None:
    for code, row in REFERENCE["reasons"].items():
        assert bool(row["user"]) == (row["audience"] != "auditor"), code


def test_what_the_program_itself_says_is_in_the_catalogue() -> None:
    engine = {code for code, row in REFERENCE["reasons"].items() if row["origin"] == "engine"}
    assert engine == set(Failure)


def test_inputs_may_be_as_large_as_the_wire_allows() -> None:
    query = SOURCE.published_schema("input.gateway")["$defs"]["query"]["properties"]
    assert query["categories"]["maxItems"] == MAX_CATEGORIES
    assert query["attestations"]["maxItems"] == MAX_ATTESTATIONS
    gateway = SOURCE.published_schema("input.gateway")["properties"]
    assert gateway["targets"]["maxItems"] == MAX_TARGETS
    node = SOURCE.published_schema("input.node")["properties"]
    assert node["records"]["maxItems"] == MAX_RECORDS_PER_DECISION
