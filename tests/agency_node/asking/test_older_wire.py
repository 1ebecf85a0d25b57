"""Pictures of queries that were put before the wire changed are still read: they are what people decided by."""

import json

from sqlalchemy import select, update

from agency_node.store.asked import QUERY
from federation.canonical import to_canonical
from federation.store import writing
from tests.support.asking import MANAGER, QUESTION, AskedGateway, asking_of, pursuits_of
from tests.support.node_house import NodeHouse


async def test_a_picture_of_an_older_query_is_shown_as_it_was(node: NodeHouse) -> None:
    node.users = [MANAGER]
    asking = asking_of(node, pursuits_of(node, AskedGateway(node.federation)))
    before = await asking.put(QUESTION)
    async with writing(node.engine).begin() as connection:
        header = (await connection.execute(select(QUERY.c.header))).scalar_one()
        await connection.execute(update(QUERY).values(header=to_canonical(json.loads(header) | {"v": 1})))

    after = await asking.picture(before["query_id"], "manager")

    assert before["completeness"] == "complete"
    assert after == before
