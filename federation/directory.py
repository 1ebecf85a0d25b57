"""The signed directory of agencies, and what a party demands before it trusts a new version of it.

`TrustedDirectory` is a state machine without I/O: bytes in, a verified directory out. Its rules, in order:

1. the directory is signed by the pinned gateway key and its version never goes back;
2. the ledger entry that published exactly these bytes stands in the gateway's ledger (inclusion proof), and its
   checkpoint extends the last one seen (consistency proof): a key is never swapped silently;
3. every agency's key statements form a chain: each signed by its own key, and from version 2 on by its predecessor too;
   a chain once seen may only grow: a gateway cannot replace an agency's key at all without that agency's old key;
4. public points of every scope are signed by their own holder (gateway, trustee);
5. a party finds its own keys in its own entry, unchanged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, ValidationError

from federation.document import AgencyName, Base64, Code, Document, Hex32, Hex64, Instant, IsoDate, SealingPublic
from federation.errors import ErrorCode, WardgateError
from keys import domains
from keys.digest import sha256
from keys.errors import EncodingRejected, SignatureRejected
from keys.holder import Role
from keys.signing import VerifyKey

Positive = Annotated[int, Field(ge=1)]


class KeyStatement(Document):
    """An agency's keys of one version, said by the agency itself."""

    v: Literal[1] = 1
    agency: AgencyName
    version: Positive
    signing_key: Hex32
    sealing_key: SealingPublic
    sealing_epoch: Positive
    predecessor: Hex32 | Literal[""]
    issued_at: Instant


class SignedStatement(Document):
    """Statement bytes with the new key's signature and, from version 2, the predecessor's."""

    statement: Base64
    signature: Hex64
    predecessor_signature: Hex64 | Literal[""] = ""


class PublicPoint(Document):
    """A holder's public point of one epoch of a scope."""

    epoch: Positive
    public: Hex32


class PointsStatement(Document):
    """A holder's public points of one scope, newest epoch last."""

    v: Literal[1] = 1
    holder: Literal["gateway", "trustee"]
    scope: AgencyName
    epochs: Annotated[list[PublicPoint], Field(min_length=1, max_length=8)]
    issued_at: Instant


class SignedPoints(Document):
    """Statement bytes with the holder's signature."""

    statement: Base64
    signature: Hex64


class AgencyDescriptor(Document):
    """An agency as policy sees it (Children Act 2004 s.16LA(4) class, areas, contract)."""

    id: AgencyName
    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Code
    legal_class: Literal["S11_1", "S16E_EDU", "ARRANGED_PROVIDER", "NONE"]
    areas: Annotated[list[Code], Field(min_length=1, max_length=64)]
    arranged_by: AgencyName | Literal[""] = ""
    contract_from: IsoDate | Literal[""] = ""
    contract_to: IsoDate | Literal[""] = ""
    agreements: Annotated[list[Code], Field(max_length=64)]
    declared_caseload: Annotated[int, Field(ge=0, le=5_000_000)]


class AgencyEntry(Document):
    """One agency in the directory."""

    agency: AgencyDescriptor
    statements: Annotated[list[SignedStatement], Field(min_length=1, max_length=64)]
    gateway_points: SignedPoints
    trustee_points: SignedPoints


class DirectoryDocument(Document):
    """The directory as it is signed."""

    MAX_BYTES: ClassVar[int] = 4 * 1024 * 1024
    """Some 500 agencies of 6 KiB each, most of it the post-quantum sealing key."""

    v: Literal[1] = 1
    version: Positive
    issued_at: Instant
    audit_key: SealingPublic
    agencies: Annotated[list[AgencyEntry], Field(max_length=2_000)]


@dataclass(frozen=True, slots=True)
class Anchors:
    """What a party was given out of band when it enrolled, and pins for ever."""

    gateway_key: VerifyKey
    trustee_key: VerifyKey


@dataclass(frozen=True, slots=True)
class Agency:
    """A verified agency: its description, current keys and public points by epoch."""

    descriptor: AgencyDescriptor
    keys: KeyStatement
    verify_key: VerifyKey
    gateway_points: Mapping[int, bytes]
    trustee_points: Mapping[int, bytes]
    chain: tuple[bytes, ...]

    @property
    def epoch(self) -> int:
        """The newest pseudonym epoch that both holders publish."""
        return max(self.gateway_points.keys() & self.trustee_points.keys())

    def points(self, holder: Role) -> Mapping[int, bytes]:
        """One holder's public points by epoch."""
        return self.gateway_points if holder == "gateway" else self.trustee_points


