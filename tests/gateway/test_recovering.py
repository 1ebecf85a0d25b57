"""What the gateway publishes after its ledger lost its end: nobody is forgotten, and no version goes out twice."""

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from federation.directory import TrustedDirectory
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from federation.recovery.documents import Kind, Published
from federation.store import sqlite_url
from federation.transport.denylist import DenyList, SignedDenyList
from federation.transport.identity import Party, PartyKind
from gateway.recovering import publish_again
from tests.gateway.test_enrolment import claimed
from tests.support.gateway_world import CSC, FARAWAY, OTHER_CSC, POLICE, SCHOOL, Secrets, World, a_world
from tests.support.ledger import an_entry


@dataclass
class Lost:
    """What others saw before the older copy was put back."""

    secrets: Secrets
    url: str
    trusted: TrustedDirectory
    deny_version: int
    published: Mapping[Kind, Published]


def backed_up(database: Path, to: Path) -> None:
    with closing(sqlite3.connect(database)) as own, closing(sqlite3.connect(to)) as other:
        own.backup(other)


async def published_by(world: World) -> dict[Kind, Published]:
    directory = await world.directory.directory_response(0, 0)
    denials = world.directory.deny_list_response(0)
    return {
        "directory": Published(kind="directory", content=directory.directory.decode(), signature=directory.signature),
        "deny-list": Published(kind="deny-list", content=denials.deny_list.decode(), signature=denials.signature),
    }


@pytest.fixture
async def lost(tmp_path: Path, policy: PolicyPoint) -> Lost:
    """One agency came and one was revoked after the copy was made."""
    database, older = tmp_path / "gateway.db", tmp_path / "older.db"
    secrets = Secrets()
    async with a_world(sqlite_url(database), policy, secrets=secrets):
        backed_up(database, older)
    async with a_world(sqlite_url(database), policy, secrets=secrets) as world:
        await world.enrol(OTHER_CSC)
        await world.desk.revoke(FARAWAY, reason_code="LEFT", operator="olga")
        trusted, version = world.directory.current(), world.directory.deny_version
        published = await published_by(world)
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    older.rename(database)
    return Lost(secrets, sqlite_url(database), trusted, version, published)


@asynccontextmanager
async def recovered(lost: Lost, policy: PolicyPoint, *, revoked: str = "") -> AsyncIterator[World]:
    async with a_world(lost.url, policy, secrets=lost.secrets) as world:
        assert not world.desk.is_listed(OTHER_CSC)
        if revoked:
            await world.desk.revoke(revoked, reason_code="LEFT", operator="olga")
        await publish_again(world.directory, lost.published, an_entry(kind=EntryKind.LEDGER_RECOVERED, query_id=None))
        yield world


async def test_who_came_after_the_copy_is_enrolled_and_who_was_revoked_stays_so(
    lost: Lost, policy: PolicyPoint
) -> None:
    async with recovered(lost, policy) as world:
        assert sorted(world.directory.current().agencies) == sorted(lost.trusted.agencies)
        assert world.directory.is_denied(FARAWAY)
        assert not world.desk.is_listed(FARAWAY)
        await world.desk.recertify(*claimed(world, Party(PartyKind.NODE, OTHER_CSC)))
        await world.desk.recertify(*claimed(world, Party(PartyKind.NODE, SCHOOL)))


async def test_whoever_saw_what_was_lost_takes_what_is_published_next(lost: Lost, policy: PolicyPoint) -> None:
    seen = lost.published["deny-list"]
    async with recovered(lost, policy) as world:
        shown = await world.directory.directory_response(lost.trusted.version, 0)
        body = {"directory_sha256": world.directory.current().digest.hex(), "version": lost.trusted.version + 1}
        newer = lost.trusted.advance(shown.directory, shown.signature, entry=body)
        assert newer.version == lost.trusted.version + 1
        follower = DenyList(lost.secrets.signing.verify_key)
        follower.adopt(SignedDenyList(seen.content.encode(), seen.signature))
        denials = world.directory.deny_list_response(lost.deny_version)
        follower.adopt(SignedDenyList(denials.deny_list, denials.signature))
        assert follower.version == lost.deny_version + 1
        assert follower.denied_agencies() == {FARAWAY}


async def test_whom_either_history_denies_is_denied(lost: Lost, policy: PolicyPoint) -> None:
    """The gateway ran on from the older copy for a while, and its operators revoked somebody."""
    async with recovered(lost, policy, revoked=POLICE) as world:
        assert world.directory.is_denied(FARAWAY)
        assert world.directory.is_denied(POLICE)
        assert sorted(world.directory.current().agencies) == sorted(set(lost.trusted.agencies) - {POLICE})


async def test_a_restart_and_a_repetition_after_a_crash_change_nothing_of_it(lost: Lost, policy: PolicyPoint) -> None:
    async with recovered(lost, policy) as world:
        await publish_again(world.directory, lost.published, an_entry(kind=EntryKind.LEDGER_RECOVERED, query_id=None))
        agencies, version = sorted(world.directory.current().agencies), world.directory.current().version
    async with a_world(lost.url, policy, secrets=lost.secrets, enrol=()) as again:
        assert (sorted(again.directory.current().agencies), again.directory.current().version) == (agencies, version)
        assert again.directory.is_denied(FARAWAY)
        assert again.directory.deny_version == lost.deny_version + 2


async def test_a_gateway_that_lost_everything_lists_whom_others_saw(
    lost: Lost, policy: PolicyPoint, tmp_path: Path
) -> None:
    everything = Lost(lost.secrets, sqlite_url(tmp_path / "new.db"), lost.trusted, lost.deny_version, lost.published)
    async with a_world(everything.url, policy, secrets=lost.secrets, enrol=()) as world:
        await publish_again(world.directory, lost.published, an_entry(kind=EntryKind.LEDGER_RECOVERED, query_id=None))
        assert sorted(world.directory.current().agencies) == sorted(lost.trusted.agencies)
        assert CSC in world.directory.current().agencies
