"""A gateway in one process: real store, ledger, policy, keys and directory; a trustee's half without its network.

Agencies get in through the enrolment desk, ask with queries composed as a node composes them, and answer with answers
sealed and signed as a node's are. Opening a second world over the same store and secrets is a restart.
"""

import asyncio
import shutil
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, cast
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.asking.composing import Asker, Composed, OwnPseudonym, compose
from agency_node.asking.question import CheckedQuestion, Times
from federation.admission import AdmissionRecord, TargetDecision, verify_admission, verify_decision
from federation.answer import Answer, AnswerHeader, SealedPart, seal_answer
from federation.batch import BatchHeader, verify_batch
from federation.certificate_claim import make_claim
from federation.correlation_id import CorrelationId
from federation.counters import DAY_S, Counters
from federation.description import sign_description
from federation.directory import (
    AgencyDescriptor,
    Anchors,
    PointsStatement,
    PublicPoint,
    SignedStatement,
    TrustedDirectory,
)
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.policy.bundle import install_bundle
from federation.policy.evaluator import PolicyPoint
from federation.policy.wasm_engine import WasmEngine
from federation.query import Approval, CategoryAsked, Period, Ticket, verify_ticket
from federation.store import migrate, open_engine, reading, sqlite_url
from federation.translation import HalfTranslation, Refused, Route, Statement, Translation, take_step, verify_step
from federation.transport import identity as transport
from federation.transport.denylist import DenyList
from federation.vocabulary import FamilyInformed, IdentifierState, Outcome, Tier, Urgency, UserRef
from federation.wire.v1 import link_pb2
from federation.wire.v1 import query_pb2 as wire
from gateway.admitting import Admitting
from gateway.alarms import Alarms
from gateway.answers import Answers
from gateway.applying import Application
from gateway.clocks import Clocks
from gateway.descriptions import DescriptionDesk, SignedDescription
from gateway.directory import DirectoryAuthority
from gateway.dispatch import Links, Session
from gateway.enrolment import EnrolmentDesk
from gateway.epoch_desk import EpochDesk
from gateway.epochs import CaseloadEpochs
from gateway.evaluation import Evaluation
from gateway.exchange import Exchange
from gateway.following import Following
from gateway.keychain import SEED
from gateway.live import OPEN
from gateway.misuse import MisuseDesk
from gateway.operators import Operators
from gateway.outdated import cancel_outdated
from gateway.points import HolderPoints
from gateway.queries import Queries
from gateway.rates import QueryRates
from gateway.resets import ResetDesk
from gateway.store.exchange import recent_queries
from gateway.teams.desk import TeamDesk
from gateway.teams.register import TeamRegister
from gateway.teams.withdrawal import Withdrawal
from gateway.translation import Translator
from keys import domains
from keys.authority import CertificateAuthority
from keys.certificates import key_digest_of, not_after, serial_of
from keys.digest import sha256
from keys.keyring import Keyring
from keys.nhs_number import NhsNumber
from keys.pseudonym import HolderKeys, Pseudonym, blind_identifiers, unblind
from keys.record_cipher import RecordCipher
from keys.secret import Secret
from keys.signing import SigningKey, VerifyKey
from keys.tls_key import PrivateKey, make_request
from tests.support.auditors import Auditors
from tests.support.pki import TRUSTEE
from tests.support.poison import signed_anew
from tests.support.two_agencies import NOW, Clock, Party

CSC, SCHOOL, POLICE, FARAWAY = "testshire-csc", "testshire-school", "testshire-police", "farshire-school"
HEALTH = "testshire-icb"
OTHER_CSC = "testshire-south-csc"
"""Policy lets the first ask the next two; FARAWAY works in another area than the one asked in. OTHER_CSC asks as
the first does; it is not enrolled unless a test does so."""

INVITER, APPROVER = "olga", "piet"
"""The gateway's operators."""

