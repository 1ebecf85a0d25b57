"""The same on a real PostgreSQL: another dialect, an asynchronous driver, dates that are dates."""

import asyncio
import datetime as dt
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from agency_node.sources.opening import SourceSettings, open_source
from federation.errors import ErrorCode, WardgateError
from sandbox.generator.drafts import Written
from sandbox.generator.shapes.ssd_schema import SCHEMA
from sandbox.region import SHIPPED_REGION, load_region
from sandbox.sources import prepare_source
from tests.agency_node.sources.test_sql import MAPPING
from tests.support.source_files import ADA, TODAY, children, datasets, known, read_source, records
from tests.support.ssd import portable

pytestmark = pytest.mark.postgres


def run(url: str, *statements: str) -> None:
    async def all_of_them() -> None:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))
        await engine.dispose()

    asyncio.run(all_of_them())


@pytest.fixture
def database(postgres_url: str) -> str:
    run(
        postgres_url,
        "CREATE TABLE person (id INTEGER, nhs TEXT)",
        "CREATE TABLE enquiry"
        " (id INTEGER, person INTEGER, started TIMESTAMP, nfa CHAR(1), visits INTEGER, outcome TEXT)",
        f"INSERT INTO person VALUES (10, '{ADA}')",
        "INSERT INTO enquiry SELECT n, 10, '2026-04-01', 'N', 1, 'x' FROM generate_series(1, 2501) n",
    )
    return postgres_url


def refusal(folder: Path, mapping: str, url: str) -> WardgateError:
    with pytest.raises(WardgateError) as refused:
        read_source(folder, mapping, url)
    return refused.value


def test_rows_are_streamed_from_an_asynchronous_driver(tmp_path: Path, database: str) -> None:
    found = read_source(tmp_path, MAPPING, database)
    assert [child.child.canonical() for child in children(found)] == [ADA]
    assert len(records(found)) == 2_501
    assert records(found)[0].fields == {"outcome": "x", "started": "2026-04-01", "nfa": False, "visits": 1}


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [("FROM person", "FROM people", "has no people"), ("id, nhs FROM", "id, number FROM", "has no number")],
)
def test_what_the_database_lacks_is_named(tmp_path: Path, database: str, old: str, new: str, named: str) -> None:
    found = refusal(tmp_path, MAPPING.replace(old, new), database)
    assert found.code is ErrorCode.MAPPING_INVALID
    assert named in found.detail


@pytest.mark.parametrize(
    ("end", "read"),
    [
        ("'infinity'", None),
        ("'-infinity'", None),
        ("'9999-12-31'", None),
        ("'2026-05-01'", "2026-05-01"),
        ("NULL", None),
    ],
)
def test_a_date_without_end_is_no_date(tmp_path: Path, database: str, end: str, read: str | None) -> None:
    run(database, "ALTER TABLE enquiry ADD COLUMN ended TIMESTAMP", f"UPDATE enquiry SET ended = {end}")
    mapping = MAPPING.replace('dates = ["started"]', 'dates = ["started", "ended"]')
    found = records(read_source(tmp_path, mapping, database))
    assert len(found) == 2_501
    assert found[0].fields.get("ended") == read


LOG = """
[datasets.log]
query = "SELECT n, 10 AS person, '2026-04-01' AS day FROM generate_series(1, 3) n"
[[records]]
dataset = "log"
category = "involvement"
type = "entry"
child = { key = "person" }
ref = "n"
date = "day"
"""


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("SELECT * FROM enquiries", "the database has no enquiries"),
        ("SELECT *, visits / (id - 1) AS each FROM enquiry", "the query failed (DivisionByZeroError)"),
        ("SELECT *, visits / (id - 2500) AS each FROM enquiry", "failed after row 2000 (DivisionByZeroError)"),
    ],
)
def test_a_query_that_fails_costs_the_queries_behind_it_nothing(
    tmp_path: Path, database: str, query: str, fault: str
) -> None:
    # Unsorted, so that rows come before the one that fails.
    failing = MAPPING.replace("SELECT * FROM enquiry", query).replace(":since ORDER BY id", ":since") + LOG
    rows = read_source(tmp_path, failing, database)
    assert datasets(rows)["enquiries"].fault.endswith(fault)
    assert not datasets(rows)["log"].fault
    assert [row.source_ref for row in records(rows) if row.dataset == "log"] == ["log:1", "log:2", "log:3"]


def test_a_query_cannot_write_whatever_it_calls(tmp_path: Path, database: str) -> None:
    run(database, "CREATE SEQUENCE counted")
    writing = MAPPING.replace("SELECT id, nhs FROM person", "SELECT nextval('counted') AS id, nhs FROM person")
    found = refusal(tmp_path, writing, database)
    assert found.code is ErrorCode.SOURCE_UNREADABLE
    assert "ReadOnly" in found.detail


def test_a_value_that_the_driver_quotes_in_its_error_is_not_repeated(tmp_path: Path, database: str) -> None:
    found = refusal(tmp_path, MAPPING.replace("id, nhs FROM", "id, nhs::int AS nhs FROM"), database)
    assert found.code is ErrorCode.SOURCE_UNREADABLE
    assert ADA not in str(found)
    assert found.__cause__ is None
    assert found.__suppress_context__


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Written:
    region = load_region(SHIPPED_REGION, today=TODAY)
    plan = region.agency("thornbury-csc")
    prepared = prepare_source(region, plan, plan.sources[0], tmp_path_factory.mktemp("ssd"))
    assert prepared.written is not None
    return prepared.written


def copy(dataset: Written, url: str) -> None:
    """The sandbox's dataset with the types that a real one has."""

    async def all_of_it() -> None:
        engine = create_async_engine(url)
        connection = sqlite3.connect(dataset.location.removeprefix("sqlite:///"))
        async with engine.begin() as opened:
            for table, columns in SCHEMA.items():
                kinds = {name: portable(kind) for name, kind in columns}
                defined = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
                await opened.execute(text(f"CREATE TABLE {table} ({defined})"))
                marks = ", ".join(f":{name}" for name, _ in columns)
                rows = [
                    {
                        name: dt.datetime.fromisoformat(value) if value and kinds[name] == "TIMESTAMP" else value
                        for (name, _), value in zip(columns, row, strict=True)
                    }
                    for row in connection.execute(f"SELECT * FROM {table}")
                ]
                await opened.execute(text(f"INSERT INTO {table} VALUES ({marks})"), rows)
        connection.close()
        await engine.dispose()

    asyncio.run(all_of_it())


def test_the_shipped_mapping_reads_the_same_from_postgresql(dataset: Written, postgres_url: str) -> None:
    copy(dataset, postgres_url)
    values = {"duty_contact": "Safeguarding hub, 01632 960100", "local_authority": "Testshire"}
    settings = SourceSettings("case-system", dataset.mapping, postgres_url, values)
    rows = list(open_source(settings, today=lambda: TODAY, test_numbers=True).read())
    assert known(rows) == {child.child: child.flags for child in dataset.children}
    read = records(rows)
    # Rows that were written with a fault on purpose are unreadable records, and nothing else is.
    assert {row.source_ref for row in read if row.unreadable}.isdisjoint(row.source_ref for row in dataset.records)
    assert {row.source_ref: row for row in read if not row.unreadable} == {
        record.source_ref: record for record in dataset.records
    }
