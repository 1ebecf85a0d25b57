import sqlite3
from pathlib import Path

import pytest

from agency_node.sources.source import RejectionReason
from federation.errors import ErrorCode, WardgateError
from tests.support.source_files import ADA, BEN, children, datasets, read_source, records, rejected

MAPPING = """
format = 1
title = "Case system"
kind = "sql"

[datasets.persons]
query = "SELECT id, nhs FROM person ORDER BY id"

[datasets.enquiries]
query = "SELECT * FROM enquiry WHERE started >= :since ORDER BY id"
parameters = { since = "today-6y" }

[[children]]
dataset = "persons"
key = "id"
nhs_number = "nhs"

[[records]]
dataset = "enquiries"
category = "s47"
type = "s47_enquiry"
child = { key = "person" }
ref = "id"
date = "started"
texts = ["outcome"]
dates = ["started"]
booleans = ["nfa"]
integers = ["visits"]
"""
ENQUIRIES = [
    (1, 10, "2026-03-01 00:00:00", "Y", 3, "conference"),
    (2, 11, "2026-04-01", "N", None, None),
    (3, 11, "2020-11-21", "N", 1, "too old"),
    (4, 12, "2026-04-01", "N", 1, "nobody"),
    (5, 10, "2026-04-01", "?", 1, "neither"),
]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "case system #1.db"
    with sqlite3.connect(path) as opened:
        opened.execute("CREATE TABLE person (id INTEGER, nhs TEXT)")
        opened.execute(
            "CREATE TABLE enquiry (id INTEGER, person INTEGER, started TEXT, nfa TEXT, visits INTEGER, outcome TEXT)"
        )
        opened.executemany("INSERT INTO person VALUES (?, ?)", [(10, ADA), (11, BEN)])
        opened.executemany("INSERT INTO enquiry VALUES (?, ?, ?, ?, ?, ?)", ENQUIRIES)
    opened.close()
    return path


def refusal(folder: Path, mapping: str, url: str) -> WardgateError:
    with pytest.raises(WardgateError) as refused:
        read_source(folder, mapping, url)
    return refused.value


@pytest.mark.parametrize("driver", ["sqlite", "sqlite+aiosqlite"])
def test_rows_of_a_database_are_read_as_mapped(database: Path, driver: str) -> None:
    found = read_source(database.parent, MAPPING, f"{driver}:///{database}")
    assert [child.child.canonical() for child in children(found)] == [ADA, BEN]
    assert [(row.source_ref, row.child.canonical(), row.fields) for row in records(found)] == [
        ("enquiries:1", ADA, {"outcome": "conference", "started": "2026-03-01", "nfa": True, "visits": 3}),
        ("enquiries:2", BEN, {"started": "2026-04-01", "nfa": False}),
        ("enquiries:5", ADA, {"started": "2026-04-01", "visits": 1, "outcome": "neither"}),
    ]
    assert [row.fields_unreadable for row in records(found)] == [frozenset(), frozenset(), {"nfa"}]
    assert [(row.line, row.reason) for row in rejected(found)] == [
        (3, RejectionReason.CHILD_UNKNOWN),
        (4, RejectionReason.VALUE_INVALID),
    ]
    assert [(name, read.rows, read.unidentified) for name, read in datasets(found).items()] == [
        ("persons", 2, 0),
        ("enquiries", 4, 1),
    ]


