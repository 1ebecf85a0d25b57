"""The gateway's ledger as others check it: checkpoints out, cosignatures in."""

from federation.ledger.journal import Journal
from federation.wire.v1 import ledger_pb2 as wire
from gateway.proofs import checkpoint_update


class Witnesses:
    """Serves checkpoints and keeps what witnesses say of them."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def checkpoint(self, known_size: int) -> wire.CheckpointUpdate:
        """The current checkpoint, consistent with the caller's."""
        return await checkpoint_update(self._journal, known_size)

    async def keep(self, witness: str, cosigned: bytes) -> None:
        """Keep a witness's cosignature of one of our checkpoints.

        Raises:
            WardgateError: `MESSAGE_*`, or `LEDGER_FORKED`: it is not a checkpoint of this ledger.
        """
        await self._journal.add_cosignature(witness, cosigned)
