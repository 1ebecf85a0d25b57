"""Two agencies, both holders and a gateway's signature, without a network: what an answering node lives among.

Everything is real: keys, proofs, envelopes, signatures, directory. `Federation.task` is what the gateway would deliver
of a query that `testshire-csc` put.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from agency_node.asking.composing import Asker, Composed, OwnPseudonym, compose
from agency_node.asking.question import CheckedQuestion, Times
from federation.admission import AdmissionRecord, EnquiryGiven, TargetDecision
from federation.answer import Answer, AnswerContext, SealedPart, open_answer, verify_answer_parts
from federation.batch import verify_batch
from federation.centre_seen import CentreSeen
from federation.description import sign_description
from federation.directory import (
    AgencyDescriptor,
    AgencyEntry,
    Anchors,
    DirectoryDocument,
    KeyStatement,
    Own,
    PointsStatement,
    PublicPoint,
    SignedPoints,
    SignedStatement,
    TrustedDirectory,
)
from federation.query import CategoryAsked, Part, Period
from federation.translation import Route, Statement, take_step
from federation.vocabulary import EnquiryOutcome, FamilyInformed, IdentifierState, Tier, Urgency, UserRef
from federation.wire.v1 import link_pb2, pseudonym_pb2, query_pb2
from keys import domains
from keys.digest import derive_key, sha256
from keys.envelope import SealingKey
from keys.nhs_number import NhsNumber
from keys.pseudonym import HolderKeys, Pseudonym, Role, blind_identifiers, unblind
from keys.secret import Secret
from keys.signing import SigningKey
from tests.support.auditors import Auditors
from tests.support.poison import poisoned

NOW = 1_795_341_600
"""22 November 2026, 10:00 in England."""

REQUESTER, RESPONDER = "testshire-csc", "testshire-school"
CATEGORIES = (("safeguarding_log", "T2"), ("attendance", "T2"), ("enrolment", "T1"))


@dataclass
class Clock:
    """Seconds since the epoch, as the test says."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Party:
    """One agency's keys and description."""

    agency: str
    kind: str
    legal_class: str = "S11_1"
    signing: SigningKey = field(default_factory=SigningKey.generate)
    sealing: SealingKey = field(default_factory=SealingKey.generate)
    epochs: tuple[int, ...] = (1,)

    @property
    def keys(self) -> tuple[SigningKey, SealingKey]:
        """Both private keys."""
        return self.signing, self.sealing

    def statement(self) -> KeyStatement:
        return KeyStatement(
            agency=self.agency,
            version=1,
            signing_key=bytes(self.signing.verify_key),
            sealing_key=self.sealing.public,
            sealing_epoch=1,
            predecessor="",
            issued_at=NOW - 1000,
        )

    def descriptor(self, *, areas: Sequence[str] = ("testshire",), declared_caseload: int = 10_000) -> AgencyDescriptor:
        """How this agency describes itself."""
        return AgencyDescriptor(
            id=self.agency,
            name=self.agency.replace("-", " ").title(),
            kind=self.kind,
            legal_class=self.legal_class,  # type: ignore[arg-type]  # the document checks it
            areas=list(areas),
            agreements=["mash"],
            declared_caseload=declared_caseload,
        )

    def own(self, *described: AgencyDescriptor) -> Own:
        """What this agency says of itself: that it is described so, or as `descriptor` has it."""
        return Own(self.statement(), tuple(sha256(found.canonical()) for found in described or (self.descriptor(),)))

    def signed(self) -> SignedStatement:
        content = self.statement().canonical()
        return SignedStatement(statement=content, signature=self.signing.sign(domains.KEY_STATEMENT, content))


