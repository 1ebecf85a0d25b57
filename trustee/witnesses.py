"""The trustee's ledger as others check it: checkpoints out, cosignatures in."""

from collections.abc import Mapping

from federation.errors import ErrorCode, WardgateError
from federation.ledger.journal import Journal
from federation.wire.v1 import ledger_pb2 as wire
from keys.signing import VerifyKey


class Witnesses:
    """Serves checkpoints of one journal and keeps what witnesses say of them.

    Args:
        journal: The trustee's.
        witnesses: Name and verify key of those whose cosignatures are kept.
    """

    def __init__(self, journal: Journal, witnesses: Mapping[str, VerifyKey]) -> None:
        self._journal = journal
        self._witnesses = witnesses

    async def checkpoint(self, known_size: int) -> wire.CheckpointUpdate:
        """The current checkpoint, and its consistency with the tree of `known_size` entries (0 for none).

        Raises:
            WardgateError: `LEDGER_FORKED`: the caller has seen a larger tree than there is; `LEDGER_UNAVAILABLE`.
        """
        signed = await self._journal.checkpoint()
        proof = await self._journal.consistency(known_size, signed.size) if known_size not in (0, signed.size) else []
        return wire.CheckpointUpdate(checkpoint=signed.note, consistency=proof)

    async def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """Proof that the tree of `new_size` entries extends the one of `old_size`.

        Raises:
            WardgateError: `LEDGER_FORKED`: this ledger was never that large; `STORE_UNAVAILABLE`.
        """
        return await self._journal.consistency(old_size, new_size)

    async def keep(self, witness: str, cosigned: bytes) -> None:
        """Keep a witness's cosignature of one of our checkpoints.

        Raises:
            WardgateError: `NOT_AUTHORISED`: not a known witness; `LEDGER_FORKED` or `LEDGER_INVALID`: not a checkpoint
                of this ledger, or not cosigned by the witness.
        """
        key = self._witnesses.get(witness)
        if key is None:
            raise WardgateError(ErrorCode.NOT_AUTHORISED, f"{witness} is no witness here")
        await self._journal.add_cosignature(cosigned, witness, key)
