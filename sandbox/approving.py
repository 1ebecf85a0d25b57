"""The sandbox's part as the trustee's people: they compare each newcomer with what its node says, and approve it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from agency_node import keychain as node_keys
from agency_node.settings import NodeSettings
from federation.errors import ErrorCode, WardgateError
from federation.person_key import load_person_key, make_person_key
from keys.keyring import Keyring
from sandbox.folder import SandboxFolder
from trustee.approving import PendingFile, add, read_pending, sign_approval
from trustee.settings import TrusteeSettings

PEOPLE: Final = ("amara", "idris")
"""Two people of the trustee's organisation."""

WAIT_S: Final = 60.0
PAUSE_S: Final = 0.2


def make_people(folder: SandboxFolder) -> dict[str, str]:
    """Make both people's keys; returns their verify keys by name, as the trustee's settings take them."""
    return {name: make_person_key(folder.person(name)).hex for name in PEOPLE}


async def approve_all(folder: SandboxFolder, nodes: Sequence[NodeSettings], tell: Callable[[str], None]) -> None:
    """Have both people approve every node's agency, and wait until the trustee's register shows them.

    Raises:
        WardgateError: `ENROLMENT_REFUSED`: the trustee did not list or take up all of them in time, or whatever it
            refused.
    """
    settings = TrusteeSettings.load(folder.trustee_config)
    names = {node.agency for node in nodes}
    pending = await _until_pending(settings, lambda found: names <= found)
    for node in nodes:
        own = node_keys.load_keychain(Keyring(node.keys_dir)).signing_key.verify_key
        shown = next(item for item in pending.pending if item.agency == node.agency)
        for person in PEOPLE:
            signed = sign_approval(
                pending,
                node.agency,
                fingerprint=own.fingerprint,
                caseload=shown.declared_caseload,
                compared="read from the node's own keyring by the sandbox, which plays both organisations",
                approver=person,
                key=load_person_key(folder.person(person)),
                at=int(time.time()),
            )
            await add(settings, signed)
    await _until_pending(settings, lambda found: not names & found)
    tell(f"{len(names)} agencies approved by two people of the trustee")


async def _until_pending(settings: TrusteeSettings, holds: Callable[[set[str]], bool]) -> PendingFile:
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        found = await read_pending(settings)
        if holds({item.agency for item in found.pending}):
            return found
        await asyncio.sleep(PAUSE_S)
    raise WardgateError(ErrorCode.ENROLMENT_REFUSED, "the trustee did not take the agencies up in time")
