"""A service says in its ledger that it starts and stops, and with which settings, and what changed since."""

from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from federation.errors import WardgateError
from federation.ledger.entry import EntryKind
from federation.ledger.journal import Journal
from federation.service_record import ServiceRecord
from federation.settings import Section, ServiceSettings
from federation.store import sqlite_url
from tests.support.ledger import Clock, a_journal, opened


class Inner(Section):
    """A table."""

    port: int = Field(1, description="A port.")


class Settings(ServiceSettings, env_prefix="WARDGATE_RECORDED_TEST_"):
    """Of a service that does not exist."""

    name: str = Field("one", description="A name.")
    share: float = Field(0.5, description="A share.")
    inner: Inner = Field(default_factory=Inner, description="A table.")


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with opened(sqlite_url(tmp_path / "store.db")) as engine, a_journal(engine, Clock()) as journal:
        yield journal


async def entries(journal: Journal, *kinds: EntryKind) -> list[dict[str, Any]]:
    found = [stored.entry for stored in await journal.entries(0, 100)]
    return [{"kind": entry.kind, **entry.body} for entry in found if not kinds or entry.kind in kinds]


async def test_a_start_and_a_stop_stand_around_what_the_service_does(journal: Journal) -> None:
    clock = Clock()
    async with ServiceRecord(journal, clock).running(Settings(), {"bundle": {"revision": 3}}):
        clock.now += 7

    settings, start, stop = await entries(journal)
    assert (settings["kind"], settings["before"]) == (EntryKind.SETTINGS_CHANGED, "")
    assert start == {
        "kind": EntryKind.SERVICE_STARTED,
        "version": version("wardgate"),
        "settings_sha256": Settings().digest,
        "bundle": {"revision": 3},
    }
    assert stop == {"kind": EntryKind.SERVICE_STOPPED, "ran_s": 7}


async def test_a_service_that_fails_says_that_it_stops_and_its_failure_goes_on(journal: Journal) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        async with ServiceRecord(journal, Clock()).running(Settings(), {}):
            raise RuntimeError("broken")
    assert [entry["kind"] for entry in await entries(journal)][-1] == EntryKind.SERVICE_STOPPED


async def test_without_a_ledger_nothing_starts(journal: Journal) -> None:
    await journal.aclose()
    with pytest.raises(WardgateError, match="LEDGER_UNAVAILABLE"):
        async with ServiceRecord(journal, Clock()).running(Settings(), {}):
            pytest.fail("started")


@pytest.mark.parametrize(
    ("changes", "variable", "count"),
    [({}, None, 1), ({"name": "two"}, None, 2), ({"inner": {"port": 2}}, None, 2), ({}, "two", 2)],
)
async def test_settings_are_said_to_have_changed_when_they_have(
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    variable: str | None,
    count: int,
) -> None:
    async with ServiceRecord(journal, Clock()).running(Settings(), {}):
        pass
    if variable is not None:
        monkeypatch.setenv("WARDGATE_RECORDED_TEST_NAME", variable)
    async with ServiceRecord(journal, Clock()).running(Settings(**changes), {}):
        pass

    found = await entries(journal, EntryKind.SETTINGS_CHANGED)
    assert len(found) == count
    assert [entry["before"] for entry in found[1:]] == [found[0]["digest"]] * (count - 1)


async def test_what_is_said_of_one_name_says_nothing_of_another(journal: Journal) -> None:
    record = ServiceRecord(journal, Clock())
    assert await record.changed(EntryKind.MAPPING_CHANGED, "1", name="a")
    assert await record.changed(EntryKind.MAPPING_CHANGED, "2", name="b")
    again = ServiceRecord(journal, Clock())
    assert not await again.changed(EntryKind.MAPPING_CHANGED, "1", name="a")
    assert await again.changed(EntryKind.MAPPING_CHANGED, "3", name="b")
    assert await again.last(EntryKind.MAPPING_CHANGED) == {"a": "1", "b": "3"}


async def test_what_never_was_there_is_not_said_to_have_gone(journal: Journal) -> None:
    record = ServiceRecord(journal, Clock())
    assert not await record.changed(EntryKind.OVERLAY_CHANGED, "")
    await record.changed(EntryKind.OVERLAY_CHANGED, "1")
    assert await record.changed(EntryKind.OVERLAY_CHANGED, "")
