"""What a gateway or a trustee that translates dishonestly can do, and what an asked agency learns of the requester.

The gateway's lies about its own half are in `tests/trustee/test_translation.py`: the trustee refuses them.
"""

import dataclasses
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
import pytest

from agency_node.answering.task import open_question, pseudonym_of, verify_task
from federation.canonical import to_canonical
from federation.correlation_id import CorrelationId
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.query import Ticket, blinded_commitment
from federation.translation import HalfTranslation, Statement, Step, Translation
from federation.transport.failures import RemoteError
from federation.transport.identity import Party, PartyKind
from federation.wire.v1 import link_pb2, query_pb2
from gateway.alarms import NOT_PROVED
from keys import domains, group
from keys.digest import random_salt, sha256, sha512
from keys.errors import EncodingRejected
from keys.group import ELEMENT_BYTES
from keys.pseudonym import HolderKeys, Pseudonym, ScopeEpoch, blind_pseudonym, unblind_element
from keys.secret import Secret
from keys.signing import SigningKey
from tests.support.gateway_world import CHILD, CSC, OTHER_CHILD, POLICE, SCHOOL, World, altered, tasks_in
from tests.support.signers import some_elements
from tests.support.trustee_house import made


def believed(world: World, task: link_pb2.Task) -> Pseudonym:
    """What the responder looks up, after everything it checks."""
    verified = verify_task(task, directory=world.directory.current(), responder=SCHOOL, now=world.clock())
    return pseudonym_of(verified, open_question(verified, keys={1: _sealing(world)}, responder=SCHOOL))


def _sealing(world: World) -> Any:
    return world.secrets.parties[SCHOOL].sealing


async def a_task(world: World, **changes: Any) -> link_pb2.Task:
    composed = world.composed(**changes)
    await world.put(composed)
    return await world.task_of(composed)


async def nothing_was_done(world: World, sessions: list[Any]) -> None:
    """Nobody was asked and nothing of the query is stored."""
    assert [task for session in sessions for task in tasks_in(session)] == []
    assert world.queries.live() == []
    assert await world.count("query") == await world.count("task") == 0
    assert await world.entries(EntryKind.QUERY_ADMITTED, EntryKind.QUERY_REFUSED) == []


async def test_an_honest_translation_reaches_the_right_child(world: World) -> None:
    task = await a_task(world)
    assert believed(world, task) == world.pseudonym(SCHOOL, CHILD) != world.pseudonym(SCHOOL, OTHER_CHILD)
    assert await world.entries(EntryKind.ALARM_RAISED) == []


# -- the trustee --------------------------------------------------------------------------------------------------


Lie = Callable[[World, Statement, Translation], Translation]


def _signed(world: World, said: Statement, step: Step) -> Translation:
    return Translation(step, said.sign(world.secrets.trustee_signing))


def _another_element(world: World, said: Statement, true: Translation) -> Translation:
    other = some_elements(1)
    return _signed(world, dataclasses.replace(said, element=other), Step(other, true.step.proof))


def _unpublished_keys(world: World, said: Statement, _: Translation) -> Translation:
    """Another key than it published, honestly proved for that key, and signed."""
    half = next(half for half in world.trustee.given[-1] if half.responder == said.responder)
    keys = HolderKeys("trustee", {1: Secret.random()})
    ratio = keys.translation(ScopeEpoch(said.requester, 1), ScopeEpoch(said.responder, 1))
    element = ratio.apply(half.step.element)
    return _signed(
        world, dataclasses.replace(said, element=element), Step(element, ratio.prove(half.step.element, element))
    )


def _ratio_to_another_scope(world: World, said: Statement, _: Translation) -> Translation:
    half = next(half for half in world.trustee.given[-1] if half.responder == said.responder)
    elsewhere = POLICE if said.responder == SCHOOL else SCHOOL
    ratio = world.secrets.trustee_holder.translation(ScopeEpoch(said.requester, 1), ScopeEpoch(elsewhere, 1))
    element = ratio.apply(half.step.element)
    return _signed(
        world, dataclasses.replace(said, element=element), Step(element, ratio.prove(half.step.element, element))
    )


def _nothing_done(world: World, said: Statement, _: Translation) -> Translation:
    half = next(half for half in world.trustee.given[-1] if half.responder == said.responder)
    return _signed(
        world, dataclasses.replace(said, element=half.step.element), Step(half.step.element, half.step.proof)
    )


def _no_proof(_: World, __: Statement, true: Translation) -> Translation:
    return Translation(Step(true.step.element, b""), true.signature)


