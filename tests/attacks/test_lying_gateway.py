"""What a gateway that lies can do: each test is named for the promise that stops it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agency_node.answering.task import open_question, verify_task
from agency_node.asking.answers import read_answer
from federation.actor import Actor
from federation.admission import AdmissionRecord, TargetDecision
from federation.answer import Answer
from federation.correlation_id import CorrelationId
from federation.directory import AgencyEntry, DirectoryDocument, SignedPoints, SignedStatement
from federation.errors import ErrorCode, WardgateError
from federation.following.follower import View
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.query import CategoryAsked, Part
from federation.store import sqlite_url
from federation.vocabulary import Outcome, Tier
from federation.wire.v1 import directory_pb2, ledger_pb2, link_pb2
from federation.wire.v1 import query_pb2 as wire
from gateway.live import part_message
from gateway.proofs import checkpoint_update, inclusion_proof
from keys import domains
from keys.digest import sha256
from keys.signing import SigningKey
from tests.support.following import Following
from tests.support.gateway_world import CSC, ORIGIN, POLICE, SCHOOL, World, described
from tests.support.ledger import opened
from tests.support.two_agencies import Party

# -- the directory ------------------------------------------------------------------------------------------------


def a_follower(world: World, agency: str = CSC) -> Following:
    return Following(
        View.first(
            world.secrets.anchors,
            ORIGIN,
            own=lambda: world.secrets.parties[agency].own(described(world.secrets.parties[agency])),
        )
    )


@pytest.fixture
async def follower(world: World) -> Following:
    """Somebody who has followed so far."""
    follower = a_follower(world)
    assert follower.accept_directory(await world.directory.directory_response(0, 0))
    return follower


def with_entry(world: World, change: Callable[[AgencyEntry], AgencyEntry], *, version: int = 0) -> tuple[bytes, bytes]:
    """The directory in force with the school's entry changed, signed by the gateway as the next version."""
    document = DirectoryDocument.parse(world.directory._content)
    agencies = [change(item) if item.agency.id == SCHOOL else item for item in document.agencies]
    content = document.model_copy(update={"version": version or document.version + 1, "agencies": agencies}).canonical()
    return content, world.secrets.signing.sign(domains.DIRECTORY, content)


async def published(
    world: World, follower: Following, content: bytes, signature: bytes
) -> directory_pb2.GetDirectoryResponse:
    """Served with a true ledger entry, so that only the content can give the lie away."""
    body = {
        "directory_sha256": sha256(content).hex(),
        "version": DirectoryDocument.parse(content).version,
        "change": "",
    }
    entry = Entry(
        kind=EntryKind.DIRECTORY_PUBLISHED,
        at=int(world.clock()),
        actor=Actor.keeper("wardgate/gateway/main"),
        correlation_id=CorrelationId.mint(),
        body=body,
    )
    index = (await world.journal.record([entry])).indexes[0]
    proof = await inclusion_proof(world.journal, index, follower.known_size)
    return directory_pb2.GetDirectoryResponse(directory=content, signature=signature, inclusion=proof, head=proof.head)


def rejects(follower: Following, response: directory_pb2.GetDirectoryResponse, code: ErrorCode) -> None:
    before = follower.directory
    with pytest.raises(WardgateError) as caught:
        follower.accept_directory(response)
    assert caught.value.code is code
    assert follower.directory is before


def other_keys(entry: AgencyEntry) -> AgencyEntry:
    """The school's entry with keys that the gateway made for it."""
    return entry.model_copy(update={"statements": [Party(SCHOOL, "school", "S16E_EDU").signed()]})


async def test_a_key_that_is_not_in_the_ledger_is_not_believed(world: World, follower: Following) -> None:
    content, signature = with_entry(world, other_keys)
    honest = await world.directory.directory_response(0, follower.known_size)
    lie = directory_pb2.GetDirectoryResponse(
        directory=content, signature=signature, inclusion=honest.inclusion, head=honest.head
    )
    rejects(follower, lie, ErrorCode.DIRECTORY_REJECTED)
    proof = ledger_pb2.InclusionProof.FromString(honest.inclusion.SerializeToString())
    proof.entry = proof.entry.replace(sha256(honest.directory).hex().encode(), sha256(content).hex().encode())
    lie = directory_pb2.GetDirectoryResponse(directory=content, signature=signature, inclusion=proof, head=proof.head)
    with pytest.raises(WardgateError) as caught:
        follower.accept_directory(lie)
    assert caught.value.code in {ErrorCode.LEDGER_INVALID, ErrorCode.LEDGER_FORKED}


