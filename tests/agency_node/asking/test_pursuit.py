"""A requester's node believes of its own query what the gateway has signed, and no more."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import pytest

from agency_node.asking.pursuit import MAX_INSTANT, Pursuit, Pursuits
from agency_node.store import asked as store
from agency_node.store.asked import AskedState
from agency_node.vault import Kind
from federation.answer import Answer, AnswerHeader, seal_answer
from federation.canonical import JsonObject, to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.query import parse_query
from federation.vocabulary import IdentifierState, Outcome, TargetState
from federation.wire.v1 import query_pb2 as wire
from keys import domains
from keys.digest import sha256
from keys.signing import SigningKey
from tests.support.node_house import NodeHouse, number
from tests.support.two_agencies import REQUESTER, RESPONDER, Put
from tests.support.waiting import until


class Gateway:
    """Says what the test has it say, and then nothing more until it is stopped, unless that settles the query."""

    def __init__(self, events: Sequence[wire.QueryEvent]) -> None:
        self.events = events
        self.asked: list[str] = []
        self.acknowledged: list[tuple[str, list[str], bool]] = []

    async def ask(self, request: wire.AskRequest) -> AsyncIterator[wire.QueryEvent]:
        self.asked.append(parse_query(request.header).query_id)
        for event in self.events:
            yield event
        if not self.events[-1].HasField("settled"):
            await asyncio.Event().wait()

    def resume(self, query_id: str) -> AsyncIterator[wire.QueryEvent]:
        raise AssertionError(f"{query_id} is resumed before its deadline")

    async def acknowledge(self, query_id: str, task_ids: list[str], *, close: bool) -> JsonObject:
        self.acknowledged.append((query_id, task_ids, close))
        return {}


def admission_of(put: Put) -> wire.QueryEvent:
    task = put.task
    decision = wire.TargetDecision(responder=RESPONDER, decision=task.decision)
    admitted = wire.Admission(admission=task.admission, signature=task.admission_signature, decisions=[decision])
    return wire.QueryEvent(admission=admitted)


def update_of(state: TargetState, absent_until: int = 0) -> wire.QueryEvent:
    value = wire.TargetState.Value(f"TARGET_STATE_{state.name}")
    return wire.QueryEvent(target=wire.TargetUpdate(responder=RESPONDER, state=value, absent_until=absent_until))


async def stored(node: NodeHouse, put: Put) -> str:
    """Store a query as `Asking` does."""
    header, query_id = put.composed.header, put.composed.header.query_id
    query = {
        "query_id": query_id,
        "user_id": "a.khan",
        "purpose": header.purpose,
        "state": AskedState.OPEN.value,
        "effect": "permit",
        "broke_glass": False,
        "asked_at": header.issued_at,
        "deadline_at": header.deadline_at,
        "expires_at": header.expires_at,
        "request": node.vault.seal(Kind.ASKED_REQUEST, query_id, put.composed.request.SerializeToString()),
        "reply_key": node.vault.seal(Kind.REPLY_KEY, query_id, put.composed.reply_key.secret.reveal()),
        "question": b"",
        "header": put.composed.request.header,
        "error": "",
    }
    target = {
        "query_id": query_id,
        "responder": RESPONDER,
        "state": TargetState.WAITING.value,
        "absent_until": 0,
        "late": False,
        "settled": False,
        "fault": "",
    }
    decision = {
        "decision_id": header.decision_id,
        "entry_point": "",
        "decided_at": header.issued_at,
        "content": b"",
        "result": b"",
    }
    await node.journal.record([], store.asked(query, [target], decision))
    return query_id


def pursuits_of(node: NodeHouse, gateway: Gateway) -> Pursuits:
    return Pursuits(
        agency=REQUESTER,
        engine=node.engine,
        journal=node.journal,
        vault=node.vault,
        gateway=gateway,
        directory=lambda: node.federation.directory,
        clock=node.clock,
    )


@pytest.mark.parametrize(
    ("update", "code"),
    [
        (update_of(TargetState.NOT_PERMITTED), ErrorCode.SIGNATURE_REJECTED),
        (update_of(TargetState.WAITING, MAX_INSTANT + 1), ErrorCode.MESSAGE_MALFORMED),
        (update_of(TargetState.WAITING, 2**64 - 1), ErrorCode.MESSAGE_MALFORMED),
    ],
)
async def test_a_bare_word_of_the_gateway_neither_withdraws_a_target_nor_breaks_the_pursuit(
    node: NodeHouse, update: wire.QueryEvent, code: ErrorCode
) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    pursuits = pursuits_of(node, Gateway([admission_of(put), update]))

    pursuit = await pursuits.start(query_id)
    await asyncio.wait_for(pursuit.ready.wait(), 10)

    assert pursuit.failed is not None
    assert pursuit.failed.code is code
    found = await store.load_asked(node.engine, query_id)
    assert found is not None
    assert (found[0].state, found[1][0].state) == (AskedState.FAILED, TargetState.WAITING)


class Refusing(Gateway):
    """Gives one error after another, the last for ever."""

    def __init__(self, *codes: ErrorCode) -> None:
        super().__init__([])
        self.codes = list(codes)

    async def ask(self, request: wire.AskRequest) -> AsyncIterator[wire.QueryEvent]:
        self.asked.append(parse_query(request.header).query_id)
        for code in self.codes[:1]:
            del self.codes[: len(self.codes) > 1]
            raise WardgateError(code)
        yield wire.QueryEvent()


async def given_up(node: NodeHouse, *codes: ErrorCode) -> tuple[list[str], str]:
    """What was asked how often, and the error that the picture shows in the end."""
    query_id, gateway = await stored(node, node.federation.ask(number(0))), Refusing(*codes)
    pursuits = pursuits_of(node, gateway)
    pursuit = await pursuits.start(query_id)
    await asyncio.wait_for(pursuit.ready.wait(), 10)
    found = await store.load_asked(node.engine, query_id)
    assert found is not None
    assert found[0].state == AskedState.FAILED
    assert pursuit.failed is not None
    assert str(pursuit.failed.code) == found[0].error
    return gateway.asked, found[0].error


@pytest.mark.parametrize("code", [ErrorCode.PROOF_REJECTED, ErrorCode.WIRE_VERSION_REFUSED])
async def test_what_no_other_attempt_can_mend_is_told_at_once(node: NodeHouse, code: ErrorCode) -> None:
    """A holder that does not prove itself, and a gateway of another version: the person reads it in the same second."""
    asked, error = await given_up(node, code)
    assert (len(asked), error) == (1, code)


async def test_a_query_stored_before_an_upgrade_of_the_wire_is_put_and_given_up_in_words(node: NodeHouse) -> None:
    """Its node sends the very bytes it stored; the gateway, not the node, says that nobody takes them any more."""
    put = node.federation.ask(number(0))
    put.composed.request.header = to_canonical(json.loads(put.composed.request.header) | {"v": 1})
    query_id, sent = await stored(node, put), []

    class Gatekeeper(Gateway):
        async def ask(self, request: wire.AskRequest) -> AsyncIterator[wire.QueryEvent]:
            sent.append(request.header)
            parse_query(request.header)
            yield wire.QueryEvent()

    pursuit = await pursuits_of(node, Gatekeeper([])).start(query_id)
    await asyncio.wait_for(pursuit.ready.wait(), 60)
    assert sent == [put.composed.request.header]
    assert pursuit.failed is not None
    assert pursuit.failed.code is ErrorCode.WIRE_VERSION_REFUSED


async def test_a_query_that_the_gateway_could_not_decide_is_put_until_it_expires_and_then_says_so(
    node: NodeHouse,
) -> None:
    away = ErrorCode.POLICY_UNAVAILABLE
    asked, error = await given_up(node, away, away, ErrorCode.QUERY_EXPIRED)
    assert (len(asked), len(set(asked)), error) == (3, 1, away)


async def test_a_query_that_expired_without_having_waited_for_anything_says_that_it_expired(node: NodeHouse) -> None:
    _, error = await given_up(node, ErrorCode.QUERY_EXPIRED)
    assert error == ErrorCode.QUERY_EXPIRED


async def test_what_is_refused_in_the_end_is_named_whatever_it_waited_for_before(node: NodeHouse) -> None:
    _, error = await given_up(node, ErrorCode.POLICY_UNAVAILABLE, ErrorCode.NOT_AUTHORISED)
    assert error == ErrorCode.NOT_AUTHORISED


async def test_the_largest_absence_there_can_be_is_kept(node: NodeHouse) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    settled = wire.QueryEvent(settled=wire.Settled(final=True))
    gateway = Gateway([admission_of(put), update_of(TargetState.WAITING, MAX_INSTANT), settled])

    pursuit = await pursuits_of(node, gateway).start(query_id)
    await asyncio.wait_for(pursuit.ready.wait(), 10)

    found = await store.load_asked(node.engine, query_id)
    assert found is not None
    assert (found[0].state, found[1][0].absent_until) == (AskedState.CLOSED, MAX_INSTANT)
    assert gateway.acknowledged == [(query_id, [], True)]
    assert len(await node.entries(EntryKind.PICTURE_CLOSED)) == 1


async def test_two_that_start_at_once_follow_one_stream(node: NodeHouse) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    gateway = Gateway([admission_of(put)])
    pursuits = pursuits_of(node, gateway)

    first, second = await asyncio.gather(pursuits.start(query_id), pursuits.start(query_id))
    for _ in range(10):  # streams begin in tasks of their own
        await asyncio.sleep(0)

    assert first is second
    assert gateway.asked == [query_id]
    await pursuits.aclose()


# -- to the end ---------------------------------------------------------------------------------------------------

SETTLED = wire.QueryEvent(settled=wire.Settled(final=True))
UNSETTLED = wire.QueryEvent(settled=wire.Settled(final=False))


class Script:
    """Plays one turn for each stream that is opened; an error in a turn ends it."""

    def __init__(self, *turns: Sequence[wire.QueryEvent | WardgateError]) -> None:
        self.turns = list(turns)
        self.opened: list[str] = []
        self.acknowledged: list[tuple[list[str], bool]] = []
        self.refusals: list[WardgateError] = []
        self.requests: list[bytes] = []

    async def _play(self, name: str) -> AsyncIterator[wire.QueryEvent]:
        self.opened.append(name)
        for event in self.turns.pop(0):
            if isinstance(event, WardgateError):
                raise event
            yield event

    def ask(self, request: wire.AskRequest) -> AsyncIterator[wire.QueryEvent]:
        self.requests.append(request.SerializeToString(deterministic=True))
        return self._play("ask")

    def resume(self, query_id: str) -> AsyncIterator[wire.QueryEvent]:
        assert query_id
        return self._play("resume")

    async def acknowledge(self, query_id: str, task_ids: list[str], *, close: bool) -> JsonObject:
        assert query_id
        if self.refusals:
            raise self.refusals.pop(0)
        self.acknowledged.append((task_ids, close))
        return {"index": 7}


def answer_of(
    put: Put, *, key: SigningKey | None = None, outcome: Outcome = Outcome.NOTHING_HELD, task_id: str = ""
) -> wire.QueryEvent:
    """The responder's answer, or one signed with another key."""
    header = put.composed.header
    answer = Answer(
        query_id=header.query_id,
        outcome=outcome,
        records=[],
        reasons=[],
        obligations=[],
        processing=[],
        reading=[],
        contact=None,
        period_covered=header.period,
        older=False,
        context_note="",
        identifier_state=IdentifierState.PRESENT,
        answered_at=header.issued_at,
    )
    answer_header = AnswerHeader(
        query_id=header.query_id,
        task_id=task_id or put.task.task_id,
        requester=REQUESTER,
        responder=RESPONDER,
        responder_key_version=1,
        purpose=header.purpose,
        issued_at=header.issued_at,
        expires_at=header.expires_at,
        decision_id=str(uuid4()),
        bundle_digest=bytes(32),
        query_sha256=sha256(put.composed.request.header),
        part=1,
        total=1,
    )
    signing = key or put.federation.parties[RESPONDER].signing
    parts = [
        wire.AnswerPart(header=part.header, ciphertext=part.ciphertext, signature=part.signature)
        for part in seal_answer(answer, answer_header, reply_key=header.reply_key, key=signing)
    ]
    return wire.QueryEvent(
        answer=wire.SealedAnswer(task_id=task_id or put.task.task_id, responder=RESPONDER, parts=parts)
    )


