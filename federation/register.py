"""The trustee's register: who is a member, as two of the trustee's people approved it. Pure.

A directory says who is who on the gateway's word. The register says it on the trustee's: every member with the hash of
a key statement of its chain and of its description, and the caseload that counts for quotas. Nobody believes a member
that is not in both. It expires, so that a gateway cannot keep showing an old one.

A member row rests on approvals: each is signed by a person's own key, which the trustee does not hold.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from federation.directory import Agency, TrustedDirectory
from federation.document import AgencyName, Document, Hex32, Hex64, Instant
from federation.errors import ErrorCode, WardgateError
from keys import domains
from keys.digest import sha256
from keys.errors import SignatureRejected
from keys.signing import SigningKey, VerifyKey

LIFE_S: Final = 7 * 24 * 3600
"""How long a register is believed."""
RENEW_S: Final = 24 * 3600
"""How often it is signed again though nothing changed."""
UNENDORSED_S: Final = 14 * 24 * 3600
"""How long members that nobody has approved yet are believed, where a region is older than its register."""
APPROVERS: Final = 2
"""One person never makes a member."""

Caseload = Annotated[int, Field(ge=0, le=5_000_000)]


class Approval(Document):
    """One person's approval of one member as it stands.

    Attributes:
        statement: SHA-256 of the agency's key statement whose fingerprint was compared.
        description: SHA-256 of its description in the directory.
        caseload: Children that count for its quotas.
        compared: How the fingerprint was compared: by which way it came from the agency, against which public register.
        approver: The person, as the trustee's settings name them.
    """

    MAX_BYTES: ClassVar[int] = 4 * 1024

    v: Literal[1] = 1
    agency: AgencyName
    statement: Hex32
    description: Hex32
    caseload: Caseload
    compared: Annotated[str, Field(min_length=8, max_length=400)]
    approver: AgencyName
    at: Instant

    @property
    def subject(self) -> tuple[str, bytes, bytes, int]:
        """What is approved: two approvals make a member only when they are of the very same."""
        return self.agency, self.statement, self.description, self.caseload


class SignedApproval(Document):
    """An approval's bytes with the person's signature."""

    MAX_BYTES: ClassVar[int] = 8 * 1024

    content: str
    signature: Hex64

    @classmethod
    def sign(cls, approval: Approval, key: SigningKey) -> "SignedApproval":
        """Sign with the person's own key."""
        content = approval.canonical()
        return cls(content=content.decode(), signature=key.sign(domains.APPROVAL, content))

    @property
    def approver(self) -> str:
        """Who says that it is theirs.

        Raises:
            WardgateError: `MESSAGE_*`.
        """
        return Approval.parse(self.content.encode()).approver

    def verify(self, approvers: Mapping[str, VerifyKey]) -> Approval:
        """The approval, if one of these people gave it.

        Raises:
            WardgateError: `APPROVAL_REFUSED` or `MESSAGE_*`.
        """
        content = self.content.encode()
        approval = Approval.parse(content)
        key = approvers.get(approval.approver)
        if key is None:
            raise WardgateError(ErrorCode.APPROVAL_REFUSED, f"{approval.approver} is no approver")
        try:
            key.verify(self.signature, domains.APPROVAL, content)
        except SignatureRejected as error:
            raise WardgateError(ErrorCode.APPROVAL_REFUSED, f"not signed by {approval.approver}") from error
        return approval


class Member(Document):
    """One member.

    Attributes:
        statement: SHA-256 of a key statement that the agency's chain must contain, at its last reset or after it; what
            follows it the agency signed itself.
        description: SHA-256 of its description, which the directory must show.
        approved_by: Who approved it; empty where it was a member before there was a register.
    """

    agency: AgencyName
    statement: Hex32
    description: Hex32
    caseload: Caseload
    approved_by: Annotated[list[AgencyName], Field(max_length=8)]
    approved_at: Instant

    @property
    def is_endorsed(self) -> bool:
        """Whether two people approved it."""
        return len(set(self.approved_by)) >= APPROVERS


class Revoked(Document):
    """An agency that is a member no more."""

    agency: AgencyName
    at: Instant


class RegisterDocument(Document):
    """The register as it is signed."""

    MAX_BYTES: ClassVar[int] = 2 * 1024 * 1024

    v: Literal[1] = 1
    version: Annotated[int, Field(ge=1)]
    issued_at: Instant
    expires_at: Instant
    unendorsed_until: Instant
    members: Annotated[list[Member], Field(max_length=2_000)]
    revoked: Annotated[list[Revoked], Field(max_length=4_000)]


