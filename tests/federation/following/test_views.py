"""Members compare what they have seen of the centre: a gateway that shows two of them two histories is found out."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from federation.centre_seen import CentreSeen
from federation.errors import ErrorCode, WardgateError
from federation.following.views import MAX_PEERS, PATIENCE, PeerViews
from federation.ledger.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    cosign_checkpoint,
    sign_checkpoint,
    with_cosignatures,
)
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.store import migrate, open_engine, sqlite_url
from keys.digest import sha256
from keys.signing import SigningKey
from tests.support.gateway_side import GatewaySide
from tests.support.region import Region
from tests.support.trustee_house import Clock

THEIRS = "wardgate/gateway/main"
PEER = "met-police"


@dataclass
class Desk:
    """One member's views, and the gateway whose ledger it follows."""

    views: PeerViews
    gateway: GatewaySide
    journal: Journal
    head: SignedCheckpoint | None = None
    register_version: int = 3

    async def look(self) -> SignedCheckpoint:
        """Follow the gateway to its newest checkpoint."""
        self.head = await self.gateway.journal.checkpoint()
        return self.head

    async def grow(self, entries: int = 1) -> SignedCheckpoint:
        for _ in range(entries):
            await self.gateway.write(EntryKind.SETTINGS_CHANGED, {})
        return await self.gateway.journal.checkpoint()

    def other_history(self, size: int) -> str:
        """A checkpoint that the gateway signed, of a tree that it showed somebody else."""
        return sign_checkpoint(
            Checkpoint(THEIRS, size, sha256(b"another")), self.gateway.region.gateway_key
        ).note.decode()

    async def alarms(self) -> list[Any]:
        entries = [Entry.parse(stored.content) for stored in await self.journal.entries(0, 100)]
        return [entry.body for entry in entries if entry.kind is EntryKind.ALARM_RAISED]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    region, clock, key = Region.of(PEER), Clock(), SigningKey.generate()
    async with AsyncExitStack() as stack:
        journals = []
        for name, origin, signer in (("g", THEIRS, region.gateway_key), ("n", "wardgate/node/uclh", key)):
            await migrate(sqlite_url(tmp_path / f"{name}.db"), "trustee.store")
            engine = open_engine(sqlite_url(tmp_path / f"{name}.db"))
            stack.push_async_callback(engine.dispose)
            journals.append(await stack.enter_async_context(Journal(engine, origin, signer, clock)))
        gateway = GatewaySide(region, journals[0])
        views = PeerViews(
            journals[0].key,
            head=lambda: made.head,
            register_version=lambda: made.register_version,
            gateway=gateway,
            journal=journals[1],
            clock=clock,
        )
        made = Desk(views, gateway, journals[1])
        await made.grow(3)
        await made.look()
        yield made


def seen(note: SignedCheckpoint | str, register_version: int = 3) -> CentreSeen:
    text = note if isinstance(note, str) else note.note.decode()
    return CentreSeen(checkpoint=text, register_version=register_version)


async def test_who_has_seen_the_same_or_an_older_state_of_one_ledger_is_no_news(desk: Desk) -> None:
    old = await desk.look()
    desk.views.heard(PEER, desk.views.seen())
    await desk.grow(4)
    await desk.look()
    desk.views.heard(PEER, seen(old))
    desk.views.heard("another-agency", CentreSeen())
    await desk.views.refresh()
    assert await desk.alarms() == []
    assert desk.views._heard == {}


async def test_what_others_wrote_under_a_checkpoint_is_not_passed_on(desk: Desk) -> None:
    """Or a gateway that hands out notes with lines of its own making could keep a member from asking anything."""
    head = await desk.look()
    line = cosign_checkpoint(head, name="wardgate/node/anybody", key=SigningKey.generate(), at=1)
    desk.head = replace(head, note=with_cosignatures(head.note, *([line] * 120)))
    assert desk.views.seen() == seen(head)


@pytest.mark.parametrize("smaller", [0, 1, 2])
async def test_another_history_of_any_size_is_an_alarm_with_both_checkpoints(desk: Desk, smaller: int) -> None:
    head = await desk.look()
    theirs = desk.other_history(head.size - smaller)
    desk.views.heard(PEER, seen(theirs))
    await desk.views.refresh()
    await desk.views.refresh()
    (alarm,) = await desk.alarms()
    assert (alarm["alarm"], alarm["peer"]) == ("SPLIT_VIEW", PEER)
    assert (alarm["ours"], alarm["theirs"]) == (head.note.decode(), theirs)


async def test_a_gateway_that_declines_the_proof_is_no_less_a_split_view(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await desk.look()
    await desk.grow()
    await desk.look()

    async def declines(old_size: int, new_size: int) -> list[bytes]:
        raise WardgateError(ErrorCode.LEDGER_FORKED, f"{old_size} {new_size}")

    monkeypatch.setattr(desk.gateway, "consistency", declines)
    desk.views.heard(PEER, seen(old))
    await desk.views.refresh()
    assert len(await desk.alarms()) == 1


async def test_who_has_seen_more_is_waited_for_and_then_an_alarm(desk: Desk) -> None:
    """A gateway that keeps one member at an old state, from the directory or the register on."""
    newer = await desk.grow()
    desk.views.heard(PEER, seen(newer))
    for _ in range(PATIENCE - 1):
        await desk.views.refresh()
    assert await desk.alarms() == []
    await desk.views.refresh()
    assert len(await desk.alarms()) == 1

    desk.views.heard(PEER, seen(newer))
    await desk.views.refresh()
    await desk.look()
    await desk.views.refresh()
    assert len(await desk.alarms()) == 1, "what came in time is no alarm"


async def test_a_register_that_is_kept_from_one_member_is_an_alarm(desk: Desk) -> None:
    head = await desk.look()
    desk.views.heard(PEER, seen(head, register_version=4))
    for _ in range(PATIENCE):
        await desk.views.refresh()
    (alarm,) = await desk.alarms()
    assert alarm["register_versions"] == [3, 4]


@pytest.mark.parametrize("junk", ["junk", "wardgate/gateway/main\n3\nAAAA\n\n"])
async def test_a_checkpoint_that_the_gateway_never_signed_accuses_nobody(desk: Desk, junk: str) -> None:
    desk.views.heard(PEER, seen(junk))
    await desk.views.refresh()
    assert await desk.alarms() == []
    assert desk.views._heard == {}


async def test_while_the_gateway_cannot_be_asked_nothing_is_forgotten_and_nothing_accused(desk: Desk) -> None:
    old = await desk.look()
    await desk.grow()
    await desk.look()
    desk.views.heard(PEER, seen(old))
    desk.gateway.unreachable = True
    with pytest.raises(WardgateError):
        await desk.views.refresh()
    assert list(desk.views._heard) == [PEER]
    desk.gateway.unreachable = False
    await desk.views.refresh()
    assert await desk.alarms() == []


async def test_members_that_nobody_lists_cannot_fill_the_memory(desk: Desk) -> None:
    newer = await desk.grow()
    for number in range(MAX_PEERS + 5):
        desk.views.heard(f"agency-{number}", seen(newer))
    assert len(desk.views._heard) == MAX_PEERS
