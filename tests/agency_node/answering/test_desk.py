"""One task to its answer: real policy, real cryptography, real store."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select, text

from agency_node.answering.desk import Reply
from agency_node.answering.overlay import Overlay
from agency_node.sources.record import Assertion
from agency_node.store.tables import ReferralState, TaskState, metadata
from federation.answer import Answer, AnswerHeader
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.team import CaseGrantGiven
from federation.vocabulary import Outcome, ReadingState, Tier, Urgency
from federation.wire.v1 import query_pb2
from keys.envelope import BUCKETS, OVERHEAD_BYTES
from tests.support.node_house import DUTY, RELAY, TEXT, ListSource, NodeHouse, log_entry, number
from tests.support.two_agencies import Put

CHILD, STRANGER = number(1), number(2)


async def accepted(node: NodeHouse, put: Put) -> str:
    assert await node.accept(put.task) is TaskState.ACCEPTED
    return put.task.task_id


async def answered(node: NodeHouse, put: Put) -> Answer:
    reply = await node.answering.answer(await accepted(node, put))
    assert reply.state is TaskState.ANSWERED
    assert reply.answer is not None
    return put.opened(reply.answer)


async def held(node: NodeHouse, *records: object, flags: frozenset[str] = frozenset()) -> None:
    node.sources[0].hold(CHILD, *(records or (log_entry(CHILD),)), flags=flags)
    await node.caseload.update()


async def settle(node: NodeHouse) -> list[Reply]:
    """What a worker's watch does."""
    return [await node.answering.answer(task_id) for task_id in await node.answering.due()]


async def test_a_record_that_policy_releases_reaches_the_requester(node: NodeHouse) -> None:
    await held(node)

    answer = await answered(node, node.federation.ask(CHILD))

    assert answer.outcome is Outcome.RECORDS
    assert answer.records[0].fields == {
        "entry_category": "physical",
        "entry_text": TEXT,
        "last_entry_date": "2026-05-01",
    }
    assert answer.contact == DUTY


async def test_a_child_who_is_not_known_here_is_nothing_held(node: NodeHouse) -> None:
    await held(node)

    answer = await answered(node, node.federation.ask(STRANGER))

    assert (answer.outcome, answer.records, answer.contact) == (Outcome.NOTHING_HELD, [], None)


async def test_a_child_without_records_is_nothing_held(node: NodeHouse) -> None:
    node.sources[0].hold(CHILD)
    await node.caseload.update()

    assert (await answered(node, node.federation.ask(CHILD))).outcome is Outcome.NOTHING_HELD


async def test_the_gateway_may_narrow_the_tier_and_the_node_keeps_to_it(node: NodeHouse) -> None:
    await held(node)

    answer = await answered(node, node.federation.ask(CHILD, permitted=(("safeguarding_log", "T1"),)))

    assert answer.records[0].fields == {"last_entry_date": "2026-05-01"}
    assert answer.records[0].tier is Tier.T1


async def test_the_overlay_narrows_further(node: NodeHouse) -> None:
    await held(node)
    node.overlay = Overlay(fields_never=("entry_text",))

    answer = await answered(node, node.federation.ask(CHILD))

    assert "entry_text" not in answer.records[0].fields
    assert answer.records[0].redactions == ["entry_text"]


async def test_a_query_refused_as_a_whole_is_refused_whatever_is_held(node: NodeHouse) -> None:
    await held(node)
    node.overlay = Overlay(purposes_never=("S47_ENQ",))

    known = await answered(node, node.federation.ask(CHILD))
    unknown = await answered(node, node.federation.ask(STRANGER))

    assert known.outcome is unknown.outcome is Outcome.REFUSED
    assert [reason.code for reason in known.reasons] == ["LOCAL_RULE_REFUSES"]
    assert known.reasons == unknown.reasons


async def test_a_query_without_a_reason_in_words_is_refused_even_if_the_gateway_admitted_it(node: NodeHouse) -> None:
    await held(node)
    found = [await answered(node, node.federation.ask(CHILD, justification=text)) for text in ("", "  ", "x")]
    assert [answer.outcome for answer in found] == [Outcome.REFUSED, Outcome.REFUSED, Outcome.RECORDS]
    assert [[reason.code for reason in answer.reasons] for answer in found[:2]] == [["JUSTIFICATION_MISSING"]] * 2