class Chase:
    """One query followed through a script, with pauses that take no time."""

    def __init__(self, node: NodeHouse, script: Script) -> None:
        self.node = node
        self.script = script
        self.pauses: list[float] = []
        self.pause_s = 0.0

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.node.clock.now += self.pause_s
        await asyncio.sleep(0)

    def pursuits(self) -> Pursuits:
        return Pursuits(
            agency=REQUESTER,
            engine=self.node.engine,
            journal=self.node.journal,
            vault=self.node.vault,
            gateway=self.script,
            directory=lambda: self.node.federation.directory,
            clock=self.node.clock,
            sleep=self._sleep,
        )

    async def run(self, query_id: str) -> Pursuit:
        """Follow to the end."""
        pursuits = self.pursuits()
        pursuit = await pursuits.start(query_id)
        await until(lambda: pursuits.following(query_id) is None)
        return pursuit

    async def rows(self, query_id: str) -> tuple[Any, Any]:
        found = await store.load_asked(self.node.engine, query_id)
        assert found is not None
        return found[0], found[1][0]


async def test_an_answer_is_opened_kept_sealed_recorded_acknowledged_and_closed(node: NodeHouse) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    chase = Chase(node, Script([admission_of(put), update_of(TargetState.DELIVERED), answer_of(put), SETTLED]))
    await chase.run(query_id)

    query, target = await chase.rows(query_id)
    assert (query.state, target.state, target.settled, target.fault) == ("closed", "answered", True, "")
    assert b"nothing_held" not in target.answer
    assert b"nothing_held" in node.vault.open(Kind.ANSWER, f"{query_id}/{RESPONDER}", target.answer)
    assert chase.script.acknowledged == [([put.task.task_id], True)]
    (body,) = await node.entries(EntryKind.ANSWER_OPENED)
    assert (body["responder"], body["late"]) == (RESPONDER, False)