async def test_a_swapped_key_breaks_the_agencys_own_chain_even_when_it_is_in_the_ledger(
    world: World, follower: Following
) -> None:
    content, signature = with_entry(world, other_keys)
    rejects(follower, await published(world, follower, content, signature), ErrorCode.DIRECTORY_REJECTED)


async def test_a_new_key_without_the_old_keys_signature_is_not_believed(world: World, follower: Following) -> None:
    attacker = Party(SCHOOL, "school", "S16E_EDU")

    def second(entry: AgencyEntry) -> AgencyEntry:
        old = world.secrets.parties[SCHOOL].signing
        statement = (
            attacker.statement().model_copy(update={"version": 2, "predecessor": bytes(old.verify_key)}).canonical()
        )
        signature = attacker.signing.sign(domains.KEY_STATEMENT, statement)
        forged = SignedStatement(statement=statement, signature=signature, predecessor_signature=signature)
        return entry.model_copy(update={"statements": [*entry.statements, forged]})

    content, signature = with_entry(world, second)
    rejects(follower, await published(world, follower, content, signature), ErrorCode.DIRECTORY_REJECTED)


async def test_who_follows_for_the_first_time_finds_its_own_keys_swapped(world: World) -> None:
    content, signature = with_entry(world, other_keys)
    school = a_follower(world, SCHOOL)
    rejects(school, await published(world, school, content, signature), ErrorCode.DIRECTORY_REJECTED)


async def test_public_points_that_the_trustee_did_not_sign_are_not_believed(world: World, follower: Following) -> None:
    def repointed(entry: AgencyEntry) -> AgencyEntry:
        statement = entry.gateway_points.statement.replace(b'"holder":"gateway"', b'"holder":"trustee"')
        forged = SignedPoints(statement=statement, signature=world.secrets.signing.sign(domains.POINTS, statement))
        return entry.model_copy(update={"trustee_points": forged})

    content, signature = with_entry(world, repointed)
    rejects(follower, await published(world, follower, content, signature), ErrorCode.DIRECTORY_REJECTED)


async def test_an_old_directory_does_not_come_back(world: World, follower: Following) -> None:
    content, signature = with_entry(world, lambda entry: entry, version=follower.directory.version - 1)
    rejects(follower, await published(world, follower, content, signature), ErrorCode.DIRECTORY_REJECTED)


async def test_one_version_is_one_directory(world: World, follower: Following) -> None:
    moved = lambda entry: entry.model_copy(  # noqa: E731 - one change
        update={"agency": entry.agency.model_copy(update={"areas": ["elsewhere"]})}
    )
    content, signature = with_entry(world, moved, version=follower.directory.version)
    rejects(follower, await published(world, follower, content, signature), ErrorCode.DIRECTORY_REJECTED)


async def test_a_directory_of_another_signer_is_not_believed(world: World, follower: Following) -> None:
    content, _ = with_entry(world, lambda entry: entry)
    signature = SigningKey.generate().sign(domains.DIRECTORY, content)
    rejects(follower, await published(world, follower, content, signature), ErrorCode.DIRECTORY_REJECTED)


# -- history ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def rewritten(world: World, tmp_path: Path) -> AsyncIterator[Journal]:
    """Another history under the gateway's own key, longer than the true one."""
    async with opened(sqlite_url(tmp_path / "rewritten.db")) as engine:
        journal = Journal(engine, origin=ORIGIN, signing_key=world.secrets.signing, clock=world.clock)
        await journal.open()
        for number in range((await world.journal.checkpoint()).size + 3):
            entry = Entry(
                kind=EntryKind.SERVICE_STARTED,
                at=int(world.clock()),
                actor=Actor.keeper(ORIGIN),
                correlation_id=CorrelationId.mint(),
                body={"number": number},
            )
            await journal.record([entry])
        yield journal
        await journal.aclose()