async def test_the_node_decides_again_by_what_the_admission_says_of_the_case_grant(node: NodeHouse) -> None:
    await held(node)
    grant = CaseGrantGiven(
        id="5d2c1b7e-0000-4000-8000-000000000001",
        area="testshire",
        professions=["education", "health", "police", "social_work"],
        member=True,
        closed=False,
        expires_at=int(node.clock()) + 1,
    )

    under = await answered(node, node.federation.ask(CHILD, case_grant=grant))
    outsider = grant.model_copy(update={"member": False})
    refused = await answered(node, node.federation.ask(CHILD, case_grant=outsider))
    node.clock.now += 1
    ended = await answered(node, node.federation.ask(CHILD, case_grant=grant))

    assert under.outcome is Outcome.RECORDS
    assert (refused.outcome, [reason.code for reason in refused.reasons]) == (
        Outcome.REFUSED,
        ["CASE_GRANT_NOT_MEMBER"],
    )
    assert [reason.code for reason in ended.reasons] == ["CASE_GRANT_EXPIRED"]


async def test_question_and_answer_say_sealed_what_their_senders_had_seen_of_the_centre(node: NodeHouse) -> None:
    put = node.federation.ask(number(1))
    await node.accept(put.task)
    reply = await node.answering.answer(put.task.task_id)
    assert reply.answer is not None
    assert put.opened(reply.answer).seen == node.seen
    assert node.heard[0] == ("testshire-csc", node.federation.seen)


def as_the_gateway_sees(content: bytes) -> list[tuple[int, int, int]]:
    """Sizes of an answer's parts: header, ciphertext, signature. Everything else of it is sealed."""
    answer = query_pb2.SealedAnswer.FromString(content)
    return [(len(part.header), len(part.ciphertext), len(part.signature)) for part in answer.parts]


@pytest.mark.parametrize(("records", "alike"), [(1, True), (12, True), (60, False)])
async def test_a_case_file_and_nothing_held_are_of_one_size_up_to_the_smallest_bucket(
    node: NodeHouse, records: int, *, alike: bool
) -> None:
    """Real records, sealed by the real node: inside the bucket no byte tells them apart, beyond it only the bucket."""
    for index in range(records):
        node.sources[0].hold(CHILD, log_entry(CHILD, f"log:{index}"))
    await node.caseload.update()
    seen = []
    for child in (CHILD, STRANGER):
        put = node.federation.ask(child)
        await node.accept(put.task)
        reply = await node.answering.answer(put.task.task_id)
        assert reply.answer is not None
        assert (put.opened(reply.answer).outcome is Outcome.RECORDS) == (child is CHILD)
        seen.append(as_the_gateway_sees(reply.answer))
    known, unknown = seen
    assert (known == unknown) is alike
    for part in (*known, *unknown):
        assert part[1] - OVERHEAD_BYTES in BUCKETS


async def test_held_but_hidden_looks_exactly_like_nothing_held(node: NodeHouse) -> None:
    await held(node, flags=frozenset({"WITNESS_PROT"}))

    hidden_put, absent_put = node.federation.ask(CHILD), node.federation.ask(STRANGER)
    hidden, absent = await answered(node, hidden_put), await answered(node, absent_put)

    assert hidden.model_copy(update={"query_id": absent.query_id}) == absent
    assert hidden.outcome is Outcome.NOTHING_HELD


async def test_a_silent_alert_waits_for_its_officer_and_stands_in_the_same_entry(node: NodeHouse) -> None:
    await held(node, flags=frozenset({"WITNESS_PROT"}))

    await answered(node, node.federation.ask(CHILD))
    await answered(node, node.federation.ask(STRANGER))

    hidden, absent = await node.entries(EntryKind.ANSWERED)
    assert (hidden["alerts"], absent["alerts"]) == (["silent_alert"], [])
    assert hidden["outcome"] == absent["outcome"] == "nothing_held"
    assert await node.entries(EntryKind.OBLIGATION_OPENED, EntryKind.REFERRAL_OPENED) == []


