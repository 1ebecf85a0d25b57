"""Who looks is in the ledger before what they look at is shown, once in a quarter of an hour."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agency_node.accounting.viewed import ONCE_IN_S, Sight, Viewed, What
from agency_node.answering.overlay import Overlay
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from tests.support.asking import MANAGER, QUESTION, AskedGateway, asking_of, pursuits_of
from tests.support.node_house import NodeHouse, a_node, a_user, log_entry, number, url_of

CHILD = number(1)


@pytest.fixture
async def house(tmp_path: Path, policy: PolicyPoint) -> AsyncIterator[NodeHouse]:
    async with a_node(url_of(tmp_path), policy, overlay=Overlay(categories_refer=("safeguarding_log",))) as house:
        house.users += [MANAGER, a_user("head", role="headteacher")]
        house.sources[0].hold(CHILD, log_entry(CHILD))
        await house.caseload.update()
        yield house


async def views(house: NodeHouse) -> list[dict[str, Any]]:
    return await house.entries(EntryKind.VIEWED)


async def test_a_picture_that_is_opened_is_a_view(house: NodeHouse) -> None:
    asking = asking_of(house, pursuits_of(house, AskedGateway(house.federation)))
    query_id = (await asking.put(QUESTION))["query_id"]
    assert await views(house) == [], "whoever asks and is answered at once has put the question: that is an entry"

    await asking.picture(query_id, "manager")

    ref = house.vault.user_ref("manager")
    assert await views(house) == [{"user_ref": ref, "role": "team_manager", "what": "picture", "why": "S47_ENQ"}]
    (index,) = await house.journal.find(EntryKind.VIEWED, query_id)
    assert (await house.journal.entries(index, 1))[0].entry.actor == f"user:{ref}"


async def test_a_colleagues_picture_is_neither_shown_nor_a_view(house: NodeHouse) -> None:
    asking = asking_of(house, pursuits_of(house, AskedGateway(house.federation)))
    query_id = (await asking.put(QUESTION))["query_id"]

    with pytest.raises(WardgateError, match="QUERY_UNKNOWN"):
        await asking.picture(query_id, "head")

    assert await views(house) == []


async def test_each_referral_that_is_listed_is_a_view_of_its_query(house: NodeHouse) -> None:
    queries = []
    for _ in range(2):
        put = house.federation.ask(CHILD)
        await house.accept(put.task)
        await house.answering.answer(put.task.task_id)
        queries.append(put.composed.header.query_id)

    shown = await house.decisions.waiting("dsl")

    assert {view["id"] for view in await views(house)} == {view.referral.referral_id for view in shown}
    assert [len(await house.journal.find(EntryKind.VIEWED, query_id)) for query_id in queries] == [1, 1]
    await house.decisions.show("dsl", shown[0].referral.referral_id)
    assert len(await views(house)) == 2
    await house.decisions.show("head", shown[0].referral.referral_id)
    assert [view["user_ref"] for view in await views(house)][2:] == [house.vault.user_ref("head")]


async def test_an_empty_inbox_is_no_view(house: NodeHouse) -> None:
    assert await house.decisions.waiting("dsl") == []
    assert await views(house) == []


@pytest.mark.parametrize(("later_s", "count"), [(ONCE_IN_S - 1, 1), (ONCE_IN_S, 2)])
async def test_looks_within_a_quarter_of_an_hour_are_one_view(house: NodeHouse, later_s: float, count: int) -> None:
    viewed, sight = Viewed(house.journal, house.vault, house.clock), Sight(What.PICTURE, why="S47_ENQ")
    await viewed.record(MANAGER, [sight, sight])
    house.clock.now += later_s
    await viewed.record(MANAGER, [sight])

    assert len(await views(house)) == count


async def test_without_the_ledger_nothing_is_shown(house: NodeHouse) -> None:
    asking = asking_of(house, pursuits_of(house, AskedGateway(house.federation)))
    query_id = (await asking.put(QUESTION))["query_id"]
    put = house.federation.ask(CHILD)
    await house.accept(put.task)
    await house.answering.answer(put.task.task_id)
    await house.journal.aclose()

    for looking in (asking.picture(query_id, "manager"), house.decisions.waiting("dsl")):
        with pytest.raises(WardgateError) as caught:
            await looking
        assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE


@pytest.mark.parametrize(("with_rows", "count"), [(False, 0), (True, 1)])
async def test_rows_that_could_not_be_read_are_looked_at_by_name(
    house: NodeHouse, count: int, *, with_rows: bool
) -> None:
    await house.desk.rejects("dsl", with_rows=with_rows)
    assert [view["what"] for view in await views(house)] == ["rejected_rows"] * count


async def test_a_comparison_is_a_view(house: NodeHouse) -> None:
    await house.desk.look_at_comparison("dsl")
    assert [view["what"] for view in await views(house)] == ["comparison"]