@pytest.mark.parametrize("state", [TargetState.REJECTED, TargetState.UNDECIDED])
async def test_a_target_from_which_no_answer_comes_any_more_is_settled_and_the_query_closes(
    node: NodeHouse, state: TargetState
) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    chase = Chase(node, Script([admission_of(put), update_of(state), SETTLED]))
    await chase.run(query_id)

    query, target = await chase.rows(query_id)
    assert (query.state, target.state, target.settled, target.answer) == ("closed", state.value, True, None)
    assert chase.script.acknowledged == [([], True)]


async def test_the_reply_key_is_erased_when_the_picture_closes(node: NodeHouse) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    chase = Chase(node, Script([admission_of(put), answer_of(put), SETTLED]))
    before, _ = await chase.rows(query_id)
    assert before.reply_key
    await chase.run(query_id)
    after, _ = await chase.rows(query_id)
    assert (after.reply_key, after.request) == (None, None)


async def test_an_admission_that_the_gateway_did_not_sign_fails_the_query(node: NodeHouse) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    event = admission_of(put)
    event.admission.signature = SigningKey.generate().sign(domains.ADMISSION, event.admission.admission)
    chase = Chase(node, Script([event, answer_of(put), SETTLED]))
    pursuit = await chase.run(query_id)

    assert pursuit.failed is not None
    assert pursuit.failed.code is ErrorCode.SIGNATURE_REJECTED
    query, target = await chase.rows(query_id)
    assert (query.state, query.error, query.admission, target.answer) == (
        "failed", "SIGNATURE_REJECTED", None, None,
    )  # fmt: skip
    assert query.reply_key is None


