"""What a party has seen of others' keys, ever: none of it may become another. No I/O.

A directory shows the keys of the day. What it showed before must not be forgotten when an agency leaves, an epoch ends
or the party restarts, or a gateway could take something out, wait, and show another in its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Final, Literal, NamedTuple, Self

from pydantic import Field

from federation.document import AgencyName, Document, Hex32
from federation.errors import ErrorCode, WardgateError

NAMED: Final = 100
"""Most points that an error about replaced ones names; the rest it counts."""

Holder = Literal["gateway", "trustee"]


@dataclass(frozen=True, slots=True, order=True)
class PointKey:
    """Which public point: a holder's, of one epoch of a scope."""

    scope: str
    epoch: int
    holder: str

    def __str__(self) -> str:
        return f"{self.scope}/{self.epoch}/{self.holder}"


class PointsReplacedError(WardgateError):
    """Points that were seen before are shown as others under the same epoch.

    Attributes:
        points: Which.
    """

    def __init__(self, points: Sequence[PointKey]) -> None:
        named = ", ".join(str(key) for key in points[:NAMED])
        super().__init__(ErrorCode.POINTS_REPLACED, f"{len(points)}: {named}")
        self.points: Final = tuple(points)


class SeenChain(Document):
    """One agency's key statements, by their SHA-256, oldest first."""

    agency: AgencyName
    statements: Annotated[list[Hex32], Field(min_length=1, max_length=64)]


class SeenPoint(Document):
    """One public point."""

    scope: AgencyName
    epoch: Annotated[int, Field(ge=1)]
    holder: Holder
    public: Hex32


class SeenDescription(Document):
    """How one agency was described when it was listed last.

    Attributes:
        description: SHA-256 of the description's canonical bytes.
        signed: Whether the agency had signed it.
    """

    agency: AgencyName
    description: Hex32
    signed: bool


class SeenDocument(Document):
    """`Seen` as it is kept.

    Attributes:
        descriptions: Empty where the store is older than agencies' signatures over their descriptions.
    """

    MAX_BYTES: ClassVar[int] = 16 * 1024 * 1024

    v: Literal[1] = 1
    chains: list[SeenChain]
    points: list[SeenPoint]
    auditors: list[Hex32]
    descriptions: Annotated[list[SeenDescription], Field(default_factory=list)]


class Described(NamedTuple):
    """How an agency was described: the description's SHA-256, and whether the agency had signed it."""

    digest: bytes
    is_signed: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen.

    Attributes:
        chains: For each agency the SHA-256 of its key statements, oldest first.
        points: Every public point, of epochs that ended too.
        auditors: SHA-256 of the auditors' key statements, oldest first.
        descriptions: For each agency how it was described when it was listed last.
    """

    chains: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    points: Mapping[PointKey, bytes] = field(default_factory=dict)
    auditors: tuple[bytes, ...] = ()
    descriptions: Mapping[str, Described] = field(default_factory=dict)

    def check_chain(self, agency: str, chain: tuple[bytes, ...]) -> None:
        """Make sure that a chain only grew.

        Raises:
            WardgateError: `DIRECTORY_REJECTED`.
        """
        before = self.chains.get(agency, ())
        if chain[: len(before)] != before:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"keys of {agency} were replaced")

    def check_auditors(self, chain: tuple[bytes, ...]) -> None:
        """Make sure that the auditors' chain only grew.

        Raises:
            WardgateError: `DIRECTORY_REJECTED`.
        """
        if chain[: len(self.auditors)] != self.auditors:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, "the auditors' key was replaced")

    def check_unsigned(self, agency: str, digest: bytes) -> None:
        """Make sure that a description without its agency's signature is one of before agencies signed them.

        That is: it was seen so, without a signature; or no description of anybody was ever seen, as by a party that has
        just come, or whose store is older than the signatures. Nobody is to be believed on it but a member that stands
        in the register from before there was one (`Register.believes`).

        Raises:
            WardgateError: `DIRECTORY_REJECTED`.
        """
        if self.descriptions and self.descriptions.get(agency) != Described(digest, is_signed=False):
            raise WardgateError(
                ErrorCode.DIRECTORY_REJECTED, f"the description of {agency} has no signature of its own"
            )

    def signed_from(self, agency: str, digest: bytes) -> int:
        """From which key of an agency's chain on a description may be signed: see `federation.description`."""
        known = self.descriptions.get(agency)
        return 0 if known is not None and known.digest == digest else max(len(self.chains.get(agency, ())) - 1, 0)

    def check_points(self, shown: Mapping[PointKey, bytes]) -> None:
        """Make sure that no point became another.

        Raises:
            PointsReplacedError: Which did.
        """
        other = sorted(key for key, public in shown.items() if self.points.get(key, public) != public)
        if other:
            raise PointsReplacedError(other)

    def extended(
        self,
        *,
        chains: Mapping[str, tuple[bytes, ...]],
        points: Mapping[PointKey, bytes],
        auditors: tuple[bytes, ...],
        descriptions: Mapping[str, Described],
    ) -> Self:
        """With what was seen since, all of which was checked."""
        return type(self)(
            {**self.chains, **chains},
            {**self.points, **points},
            auditors or self.auditors,
            {**self.descriptions, **descriptions},
        )

    def content(self) -> bytes:
        """As it is kept: canonical JSON."""
        return SeenDocument(
            chains=[SeenChain(agency=name, statements=list(chain)) for name, chain in sorted(self.chains.items())],
            points=[
                SeenPoint.model_validate(
                    {"scope": key.scope, "epoch": key.epoch, "holder": key.holder, "public": public}
                )
                for key, public in sorted(self.points.items())
            ],
            auditors=list(self.auditors),
            descriptions=[
                SeenDescription(agency=name, description=described.digest, signed=described.is_signed)
                for name, described in sorted(self.descriptions.items())
            ],
        ).canonical()

    @classmethod
    def of(cls, content: bytes) -> Self:
        """What `content` kept.

        Raises:
            WardgateError: `MESSAGE_*`: the store was tampered with.
        """
        document = SeenDocument.parse(content)
        return cls(
            {item.agency: tuple(item.statements) for item in document.chains},
            {PointKey(item.scope, item.epoch, item.holder): item.public for item in document.points},
            tuple(document.auditors),
            {item.agency: Described(item.description, item.signed) for item in document.descriptions},
        )
