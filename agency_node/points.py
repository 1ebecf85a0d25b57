"""The points of pseudonym keys that this node holds the key holders to.

Everything this node can find, it finds by pseudonyms made under certain points. A directory that shows another point
under a running epoch, from either holder and however well it is signed, makes those pseudonyms find nobody: then this
node answers `error` and asks nothing, and raises an alarm, for as long as the directory says so. Points of other
agencies are pinned when they are first seen: where one of them changes this node raises the alarm too.
"""

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agency_node.store import points as store
from federation.actor import Actor
from federation.directory import TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.published import NAMED, PointKey, points_of, replaced
from federation.store import store_errors
from federation.telemetry import EventLog
from federation.transport.correlation import correlation

ALARM: Final = "POINTS_REPLACED"

_log = EventLog(__name__)


class PinnedPoints:
    """What this node has seen of points, and whether the directory still shows it.

    Args:
        agency: This agency.
        directory: The newest verified directory.
        engine: The node's store, for reading.
        journal: The only way to write.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        agency: str,
        directory: Callable[[], TrustedDirectory],
        engine: AsyncEngine,
        journal: Journal,
        clock: Callable[[], float],
    ) -> None:
        self._agency = agency
        self._directory = directory
        self._engine = engine
        self._journal = journal
        self._clock = clock
        self._followed = TrustedDirectory.empty(directory().anchors)
        self._alarmed: Mapping[PointKey, bytes] = {}

    async def follow(self) -> None:
        """Pin what the directory shows for the first time; raise an alarm about each point that is another now.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`: to be tried again.
        """
        directory = self._directory()
        if directory is self._followed:
            return
        async with store_errors("pinned points"), self._engine.connect() as connection:
            pinned = await store.all_points(connection)
        shown = {key: public for agency in directory.agencies.values() for key, public in points_of(agency).items()}
        other = {key: public for key, public in sorted(shown.items()) if pinned.get(key, public) != public}
        news = [key for key, public in other.items() if self._alarmed.get(key) != public]
        new, now = [item for item in shown.items() if item[0] not in pinned], int(self._clock())
        if new or news:
            entries = [self._alarm(directory, news, now)] if news else []
            await self._journal.record(entries, lambda connection: store.pin(connection, new, now))
        for key in news:
            _log.event(Event.POINTS_REPLACED, scope=key.scope, epoch=key.epoch, party=key.holder)
        self._followed, self._alarmed = directory, other

    def _alarm(self, directory: TrustedDirectory, news: list[PointKey], now: int) -> Entry:
        body = {
            "alarm": ALARM,
            "version": directory.version,
            "count": len(news),
            "points": [str(key) for key in news[:NAMED]],
        }
        return Entry(
            kind=EntryKind.ALARM_RAISED,
            at=now,
            actor=Actor.agency(self._agency),
            correlation_id=correlation(),
            query_id=None,
            body=body,
        )

    async def are_replaced(self, connection: AsyncConnection) -> bool:
        """Whether the directory shows other points for this agency than its pseudonyms were made under."""
        agency = self._directory().agencies.get(self._agency)
        if agency is None:
            return False
        return any(replaced(await store.points_of(connection, self._agency), agency))

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


async def pin_used(connection: AsyncConnection, used: Mapping[PointKey, bytes], now: int) -> None:
    """Pin the points under which pseudonyms were made, in the transaction that writes those.

    Raises:
        WardgateError: `POINTS_REPLACED`: there are pseudonyms of that epoch under other points. Nothing is written.
    """
    for scope in {key.scope for key in used}:
        pinned = await store.points_of(connection, scope)
        if any(pinned.get(key, public) != public for key, public in used.items()):
            raise WardgateError(ErrorCode.POINTS_REPLACED, scope)
        await store.pin(connection, [item for item in used.items() if item[0] not in pinned], now)