async def test_a_flag_that_one_source_knows_reaches_the_records_of_another(node: NodeHouse) -> None:
    other = ListSource("meals")
    node.sources[0].hold(CHILD, log_entry(CHILD))
    other.hold(CHILD, flags=frozenset({"WITNESS_PROT"}))
    node.caseload._sources["meals"] = other
    await node.caseload.update()

    assert (await answered(node, node.federation.ask(CHILD))).outcome is Outcome.NOTHING_HELD


async def test_a_sensitive_address_gives_the_relay_instead_of_the_duty_desk(node: NodeHouse) -> None:
    await held(node, flags=frozenset({"SENSITIVE_ADDRESS"}))

    answer = await answered(node, node.federation.ask(CHILD))

    assert answer.outcome is Outcome.RECORDS
    assert answer.contact == RELAY
    assert "relay_contact" not in {obligation.id for obligation in answer.obligations}


async def test_an_allegation_travels_with_its_mark(node: NodeHouse) -> None:
    await held(node, log_entry(CHILD, assertion=Assertion.THIRD_PARTY_ALLEGATION, flags=frozenset({"DISPUTED"})))

    record = (await answered(node, node.federation.ask(CHILD))).records[0]

    assert (record.assertion, record.flags) == ("third_party_allegation", ["DISPUTED"])


async def test_a_failing_source_tells_what_it_held_and_absence_is_not_claimed_from_it(node: NodeHouse) -> None:
    await held(node)
    node.sources[0].fails_after = 0
    await node.caseload.update()

    known = await answered(node, node.federation.ask(CHILD))
    unknown = await answered(node, node.federation.ask(STRANGER))

    assert (known.outcome, unknown.outcome) == (Outcome.RECORDS, Outcome.ERROR)
    assert known.records[0].fields["entry_text"] == TEXT
    assert unknown.records == []
    assert known.reading == unknown.reading
    assert {item.state for item in known.reading} == {ReadingState.FAILING}


async def test_a_source_never_read_is_error(node: NodeHouse) -> None:
    assert (await answered(node, node.federation.ask(CHILD))).outcome is Outcome.ERROR


async def test_a_caseload_just_within_its_age_counts_and_one_just_over_does_not(node: NodeHouse) -> None:
    await held(node)

    assert await node.lookup.failing(node.clock() + 72 * 3600) == ()
    assert await node.lookup.failing(node.clock() + 72 * 3600 + 1) == ("register/children", "register/log")


async def test_a_second_delivery_gives_the_same_bytes_and_no_second_entry(node: NodeHouse) -> None:
    await held(node)
    put = node.federation.ask(CHILD)
    first = await node.answering.answer(await accepted(node, put))

    put.task.lease_id, put.task.lease_expires_at = "another", 1
    assert await node.accept(put.task) is TaskState.ANSWERED
    second = await node.answering.answer(put.task.task_id)

    assert second.answer == first.answer
    assert len(await node.entries(EntryKind.ANSWERED)) == 1


async def test_an_answer_that_is_stored_is_given_again(node: NodeHouse) -> None:
    await held(node)
    put = node.federation.ask(CHILD)
    first = await node.answering.answer(await accepted(node, put))

    await node.answering.stored(put.task.task_id)

    again = await node.answering.answer(put.task.task_id)
    assert (again.state, again.answer) == (TaskState.STORED, first.answer)
    assert await node.answering.unfinished() == []


async def test_an_unknown_task_is_an_error(node: NodeHouse) -> None:
    with pytest.raises(WardgateError) as caught:
        await node.answering.answer("0b0e5f0c-3a53-4b57-9b43-3d2f9a1c7e11")
    assert caught.value.code is ErrorCode.TASK_UNKNOWN


async def test_the_ledger_names_the_answer_by_the_digest_that_the_gateway_will_use(node: NodeHouse) -> None:
    from federation.answer import answer_digest

    await held(node)
    put = node.federation.ask(CHILD)
    reply = await node.answering.answer(await accepted(node, put))

    entry = (await node.entries(EntryKind.ANSWERED))[0]
    assert reply.answer is not None
    assert entry["answer_sha256"] == answer_digest(put.parts(reply.answer)).hex()
    header = AnswerHeader.parse(put.parts(reply.answer)[0].header)
    assert entry["decision"]["decision_id"] == header.decision_id
    assert entry["decision"]["parent_id"] == (await _admission_id(put))


