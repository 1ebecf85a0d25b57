import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.canonical import JsonObject
from federation.policy.bundle import BundleId, VerifiedBundle
from federation.policy.catalogue import Catalogue
from federation.policy.checks import Asked
from federation.policy.decision import (
    MAX_RESULT_BYTES,
    AuditDecision,
    Decision,
    GatewayDecision,
    NodeDecision,
    RequesterDecision,
    TeamDecision,
)
from federation.policy.engine import UNDEFINED, EngineIdentity, EntryPoint, Failure, RawDecision
from federation.policy.golden import golden_decisions
from federation.policy.results import Audience, Existence, Severity
from federation.vocabulary import Effect, Tier
from tests.support.policy import INPUTS, gateway_input, node_input

ENGINE = EngineIdentity("test", "0", strict=True)
NOTE = {"code": "WITHIN_PURPOSE", "audience": "both", "severity": "info"}
DENIAL = {"code": "NOT_ENTITLED", "audience": "both", "severity": "denial"}
DUTY = {"id": "rejustify_after", "type": "deadline", "mandatory": True, "params": {"after_s": 60}}

GROUND: JsonObject = {"field": "start_date", "column": "default_tier"}
NOBODY: JsonObject = {"outcome": "never", "after_s": 0, "audience": []}
SILENT: JsonObject = {"processing": [], "enquiry": NOBODY}

Judge = Callable[..., tuple[Decision, bytes]]


@pytest.fixture(scope="module")
def catalogue(bundle: VerifiedBundle) -> Catalogue:
    return Catalogue.read(bundle)


@pytest.fixture(scope="module")
def golden(bundle: VerifiedBundle) -> dict[EntryPoint, JsonObject]:
    return {item.entry_point: item.result for item in golden_decisions(bundle)}


@pytest.fixture(scope="module")
def judge(bundle: VerifiedBundle, catalogue: Catalogue) -> Judge:
    def judged(
        value: object,
        entry_point: EntryPoint = EntryPoint.REQUESTER,
        document: JsonObject | None = None,
        *,
        failure: Failure | None = None,
        decided_with: BundleId | None = bundle.id,
        understood: frozenset[str] = frozenset({"deadline"}),
    ) -> tuple[Decision, bytes]:
        raw = RawDecision(ENGINE, decided_with, value, failure)  # type: ignore[arg-type]  # junk is the point
        given_input = INPUTS[entry_point]() if document is None else document
        return Decision.from_raw(raw, Asked(entry_point, given_input, bundle.id, catalogue, understood))

    return judged


def assert_denied(decision: Decision, failure: Failure) -> None:
    assert decision.effect is Effect.DENY
    assert not decision.permitted
    assert decision.failure is failure
    assert [(reason.code, reason.audience, reason.severity) for reason in decision.reasons] == [
        (failure.value, Audience.BOTH, Severity.DENIAL)
    ]
    assert decision.obligations == ()
    assert decision.expires_in_s == 0
    if isinstance(decision, GatewayDecision):
        assert {target.effect for target in decision.targets} <= {Effect.DENY}
        assert not any(target.categories for target in decision.targets)
    if isinstance(decision, NodeDecision):
        assert {record.effect for record in decision.records} <= {Effect.WITHHOLD}
        assert not any(record.fields or record.redactions for record in decision.records)
        assert decision.existence is Existence.HIDDEN
    if isinstance(decision, AuditDecision):
        assert decision.parts == ()


CLASSES = {
    EntryPoint.REQUESTER: RequesterDecision,
    EntryPoint.GATEWAY: GatewayDecision,
    EntryPoint.NODE: NodeDecision,
    EntryPoint.AUDIT: AuditDecision,
    EntryPoint.TEAM: TeamDecision,
}


@pytest.mark.parametrize("entry_point", EntryPoint)
def test_an_admissible_permit_is_a_permit_of_its_own_class(
    judge: Judge, golden: dict[EntryPoint, JsonObject], entry_point: EntryPoint
) -> None:
    decision, result = judge(golden[entry_point], entry_point)
    assert type(decision) is CLASSES[entry_point]
    assert decision.permitted
    assert decision.failure is None
    assert decision.obligations[0].params == {"after_s": 60}
    assert result.startswith(b'{"')