ASKED = (("safeguarding_log", "T2"), ("attendance", "T2"), ("police_known", "T1"))
ATTESTED = ("strategy_discussion_held", "reasonable_cause_significant_harm")
CHILD, OTHER_CHILD = NhsNumber.parse("9990000018"), NhsNumber.parse("9990000026")
ORIGIN = "wardgate/gateway/main"
DIST = Path(__file__).parents[2] / "policies" / "dist"


def _parties() -> dict[str, Party]:
    return {
        CSC: Party(CSC, "childrens_services"),
        SCHOOL: Party(SCHOOL, "school", "S16E_EDU"),
        POLICE: Party(POLICE, "police"),
        FARAWAY: Party(FARAWAY, "school", "S16E_EDU"),
        HEALTH: Party(HEALTH, "icb"),
        OTHER_CSC: Party(OTHER_CSC, "childrens_services"),
    }


@dataclass
class Secrets:
    """What survives a restart beside the store."""

    parties: dict[str, Party] = field(default_factory=_parties)
    signing: SigningKey = field(default_factory=SigningKey.generate)
    trustee_signing: SigningKey = field(default_factory=SigningKey.generate)
    holder: HolderKeys = field(default_factory=lambda: HolderKeys("gateway", {1: Secret.random(), 2: Secret.random()}))
    trustee_holder: HolderKeys = field(
        default_factory=lambda: HolderKeys("trustee", {1: Secret.random(), 2: Secret.random()})
    )
    authority: CertificateAuthority = field(default_factory=lambda: CertificateAuthority.create("Test federation"))
    data: Secret = field(default_factory=Secret.random)
    auditors: Auditors = field(default_factory=Auditors)
    operators: dict[str, SigningKey] = field(
        default_factory=lambda: {name: SigningKey.generate() for name in (INVITER, APPROVER)}
    )
    folder: Path = field(default_factory=lambda: Path(mkdtemp()))

    def __post_init__(self) -> None:
        weakref.finalize(self, shutil.rmtree, self.folder)
        for epoch in self.holder.epochs:
            self.keyring.create(f"{SEED}{epoch}", self.holder._seeds[epoch])

    @property
    def keyring(self) -> Keyring:
        """The gateway's, with its seeds."""
        return Keyring(self.folder / "keys")

    @property
    def anchors(self) -> Anchors:
        return Anchors(self.signing.verify_key, self.trustee_signing.verify_key, self.auditors.anchor)


@dataclass
class Trustee:
    """The trustee's half, in memory: verifies what nodes signed and the gateway proved, multiplies, proves, signs.

    It can be away, and it can be told to lie: `tamper` changes what it returns.
    """

    keys: HolderKeys
    signing: SigningKey
    parties: dict[str, Party]
    directory: Callable[[], TrustedDirectory]
    clock: Clock
    down: bool = False
    asked: list[list[str]] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    refuses: dict[str, ErrorCode] = field(default_factory=dict)
    given: list[list[HalfTranslation]] = field(default_factory=list)
    tamper: Callable[[Statement, Translation], Translation] | None = None
    epochs: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def _reach(self) -> None:
        if self.down:
            raise WardgateError(ErrorCode.TRUSTEE_UNAVAILABLE, "test")

    def _translated(self, ticket: Ticket, half: HalfTranslation) -> Translation:
        point = {item.responder: item for item in ticket.points}[half.responder]
        directory = self.directory()
        requester, responder = directory.agency(ticket.requester), directory.agency(half.responder)
        route = Route(requester, ticket.epoch, responder, point.epoch)
        verify_step("gateway", route, point.element, half.step)
        step = take_step(self.keys, route, half.step.element)
        statement = Statement(ticket.query_sha256, ticket.requester, half.responder, point.epoch, step.element)
        made = Translation(step, statement.sign(self.signing))
        return made if self.tamper is None else self.tamper(statement, made)

    def _requester(self, ticket: bytes) -> VerifyKey:
        return self.parties[Ticket.parse(ticket).requester].signing.verify_key

    async def translate(
        self, ticket: bytes, signature: bytes, halves: Sequence[HalfTranslation]
    ) -> Sequence[Translation | Refused]:
        self._reach()
        self.asked.append([half.responder for half in halves])
        self.seen.append(ticket)
        self.given.append(list(halves))
        found = verify_ticket(ticket, signature, key=self._requester(ticket), now=self.clock())
        return [
            Refused(self.refuses[half.responder]) if half.responder in self.refuses else self._translated(found, half)
            for half in halves
        ]

    async def evaluate(self, header: bytes, signature: bytes, elements: bytes) -> tuple[bytes, bytes]:
        self._reach()
        batch = verify_batch(
            header,
            signature,
            elements,
            key=self.parties[BatchHeader.parse(header).agency].signing.verify_key,
            now=self.clock(),
        )
        return self.keys.key(batch.agency, batch.epoch).evaluate(elements)

    async def points(self, scope: str, epochs: Sequence[int] = ()) -> tuple[bytes, bytes]:
        self._reach()
        stated = self.epochs.get(scope, (1,))
        if not set(epochs) <= set(stated):
            raise WardgateError(ErrorCode.EPOCH_UNKNOWN, scope)
        statement = PointsStatement(
            holder="trustee",
            scope=scope,
            epochs=[PublicPoint(epoch=epoch, public=self.keys.key(scope, epoch).public) for epoch in epochs or stated],
            issued_at=int(self.clock()),
        ).canonical()
        return statement, self.signing.sign(domains.POINTS, statement)