@dataclass
class Federation:
    """Gateway, trustee and two agencies."""

    parties: Mapping[str, Party] = field(
        default_factory=lambda: {
            REQUESTER: Party(REQUESTER, "childrens_services"),
            RESPONDER: Party(RESPONDER, "school", "S16E_EDU"),
        }
    )
    gateway_key: SigningKey = field(default_factory=SigningKey.generate)
    trustee_key: SigningKey = field(default_factory=SigningKey.generate)
    auditors: Auditors = field(default_factory=Auditors)
    seeds: tuple[Secret, Secret] = field(default_factory=lambda: (Secret.random(), Secret.random()))
    gateway: HolderKeys = field(init=False)
    trustee: HolderKeys = field(init=False)
    version: int = 0
    seen: CentreSeen = field(default_factory=lambda: CentreSeen(checkpoint="seen by the requester", register_version=7))
    directory: TrustedDirectory = field(init=False)
    evaluated: list[int] = field(default_factory=list)

    @property
    def audit(self) -> SealingKey:
        """The auditors' sealing key of today."""
        return self.auditors.sealing

    def __post_init__(self) -> None:
        self.gateway = HolderKeys("gateway", _epochs(self.seeds[0]))
        self.trustee = HolderKeys("trustee", _epochs(self.seeds[1]))
        self.directory = TrustedDirectory.empty(
            Anchors(
                gateway_key=self.gateway_key.verify_key,
                trustee_key=self.trustee_key.verify_key,
                audit_key=self.auditors.anchor,
            )
        )
        self.publish()

    def secrets(self) -> dict[str, Any]:
        """Everything another process needs to be the same federation."""
        return {
            "seeds": [seed.reveal().hex() for seed in self.seeds],
            "keys": [key.secret.reveal().hex() for key in (self.gateway_key, self.trustee_key)],
            "audit": [key.secret.reveal().hex() for key in (self.auditors.sealing, self.auditors.signing)],
            "parties": {
                party.agency: [party.kind, party.legal_class, *(key.secret.reveal().hex() for key in party.keys)]
                for party in self.parties.values()
            },
        }

    @classmethod
    def of(cls, secrets: Mapping[str, Any]) -> "Federation":
        """The federation whose `secrets` these are."""
        sealing, signing = (Secret(bytes.fromhex(key)) for key in secrets["audit"])
        gateway_key, trustee_key = (SigningKey(Secret(bytes.fromhex(key))) for key in secrets["keys"])
        return cls(
            parties={
                agency: Party(
                    agency,
                    kind,
                    legal_class,
                    SigningKey(Secret(bytes.fromhex(signing))),
                    SealingKey(Secret(bytes.fromhex(sealing))),
                )
                for agency, (kind, legal_class, signing, sealing) in secrets["parties"].items()
            },
            gateway_key=gateway_key,
            trustee_key=trustee_key,
            auditors=Auditors(SealingKey(sealing), SigningKey(signing)),
            seeds=(Secret(bytes.fromhex(secrets["seeds"][0])), Secret(bytes.fromhex(secrets["seeds"][1]))),
        )

    # -- directory ----------------------------------------------------------------------------------------------

    def publish(self, *without: str) -> TrustedDirectory:
        """Publish and trust the next version."""
        self.version += 1
        document = DirectoryDocument(
            version=self.version,
            issued_at=NOW - 900,
            audit_keys=self.auditors.statements,
            agencies=[self._entry(party) for name, party in self.parties.items() if name not in without],
        ).canonical()
        self.directory = self.directory.advance(
            document,
            self.gateway_key.sign(domains.DIRECTORY, document),
            entry={"directory_sha256": sha256(document).hex(), "version": self.version},
        )
        return self.directory

    def _entry(self, party: Party) -> AgencyEntry:
        return AgencyEntry(
            agency=party.descriptor(),
            description_signature=sign_description(party.descriptor().canonical(), party.signing),
            statements=[party.signed()],
            gateway_points=self._points("gateway", party, self.gateway, self.gateway_key),
            trustee_points=self._points("trustee", party, self.trustee, self.trustee_key),
        )

    @staticmethod
    def _points(role: Role, party: Party, holder: HolderKeys, key: SigningKey) -> SignedPoints:
        content = PointsStatement(
            holder=role,
            scope=party.agency,
            epochs=[PublicPoint(epoch=epoch, public=holder.key(party.agency, epoch).public) for epoch in party.epochs],
            issued_at=NOW - 900,
        ).canonical()
        return SignedPoints(statement=content, signature=key.sign(domains.POINTS, content))

    # -- pseudonyms ---------------------------------------------------------------------------------------------

    async def evaluate(self, batch: pseudonym_pb2.BlindedBatch) -> pseudonym_pb2.EvaluateResponse:
        """See `agency_node.caseload.pseudonyms.Evaluator`: trustee first, gateway second, both with proofs."""
        key = self.parties[RESPONDER].signing.verify_key
        header = verify_batch(batch.header, batch.signature, batch.elements, key=key, now=NOW)
        self.evaluated.append(header.count)
        halfway, trustee_proof = self.trustee.key(header.agency, header.epoch).evaluate(batch.elements)
        whole, gateway_proof = self.gateway.key(header.agency, header.epoch).evaluate(halfway)
        return pseudonym_pb2.EvaluateResponse(
            trustee=pseudonym_pb2.EvaluatedBatch(elements=halfway, proof=trustee_proof),
            gateway=pseudonym_pb2.EvaluatedBatch(elements=whole, proof=gateway_proof),
        )

    def pseudonym(self, agency: str, number: NhsNumber, epoch: int = 1) -> Pseudonym:
        """The agency's pseudonym of a child."""
        blinds, blinded = blind_identifiers([number.identifier_input()])
        halfway = self.trustee.key(agency, epoch).multiply(blinded)
        return unblind(blinds, self.gateway.key(agency, epoch).multiply(halfway))[0]

    def translate(self, composed: Composed, *, to_epoch: int = 1) -> Statement:
        """What reaches the responder of a requester's blinded pseudonym: the trustee's word, to be signed by it."""
        blinded = composed.request.parts[0].blinded
        route = Route(self.directory.agency(REQUESTER), 1, self.directory.agency(RESPONDER), to_epoch)
        half = take_step(self.gateway, route, blinded)
        whole = take_step(self.trustee, route, half.element)
        return Statement(sha256(composed.request.header), REQUESTER, RESPONDER, to_epoch, whole.element)

    # -- queries ------------------------------------------------------------------------------------------------

    def ask(self, number: NhsNumber, **changes: Any) -> "Put":
        """Put a query about a child to the responder, as `testshire-csc` would."""
        wanted = {
            "purpose": "S47_ENQ",
            "role": "team_manager",
            "categories": CATEGORIES,
            "permitted": None,
            "effect": "permit",
            "expiry_s": 24 * 3600,
            "now": NOW,
            "attestations": ("strategy_discussion_held", "reasonable_cause_significant_harm"),
            "approvals": (),
            "break_glass": "",
            "justification": "Bruises seen by the class teacher.",
            "urgency": Urgency.ROUTINE,
            "query_id": str(uuid4()),
            "to_epoch": 1,
            "case_grant": None,
            "reply_key": b"",
            "sealed": b"",
            **changes,
        }
        composed = self._compose(number, wanted)
        if wanted["reply_key"] or wanted["sealed"]:
            key = self.parties[REQUESTER].signing
            composed = poisoned(composed, key, reply_key=wanted["reply_key"], sealed=wanted["sealed"])
        return Put(self, composed, self._task(composed, wanted))

    def _compose(self, number: NhsNumber, wanted: Mapping[str, Any]) -> Composed:
        question = CheckedQuestion(
            user_id="a.khan",
            child=number,
            purpose=wanted["purpose"],
            categories=_categories(wanted["categories"]),
            period=Period(start="2021-11-22", end="2026-11-22"),
            attestations=wanted["attestations"],
            approvals=wanted["approvals"],
            justification=wanted["justification"],
            family_informed=FamilyInformed.UNSAFE,
            identifier_state=IdentifierState.PRESENT,
            urgency=wanted["urgency"],
            break_glass=wanted["break_glass"],
            area="testshire",
            case_grant=wanted["case_grant"].id if wanted["case_grant"] else "",
        )
        return compose(
            question,
            query_id=wanted["query_id"],
            decision_id=str(uuid4()),
            asker=Asker(self.directory.agency(REQUESTER), UserRef("a" * 32), "a.khan", "Amina Khan", wanted["role"]),
            own=OwnPseudonym(self.pseudonym(REQUESTER, number), 1),
            targets={RESPONDER: self.directory.agency(RESPONDER)},
            directory=self.directory,
            times=Times(deadline_s=10, expiry_s=wanted["expiry_s"]),
            now=int(wanted["now"]),
            key=self.parties[REQUESTER].signing,
            seen=self.seen,
        )

    def _task(self, composed: Composed, wanted: Mapping[str, Any]) -> link_pb2.Task:
        part = composed.request.parts[0]
        for_target = Part(part.responder, part.blinded, part.salt, part.sealed).for_target
        translated = self.translate(composed, to_epoch=wanted["to_epoch"])
        permitted = _categories(wanted["permitted"] or wanted["categories"])
        decision = TargetDecision(
            responder=RESPONDER,
            effect=wanted["effect"],
            categories=list(permitted) if wanted["effect"] == "permit" else [],
            reasons=[],
            obligations=[],
        ).canonical()
        admission = AdmissionRecord(
            query_sha256=sha256(composed.request.header),
            query_id=composed.header.query_id,
            decision_id=str(uuid4()),
            bundle_digest=sha256(b"bundle"),
            decided_at=int(wanted["now"]),
            effect=wanted["effect"],
            reasons=[],
            obligations=[],
            processing=[],
            enquiry=EnquiryGiven(outcome=EnquiryOutcome.NEVER, after_s=0, audience=[]),
            decisions={RESPONDER: sha256(decision)},
            case_grant=wanted["case_grant"],
        ).canonical()
        return link_pb2.Task(
            task_id=str(uuid4()),
            lease_id=str(uuid4()),
            lease_expires_at=int(wanted["now"]) + 60,
            header=composed.request.header,
            signature=composed.request.signature,
            part=query_pb2.TaskPart(
                responder=for_target.responder, commitment=for_target.commitment, sealed=for_target.sealed
            ),
            translated=translated.element,
            epoch=translated.responder_epoch,
            trustee_signature=translated.sign(self.trustee_key),
            admission=admission,
            admission_signature=self.gateway_key.sign(domains.ADMISSION, admission),
            decision=decision,
        )


