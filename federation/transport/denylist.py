"""The signed deny list: who is refused although the certificate is still in date.

A list replaces the one before as a whole. Its version only grows; two different lists of one version are a fork and are
refused. A server that must know the list and has none serves nobody.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Final, Literal, Protocol, Self

from pydantic import Field, model_validator

from federation.document import Code, Document, Instant
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.telemetry import EventLog
from federation.transport.identity import Party, PartyKind, Peer
from keys import domains
from keys.errors import SignatureRejected
from keys.signing import SigningKey, VerifyKey

_log = EventLog(__name__)


class DenyEntry(Document):
    """One denial. It matches a certificate that has *every* field given; at least one is.

    The identity alone denies a party whatever certificate it shows; the key's hash alone denies whoever shows that key.

    Attributes:
        before: Matches certificates that begin before this, seconds since the epoch; 0 for whenever they begin.
    """

    identity: Annotated[str, Field(pattern=r"^(wardgate://[a-z]+/[a-z][a-z0-9-]{1,62})?$")] = ""
    serial: Annotated[str, Field(pattern=r"^([1-9a-f][0-9a-f]{0,39})?$")] = ""
    spki_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    before: Instant = 0
    reason_code: Code

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not (self.identity or self.serial or self.spki_sha256):
            raise ValueError("an entry without identity, serial and key denies nothing")
        return self

    def matches(self, peer: Peer) -> bool:
        """Whether it denies this certificate."""
        return (
            self.identity in ("", peer.party.uri)
            and self.serial in ("", peer.serial)
            and self.spki_sha256 in ("", peer.spki_sha256)
            and (not self.before or peer.begins_at < self.before)
        )


class DenyListDocument(Document):
    """The list as it is signed."""

    MAX_BYTES: ClassVar[int] = 1024 * 1024
    """4,096 entries of 250 bytes. Entries go when the certificates they name have expired."""

    v: Literal[1] = 1
    version: Annotated[int, Field(ge=1)]
    issued_at: Instant
    entries: Annotated[list[DenyEntry], Field(max_length=4_096)]

    def agencies(self) -> frozenset[str]:
        """The agencies that are denied as a whole, and not for some certificates or one key."""
        whole = (
            entry
            for entry in self.entries
            if entry.identity and not (entry.serial or entry.spki_sha256 or entry.before)
        )
        parties = (Party.parse(entry.identity) for entry in whole)
        return frozenset(party.id for party in parties if party.kind is PartyKind.NODE)


@dataclass(frozen=True, slots=True)
class SignedDenyList:
    """The bytes that travel and are kept."""

    document: bytes
    signature: bytes

    @classmethod
    def issue(cls, key: SigningKey, *, version: int, issued_at: int, entries: Iterable[DenyEntry]) -> Self:
        """Sign a new list: the gateway's verb."""
        document = DenyListDocument(version=version, issued_at=issued_at, entries=list(entries)).canonical()
        return cls(document, key.sign(domains.DENY_LIST, document))

    def verify(self, key: VerifyKey) -> DenyListDocument:
        """Read a list that this key signed.

        Raises:
            WardgateError: `SIGNATURE_REJECTED` or `MESSAGE_*`.
        """
        document = DenyListDocument.parse(self.document)
        try:
            key.verify(self.signature, domains.DENY_LIST, self.document)
        except SignatureRejected as error:
            raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "deny list") from error
        return document


class Denials(Protocol):
    """What a server asks on every call."""

    def check(self, peer: Peer) -> None:
        """Raise `WardgateError` unless this certificate may be served."""
        ...


class NoDenyList:
    """For a port whose authority issues no deny list: a node's own loopback port, or the enrolment port."""

    def check(self, peer: Peer) -> None:
        """Deny nobody."""


@dataclass(slots=True)
class _Index:
    version: int = 0
    by_identity: dict[str, list[DenyEntry]] = field(default_factory=dict)
    others: list[DenyEntry] = field(default_factory=list)


class DenyList:
    """The list in force.

    Args:
        key: The gateway's verify key, pinned at enrolment.
    """

    def __init__(self, key: VerifyKey) -> None:
        self._key: Final = key
        self._signed: SignedDenyList | None = None
        self._index = _Index()

    @property
    def version(self) -> int:
        """Version in force; 0 before the first."""
        return self._index.version

    @property
    def signed(self) -> SignedDenyList | None:
        """The list in force as it was signed, to keep on disk or pass on."""
        return self._signed

    def denied_agencies(self) -> frozenset[str]:
        """The agencies that are denied as a whole."""
        return frozenset() if self._signed is None else DenyListDocument.parse(self._signed.document).agencies()

    def adopt(self, signed: SignedDenyList) -> bool:
        """Put a list into force; False when it is already.

        Raises:
            WardgateError: `SIGNATURE_REJECTED`, `MESSAGE_*`, or `DIRECTORY_REJECTED` when the version goes back or
                another list of the same version was adopted.
        """
        document = signed.verify(self._key)
        if document.version == self.version and self._signed is not None and self._signed.document == signed.document:
            return False
        if document.version <= self.version:
            raise WardgateError(
                ErrorCode.DIRECTORY_REJECTED, f"deny list {document.version} does not follow {self.version}"
            )
        index = _Index(document.version)
        for entry in document.entries:
            (index.by_identity.setdefault(entry.identity, []) if entry.identity else index.others).append(entry)
        self._index, self._signed = index, signed
        _log.event(Event.DENY_LIST_ADOPTED, version=document.version, count=len(document.entries))
        return True

    def is_denied(self, peer: Peer) -> bool:
        """Whether the list names this certificate, its party or its key."""
        index = self._index
        named = index.by_identity.get(peer.party.uri, ()) if index.by_identity else ()
        return any(entry.matches(peer) for entry in (*named, *index.others))

    def check(self, peer: Peer) -> None:
        """Refuse a denied certificate.

        Raises:
            WardgateError: `CERTIFICATE_REVOKED`, or `REVOCATION_UNKNOWN` while no list was adopted.
        """
        if self._signed is None:
            raise WardgateError(ErrorCode.REVOCATION_UNKNOWN, "no deny list yet")
        if self.is_denied(peer):
            raise WardgateError(ErrorCode.CERTIFICATE_REVOKED, f"{peer.party} serial {peer.serial}")
