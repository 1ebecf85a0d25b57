"""A small federation as its signed directory shows it: real keys, real signatures, no network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from federation.description import sign_description
from federation.directory import (
    AgencyDescriptor,
    AgencyEntry,
    Anchors,
    DirectoryDocument,
    PointsStatement,
    PublicPoint,
    SignedPoints,
    SignedStatement,
    TrustedDirectory,
)
from federation.key_statement import state_keys
from federation.query import Ticket, TicketPoint
from federation.translation import HalfTranslation, Step
from keys import domains
from keys.digest import sha256
from keys.envelope import SealingKey
from keys.errors import EncodingRejected
from keys.pseudonym import HolderKeys, Role, ScopeEpoch
from keys.secret import Secret
from keys.signing import SigningKey
from tests.support.auditors import Auditors
from tests.support.signers import NOW, SignedTicket, Signer

SEALING = SealingKey.generate()
"""Nobody opens anything in this federation: one sealing key does for all its members."""


def _seeds() -> dict[int, Secret]:
    return {epoch: Secret.random() for epoch in (1, 2, 3)}


@dataclass
class Member:
    """One agency: its chain of keys, the newest last, and what it declares.

    Attributes:
        describing: Signs its description in the place of its newest key.
        describes_itself: Whether it signed its description at all.
        resets: Versions of its keys that the version before did not introduce.
    """

    agency: str
    chain: list[SigningKey] = field(default_factory=lambda: [SigningKey.generate()])
    declared_caseload: int = 1_000
    epochs: tuple[int, ...] = (1,)
    sealing: SealingKey = SEALING
    areas: list[str] = field(default_factory=lambda: ["camden"])
    describing: SigningKey | None = None
    describes_itself: bool = True
    resets: set[int] = field(default_factory=set)

    @property
    def signer(self) -> Signer:
        """Signs with the newest key."""
        return Signer(self.agency, self.chain[-1])

    def change_key(self) -> None:
        """Take a new signing key, introduced by the old one."""
        self.chain.append(SigningKey.generate())

    def reset_keys(self) -> None:
        """Take a new signing key that the old one, being lost, does not introduce; it describes the agency too."""
        self.chain.append(SigningKey.generate())
        self.resets.add(len(self.chain))

    def descriptor(self) -> AgencyDescriptor:
        return AgencyDescriptor(
            id=self.agency,
            name=self.agency.title(),
            kind="test_kind",
            legal_class="S11_1",
            areas=self.areas,
            agreements=[],
            declared_caseload=self.declared_caseload,
        )

    @property
    def digest(self) -> bytes:
        """SHA-256 of how it is described now."""
        return sha256(self.descriptor().canonical())

    def description_signature(self) -> bytes | Literal[""]:
        """By `describing`, or else by its newest key; empty where it never signed one."""
        key = self.describing or self.chain[-1]
        return sign_description(self.descriptor().canonical(), key) if self.describes_itself else ""

    def statements(self) -> list[SignedStatement]:
        return [self._statement(version) for version in range(1, len(self.chain) + 1)]

    def _statement(self, version: int) -> SignedStatement:
        key = self.chain[version - 1]
        old = self.chain[version - 2] if version > 1 else None
        return state_keys(
            self.agency,
            key,
            self.sealing.public,
            version=version,
            sealing_epoch=version,
            predecessor=None if version in self.resets else old,
            lost=old.verify_key if old and version in self.resets else None,
            issued_at=NOW,
        )


@dataclass(frozen=True)
class Published:
    """One version of the directory, with the body of the ledger entry that publishes it."""

    version: int
    content: bytes
    signature: bytes

    @property
    def body(self) -> dict[str, object]:
        return {"directory_sha256": sha256(self.content).hex(), "version": self.version, "change": "test"}


@dataclass
class Region:
    """Both holders and the agencies."""

    members: Mapping[str, Member]
    gateway_key: SigningKey = field(default_factory=SigningKey.generate)
    trustee_key: SigningKey = field(default_factory=SigningKey.generate)
    gateway_holder: HolderKeys = field(default_factory=lambda: HolderKeys("gateway", _seeds()))
    trustee_holder: HolderKeys = field(default_factory=lambda: HolderKeys("trustee", _seeds()))
    auditors: Auditors = field(default_factory=Auditors)
    version: int = 0

    @classmethod
    def of(cls, *agencies: str) -> "Region":
        return cls({agency: Member(agency) for agency in agencies})

    @property
    def anchors(self) -> Anchors:
        return Anchors(
            gateway_key=self.gateway_key.verify_key,
            trustee_key=self.trustee_key.verify_key,
            audit_key=self.auditors.anchor,
        )

    def signer(self, agency: str) -> Signer:
        return self.members[agency].signer

    def publish(self, *without: str) -> Published:
        """The next version of the directory, leaving some agencies out."""
        self.version += 1
        content = DirectoryDocument(
            version=self.version,
            issued_at=NOW,
            audit_keys=self.auditors.statements,
            agencies=[self._entry(member) for name, member in self.members.items() if name not in without],
        ).canonical()
        return Published(self.version, content, self.gateway_key.sign(domains.DIRECTORY, content))

    def halves(self, shown: SignedTicket, responders: Sequence[str]) -> list[HalfTranslation]:
        """What an honest gateway makes of a ticket's points; junk for those that are none."""
        ticket = Ticket.parse(shown.ticket)
        points = {point.responder: point for point in ticket.points}
        return [HalfTranslation(name, self._half(ticket, points.get(name))) for name in responders]

    def _half(self, ticket: Ticket, point: TicketPoint | None) -> Step:
        if point is None:
            return Step(b"", b"")
        ratio = self.gateway_holder.translation(
            ScopeEpoch(ticket.requester, ticket.epoch), ScopeEpoch(point.responder, point.epoch)
        )
        try:
            element = ratio.apply(point.element)
        except EncodingRejected:
            return Step(b"", b"")
        return Step(element, ratio.prove(point.element, element))

    def trusted(self) -> TrustedDirectory:
        """The next version, verified."""
        found = self.publish()
        return TrustedDirectory.empty(self.anchors).advance(found.content, found.signature, entry=found.body)

    def _entry(self, member: Member) -> AgencyEntry:
        return AgencyEntry(
            agency=member.descriptor(),
            description_signature=member.description_signature(),
            statements=member.statements(),
            gateway_points=self._points("gateway", member, self.gateway_holder, self.gateway_key),
            trustee_points=self._points("trustee", member, self.trustee_holder, self.trustee_key),
        )

    @staticmethod
    def _points(role: Role, member: Member, holder: HolderKeys, key: SigningKey) -> SignedPoints:
        statement = PointsStatement(
            holder=role,
            scope=member.agency,
            epochs=[
                PublicPoint(epoch=epoch, public=holder.key(member.agency, epoch).public) for epoch in member.epochs
            ],
            issued_at=NOW,
        ).canonical()
        return SignedPoints(statement=statement, signature=key.sign(domains.POINTS, statement))