@pytest.mark.parametrize("entry_point", EntryPoint)
@pytest.mark.parametrize("failure", Failure)
def test_every_failure_denies_everything_with_its_own_code(
    judge: Judge, entry_point: EntryPoint, failure: Failure
) -> None:
    decision, result = judge(UNDEFINED, entry_point, failure=failure)
    assert_denied(decision, failure)
    assert result == b"null"


def test_a_failure_wins_over_a_value(judge: Judge, golden: dict[EntryPoint, JsonObject]) -> None:
    decision, _ = judge(golden[EntryPoint.REQUESTER], failure=Failure.TIMEOUT)
    assert_denied(decision, Failure.TIMEOUT)


@pytest.mark.parametrize("entry_point", EntryPoint)
def test_no_result_is_a_denial(judge: Judge, entry_point: EntryPoint) -> None:
    assert_denied(judge(UNDEFINED, entry_point)[0], Failure.UNDEFINED)


@pytest.mark.parametrize("entry_point", EntryPoint)
@pytest.mark.parametrize("decided_with", [None, BundleId(1, "0" * 64), BundleId(2, "f" * 64)])
def test_a_decision_of_another_bundle_is_a_denial(
    judge: Judge, golden: dict[EntryPoint, JsonObject], entry_point: EntryPoint, decided_with: BundleId | None
) -> None:
    decision, _ = judge(golden[entry_point], entry_point, decided_with=decided_with)
    assert_denied(decision, Failure.STALE_BUNDLE)


@pytest.mark.parametrize(
    "value", [None, True, False, 1, "permit", [], {}, [{"effect": "permit"}], {"effect": "permit"}]
)
@pytest.mark.parametrize("entry_point", EntryPoint)
def test_a_value_of_another_shape_is_a_denial(judge: Judge, entry_point: EntryPoint, value: object) -> None:
    assert_denied(judge(value, entry_point)[0], Failure.BAD_RESULT)


def edited(value: JsonObject, path: tuple[str | int, ...], new: object) -> JsonObject:
    """A copy of `value` with one place changed; Ellipsis removes it."""
    copied = copy.deepcopy(value)
    place: Any = copied
    for step in path[:-1]:
        place = place[step]
    if new is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return copied


COMMON: list[tuple[tuple[str | int, ...], object]] = [
    (("effect",), "allow"),
    (("effect",), "PERMIT"),
    (("effect",), "refer"),
    (("effect",), True),
    (("effect",), ...),
    (("reasons",), ...),
    (("reasons",), None),
    (("reasons",), {}),
    (("reasons", 0), "WITHIN_PURPOSE"),
    (("reasons", 0, "code"), "NEVER_HEARD_OF"),
    (("reasons", 0, "code"), ""),
    (("reasons", 0, "audience"), "public"),
    (("reasons", 0, "audience"), "user"),
    (("reasons", 0, "severity"), "fatal"),
    (("reasons", 0, "severity"), "denial"),
    (("reasons", 0, "text"), "a text"),
    (("obligations",), ...),
    (("obligations", 0, "mandatory"), "yes"),
    (("obligations", 0, "params"), [1]),
    (("obligations", 0, "params"), {"after_s": 1.5}),
    (("obligations", 0, "params"), {"after_s": {"deep": 1}}),
    (("obligations", 0, "params"), {"after_s": None}),
    (("obligations", 0, "params"), {"after_s": 2**53}),
    (("expires_in_s",), ...),
    (("expires_in_s",), -1),
    (("expires_in_s",), 0.5),
    (("expires_in_s",), "60"),
    (("expires_in_s",), True),
    (("expires_in_s",), 367 * 24 * 3600),
    (("surplus",), 1),
    (("failure",), None),
]

GATEWAY: list[tuple[tuple[str | int, ...], object]] = [
    (("targets",), ...),
    (("targets",), []),
    (("targets", 1), ...),
    (("targets", 0, "agency"), "agency-1"),
    (("targets", 0, "effect"), "refer"),
    (("targets", 0, "effect"), "deny"),
    (("targets", 0, "categories"), []),
    (("targets", 0, "categories", 0, "tier"), "T2"),
    (("targets", 0, "categories", 0, "tier"), "T3"),
    (("targets", 0, "categories", 0, "tier"), ""),
    (("targets", 0, "categories", 0, "name"), "immigration"),
    (("targets", 0, "categories", 1, "name"), "cp_plan"),
    (("targets", 0, "categories", 1), {"name": "cp_plan", "tier": "T0"}),
    (("targets", 0, "reasons"), [{**NOTE, "code": "NEVER_HEARD_OF"}]),
    (("targets", 0, "surplus"), 1),
    (("effect",), "deny"),
]

