"""Evaluation of signed batches for nodes.

Every evaluation is counted, and stands in the ledger, before its result leaves.
"""

from collections.abc import Callable
from typing import Final

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from federation.actor import Actor
from federation.batch import BatchHeader, verify_batch
from federation.directory import TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.transport.correlation import correlation
from gateway.store.tables import EvaluationCount, table
from gateway.translation import Translator
from keys.digest import sha256

COUNT = table(EvaluationCount)
HOUR_S: Final = 3600

_FIND_COUNT = select(COUNT.c.count).where(
    COUNT.c.agency == bindparam("b_agency"),
    COUNT.c.hour_start == bindparam("b_hour"),
    COUNT.c.kind == bindparam("b_kind"),
)
_ADD_COUNT = (
    update(COUNT)
    .where(
        COUNT.c.agency == bindparam("b_agency"),
        COUNT.c.hour_start == bindparam("b_hour"),
        COUNT.c.kind == bindparam("b_kind"),
    )
    .values(count=COUNT.c.count + bindparam("b_count"))
)


async def add_count(connection: AsyncConnection, *, agency: str, kind: str, count: int, now: float) -> None:
    """Add to an agency's count of this hour."""
    key = {"b_agency": agency, "b_hour": int(now) // HOUR_S * HOUR_S, "b_kind": kind}
    if (await connection.execute(_FIND_COUNT, key)).one_or_none() is None:
        row = {"agency": agency, "hour_start": key["b_hour"], "kind": kind, "count": count}
        await connection.execute(insert(COUNT), row)
        return
    await connection.execute(_ADD_COUNT, {**key, "b_count": count})


class Evaluation:
    """What a node asks of the holders besides queries."""

    def __init__(
        self,
        *,
        translator: Translator,
        journal: Journal,
        directory: Callable[[], TrustedDirectory],
        clock: Callable[[], float],
    ) -> None:
        self._translator = translator
        self._journal = journal
        self._directory = directory
        self._clock = clock

    async def evaluate(
        self, agency: str, *, header: bytes, signature: bytes, elements: bytes
    ) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
        """Evaluate a batch that `agency` signed: elements and proof of the trustee, then of the gateway.

        Raises:
            WardgateError: `MESSAGE_*`, `SIGNATURE_REJECTED`, `QUERY_EXPIRED`, `NOT_AUTHORISED`, `EPOCH_UNKNOWN`,
                `KEYRING_REJECTED`, what the trustee refused (`QUOTA_EXCEEDED`, `REPLAYED`), `TRUSTEE_UNAVAILABLE`,
                `LEDGER_UNAVAILABLE`.
        """
        now = self._clock()
        signer = self._directory().agency(agency)
        batch = verify_batch(header, signature, elements, key=signer.verify_key, now=now)
        if batch.agency != agency:
            raise WardgateError(ErrorCode.NOT_AUTHORISED, "batch of another agency")
        result = await self._translator.evaluate(
            header=header, signature=signature, elements=elements, agency=signer, epoch=batch.epoch
        )
        await self._record(batch, header, now)
        return result

    async def _record(self, batch: BatchHeader, header: bytes, now: float) -> None:
        entry = Entry(
            kind=EntryKind.BATCH_EVALUATED,
            at=int(now),
            actor=Actor.agency(batch.agency),
            correlation_id=correlation(),
            query_id=None,
            body={
                "batch_id": batch.batch_id,
                "batch_sha256": sha256(header).hex(),
                "use": batch.use,
                "epoch": batch.epoch,
                "count": batch.count,
            },
        )

        async def apply(connection: AsyncConnection) -> None:
            kind = f"evaluate_{batch.use}"
            await add_count(connection, agency=batch.agency, kind=kind, count=batch.count, now=now)

        await self._journal.record([entry], apply)
