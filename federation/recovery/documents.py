"""What a recovery of a ledger consists of: what others saw of it, what is proposed, and who agreed. Pure.

A ledger that lost its end is whole in itself. What was lost is known to whoever saw it, and proves itself: checkpoints,
directories, deny lists and registers are signed by the very party that lost them. So nobody has to be believed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from federation.document import Document, Hex64, Instant, PartyUri
from federation.errors import ErrorCode, WardgateError
from federation.ledger.checkpoint import NoteKey, SignedCheckpoint, verify_checkpoint
from keys import domains
from keys.digest import sha256
from keys.errors import SignatureRejected
from keys.signing import SigningKey

Kind = Literal["directory", "deny-list", "register"]
"""What the keeper of a ledger publishes in versions; each name is the domain of its signature too."""

Note = Annotated[str, Field(min_length=1, max_length=4 * 1024)]
"""A checkpoint with the signature of its ledger alone."""

Version = Annotated[int, Field(ge=0, le=2**40)]

SIGNED_BY_BOTH: Final = 2


class _Versioned(Document):
    """The one field that every published document has."""

    model_config = Document.model_config | {"extra": "ignore"}
    MAX_BYTES: ClassVar[int] = 4 * 1024 * 1024

    version: Version


class Published(Document):
    """A document that the keeper of a ledger signed and published, as somebody kept it."""

    kind: Kind
    content: Annotated[str, Field(max_length=4 * 1024 * 1024)]
    signature: Hex64

    def verify(self, keeper: NoteKey) -> int:
        """Its version, if the keeper of this ledger signed it.

        Raises:
            WardgateError: `RECOVERY_REFUSED` or `MESSAGE_*`.
        """
        content = self.content.encode()
        try:
            keeper.key.verify(self.signature, self.kind, content)
        except SignatureRejected as error:
            raise refused(f"a {self.kind} that {keeper.name} did not sign") from error
        return _Versioned.parse(content).version


class SeenLedger(Document):
    """One ledger as one party saw it last.

    Attributes:
        published: The newest of each kind that it verified.
    """

    checkpoint: Note
    published: Annotated[list[Published], Field(max_length=3)]


class Sighting(Document):
    """What one party saw last of the ledgers that it follows: nothing in it is secret, or about a child.

    Attributes:
        ledgers: By the ledger's name.
    """

    MAX_BYTES: ClassVar[int] = 32 * 1024 * 1024

    v: Literal[1] = 1
    party: PartyUri
    at: Instant
    ledgers: Annotated[dict[str, SeenLedger], Field(max_length=2)]


class Recovery(Document):
    """What is proposed: from where a ledger goes on, and what was lost.

    Attributes:
        common: Number of entries up to which what is kept and what was lost are known to be the same.
        kept: The ledger as it goes on.
        lost: The largest checkpoint that anybody saw and that the ledger does not extend.
        versions: The highest version that anybody saw of each kind: the next one is higher.
        reason: What happened, for whoever is asked to accept.
    """

    v: Literal[1] = 1
    common: Version
    kept: Note
    lost: Note
    versions: dict[Kind, Version]
    reason: Annotated[str, Field(min_length=8, max_length=400)]
    at: Instant


@dataclass(frozen=True, slots=True)
class Centre:
    """The two ledgers that everybody follows. Where one is recovered, the keeper of the other has to agree."""

    gateway: NoteKey
    trustee: NoteKey

    def keeper(self, origin: str) -> NoteKey:
        """Whose ledger that is.

        Raises:
            WardgateError: `RECOVERY_REFUSED`: neither's.
        """
        for key in (self.gateway, self.trustee):
            if key.name == origin:
                return key
        raise refused(f"{origin} is no ledger that others follow")

    def counterpart(self, keeper: NoteKey) -> NoteKey:
        """Who has to agree before anybody else is asked."""
        return self.trustee if keeper == self.gateway else self.gateway


@dataclass(frozen=True, slots=True)
class Proposal:
    """A recovery that verified.

    Attributes:
        keeper: Whose ledger it is about.
        digest: SHA-256 of the recovery's bytes: what entries name it by.
        by_both: Whether the counterpart agreed.
    """

    recovery: Recovery
    keeper: NoteKey
    kept: SignedCheckpoint
    lost: SignedCheckpoint
    digest: bytes
    by_both: bool


class SignedRecovery(Document):
    """A recovery's bytes with the keeper's signature and, once it agreed, the counterpart's."""

    content: Annotated[str, Field(max_length=16 * 1024)]
    signatures: Annotated[list[Hex64], Field(min_length=1, max_length=SIGNED_BY_BOTH)]

    @classmethod
    def propose(cls, recovery: Recovery, key: SigningKey) -> "SignedRecovery":
        """Sign as the keeper of the ledger."""
        content = recovery.canonical()
        return cls(content=content.decode(), signatures=[key.sign(domains.RECOVERY, content)])

    def agreed(self, key: SigningKey) -> "SignedRecovery":
        """Sign as the counterpart, what has been verified."""
        return SignedRecovery(
            content=self.content,
            signatures=[self.signatures[0], key.sign(domains.RECOVERY, self.content.encode())],
        )

    def verify(self, centre: Centre) -> Proposal:
        """What is proposed, if its signatures are right and it makes sense.

        Raises:
            WardgateError: `RECOVERY_REFUSED`, `LEDGER_INVALID` or `MESSAGE_*`.
        """
        content = self.content.encode()
        recovery = Recovery.parse(content)
        keeper = centre.keeper(recovery.kept.partition("\n")[0])
        for key, signature in zip((keeper, centre.counterpart(keeper)), self.signatures, strict=False):
            try:
                key.key.verify(signature, domains.RECOVERY, content)
            except SignatureRejected as error:
                raise refused(f"not signed by the keeper of {key.name}") from error
        kept = verify_checkpoint(recovery.kept.encode(), keeper)
        lost = verify_checkpoint(recovery.lost.encode(), keeper)
        if recovery.common > min(kept.size, lost.size) or kept.checkpoint == lost.checkpoint:
            raise refused("what it keeps and what it says was lost do not go together")
        return Proposal(recovery, keeper, kept, lost, sha256(content), len(self.signatures) == SIGNED_BY_BOTH)


