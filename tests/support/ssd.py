"""A Standard Safeguarding Dataset with few rows, in SQLite or PostgreSQL, read through the shipped mapping."""

import asyncio
import re
import sqlite3

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from agency_node.sources.opening import SourceSettings, open_source
from agency_node.sources.source import SourceRow
from sandbox.generator.shapes.ssd_schema import SCHEMA
from tests.support.source_files import TODAY

MAPPING = "standard-safeguarding-dataset"
VALUES = {"duty_contact": "Safeguarding hub, 01632 960100", "local_authority": "Testshire"}
TYPES = {"NVARCHAR": "VARCHAR", "NCHAR": "CHAR", "DATETIME": "TIMESTAMP", "FLOAT": "DOUBLE PRECISION", "INT": "INTEGER"}


def tables(*, without: frozenset[str] = frozenset()) -> list[str]:
    """Statements that make the dataset's tables with the types that a real one has."""
    return [
        f"CREATE TABLE {table} ({', '.join(f'{name} {portable(kind)}' for name, kind in columns)})"
        for table, columns in SCHEMA.items()
        if table not in without
    ]


def portable(kind: str) -> str:
    """A type of the dataset as PostgreSQL names it."""
    name = kind.partition("(")[0]
    return TYPES.get(name, name) + (re.search(r"\(\d+\)", kind) or [""])[0]


def execute(url: str, statements: list[str]) -> None:
    """Run statements one after the other and commit."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.executescript(";\n".join(statements))
        connection.close()
        return

    async def all_of_them() -> None:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))
        await engine.dispose()

    asyncio.run(all_of_them())


def insert(table: str, **cells: str | None) -> str:
    """An INSERT statement."""
    values = ", ".join("NULL" if value is None else f"'{value}'" for value in cells.values())
    return f"INSERT INTO {table} ({', '.join(cells)}) VALUES ({values})"


def read_ssd(url: str) -> list[SourceRow]:
    """Everything the shipped mapping makes of it."""
    settings = SourceSettings("case-system", MAPPING, url, VALUES)
    return list(open_source(settings, today=lambda: TODAY, test_numbers=True).read())