def _two_elements(world: World, said: Statement, true: Translation) -> Translation:
    element = true.step.element * 2
    return _signed(world, dataclasses.replace(said, element=element), Step(element, true.step.proof))


def _no_signature(_: World, __: Statement, true: Translation) -> Translation:
    return Translation(true.step, b"")


def _another_key(_: World, said: Statement, true: Translation) -> Translation:
    return Translation(true.step, said.sign(SigningKey.generate()))


def _for_another_query(world: World, said: Statement, true: Translation) -> Translation:
    return _signed(world, dataclasses.replace(said, query_sha256=sha256(b"another query")), true.step)


def _for_another_responder(world: World, said: Statement, true: Translation) -> Translation:
    return _signed(world, dataclasses.replace(said, responder="testshire-icb"), true.step)


def _for_another_requester(world: World, said: Statement, true: Translation) -> Translation:
    return _signed(world, dataclasses.replace(said, requester=POLICE), true.step)


def _for_another_epoch(world: World, said: Statement, true: Translation) -> Translation:
    return _signed(world, dataclasses.replace(said, responder_epoch=2), true.step)


@pytest.mark.parametrize(
    "lie",
    [
        _another_element,
        _unpublished_keys,
        _ratio_to_another_scope,
        _nothing_done,
        _no_proof,
        _two_elements,
        _no_signature,
        _another_key,
        _for_another_query,
        _for_another_responder,
        _for_another_requester,
        _for_another_epoch,
    ],
)
async def test_a_trustee_that_mistranslates_or_missigns_is_caught_before_anybody_is_asked(
    world: World, lie: Lie, caplog: pytest.LogCaptureFixture
) -> None:
    """One lie for one target is enough: the requester hears it at once, and the alarm names the trustee."""
    sessions = [world.attach(agency) for agency in (SCHOOL, POLICE)]
    world.trustee.tamper = lambda said, true: lie(world, said, true) if said.responder == SCHOOL else true
    composed = world.composed()
    assert await world.refusal(composed.request) is ErrorCode.PROOF_REJECTED
    await nothing_was_done(world, sessions)
    (entry,) = await world.entries(EntryKind.ALARM_RAISED)
    assert (entry.body["alarm"], entry.body["holder"]) == (NOT_PROVED, "trustee")
    assert entry.body["query_sha256"] == sha256(composed.request.header).hex()
    assert "TRANSLATION_NOT_PROVED" in caplog.text

    world.trustee.tamper = None
    await world.put(composed)
    assert [len(tasks_in(session)) for session in sessions] == [1, 1], "the same bytes are taken once it is honest"


