from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.ledger.journal import Journal
from federation.store import sqlite_url
from tests.support.ledger import a_journal, opened
from tests.support.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same tests on both kinds of store."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "store.db")
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def engine(store_url: str) -> AsyncIterator[AsyncEngine]:
    async with opened(store_url) as engine:
        yield engine


@pytest.fixture
async def journal(engine: AsyncEngine) -> AsyncIterator[Journal]:
    async with a_journal(engine) as journal:
        yield journal
