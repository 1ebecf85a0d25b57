"""Hands tasks to responders' links, one holder at a time, and takes them back when a link goes.

A task is durable before it is offered. A link holds a lease (its session id) on what it was given; a newer link of the
same agency takes over everything the older one held, and a responder answers a second delivery with the same stored
answer, so redelivery is always safe. Revocation wins every race: `Links.permits` is asked at the moment of sending.

A task holds a place at its responder from when it is sent until it is answered, referred, rejected or over, or for as
long as its lease: one that was accepted and has come to nothing by then is still wanted and holds up nobody. Who is
given a free place is `gateway.shares`.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from federation.vocabulary import TargetState
from federation.wire.v1 import link_pb2 as wire
from gateway.clocks import Clocks
from gateway.live import LiveTask, task_message
from gateway.shares import Claim, Waiting

LEASE_S: Final = 60
"""A task not accepted within a minute is offered again; acceptance takes one local commit at the node. One that was
accepted and is not answered by then holds no place any more."""

MAX_IN_FLIGHT: Final = 64
"""Most unaccepted or unanswered tasks a node may ask for at once."""

MOST_CANCELLED: Final = 1_000
"""So many ended tasks an agency without a stream is told of when it asks; of others it hears when it speaks of them."""

PROBE_INTERVAL_S: Final = 15.0
DEAF_AFTER_PROBES: Final = 2


UNARY_PRESENCE_S: Final = 60
"""An agency on the unary fallback counts as connected so long after its last `Claim` (each waits up to 20 s)."""

_SENDABLE: Final = frozenset({TargetState.WAITING, TargetState.UNREACHABLE, TargetState.DELIVERED})
_UNACCEPTED: Final = frozenset({TargetState.WAITING, TargetState.UNREACHABLE})


@dataclass(slots=True, eq=False)
class Session:
    """One holder of leases of one agency: a stream, or one held-open `Claim`."""

    agency: str
    capacity: int
    absent_until: int = 0
    session_id: str = field(default_factory=lambda: str(uuid4()))
    outbox: "asyncio.Queue[wire.AttachResponse | None]" = field(default_factory=asyncio.Queue)
    probe_sent: int = 0
    probe_answered: int = 0

    def send(self, message: wire.AttachResponse) -> None:
        """Queue a message for the stream."""
        self.outbox.put_nowait(message)

    def close(self) -> None:
        """End the stream after what is queued."""
        self.outbox.put_nowait(None)


@dataclass(slots=True)
class _Agency:
    """What the gateway holds for one responder.

    Attributes:
        held: Tasks that hold a place, by id.
    """

    waiting: Waiting[LiveTask] = field(default_factory=Waiting)
    held: dict[str, LiveTask] = field(default_factory=dict)
    session: Session | None = None
    absent_until: int = 0
    claimed_at: float = 0.0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: list[str] = field(default_factory=list)


class Links:
    """Every attached link, and the tasks waiting for one."""

    def __init__(self, *, clock: Callable[[], float], permits: Callable[[str], bool], clocks: Clocks) -> None:
        self._clock = clock
        self._clocks = clocks
        self._permits = permits
        self._agencies: dict[str, _Agency] = {}

    def session(self, agency: str) -> Session | None:
        """The agency's current stream."""
        return self._of(agency).session

    def is_connected(self, agency: str) -> bool:
        """Whether the agency has a link now, stream or unary."""
        held = self._of(agency)
        return held.session is not None or self._clock() < held.claimed_at + UNARY_PRESENCE_S

    def absent_until(self, agency: str) -> int:
        """End of a declared planned absence, seconds since the epoch; 0 when none is in force."""
        until = self._of(agency).absent_until
        return until if until > self._clock() else 0

    def in_flight(self, agency: str) -> int:
        """How many of the agency's places are taken."""
        return len(self._of(agency).held)

    def attach(self, session: Session, tasks: Iterable[LiveTask]) -> None:
        """Make this the agency's link; it takes over every unanswered task of the agency."""
        held = self._of(session.agency)
        if held.session is not None:
            held.session.close()
        held.session = session
        held.absent_until = session.absent_until
        held.waiting, held.held = Waiting(), {}
        for task in tasks:
            task.connected = True
            task.lease_id, task.lease_until = "", 0
            held.waiting.add(task, _claim(task))
        self.send_probe(session)
        self._pump(session)

    def renew(self, session: Session, *, absent_until: int) -> None:
        """Take a new declaration of planned absence from an attached link."""
        session.absent_until = absent_until
        self._of(session.agency).absent_until = absent_until

    def detach(self, session: Session) -> None:
        """Forget a link. What it held waits for the next one."""
        held = self._of(session.agency)
        if held.session is session:
            held.session = None
        _give_back(held, session)
        held.changed.set()

    def offer(self, tasks: Iterable[LiveTask]) -> None:
        """Send durable tasks to their links; those without one wait."""
        for task in tasks:
            held = self._of(task.responder)
            held.waiting.add(task, _claim(task))
            held.changed.set()
            if held.session is not None:
                task.connected = True
                self._pump(held.session)

    def release(self, task: LiveTask) -> None:
        """A task is answered, referred, rejected or over: its place is free."""
        self._free(self._of(task.responder), task.task_id)

    def cancel(self, agency: str, task_id: str) -> None:
        """Tell a responder that a task is no longer wanted."""
        held = self._of(agency)
        if held.session is None:
            held.cancelled.append(task_id)
            held.changed.set()
        else:
            held.session.send(wire.AttachResponse(cancelled=wire.TaskCancelled(task_id=task_id)))
        self._free(held, task_id)

    def _free(self, held: _Agency, task_id: str) -> None:
        if held.held.pop(task_id, None) is None:
            return
        held.changed.set()
        if held.session is not None:
            self._pump(held.session)

    async def claim(
        self, session: Session, tasks: Iterable[LiveTask], *, wait_s: float
    ) -> tuple[list[wire.Task], list[str]]:
        """The unary fallback: tasks no other holder has, waiting at most `wait_s` for the first; and what is cancelled.

        Args:
            session: One call's holder.
            tasks: The agency's unanswered tasks.
            wait_s: Longest wait, seconds.
        """
        held = self._of(session.agency)
        self._look_over(held)
        known, now = set(held.waiting.items()), self._clock()
        for task in tasks:
            if task not in known and task.state in _UNACCEPTED and task.lease_until <= now:
                held.waiting.add(task, _claim(task))
        deadline = self._clock() + wait_s
        while True:
            held.claimed_at = self._clock()
            held.changed.clear()
            taken = self._take(session, session.capacity)
            left = deadline - self._clock()
            if taken or held.cancelled or left <= 0 or not await _set_within(held.changed, left):
                cancelled, held.cancelled = held.cancelled, []
                return taken, cancelled

    def redeliver_overdue(self) -> None:
        """Offer again what a stream was sent but has not accepted within its lease.

        What has ended meanwhile is let go of: an agency that never comes must not keep every query in memory.
        """
        for held in self._agencies.values():
            waiting = Waiting[LiveTask]()
            for task in held.waiting.items():
                if task.state in _SENDABLE:
                    waiting.add(task, _claim(task))
            held.waiting = waiting
            del held.cancelled[:-MOST_CANCELLED]
            overdue = self._look_over(held)
            if held.session is not None:
                for task in overdue:
                    held.waiting.add(task, _claim(task))
                self._pump(held.session)

    def _look_over(self, held: _Agency) -> list[LiveTask]:
        """Free the places of tasks whose lease is over; returns those that nobody has accepted."""
        now = self._clock()
        over = [task for task in held.held.values() if task.lease_until <= now]
        for task in over:
            del held.held[task.task_id]
        return [task for task in over if task.state in _UNACCEPTED]

    def probe(self) -> None:
        """Send every stream a probe, and close one that left two unanswered: connected but deaf is impossible."""
        for held in self._agencies.values():
            session = held.session
            if session is None:
                continue
            if session.probe_sent - session.probe_answered >= DEAF_AFTER_PROBES:
                session.close()
                self.detach(session)
                continue
            self.send_probe(session)

    def send_probe(self, session: Session) -> None:
        """Probe one stream. The first goes out at once: a node knows by it that the link is up, and what time it is."""
        session.probe_sent += 1
        clock = self._clocks.reading(session.agency)
        session.send(wire.AttachResponse(probe=wire.Probe(nonce=session.probe_sent, clock=clock)))

    def _of(self, agency: str) -> _Agency:
        return self._agencies.setdefault(agency, _Agency())

    def _pump(self, session: Session) -> None:
        for message in self._take(session, session.capacity - len(self._of(session.agency).held)):
            session.send(wire.AttachResponse(task=message))

    def _take(self, session: Session, free: int) -> list[wire.Task]:
        """Lease to this holder what the rule of `gateway.shares` gives its free places to."""
        held = self._of(session.agency)
        taken: list[wire.Task] = []
        until = int(self._clock()) + LEASE_S
        while free > len(taken) and self._permits(session.agency):
            claims = [_claim(task) for task in held.held.values()]
            task = held.waiting.take(claims, free - len(taken))
            if task is None:
                break
            if task.state not in _SENDABLE:
                continue
            task.connected, task.lease_id, task.lease_until = True, session.session_id, until
            held.held[task.task_id] = task
            taken.append(task_message(task, lease_id=session.session_id, lease_expires_at=until))
        return taken


def _claim(task: LiveTask) -> Claim:
    header = task.query.header
    return Claim.of(header.requester, header.urgency, broke_glass=bool(header.break_glass))


def _give_back(held: _Agency, session: Session) -> None:
    """Nobody holds what a link that is gone held: the next holder need not wait for its leases to run out."""
    for task in [task for task in held.held.values() if task.lease_id == session.session_id]:
        task.lease_id, task.lease_until = "", 0
        del held.held[task.task_id]


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
