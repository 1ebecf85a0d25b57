"""What an operator may know of a trustee, read from its store and keyring whether it runs or not."""

import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from sqlalchemy.ext.asyncio import AsyncEngine

from federation.canonical import JsonObject
from federation.following.gateway import DIRECTORY
from federation.following.kept import read_states
from federation.ledger.reader import Reader
from federation.register import Member
from federation.renewal import TLS, expiry_sentence
from federation.store import open_existing, reading, store_errors
from keys.certificates import not_after
from keys.keyring import Keyring
from trustee.key_material import load_keys, open_existing_keyring
from trustee.quotas import hour_of
from trustee.rotation import load_ranges
from trustee.settings import TrusteeSettings
from trustee.store.register import kept_register
from trustee.store.usage import counts_of_hour


async def read_status(settings: TrusteeSettings, clock: Callable[[], float] = time.time) -> JsonObject:
    """Keys, directory, ledger size, epochs, members and the counters of this hour.

    Raises:
        WardgateError: `KEYRING_REJECTED` or `STORE_UNAVAILABLE`.
    """
    keyring = open_existing_keyring(settings.keyring)
    material = load_keys(keyring)
    async with AsyncExitStack() as stack:
        engine = open_existing(settings.database)
        stack.push_async_callback(engine.dispose)
        stored = await _stored(reading(engine), hour_of(clock()))
        ranges = await load_ranges(engine)
    return {
        "party": settings.party.uri,
        "verify_key": material.signing_key.verify_key.hex,
        "seeds": list(material.holder.epochs),
        **_certificate(keyring, clock()),
        "epochs": {scope: [found.oldest, found.newest] for scope, found in sorted(ranges.items())},
        **stored,
    }


async def _stored(engine: AsyncEngine, hour: int) -> JsonObject:
    async with store_errors("status"), engine.connect() as connection:
        kept = (await read_states(connection)).get(DIRECTORY)
        register = await kept_register(connection)
        counts = await counts_of_hour(connection, hour)
    return {
        "directory_version": kept.version if kept else 0,
        "directory_verified_at": kept.updated_at if kept else 0,
        "ledger_size": await Reader(engine).size(),
        "register_version": register.version,
        "members": {name: _shown(member) for name, member in sorted(register.members.items())},
        "hour_start_at": hour,
        "counters": [{"agency": item.agency, "kind": item.kind, "count": item.total} for item in counts],
    }


def _shown(member: Member) -> JsonObject:
    return {"caseload": member.caseload, "endorsed": member.is_endorsed, "approved_by": list(member.approved_by)}


def _certificate(keyring: Keyring, now: float) -> JsonObject:
    if not keyring.is_published(TLS):
        return {"certificate": "warning: there is no certificate", "certificate_expires_at": 0}
    expires_at = int(not_after(keyring.published(TLS)).timestamp())
    return {"certificate": expiry_sentence(expires_at, now), "certificate_expires_at": expires_at}
