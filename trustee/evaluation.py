"""The verb "evaluate": one signed batch of blinded identifiers, multiplied by the scope's key, with a proof.

The trustee acts first and only on points that a node signed. Everything is checked before anything is recorded, and
everything is recorded before anything is multiplied.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from federation.batch import BatchHeader, parse_batch, verify_batch
from federation.directory import Agency
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.published import check_in_use
from keys.digest import sha256
from keys.pseudonym import HolderKeys
from trustee.books import Act, AlarmReason, Books
from trustee.epochs import Epochs
from trustee.members import Members, accepted_caseload, is_newer, verify_signer
from trustee.points import check_points
from trustee.quotas import Quotas, evaluation_charges
from trustee.store.seen import AlreadyPresentedError, mark_batch


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Elements in the order asked, concatenated, and the batch proof against the scope's published point."""

    elements: bytes
    proof: bytes


class Evaluation:
    """Evaluates signed batches.

    Args:
        keys: The trustee's keys.
        epochs: Those in use.
        members: The agencies as the trustee has verified them.
        books: Where every evaluation is recorded first.
        quotas: The trustee's limits.
        live: Threads for what a person waits for.
        bulk: Threads for caseloads, whose batches take half a second each.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        keys: HolderKeys,
        epochs: Epochs,
        members: Members,
        books: Books,
        quotas: Quotas,
        live: Executor,
        bulk: Executor,
        clock: Callable[[], float],
    ) -> None:
        self._keys = keys
        self._epochs = epochs
        self._members = members
        self._books = books
        self._quotas = quotas
        self._executors = {"query": live, "caseload": bulk}
        self._clock = clock

    async def evaluate(self, header: bytes, signature: bytes, elements: bytes) -> Evaluated:
        """Evaluate a batch.

        The same batch may be presented again until it expires (a retry, another replica of the gateway): it gives the
        same elements and is recorded and counted once. Another batch under a used id is refused.

        Args:
            header: As the node signed it.
            signature: The node's, domain `BATCH`.
            elements: 32 bytes each, concatenated.

        Raises:
            WardgateError: `MESSAGE_*`, `AGENCY_UNKNOWN`, `SIGNATURE_REJECTED`, `QUERY_EXPIRED`, `EPOCH_UNKNOWN`,
                `KEYRING_REJECTED`, `REPLAYED`, `QUOTA_EXCEEDED` or `LEDGER_UNAVAILABLE`.
        """
        agency, batch = await self._verify(header, signature, elements)
        self._epochs.check(batch.agency, batch.epoch)
        if is_newer(self._members, self._epochs, batch.agency, batch.epoch):
            await self._members.refresh()
            agency = self._members.directory.agency(batch.agency)
        key = check_in_use(agency, batch.epoch, self._keys)
        loop, executor = asyncio.get_running_loop(), self._executors[batch.use]
        await loop.run_in_executor(executor, check_points, elements)
        await self._record(agency, batch, sha256(header))
        return Evaluated(*await loop.run_in_executor(executor, key.evaluate, elements))

    async def _verify(self, header: bytes, signature: bytes, elements: bytes) -> tuple[Agency, BatchHeader]:
        claimed = parse_batch(header, elements)
        try:
            return await verify_signer(
                self._members,
                claimed.agency,
                lambda key: verify_batch(header, signature, elements, key=key, now=self._clock()),
            )
        except WardgateError as error:
            if error.code is ErrorCode.SIGNATURE_REJECTED:
                await self._books.alarm(claimed.agency, AlarmReason.SIGNATURE_REJECTED, {"presented": "batch"})
            raise

    async def _record(self, agency: Agency, batch: BatchHeader, digest: bytes) -> None:
        charges = evaluation_charges(
            batch.use,
            count=batch.count,
            epoch=batch.epoch,
            caseload=accepted_caseload(agency, self._members.caseloads),
            now=self._clock(),
            quotas=self._quotas,
            resets=len(agency.resets),
        )
        body = {
            "use": batch.use,
            "count": batch.count,
            "epoch": batch.epoch,
            "batch_id": batch.batch_id,
            "header_sha256": digest.hex(),
            "elements_sha256": batch.elements_sha256.hex(),
        }

        async def mark(connection: AsyncConnection) -> None:
            await mark_batch(connection, batch, digest)

        try:
            await self._books.record(Act(EntryKind.BATCH_EVALUATED, batch.agency, body, charges), mark)
        except AlreadyPresentedError as error:
            if error.before.digest != digest:
                await self._books.alarm(batch.agency, AlarmReason.REPLAYED, {"presented": "batch"})
                raise WardgateError(ErrorCode.REPLAYED, f"{batch.agency} batch {batch.batch_id}") from error