@pytest.mark.parametrize("change", [lambda found: found[:-1], lambda found: [*found, found[0]], lambda _: []])
async def test_a_trustee_that_returns_another_number_of_points_is_caught(
    world: World, change: Callable[[list[Translation]], list[Translation]], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = world.trustee.translate

    async def other(ticket: bytes, signature: bytes, halves: list[HalfTranslation]) -> list[Translation]:
        return change(made(await honest(ticket, signature, halves)))

    monkeypatch.setattr(world.trustee, "translate", other)
    assert await world.refusal(world.composed().request) is ErrorCode.PROOF_REJECTED
    await nothing_was_done(world, [])
    assert len(await world.entries(EntryKind.ALARM_RAISED)) == 1


async def test_translations_of_two_targets_exchanged_by_the_trustee_are_caught(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = world.trustee.translate

    async def exchanged(ticket: bytes, signature: bytes, halves: list[HalfTranslation]) -> list[Translation]:
        return made(await honest(ticket, signature, halves))[::-1]

    monkeypatch.setattr(world.trustee, "translate", exchanged)
    assert await world.refusal(world.composed().request) is ErrorCode.PROOF_REJECTED
    await nothing_was_done(world, [])


async def test_a_broken_holder_is_in_the_ledger_once_an_hour(world: World) -> None:
    world.trustee.tamper = lambda _, true: Translation(true.step, b"")
    for _ in range(3):
        assert await world.refusal(world.composed().request) is ErrorCode.PROOF_REJECTED
    assert len(await world.entries(EntryKind.ALARM_RAISED)) == 1
    world.clock.now += 3600
    assert await world.refusal(world.composed().request) is ErrorCode.PROOF_REJECTED
    assert len(await world.entries(EntryKind.ALARM_RAISED)) == 2


# -- the gateway --------------------------------------------------------------------------------------------------


async def test_a_gateway_that_multiplies_with_another_key_gets_nothing_from_the_trustee(world: World) -> None:
    """And its operator finds the alarm in the gateway's own ledger, if it still writes one."""
    translator: Any = world.evaluation._translator
    honest, stranger = translator._keys, HolderKeys("gateway", {1: Secret.random()})

    class Lying:
        """Shows its published keys and multiplies with others."""

        role, epochs, key = "gateway", honest.epochs, staticmethod(honest.key)
        translation = staticmethod(stranger.translation)

    translator._keys = Lying()
    sessions = [world.attach(SCHOOL)]
    with pytest.raises(WardgateError) as caught:
        await anext(world.exchange.ask(CSC, world.composed().request, CorrelationId.mint()))
    assert caught.value.code is ErrorCode.PROOF_REJECTED
    assert "the gateway's translation" in caught.value.detail
    await nothing_was_done(world, sessions)


async def test_what_the_trustee_refuses_of_the_gateways_proof_is_an_alarm_at_the_gateway(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refusing(*_: object) -> list[Translation]:
        raise RemoteError(
            ErrorCode.PROOF_REJECTED,
            "the trustee refused",
            peer=Party(PartyKind.TRUSTEE, "main"),
            status=grpc.StatusCode.PERMISSION_DENIED,
            correlation_id="",
            is_answer=True,
        )

    monkeypatch.setattr(world.trustee, "translate", refusing)
    assert await world.refusal(world.composed().request) is ErrorCode.PROOF_REJECTED
    (entry,) = await world.entries(EntryKind.ALARM_RAISED)
    assert entry.body["holder"] == "gateway"


def _another_querys(_: World, __: link_pb2.Task, other: link_pb2.Task) -> tuple[bytes, bytes]:
    return other.translated, other.trustee_signature


def _skipping_the_trustee(world: World, task: link_pb2.Task, _: link_pb2.Task) -> tuple[bytes, bytes]:
    point = next(item for item in Ticket.parse(world.trustee.seen[0]).points if item.responder == SCHOOL)
    ratio = world.secrets.holder.translation(ScopeEpoch(CSC, 1), ScopeEpoch(SCHOOL, 1))
    return ratio.apply(point.element), task.trustee_signature


def _a_guess_of_its_own(_: World, task: link_pb2.Task, __: link_pb2.Task) -> tuple[bytes, bytes]:
    return some_elements(1), task.trustee_signature


def _signed_by_itself(world: World, task: link_pb2.Task, _: link_pb2.Task) -> tuple[bytes, bytes]:
    element = some_elements(1)
    return element, Statement(sha256(task.header), CSC, SCHOOL, 1, element).sign(world.secrets.signing)


async def _another_members(world: World, task: link_pb2.Task) -> tuple[bytes, bytes]:
    """A member that helps the gateway signs a ticket of its own for this query's hash: the trustee's word names it."""
    _, blinded = blind_pseudonym(world.pseudonym(POLICE, OTHER_CHILD))
    honest = Ticket.parse(world.trustee.seen[0])
    point = honest.points[0].model_copy(update={"responder": SCHOOL, "element": blinded})
    ticket = honest.model_copy(update={"requester": POLICE, "points": [point]}).canonical()
    ratio = world.secrets.holder.translation(ScopeEpoch(POLICE, 1), ScopeEpoch(SCHOOL, 1))
    element = ratio.apply(blinded)
    half = HalfTranslation(SCHOOL, Step(element, ratio.prove(blinded, element)))
    signature = world.secrets.parties[POLICE].signing.sign(domains.TICKET, ticket)
    (found,) = await world.trustee.translate(ticket, signature, [half])
    assert isinstance(found, Translation)
    assert Ticket.parse(ticket).query_sha256 == sha256(task.header)
    return found.step.element, found.signature


@pytest.mark.parametrize("swap", [_another_querys, _skipping_the_trustee, _a_guess_of_its_own, _signed_by_itself])
async def test_a_gateway_that_swaps_the_translated_point_is_refused_by_the_responder(
    world: World, swap: Callable[[World, link_pb2.Task, link_pb2.Task], tuple[bytes, bytes]]
) -> None:
    task, other = await a_task(world), await a_task(world, child=OTHER_CHILD)
    believed(world, task)
    task.translated, task.trustee_signature = swap(world, task, other)
    with pytest.raises(WardgateError) as caught:
        believed(world, task)
    assert caught.value.code is ErrorCode.SIGNATURE_REJECTED


async def test_a_member_that_helps_the_gateway_cannot_put_its_own_child_into_anothers_question(world: World) -> None:
    task = await a_task(world)
    task.translated, task.trustee_signature = await _another_members(world, task)
    with pytest.raises(WardgateError) as caught:
        believed(world, task)
    assert caught.value.code is ErrorCode.SIGNATURE_REJECTED


# -- what an asked agency learns ----------------------------------------------------------------------------------


async def test_no_responder_can_compute_the_requesters_pseudonym_from_what_it_receives(world: World) -> None:
    """It has the blind, its own pseudonym, and every byte of the task: none of it divides to the requester's own."""
    composed = world.composed()
    await world.put(composed)
    task = await world.task_of(composed)
    verified = verify_task(task, directory=world.directory.current(), responder=SCHOOL, now=world.clock())
    question = open_question(verified, keys={1: _sealing(world)}, responder=SCHOOL)
    blind, theirs = Secret(question.blind), world.pseudonym(CSC, CHILD)
    part = next(part for part in composed.request.parts if part.responder == SCHOOL)
    assert unblind_element(blind, part.blinded) == theirs, "with the point it would have it: so the point must not come"

    received = task.SerializeToString() + question.canonical() + _strings(task.header) + _strings(task.admission)
    assert part.blinded not in received
    assert part.salt not in received
    candidates = {received[at : at + ELEMENT_BYTES] for at in range(len(received) - ELEMENT_BYTES + 1)}
    found: set[Pseudonym] = set()
    for candidate in candidates:
        with suppress(EncodingRejected):  # most windows of 32 bytes are no points
            found |= {unblind_element(blind, candidate), Pseudonym(candidate)}
    assert world.pseudonym(SCHOOL, CHILD) in found, "its own pseudonym is what it is meant to find"
    assert theirs not in found


async def test_no_responder_can_test_a_guess_at_the_requesters_pseudonym(world: World) -> None:
    """It may hold the true pseudonym from elsewhere, and the blind: without the salt the header says nothing of it."""
    composed = world.composed()
    await world.put(composed)
    task = await world.task_of(composed)
    verified = verify_task(task, directory=world.directory.current(), responder=SCHOOL, now=world.clock())
    question = open_question(verified, keys={1: _sealing(world)}, responder=SCHOOL)
    guess = group.multiply(Secret(question.blind), world.pseudonym(CSC, CHILD).reveal())
    part = next(part for part in composed.request.parts if part.responder == SCHOOL)
    assert guess == part.blinded, "the guess is right"
    assert blinded_commitment(part.salt, guess) == task.part.commitment, "and whoever has the salt can tell"

    known = [b"", bytes(32), question.blind, sha256(task.header), sha256(task.part.sealed), sha512(task.part.sealed)]
    salts = [*known, *(random_salt() for _ in range(50))]
    assert all(blinded_commitment(salt, guess) != task.part.commitment for salt in salts)
    assert task.part.commitment not in {sha256(guess), sha256(b"wardgate/blinded-point/v1\0" + guess)}


async def test_a_responder_receives_these_fields_and_no_others(world: World) -> None:
    task = await a_task(world)
    assert {field.name for field, _ in task.ListFields()} == {
        "task_id", "lease_id", "lease_expires_at", "header", "signature", "part", "translated", "epoch",
        "trustee_signature", "admission", "admission_signature", "decision",
    }  # fmt: skip
    assert {field.name for field, _ in task.part.ListFields()} == {"responder", "commitment", "sealed"}
    assert set(query_pb2.TaskPart.DESCRIPTOR.fields_by_name) == {"responder", "commitment", "sealed"}


async def test_one_childs_commitments_have_nothing_in_common(world: World) -> None:
    seen = set()
    for _ in range(3):
        composed = world.composed()
        await world.put(composed)
        seen |= {(await world.task_of(composed, agency)).part.commitment for agency in (SCHOOL, POLICE)}
    assert len(seen) == 6


def _strings(document: bytes) -> bytes:
    """The bytes behind every hexadecimal string of a document."""
    found: list[bytes] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, str):
            try:
                found.append(bytes.fromhex(value))
            except ValueError:
                return

    walk(json.loads(document))
    return b"".join(found)


# -- versions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["header", "ticket"])
async def test_a_query_of_the_older_wire_is_refused_in_words_and_nothing_is_kept(world: World, what: str) -> None:
    composed, key = world.composed(), world.secrets.parties[CSC].signing
    older = to_canonical(json.loads(getattr(composed.request, what)) | {"v": 1})
    domain, field = {"header": (domains.QUERY, "signature"), "ticket": (domains.TICKET, "ticket_signature")}[what]
    request = altered(composed, **{what: older, field: key.sign(domain, older)})
    with pytest.raises(WardgateError) as caught:
        await anext(world.exchange.ask(CSC, request, CorrelationId.mint()))
    assert caught.value.code is ErrorCode.WIRE_VERSION_REFUSED
    assert "speaks wire version 1, this side speaks version 2" in caught.value.told
    await nothing_was_done(world, [])