async def test_an_admission_that_leaves_a_target_out_fails_the_query(node: NodeHouse) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    event = admission_of(put)
    del event.admission.decisions[:]
    pursuit = await Chase(node, Script([event, SETTLED])).run(query_id)
    assert pursuit.failed is not None
    assert pursuit.failed.code is ErrorCode.SIGNATURE_REJECTED


async def test_an_admission_of_another_query_fails_the_query(node: NodeHouse) -> None:
    put, other = node.federation.ask(number(0)), node.federation.ask(number(0))
    query_id = await stored(node, put)
    pursuit = await Chase(node, Script([admission_of(other), SETTLED])).run(query_id)
    assert pursuit.failed is not None
    assert pursuit.failed.code is ErrorCode.SIGNATURE_REJECTED


async def test_a_forged_answer_is_kept_out_with_a_fault_and_an_alarm_and_the_true_one_still_counts(
    node: NodeHouse,
) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    forged = answer_of(put, key=node.federation.gateway_key, outcome=Outcome.RECORDS)
    lonely = Chase(node, Script([admission_of(put), forged, SETTLED]))
    await lonely.run(query_id)
    query, target = await lonely.rows(query_id)
    assert (query.state, target.answer, target.fault) == ("closed", None, "SIGNATURE_REJECTED")
    assert target.state != TargetState.ANSWERED
    (alarm,) = await node.entries(EntryKind.ALARM_RAISED)
    assert (alarm["alarm"], alarm["responder"]) == ("ANSWER_REJECTED", RESPONDER)
    assert lonely.script.acknowledged == [([], True)]

    second = node.federation.ask(number(0))
    query_id = await stored(node, second)
    forged = answer_of(second, key=node.federation.gateway_key)
    chase = Chase(node, Script([admission_of(second), forged, answer_of(second), SETTLED]))
    await chase.run(query_id)
    _, target = await chase.rows(query_id)
    assert (target.state, target.fault) == ("answered", "")


