"""A broken-into gateway, with nothing but its own keyring, makes an agency up: it is asked nothing and told nothing.

The gateway does everything right towards itself: it invites, approves, certifies and publishes. What it cannot make are
the approvals of two of the trustee's people; one is not enough. All services are real, in this process.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agency_node import keychain as node_keys
from agency_node.app import status_of
from bench.bringup import found_region
from bench.one_process import OneProcess, one_process
from bench.questions import next_question
from bench.region import bench_region, responder
from federation.description import sign_description
from federation.errors import ErrorCode, WardgateError
from federation.ledger.checkpoint import Checkpoint, sign_checkpoint
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.person_key import load_person_key
from federation.renewal import certificate_request
from federation.transport.identity import Party, PartyKind
from gateway.applying import Application
from gateway.descriptions import SignedDescription
from keys.digest import sha256
from keys.keyring import Keyring
from sandbox.approving import PEOPLE
from sandbox.folder import SandboxFolder
from trustee.approving import add, read_pending, sign_approval
from trustee.members import verify_signer
from trustee.settings import TrusteeSettings

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(180)]

SHAM = "sham-agency"
TARGET = responder(1)


@dataclass
class Whole:
    """The region, and where its files are."""

    one: OneProcess
    folder: SandboxFolder
    fingerprint: str = ""

    async def make_up(self, folder: Path) -> None:
        """Invite, apply, approve and publish an agency that looks like one of the area."""
        gateway = self.one.gateway
        like = gateway.foundation.directory.current().agency(TARGET).descriptor
        descriptor = like.model_copy(update={"id": SHAM, "name": "Sham", "declared_caseload": 5_000_000})
        keyring = Keyring(folder)
        node_keys.create_keychain(keyring, agency=SHAM, now=int(time.time()))
        keychain, signed = node_keys.load_keychain(keyring), node_keys.signed_statement(keyring)
        token = await gateway.desk.invite(descriptor, valid_s=600, operator="olga")
        content = descriptor.canonical()
        request = certificate_request(keyring, Party(PartyKind.NODE, SHAM))
        described = SignedDescription(content, sign_description(content, keychain.signing_key))
        await gateway.desk.enrol(Application(token, request, signed, described))
        self.fingerprint = keychain.signing_key.verify_key.fingerprint
        await gateway.desk.approve(SHAM, key_fingerprint=self.fingerprint, operator="piet")

    async def approve(self, person: str) -> None:
        """One of the trustee's people approves it after all."""
        settings = TrusteeSettings.load(self.folder.trustee_config)
        signed = sign_approval(
            await read_pending(settings),
            SHAM,
            fingerprint=self.fingerprint,
            caseload=100,
            compared="a person was deceived on the telephone",
            approver=person,
            key=load_person_key(self.folder.person(person)),
            at=int(time.time()),
        )
        await add(settings, signed)

    async def look(self) -> None:
        """Everybody looks at the centre."""
        await self.one.trustee.members.refresh()
        await self.one.gateway.foundation.membership.refresh()
        for node in self.one.nodes:
            await node.foundation.refresh()

    async def asked(self) -> set[str]:
        """Whom a question about a child reaches."""
        self.one.serial += 1
        picture = await self.one.asker.asking.put(next_question(self.one.serial, 1))
        return {target["agency"] for target in picture["targets"] if target["state"] != "not_permitted"}


@pytest.fixture
async def region(tmp_path: Path) -> AsyncIterator[Whole]:
    up = await found_region(bench_region([1], indexed=4), tmp_path, own_processes=0, tell=lambda _: None)
    async with one_process(up.folder, [TARGET]) as one:
        yield Whole(one, up.folder)


async def test_an_agency_that_only_the_gateway_vouches_for_is_asked_nothing_and_learns_nothing(
    region: Whole, tmp_path: Path
) -> None:
    await region.make_up(tmp_path / "sham")
    await region.look()
    node = region.one.asker
    assert SHAM in node.foundation.following.gateway.directory().agencies, "the gateway lists it, with all signatures"

    for people in ((), (PEOPLE[0],)):
        for person in people:
            await region.approve(person)
        await region.look()
        assert SHAM not in await region.asked()
        for believed in (
            node.foundation.directory(),
            region.one.gateway.foundation.membership.current(),
            region.one.trustee.members.directory,
        ):
            assert SHAM not in believed.agencies
        assert SHAM not in region.one.trustee.members.caseloads, "not one guess is evaluated for it"
        with pytest.raises(WardgateError) as caught:
            await verify_signer(region.one.trustee.members, SHAM, lambda key: key)
        assert caught.value.code is ErrorCode.AGENCY_UNKNOWN
        assert await changes(node.foundation.journal) == []

    await region.approve(PEOPLE[1])
    await region.look()
    assert SHAM in node.foundation.directory().agencies
    assert region.one.trustee.members.caseloads[SHAM] == 100
    assert await changes(node.foundation.journal) == [SHAM], "and every node of its area says that it is new"
    assert [change["agency"] for change in (await status_of(node))["members"]["changes"]] == [SHAM]


async def changes(journal: Journal) -> list[str]:
    """The agencies of which a ledger says that they are new or changed."""
    stored = [Entry.parse(item.content) for item in await journal.entries(0, 10_000)]
    found = [entry.body for entry in stored if entry.kind is EntryKind.MEMBERS_CHANGED]
    return [change["agency"] for body in found for change in body["changes"]]


async def test_two_members_that_are_shown_two_histories_find_it_out_by_asking_each_other(region: Whole) -> None:
    """The gateway forks: what it signed for the responder no proof joins to what the asking node follows."""
    responder_node = region.one.nodes[1]
    following = responder_node.foundation.following.gateway
    head = following.head
    assert head is not None
    key = region.one.gateway.foundation.keychain.signing_key
    forked = sign_checkpoint(Checkpoint(head.checkpoint.origin, head.size, sha256(b"another history")), key)
    following._view = replace(following._view, head=forked)
    await region.asked()
    asker = region.one.asker.foundation
    await asker.refresh()
    stored = [Entry.parse(item.content) for item in await asker.journal.entries(0, 10_000)]
    alarms = [entry.body for entry in stored if entry.kind is EntryKind.ALARM_RAISED]
    assert [(alarm["alarm"], alarm["peer"], alarm["theirs"]) for alarm in alarms] == [
        ("SPLIT_VIEW", TARGET, forked.note.decode())
    ]
