"""Opening a new epoch of a scope, and retiring its oldest: changes of the operator's, each a ledger entry.

The gateway's operator takes a new epoch from here into the directory, together with the gateway's half, and takes the
oldest out of it before it is retired here. Both epochs are valid in between.
"""

import asyncio
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.ledger.entry import EntryKind
from federation.store import store_errors
from keys.keyring import Keyring
from keys.pseudonym import HolderKeys
from keys.secret import Secret
from trustee.books import Act, Books
from trustee.epochs import EpochRange, Epochs
from trustee.key_material import seed_name
from trustee.store.scopes import epoch_ranges, put_epoch_range


async def load_ranges(engine: AsyncEngine) -> dict[str, EpochRange]:
    """The epochs of every scope that has changed epochs.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`.
    """
    async with store_errors("epochs"), engine.connect() as connection:
        return await epoch_ranges(connection)


async def open_epoch(engine: AsyncEngine, books: Books, keyring: Keyring, scope: str) -> EpochRange:
    """Open a scope's next epoch, making its seed where no other scope has needed it yet.

    Raises:
        WardgateError: `EPOCH_UNKNOWN` when too many are in use, `LEDGER_UNAVAILABLE` or `STORE_UNAVAILABLE`.
        KeyringRejected: The keyring cannot be written.
    """

    def with_seed(before: EpochRange) -> EpochRange:
        after = before.opened()
        if not keyring.exists(seed_name(after.newest)):
            keyring.create(seed_name(after.newest), Secret.random())
        return after

    return await _change(engine, books, scope, with_seed)


async def retire_epoch(engine: AsyncEngine, books: Books, scope: str) -> EpochRange:
    """Take a scope's oldest epoch out of use.

    Raises:
        WardgateError: `EPOCH_IN_USE` when it is the only one, `LEDGER_UNAVAILABLE` or `STORE_UNAVAILABLE`.
    """
    return await _change(engine, books, scope, EpochRange.retired)


async def _change(
    engine: AsyncEngine, books: Books, scope: str, change: Callable[[EpochRange], EpochRange]
) -> EpochRange:
    after = change((await load_ranges(engine)).get(scope, EpochRange()))

    async def apply(connection: AsyncConnection) -> None:
        await put_epoch_range(connection, scope, after)

    body = {"scope": scope, "oldest": after.oldest, "newest": after.newest}
    await books.record(Act(EntryKind.EPOCH_ROTATED, scope, body), apply)
    return after


class Following:
    """Takes over what another replica, or a command beside the running service, has changed."""

    def __init__(self, *, engine: AsyncEngine, epochs: Epochs, holder: HolderKeys, keyring: Keyring) -> None:
        self._engine = engine
        self._epochs = epochs
        self._holder = holder
        self._keyring = keyring

    async def once(self) -> None:
        """Read ranges and new seeds.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
            KeyringRejected: A seed is not kept safely.
        """
        ranges = await load_ranges(self._engine)
        for epoch in {found.newest for found in ranges.values()} - set(self._holder.epochs):
            if self._keyring.exists(seed_name(epoch)):
                self._holder.add(epoch, self._keyring.load(seed_name(epoch)))
        self._epochs.replace(ranges)

    async def run(self, interval_s: float) -> None:
        """Follow until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(interval_s)
