"""The signed directory of agencies, and what a party demands before it trusts a new version of it.

`TrustedDirectory` is a state machine without I/O: bytes in, a verified directory out. Its rules, in order:

1. the directory is signed by the pinned gateway key and its version never goes back;
2. the ledger entry that published exactly these bytes stands in the gateway's ledger (inclusion proof), and its
   checkpoint extends the last one seen (consistency proof): a key is never swapped silently;
3. every agency's key statements form a chain: each signed by its own key, and from version 2 on by its predecessor too
   unless it says that this was lost (a reset: nobody is believed on it before two of the trustee's people approved it);
   a chain once seen may only grow: a gateway cannot replace an agency's key by itself;
4. every agency's description is signed by the agency itself (`federation.description`); one without a signature is
   taken only as it was seen before agencies signed them (`Seen.check_unsigned`);
5. the auditors' key statements form such a chain too, and it contains the key that was pinned out of band;
6. public points of every scope are signed by their own holder (gateway, trustee), and a point once seen under an epoch
   never becomes another;
7. a party that was listed finds itself in every later version, with its own keys unchanged, described as it signed last
   or in between.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, ClassVar, Final, Literal, Self, cast, get_args

from pydantic import Field, ValidationError

from federation.description import verify_description
from federation.document import AgencyName, Base64, Code, Document, Hex32, Hex64, Instant, IsoDate, SealingPublic
from federation.errors import ErrorCode, WardgateError
from federation.seen import Described, PointKey, Seen
from keys import domains
from keys.digest import sha256
from keys.errors import EncodingRejected, SignatureRejected
from keys.holder import Role
from keys.signing import VerifyKey

Positive = Annotated[int, Field(ge=1)]

AUDITORS: Final = "auditors"
"""Under this name the auditors state their keys; no agency may have it."""


class KeyStatement(Document):
    """An agency's keys of one version, said by the agency itself.

    Attributes:
        predecessor: The signing key of the version before.
        reset: The agency has lost that key, which therefore does not sign this statement. Nobody believes the agency
            before two of the trustee's people approved such a statement (`federation.register`).
    """

    v: Literal[1] = 1
    agency: AgencyName
    version: Positive
    signing_key: Hex32
    sealing_key: SealingPublic
    sealing_epoch: Positive
    predecessor: Hex32 | Literal[""]
    issued_at: Instant
    reset: bool = False


class SignedStatement(Document):
    """Statement bytes with the new key's signature and, from version 2, the predecessor's unless that was lost."""

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
    """One agency in the directory.

    Attributes:
        description_signature: The agency's own over its description's canonical bytes; empty in entries that are older
            than these signatures.
    """

    agency: AgencyDescriptor
    description_signature: Hex64 | Literal[""] = ""
    statements: Annotated[list[SignedStatement], Field(min_length=1, max_length=64)]
    gateway_points: SignedPoints
    trustee_points: SignedPoints


class DirectoryDocument(Document):
    """The directory as it is signed.

    Attributes:
        audit_key: Of version 1 only, which is read from older stores and believed from nobody.
        audit_keys: The auditors' key statements, oldest first; why a query was put is sealed to the newest.
    """

    MAX_BYTES: ClassVar[int] = 4 * 1024 * 1024
    """Some 500 agencies of 6 KiB each, most of it the post-quantum sealing key."""

    v: Literal[1, 2] = 2
    version: Positive
    issued_at: Instant
    audit_key: Base64 | Literal[""] = ""
    audit_keys: Annotated[list[SignedStatement], Field(default_factory=list, max_length=64)]
    agencies: Annotated[list[AgencyEntry], Field(max_length=2_000)]


@dataclass(frozen=True, slots=True)
class Anchors:
    """What a party was given out of band when it enrolled, and pins for ever.

    Attributes:
        audit_key: A signing key of the auditors: theirs of today must descend from it.
    """

    gateway_key: VerifyKey
    trustee_key: VerifyKey
    audit_key: VerifyKey


@dataclass(frozen=True, slots=True)
class Own:
    """What a party says of itself and must find in every directory that lists it.

    Attributes:
        keys: Its key statement.
        descriptions: SHA-256 of every description of itself that it signed, oldest first; None where what it verified
            and kept is read again, so that a list that was lost keeps nobody from starting.
    """

    keys: KeyStatement
    descriptions: tuple[bytes, ...] | None = ()

    def check_described(self, shown: Described, before: Described | None) -> None:
        """Make sure that the directory describes this party as it signed, and does not go back.

        Args:
            shown: How it is described, its signature verified where there is one.
            before: How it was described when it was seen last.

        Raises:
            WardgateError: `DIRECTORY_REJECTED`.
        """
        if self.descriptions is None:
            return
        if not shown.is_signed:
            if self.descriptions and before is None:
                raise WardgateError(
                    ErrorCode.DIRECTORY_REJECTED, "this agency's signature over its description is gone"
                )
            return
        order = {digest: place for place, digest in enumerate(self.descriptions)}
        if shown.digest not in order:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, "this agency is described as it has not signed")
        if before is not None and order[shown.digest] < order.get(before.digest, 0):
            raise WardgateError(
                ErrorCode.DIRECTORY_REJECTED, "this agency is described as it signed earlier than before"
            )


@dataclass(frozen=True, slots=True)
class Agency:
    """A verified agency: its description, current keys and public points by epoch.

    Attributes:
        describes_itself: Whether the description is signed by the agency.
        resets: SHA-256 of those statements of its chain that no predecessor signed, oldest first.
        replaced: The signing key that each of these replaced.
    """

    descriptor: AgencyDescriptor
    keys: KeyStatement
    verify_key: VerifyKey
    gateway_points: Mapping[int, bytes]
    trustee_points: Mapping[int, bytes]
    chain: tuple[bytes, ...]
    describes_itself: bool
    resets: tuple[bytes, ...] = ()
    replaced: tuple[VerifyKey, ...] = ()

    @property
    def since_reset(self) -> tuple[bytes, ...]:
        """SHA-256 of its key statements from the last reset on: those that hang together by the agency's own keys."""
        return self.chain[self.chain.index(self.resets[-1]) :] if self.resets else self.chain

    @property
    def epochs(self) -> AbstractSet[int]:
        """The pseudonym epochs that both holders publish."""
        return self.gateway_points.keys() & self.trustee_points.keys()

    @property
    def epoch(self) -> int:
        """The newest pseudonym epoch that both holders publish."""
        return max(self.epochs)

    def points(self, holder: Role) -> Mapping[int, bytes]:
        """One holder's public points by epoch."""
        return self.gateway_points if holder == "gateway" else self.trustee_points

    def every_point(self) -> dict[PointKey, bytes]:
        """Both holders' public points."""
        roles = cast("tuple[Role, ...]", get_args(Role))
        scope = self.descriptor.id
        return {PointKey(scope, epoch, role): public for role in roles for epoch, public in self.points(role).items()}


