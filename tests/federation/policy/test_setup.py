"""A service's bundle at its start: what comes into force and what is refused stand in the ledger."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from federation.actor import Actor
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.ledger.journal import Journal
from federation.policy.bundle import install_bundle
from federation.policy.setup import REJECTED_EVERY_S, OpenPolicy, PolicyChoice, open_policy
from federation.store import sqlite_url
from keys.signing import SigningKey
from tests.support.ledger import ORIGIN, Clock, a_journal, opened
from tests.support.policy import NOW, write_dist


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with opened(sqlite_url(tmp_path / "store.db")) as engine, a_journal(engine, Clock(NOW)) as journal:
        yield journal


class Starts:
    """Starts of a service with one bundle after another."""

    def __init__(self, journal: Journal, folder: Path) -> None:
        self.journal, self.folder, self.clock = journal, folder, Clock(NOW)
        self.key = SigningKey.generate()

    def install(self, revision: int) -> None:
        dist = write_dist(self.folder / f"dist-{revision}", revision=revision)
        install_bundle(dist, self.folder / "bundle", self.key, clock=lambda: NOW)

    async def start(self) -> OpenPolicy:
        choice = PolicyChoice(
            engine="embedded",
            server_url="",
            bundle_dir=self.folder / "bundle",
            bundle_key=self.key.verify_key,
            archive=self.folder / "archive",
            cache_dir=self.folder / "cache",
        )
        async with AsyncExitStack() as stack:
            return await open_policy(
                choice, journal=self.journal, actor=Actor.keeper(ORIGIN), stack=stack, clock=self.clock
            )

    async def refused(self) -> None:
        with pytest.raises(WardgateError) as caught:
            await self.start()
        assert caught.value.code is ErrorCode.BUNDLE_REJECTED

    async def bodies(self, kind: EntryKind) -> list[dict[str, Any]]:
        return [dict((await self.journal.entries(at, 1))[0].entry.body) for at in await self.journal.find(kind)]


@pytest.fixture
def starts(journal: Journal, tmp_path: Path) -> Starts:
    return Starts(journal, tmp_path)


async def test_a_bundle_that_comes_into_force_is_said_once(starts: Starts) -> None:
    starts.install(2)
    await starts.start()
    await starts.start()
    assert [body["revision"] for body in await starts.bodies(EntryKind.BUNDLE_ACTIVATED)] == [2]
    assert await starts.bodies(EntryKind.BUNDLE_REJECTED) == []


async def test_a_bundle_rolled_back_is_refused_and_said_to_be_so(starts: Starts) -> None:
    starts.install(2)
    await starts.start()
    starts.install(1)

    await starts.refused()

    (body,) = await starts.bodies(EntryKind.BUNDLE_REJECTED)
    assert set(body) == {"detail"}
    assert body["detail"]


@pytest.mark.parametrize(("later_s", "count"), [(REJECTED_EVERY_S, 1), (REJECTED_EVERY_S + 1, 2)])
async def test_a_service_started_again_and_again_says_it_once_an_hour(starts: Starts, later_s: int, count: int) -> None:
    starts.install(2)
    await starts.start()
    starts.install(1)
    await starts.refused()
    starts.clock.now += later_s
    await starts.refused()
    assert len(await starts.bodies(EntryKind.BUNDLE_REJECTED)) == count
