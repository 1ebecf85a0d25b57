"""The points of pseudonym keys under which this node can find children, and whether they still are what they were.

Everything this node can find, it finds by pseudonyms made under certain points. A gateway that shows another point
under a running epoch, from either holder and however well it is signed, is not believed (`federation.following`); and
for as long as it shows one of this agency's, this node answers `error` and asks nothing: its pseudonyms would find
nobody.
"""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agency_node.store import points as store
from federation.directory import TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.seen import PointKey, PointsReplacedError, Seen
from federation.store import store_errors


class PinnedPoints:
    """What this node indexed under, and whether the directory still shows it.

    Args:
        agency: This agency.
        directory: The newest verified directory.
        refused: Points that the gateway shows as others than they were (`FollowedGateway.refused_points`).
        engine: The node's store, for reading.
    """

    def __init__(
        self,
        *,
        agency: str,
        directory: Callable[[], TrustedDirectory],
        refused: Callable[[], Sequence[PointKey]],
        engine: AsyncEngine,
    ) -> None:
        self._agency = agency
        self._directory = directory
        self._refused = refused
        self._engine = engine

    async def are_replaced(self, connection: AsyncConnection) -> bool:
        """Whether this agency's pseudonyms were made under other points than are shown for it now."""
        if any(key.scope == self._agency for key in self._refused()):
            return True
        agency = self._directory().agencies.get(self._agency)
        if agency is None:
            return False
        return is_replaced(await store.points_of(connection, self._agency), agency.every_point())

    async def check(self, connection: AsyncConnection) -> None:
        """Refuse to go on with this agency's own pseudonyms where they find nobody any more.

        Raises:
            WardgateError: `POINTS_REPLACED`.
        """
        if await self.are_replaced(connection):
            raise WardgateError(ErrorCode.POINTS_REPLACED, self._agency)

    async def hold(self) -> bool:
        """For the health answer: true as long as this agency's points are what they were.

        Raises:
            WardgateError: `POINTS_REPLACED`, `STORE_UNAVAILABLE`.
        """
        async with store_errors("pinned points"), self._engine.connect() as connection:
            await self.check(connection)
        return True


def is_replaced(pinned: Mapping[PointKey, bytes], shown: Mapping[PointKey, bytes]) -> bool:
    """Whether a point is shown as another than is pinned. One that is published no more is not replaced."""
    try:
        Seen(points=pinned).check_points(shown)
    except PointsReplacedError:
        return True
    return False


async def pin_used(connection: AsyncConnection, used: Mapping[PointKey, bytes], now: int) -> None:
    """Pin the points under which pseudonyms were made, in the transaction that writes those.

    Raises:
        WardgateError: `POINTS_REPLACED`: there are pseudonyms of that epoch under other points. Nothing is written.
    """
    for scope in {key.scope for key in used}:
        pinned = await store.points_of(connection, scope)
        if is_replaced(pinned, used):
            raise WardgateError(ErrorCode.POINTS_REPLACED, scope)
        await store.pin(connection, [item for item in used.items() if item[0] not in pinned], now)