@dataclass
class Stream:
    """What a requester reads of one query."""

    events: AsyncIterator[wire.QueryEvent]
    read: list[wire.QueryEvent] = field(default_factory=list)

    async def take(self) -> wire.QueryEvent:
        event = await anext(self.events)
        self.read.append(event)
        return event

    async def opening(self) -> AdmissionRecord:
        """Read the admission: it says of every permitted target that it waits."""
        return AdmissionRecord.parse((await self.take()).admission.admission)

    async def rest(self) -> list[wire.QueryEvent]:
        """Read to the end."""
        return [event async for event in self.events]

    async def aclose(self) -> None:
        await cast("Any", self.events).aclose()

    def states(self) -> dict[str, str]:
        """The last state read of each target; what is permitted waits from the admission on."""
        found = dict[str, str]()
        for event in self.read:
            for item in event.admission.decisions:
                if TargetDecision.parse(item.decision).effect == "permit":
                    found[item.responder] = "WAITING"
            if event.WhichOneof("event") == "target":
                found[event.target.responder] = wire.TargetState.Name(event.target.state).removeprefix("TARGET_STATE_")
        return found

    def answers(self) -> list[wire.SealedAnswer]:
        return [event.answer for event in self.read if event.WhichOneof("event") == "answer"]


@dataclass
class World:
    """One running gateway."""

    secrets: Secrets
    clock: Clock
    engine: AsyncEngine
    journal: Journal
    trustee: Trustee
    directory: DirectoryAuthority
    desk: EnrolmentDesk
    descriptions: DescriptionDesk
    resets: ResetDesk
    queries: Queries
    clocks: Clocks
    links: Links
    exchange: Exchange
    counters: Counters
    withdrawal: Withdrawal
    following: Following
    teams: TeamDesk
    answers: Answers
    evaluation: Evaluation
    misuse: MisuseDesk
    caseloads: CaseloadEpochs
    epochs: EpochDesk

    # -- agencies -----------------------------------------------------------------------------------------------

    def descriptor(self, agency: str) -> AgencyDescriptor:
        return described(self.secrets.parties[agency])

    async def enrol(self, agency: str) -> None:
        """Invite, apply, approve."""
        party = self.secrets.parties[agency]
        token = await self.desk.invite(self.descriptor(agency), valid_s=3600, operator=INVITER)
        await self.apply(token, party)
        await self.desk.approve(agency, key_fingerprint=party.signing.verify_key.fingerprint, operator=APPROVER)

    async def act_as(self, operator: str) -> None:
        """Make what follows an operator's call, by a certificate claimed as their commands claim it."""
        party, key = transport.Party(transport.PartyKind.OPERATOR, operator), self.secrets.operators[operator]
        request = make_request(PrivateKey.generate(), party.uri)
        certificate = await self.desk.recertify(*make_claim(party, request, key=key, now=self.clock()), request)
        expires_at = int(not_after(certificate).timestamp())
        transport.bind_peer(transport.Peer(party, serial_of(certificate), key_digest_of(certificate), expires_at))

    async def apply(
        self,
        token: str,
        party: Party,
        *,
        identity: str = "",
        stated: SignedStatement | None = None,
        description: AgencyDescriptor | None = None,
    ) -> Any:
        """Present a token; what an honest agency would, unless it is given."""
        application = Application(
            token,
            make_request(PrivateKey.generate(), identity or f"wardgate://node/{party.agency}"),
            stated or party.signed(),
            signed_description(party, description),
        )
        return await self.resets.enrol(application) or await self.desk.enrol(application)

    # -- asking -------------------------------------------------------------------------------------------------

    def pseudonym(self, agency: str, number: NhsNumber, epoch: int = 1) -> Pseudonym:
        blinds, blinded = blind_identifiers([number.identifier_input()])
        halfway = self.secrets.trustee_holder.key(agency, epoch).multiply(blinded)
        return unblind(blinds, self.secrets.holder.key(agency, epoch).multiply(halfway))[0]

    def composed(
        self,
        *,
        child: NhsNumber = CHILD,
        requester: str = CSC,
        targets: Iterable[str] = (SCHOOL, POLICE, FARAWAY),
        purpose: str = "S47_ENQ",
        expiry_s: int = 24 * 3600,
        now: int | None = None,
        query_id: str = "",
        user_ref: str = "a" * 32,
        role: str = "team_manager",
        approvals: Sequence[Approval] = (),
        case_grant: str = "",
        start: str = "2021-11-22",
        justification: str = "Bruises seen by the class teacher.",
        key: SigningKey | None = None,
        directory: TrustedDirectory | None = None,
        urgency: Urgency = Urgency.ROUTINE,
    ) -> Composed:
        """A query as a node composes it."""
        directory = directory or self.directory.current()
        question = CheckedQuestion(
            user_id="a.khan",
            child=child,
            purpose=purpose,
            categories=tuple(CategoryAsked(name=name, tier=Tier(tier)) for name, tier in ASKED),
            period=Period(start=start, end="2026-12-31"),
            attestations=ATTESTED,
            approvals=tuple(approvals),
            justification=justification,
            family_informed=FamilyInformed.UNSAFE,
            identifier_state=IdentifierState.PRESENT,
            urgency=urgency,
            break_glass="",
            area="testshire",
            case_grant=case_grant,
        )
        epoch = directory.agency(requester).epoch
        return compose(
            question,
            query_id=query_id or str(uuid4()),
            decision_id=str(uuid4()),
            asker=Asker(directory.agency(requester), UserRef(user_ref), "a.khan", "Amina Khan", role),
            own=OwnPseudonym(self.pseudonym(requester, child, epoch), epoch),
            targets={name: directory.agency(name) for name in targets},
            directory=directory,
            times=Times(deadline_s=10, expiry_s=expiry_s),
            now=int(self.clock()) if now is None else now,
            key=key or self.secrets.parties[requester].signing,
        )

    def stream(self, composed: Composed, *, requester: str = CSC) -> Stream:
        """Put a query; nothing happens until the stream is read."""
        return Stream(self.exchange.ask(requester, composed.request, CorrelationId.mint()))

    def resumed(self, composed: Composed, *, requester: str = CSC) -> Stream:
        return Stream(self.exchange.resume(requester, composed.header.query_id))

    async def put(self, composed: Composed) -> AdmissionRecord:
        """Put a query and stop following it."""
        stream = self.stream(composed)
        try:
            return await stream.opening()
        finally:
            await stream.aclose()

    async def refusal(self, request: wire.AskRequest, *, requester: str = CSC) -> ErrorCode:
        """The code a query is refused with."""
        try:
            await anext(self.exchange.ask(requester, request, CorrelationId.mint()))
        except WardgateError as error:
            return error.code
        raise AssertionError("the query was taken")

    # -- responding ---------------------------------------------------------------------------------------------

    def attach(self, agency: str, *, capacity: int = 16) -> Session:
        session = Session(agency=agency, capacity=capacity)
        self.links.attach(session, self.answers.tasks_for(agency))
        return session

    async def task_of(self, composed: Composed, responder: str = SCHOOL) -> link_pb2.Task:
        """The task as the responder's link is given it."""
        session = self.attach(responder)
        found = [task for task in tasks_in(session) if task.header == composed.request.header]
        assert len(found) == 1
        return found[0]

    def sealed(
        self,
        composed: Composed,
        task_id: str,
        responder: str = SCHOOL,
        *,
        key: SigningKey | None = None,
        reply_key: bytes | None = None,
        outcome: Outcome = Outcome.NOTHING_HELD,
        note: str = "",
        changes: dict[str, Any] | None = None,
    ) -> wire.SealedAnswer:
        """An answer as a node seals and signs it; `changes` falsify its header."""
        header = composed.header
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
            context_note=note,
            identifier_state=IdentifierState.PRESENT,
            answered_at=int(self.clock()),
        )
        answer_header = AnswerHeader(
            query_id=header.query_id,
            task_id=task_id,
            requester=header.requester,
            responder=responder,
            responder_key_version=1,
            purpose=header.purpose,
            issued_at=int(self.clock()),
            expires_at=header.expires_at,
            decision_id=str(uuid4()),
            bundle_digest=sha256(b"bundle"),
            query_sha256=sha256(composed.request.header),
            part=1,
            total=1,
        ).model_copy(update=changes or {})
        parts = seal_answer(
            answer,
            answer_header,
            reply_key=reply_key or header.reply_key,
            key=key or self.secrets.parties[responder].signing,
        )
        return sealed_answer(task_id, responder, parts)

    async def answer_refusal(self, responder: str, answer: wire.SealedAnswer) -> ErrorCode:
        """The code an answer is refused with."""
        try:
            await self.answers.answered(responder, answer)
        except WardgateError as error:
            return error.code
        raise AssertionError("the answer was taken")

    # -- looking ------------------------------------------------------------------------------------------------

    async def count(self, table: str, where: str = "1 = 1") -> int:
        async with self.engine.connect() as connection:
            return int((await connection.execute(text(f"SELECT count(*) FROM {table} WHERE {where}"))).scalar_one())

    async def column(self, table: str, column: str) -> list[Any]:
        async with self.engine.connect() as connection:
            return list((await connection.execute(text(f"SELECT {column} FROM {table}"))).scalars())

    async def entries(self, *kinds: EntryKind) -> list[Entry]:
        found = [Entry.parse(item.content) for item in await self.journal.entries(0, 10_000)]
        return [entry for entry in found if not kinds or entry.kind in kinds]

    async def break_ledger(self) -> None:
        """Take the ledger's table away: every write fails."""
        async with self.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE ledger_entry RENAME TO ledger_entry_away"))

    async def mend_ledger(self) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE ledger_entry_away RENAME TO ledger_entry"))


