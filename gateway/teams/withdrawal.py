"""A team changes, or a case grant ends: the open queries that are no longer permitted end with it.

Whether a query still stands is decided by policy, asked once more with the team as it is now. Volume was judged when
the query was put, and is not judged again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from federation.actor import Actor
from federation.correlation_id import CorrelationId
from federation.counters import CounterView
from federation.directory import AgencyDescriptor, TrustedDirectory
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.outcome import if_unknown
from federation.ledger.writes import Write
from federation.policy.decision import GatewayDecision
from federation.policy.engine import WAIT_S, EntryPoint
from federation.policy.evaluator import Evaluated, PolicyPoint
from federation.vocabulary import TargetState
from gateway.admission import gateway_input
from gateway.dispatch import Links
from gateway.ending import end_query
from gateway.live import LiveQuery
from gateway.queries import Queries
from gateway.store import exchange as store
from gateway.teams.register import Change, Seen, TeamRegister
from keys.record_cipher import RecordCipher

_UNCOUNTED: Final = CounterView(user_queries_day=0, agency_queries_hour=0, break_glass_day=0)


@dataclass(frozen=True, slots=True)
class Due:
    """A query that is to end.

    Attributes:
        entry: Its entry in the ledger.
        writes: What the store does.
    """

    query: LiveQuery
    entry: Entry
    writes: tuple[Write, ...]


class Withdrawal:
    """Ends queries under case grants that no longer hold."""

    def __init__(
        self,
        *,
        register: TeamRegister,
        queries: Queries,
        links: Links,
        policy: PolicyPoint,
        journal: Journal,
        directory: Callable[[], TrustedDirectory],
        cipher: RecordCipher,
        clock: Callable[[], float],
    ) -> None:
        self._register = register
        self._queries = queries
        self._links = links
        self._policy = policy
        self._journal = journal
        self._directory = directory
        self._cipher = cipher
        self._clock = clock

    async def due(self, change: Change | None = None) -> list[Due]:
        """The queries that end with a change that is about to be made; without one, those that ended with time.

        Raises:
            WardgateError: `POLICY_UNAVAILABLE`: what a change ends cannot be decided now, so it is not made;
                `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`, `OUTCOME_UNKNOWN`: a query is in doubt, and cannot be read
                back.
        """
        await self._register.certain()
        await self._queries.settle_doubts()
        found = []
        for query in self._queries.live():
            seen = self._register.seen(query.header, change)
            if seen is None or (change is not None and seen.team.team_id != change.team.document.team_id):
                continue
            requester = self._directory().agencies.get(query.header.requester)
            if requester is None:
                continue  # it was revoked: its calls are refused, and nobody reads what is answered
            evaluated = await self._decide(query, seen, requester.descriptor)
            if change is None and evaluated.is_undecided:
                break  # nobody decided, so nothing ends: what is left is looked at in the next sweep
            evaluated = evaluated.decided()
            if evaluated.decision.permitted or (change is None and evaluated.decision.failure is not None):
                continue  # where nothing was changed, an engine that fails ends nothing: it is asked again soon
            found.append(self._due(query, seen, evaluated))
        return found

    def doubt(self, due: Sequence[Due]) -> None:
        """It is not known whether the entries are durable."""
        self._queries.doubt(*(item.query.query_id for item in due))

    def finish(self, due: Sequence[Due]) -> None:
        """What memory must know once the entries are durable."""
        for item in due:
            end_query(item.query, links=self._links, queries=self._queries, withdrawn=True)

    async def sweep(self) -> int:
        """End whatever no longer stands: grants that ran out, members whose last day has passed. Returns how many.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, or as `due`.
        """
        due = await self.due()
        if due:
            with if_unknown(lambda: self.doubt(due)):
                writes = [write for item in due for write in item.writes]
                await self._journal.record([item.entry for item in due], writes)
            self.finish(due)
        return len(due)

    async def _decide(self, query: LiveQuery, seen: Seen, requester: AgencyDescriptor) -> Evaluated[GatewayDecision]:
        directory, header, now = self._directory(), query.header, self._clock()
        document = gateway_input(
            header,
            requester=requester,
            targets=[directory.agencies[name].descriptor for name in query.tasks if name in directory.agencies],
            counters=_UNCOUNTED,
            case_grant=seen.given(now),
            now=now,
        )
        return await self._policy.decide(EntryPoint.GATEWAY, document, WAIT_S, parent_id=header.decision_id)

    def _due(self, query: LiveQuery, seen: Seen, evaluated: Evaluated[GatewayDecision]) -> Due:
        now, record = int(self._clock()), evaluated.record
        entry = Entry(
            kind=EntryKind.QUERY_CANCELLED,
            at=now,
            actor=Actor.keeper(self._journal.key.name),
            correlation_id=CorrelationId(query.query_id),
            query_id=query.query_id,
            body={
                "query_sha256": query.digest.hex(),
                "case_grant": seen.grant.grant_id,
                "decision": record.body(),
            },
        )
        kept = self._cipher.encrypt(evaluated.input_json, associated=b"decision/" + record.id.encode())
        writes = (
            store.decision_kept(record.id, kept, now),
            *store.states_set([(task.task_id, TargetState.CANCELLED) for task in query.open_tasks()]),
            *store.answers_withdrawn([task.task_id for task in query.held_tasks()]),
            *store.query_closed(query.query_id, now),
        )
        return Due(query, entry, writes)