@dataclass(frozen=True, slots=True)
class TrustedDirectory:
    """A verified directory. `TrustedDirectory.empty(anchors)` starts; `advance` is the only way forward.

    Attributes:
        digest: SHA-256 of the directory's bytes; empty before the first.
        auditors: The auditors' newest key statement; None before the first directory.
        seen: What was seen of keys in this directory and all before it.
    """

    anchors: Anchors
    version: int = 0
    auditors: KeyStatement | None = None
    agencies: Mapping[str, Agency] = field(default_factory=dict)
    digest: bytes = b""
    seen: Seen = field(default_factory=Seen)

    @classmethod
    def empty(cls, anchors: Anchors, seen: Seen | None = None) -> Self:
        """The state before the first directory: only the pinned keys, and what is remembered."""
        return cls(anchors=anchors, seen=seen or Seen())

    @property
    def audit_key(self) -> bytes:
        """The key that reasons for queries are sealed to.

        Raises:
            WardgateError: `DIRECTORY_REJECTED`: no directory was verified yet.
        """
        if self.auditors is None:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, "no auditors' key is known")
        return self.auditors.sealing_key

    def advance(
        self,
        content: bytes,
        signature: bytes,
        *,
        entry: Mapping[str, object],
        own: Own | None = None,
    ) -> "TrustedDirectory":
        """Verify a newer directory against this one.

        Args:
            content: The directory's bytes.
            signature: The gateway's signature over them.
            entry: The ledger entry's body, whose inclusion the caller has verified (`federation.ledger.witness`).
            own: What the caller says of itself, which its own entry must not contradict.

        Raises:
            WardgateError: `DIRECTORY_REJECTED`, `POINTS_REPLACED` or `MESSAGE_*`.
        """
        document = DirectoryDocument.parse(content)
        _verify(self.anchors.gateway_key, signature, domains.DIRECTORY, content)
        self._check_version(document.version, sha256(content), entry)
        chain = _digests(document.audit_keys)
        self.seen.check_auditors(chain)
        auditors = verify_auditors(document.audit_keys, anchor=self.anchors.audit_key)
        agencies = {item.agency.id: self._agency(item) for item in document.agencies}
        if len(agencies) != len(document.agencies) or AUDITORS in agencies:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, "an agency stands twice, or under the auditors' name")
        described = {name: _described(agency) for name, agency in agencies.items()}
        if own is not None:
            self._check_own(agencies, own)
        points = {key: public for agency in agencies.values() for key, public in agency.every_point().items()}
        self.seen.check_points(points)
        chains = {name: agency.chain for name, agency in agencies.items()}
        seen = self.seen.extended(chains=chains, points=points, auditors=chain, descriptions=described)
        return TrustedDirectory(self.anchors, document.version, auditors, agencies, sha256(content), seen)

    def _check_version(self, version: int, digest: bytes, entry: Mapping[str, object]) -> None:
        if version < self.version:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"version went back to {version}")
        if version == self.version and digest != self.digest:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"two directories of version {version}")
        if entry.get("directory_sha256") != digest.hex() or entry.get("version") != version:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, "the ledger entry publishes another directory")

    def _check_own(self, agencies: Mapping[str, Agency], own: Own) -> None:
        name = own.keys.agency
        found = agencies.get(name)
        if found is None:
            if name in self.seen.chains:
                raise WardgateError(ErrorCode.DIRECTORY_REJECTED, "this agency, which was listed, is left out")
            return
        if found.keys != own.keys:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, "the directory shows other keys for this agency")
        own.check_described(_described(found), self.seen.descriptions.get(name))

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
        chain = _digests(entry.statements)
        self.seen.check_chain(entry.agency.id, chain)
        statements = verify_chain(entry.statements, agency=entry.agency.id)
        keys = statements[-1]
        describes_itself = self._describes_itself(entry, statements)
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
            describes_itself=describes_itself,
            resets=tuple(digest for digest, stated in zip(chain, statements, strict=True) if stated.reset),
            replaced=tuple(_key(before) for before, stated in pairwise(statements) if stated.reset),
        )

    def _describes_itself(self, entry: AgencyEntry, statements: Sequence[KeyStatement]) -> bool:
        """Whether an agency signed its description; only one of before agencies did may lack the signature."""
        name, content = entry.agency.id, entry.agency.canonical()
        if isinstance(entry.description_signature, str):
            self.seen.check_unsigned(name, sha256(content))
            return False
        able = statements[self.seen.signed_from(name, sha256(content)) :]
        verify_description(content, entry.description_signature, agency=name, keys=[_key(keys) for keys in able])
        return True