async def _admission_id(put: Put) -> str:
    from federation.admission import AdmissionRecord

    return AdmissionRecord.parse(put.task.admission).decision_id


async def test_the_decision_can_be_replayed_from_what_is_kept(node: NodeHouse) -> None:
    from agency_node.vault import Kind
    from federation.policy.engine import EntryPoint
    from keys.digest import sha256

    await held(node)
    await answered(node, node.federation.ask(CHILD))

    entry = (await node.entries(EntryKind.ANSWERED))[0]["decision"]
    async with node.engine.connect() as connection:
        row = (await connection.execute(select(metadata.tables["decision_input"]))).one()
    given = node.vault.open(Kind.DECISION_INPUT, row.decision_id, row.content)
    assert sha256(given).hex() == entry["input_sha256"]
    raw = await node.policy._engine.decide(EntryPoint.NODE, given, deadline_s=2.0)
    from federation.canonical import to_canonical

    assert sha256(to_canonical(raw.value)).hex() == entry["result_sha256"]  # type: ignore[arg-type]


async def test_no_number_no_text_and_no_name_stands_in_store_or_ledger(node: NodeHouse) -> None:
    await held(node)
    await answered(node, node.federation.ask(CHILD))

    async with node.engine.connect() as connection:
        found = ""
        for table in metadata.sorted_tables:
            rows = (await connection.execute(text(f'SELECT * FROM "{table.name}"'))).all()
            found += repr(rows)
    for secret in (CHILD.canonical(), CHILD.spaced(), TEXT, "PE.", "physical", "Amina"):
        assert secret not in found
    ledger = await node.ledger_text()
    assert CHILD.canonical() not in ledger
    assert TEXT not in ledger


async def test_an_answer_over_its_limit_becomes_error_and_names_no_record(node: NodeHouse) -> None:
    many = [
        log_entry(CHILD, f"log:{n}", fields={"entry_text": "x" * 15_000, "last_entry_date": "2026-05-01"})
        for n in range(80)
    ]
    await held(node, *many)

    answer = await answered(node, node.federation.ask(CHILD))

    assert (answer.outcome, answer.records) == (Outcome.ERROR, [])


async def test_a_long_answer_travels_in_several_parts(node: NodeHouse) -> None:
    many = [
        log_entry(CHILD, f"log:{n}", fields={"entry_text": "x" * 15_000, "last_entry_date": "2026-05-01"})
        for n in range(30)
    ]
    await held(node, *many)
    put = node.federation.ask(CHILD)

    reply = await node.answering.answer(await accepted(node, put))

    assert reply.answer is not None
    assert len(put.parts(reply.answer)) == 2
    assert len(put.opened(reply.answer).records) == 30


async def test_more_records_than_one_evaluation_holds_are_all_decided(node: NodeHouse) -> None:
    many = [log_entry(CHILD, f"log:{n}", fields={"last_entry_date": "2026-05-01"}) for n in range(620)]
    await held(node, *many)

    answer = await answered(node, node.federation.ask(CHILD))

    assert len(answer.records) == 620
    entry = (await node.entries(EntryKind.ANSWERED))[0]
    assert len(entry["further_decisions"]) == 1
    assert "result" not in entry["decision"]


async def test_a_flag_of_the_child_reaches_every_evaluation(node: NodeHouse) -> None:
    many = [log_entry(CHILD, f"log:{n}", fields={"last_entry_date": "2026-05-01"}) for n in range(620)]
    marked = log_entry(CHILD, "log:last", date=dt.date(2020, 1, 1), flags=frozenset({"WITNESS_PROT"}))
    await held(node, *many, marked)

    assert (await answered(node, node.federation.ask(CHILD))).outcome is Outcome.NOTHING_HELD


async def test_a_task_that_expired_before_it_was_worked_on_ends_without_an_answer(node: NodeHouse) -> None:
    await held(node)
    put = node.federation.ask(CHILD)
    task_id = await accepted(node, put)
    node.clock.now += 24 * 3600

    reply = await node.answering.answer(task_id)

    assert (reply.state, reply.answer) == (TaskState.EXPIRED, None)
    assert len(await node.entries(EntryKind.TARGET_EXPIRED)) == 1
    assert (await node.answering.answer(task_id)).state is TaskState.EXPIRED