NODE: list[tuple[tuple[str | int, ...], object]] = [
    (("records",), ...),
    (("records",), []),
    (("records", 1), ...),
    (("records", 0, "ref"), "r1"),
    (("records", 0, "effect"), "deny"),
    (("records", 0, "effect"), "withhold"),
    (("records", 0, "tier"), "T2"),
    (("records", 0, "tier"), "t1"),
    (("records", 0, "fields"), ["start_date", "end_date", "notes"]),
    (("records", 0, "fields"), ["start_date", "start_date"]),
    (("records", 0, "redactions"), ["start_date"]),
    (("records", 0, "redactions"), ["notes"]),
    (("records", 0, "reasons"), [{**NOTE, "code": "NEVER_HEARD_OF"}]),
    (("existence",), "hidden"),
    (("existence",), "shown"),
    (("existence",), ...),
    (("person",), ...),
    (("person", "awaited"), "false"),
    (("absence_confirmed",), ...),
    (("records", 0, "shown_as"), ...),
    (("older",), ...),
    (("older",), "false"),
    (("older",), 1),
    (("older",), None),
    (("effect",), "deny"),
]


@pytest.mark.parametrize(
    ("entry_point", "path", "new"),
    [
        *((entry_point, path, new) for entry_point in EntryPoint for path, new in COMMON),
        *((EntryPoint.GATEWAY, path, new) for path, new in GATEWAY),
        *((EntryPoint.NODE, path, new) for path, new in NODE),
        (EntryPoint.AUDIT, ("parts",), ...),
        (EntryPoint.AUDIT, ("parts",), [1]),
        (EntryPoint.AUDIT, ("effect",), "deny"),
    ],
)
def test_one_wrong_place_is_a_denial_of_the_whole(
    judge: Judge,
    golden: dict[EntryPoint, JsonObject],
    entry_point: EntryPoint,
    path: tuple[str | int, ...],
    new: object,
) -> None:
    assert_denied(judge(edited(golden[entry_point], path, new), entry_point)[0], Failure.BAD_RESULT)


def test_a_policy_cannot_give_a_reason_that_is_pythons_to_give(
    judge: Judge, golden: dict[EntryPoint, JsonObject]
) -> None:
    reason = {"code": "PDP_TIMEOUT", "audience": "both", "severity": "denial"}
    value = {**golden[EntryPoint.REQUESTER], "effect": "deny", "reasons": [reason]}
    assert_denied(judge(value)[0], Failure.BAD_RESULT)


@pytest.mark.parametrize(
    "obligation",
    [
        {**DUTY, "type": "dance"},
        {**DUTY, "id": "dance"},
        {**DUTY, "mandatory": False, "id": "dance"},
    ],
)
@pytest.mark.parametrize(
    ("entry_point", "path"),
    [
        *((entry_point, ("obligations",)) for entry_point in EntryPoint),
        (EntryPoint.GATEWAY, ("targets", 1, "obligations")),
        (EntryPoint.NODE, ("records", 1, "obligations")),
    ],
)
def test_an_unknown_obligation_anywhere_is_a_denial(
    judge: Judge,
    golden: dict[EntryPoint, JsonObject],
    entry_point: EntryPoint,
    path: tuple[str | int, ...],
    obligation: JsonObject,
) -> None:
    value = edited(golden[entry_point], path, [obligation])
    assert_denied(judge(value, entry_point)[0], Failure.UNKNOWN_OBLIGATION)


def test_an_obligation_the_service_cannot_carry_out_is_a_denial(
    judge: Judge, golden: dict[EntryPoint, JsonObject]
) -> None:
    value = golden[EntryPoint.REQUESTER]
    assert judge(value, understood=frozenset({"deadline"}))[0].permitted
    assert_denied(judge(value, understood=frozenset({"notice"}))[0], Failure.UNKNOWN_OBLIGATION)


def test_an_obligation_given_another_type_than_the_catalogues_is_a_denial(
    judge: Judge, golden: dict[EntryPoint, JsonObject]
) -> None:
    value = {**golden[EntryPoint.REQUESTER], "obligations": [{**DUTY, "type": "notice"}]}
    assert_denied(judge(value, understood=frozenset({"deadline", "notice"}))[0], Failure.UNKNOWN_OBLIGATION)


