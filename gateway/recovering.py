"""The gateway where a ledger is recovered: its own, or the trustee's, which it agrees to.

Who is listed and who is denied comes back from what others saw. What else was lost (queries in flight, teams,
invitations) is lost.
"""

import time
from collections.abc import Mapping

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.directory import AgencyEntry, DirectoryDocument
from federation.keyfiles import read_verify_key
from federation.ledger.checkpoint import NoteKey
from federation.ledger.entry import Entry
from federation.ledger.journal import Journal
from federation.recovery.documents import Centre, Kind, Published
from federation.recovery.follower import PartyAtHand
from federation.recovery.keeper import Keeper
from federation.store import reading
from federation.transport.denylist import DenyList, DenyListDocument
from gateway.applying import Progress
from gateway.beginning import begin_directory
from gateway.directory import DirectoryAuthority
from gateway.enrolment import ENROLMENT
from gateway.keychain import load_keychain
from gateway.settings import GatewaySettings
from keys.keyring import Keyring


def at_hand(settings: GatewaySettings) -> PartyAtHand:
    """The gateway on whose machine a command runs.

    Raises:
        WardgateError: `SETTINGS_INVALID`, `KEYRING_REJECTED`.
    """
    key = load_keychain(Keyring(settings.keys_dir)).signing_key
    own = NoteKey(settings.party.ledger, key.verify_key)
    trustee = NoteKey(settings.trustee.party.ledger, read_verify_key(settings.trustee.verify_key_file))
    return PartyAtHand(settings.party, key, settings.store_url, Centre(own, trustee))


def keeper(settings: GatewaySettings) -> Keeper:
    """The gateway as the keeper of the ledger that is recovered."""

    async def again(engine: AsyncEngine, journal: Journal, published: Mapping[Kind, Published], entry: Entry) -> None:
        keychain = load_keychain(Keyring(settings.keys_dir))
        deny_list = DenyList(keychain.verify_key)
        authority = begin_directory(settings, keychain, reading(engine), journal, deny_list, clock=time.time)
        await publish_again(authority, published, entry)

    return Keeper(at_hand(settings), settings.keys_dir, "gateway.store", again)


async def publish_again(authority: DirectoryAuthority, published: Mapping[Kind, Published], entry: Entry) -> int:
    """Publish what others saw under the next versions; the recovery's entry stands with the directory.

    Args:
        authority: Over the store that was put back; nothing of it need be loaded.
        published: What others saw.
        entry: The recovery's.

    Returns:
        The version of the directory.

    Raises:
        WardgateError: `DIRECTORY_REJECTED`, `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`.
    """
    seen, denied = published.get("directory"), published.get("deny-list")
    directory = DirectoryDocument.parse(seen.content.encode()) if seen else None

    async def enrol(connection: AsyncConnection) -> None:
        for listed in directory.agencies if directory else []:
            await _enrolled(connection, listed)

    return await authority.recover(
        directory,
        DenyListDocument.parse(denied.content.encode()) if denied else None,
        entries=[entry],
        write=enrol,
    )


async def _enrolled(connection: AsyncConnection, listed: AgencyEntry) -> None:
    """An agency that came after what is kept is enrolled; its certificate is known again when it renews it."""
    of_agency = ENROLMENT.c.agency == listed.agency.id
    progress = (await connection.execute(select(ENROLMENT.c.progress).where(of_agency))).scalar_one_or_none()
    if progress == Progress.APPROVED.value:
        return
    stated = listed.statements[-1]
    await connection.execute(delete(ENROLMENT).where(of_agency))
    row = {
        "agency": listed.agency.id,
        "descriptor": listed.agency.canonical(),
        "token_sha256": "",
        "token_expires_at": 0,
        "progress": Progress.APPROVED.value,
        "invited_by": "",
        "decided_by": "",
        "certificate_request": b"",
        "statement": stated.statement,
        "statement_signature": stated.signature,
        "description_signature": listed.description_signature,
        "certificate": b"",
    }
    await connection.execute(insert(ENROLMENT), row)