async def test_an_answer_that_comes_twice_counts_once(node: NodeHouse) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    answer = answer_of(put)
    await Chase(node, Script([admission_of(put), answer, answer, SETTLED])).run(query_id)
    assert len(await node.entries(EntryKind.ANSWER_OPENED)) == 1


@pytest.mark.parametrize(
    "code",
    [
        ErrorCode.PEER_UNAVAILABLE,
        ErrorCode.DEADLINE_EXCEEDED,
        ErrorCode.QUERIES_EXCEEDED,
        ErrorCode.CALLS_EXCEEDED,
        ErrorCode.TRUSTEE_UNAVAILABLE,
        ErrorCode.LEDGER_UNAVAILABLE,
        ErrorCode.INTERNAL,
    ],
)
async def test_what_may_pass_is_tried_again_with_the_very_same_bytes(node: NodeHouse, code: ErrorCode) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    away = [WardgateError(code, "test")]
    chase = Chase(node, Script(away, away, [admission_of(put), answer_of(put), SETTLED]))
    pursuit = await chase.run(query_id)
    query, _ = await chase.rows(query_id)
    assert (query.state, pursuit.failed, chase.script.opened) == ("closed", None, ["ask"] * 3)
    assert len(set(chase.script.requests)) == 1
    assert len(chase.pauses) == 2


@pytest.mark.parametrize(
    "code", [ErrorCode.QUERY_CONFLICT, ErrorCode.QUOTA_EXCEEDED, ErrorCode.QUERY_EXPIRED, ErrorCode.TARGET_UNKNOWN]
)
async def test_what_cannot_pass_ends_the_query(node: NodeHouse, code: ErrorCode) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    chase = Chase(node, Script([WardgateError(code, "test")]))
    pursuit = await chase.run(query_id)
    query, target = await chase.rows(query_id)
    assert pursuit.failed is not None
    assert (pursuit.failed.code, query.state, query.error) == (code, "failed", code.value)
    assert (query.reply_key, target.settled, chase.pauses) == (None, True, [])


