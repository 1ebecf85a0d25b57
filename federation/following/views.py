"""Comparing views of the centre with those of other members: a gateway that shows two histories is found out.

Every sealed question and answer says what its sender had last seen. A checkpoint of the same size must be the same; one
of another size must be joined to one's own by a consistency proof, for which the gateway is asked. A gateway that
cannot give it has shown two members two ledgers: both checkpoints together prove it, and are kept in the alarm's entry.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from federation.actor import Actor
from federation.canonical import JsonObject
from federation.centre_seen import CentreSeen
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.ledger.checkpoint import NoteKey, SignedCheckpoint, verify_checkpoint, without_cosignatures
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.tree import verify_consistency
from federation.telemetry import EventLog
from federation.transport.correlation import correlation

PATIENCE: Final = 5
"""Looks at the gateway, two seconds apart, within which a member must be shown what another one has seen already."""

MAX_PEERS: Final = 2_000
"""Members whose last view is kept until it is compared: as many as a directory takes."""

_log = EventLog(__name__)


class Consistency(Protocol):
    """The gateway. Raises `WardgateError` when it cannot be asked, and when it has no proof."""

    async def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """Proof that the tree of `new_size` entries extends the one of `old_size`."""
        ...


@dataclass(slots=True)
class _Heard:
    seen: CentreSeen
    looks: int = 0


class PeerViews:
    """The views of other members, each compared once with this party's own.

    Args:
        key: Name and key of the gateway's ledger.
        head: This party's last verified checkpoint of it.
        register_version: Of the register that it verified last.
        gateway: Where proofs are asked for.
        journal: Its own.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        key: NoteKey,
        *,
        head: Callable[[], SignedCheckpoint | None],
        register_version: Callable[[], int],
        gateway: Consistency,
        journal: Journal,
        clock: Callable[[], float],
    ) -> None:
        self._key = key
        self._head = head
        self._register_version = register_version
        self._gateway = gateway
        self._journal = journal
        self._clock = clock
        self._heard: dict[str, _Heard] = {}
        self._bare: tuple[bytes, str] = (b"", "")

    def seen(self) -> CentreSeen:
        """This party's own view, to be sealed into what it sends."""
        return CentreSeen(checkpoint=self._own(), register_version=self._register_version())

    def _own(self) -> str:
        """The last verified checkpoint, short whatever the gateway wrote under it; made once for each."""
        head = self._head()
        note = head.note if head else b""
        if self._bare[0] != note:
            self._bare = (note, without_cosignatures(note, self._key).decode())
        return self._bare[1]

    def heard(self, peer: str, seen: CentreSeen) -> None:
        """Take note of what a member had seen; it is compared with the next look at the gateway."""
        head = self._head()
        is_known = head is not None and seen.checkpoint == self._own()
        if (is_known or not seen.checkpoint) and seen.register_version <= self._register_version():
            return
        if peer in self._heard or len(self._heard) < MAX_PEERS:
            self._heard[peer] = _Heard(seen)

    async def refresh(self) -> None:
        """Compare what was heard since the last look.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`: an alarm could not be recorded; it is raised with the next look.
        """
        for peer, heard in list(self._heard.items()):
            heard.looks += 1
            if await self._is_compared(peer, heard) and self._heard.get(peer) is heard:
                del self._heard[peer]

    async def _is_compared(self, peer: str, heard: _Heard) -> bool:
        seen, head = heard.seen, self._head()
        if head is None:
            return False
        try:
            claimed = verify_checkpoint(seen.checkpoint.encode(), self._key) if seen.checkpoint else None
        except WardgateError as error:
            # The gateway never signed it: so it proves nothing against the gateway, and something about its sender.
            _log.event(Event.PEER_VIEW_UNUSABLE, agency=peer, error=error)
            return True
        behind = claimed is not None and claimed.size > head.size
        if behind or seen.register_version > self._register_version():
            if heard.looks < PATIENCE:
                return False
            await self._alarm(peer, seen, head, "this party is not shown what the other one has seen")
            return True
        if claimed is None or await self._is_joined(claimed, head):
            return True
        await self._alarm(peer, seen, head, "no proof joins the two checkpoints")
        return True

    async def _is_joined(self, claimed: SignedCheckpoint, head: SignedCheckpoint) -> bool:
        if claimed.size == 0:
            return True
        try:
            path = [] if claimed.size == head.size else await self._gateway.consistency(claimed.size, head.size)
            verify_consistency(claimed.size, head.size, claimed.root, head.root, path)
        except WardgateError as error:
            if error.code not in {ErrorCode.LEDGER_FORKED, ErrorCode.LEDGER_INVALID}:
                raise
            return False
        return True

    async def _alarm(self, peer: str, seen: CentreSeen, head: SignedCheckpoint, what: str) -> None:
        _log.event(Event.SPLIT_VIEW, agency=peer, detail=what)
        body: JsonObject = {
            "alarm": str(Event.SPLIT_VIEW),
            "peer": peer,
            "detail": what,
            "ours": without_cosignatures(head.note, self._key).decode(),
            "theirs": seen.checkpoint,
            "register_versions": [self._register_version(), seen.register_version],
        }
        entry = Entry(
            kind=EntryKind.ALARM_RAISED,
            at=int(self._clock()),
            actor=Actor.keeper(self._journal.key.name),
            correlation_id=correlation(),
            query_id=None,
            body=body,
        )
        await self._journal.record([entry])