@dataclass(frozen=True, slots=True)
class Register:
    """A verified register. `Register.advance` is the only way forward.

    Attributes:
        digest: SHA-256 of its bytes; empty before the first.
    """

    version: int = 0
    digest: bytes = b""
    expires_at: int = 0
    unendorsed_until: int = 0
    members: Mapping[str, Member] = field(default_factory=dict)
    revoked: Mapping[str, Revoked] = field(default_factory=dict)

    def advance(self, content: bytes, signature: bytes, *, key: VerifyKey, entry: Mapping[str, object]) -> "Register":
        """Verify a newer register against this one.

        Args:
            content: The register's bytes.
            signature: The trustee's signature over them.
            key: The trustee's, pinned.
            entry: The body of the entry in the trustee's ledger, whose inclusion the caller has verified.

        Raises:
            WardgateError: `REGISTER_REJECTED` or `MESSAGE_*`.
        """
        document, digest = RegisterDocument.parse(content), sha256(content)
        try:
            key.verify(signature, domains.REGISTER, content)
        except SignatureRejected as error:
            raise WardgateError(ErrorCode.REGISTER_REJECTED, "not signed by the trustee") from error
        if document.version < self.version:
            raise WardgateError(ErrorCode.REGISTER_REJECTED, f"version went back to {document.version}")
        if document.version == self.version and digest != self.digest:
            raise WardgateError(ErrorCode.REGISTER_REJECTED, f"two registers of version {document.version}")
        if entry.get("register_sha256") != digest.hex() or entry.get("version") != document.version:
            raise WardgateError(ErrorCode.REGISTER_REJECTED, "the ledger entry publishes another register")
        return Register(
            document.version,
            digest,
            document.expires_at,
            document.unendorsed_until,
            {member.agency: member for member in document.members},
            {gone.agency: gone for gone in document.revoked},
        )

    def check_current(self, now: float) -> None:
        """Say so when there is none to rely on.

        Raises:
            WardgateError: `REGISTER_REJECTED`: there was none yet, or the last one has expired.
        """
        if not self.version:
            raise WardgateError(ErrorCode.REGISTER_REJECTED, "there is none")
        if now >= self.expires_at:
            raise WardgateError(ErrorCode.REGISTER_REJECTED, f"version {self.version} has expired")

    def unendorsed(self) -> list[str]:
        """Members that nobody has approved yet."""
        return sorted(name for name, member in self.members.items() if not member.is_endorsed)

    def believes(self, agency: Agency, now: float) -> bool:
        """Whether an agency of the directory is the member that is registered."""
        member = self.members.get(agency.descriptor.id)
        if member is None or now >= self.expires_at:
            return False
        if not member.is_endorsed and now >= self.unendorsed_until:
            return False
        if member.is_endorsed and not agency.describes_itself:  # what people approve is what the agency says of itself
            return False
        return member.statement in agency.since_reset and member.description == description_of(agency)

    def changes_at(self, now: float) -> float:
        """When what is believed changes though nothing new is shown; seconds since the epoch."""
        times = [self.expires_at, *([self.unendorsed_until] if self.unendorsed() else [])]
        return min((at for at in times if at > now), default=float("inf"))


def description_of(agency: Agency) -> bytes:
    """SHA-256 of an agency's description."""
    return sha256(agency.descriptor.canonical())


class Believed:
    """The members that directory and register both show: what everybody acts on.

    Args:
        listed: The newest verified directory.
        register: The newest verified register.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, listed: Callable[[], TrustedDirectory], register: Callable[[], Register], *, clock: Callable[[], float]
    ) -> None:
        self._listed = listed
        self._register = register
        self._clock = clock
        self._of: tuple[TrustedDirectory, Register] | None = None
        self._until = float("-inf")
        self._believed = listed()

    def directory(self) -> TrustedDirectory:
        """The directory with those members alone; computed once for each directory, register and expiry."""
        listed, register, now = self._listed(), self._register(), self._clock()
        if self._of is None or self._of[0] is not listed or self._of[1] is not register or now >= self._until:
            agencies = {name: agency for name, agency in listed.agencies.items() if register.believes(agency, now)}
            self._believed = replace(listed, agencies=agencies)
            self._of, self._until = (listed, register), register.changes_at(now)
        return self._believed


def next_register(
    register: Register,
    listed: TrustedDirectory,
    *,
    approvals: Iterable[Approval],
    denied: Iterable[str],
    first_caseloads: Mapping[str, int],
    now: int,
) -> RegisterDocument:
    """The register as it should be now.

    Args:
        register: The last one.
        listed: The directory, as the trustee has verified it.
        approvals: Verified ones, of all times.
        denied: Agencies that are revoked as a whole: no approval brings them back.
        first_caseloads: Where there is no register yet: members of before it, with the caseload that counts for them.
        now: Seconds since the epoch.
    """
    members, revoked = dict(register.members), dict(register.revoked)
    until = register.unendorsed_until
    if not register.version:
        members = {
            name: Member(
                agency=name,
                statement=listed.agencies[name].chain[-1],
                description=description_of(listed.agencies[name]),
                caseload=caseload,
                approved_by=[],
                approved_at=now,
            )
            for name, caseload in first_caseloads.items()
            if name in listed.agencies
        }
        until = now + UNENDORSED_S if members else 0
    for member in _approved(approvals):
        known = members.get(member.agency)
        if known is None or not known.is_endorsed or member.approved_at > known.approved_at:
            members[member.agency] = member
    for name in denied:
        if members.pop(name, None) is not None and name not in revoked:  # its approvals are still there
            revoked[name] = Revoked(agency=name, at=now)
    return RegisterDocument(
        version=register.version + 1,
        issued_at=now,
        expires_at=now + LIFE_S,
        unendorsed_until=until,
        members=[members[name] for name in sorted(members)],
        revoked=[revoked[name] for name in sorted(revoked)],
    )


def _approved(approvals: Iterable[Approval]) -> list[Member]:
    """Members that enough different people approved, oldest first; the approval that completes them dates them."""
    given: dict[tuple[str, bytes, bytes, int], dict[str, int]] = {}
    for approval in approvals:
        given.setdefault(approval.subject, {})[approval.approver] = approval.at
    found = [
        Member(
            agency=agency,
            statement=statement,
            description=description,
            caseload=caseload,
            approved_by=sorted(people),
            approved_at=max(people.values()),
        )
        for (agency, statement, description, caseload), people in given.items()
        if len(people) >= APPROVERS
    ]
    return sorted(found, key=lambda member: (member.approved_at, member.agency))


def is_due(register: Register, wanted: RegisterDocument, *, issued_at: int, now: int) -> bool:
    """Whether the register must be signed again: something changed, or a day has passed."""
    members = {member.agency: member for member in wanted.members}
    changed = members != dict(register.members) or {gone.agency: gone for gone in wanted.revoked} != dict(
        register.revoked
    )
    return not register.version or changed or now >= issued_at + RENEW_S
