"""What people of an agency order about its sources, as the command line and screens put it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agency_node.caseload.indexer import CaseloadRuns
from agency_node.caseload.orders import MAX_LISTED_BYTES, SourceAction, SourceOrder, SourceOrders
from agency_node.sources.source import Rejected, RejectionReason
from federation.canonical import to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from tests.support.asking import MANAGER
from tests.support.node_house import ListSource, NodeHouse, a_node, log_entry, number, url_of

CHILDREN = [number(index) for index in range(100)]


@pytest.fixture
async def house(tmp_path: Path, policy: PolicyPoint) -> AsyncIterator[NodeHouse]:
    """A node with two sources, one of them with two datasets of records."""
    sources = [ListSource("a", names=("log", "visits")), ListSource("b")]
    for source in sources:
        for child in CHILDREN:
            source.hold(child, log_entry(child, f"log:{child.canonical()}"))
    async with a_node(url_of(tmp_path), policy, sources=sources) as house:
        house.users = [MANAGER]
        yield house


@pytest.fixture
def orders(house: NodeHouse) -> SourceOrders:
    async def ready() -> None: ...

    return SourceOrders(house.desk, house.caseload, CaseloadRuns(house.caseload, every_s=0, ready=ready))


def order(action: SourceAction, **more: Any) -> SourceOrder:
    return SourceOrder(user=more.pop("user", "manager"), action=action, **more)


def unread(dataset: str, line: int, content: str) -> Rejected:
    return Rejected(dataset, line, RejectionReason.ROW_MALFORMED, content=content)


async def accepted(orders: SourceOrders, *datasets: str) -> set[tuple[str, str]]:
    done: Any = await orders.order(order(SourceAction.ACCEPT, datasets=list(datasets), reason="Compared."))
    return {(item["source"], item["dataset"]) for item in done["accepted"]}


async def test_a_dataset_is_named_alone_where_one_source_has_it_and_with_its_source_elsewhere(
    house: NodeHouse, orders: SourceOrders
) -> None:
    await house.caseload.update()
    assert await accepted(orders, "visits") == {("a", "visits")}
    assert await accepted(orders, "b/log", "a/children") == {("b", "log"), ("a", "children")}
    for name in ("log", "c/log", "other"):
        with pytest.raises(WardgateError) as refused:
            await accepted(orders, name)
        assert refused.value.code is ErrorCode.DATASET_UNKNOWN


async def test_what_is_accepted_comes_into_force_at_once_and_is_the_last_run(
    house: NodeHouse, orders: SourceOrders
) -> None:
    await house.caseload.update()
    done: Any = await orders.order(order(SourceAction.ACCEPT, reason="Compared."))
    assert {item["state"] for item in done["sources"]} == {"sound"}
    last: Any = orders.runs.last
    assert {item["accepted"] for source in last["sources"] for item in source["datasets"]} == {True}


async def test_what_is_not_believed_is_accepted_by_its_name_alone(house: NodeHouse, orders: SourceOrders) -> None:
    source: Any = house.sources[0]
    source.rows += [unread("log", line, f"row {line}") for line in range(3)]
    await house.caseload.update()
    assert ("a", "log") not in await accepted(orders)
    assert await accepted(orders, "a/log") == {("a", "log")}


async def test_who_is_nobody_here_learns_of_no_dataset(house: NodeHouse, orders: SourceOrders) -> None:
    await house.caseload.update()
    for action in (SourceAction.ACCEPT, SourceAction.REJECTS, SourceAction.COMPARE):
        with pytest.raises(WardgateError) as refused:
            await orders.order(order(action, user="nobody", datasets=["other"], reason="Compared."))
        assert refused.value.code is ErrorCode.USER_UNKNOWN
    assert not await house.entries(EntryKind.SOURCE_ACCEPTED)


async def test_rejects_of_one_dataset_are_listed_by_its_name(house: NodeHouse, orders: SourceOrders) -> None:
    for source, dataset in ((0, "log"), (0, "visits"), (1, "log")):
        found: Any = house.sources[source]
        found.rows.append(unread(dataset, 1, "a row"))
    await house.caseload.update()

    async def listed(*datasets: str) -> list[tuple[str, str]]:
        done: Any = await orders.order(order(SourceAction.REJECTS, datasets=list(datasets)))
        assert done["left_out"] == 0
        return [(item["source"], item["dataset"]) for item in done["rejects"]]

    assert await listed() == [("a", "log"), ("a", "visits"), ("b", "log")]
    assert await listed("a/log", "visits") == [("a", "log"), ("a", "visits")]


async def test_no_more_rejects_are_listed_than_a_message_holds(house: NodeHouse, orders: SourceOrders) -> None:
    source: Any = house.sources[0]
    source.rows += [unread("log", line, f"{line} {'x' * 60_000}") for line in range(30)]
    await house.caseload.update()

    done: Any = await orders.order(order(SourceAction.REJECTS, with_rows=True))

    assert 0 < len(done["rejects"]) < 30
    assert done["left_out"] == 30 - len(done["rejects"])
    assert len(to_canonical(done)) < MAX_LISTED_BYTES + 1_000
    whole: Any = await orders.order(order(SourceAction.REJECTS))
    assert (len(whole["rejects"]), whole["left_out"]) == (30, 0)