@pytest.mark.parametrize("driver", ["sqlite", "sqlite+aiosqlite"])
def test_more_rows_than_are_fetched_at_once_are_all_read(database: Path, driver: str) -> None:
    with sqlite3.connect(database) as opened:
        opened.execute("DELETE FROM enquiry")
        opened.executemany(
            "INSERT INTO enquiry VALUES (?, 10, '2026-04-01', 'N', 1, '')", [(number,) for number in range(2_501)]
        )
    opened.close()
    assert len(records(read_source(database.parent, MAPPING, f"{driver}:///{database}"))) == 2_501


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("FROM person", "FROM people", "dataset persons: the database has no people"),
        ("SELECT id, nhs FROM", "SELECT id, number FROM", "dataset persons: the database has no number"),
        ("SELECT id, nhs FROM", "SELECT id FROM", "dataset persons: the query yields no column nhs"),
        ("SELECT id, nhs FROM", "SELECT id, nhs, id FROM", "dataset persons: the query yields a column name twice"),
        ('texts = ["outcome"]', 'texts = ["result"]', "dataset enquiries: the query yields no column result"),
        ('"today-6y"', '"today-6q"', "dataset enquiries: a parameter is no date"),
    ],
)
def test_what_the_mapping_names_and_the_database_lacks_is_named(database: Path, old: str, new: str, named: str) -> None:
    assert old in MAPPING
    mapping, url = MAPPING.replace(old, new), f"sqlite:///{database}"
    if "dataset enquiries" in named:
        # Nothing depends on it: it fails alone.
        assert named in datasets(read_source(database.parent, mapping, url))["enquiries"].fault
        return
    found = refusal(database.parent, mapping, url)
    assert found.code is ErrorCode.MAPPING_INVALID
    assert named in found.detail


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nowhere/at/all.db",
        "sqlite+aiosqlite:////nowhere/at/all.db",
        "nosuchdialect://x/y",
        "postgresql+asyncpg://someone:secret-word@127.0.0.1:1/none",
        "not a url ://",
    ],
)
def test_a_database_that_cannot_be_opened_is_unreadable_and_its_password_not_shown(tmp_path: Path, url: str) -> None:
    found = refusal(tmp_path, MAPPING, url)
    assert found.code is ErrorCode.SOURCE_UNREADABLE
    assert "secret-word" not in str(found)


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    refusal(tmp_path, MAPPING, f"sqlite:///{tmp_path / 'new.db'}")
    assert not (tmp_path / "new.db").exists()


def test_a_file_that_is_no_database_is_unreadable(database: Path) -> None:
    database.write_bytes(b"not a database at all" * 100)
    assert refusal(database.parent, MAPPING, f"sqlite:///{database}").code is ErrorCode.SOURCE_UNREADABLE


def test_a_dataset_that_breaks_midway_is_reported_and_not_taken_for_whole(database: Path) -> None:
    with sqlite3.connect(database) as opened:
        opened.executemany(
            "INSERT INTO enquiry VALUES (?, 10, '2026-04-01', 'N', 1, ?)", [(n, "x" * 3000) for n in range(100, 3_100)]
        )
        pages = opened.execute("PRAGMA page_count").fetchone()[0]
        size = opened.execute("PRAGMA page_size").fetchone()[0]
    opened.close()
    content = bytearray(database.read_bytes())
    content[size * (pages - 200) :] = b"\xff" * len(content[size * (pages - 200) :])
    database.write_bytes(content)
    found = datasets(read_source(database.parent, MAPPING.replace(" ORDER BY id", ""), f"sqlite:///{database}"))
    assert "failed after row" in found["enquiries"].fault
    assert not found["persons"].fault


def test_a_value_in_the_databases_own_words_is_not_repeated(database: Path) -> None:
    broken = MAPPING.replace("SELECT id, nhs FROM person", f"SELECT id, nhs, abs('{ADA}', 1) FROM person")
    assert ADA not in str(refusal(database.parent, broken, f"sqlite:///{database}"))


def test_a_source_is_checked_without_being_read(database: Path, tmp_path: Path) -> None:
    from agency_node.sources.opening import SourceSettings, open_source
    from tests.support.source_files import TODAY

    mapping = tmp_path / "mapping.toml"
    mapping.write_text(MAPPING, encoding="utf-8")
    settings = SourceSettings("csc", str(mapping), f"sqlite:///{database}")
    source = open_source(settings, today=lambda: TODAY)
    source.check()
    assert source.name == "csc"
    assert str(database) not in repr(settings)
    mapping.write_text(MAPPING.replace("FROM enquiry", "FROM enquiries"), encoding="utf-8")
    with pytest.raises(WardgateError) as refused:
        open_source(settings, today=lambda: TODAY).check()
    assert refused.value.code is ErrorCode.MAPPING_INVALID