def described(party: Party) -> AgencyDescriptor:
    """How an agency of this world describes itself."""
    area = "farshire" if party.agency == FARAWAY else "testshire"
    return party.descriptor(areas=[area], declared_caseload=1_000)


def signed_description(party: Party, description: AgencyDescriptor | None = None) -> SignedDescription:
    """A description as its agency signs it; as the world has it, unless another is given."""
    content = (description or described(party)).canonical()
    return SignedDescription(content, sign_description(content, party.signing))


def tasks_in(session: Session) -> list[link_pb2.Task]:
    """The tasks that wait in a link's outbox, which is emptied."""
    return [message.task for message in messages_in(session) if message is not None and message.HasField("task")]


def messages_in(session: Session) -> list[link_pb2.AttachResponse | None]:
    """All that waits in a link's outbox; None is its end."""
    found = []
    while not session.outbox.empty():
        found.append(session.outbox.get_nowait())
    return found


def sealed_answer(task_id: str, responder: str, parts: Sequence[SealedPart]) -> wire.SealedAnswer:
    """Parts as they travel."""
    return wire.SealedAnswer(
        task_id=task_id,
        responder=responder,
        parts=[
            wire.AnswerPart(header=part.header, ciphertext=part.ciphertext, signature=part.signature) for part in parts
        ],
    )