async def test_a_cancelled_task_is_not_answered(node: NodeHouse) -> None:
    await held(node)
    task_id = await accepted(node, node.federation.ask(CHILD))

    await node.answering.cancel(task_id)

    assert (await node.answering.answer(task_id)).state is TaskState.CANCELLED
    assert await node.entries(EntryKind.ANSWERED) == []


async def test_an_answer_cancelled_by_the_gateway_is_not_sent_again(node: NodeHouse) -> None:
    await held(node)
    task_id = await accepted(node, node.federation.ask(CHILD))
    await node.answering.answer(task_id)

    await node.answering.cancel(task_id)

    assert await node.answering.unfinished() == []


async def test_a_requester_revoked_before_the_answer_gets_none(node: NodeHouse) -> None:
    from tests.support.two_agencies import REQUESTER

    await held(node)
    task_id = await accepted(node, node.federation.ask(CHILD))
    node.federation.publish(REQUESTER)

    reply = await node.answering.answer(task_id)

    assert (reply.state, reply.answer) == (TaskState.REFUSED, None)
    assert (await node.entries(EntryKind.ALARM_RAISED))[0]["error"] == "AGENCY_UNKNOWN"


async def test_a_question_sealed_to_a_key_that_is_not_ours_is_refused_with_an_alarm(node: NodeHouse) -> None:
    from keys.envelope import SealingKey

    await held(node)
    task_id = await accepted(node, node.federation.ask(CHILD))
    node.federation.parties["testshire-school"].sealing = SealingKey.generate()
    object.__setattr__(node.responder, "sealing_keys", lambda: {1: SealingKey.generate()})

    reply = await node.answering.answer(task_id)

    assert (reply.state, reply.answer) == (TaskState.REFUSED, None)
    assert (await node.entries(EntryKind.ALARM_RAISED))[0]["error"] == "ENVELOPE_REJECTED"


async def test_an_engine_that_cannot_decide_is_error_and_not_nothing_held(node: NodeHouse) -> None:
    from federation.policy.bundle import VerifiedBundle

    await held(node)
    stale = node.policy._max_bundle_age_s
    node.policy._max_bundle_age_s = -1
    try:
        known = await answered(node, node.federation.ask(CHILD))
        unknown = await answered(node, node.federation.ask(STRANGER))
    finally:
        node.policy._max_bundle_age_s = stale

    assert isinstance(node.policy.bundle, VerifiedBundle)
    assert known.model_copy(update={"query_id": unknown.query_id}) == unknown
    assert known.outcome is Outcome.ERROR


async def test_children_of_an_old_epoch_are_not_denied_while_they_move(node: NodeHouse) -> None:
    await held(node)
    node.federation.parties["testshire-school"].epochs = (1, 2)
    node.federation.publish()

    before = await answered(node, node.federation.ask(CHILD, to_epoch=2))
    report = await node.caseload.update()
    after = await answered(node, node.federation.ask(CHILD, to_epoch=2))
    late = await answered(node, node.federation.ask(CHILD, to_epoch=1))

    assert before.outcome is Outcome.ERROR
    assert report.moved == 1
    assert after.outcome is late.outcome is Outcome.RECORDS


async def test_under_the_epoch_before_nobody_is_said_to_be_unknown(node: NodeHouse) -> None:
    """A question may have been translated just before the directory changed, and be delivered hours later. Whoever came
    since has no pseudonym of that epoch: nobody can be told from them."""
    await held(node)
    node.federation.parties["testshire-school"].epochs = (1, 2)
    node.federation.publish()
    await node.caseload.update()
    newcomer = number(77)
    node.sources[0].hold(newcomer, log_entry(newcomer, "log:77"))
    await node.caseload.update()

    known = await answered(node, node.federation.ask(CHILD, to_epoch=1))
    came_since = await answered(node, node.federation.ask(newcomer, to_epoch=1))
    unknown = await answered(node, node.federation.ask(STRANGER, to_epoch=1))

    assert known.outcome is Outcome.RECORDS
    assert came_since.outcome is unknown.outcome is Outcome.ERROR
    assert (await answered(node, node.federation.ask(newcomer, to_epoch=2))).outcome is Outcome.RECORDS
    assert (await answered(node, node.federation.ask(STRANGER, to_epoch=2))).outcome is Outcome.NOTHING_HELD


