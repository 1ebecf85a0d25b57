"""Which records stand before policy, in how many evaluations, and what these say together."""

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agency_node.answering.consideration import join, portions, relevant
from agency_node.caseload.records import HeldRecord
from federation.policy.bundle import BundleId
from federation.policy.decision import NodeDecision
from federation.policy.engine import EngineIdentity, EntryPoint, Failure
from federation.policy.evaluator import Evaluated
from federation.policy.record import DecisionRecord, Occasion
from federation.policy.results import ANYBODY, NOBODY, Audience, Existence, Person, Reason, RecordDecision, Severity
from federation.vocabulary import Effect, EnquiryOutcome, Tier


def record(ref: str, category: str = "cp_plan", flags: tuple[str, ...] = ()) -> HeldRecord:
    return HeldRecord(
        ref=ref,
        source_id="s",
        source_ref=ref,
        category=category,
        type="t",
        date=dt.date(2026, 1, 1),
        fields={},
        flags=flags,
        assertion="fact",
        relation="subject",
        contact_level="unknown",
        handling_code="",
    )


FLAGS = st.lists(st.sampled_from(["A", "B", "C", "D"]), max_size=3, unique=True).map(tuple)


@given(flags=st.lists(FLAGS, min_size=1, max_size=60), most=st.integers(5, 12))
def test_every_record_is_decided_and_every_evaluation_sees_every_flag(flags: list[tuple[str, ...]], most: int) -> None:
    records = [record(f"r{n}", flags=each) for n, each in enumerate(flags)]

    cut = portions(records, most)

    assert {item.ref for portion in cut for item in portion} == {item.ref for item in records}
    everything = {flag for item in records for flag in item.flags}
    for portion in cut:
        assert len(portion) <= most
        assert len({item.ref for item in portion}) == len(portion)
        assert {flag for item in portion for flag in item.flags} == everything


def test_no_records_are_one_evaluation() -> None:
    assert portions([]) == [()]


def test_what_nobody_asked_for_is_left_out_unless_it_carries_a_flag() -> None:
    records = [record("r1"), record("r2", "s47"), record("r3", "s47", ("WITNESS_PROT",))]

    assert [item.ref for item in relevant(records, frozenset({"cp_plan"}))] == ["r1", "r3"]


def evaluated(
    *refs: str,
    effect: Effect = Effect.PERMIT,
    visible: bool = True,
    failure: bool = False,
    older: bool = False,
    person: Person = ANYBODY,
    absence_confirmed: bool = False,
) -> Any:
    reason = Reason(code=Failure.TIMEOUT.value, audience=Audience.BOTH, severity=Severity.DENIAL)
    decision = NodeDecision(
        effect=Effect.DENY if failure else effect,  # type: ignore[arg-type]  # permit or deny
        reasons=(reason,) if failure else (),
        obligations=(),
        expires_in_s=60,
        processing=(),
        enquiry=NOBODY,
        records=tuple(
            RecordDecision(
                ref=ref,
                effect=Effect.PERMIT,
                tier=Tier.T1,
                fields=(),
                grounds=(),
                redactions=(),
                enquiry=EnquiryOutcome.NOTIFY,
                reasons=(),
                obligations=(),
                shown_as="",
            )
            for ref in refs
        ),
        existence=Existence.VISIBLE if visible else Existence.HIDDEN,
        older=older,
        person=person,
        absence_confirmed=absence_confirmed,
    )
    record_of = DecisionRecord(
        id="0b0e5f0c-3a53-4b57-9b43-3d2f9a1c7e11",
        parent_id="",
        trace_id="",
        occasion=Occasion.LIVE,
        entry_point=EntryPoint.NODE,
        decided_at=1,
        bundle=BundleId(1, "00" * 32),
        data_sha256="",
        engine=EngineIdentity("test", "1", strict=False),
        input_sha256="",
        result_sha256="",
        result=None,
        effect=decision.effect,
        failure=decision.failure,
        detail="",
        reasons=(),
        obligations=(),
        processing=(),
        enquiry=None,
        evaluation_us=0,
    )
    return Evaluated(decision, record_of, b"", b"")


def test_several_evaluations_show_together_what_one_shows() -> None:
    records = (record("r1"), record("r2"), record("r3"))

    joined = join(records, [evaluated("r3", "r1", visible=False), evaluated("r3", "r2")])

    assert [item.ref for item in joined.decision.records] == ["r1", "r2", "r3"]
    assert joined.decision.existence is Existence.VISIBLE


def test_where_one_evaluation_failed_all_of_it_failed() -> None:
    records = (record("r1"), record("r2"))

    joined = join(records, [evaluated("r1"), evaluated("r2", failure=True)])

    assert joined.decision.failure is Failure.TIMEOUT
    assert (joined.records, joined.decision.records) == ((), ())
    assert joined.decision.existence is Existence.HIDDEN


def test_a_refusal_of_the_query_is_a_refusal_whatever_the_other_evaluations_say() -> None:
    joined = join((record("r1"),), [evaluated("r1"), evaluated(effect=Effect.DENY)])

    assert joined.decision.effect is Effect.DENY


def test_something_older_in_one_evaluation_is_enough_and_in_a_failure_nothing_is() -> None:
    records = (record("r1"), record("r2"))

    assert join(records, [evaluated("r1"), evaluated("r2", older=True)]).decision.older
    assert not join(records, [evaluated("r1"), evaluated("r2")]).decision.older
    assert not join(records, [evaluated("r1", older=True), evaluated("r2", failure=True)]).decision.older
    assert not join((record("r1"),), [evaluated("r1", older=True), evaluated(effect=Effect.DENY)]).decision.older


def a_person(people: int = 1, *roles: str, awaited: bool = False) -> Person:
    return Person(awaited=awaited, people=people, roles=roles)


def test_of_several_evaluations_the_most_people_decide_and_those_of_the_first_that_names_any() -> None:
    records = (record("r1"), record("r2"), record("r3"))
    evaluations = [
        evaluated("r1", person=a_person()),
        evaluated("r2", person=a_person(2, "designated_officer")),
        evaluated("r3", person=a_person(1, "dsl", awaited=True)),
    ]

    assert join(records, evaluations).decision.person == a_person(2, "designated_officer", awaited=True)
    assert join(records[:1], evaluations[:1]).decision.person == ANYBODY


def test_absence_is_confirmed_by_all_of_them_or_not_at_all() -> None:
    records = (record("r1"), record("r2"))

    assert join(records, [evaluated(ref, absence_confirmed=True) for ref in ("r1", "r2")]).decision.absence_confirmed
    assert not join(records, [evaluated("r1", absence_confirmed=True), evaluated("r2")]).decision.absence_confirmed


def test_a_refusal_or_a_failure_waits_for_nobody_and_confirms_nothing() -> None:
    waits: dict[str, Any] = {"person": a_person(2, awaited=True), "absence_confirmed": True}
    refused = join((record("r1"),), [evaluated("r1", **waits), evaluated(effect=Effect.DENY, **waits)])
    failed = join((record("r1"),), [evaluated("r1", **waits), evaluated(failure=True, **waits)])

    for joined in (refused, failed):
        assert (joined.decision.person, joined.decision.absence_confirmed) == (ANYBODY, False)