def altered(composed: Composed, **changes: Any) -> wire.AskRequest:
    """The request with fields replaced."""
    request = wire.AskRequest.FromString(composed.request.SerializeToString())
    for name, value in changes.items():
        if name == "parts":
            del request.parts[:]
            request.parts.extend(value)
        else:
            setattr(request, name, value)
    return request


def resigned(composed: Composed, key: SigningKey, **changes: Any) -> wire.AskRequest:
    """The query with header fields replaced, and header and ticket signed anew: a requester's own mistake or malice."""
    header = composed.header.model_copy(update=changes).canonical()
    ticket_changes: dict[str, Any] = {name: changes[name] for name in ("issued_at", "expires_at") if name in changes}
    return signed_anew(header, key, request=composed.request, ticket_changes=ticket_changes)


def checked_admission(world: World, composed: Composed, event: wire.QueryEvent) -> dict[str, TargetDecision]:
    """The decisions of an admission, verified as a node does."""
    record = verify_admission(
        event.admission.admission,
        event.admission.signature,
        query_sha256=sha256(composed.request.header),
        gateway_key=world.secrets.signing.verify_key,
    )
    return {
        item.responder: verify_decision(record, item.responder, item.decision) for item in event.admission.decisions
    }


@asynccontextmanager
async def a_world(
    url: str,
    policy: PolicyPoint,
    *,
    secrets: Secrets | None = None,
    clock: Clock | None = None,
    enrol: Sequence[str] = (CSC, SCHOOL, POLICE, FARAWAY),
) -> AsyncIterator[World]:
    """A gateway on a migrated store, composed as `gateway.app` does; the same URL and secrets again are a restart."""
    secrets, clock = secrets or Secrets(), clock or Clock()
    await migrate(url, "gateway.store")
    engine = open_engine(url)
    executor = ThreadPoolExecutor(max_workers=2)
    journal = Journal(engine, origin=ORIGIN, signing_key=secrets.signing, clock=clock)
    try:
        await journal.open()
        world = await _compose(engine, journal, policy=policy, secrets=secrets, clock=clock, executor=executor)
        for agency in enrol:
            if not world.desk.is_listed(agency):
                await world.enrol(agency)
        yield world
    finally:
        await journal.aclose()
        await engine.dispose()
        executor.shutdown()