async def test_after_the_overlap_a_pseudonym_of_the_old_epoch_finds_nothing(node: NodeHouse) -> None:
    await held(node)
    school = node.federation.parties["testshire-school"]
    for epochs in ((1, 2), (2,)):
        school.epochs = epochs
        node.federation.publish()
        await node.caseload.update()

    old = node.federation.pseudonym("testshire-school", CHILD, 1)
    new = node.federation.pseudonym("testshire-school", CHILD, 2)
    assert (await node.lookup.find(old)).number is None
    assert (await node.lookup.find(new)).number == CHILD


async def test_a_task_in_an_epoch_that_is_over_is_error_and_never_absence(node: NodeHouse) -> None:
    """The trustee signed for which epoch its point is: a gateway that is behind cannot make a known child unknown."""
    await held(node)
    school = node.federation.parties["testshire-school"]
    for epochs in ((1, 2), (2,)):
        school.epochs = epochs
        node.federation.publish()
        await node.caseload.update()

    assert (await answered(node, node.federation.ask(CHILD, to_epoch=1))).outcome is Outcome.ERROR
    assert (await answered(node, node.federation.ask(CHILD, to_epoch=2))).outcome is Outcome.RECORDS


# -- referrals ------------------------------------------------------------------------------------------------------


async def referred(node: NodeHouse, put: Put) -> str:
    reply = await node.answering.answer(await accepted(node, put))
    assert (reply.state, reply.answer) == (TaskState.REFERRED, None)
    return (await node.decisions.waiting("dsl"))[0].referral.referral_id


TWO: dict[str, Any] = {"categories": (("safeguarding_log", "T1"), ("attendance", "T1"))}


async def one_open_and_one_for_a_person(node: NodeHouse) -> None:
    await held(
        node,
        log_entry(CHILD, "log:1"),
        log_entry(CHILD, "log:2", category="attendance", fields={"attendance_percent": 71}),
    )
    node.overlay = Overlay(categories_refer=("safeguarding_log",))


async def test_in_an_emergency_nothing_waits_for_a_person_that_policy_releases(node: NodeHouse) -> None:
    await one_open_and_one_for_a_person(node)

    at_once = await answered(node, node.federation.ask(CHILD, urgency=Urgency.EMERGENCY, **TWO))

    assert [record.category for record in at_once.records] == ["attendance"]
    assert at_once.undecided
    (view,) = await node.decisions.waiting("dsl")
    await node.decisions.decide("dsl", view.referral.referral_id, decision="release", reason="It bears on the danger.")
    again = await answered(node, node.federation.ask(CHILD, urgency=Urgency.EMERGENCY, **TWO))
    assert {record.category for record in again.records} == {"attendance", "safeguarding_log"}
    assert not again.undecided


async def test_outside_an_emergency_and_where_nothing_is_open_the_whole_answer_waits(node: NodeHouse) -> None:
    await one_open_and_one_for_a_person(node)

    for changes in (
        {"urgency": Urgency.URGENT, **TWO},
        {"urgency": Urgency.EMERGENCY, "categories": TWO["categories"][:1]},
    ):
        reply = await node.answering.answer(await accepted(node, node.federation.ask(CHILD, **changes)))
        assert (reply.state, reply.answer) == (TaskState.REFERRED, None)


async def test_what_is_referred_is_not_sent_before_a_human_has_decided(node: NodeHouse) -> None:
    await held(
        node,
        log_entry(CHILD, "log:1"),
        log_entry(CHILD, "log:2", category="attendance", fields={"attendance_percent": 71}),
    )
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = node.federation.ask(CHILD)

    await referred(node, put)

    assert (await node.answering.answer(put.task.task_id)).answer is None
    assert len(await node.entries(EntryKind.REFERRAL_OPENED)) == 1
    assert await node.entries(EntryKind.ANSWERED) == []