def _epochs(seed: Secret) -> dict[int, Secret]:
    return {epoch: derive_key(seed, f"epoch {epoch}") for epoch in (1, 2, 3)}


def _categories(pairs: Sequence[tuple[str, str]]) -> tuple[CategoryAsked, ...]:
    return tuple(CategoryAsked(name=name, tier=Tier(tier)) for name, tier in pairs)


@dataclass
class Put:
    """A query that was put, and the task it became."""

    federation: Federation
    composed: Composed
    task: link_pb2.Task

    def opened(self, sealed: bytes) -> Answer:
        """Verify and open an answer as the requester does."""
        answer = query_pb2.SealedAnswer.FromString(sealed)
        assert (answer.task_id, answer.responder) == (self.task.task_id, RESPONDER)
        return open_answer(self.parts(sealed), reply_key=self.composed.reply_key)

    def parts(self, sealed: bytes) -> list[SealedPart]:
        """The parts of an answer, verified as the gateway does."""
        answer = query_pb2.SealedAnswer.FromString(sealed)
        parts = [SealedPart(part.header, part.ciphertext, part.signature) for part in answer.parts]
        expected = AnswerContext(
            query_id=self.composed.header.query_id,
            task_id=self.task.task_id,
            requester=REQUESTER,
            responder=RESPONDER,
            purpose=self.composed.header.purpose,
            query_sha256=sha256(self.task.header),
        )
        key = self.federation.parties[RESPONDER].signing.verify_key
        verify_answer_parts(parts, key=key, expected=expected)
        return parts