def newest(sightings: Iterable[Sighting], keeper: NoteKey) -> dict[Kind, Published]:
    """The newest document of each kind that anybody saw of one ledger's keeper.

    Raises:
        WardgateError: `RECOVERY_REFUSED`: one is not signed by it; `LEDGER_FORKED`: two of one version differ, which no
            loss explains.
    """
    found: dict[Kind, tuple[int, Published]] = {}
    for sighting in sightings:
        seen = sighting.ledgers.get(keeper.name)
        for published in seen.published if seen else []:
            version = published.verify(keeper)
            best = found.get(published.kind)
            if best is not None and best[0] == version and best[1].content != published.content:
                raise WardgateError(ErrorCode.LEDGER_FORKED, f"two different {published.kind} of version {version}")
            if best is None or version > best[0]:
                found[published.kind] = (version, published)
    return {kind: published for kind, (_, published) in found.items()}


def versions_of(published: Mapping[Kind, Published], keeper: NoteKey) -> dict[Kind, int]:
    """The version of each.

    Raises:
        WardgateError: `RECOVERY_REFUSED` or `MESSAGE_*`.
    """
    return {kind: document.verify(keeper) for kind, document in published.items()}


def check_names_all(proposal: Proposal, seen: SignedCheckpoint | None, versions: Mapping[Kind, int]) -> None:
    """Whether a recovery names everything that one party saw: what it does not name would be lost without a word.

    Args:
        proposal: What is proposed.
        seen: The last checkpoint that the party verified; None for none.
        versions: The versions that it verified last.

    Raises:
        WardgateError: `RECOVERY_REFUSED`.
    """
    lost, named = proposal.lost, proposal.recovery.versions
    if seen is not None and seen.size > lost.size:
        raise refused(
            f"{seen.size} entries were seen here, {lost.size} are named: have what was seen here proposed too"
        )
    if seen is not None and seen.size == lost.size and seen.root != lost.root:
        raise refused(f"another tree of {lost.size} entries was seen here than the one named")
    for kind, version in versions.items():
        if version > named.get(kind, 0):
            raise refused(f"{kind} {version} was seen here, which is not named: have what was seen here proposed too")


def refused(detail: str) -> WardgateError:
    """A recovery that is not taken."""
    return WardgateError(ErrorCode.RECOVERY_REFUSED, detail)