async def test_what_a_human_releases_is_disclosed(node: NodeHouse) -> None:
    await held(node)
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = node.federation.ask(CHILD)
    referral_id = await referred(node, put)

    await node.decisions.decide("dsl", referral_id, decision="release", reason="Needed for the strategy meeting.")

    assert node.decided == [put.task.task_id]
    reply = await node.answering.answer(put.task.task_id)
    assert reply.answer is not None
    answer = put.opened(reply.answer)
    assert (answer.outcome, answer.records[0].fields["entry_text"]) == (Outcome.RECORDS, TEXT)


async def test_what_a_human_withholds_is_refused_and_the_rest_is_given(node: NodeHouse) -> None:
    attendance = log_entry(CHILD, "att:1", category="attendance", type="attendance", fields={"attendance_percent": 71})
    await held(node, log_entry(CHILD), attendance)
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = node.federation.ask(CHILD)
    referral_id = await referred(node, put)

    await node.decisions.decide(
        "dsl", referral_id, decision="withhold", ground="more_detrimental", reason="It would put the child at risk."
    )

    reply = await node.answering.answer(put.task.task_id)
    assert reply.answer is not None
    answer = put.opened(reply.answer)
    assert (answer.outcome, [record.category for record in answer.records]) == (Outcome.RECORDS, ["attendance"])


async def test_when_everything_is_withheld_by_a_human_the_answer_is_refused_without_a_reason(node: NodeHouse) -> None:
    await held(node)
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = node.federation.ask(CHILD)
    referral_id = await referred(node, put)

    await node.decisions.decide(
        "dsl", referral_id, decision="withhold", ground="more_detrimental", reason="It would put the child at risk."
    )

    reply = await node.answering.answer(put.task.task_id)
    assert reply.answer is not None
    answer = put.opened(reply.answer)
    assert (answer.outcome, answer.records, answer.reasons) == (Outcome.REFUSED, [], [])


async def test_a_record_changed_since_the_human_saw_it_is_not_released(node: NodeHouse) -> None:
    await held(node)
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = node.federation.ask(CHILD)
    referral_id = await referred(node, put)
    await node.decisions.decide("dsl", referral_id, decision="release", reason="Needed.")
    node.sources[0].rows[1] = log_entry(CHILD, fields={"entry_text": "Now it says something else."})
    await node.caseload.update()

    reply = await node.answering.answer(put.task.task_id)

    assert reply.answer is not None
    answer = put.opened(reply.answer)
    assert (answer.outcome, answer.undecided) == (Outcome.UNDECIDED, True)  # of what it says now nobody has decided
    assert await node.decisions.waiting("dsl") == []


async def test_a_flag_set_since_the_human_decided_still_hides(node: NodeHouse) -> None:
    await held(node)
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = node.federation.ask(CHILD)
    referral_id = await referred(node, put)
    await node.decisions.decide("dsl", referral_id, decision="release", reason="Needed.")
    node.sources[0].rows.append(log_entry(CHILD, "log:2", flags=frozenset({"WITNESS_PROT"})))
    await node.caseload.update()

    reply = await node.answering.answer(put.task.task_id)

    assert reply.answer is not None
    assert put.opened(reply.answer).records == []


async def test_at_the_last_moment_the_answer_goes_without_the_human(node: NodeHouse) -> None:
    attendance = log_entry(CHILD, "att:1", category="attendance", type="attendance", fields={"attendance_percent": 71})
    await held(node, log_entry(CHILD), attendance)
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = node.federation.ask(CHILD, expiry_s=3600)
    await referred(node, put)

    node.clock.now += 3600 - 61
    assert await settle(node) == []
    node.clock.now += 1
    replies = await settle(node)

    assert [reply.state for reply in replies] == [TaskState.ANSWERED]
    assert replies[0].answer is not None
    answer = put.opened(replies[0].answer)
    assert ([record.category for record in answer.records], answer.undecided) == (["attendance"], True)
    assert len(await node.entries(EntryKind.REFERRAL_EXPIRED)) == 1
    assert await node.decisions.waiting("dsl") == []
    with pytest.raises(WardgateError) as caught:
        await node.decisions.decide("dsl", await _only_referral(node), decision="release", reason="Too late.")
    assert caught.value.code is ErrorCode.REFERRAL_ENDED
    assert caught.value.told == "the time for it ended at 2026-11-22T10:59:00+00:00 without a decision"


