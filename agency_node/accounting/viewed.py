"""Who looked: an entry before what is shown leaves, one for each person, thing and quarter of an hour."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agency_node.users import User
from agency_node.vault import Vault
from federation.actor import Actor
from federation.canonical import JsonObject
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.transport.correlation import correlation

ONCE_IN_S: Final = 900.0
"""Looks of one person at one thing within so many seconds are one view: a screen reads again and again."""


class What(StrEnum):
    """What people of a node look at that tells of children."""

    PICTURE = "picture"
    REFERRAL = "referral"
    REJECTED_ROWS = "rejected_rows"
    COMPARISON = "comparison"


@dataclass(frozen=True, slots=True)
class Sight:
    """One thing that is about to be shown.

    Attributes:
        what: Its kind.
        why: In the bundle's or this node's words: the purpose of the query, or the work it is shown for.
        id: Of the thing, where it has one of its own beside the query's: a referral's.
        query_id: The query it belongs to; None where it belongs to none.
    """

    what: What
    why: str
    id: str = ""
    query_id: str | None = None


class Viewed:
    """Writes down what is looked at.

    After a restart a look that was written a moment before is written once more.
    """

    def __init__(self, journal: Journal, vault: Vault, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._vault = vault
        self._clock = clock
        self._seen: dict[tuple[str, Sight], float] = {}

    async def record(self, user: User, sights: Sequence[Sight]) -> None:
        """Write down that a person looks at these; only then may they be shown.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`: nothing may be shown.
        """
        now = self._clock()
        self._seen = {key: at for key, at in self._seen.items() if 0 <= now - at < ONCE_IN_S}
        new = [sight for sight in dict.fromkeys(sights) if (user.id, sight) not in self._seen]
        if not new:
            return
        await self._journal.record([self._entry(user, sight, int(now)) for sight in new])
        self._seen |= {(user.id, sight): now for sight in new}

    def _entry(self, user: User, sight: Sight, now: int) -> Entry:
        ref = self._vault.user_ref(user.id)
        body: JsonObject = {"user_ref": ref, "role": user.role, "what": sight.what.value, "why": sight.why}
        if sight.id:
            body["id"] = sight.id
        return Entry(
            kind=EntryKind.VIEWED,
            at=now,
            actor=Actor.user(ref),
            correlation_id=correlation(),
            query_id=sight.query_id,
            body=body,
        )
