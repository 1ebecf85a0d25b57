"""What a service says of itself in its ledger: that it starts and stops, and with which settings and files."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import Final

from federation.actor import Actor
from federation.canonical import JsonObject
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.reader import Criteria
from federation.settings import ServiceSettings
from federation.transport.correlation import correlation

_DIGEST: Final = "digest"
_NAME: Final = "name"


class ServiceRecord:
    """Writes what a service says of itself. What was said last is read from the ledger, also after a restart."""

    def __init__(self, journal: Journal, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._clock = clock
        self._actor = Actor.keeper(journal.key.name)

    @asynccontextmanager
    async def running(self, settings: ServiceSettings, body: JsonObject) -> AsyncIterator[None]:
        """Say that the service starts and, at the end of the block, that it stops.

        A service that is killed says nothing: its next start follows another start.

        Args:
            settings: Those it runs with; that they are others than last time is an entry of its own.
            body: What else there is to say of the start.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`.
        """
        started_at = int(self._clock())
        digest = settings.digest
        await self.changed(EntryKind.SETTINGS_CHANGED, digest)
        start = {"version": version("wardgate"), "settings_sha256": digest, **body}
        await self._journal.record([self._entry(EntryKind.SERVICE_STARTED, start)])
        try:
            yield
        finally:
            ran = {"ran_s": int(self._clock()) - started_at}
            await self._journal.record([self._entry(EntryKind.SERVICE_STOPPED, ran)])

    async def changed(self, kind: EntryKind, digest: str, *, name: str = "", body: JsonObject | None = None) -> bool:
        """Say what is in force, unless it is what was said last of this kind and name; returns whether it was said.

        Args:
            kind: `settings_changed`, `users_changed`, ...
            digest: Of the content; empty for none.
            name: Of the thing, where there are several of a kind.
            body: What else there is to say of it.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`.
        """
        said = await self.last(kind)
        if said.get(name, "") == digest:
            return False
        content: JsonObject = {_DIGEST: digest, "before": said.get(name, ""), **({_NAME: name} if name else {})}
        await self._journal.record([self._entry(kind, content | (body or {}))])
        return True

    async def last(self, kind: EntryKind) -> dict[str, str]:
        """The digest that was said last, by name. Raises `STORE_UNAVAILABLE`."""
        said: dict[str, str] = {}
        criteria = Criteria(kind=kind)
        while True:
            page = await self._journal.search(criteria)
            for stored in page:
                said[str(stored.entry.body.get(_NAME, ""))] = str(stored.entry.body[_DIGEST])
            if len(page) < criteria.limit:
                return said
            criteria = replace(criteria, start=page[-1].index + 1)

    def _entry(self, kind: EntryKind, body: JsonObject) -> Entry:
        return Entry(
            kind=kind, at=int(self._clock()), actor=self._actor, correlation_id=correlation(), query_id=None, body=body
        )