async def _compose(
    engine: AsyncEngine,
    journal: Journal,
    *,
    policy: PolicyPoint,
    secrets: Secrets,
    clock: Clock,
    executor: ThreadPoolExecutor,
) -> World:
    reader = reading(engine)
    deny_list = DenyList(secrets.signing.verify_key)
    directory = DirectoryAuthority(
        engine=reader,
        journal=journal,
        key=secrets.signing,
        auditors=secrets.auditors.statements,
        trusted=TrustedDirectory.empty(secrets.anchors),
        deny_list=deny_list,
        clock=clock,
    )
    await directory.load()
    trustee = Trustee(secrets.trustee_holder, secrets.trustee_signing, secrets.parties, directory.current, clock)
    translator = Translator(
        keys=secrets.holder, trustee=trustee, trustee_key=secrets.anchors.trustee_key, executor=executor
    )
    clocks = Clocks(own=transport.Party(transport.PartyKind.GATEWAY, "main"), clock=clock)
    links = Links(clock=clock, permits=lambda agency: not directory.is_denied(agency), clocks=clocks)
    queries = Queries(engine=reader, journal=journal, links=links, clock=clock)
    restored = await queries.restore(clock())
    register, cipher = TeamRegister(reader, journal), RecordCipher(secrets.data)
    await register.load()
    counters = Counters(clock=clock, seed=await recent_queries(reader, int(clock()) - DAY_S))
    admitting = Admitting(
        journal=journal,
        policy=policy,
        translator=translator,
        alarms=Alarms(journal=journal, clock=clock),
        counters=counters,
        teams=register,
        directory=directory.current,
        key=secrets.signing,
        cipher=cipher,
        clock=clock,
    )
    exchange = Exchange(
        admitting=admitting,
        queries=queries,
        rates=QueryRates(per_minute=6_000, at_once=4_000, clock=clock),
        journal=journal,
        links=links,
        clocks=clocks,
        clock=clock,
    )
    withdrawal = Withdrawal(
        register=register,
        queries=queries,
        links=links,
        policy=policy,
        journal=journal,
        directory=directory.current,
        cipher=cipher,
        clock=clock,
    )
    await withdrawal.sweep()
    await cancel_outdated(queries=queries, links=links, journal=journal, clock=clock)
    links.offer(task for task in restored if task.state in OPEN)
    teams = TeamDesk(
        register=register,
        withdrawal=withdrawal,
        policy=policy,
        journal=journal,
        directory=directory.current,
        key=secrets.signing,
        cipher=cipher,
        clock=clock,
    )
    answers = Answers(
        queries=queries,
        journal=journal,
        links=links,
        directory=directory.current,
        is_denied=directory.is_denied,
        clock=clock,
    )
    evaluation = Evaluation(translator=translator, journal=journal, directory=directory.current, clock=clock)
    points = HolderPoints(
        directory=directory,
        keyring=secrets.keyring,
        keys=secrets.holder,
        signing_key=secrets.signing,
        trustee=trustee,
        clock=clock,
    )
    caseloads = CaseloadEpochs()
    desk = EnrolmentDesk(
        engine=reader,
        journal=journal,
        directory=directory,
        authority=secrets.authority,
        points=points,
        trustee_party=TRUSTEE,
        operators=Operators({name: key.verify_key for name, key in secrets.operators.items()}, clock),
        certificate_life=timedelta(hours=24),
        absence=timedelta(days=30),
        clock=clock,
    )
    return World(
        secrets=secrets,
        clock=clock,
        engine=reader,
        journal=journal,
        trustee=trustee,
        directory=directory,
        desk=desk,
        descriptions=DescriptionDesk(engine=reader, journal=journal, directory=directory, clock=clock),
        resets=ResetDesk(engine=reader, journal=journal, directory=directory, desk=desk, clock=clock),
        queries=queries,
        clocks=clocks,
        links=links,
        exchange=exchange,
        counters=counters,
        withdrawal=withdrawal,
        following=Following(queries, [directory, register]),
        teams=teams,
        answers=answers,
        evaluation=evaluation,
        misuse=MisuseDesk(
            engine=reader,
            journal=journal,
            directory=directory.current,
            catalogue=lambda: policy.catalogue,
            clock=clock,
        ),
        caseloads=caseloads,
        epochs=EpochDesk(directory=directory, points=points, links=links, caseloads=caseloads, clock=clock),
    )


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolicyPoint]:
    """The real bundle on the embedded engine, as the gateway has it."""
    folder = tmp_path_factory.mktemp("bundle")
    bundle = install_bundle(DIST, folder / "bundle", SigningKey.generate(), clock=lambda: NOW)
    engine = WasmEngine(sandboxes=2)
    point = PolicyPoint(engine, bundle, lambda: NOW)
    asyncio.run(point.activate())
    yield point
    asyncio.run(engine.aclose())


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same tests on both kinds of store."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "gateway.db")
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def world(tmp_path: Path, policy: PolicyPoint) -> AsyncIterator[World]:
    """A gateway on SQLite with four agencies enrolled."""
    async with a_world(sqlite_url(tmp_path / "gateway.db"), policy) as world:
        yield world


@pytest.fixture
async def stored_world(store_url: str, policy: PolicyPoint) -> AsyncIterator[World]:
    """The same on each kind of store."""
    async with a_world(store_url, policy) as world:
        yield world
