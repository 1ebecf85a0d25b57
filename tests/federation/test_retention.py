"""The one routine that deletes what has served its time, over a table of two deletions, on both kinds of store."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import insert, select

from agency_node.settings import NodeSettings
from agency_node.store.deletions import DELETIONS as OF_NODE
from federation.ledger.entry import EntryKind
from federation.ledger.journal import Journal
from federation.retention import DAY_S, PORTION, Deletion, Retention
from federation.settings import Section, ServiceSettings
from federation.store import sqlite_url
from gateway.settings import GatewaySettings
from gateway.store.deletions import DELETIONS as OF_GATEWAY
from tests.support.ledger import NOW, Clock, a_journal, opened
from tests.support.ledger_service import THING
from trustee.settings import TrusteeSettings
from trustee.store.deletions import DELETIONS as OF_TRUSTEE

OLD = Deletion(what="old", text="Old.", setting="old_days", table=THING, due=lambda before: THING.c.id < before)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with opened(sqlite_url(tmp_path / "store.db")) as engine, a_journal(engine, Clock()) as journal:
        yield journal


def retention(journal: Journal, *deletions: Deletion, clock: Clock | None = None) -> Retention:
    return Retention(
        engine=journal.reader._engine,
        journal=journal,
        deletions=deletions,
        periods=SimpleNamespace(old_days=2),
        clock=clock or Clock(),
    )


async def names(journal: Journal) -> list[str]:
    async with journal.reader._engine.connect() as connection:
        return list((await connection.execute(select(THING.c.name).order_by(THING.c.id))).scalars())


async def things(journal: Journal, *ids: int) -> None:
    rows = [{"id": number, "name": f"{number}"} for number in ids]
    await journal.record([], lambda connection: connection.execute(insert(THING), rows))


async def test_the_period_is_the_settings_in_days(journal: Journal) -> None:
    edge = NOW - 2 * DAY_S
    await things(journal, edge - 1, edge)
    assert await retention(journal, OLD).apply() == {"old": 1}
    assert await names(journal) == [str(edge)]


async def test_more_than_a_portion_goes_in_several_entries(journal: Journal) -> None:
    await things(journal, *range(1, PORTION + 3))

    assert await retention(journal, OLD).apply() == {"old": PORTION + 2}

    assert await names(journal) == []
    found = [(await journal.entries(index, 1))[0].entry for index in await journal.find(EntryKind.RETENTION_APPLIED)]
    assert [entry.body["rows"] for entry in found] == [{"old": PORTION}, {"old": 2}]
    assert all(entry.body["before"] == {"old_at": NOW - 2 * DAY_S} for entry in found)


async def test_values_take_the_place_of_what_goes(journal: Journal) -> None:
    blank = Deletion(
        what="blank",
        text="Blank.",
        table=THING,
        due=lambda _: THING.c.name != "",
        values={"name": ""},
    )
    await things(journal, 1)
    assert await retention(journal, blank).apply() == {"blank": 1}
    assert await names(journal) == [""]
    assert await retention(journal, blank).apply() == {}


@pytest.mark.parametrize(
    ("deletions", "settings"), [(OF_NODE, NodeSettings), (OF_GATEWAY, GatewaySettings), (OF_TRUSTEE, TrusteeSettings)]
)
def test_every_period_is_a_setting_and_every_setting_a_period(
    deletions: tuple[Deletion, ...], settings: type[ServiceSettings]
) -> None:
    section = settings.model_fields["retention"].annotation
    assert isinstance(section, type)
    assert issubclass(section, Section)
    assert {item.setting for item in deletions} - {""} == set(section.model_fields)
    assert len({item.what for item in deletions}) == len(deletions)