async def test_an_unfinished_stream_is_followed_by_another_after_a_pause_and_late_answers_are_marked(
    node: NodeHouse,
) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    turns = [
        [admission_of(put), update_of(TargetState.UNREACHABLE), UNSETTLED],
        [admission_of(put), UNSETTLED],
        [admission_of(put), answer_of(put), SETTLED],
    ]
    chase = Chase(node, Script(*turns))
    chase.pause_s = 20.0
    await chase.run(query_id)
    query, target = await chase.rows(query_id)
    assert chase.script.opened == ["ask", "resume", "resume"]
    assert chase.script.acknowledged == [([], False), ([], False), ([put.task.task_id], True)]
    assert (query.state, target.late, len(chase.pauses)) == ("closed", True, 2)


async def test_a_gateway_that_never_settles_is_given_up_after_expiry(node: NodeHouse) -> None:
    put = node.federation.ask(number(0), expiry_s=3_600)
    query_id = await stored(node, put)
    chase = Chase(node, Script(*[[admission_of(put), UNSETTLED]] * 10))
    chase.pause_s = 1_000.0
    await chase.run(query_id)
    query, target = await chase.rows(query_id)
    assert (query.state, query.reply_key, target.settled, target.state) == ("closed", None, True, "waiting")
    assert len(chase.script.opened) == 4


async def test_what_the_gateway_has_forgotten_after_admission_is_closed_not_failed(node: NodeHouse) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    chase = Chase(node, Script([admission_of(put), UNSETTLED], [WardgateError(ErrorCode.QUERY_UNKNOWN, "test")]))
    chase.pause_s = 20.0
    pursuit = await chase.run(query_id)
    query, _ = await chase.rows(query_id)
    assert (query.state, pursuit.failed) == ("closed", None)


async def test_a_close_that_is_interrupted_is_done_again(node: NodeHouse) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    turn = [admission_of(put), answer_of(put), SETTLED]
    chase = Chase(node, Script(turn, turn))
    chase.script.refusals = [WardgateError(ErrorCode.PEER_UNAVAILABLE, "test")]
    await chase.run(query_id)
    query, _ = await chase.rows(query_id)
    assert query.state == "closed"
    assert chase.script.acknowledged == [([put.task.task_id], True)]
    assert len(await node.entries(EntryKind.ANSWER_OPENED)) == 1
    assert len(await node.entries(EntryKind.PICTURE_CLOSED)) == 1


async def test_a_restart_takes_up_what_was_open_and_nothing_else(node: NodeHouse) -> None:
    put, done = node.federation.ask(number(0)), node.federation.ask(number(1))
    query_id, other_id = await stored(node, put), await stored(node, done)
    await Chase(node, Script([admission_of(done), answer_of(done), SETTLED])).run(other_id)
    away = WardgateError(ErrorCode.PEER_UNAVAILABLE, "test")
    stopped = Chase(node, Script([admission_of(put), answer_of(put), away], *[[away]] * 1_000))
    pursuits = stopped.pursuits()
    pursuit = await pursuits.start(query_id)
    await until(lambda: bool(pursuit.answered))
    await pursuits.aclose()

    after = Chase(node, Script([admission_of(put), answer_of(put), SETTLED]))
    taken_up = after.pursuits()
    assert await taken_up.resume_all() == 1
    await until(lambda: taken_up.following(query_id) is None)
    query, target = await after.rows(query_id)
    assert (query.state, target.state) == ("closed", "answered")
    assert after.script.acknowledged == [([put.task.task_id], True)]
    assert len(await node.entries(EntryKind.ANSWER_OPENED)) == 2
    assert after.script.requests == [put.composed.request.SerializeToString(deterministic=True)]


async def test_a_query_that_is_closed_or_unknown_is_not_followed(node: NodeHouse) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    chase = Chase(node, Script([admission_of(put), SETTLED]))
    await chase.run(query_id)
    for name in (query_id, str(uuid4())):
        with pytest.raises(WardgateError) as caught:
            await chase.pursuits().start(name)
        assert caught.value.code is ErrorCode.QUERY_UNKNOWN