async def _only_referral(node: NodeHouse) -> str:
    async with node.engine.connect() as connection:
        return str((await connection.execute(select(metadata.tables["referral"].c.referral_id))).scalar_one())


async def test_an_undecided_referral_of_everything_is_undecided_and_never_absence(node: NodeHouse) -> None:
    await held(node)
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = node.federation.ask(CHILD, expiry_s=3600)
    await referred(node, put)
    node.clock.now += 3600 - 60

    replies = await settle(node)

    assert replies[0].answer is not None
    answer = put.opened(replies[0].answer)
    assert (answer.outcome, answer.undecided, answer.contact, answer.reasons) == (Outcome.UNDECIDED, True, None, [])


async def test_a_referral_of_a_cancelled_query_leaves_the_inbox(node: NodeHouse) -> None:
    await held(node)
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = node.federation.ask(CHILD)
    await referred(node, put)

    await node.answering.cancel(put.task.task_id)

    assert await node.decisions.waiting("dsl") == []
    with pytest.raises(WardgateError) as caught:
        await node.decisions.decide("dsl", await _only_referral(node), decision="release", reason="Too late.")
    assert caught.value.code is ErrorCode.REFERRAL_ENDED
    assert caught.value.told == "the question was withdrawn at 2026-11-22T10:00:00+00:00"


# -- silent referrals -----------------------------------------------------------------------------------------------


async def shielded(node: NodeHouse) -> None:
    """A record of a service whose very existence is shielded until a person releases it."""
    node.federation.parties["testshire-school"].kind = "sexual_health_service"
    node.federation.publish()
    record = log_entry(CHILD, category="sexual_health", type="sexual_health", fields={})
    await held(node, record)


SILENTLY: dict[str, Any] = {
    "purpose": "EXPLOIT",
    "attestations": ("exploitation_indicators", "sensitive_consent"),
    "categories": (("sexual_health", "T0"),),
}
"""A question under which such a record is shielded."""


async def test_a_shielded_referral_is_not_seen_from_outside(node: NodeHouse) -> None:
    await shielded(node)

    hidden_put = node.federation.ask(CHILD, **SILENTLY)
    absent_put = node.federation.ask(STRANGER, **SILENTLY)
    hidden, absent = await answered(node, hidden_put), await answered(node, absent_put)

    assert hidden.model_copy(update={"query_id": absent.query_id}) == absent
    waiting = await node.decisions.waiting("dsl")
    assert [view.referral.silent for view in waiting] == [True]
    assert await node.entries(EntryKind.REFERRAL_OPENED) == []


async def test_what_is_released_silently_holds_for_the_requesters_next_query(node: NodeHouse) -> None:
    await shielded(node)
    await answered(node, node.federation.ask(CHILD, **SILENTLY))
    view = (await node.decisions.waiting("dsl"))[0]

    await node.decisions.decide("dsl", view.referral.referral_id, decision="release", reason="The clinician agrees.")

    assert node.decided == []
    again = await answered(node, node.federation.ask(CHILD, **SILENTLY))
    assert (again.outcome, [record.tier for record in again.records]) == (Outcome.RECORDS, [Tier.T0])


async def test_a_silent_release_ends_with_its_time(node: NodeHouse) -> None:
    await shielded(node)
    await answered(node, node.federation.ask(CHILD, **SILENTLY))
    view = (await node.decisions.waiting("dsl"))[0]
    await node.decisions.decide("dsl", view.referral.referral_id, decision="release", reason="The clinician agrees.")

    node.clock.now += node.standing_s
    await node.caseload.update()
    later = await answered(node, node.federation.ask(CHILD, **SILENTLY, now=node.clock.now))

    assert later.outcome is Outcome.NOTHING_HELD


async def test_a_silent_referral_that_nobody_decides_leaves_the_inbox(node: NodeHouse) -> None:
    await shielded(node)
    await answered(node, node.federation.ask(CHILD, **SILENTLY))

    node.clock.now += node.standing_s
    await settle(node)

    assert await node.decisions.waiting("dsl") == []
    async with node.engine.connect() as connection:
        state = (await connection.execute(select(metadata.tables["referral"].c.state))).scalar_one()
    assert state == ReferralState.EXPIRED
