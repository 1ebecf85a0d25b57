"""Samples whether both holders translated a task's point with the keys they published.

A mistranslated point finds nobody, or another child, and no answer shows it. So now and then a node asks for the proofs
of a task it was just handed. Its answer does not wait for them. The holders are asked while the query is open: the
gateway forgets points when it closes.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Final, Protocol

from federation.actor import Actor
from federation.correlation_id import CorrelationId
from federation.directory import Agency, TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.query import parse_query
from federation.telemetry import EventLog
from federation.transport.correlation import correlated
from federation.wire.v1 import link_pb2, pseudonym_pb2
from keys.errors import ProofRejected
from keys.pseudonym import verify_translation

ALARM: Final = "TRANSLATION_NOT_PROVED"
_log = EventLog(__name__)


class Prover(Protocol):
    """Where the proofs come from: the gateway, which asks the trustee for its half."""

    async def prove(self, task_id: str) -> pseudonym_pb2.ProveTranslationResponse:
        """Prove one translation.

        Raises:
            WardgateError: `TASK_UNKNOWN` once the query is closed, `PEER_UNAVAILABLE` and the like.
        """
        ...


class TranslationAudit:
    """Asks for proofs of some tasks.

    Args:
        agency: This node's agency.
        percent: How many tasks of a hundred to look at.
        prover: Where the proofs come from.
        directory: The trusted directory, whose public points the proofs must fit.
        journal: This node's ledger.
        clock: Seconds since the epoch.
        draw: A number from 0 to one less than its argument, which the gateway cannot foresee.
    """

    def __init__(
        self,
        *,
        agency: str,
        percent: int,
        prover: Prover,
        directory: Callable[[], TrustedDirectory],
        journal: Journal,
        clock: Callable[[], float],
        draw: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._agency = agency
        self._percent = percent
        self._prover = prover
        self._directory = directory
        self._journal = journal
        self._clock = clock
        self._draw = draw
        self._running: set[asyncio.Task[None]] = set()

    def sample(self, task: link_pb2.Task) -> None:
        """Look at an accepted task, or not, as chance will have it. Returns at once."""
        if self._draw(100) < self._percent:
            running = asyncio.create_task(self._look(task), name=f"translation-audit-{task.task_id}")
            self._running.add(running)
            running.add_done_callback(self._running.discard)

    async def aclose(self) -> None:
        """Stop looking."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _look(self, task: link_pb2.Task) -> None:
        with correlated(task.task_id):
            try:
                await self.audit(task)
            except WardgateError as error:
                _log.event(Event.TRANSLATION_UNAUDITED, task_id=task.task_id, error=error)

    async def audit(self, task: link_pb2.Task) -> bool:
        """Fetch and verify both proofs; false, and an alarm in log and ledger, when one does not hold.

        Raises:
            WardgateError: There was no proof to be had, or the alarm could not be written.
        """
        directory = self._directory()
        requester, own = directory.agency(parse_query(task.header).requester), directory.agency(self._agency)
        proofs = await self._prover.prove(task.task_id)
        if any(_holds(task, proofs, requester, own, epoch) for epoch in requester.gateway_points):
            return True
        _log.event(Event.ALARM_RAISED, task_id=task.task_id, reason_code=ALARM)
        body = {"alarm": ALARM, "task_id": task.task_id, "error": ErrorCode.PROOF_REJECTED.value}
        entry = Entry(
            kind=EntryKind.ALARM_RAISED,
            at=int(self._clock()),
            actor=Actor.agency(self._agency),
            correlation_id=CorrelationId(task.task_id),
            query_id=parse_query(task.header).query_id,
            body=body,
        )
        await self._journal.record([entry])
        return False


def _holds(
    task: link_pb2.Task, proofs: pseudonym_pb2.ProveTranslationResponse, requester: Agency, own: Agency, epoch: int
) -> bool:
    """Whether both proofs hold from one epoch of the requester's to the newest of our own, in which we look up."""
    halfway = proofs.trustee_element
    try:
        verify_translation(
            requester.trustee_points[epoch],
            own.trustee_points[own.epoch],
            task.part.blinded,
            halfway,
            proofs.trustee_proof,
        )
        verify_translation(
            requester.gateway_points[epoch],
            own.gateway_points[own.epoch],
            halfway,
            task.translated,
            proofs.gateway_proof,
        )
    except (ProofRejected, KeyError):
        return False
    return True
