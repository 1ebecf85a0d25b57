"""Minimisation, on everything that policy could say."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agency_node.answering.disclosure import TRAVELLING_FLAGS, Occasion, disclose
from agency_node.answering.duties import Contacts
from agency_node.caseload.grounds import NO_DOUBT, Grounds
from agency_node.caseload.records import HeldRecord
from agency_node.settings import MAX_CONTEXT_CHARS, MAX_SOURCES
from agency_node.sources.record import Unreadable
from federation.answer import Answer, Contact, DatasetReading
from federation.policy.decision import NodeDecision
from federation.policy.results import (
    ANYBODY,
    NOBODY,
    Audience,
    Existence,
    Obligation,
    Person,
    Reason,
    RecordDecision,
    Severity,
)
from federation.query import CategoryAsked, Period, QueryHeader
from federation.vocabulary import (
    Effect,
    EnquiryOutcome,
    FamilyInformed,
    IdentifierState,
    Outcome,
    ReadingState,
    Share,
    Tier,
    Urgency,
)
from tests.support.catalogues import small_catalogue

DUTY = Contact(name="Duty desk", role="DSL", phone="01632 960001")
RELAY = Contact(name="Relay", role="Relay", phone="01632 960999")
CONTACTS = Contacts(duty=DUTY, relay=RELAY)
CATALOGUE = small_catalogue(
    told=("no_onward_share", "do_not_remove_from_roll", "ring_duty_desk"),
    kept=("silent_alert", "shield_existence", "relay_contact"),
)
HEADER = QueryHeader(
    query_id="0b0e5f0c-3a53-4b57-9b43-3d2f9a1c7e11",
    requester="testshire-csc",
    requester_key_version=1,
    user_ref="a" * 32,
    role="team_manager",
    purpose="S47_ENQ",
    urgency=Urgency.ROUTINE,
    area="testshire",
    categories=[CategoryAsked(name="cp_plan", tier=Tier.T2)],
    period=Period(start="2021-11-22", end="2026-11-22"),
    attestations=[],
    approvals=[],
    family_informed=FamilyInformed.UNSAFE,
    break_glass="",
    identifier_state=IdentifierState.PRESENT,
    issued_at=1_795_341_600,
    deadline_at=1_795_341_610,
    expires_at=1_795_428_000,
    reply_key=b"reply key",
    directory_version=1,
    decision_id="0b0e5f0c-3a53-4b57-9b43-3d2f9a1c7e12",
    audit_sha256=b"a" * 32,
    targets={"testshire-school": b"p" * 32},
)


def record(ref: str = "r1", **changes: Any) -> HeldRecord:
    values: dict[str, Any] = {
        "ref": ref,
        "source_id": "register",
        "source_ref": "log:1",
        "category": "cp_plan",
        "type": "plan",
        "date": dt.date(2026, 5, 1),
        "fields": {"start": "2026-05-01", "secret": "a bruise", "count": 3},
        "flags": (),
        "assertion": "fact",
        "relation": "subject",
        "contact_level": "unknown",
        "handling_code": "",
        **changes,
    }
    return HeldRecord(**values)


def decided(ref: str = "r1", effect: Effect = Effect.PERMIT, **changes: Any) -> RecordDecision:
    values: dict[str, Any] = {
        "ref": ref,
        "effect": effect,
        "tier": Tier.T2,
        "fields": ("start", "count"),
        "grounds": (),
        "redactions": (),
        "enquiry": EnquiryOutcome.NOTIFY,
        "reasons": (),
        "obligations": (),
        "shown_as": "",
        **changes,
    }
    return RecordDecision(**values)


def decision(*records: RecordDecision, effect: Effect = Effect.PERMIT, **changes: Any) -> NodeDecision:
    shown = any(item.effect is not Effect.WITHHOLD for item in records)
    values: dict[str, Any] = {
        "effect": effect,
        "reasons": (),
        "obligations": (),
        "expires_in_s": 60,
        "processing": ("UKGDPR_6_1_C",),
        "enquiry": NOBODY,
        "records": records,
        "existence": Existence.VISIBLE if shown else Existence.HIDDEN,
        "older": False,
        "person": ANYBODY,
        "absence_confirmed": False,
        **changes,
    }
    return NodeDecision(**values)


AWAITED = Person(awaited=True, people=1, roles=())
SHIELDED = Obligation(id="shield_existence", type="handling", mandatory=True, params={})


def said(records: Sequence[HeldRecord], made: NodeDecision, **occasion: Any) -> Answer:
    when = Occasion(HEADER, 1_795_341_601, **occasion)
    return disclose(records, made, occasion=when, contacts=CONTACTS, catalogue=CATALOGUE)


REASONS = st.builds(
    Reason,
    code=st.sampled_from(["FLAG_X", "CATEGORY_NOT_FOR_PURPOSE", "HUMAN_DECISION"]),
    audience=st.sampled_from(Audience),
    severity=st.sampled_from(Severity),
)
OBLIGATIONS = st.sampled_from(
    [
        Obligation(id=name, type=kind, mandatory=True, params={})
        for name, kind in (
            ("silent_alert", "alert"),
            ("shield_existence", "handling"),
            ("relay_contact", "handling"),
            ("no_onward_share", "handling"),
            ("do_not_remove_from_roll", "notice"),
        )
    ]
)
HELD = st.lists(
    st.fixed_dictionaries(
        {
            "category": st.sampled_from(["cp_plan", "s47", "sexual_health"]),
            "fields": st.dictionaries(
                st.sampled_from(["start", "secret", "count"]), st.text(max_size=20) | st.booleans()
            ),
            "flags": st.lists(st.sampled_from(["WITNESS_PROT", "DISPUTED"]), max_size=2, unique=True).map(tuple),
            "handling_code": st.sampled_from(["", "P", "C"]),
            "fields_unreadable": st.just(frozenset()) | st.just(frozenset({"other"})),
            "date": st.none() | st.just(dt.date(2026, 5, 1)),
        }
    ),
    max_size=8,
)
DECIDED = st.fixed_dictionaries(
    {
        "effect": st.sampled_from([Effect.PERMIT, Effect.REFER, Effect.WITHHOLD]),
        "tier": st.sampled_from(Tier),
        "fields": st.lists(st.sampled_from(["start", "secret", "count", "other"]), max_size=3, unique=True).map(tuple),
        "reasons": st.lists(REASONS, max_size=2).map(tuple),
        "obligations": st.lists(OBLIGATIONS, max_size=2).map(tuple),
    }
)
WHOLE = st.fixed_dictionaries(
    {
        "effect": st.sampled_from([Effect.PERMIT, Effect.DENY]),
        "reasons": st.lists(REASONS, max_size=2).map(tuple),
        "obligations": st.lists(OBLIGATIONS, max_size=2).map(tuple),
        "existence": st.just(Existence.HIDDEN),
        "older": st.booleans(),
        "person": st.sampled_from([ANYBODY, Person(awaited=True, people=2, roles=("dsl",))]),
        "absence_confirmed": st.booleans(),
    }
)


def grounds(state: ReadingState) -> Grounds:
    """One dataset behind the answer, in this state."""
    reading = DatasetReading(
        dataset="register/plans",
        categories=["cp_plan"],
        state=state,
        unreadable=Share.UP_TO_2,
        unidentified=Share.NONE,
        as_at=1_795_341_000,
    )
    return Grounds((reading,))


DOUBT, PARTIAL = grounds(ReadingState.FAILING), grounds(ReadingState.PARTIAL)

OCCASION = st.fixed_dictionaries(
    {
        "grounds": st.sampled_from([NO_DOUBT, DOUBT, Grounds((), ("epoch",))]),
        "was_announced": st.booleans(),
        "contexts": st.sampled_from([{}, {"register": "Plans since 2019."}]),
    }
)


@given(held=HELD, data=st.data(), whole=WHOLE, occasion=OCCASION)
def test_held_but_hidden_equals_not_held_byte_for_byte(
    held: list[dict[str, Any]], data: st.DataObject, whole: dict[str, Any], occasion: dict[str, bool]
) -> None:
    records = [record(f"r{n}", **values) for n, values in enumerate(held)]
    parts = [decided(item.ref, **data.draw(DECIDED)) for item in records]

    hidden = said(records, decision(*parts, **whole), **occasion)
    absent = said([], decision(**whole), **occasion)

    assert hidden.canonical() == absent.canonical()


@given(held=HELD.filter(bool), data=st.data())
def test_nothing_leaves_that_policy_did_not_name(held: list[dict[str, Any]], data: st.DataObject) -> None:
    records = [record(f"r{n}", **values) for n, values in enumerate(held)]
    parts = [decided(item.ref, **data.draw(DECIDED)) for item in records]

    answer = said(records, decision(*parts))

    permitted = {part.ref: part for part in parts if part.effect is Effect.PERMIT}
    allowed = [
        (item.category, permitted[item.ref].tier, name, value)
        for item in records
        if item.ref in permitted and permitted[item.ref].tier is not Tier.T0
        for name, value in item.fields.items()
        if name in permitted[item.ref].fields
    ]
    for given_record in answer.records:
        for name, value in given_record.fields.items():
            assert (given_record.category, given_record.tier, name, value) in allowed
        assert not set(given_record.fields_unreadable) & set(given_record.fields)
        assert set(given_record.flags) <= TRAVELLING_FLAGS
    pointers = [item for item in answer.records if item.tier is Tier.T0]
    assert len({item.category for item in pointers}) == len(pointers)
    assert all((item.fields, item.date, item.type) == ({}, "", "") for item in pointers)
    told = {reason.audience for item in answer.records for reason in item.reasons}
    assert Audience.AUDITOR not in told | {reason.audience for reason in answer.reasons}
    assert not {"shield_existence", "relay_contact", "silent_alert"} & {item.id for item in answer.obligations}


def test_a_decision_about_other_records_is_not_used() -> None:
    with pytest.raises(ValueError, match="other records"):
        said([record("r1"), record("r2")], decision(decided("r2"), decided("r1")))
    with pytest.raises(ValueError, match="other records"):
        said([record("r1")], decision())


@pytest.mark.parametrize(
    ("made", "occasion", "outcome"),
    [
        (decision(decided()), {}, Outcome.RECORDS),
        (decision(decided(), existence=Existence.HIDDEN), {}, Outcome.NOTHING_HELD),
        (decision(decided(effect=Effect.WITHHOLD)), {}, Outcome.NOTHING_HELD),
        (decision(decided(effect=Effect.REFER)), {}, Outcome.UNDECIDED),
        (decision(decided(effect=Effect.WITHHOLD)), {"was_announced": True}, Outcome.REFUSED),
        (decision(decided(effect=Effect.WITHHOLD), effect=Effect.DENY), {}, Outcome.REFUSED),
        (decision(decided()), {"grounds": DOUBT}, Outcome.RECORDS),
        (decision(decided(effect=Effect.WITHHOLD)), {"grounds": DOUBT}, Outcome.ERROR),
        (decision(decided(effect=Effect.WITHHOLD)), {"grounds": PARTIAL}, Outcome.NOTHING_HELD),
        (decision(decided(effect=Effect.WITHHOLD)), {"grounds": Grounds((), ("epoch",))}, Outcome.ERROR),
        (decision(decided(effect=Effect.WITHHOLD), effect=Effect.DENY), {"grounds": DOUBT}, Outcome.REFUSED),
        # what nobody decided
        (decision(decided(effect=Effect.REFER)), {"grounds": DOUBT}, Outcome.UNDECIDED),
        (decision(decided(effect=Effect.REFER, obligations=(SHIELDED,))), {}, Outcome.REFUSED),
        (decision(decided(effect=Effect.REFER), existence=Existence.HIDDEN), {}, Outcome.NOTHING_HELD),
        (decision(decided(effect=Effect.REFER), effect=Effect.DENY), {}, Outcome.REFUSED),
        # a question that a person must answer, before and after
        (decision(decided(), person=AWAITED), {}, Outcome.UNDECIDED),
        (decision(decided(), person=AWAITED), {"grounds": DOUBT}, Outcome.UNDECIDED),
        (decision(decided(), person=AWAITED, effect=Effect.DENY), {}, Outcome.REFUSED),
        (
            decision(decided(effect=Effect.WITHHOLD), absence_confirmed=True),
            {"was_announced": True},
            Outcome.NOTHING_HELD,
        ),
        (
            decision(decided(effect=Effect.WITHHOLD), absence_confirmed=True),
            {"was_announced": True, "grounds": DOUBT},
            Outcome.ERROR,
        ),
        (decision(decided(), absence_confirmed=True), {"was_announced": True}, Outcome.RECORDS),
    ],
)
def test_the_outcome_follows_from_decision_and_sources(
    made: NodeDecision, occasion: dict[str, Any], outcome: Outcome
) -> None:
    assert said([record()], made, **occasion).outcome is outcome


def test_a_failure_of_policy_is_error_for_held_and_not_held_alike() -> None:
    failed = Reason(code="PDP_TIMEOUT", audience=Audience.BOTH, severity=Severity.DENIAL)
    withheld = decided(effect=Effect.WITHHOLD, reasons=(failed,), fields=())

    known = said([record()], decision(withheld, effect=Effect.DENY, reasons=(failed,)))
    unknown = said([], decision(effect=Effect.DENY, reasons=(failed,)))

    assert known.canonical() == unknown.canonical()
    assert (known.outcome, [reason.code for reason in known.reasons]) == (Outcome.ERROR, ["PDP_TIMEOUT"])


def test_nothing_is_released_in_a_denial_even_where_a_record_says_permit() -> None:
    assert said([record()], decision(decided(), effect=Effect.DENY)).records == []


def test_a_redacted_field_does_not_survive_even_where_it_is_named() -> None:
    answer = said([record()], decision(decided(fields=("start", "secret"), redactions=("secret",))))

    assert answer.records[0].fields == {"start": "2026-05-01"}
    assert answer.records[0].redactions == ["secret"]


def test_a_field_that_could_not_be_read_is_named_where_policy_lets_it_out() -> None:
    held = record(fields={"start": "2026-05-01"}, fields_unreadable=frozenset({"secret", "count"}))

    answer = said([held], decision(decided(fields=("start", "count"))))

    assert answer.records[0].fields == {"start": "2026-05-01"}
    assert answer.records[0].fields_unreadable == ["count"]


def test_of_what_could_not_be_read_nothing_but_its_category_leaves() -> None:
    lost = record(
        date=None,
        type="",
        relation="",
        assertion="",
        contact_level="",
        fields={},
        fields_unreadable=frozenset({"start"}),
        unreadable=frozenset({Unreadable.ROW}),
    )
    told = Reason(code="UNREADABLE", audience=Audience.USER, severity=Severity.WARNING)
    ring = Obligation(id="ring_duty_desk", type="notice", mandatory=True, params={})

    answer = said([lost], decision(decided(tier=Tier.T0, fields=(), reasons=(told,), obligations=(ring,))))

    assert (answer.outcome, answer.contact) == (Outcome.RECORDS, DUTY)
    assert [obligation.id for obligation in answer.obligations] == ["ring_duty_desk"]
    [pointer] = answer.records
    assert [reason.code for reason in pointer.reasons] == ["UNREADABLE"]
    assert (pointer.category, pointer.date, pointer.type, pointer.relation) == ("cp_plan", "", "", "other")
    assert (pointer.fields, pointer.fields_unreadable) == ({}, [])


@pytest.mark.parametrize(
    ("made", "occasion", "older"),
    [
        (decision(decided(), older=True), {}, True),
        (decision(older=True), {}, True),
        (decision(decided()), {}, False),
        (decision(decided(), older=True), {"grounds": DOUBT}, True),
        (decision(decided(effect=Effect.WITHHOLD), older=True), {"grounds": DOUBT}, False),
        (decision(decided(effect=Effect.REFER), older=True), {}, False),
        (decision(decided(effect=Effect.WITHHOLD), effect=Effect.DENY, older=True), {}, False),
    ],
)
def test_something_older_is_told_of_only_in_an_answer(
    made: NodeDecision,
    occasion: dict[str, bool],
    older: bool,  # noqa: FBT001 - pytest passes it by name
) -> None:
    records = [record(item.ref) for item in made.records]

    assert said(records, made, **occasion).older is older


def test_existence_is_one_pointer_for_each_category_however_many_records() -> None:
    records = [record(f"r{n}", date=dt.date(2020 + n, 1, 1)) for n in range(5)] + [record("r9", category="s47")]
    parts = [decided(item.ref, tier=Tier.T0, fields=()) for item in records]

    many = said(records, decision(*parts))
    one = said([records[0], records[-1]], decision(parts[0], parts[-1]))

    assert many.canonical() == one.canonical()
    assert [item.category for item in many.records] == ["cp_plan", "s47"]


def test_a_pointer_carries_every_handling_code_and_no_single_relation_when_they_differ() -> None:
    records = [record("r1", handling_code="P", relation="subject"), record("r2", handling_code="C", relation="parent")]
    pointer = said(records, decision(*(decided(item.ref, tier=Tier.T0, fields=()) for item in records))).records[0]

    assert (pointer.handling_code, pointer.relation) == ("C,P", "other")


@given(held=HELD, data=st.data(), whole=WHOLE, occasion=OCCASION, hidden=st.booleans())
def test_until_a_person_answers_everything_held_equals_nothing_held_byte_for_byte(
    held: list[dict[str, Any]],
    data: st.DataObject,
    whole: dict[str, Any],
    occasion: dict[str, bool],
    hidden: bool,  # noqa: FBT001 - drawn
) -> None:
    records = [record(f"r{n}", **values) for n, values in enumerate(held)]
    parts = [decided(item.ref, **data.draw(DECIDED)) for item in records]
    existence = Existence.HIDDEN if hidden else Existence.VISIBLE
    asked = {**whole, "person": AWAITED, "existence": existence}

    answer = said(records, decision(*parts, **asked), **occasion)
    absent = said([], decision(**asked | {"existence": Existence.HIDDEN}), **occasion)

    assert answer.canonical() == absent.canonical()
    assert answer.outcome in {Outcome.UNDECIDED, Outcome.REFUSED}
    assert (answer.records, answer.contact, answer.undecided) == ([], None, answer.outcome is Outcome.UNDECIDED)


def test_records_leave_with_a_mark_where_others_were_never_decided() -> None:
    answer = said([record(), record("r2")], decision(decided(), decided("r2", effect=Effect.REFER)))
    whole = said([record(), record("r2")], decision(decided(), decided("r2", effect=Effect.WITHHOLD)))
    silent = said(
        [record(), record("r2")], decision(decided(), decided("r2", effect=Effect.REFER, obligations=(SHIELDED,)))
    )

    assert [len(item.records) for item in (answer, whole, silent)] == [1, 1, 1]
    assert [item.undecided for item in (answer, whole, silent)] == [True, False, False]


def test_what_is_shown_under_another_name_is_one_pointer_without_anything_of_its_own() -> None:
    held = [
        record("r1", category="s47", handling_code="P", flags=("DISPUTED",)),
        record("r2", category="cp_plan", date=dt.date(2020, 1, 1)),
        record("r3", category="concern"),
    ]
    parts = [
        decided("r1", shown_as="concern", redactions=("secret",)),
        decided("r2", shown_as="concern", tier=Tier.T0, fields=()),
        decided("r3", tier=Tier.T0, fields=()),
    ]

    answer = said(held, decision(*parts), contexts={"register": "Plans since 2019."})

    [pointer] = answer.records
    assert (pointer.category, pointer.tier, pointer.type, pointer.date) == ("concern", Tier.T0, "", "")
    assert (pointer.fields, pointer.fields_unreadable, pointer.flags, pointer.redactions) == ({}, [], [], [])
    assert answer.context_note == ""
    one = said(held[2:], decision(parts[2]), contexts={"register": "Plans since 2019."})
    assert one.records[0].model_copy(update={"handling_code": "P"}) == pointer


def test_what_is_shown_under_its_own_name_is_itself() -> None:
    assert said([record()], decision(decided(shown_as="cp_plan"))) == said([record()], decision(decided()))


def test_a_contact_goes_only_with_records() -> None:
    assert said([record()], decision(decided())).contact == DUTY
    assert said([record()], decision(decided(effect=Effect.REFER))).contact is None
    assert said([], decision()).contact is None


def test_reasons_of_the_decision_are_told_once_and_in_order() -> None:
    both = Reason(code="TIER_ABOVE_ROLE", audience=Audience.BOTH, severity=Severity.WARNING)
    secret = Reason(code="FLAG_X", audience=Audience.AUDITOR, severity=Severity.INFO)
    first = Reason(code="CATEGORY_NEEDS_CAUSE", audience=Audience.USER, severity=Severity.WARNING)

    answer = said([record()], decision(decided(reasons=(secret,)), reasons=(both, secret, first, both)))

    assert [reason.code for reason in answer.reasons] == ["CATEGORY_NEEDS_CAUSE", "TIER_ABOVE_ROLE"]
    assert answer.records[0].reasons == []


CONTEXTS = {"register": "Plans since 2019, as the conference minuted them.", "other": "Not asked."}


def noted(*decisions: RecordDecision, records: Sequence[HeldRecord] = ()) -> str:
    """The context note of an answer with these decisions."""
    held = list(records) or [record(item.ref) for item in decisions]
    return said(held, decision(*decisions), contexts=CONTEXTS).context_note


def test_a_source_speaks_of_itself_only_with_records_of_its_own() -> None:
    assert noted(decided()) == CONTEXTS["register"]
    assert noted(decided(), decided("r2")) == CONTEXTS["register"]
    assert noted(decided(effect=Effect.WITHHOLD)) == ""
    assert noted(decided(), records=[record(source_id="unnamed")]) == ""


def test_a_pointer_and_a_relayed_answer_carry_no_word_of_their_source() -> None:
    assert noted(decided(tier=Tier.T0)) == ""
    relayed = Obligation(id="relay_contact", type="handling", mandatory=True, params={})
    assert noted(decided(obligations=(relayed,))) == ""


def test_what_the_most_sources_say_of_themselves_fits_into_an_answer() -> None:
    texts = {f"source-{number}": f"{number:02d}" + "x" * (MAX_CONTEXT_CHARS - 2) for number in range(MAX_SOURCES)}
    held = [record(f"r{number}", source_id=name) for number, name in enumerate(texts)]
    note = said(held, decision(*(decided(item.ref) for item in held)), contexts=texts).context_note
    assert len(note.splitlines()) == MAX_SOURCES
