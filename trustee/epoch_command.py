"""Rotating a scope from the command line, beside the running service or without it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.ledger.journal import Journal
from federation.ledger.kept import KeptCheckpoint
from federation.store import open_existing, store_errors
from federation.transport.correlation import correlated
from trustee.approving import read_listed
from trustee.books import Books
from trustee.epochs import EpochRange
from trustee.key_material import load_keys, open_existing_keyring
from trustee.names import ledger_origin
from trustee.rotation import load_ranges, open_epoch, retire_epoch
from trustee.settings import TrusteeSettings
from trustee.store.register import kept_register


async def plan_rotation(settings: TrusteeSettings, scope: str, *, opening: bool) -> EpochRange:
    """What `rotate_scope` would leave in use; changes nothing.

    Raises:
        WardgateError: `AGENCY_UNKNOWN`, `EPOCH_UNKNOWN`, `EPOCH_IN_USE` or `STORE_UNAVAILABLE`.
    """
    async with _store(settings, scope) as engine:
        before = (await load_ranges(engine)).get(scope, EpochRange())
        if not opening:
            await _check_unused(engine, settings, scope, before.oldest)
    return before.opened() if opening else before.retired()


async def rotate_scope(settings: TrusteeSettings, scope: str, *, opening: bool) -> EpochRange:
    """Open the next epoch of a scope, or retire its oldest; returns what is in use then.

    Raises:
        WardgateError: `AGENCY_UNKNOWN`, `EPOCH_UNKNOWN`, `EPOCH_IN_USE`, `KEYRING_REJECTED`, `LEDGER_UNAVAILABLE` or
            `STORE_UNAVAILABLE`.
        KeyringRejected: The new seed cannot be written.
    """
    keyring = open_existing_keyring(settings.keyring)
    signing_key = load_keys(keyring).signing_key
    async with (
        _store(settings, scope) as engine,
        Journal(engine, ledger_origin(settings.party), signing_key, time.time, KeptCheckpoint(keyring)) as journal,
    ):
        books = Books(journal=journal, clock=time.time)
        with correlated():
            if opening:
                return await open_epoch(engine, books, keyring, scope)
            oldest = (await load_ranges(engine)).get(scope, EpochRange()).oldest
            await _check_unused(engine, settings, scope, oldest)
            return await retire_epoch(engine, books, scope)


def next_step(scope: str, found: EpochRange, *, opening: bool, done: bool) -> str:
    """What is to be done after a step, in words, and by whom.

    Args:
        scope: An agency.
        found: What is in use at the trustee after the step.
        opening: Whether an epoch is opened; else one is retired.
        done: Whether the step was taken, not planned.
    """
    if not done:
        return "nothing was changed; add --yes"
    if opening:
        return (
            f"the gateway's operator runs `wardgate gateway epoch-open --agency {scope}` after some seconds, when the "
            f"running trustee states epoch {found.newest}; back up this keyring first"
        )
    return (
        f"nothing: both holders have retired epoch {found.oldest - 1} of {scope}. Its seed is needed as long as any "
        "agency is in that epoch"
    )


async def _check_unused(engine: AsyncEngine, settings: TrusteeSettings, scope: str, epoch: int) -> None:
    """Refuse to retire what the directory names: whoever asks that agency would be refused, and everybody beside it."""
    async with store_errors("directory"), engine.connect() as connection:
        listed = await read_listed(connection, settings)
    agency = listed.agencies.get(scope)
    if agency is not None and epoch in agency.gateway_points.keys() | agency.trustee_points.keys():
        raise WardgateError(ErrorCode.EPOCH_IN_USE, f"{scope} epoch {epoch}")


@asynccontextmanager
async def _store(settings: TrusteeSettings, scope: str) -> AsyncIterator[AsyncEngine]:
    engine = open_existing(settings.database)
    try:
        async with store_errors("agencies"), engine.connect() as connection:
            known = scope in (await kept_register(connection)).members
        if not known:
            raise WardgateError(ErrorCode.AGENCY_UNKNOWN, "no such member in the register that this trustee keeps")
        yield engine
    finally:
        await engine.dispose()
