"""A node that asks, in one process: own policy, ledger and store are real; the gateway is what the test has it be."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from agency_node.asking.composing import OwnPseudonym
from agency_node.asking.desk import Asking
from agency_node.asking.pursuit import Pursuits, QueryGateway
from agency_node.asking.question import DEFAULT_TIMES, QuestionDocument
from agency_node.users import Users
from federation.canonical import JsonObject
from federation.clock_difference import ClockDifference
from federation.counters import Counters
from federation.errors import ErrorCode, WardgateError
from federation.policy.evaluator import PolicyPoint
from federation.query import parse_query
from federation.vocabulary import Urgency
from federation.wire.v1 import query_pb2 as wire
from keys.nhs_number import NhsNumber
from keys.signing import SigningKey
from tests.agency_node.asking.test_pursuit import SETTLED, admission_of, answer_of
from tests.support.node_house import NodeHouse, a_user, number
from tests.support.two_agencies import CATEGORIES, NOW, REQUESTER, Federation, Put

MANAGER = a_user("manager", role="team_manager", grants=("S47_ENQ",), case_role="lead_practitioner")
QUESTION = QuestionDocument(
    user="manager",
    purpose="S47_ENQ",
    child=number(1).canonical(),
    attestations=["strategy_discussion_held", "reasonable_cause_significant_harm"],
    justification="Bruises seen by the class teacher.",
)


@dataclass
class AskedGateway:
    """Admits whatever it is asked, and gives the answer of a responder that holds nothing; the same each time."""

    federation: Federation
    puts: dict[str, Put] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    forged: bool = False
    expired: bool = False
    silent: bool = False
    clock: ClockDifference | None = None

    async def ask(self, request: wire.AskRequest) -> AsyncIterator[wire.QueryEvent]:
        header = parse_query(request.header)
        self.asked.append(header.query_id)
        if self.silent:
            await asyncio.Event().wait()
        if self.expired:
            raise WardgateError(ErrorCode.QUERY_EXPIRED, "test", clock=self.clock)
        if header.query_id not in self.puts:
            composed = cast("Any", SimpleNamespace(request=request, header=header))
            wanted = {"permitted": None, "categories": CATEGORIES, "effect": "permit", "now": NOW, "to_epoch": 1}
            task = self.federation._task(composed, {**wanted, "case_grant": None})
            self.puts[header.query_id] = Put(self.federation, composed, task)
        put = self.puts[header.query_id]
        yield admission_of(put)
        yield answer_of(put, key=SigningKey.generate() if self.forged else None)
        yield SETTLED

    def resume(self, query_id: str) -> AsyncIterator[wire.QueryEvent]:
        raise AssertionError(query_id)

    async def acknowledge(self, query_id: str, task_ids: list[str], *, close: bool) -> JsonObject:
        assert query_id in self.puts
        return {"index": len(task_ids) + close}


def pursuits_of(node: NodeHouse, gateway: QueryGateway) -> Pursuits:
    return Pursuits(
        agency=REQUESTER,
        engine=node.engine,
        journal=node.journal,
        vault=node.vault,
        gateway=gateway,
        directory=lambda: node.federation.directory,
        clock=node.clock,
        heard=lambda peer, seen: node.heard.append((peer, seen)),
    )


def asking_of(
    node: NodeHouse, pursuits: Pursuits, clock_difference: Callable[[], ClockDifference | None] = lambda: None
) -> Asking:
    class Own:
        async def pseudonym_of(self, found: NhsNumber) -> OwnPseudonym:
            return OwnPseudonym(node.federation.pseudonym(REQUESTER, found), 1)

    async def nothing() -> None: ...

    return Asking(
        agency=REQUESTER,
        users=cast("Any", SimpleNamespace(current=lambda: Users({user.id: user for user in node.users}))),
        directory=lambda: node.federation.directory,
        refresh_directory=nothing,
        policy=PolicyPoint(node.policy._engine, node.policy.bundle, node.clock),  # an asker's: of every obligation
        case_grants=cast("Any", None),
        pseudonyms=Own(),
        pursuits=pursuits,
        engine=node.engine,
        journal=node.journal,
        vault=node.vault,
        counters=Counters(clock=node.clock),
        key=node.federation.parties[REQUESTER].signing,
        times=dict.fromkeys(Urgency, DEFAULT_TIMES[Urgency.ROUTINE]),
        clock=node.clock,
        clock_difference=clock_difference,
        test_numbers=True,
        seen=lambda: node.seen,
    )
