"""What a party has seen of others' keys, ever: none of it may become another. No I/O.

A directory shows the keys of the day. What it showed before must not be forgotten when an agency leaves, an epoch ends
or the party restarts, or a gateway could take something out, wait, and show another in its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Final, Literal, Self

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


class SeenDocument(Document):
    """`Seen` as it is kept."""

    MAX_BYTES: ClassVar[int] = 16 * 1024 * 1024

    v: Literal[1] = 1
    chains: list[SeenChain]
    points: list[SeenPoint]
    auditors: list[Hex32]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen.

    Attributes:
        chains: For each agency the SHA-256 of its key statements, oldest first.
        points: Every public point, of epochs that ended too.
        auditors: SHA-256 of the auditors' key statements, oldest first.
    """

    chains: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    points: Mapping[PointKey, bytes] = field(default_factory=dict)
    auditors: tuple[bytes, ...] = ()

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
    ) -> Self:
        """With what was seen since, all of which was checked."""
        return type(self)({**self.chains, **chains}, {**self.points, **points}, auditors or self.auditors)

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
        )
