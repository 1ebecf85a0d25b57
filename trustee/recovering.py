"""The trustee where a ledger is recovered: the gateway's, which it agrees to, or its own."""

import time
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.keyfiles import read_verify_key
from federation.ledger.checkpoint import NoteKey
from federation.ledger.entry import Entry
from federation.ledger.journal import Journal
from federation.recovery.documents import Centre, Kind, Published
from federation.recovery.follower import PartyAtHand
from federation.recovery.keeper import Keeper
from federation.register import LIFE_S, RegisterDocument
from federation.store import store_errors
from federation.transport.denylist import SignedDenyList
from keys.signing import SigningKey
from trustee.books import Books
from trustee.key_material import load_keys, open_existing_keyring
from trustee.names import ledger_origin
from trustee.register import publish
from trustee.settings import TrusteeSettings
from trustee.store.register import kept_register
from trustee.store.verified import kept_deny_list


def at_hand(settings: TrusteeSettings) -> PartyAtHand:
    """The trustee on whose machine a command runs.

    Raises:
        WardgateError: `SETTINGS_INVALID`, `KEYRING_REJECTED`.
    """
    key = _signing_key(settings)
    gateway = NoteKey(settings.gateway.party.ledger, read_verify_key(settings.gateway.verify_key_file))
    own = NoteKey(ledger_origin(settings.party), key.verify_key)
    return PartyAtHand(settings.party, key, settings.database, Centre(gateway, own), _denials)


def _signing_key(settings: TrusteeSettings) -> SigningKey:
    return load_keys(open_existing_keyring(settings.keyring)).signing_key


async def _denials(connection: AsyncConnection) -> SignedDenyList | None:
    kept = await kept_deny_list(connection)
    return None if kept is None else SignedDenyList(*kept)


def keeper(settings: TrusteeSettings) -> Keeper:
    """The trustee as the keeper of the ledger that is recovered."""
    found = at_hand(settings)

    async def again(engine: AsyncEngine, journal: Journal, published: Mapping[Kind, Published], entry: Entry) -> None:
        await _publish_again(settings, engine, journal, published, entry)

    return Keeper(found, settings.keyring, "trustee.store", again)


async def _publish_again(
    settings: TrusteeSettings,
    engine: AsyncEngine,
    journal: Journal,
    published: Mapping[Kind, Published],
    entry: Entry,
) -> None:
    """Publish the members that others saw last, under the next version; what people approved meanwhile is in them."""
    key = _signing_key(settings)
    async with store_errors("register"), engine.connect() as connection:
        kept = await kept_register(connection)
    own, books = kept.verified(key.verify_key), Books(journal=journal, clock=time.time)
    seen = published.get("register")
    content = kept.content
    if seen is not None and RegisterDocument.parse(seen.content.encode()).version > kept.version:
        content = seen.content.encode()
    if not content:
        await journal.record([entry])
        return
    now, last = int(time.time()), RegisterDocument.parse(content)
    wanted = last.model_copy(update={"version": last.version + 1, "issued_at": now, "expires_at": now + LIFE_S})
    await publish(wanted, since=own, books=books, key=key, party=str(settings.party), before=[entry])
