"""Another valid point under a running epoch, of requester or target, from either holder, in a whole region.

All services are real, with stores, ledgers and mutual TLS of their own; they run in this process, so that a holder can
be made to take another key while it runs. Everything about that key is in order: the holder states and signs its point,
the gateway publishes it with its ledger entry, both holders find that their keys fit, and every proof holds.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agency_node.app import Node
from bench.bringup import found_region
from bench.one_process import OneProcess, one_process
from bench.questions import next_question
from bench.region import ASKER, bench_region, responder
from federation.directory import SignedPoints
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.seen import Seen
from federation.transport.health import Health
from keys.holder import HolderKey, HolderKeys, Role
from keys.keyring import Keyring
from keys.secret import Secret
from sandbox.folder import SandboxFolder
from tests.support.rekeying import EPOCH, every_holder_uses, signed_points, with_points
from trustee.key_material import load_keys
from trustee.settings import TrusteeSettings

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(120)]

HOLDERS: Sequence[Role] = ("gateway", "trustee")
TARGETS = 2
TARGET, OTHER = responder(1), responder(2)


@dataclass
class Whole:
    """The region, and what signs for the holders."""

    one: OneProcess
    folder: SandboxFolder

    async def publish(self, key: HolderKey, *, believed: bool) -> None:
        """State a key's point and publish it; every party hears of it, and believes it or not."""
        base = self.one.gateway.foundation
        trustee = load_keys(Keyring(TrusteeSettings.load(self.folder.trustee_config).keyring))
        signing_key = base.keychain.signing_key if key.role == "gateway" else trustee.signing_key
        points: SignedPoints = signed_points(key, signing_key, at=int(time.time()))
        forgets(base.directory)
        await base.directory.publish(
            lambda entries: [with_points(entry, key, points) for entry in entries], change="points", entries=[]
        )
        await self.one.trustee.members.refresh()
        for node in self.one.nodes:
            with suppress(WardgateError):
                await node.foundation.refresh()
            assert believed == (
                node.foundation.following.gateway.directory().version == base.directory.current().version
            )

    def right_key(self, role: Role, scope: str) -> HolderKey:
        if role == "gateway":
            return self.one.gateway.foundation.keychain.holder_keys.key(scope, EPOCH)
        return load_keys(Keyring(TrusteeSettings.load(self.folder.trustee_config).keyring)).holder.key(scope, EPOCH)

    @asynccontextmanager
    async def rekeyed(self, role: Role, scope: str) -> AsyncIterator[None]:
        """The holder uses, and publishes, another key for a scope; afterwards the right one again."""
        right, other = self.right_key(role, scope), HolderKeys(role, {EPOCH: Secret.random()}).key(scope, EPOCH)
        try:
            with every_holder_uses(other):
                await self.publish(other, believed=False)
                yield
        finally:
            await self.publish(right, believed=True)

    async def ask(self) -> Any:
        self.one.serial += 1
        return await self.one.asker.asking.put(next_question(self.one.serial, TARGETS))

    def node(self, agency: str) -> Node:
        return next(node for node in self.one.nodes if node.foundation.settings.agency == agency)


@pytest.fixture
async def region(tmp_path: Path) -> AsyncIterator[Whole]:
    up = await found_region(bench_region([TARGETS], indexed=8), tmp_path, own_processes=0, tell=lambda _: None)
    async with one_process(up.folder, [TARGET, OTHER]) as one:
        yield Whole(one, up.folder)


def forgets(authority: Any) -> None:
    """A gateway that would refuse to show another point itself is no dishonest one."""
    authority._trusted = replace(authority._trusted, seen=Seen())


async def entries(journal: Journal, kind: EntryKind) -> list[Any]:
    found = [Entry.parse(entry.content) for entry in await journal.entries(0, 10_000)]
    return [entry.body for entry in found if entry.kind is kind]


async def alarms(journal: Journal) -> list[Any]:
    """The points that alarms in a ledger name, whoever keeps it."""
    found = await entries(journal, EntryKind.ALARM_RAISED)
    return [body["detail"] for body in found if body.get("error") == ErrorCode.POINTS_REPLACED]


async def holds(node: Node) -> bool:
    """What the node's health says of its points, looked at afresh."""
    return (await Health({"points": node.foundation.following.points.hold}).report())["points"]


def outcomes(picture: Any) -> Sequence[str | None]:
    return [target["outcome"] for target in picture["targets"]]


async def test_replaced_points_are_errors_and_alarms_and_never_absence(region: Whole) -> None:
    """Two scopes, two holders; between them the right key makes everything as it was."""
    known = await region.ask()
    assert (known["completeness"], "records" in outcomes(known)) == ("complete", True)
    for node in region.one.nodes:
        assert (await node.health.report())["points"]
    journals = [node.foundation.journal for node in region.one.nodes]
    raised: list[Any] = []
    for role in HOLDERS:
        async with region.rekeyed(role, TARGET):
            if role == "gateway":  # the trustee holds the gateway's proof against the point that it saw first
                with pytest.raises(WardgateError) as caught:
                    await region.ask()
                assert caught.value.code is ErrorCode.PROOF_REJECTED
            else:
                assert_rejected(await region.ask())
            assert not await holds(region.node(TARGET))
            assert await holds(region.node(OTHER))
        async with region.rekeyed(role, ASKER):
            asked = len(await entries(region.one.asker.foundation.journal, EntryKind.QUERY_ASKED))
            with pytest.raises(WardgateError) as caught:
                await region.ask()
            assert caught.value.code is ErrorCode.POINTS_REPLACED
            assert len(await entries(region.one.asker.foundation.journal, EntryKind.QUERY_ASKED)) == asked
            assert not await holds(region.one.asker)
        raised += [f"1: {TARGET}/1/{role}", f"1: {ASKER}/1/{role}"]
        for node in region.one.nodes:
            assert await holds(node)
        assert (await region.ask())["completeness"] == "complete"
    for journal in [*journals, region.one.trustee.journal]:
        assert await alarms(journal) == raised


def assert_rejected(picture: Any) -> None:
    """One target could not be used, and said so; the other was asked as ever."""
    told = {target["agency"]: target["outcome"] or target["state"] for target in picture["targets"]}
    assert told[TARGET] == "rejected"
    assert told[OTHER] in {"records", "nothing_held"}
    assert picture["completeness"] == "incomplete"