async def test_a_rewritten_history_is_a_fork(world: World, follower: Following, rewritten: Journal) -> None:
    before = follower.checkpoint
    lie = await checkpoint_update(rewritten, follower.known_size)
    with pytest.raises(WardgateError) as caught:
        follower.accept_head(lie)
    assert caught.value.code is ErrorCode.LEDGER_FORKED
    assert follower.checkpoint is before
    follower.accept_head(await checkpoint_update(world.journal, follower.known_size))


async def test_a_shortened_history_is_a_fork(world: World, follower: Following) -> None:
    young = a_follower(world)
    first = await world.journal.checkpoint()
    await world.put(world.composed())
    follower.accept_head(await checkpoint_update(world.journal, follower.known_size))
    with pytest.raises(WardgateError) as caught:
        follower.accept_head(ledger_pb2.CheckpointUpdate(checkpoint=first.note))
    assert caught.value.code is ErrorCode.LEDGER_FORKED
    young.accept_head(ledger_pb2.CheckpointUpdate(checkpoint=first.note))


async def test_a_checkpoint_of_another_key_is_not_believed(world: World, follower: Following, tmp_path: Path) -> None:
    async with opened(sqlite_url(tmp_path / "other.db")) as engine:
        journal = Journal(engine, origin=ORIGIN, signing_key=SigningKey.generate(), clock=world.clock)
        await journal.open()
        with pytest.raises(WardgateError) as caught:
            follower.accept_head(await checkpoint_update(journal, 0))
        await journal.aclose()
    assert caught.value.code is ErrorCode.LEDGER_INVALID


# -- answers ------------------------------------------------------------------------------------------------------


class Asked:
    """One query with a true answer in the requester's hands."""

    def __init__(self, world: World, *, responder: str = SCHOOL) -> None:
        self.world = world
        self.composed = world.composed()
        self.task_id = "00000000-0000-4000-8000-000000000001"
        self.answer = world.sealed(self.composed, self.task_id, responder, outcome=Outcome.RECORDS, note="true")

    def read(self, answer: wire.SealedAnswer) -> Answer:
        return read_answer(
            answer,
            header=self.composed.header,
            query_sha256=sha256(self.composed.request.header),
            reply_key=self.composed.reply_key,
            directory=self.world.directory.current(),
        )

    def refuses(self, answer: wire.SealedAnswer, code: ErrorCode = ErrorCode.SIGNATURE_REJECTED) -> None:
        with pytest.raises(WardgateError) as caught:
            self.read(answer)
        assert caught.value.code is code


@pytest.fixture
def asked(world: World) -> Asked:
    return Asked(world)


def changed(answer: wire.SealedAnswer) -> wire.SealedAnswer:
    return wire.SealedAnswer.FromString(answer.SerializeToString())


async def test_the_true_answer_is_read(asked: Asked) -> None:
    assert asked.read(asked.answer).context_note == "true"