def _described(agency: Agency) -> Described:
    return Described(sha256(agency.descriptor.canonical()), agency.describes_itself)


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
    if statement.reset and (previous is None or signed.predecessor_signature):
        raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"key statement of {agency} resets nothing")
    if previous is not None and not statement.reset:
        if isinstance(signed.predecessor_signature, str):
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"keys of {agency} changed without the old key")
        _verify(_key(previous), signed.predecessor_signature, domains.KEY_STATEMENT, signed.statement)
    return statement


def verify_chain(statements: Sequence[SignedStatement], *, agency: str) -> list[KeyStatement]:
    """Verify a whole chain of key statements, the newest last.

    Raises:
        WardgateError: `DIRECTORY_REJECTED` or `MESSAGE_*`.
    """
    found: list[KeyStatement] = []
    for signed in statements:
        found.append(verify_statement(signed, agency=agency, previous=found[-1] if found else None))
    if not found:
        raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"{agency} has no keys")
    return found


def verify_auditors(statements: Sequence[SignedStatement], *, anchor: VerifyKey) -> KeyStatement:
    """Verify the auditors' chain, in which the pinned key must stand and no reset, and return the newest statement.

    Raises:
        WardgateError: `DIRECTORY_REJECTED` or `MESSAGE_*`.
    """
    chain = verify_chain(statements, agency=AUDITORS)
    if any(statement.reset for statement in chain):
        raise WardgateError(ErrorCode.DIRECTORY_REJECTED, "the auditors' keys changed without the old key")
    if bytes(anchor) not in {statement.signing_key for statement in chain}:
        raise WardgateError(ErrorCode.DIRECTORY_REJECTED, "the auditors' key does not descend from the pinned one")
    return chain[-1]


def _digests(statements: Sequence[SignedStatement]) -> tuple[bytes, ...]:
    return tuple(sha256(item.statement) for item in statements)


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


AgencyLookup = Callable[[str], Agency]
