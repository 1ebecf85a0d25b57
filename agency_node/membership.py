"""Who is new among the members of this agency's areas, is described otherwise than before, or has lost its keys.

Whom this node asks, and who may ask it, is decided by directory and register; both are other organisations' word. So
every change of it is an alarm in the log, an entry of this node's own ledger, and a line of its status. That keys of an
agency were replaced without the old ones is said as soon as the gateway lists it, before anybody believes it.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.actor import Actor
from federation.canonical import JsonObject, to_canonical
from federation.directory import Agency, TrustedDirectory
from federation.events import Event
from federation.following.kept import State, keep_states, read_states
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.register import description_of
from federation.store import store_errors
from federation.telemetry import EventLog
from federation.transport.correlation import correlation
from federation.vocabulary import UserRef

KNOWN: Final = "known-members"
MAX_SHOWN: Final = 100
"""Changes that stand in the status until somebody has seen them; the ledger has all."""

_log = EventLog(__name__)


class Neighbours:
    """The members of this agency's areas as they were seen last.

    Args:
        agency: This agency.
        members: Those whom directory and register show.
        listed: Those whom the directory alone shows.
        engine: The node's store, for reading.
        journal: The only way to write.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        agency: str,
        members: Callable[[], TrustedDirectory],
        listed: Callable[[], TrustedDirectory],
        *,
        engine: AsyncEngine,
        journal: Journal,
        clock: Callable[[], float],
    ) -> None:
        self._agency = agency
        self._members = members
        self._listed = listed
        self._engine = engine
        self._journal = journal
        self._clock = clock
        self._seen: TrustedDirectory | None = None
        self._known: dict[str, Any] = {}
        self._keeping = asyncio.Lock()

    def changes(self) -> list[JsonObject]:
        """What changed and nobody has seen yet, newest first."""
        return list(self._known.get("changes", []))

    async def see(self, seen_by: UserRef, *, until: int) -> int:
        """A person has seen what changed up to a time: the ledger says who, and the status shows it no more.

        Args:
            seen_by: Who.
            until: Time of the newest change that was shown, seconds since the epoch.

        Returns:
            How many changes that were.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `OUTCOME_UNKNOWN`.
        """
        async with self._keeping:
            seen = [change for change in self.changes() if change["at"] <= until]
            if seen:
                left = [change for change in self.changes() if change not in seen]
                entry = self._entry(EntryKind.MEMBERS_SEEN, Actor.user(seen_by), seen)
                await self._write({**self._known, "changes": left}, [entry])
        return len(seen)

    async def load(self) -> None:
        """Take up what was seen before a restart.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        async with store_errors("known members"), self._engine.connect() as connection:
            states = await read_states(connection)
        self._known = json.loads(states[KNOWN].content) if KNOWN in states else {}

    async def refresh(self) -> None:
        """Compare the members with those seen last; what is new is recorded before it counts as seen.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `OUTCOME_UNKNOWN`; tried again with the next look at the gateway.
        """
        async with self._keeping:
            await self._refresh()

    async def _refresh(self) -> None:
        members = self._members()
        own = members.agencies.get(self._agency)
        if members is self._seen:
            return
        await self._say_resets()
        if own is None:
            await self._say_left_out()
            self._seen = members
            return
        now = {name: _shown(item) for name, item in members.agencies.items() if _share_an_area(own, item)}
        before: dict[str, Any] | None = self._known.get("members")
        changes = [] if before is None else self._compared(before, now)
        if before != now:
            await self._keep({**self._known, "members": now, **self._with(changes)}, changes)
        self._seen = members

    async def _say_resets(self) -> None:
        """Agencies of this agency's areas whose keys were replaced without the old ones, believed or not."""
        listed = self._listed().agencies
        own = listed.get(self._agency)
        if own is None:
            return
        now = {name: agency.resets[-1].hex() for name, agency in listed.items() if agency.resets}
        before: dict[str, str] | None = self._known.get("resets")
        if before == now:
            return
        at = int(self._clock())
        changes: list[JsonObject] = [
            {"at": at, "agency": name, "change": "keys_reset", "kind": listed[name].descriptor.kind}
            for name in sorted(now)
            if before is not None and before.get(name) != now[name] and _share_an_area(own, listed[name])
        ]
        await self._keep({**self._known, "resets": now, **self._with(changes)}, changes)

    def _with(self, changes: list[JsonObject]) -> JsonObject:
        return {"changes": [*changes, *self.changes()][:MAX_SHOWN]}

    async def _say_left_out(self) -> None:
        """This agency was a member, and is one no more to anybody: revoked, or described as it was not approved."""
        if self._agency not in self._known.get("members", {}):
            return
        change: JsonObject = {"at": int(self._clock()), "agency": self._agency, "change": "left_out", "kind": ""}
        others = {name: shown for name, shown in self._known["members"].items() if name != self._agency}
        await self._keep({**self._known, "members": others, **self._with([change])}, [change])

    def _compared(self, before: dict[str, Any], now: dict[str, Any]) -> list[JsonObject]:
        at = int(self._clock())
        return [
            {"at": at, "agency": name, "change": "new" if name not in before else "changed", "kind": shown["kind"]}
            for name, shown in sorted(now.items())
            if name != self._agency and before.get(name) != shown
        ]

    async def _keep(self, known: JsonObject, changes: list[JsonObject]) -> None:
        actor = Actor.agency(self._agency)
        entries = [self._entry(EntryKind.MEMBERS_CHANGED, actor, changes[:MAX_SHOWN])] if changes else []
        await self._write(known, entries)
        for change in changes:
            _log.event(Event.MEMBERS_CHANGED, agency=change["agency"], kind=change["change"])

    async def _write(self, known: JsonObject, entries: list[Entry]) -> None:
        now = int(self._clock())
        state = State(now, to_canonical(known))

        async def apply(connection: AsyncConnection) -> None:
            await keep_states(connection, {KNOWN: state}, now)

        await self._journal.record(entries, apply)
        self._known = known

    def _entry(self, kind: EntryKind, actor: Actor, changes: list[JsonObject]) -> Entry:
        return Entry(
            kind=kind,
            at=int(self._clock()),
            actor=actor,
            correlation_id=correlation(),
            query_id=None,
            body={"changes": [{key: change[key] for key in ("agency", "change", "kind")} for change in changes]},
        )


def _share_an_area(one: Agency, other: Agency) -> bool:
    return bool(set(one.descriptor.areas) & set(other.descriptor.areas))


def _shown(agency: Agency) -> JsonObject:
    return {"kind": agency.descriptor.kind, "description": description_of(agency).hex()}