@pytest.mark.parametrize("field", ["header", "ciphertext", "signature"])
async def test_an_altered_answer_is_not_believed(asked: Asked, field: str) -> None:
    altered = changed(asked.answer)
    content = bytearray(getattr(altered.parts[0], field))
    content[len(content) // 2] ^= 1
    setattr(altered.parts[0], field, bytes(content))
    with pytest.raises(WardgateError) as caught:
        asked.read(altered)
    assert caught.value.code in {ErrorCode.SIGNATURE_REJECTED, ErrorCode.MESSAGE_MALFORMED}


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_an_answer_that_the_gateway_makes_up_is_not_believed(asked: Asked, outcome: Outcome) -> None:
    """The reply key stands in the header, so the gateway can seal: but not sign as the responder."""
    forged = asked.world.sealed(
        asked.composed, asked.task_id, key=asked.world.secrets.signing, outcome=outcome, note="nothing here"
    )
    asked.refuses(forged)


async def test_an_answer_signed_by_another_agency_in_its_name_is_not_believed(asked: Asked) -> None:
    police = asked.world.secrets.parties[POLICE].signing
    asked.refuses(asked.world.sealed(asked.composed, asked.task_id, key=police))
    renamed = changed(asked.answer)
    renamed.responder = POLICE
    asked.refuses(renamed)
    renamed.responder = CSC
    asked.refuses(renamed)


async def test_an_old_answer_is_not_believed_in_a_new_query(world: World, asked: Asked) -> None:
    again = Asked(world)
    again.refuses(asked.answer)
    moved = changed(asked.answer)
    moved.task_id = "00000000-0000-4000-8000-000000000002"
    again.refuses(moved)
    asked.refuses(moved)


async def test_an_answer_resealed_from_another_query_does_not_open(world: World, asked: Asked) -> None:
    """Even a responder's own signature does not make an answer sealed to another reply key readable here."""
    other = world.composed()
    sealed = world.sealed(asked.composed, asked.task_id, reply_key=other.header.reply_key)
    asked.refuses(sealed, ErrorCode.ENVELOPE_REJECTED)


async def test_an_answer_with_a_part_left_out_or_doubled_is_not_believed(asked: Asked) -> None:
    doubled = changed(asked.answer)
    doubled.parts.append(doubled.parts[0])
    asked.refuses(doubled)
    empty = changed(asked.answer)
    del empty.parts[:]
    asked.refuses(empty, ErrorCode.MESSAGE_MALFORMED)


# -- tasks --------------------------------------------------------------------------------------------------------


async def a_task(world: World) -> link_pb2.Task:
    composed = world.composed()
    await world.put(composed)
    return await world.task_of(composed)


def accepted(world: World, task: link_pb2.Task, responder: str = SCHOOL) -> None:
    verify_task(task, directory=world.directory.current(), responder=responder, now=world.clock())


def readmitted(world: World, task: link_pb2.Task, decision: TargetDecision) -> link_pb2.Task:
    """The task with another decision, admitted and signed by the gateway itself."""
    content = decision.canonical()
    record = AdmissionRecord.parse(task.admission)
    admission = record.model_copy(update={"decisions": {**record.decisions, SCHOOL: sha256(content)}}).canonical()
    found = link_pb2.Task.FromString(task.SerializeToString())
    found.decision, found.admission = content, admission
    found.admission_signature = world.secrets.signing.sign(domains.ADMISSION, admission)
    return found


async def test_a_gateway_cannot_admit_more_than_was_asked(world: World) -> None:
    task = await a_task(world)
    accepted(world, task)
    decision = TargetDecision.parse(task.decision)
    wider = [
        [*decision.categories, CategoryAsked(name="police_incident", tier=Tier.T0)],
        [CategoryAsked(name="police_known", tier=Tier.T2)],
    ]
    for categories in wider:
        with pytest.raises(WardgateError) as caught:
            accepted(world, readmitted(world, task, decision.model_copy(update={"categories": categories})))
        assert caught.value.code is ErrorCode.NOT_AUTHORISED
    narrower = decision.model_copy(update={"categories": decision.categories[:1]})
    accepted(world, readmitted(world, task, narrower))


async def test_a_gateway_cannot_ask_by_itself(world: World) -> None:
    """It has every key but the requester's signing key."""
    composed = world.composed(key=world.secrets.signing)
    honest = await a_task(world)
    task = link_pb2.Task.FromString(honest.SerializeToString())
    task.header, task.signature = composed.request.header, composed.request.signature
    part = next(part for part in composed.request.parts if part.responder == SCHOOL)
    task.part.CopyFrom(part_message(Part(SCHOOL, part.blinded, part.salt, part.sealed).for_target))
    with pytest.raises(WardgateError) as caught:
        accepted(world, task)
    assert caught.value.code is ErrorCode.SIGNATURE_REJECTED


async def test_a_gateway_cannot_hand_a_question_to_somebody_else(world: World) -> None:
    task = await a_task(world)
    with pytest.raises(WardgateError) as caught:
        accepted(world, task, POLICE)
    assert caught.value.code is ErrorCode.SIGNATURE_REJECTED
    school = verify_task(task, directory=world.directory.current(), responder=SCHOOL, now=world.clock())
    with pytest.raises(WardgateError) as caught:
        open_question(school, keys={1: world.secrets.parties[POLICE].sealing}, responder=SCHOOL)
    assert caught.value.code is ErrorCode.ENVELOPE_REJECTED


async def test_a_gateway_cannot_use_an_admission_of_another_query(world: World) -> None:
    one, other = await a_task(world), await a_task(world)
    one.admission, one.admission_signature, one.decision = other.admission, other.admission_signature, other.decision
    with pytest.raises(WardgateError) as caught:
        accepted(world, one)
    assert caught.value.code is ErrorCode.SIGNATURE_REJECTED
