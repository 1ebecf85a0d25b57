"""The ledger's proofs in the form the wire carries."""

from federation.ledger.checkpoint import SignedCheckpoint
from federation.ledger.journal import Journal
from federation.wire.v1 import ledger_pb2 as wire


async def checkpoint_update(journal: Journal, known_size: int) -> wire.CheckpointUpdate:
    """The current checkpoint, and its consistency with the tree of `known_size` entries (0 for none).

    Raises:
        WardgateError: `LEDGER_FORKED` when the caller claims a larger tree than there is.
    """
    return await _update(journal, await journal.checkpoint(), known_size)


async def _update(journal: Journal, checkpoint: SignedCheckpoint, known_size: int) -> wire.CheckpointUpdate:
    grown = 0 < known_size != checkpoint.size
    proof = await journal.consistency(known_size, checkpoint.size) if grown else []
    return wire.CheckpointUpdate(checkpoint=checkpoint.note, consistency=proof)


async def inclusion_proof(journal: Journal, index: int, known_size: int) -> wire.InclusionProof:
    """One entry with its inclusion in the current checkpoint."""
    checkpoint = await journal.checkpoint()
    head = await _update(journal, checkpoint, known_size)
    proof = await journal.inclusion(index, checkpoint.size)
    return wire.InclusionProof(index=index, entry=proof.entry, path=proof.path, head=head)
