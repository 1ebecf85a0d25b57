"""What the gateway keeps beside its ledger goes when its time is up, and not before; never what is still open."""

from typing import Any

import pytest
from sqlalchemy import func, insert, select

from federation.ledger.entry import EntryKind
from federation.retention import DAY_S, Retention
from gateway.settings import Retention as Periods
from gateway.store.deletions import DELETIONS
from gateway.store.tables import metadata
from tests.support.gateway_world import CSC, SCHOOL, World

PERIODS = Periods(decisions_days=100, envelopes_days=40, queries_days=120, counters_days=30, enrolments_days=10)


def retention_of(world: World) -> Retention:
    return Retention(
        engine=world.engine, journal=world.journal, deletions=DELETIONS, periods=PERIODS, clock=world.clock
    )


async def count(world: World, table: str) -> int:
    async with world.engine.connect() as connection:
        return int((await connection.execute(select(func.count()).select_from(metadata.tables[table]))).scalar_one())


async def closed(world: World) -> int:
    """A query that is put, cancelled and closed; when it was closed."""
    composed = world.composed()
    await world.put(composed)
    await world.exchange.acknowledge(CSC, composed.header.query_id, [], close=True, known_size=0)
    return int(world.clock.now)


@pytest.mark.parametrize(("later_s", "erased"), [(0, 0), (1, 1)])
async def test_an_envelope_goes_after_its_time_and_the_query_stays(
    stored_world: World, later_s: int, erased: int
) -> None:
    world, at = stored_world, await closed(stored_world)
    world.clock.now = at + 40 * DAY_S + later_s

    assert (await retention_of(world).apply()).get("envelopes", 0) == erased

    (envelope,) = await world.column("query", "audit_envelope")
    assert bool(envelope) is not bool(erased)
    (kept,) = await world.column("query", "header")
    assert kept


@pytest.mark.parametrize(("later_s", "left"), [(0, 1), (1, 0)])
async def test_a_closed_query_goes_with_its_tasks(stored_world: World, later_s: int, left: int) -> None:
    world, at = stored_world, await closed(stored_world)
    world.clock.now = at + 120 * DAY_S + later_s

    await retention_of(world).apply()

    assert (await count(world, "query"), bool(await count(world, "task"))) == (left, bool(left))


async def test_an_open_query_is_never_touched(stored_world: World) -> None:
    world = stored_world
    await world.put(world.composed())
    world.clock.now += 1_000 * DAY_S

    erased = await retention_of(world).apply()

    assert not {"envelopes", "queries"} & erased.keys()
    assert await count(world, "query") == 1


@pytest.mark.parametrize(("days", "left"), [(100, 1), (101, 0)])
async def test_inputs_of_decisions_go(stored_world: World, days: int, left: int) -> None:
    world, at = stored_world, await closed(stored_world)
    world.clock.now = at + days * DAY_S
    await retention_of(world).apply()
    assert await count(world, "decision_input") == left


async def row_in(world: World, table: str, **values: Any) -> None:
    await world.journal.record(
        [], lambda connection: connection.execute(insert(metadata.tables[table]).values(**values))
    )


@pytest.mark.parametrize(("days", "left"), [(30, 1), (31, 0)])
async def test_counters_go(stored_world: World, days: int, left: int) -> None:
    world, now = stored_world, int(stored_world.clock.now)
    await row_in(world, "evaluation_count", agency=CSC, hour_start=now, kind="query", count=1)
    world.clock.now = now + days * DAY_S
    await retention_of(world).apply()
    assert await count(world, "evaluation_count") == left


@pytest.mark.parametrize(
    ("progress", "days", "left"), [("invited", 10, 1), ("invited", 11, 0), ("rejected", 11, 0), ("approved", 11, 1)]
)
async def test_invitations_that_led_to_nothing_go(stored_world: World, progress: str, days: int, left: int) -> None:
    world, now = stored_world, int(stored_world.clock.now)
    before = await count(world, "enrolment")
    await row_in(
        world,
        "enrolment",
        agency="newcomer",
        descriptor=b"",
        token_sha256="0" * 64,
        token_expires_at=now,
        progress=progress,
        invited_by="olga",
        decided_by="",
        certificate_request=b"",
        statement=b"",
        statement_signature=b"",
        certificate=b"",
    )
    world.clock.now = now + days * DAY_S
    await retention_of(world).apply()
    assert await count(world, "enrolment") == before + left


async def test_what_went_stands_in_the_ledger_and_nothing_is_written_where_nothing_is_due(stored_world: World) -> None:
    world, at = stored_world, await closed(stored_world)
    assert await retention_of(world).apply() == {}
    assert await world.entries(EntryKind.RETENTION_APPLIED) == []
    world.clock.now = at + 40 * DAY_S + 1
    await retention_of(world).apply()
    (entry,) = await world.entries(EntryKind.RETENTION_APPLIED)
    assert entry.actor == "wardgate://gateway/main"
    assert entry.body == {"rows": {"envelopes": 1}, "before": {"envelopes_at": at + 1}}


async def test_a_query_put_again_after_its_row_went_is_refused_as_expired(stored_world: World) -> None:
    world = stored_world
    composed = world.composed()
    await world.put(composed)
    await world.exchange.acknowledge(CSC, composed.header.query_id, [], close=True, known_size=0)
    world.clock.now += 121 * DAY_S
    await retention_of(world).apply()
    assert await count(world, "query") == 0
    assert await world.refusal(composed.request) == "QUERY_EXPIRED"
    assert SCHOOL in composed.header.targets