@dataclass(frozen=True, slots=True)
class TrustedDirectory:
    """A verified directory. `TrustedDirectory.empty(anchors)` starts; `advance` is the only way forward.

    Attributes:
        digest: SHA-256 of the directory's bytes; empty before the first.
        departed: Key chains of agencies that were listed once: one that comes back must go on with its own.
    """

    anchors: Anchors
    version: int = 0
    audit_key: bytes = b""
    agencies: Mapping[str, Agency] = field(default_factory=dict)
    digest: bytes = b""
    departed: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)

    @classmethod
    def empty(cls, anchors: Anchors) -> Self:
        """The state before the first directory: only the pinned keys."""
        return cls(anchors=anchors)

    def advance(
        self,
        content: bytes,
        signature: bytes,
        *,
        entry: Mapping[str, object],
        own: KeyStatement | None = None,
    ) -> "TrustedDirectory":
        """Verify a newer directory against this one.

        Args:
            content: The directory's bytes.
            signature: The gateway's signature over them.
            entry: The ledger entry's body, whose inclusion the caller has verified (`federation.ledger.witness`).
            own: The caller's own key statement, which must stand unchanged in its own entry.

        Raises:
            WardgateError: `DIRECTORY_REJECTED`, `SIGNATURE_REJECTED` or `MESSAGE_*`.
        """
        document = DirectoryDocument.parse(content)
        _verify(self.anchors.gateway_key, signature, domains.DIRECTORY, content)
        if document.version < self.version:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"version went back to {document.version}")
        digest = sha256(content)
        if document.version == self.version and digest != self.digest:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"two directories of version {document.version}")
        if entry.get("directory_sha256") != digest.hex() or entry.get("version") != document.version:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, "the ledger entry publishes another directory")
        agencies = {item.agency.id: self._agency(item) for item in document.agencies}
        if len(agencies) != len(document.agencies):
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, "an agency stands twice")
        if own is not None:
            _check_own(agencies, own)
        seen = {**self.departed, **{agency_id: agency.chain for agency_id, agency in self.agencies.items()}}
        departed = {agency_id: chain for agency_id, chain in seen.items() if agency_id not in agencies}
        return TrustedDirectory(self.anchors, document.version, document.audit_key, agencies, digest, departed)

    def agency(self, agency_id: str) -> Agency:
        """One agency.

        Raises:
            WardgateError: `AGENCY_UNKNOWN`.
        """
        found = self.agencies.get(agency_id)
        if found is None:
            raise WardgateError(ErrorCode.AGENCY_UNKNOWN, agency_id)
        return found

    def _agency(self, entry: AgencyEntry) -> Agency:
        known = self.agencies.get(entry.agency.id)
        chain = tuple(sha256(item.statement) for item in entry.statements)
        before = known.chain if known is not None else self.departed.get(entry.agency.id, ())
        if chain[: len(before)] != before:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"keys of {entry.agency.id} were replaced")
        keys = _verify_chain(entry)
        gateway_points = _points(entry.gateway_points, "gateway", entry.agency.id, self.anchors.gateway_key)
        trustee_points = _points(entry.trustee_points, "trustee", entry.agency.id, self.anchors.trustee_key)
        if not gateway_points.keys() & trustee_points.keys():
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"no epoch of {entry.agency.id} has both points")
        return Agency(
            descriptor=entry.agency,
            keys=keys,
            verify_key=_key(keys),
            gateway_points=gateway_points,
            trustee_points=trustee_points,
            chain=chain,
        )


def _verify(key: VerifyKey, signature: bytes, domain: str, content: bytes) -> None:
    try:
        key.verify(signature, domain, content)
    except SignatureRejected as error:
        raise WardgateError(ErrorCode.DIRECTORY_REJECTED, domain) from error


def _key(statement: KeyStatement) -> VerifyKey:
    try:
        return VerifyKey(statement.signing_key)
    except EncodingRejected as error:
        raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"the signing key of {statement.agency} is none") from error


def signed_statement(statement: bytes, signature: bytes) -> SignedStatement:
    """A first statement as its agency sent it: nothing of it is verified yet.

    Raises:
        WardgateError: `MESSAGE_MALFORMED`: one of both cannot be what it should be.
    """
    try:
        return SignedStatement(statement=statement, signature=signature)
    except ValidationError as error:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "length of a key statement or its signature") from error


def signed_points(statement: bytes, signature: bytes) -> SignedPoints:
    """A holder's statement of its points as it came: nothing of it is verified yet.

    Raises:
        WardgateError: As `signed_statement`.
    """
    try:
        return SignedPoints(statement=statement, signature=signature)
    except ValidationError as error:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "length of a points statement or its signature") from error


def verify_statement(signed: SignedStatement, *, agency: str, previous: KeyStatement | None) -> KeyStatement:
    """Verify one link of an agency's key chain.

    Raises:
        WardgateError: `DIRECTORY_REJECTED` or `MESSAGE_*`.
    """
    statement = KeyStatement.parse(signed.statement)
    expected = (agency, 1 if previous is None else previous.version + 1, previous.signing_key if previous else "")
    if (statement.agency, statement.version, statement.predecessor) != expected:
        raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"key statement of {agency} is out of sequence")
    _verify(_key(statement), signed.signature, domains.KEY_STATEMENT, signed.statement)
    if previous is not None:
        if isinstance(signed.predecessor_signature, str):
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"keys of {agency} changed without the old key")
        _verify(_key(previous), signed.predecessor_signature, domains.KEY_STATEMENT, signed.statement)
    return statement


def _verify_chain(entry: AgencyEntry) -> KeyStatement:
    current: KeyStatement | None = None
    for signed in entry.statements:
        current = verify_statement(signed, agency=entry.agency.id, previous=current)
    if current is None:
        raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"{entry.agency.id} has no keys")
    return current


def _points(signed: SignedPoints, holder: str, scope: str, key: VerifyKey) -> Mapping[int, bytes]:
    statement = verify_points(signed.statement, signed.signature, holder=holder, scope=scope, key=key)
    return {point.epoch: point.public for point in statement.epochs}


def verify_points(statement: bytes, signature: bytes, *, holder: str, scope: str, key: VerifyKey) -> PointsStatement:
    """Verify a holder's statement of its public points.

    Raises:
        WardgateError: `DIRECTORY_REJECTED` or `MESSAGE_*`.
    """
    found = PointsStatement.parse(statement)
    _verify(key, signature, domains.POINTS, statement)
    if (found.holder, found.scope) != (holder, scope):
        raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"points of another scope for {scope}")
    return found


def _check_own(agencies: Mapping[str, Agency], own: KeyStatement) -> None:
    found = agencies.get(own.agency)
    if found is not None and found.keys != own:
        raise WardgateError(ErrorCode.DIRECTORY_REJECTED, "the directory shows other keys for this agency")


AgencyLookup = Callable[[str], Agency]