def test_a_result_that_is_too_large_is_a_denial(judge: Judge, golden: dict[EntryPoint, JsonObject]) -> None:
    value = {**golden[EntryPoint.REQUESTER], "reasons": [NOTE] * (MAX_RESULT_BYTES // 60)}
    decision, result = judge(value)
    assert_denied(decision, Failure.BAD_RESULT)
    assert result == b"null"


@pytest.mark.parametrize("value", [{"a": "\ud800"}, {"a": float("nan")}, {1: 2}, {"a": {1}}])
def test_what_canonical_json_cannot_carry_is_a_denial(judge: Judge, value: object) -> None:
    decision, result = judge(value)
    assert_denied(decision, Failure.BAD_RESULT)
    assert result == b"null"


def test_what_was_refused_is_kept_for_the_record(judge: Judge) -> None:
    assert judge({"b": 1, "a": "permit"})[1] == b'{"a":"permit","b":1}'


def test_a_gateway_may_lower_tiers_and_leave_categories_and_targets_out(
    judge: Judge, golden: dict[EntryPoint, JsonObject]
) -> None:
    value = edited(golden[EntryPoint.GATEWAY], ("targets", 0, "categories"), [{"name": "missing", "tier": "T0"}])
    value["targets"][1].update(effect="deny", categories=[], reasons=[DENIAL])
    decision, _ = judge(value, EntryPoint.GATEWAY)
    assert isinstance(decision, GatewayDecision)
    assert [target.effect for target in decision.targets] == [Effect.PERMIT, Effect.DENY]
    assert decision.targets[0].categories[0].tier is Tier.T0


def test_a_gateways_refusal_of_the_whole_input_refuses_each_target_for_the_same_reasons(judge: Judge) -> None:
    value = {"effect": "deny", "reasons": [DENIAL], "obligations": [], "expires_in_s": 0, "targets": [], **SILENT}
    decision, _ = judge(value, EntryPoint.GATEWAY, gateway_input(targets=3))
    assert isinstance(decision, GatewayDecision)
    assert decision.failure is None
    assert [target.agency for target in decision.targets] == ["agency-0", "agency-1", "agency-2"]
    assert {target.reasons for target in decision.targets} == {decision.reasons}


def withheld(ref: str) -> JsonObject:
    return {
        "ref": ref,
        "effect": "withhold",
        "tier": "T0",
        "fields": [],
        "grounds": [],
        "redactions": [],
        "enquiry": "never",
        "reasons": [DENIAL],
        "obligations": [],
        "shown_as": "",
    }


NOBODY_AWAITED: JsonObject = {"awaited": False, "people": 1, "roles": []}


def node_result(
    *records: JsonObject, existence: str, effect: str = "permit", older: bool = False, **changes: Any
) -> JsonObject:
    return {
        "effect": effect,
        "reasons": [],
        "obligations": [],
        "expires_in_s": 60,
        **SILENT,
        "records": list(records),
        "existence": existence,
        "older": older,
        "person": NOBODY_AWAITED,
        "absence_confirmed": False,
        **changes,
    }


def test_a_node_that_withholds_everything_must_hide_it(judge: Judge) -> None:
    hidden, _ = judge(node_result(withheld("r0"), withheld("r1"), existence="hidden"), EntryPoint.NODE)
    assert hidden.failure is None
    shown, _ = judge(node_result(withheld("r0"), withheld("r1"), existence="visible"), EntryPoint.NODE)
    assert_denied(shown, Failure.BAD_RESULT)


def test_a_referral_may_be_hidden_or_shown(judge: Judge) -> None:
    named = {"fields": ["start_date"], "grounds": [GROUND], "redactions": ["end_date"]}
    referred = {**withheld("r0"), "effect": "refer", "tier": "T1", **named}
    for existence in Existence:
        decision, _ = judge(node_result(referred, existence=existence.value), EntryPoint.NODE, node_input(records=1))
        assert isinstance(decision, NodeDecision)
        assert decision.records[0].effect is Effect.REFER


@pytest.mark.parametrize(
    "grounds", [[], [{**GROUND, "field": "end_date"}], [GROUND, GROUND], [GROUND, {**GROUND, "field": "x"}]]
)
def test_each_field_of_a_record_has_its_ground_and_nothing_else_has(judge: Judge, grounds: list[JsonObject]) -> None:
    released = {**withheld("r0"), "effect": "permit", "tier": "T1", "fields": ["start_date"]}
    sound = {**released, "grounds": [GROUND]}
    one = node_input(records=1)
    assert judge(node_result(sound, existence="visible"), EntryPoint.NODE, one)[0].permitted
    broken = node_result({**released, "grounds": grounds}, existence="visible")
    assert_denied(judge(broken, EntryPoint.NODE, one)[0], Failure.BAD_RESULT)


def test_who_may_learn_of_a_question_is_said_in_known_words(judge: Judge, golden: dict[EntryPoint, JsonObject]) -> None:
    for entry_point in (EntryPoint.REQUESTER, EntryPoint.GATEWAY, EntryPoint.NODE):
        for enquiry in ({}, {**NOBODY, "outcome": "perhaps"}, {**NOBODY, "after_s": -1}):
            assert_denied(judge({**golden[entry_point], "enquiry": enquiry}, entry_point)[0], Failure.BAD_RESULT)


def test_with_no_records_only_hidden_is_admissible(judge: Judge) -> None:
    nothing = node_input(records=0)
    assert judge(node_result(existence="hidden"), EntryPoint.NODE, nothing)[0].permitted
    assert_denied(judge(node_result(existence="visible"), EntryPoint.NODE, nothing)[0], Failure.BAD_RESULT)


def test_nothing_leaves_before_a_person_who_is_awaited_has_answered(judge: Judge) -> None:
    awaited, one = {**NOBODY_AWAITED, "awaited": True}, node_input(records=1)
    released = {**withheld("r0"), "effect": "permit", "tier": "T1"}
    waiting = node_result({**released, "effect": "refer"}, existence="visible", person=awaited)
    decision, _ = judge(waiting, EntryPoint.NODE, one)
    assert isinstance(decision, NodeDecision)
    assert decision.person.awaited  # noqa: PGH005 - no mock: whether a person is awaited
    early = node_result(released, existence="visible", person=awaited)
    assert_denied(judge(early, EntryPoint.NODE, one)[0], Failure.BAD_RESULT)
    refused = {**node_result(withheld("r0"), existence="hidden", effect="deny", person=awaited), "reasons": [DENIAL]}
    assert_denied(judge(refused, EntryPoint.NODE, one)[0], Failure.BAD_RESULT)


@pytest.mark.parametrize("person", [{}, {**NOBODY_AWAITED, "people": 0}, {**NOBODY_AWAITED, "people": 3}])
def test_who_decides_is_said_in_full(judge: Judge, person: JsonObject) -> None:
    result = node_result(existence="hidden", person=person)
    assert_denied(judge(result, EntryPoint.NODE, node_input(records=0))[0], Failure.BAD_RESULT)


def test_absence_is_confirmed_of_nothing_that_is_there_and_after_an_answer(judge: Judge) -> None:
    one, nothing = node_input(records=1), node_input(records=0)
    confirmed, _ = judge(node_result(existence="hidden", absence_confirmed=True), EntryPoint.NODE, nothing)
    assert isinstance(confirmed, NodeDecision)
    assert confirmed.absence_confirmed
    assert judge(node_result(withheld("r0"), existence="hidden", absence_confirmed=True), EntryPoint.NODE, one)[
        0
    ].permitted
    referred = {**withheld("r0"), "effect": "refer"}
    there = node_result(referred, existence="hidden", absence_confirmed=True)
    assert_denied(judge(there, EntryPoint.NODE, one)[0], Failure.BAD_RESULT)
    awaited = {**NOBODY_AWAITED, "awaited": True}
    early = node_result(existence="hidden", absence_confirmed=True, person=awaited)
    assert_denied(judge(early, EntryPoint.NODE, nothing)[0], Failure.BAD_RESULT)
    denied = node_result(withheld("r0"), existence="hidden", effect="deny", absence_confirmed=True)
    assert_denied(judge({**denied, "reasons": [DENIAL]}, EntryPoint.NODE, one)[0], Failure.BAD_RESULT)


def test_what_is_shown_under_another_name_is_a_pointer(judge: Judge) -> None:
    one = node_input(records=1)
    pointer = {**withheld("r0"), "effect": "permit", "shown_as": "hold"}
    assert judge(node_result(pointer, existence="visible"), EntryPoint.NODE, one)[0].permitted
    for more in ({"tier": "T1"}, {"redactions": ["end_date"]}, {"fields": ["start_date"], "grounds": [GROUND]}):
        assert_denied(
            judge(node_result({**pointer, **more}, existence="visible"), EntryPoint.NODE, one)[0], Failure.BAD_RESULT
        )


def test_something_older_is_admissible_only_of_records_and_in_a_permission(judge: Judge) -> None:
    one, nothing = node_input(records=1), node_input(records=0)
    hidden, _ = judge(node_result(withheld("r0"), existence="hidden", older=True), EntryPoint.NODE, one)
    assert isinstance(hidden, NodeDecision)
    assert hidden.older
    assert_denied(judge(node_result(existence="hidden", older=True), EntryPoint.NODE, nothing)[0], Failure.BAD_RESULT)
    refused = {**node_result(withheld("r0"), existence="hidden", effect="deny", older=True), "reasons": [DENIAL]}
    assert_denied(judge(refused, EntryPoint.NODE, one)[0], Failure.BAD_RESULT)


def test_a_nodes_refusal_of_the_whole_input_withholds_each_record_and_hides(judge: Judge) -> None:
    decision, _ = judge(
        {**node_result(existence="visible", effect="deny"), "reasons": [DENIAL]}, EntryPoint.NODE, node_input(records=2)
    )
    assert isinstance(decision, NodeDecision)
    assert [record.ref for record in decision.records] == ["r0", "r1"]
    assert {record.effect for record in decision.records} == {Effect.WITHHOLD}
    assert decision.existence is Existence.HIDDEN


def test_a_record_of_a_category_the_gateway_left_out_cannot_be_released(
    judge: Judge, golden: dict[EntryPoint, JsonObject]
) -> None:
    document = node_input()
    document["gateway"]["categories"] = [{"name": "missing", "tier": "T2"}]
    assert_denied(judge(golden[EntryPoint.NODE], EntryPoint.NODE, document)[0], Failure.BAD_RESULT)


@pytest.mark.parametrize(
    "document", [{}, {"targets": 1}, {"targets": [1, {}, {"id": 2}, {"id": ""}]}, {"targets": [{"id": "\ud800"}]}]
)
def test_a_refused_input_of_any_shape_can_be_denied(judge: Judge, document: JsonObject) -> None:
    decision, _ = judge(UNDEFINED, EntryPoint.GATEWAY, document, failure=Failure.INPUT_REJECTED)
    assert_denied(decision, Failure.INPUT_REJECTED)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=20,
)


@given(value=JSON, entry_point=st.sampled_from(EntryPoint))
def test_junk_never_permits(judge: Judge, value: object, entry_point: EntryPoint) -> None:
    decision, _ = judge(value, entry_point)
    assert not decision.permitted
    assert decision.failure in {Failure.BAD_RESULT, Failure.UNDEFINED}


@st.composite
def broken_results(draw: st.DrawFn) -> tuple[EntryPoint, Callable[[JsonObject], JsonObject]]:
    """Replace one place of an admissible result by anything at all."""
    entry_point = draw(st.sampled_from(EntryPoint))
    junk = draw(JSON)
    seed = draw(st.integers(0, 10_000))

    def change(value: JsonObject) -> JsonObject:
        paths = list(_paths(value))
        return edited(value, paths[seed % len(paths)], junk)

    return entry_point, change


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> Any:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*path, step)
        yield from _paths(inner, (*path, step))


@given(broken=broken_results())
def test_a_result_with_junk_in_one_place_is_judged_without_an_exception_and_grants_nothing_new(
    judge: Judge,
    golden: dict[EntryPoint, JsonObject],
    broken: tuple[EntryPoint, Callable[[JsonObject], JsonObject]],
) -> None:
    entry_point, change = broken
    value = change(golden[entry_point])
    decision, _ = judge(value, entry_point)
    if decision.failure is not None:
        assert_denied(decision, decision.failure)
    if isinstance(decision, GatewayDecision):
        asked = {item["name"]: item["tier"] for item in gateway_input()["query"]["categories"]}
        for target in decision.targets:
            assert all(item.tier.value <= asked[item.name] for item in target.categories)
    if isinstance(decision, NodeDecision):
        held = {item["ref"]: set(item["fields"]) for item in node_input()["records"]}
        for record in decision.records:
            assert set(record.fields) <= held[record.ref]
            assert record.tier <= Tier.T1
