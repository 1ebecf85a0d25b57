"""A ledger as others watch it: proofs and their cosignatures; and what this party saw of theirs."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio

from federation.ledger.journal import Journal
from federation.transport.identity import Party, current_peer
from federation.wire.v1 import ledger_pb2 as wire
from federation.wire.v1 import ledger_pb2_grpc
from keys.signing import VerifyKey

Context = grpc.aio.ServicerContext[Any, Any]


class LedgerServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """Decode, call the journal, encode.

    Args:
        journal: This party's own.
        key_of: The key of a witness whose cosignatures are kept; raises `NOT_AUTHORISED` or `AGENCY_UNKNOWN`.
        witnessed: The last checkpoint of the other holder's ledger that this party verified; empty for none.
    """

    def __init__(
        self, journal: Journal, *, key_of: Callable[[Party], VerifyKey], witnessed: Callable[[], Awaitable[bytes]]
    ) -> None:
        self._journal = journal
        self._key_of = key_of
        self._witnessed = witnessed

    async def GetConsistency(
        self, request: wire.GetConsistencyRequest, context: Context
    ) -> wire.GetConsistencyResponse:
        """Proof that one tree extends another; `LEDGER_FORKED`: this ledger was never that large."""
        return wire.GetConsistencyResponse(path=await self._journal.consistency(request.old_size, request.new_size))

    async def GetWitnessed(self, request: wire.GetWitnessedRequest, context: Context) -> wire.GetWitnessedResponse:
        """What this party saw last of the caller's ledger, as it stands in the store: a recovery counts at once."""
        return wire.GetWitnessedResponse(checkpoint=await self._witnessed())

    async def Cosign(self, request: wire.CosignRequest, context: Context) -> wire.CosignResponse:
        """Keep a witness's cosignature of one of our checkpoints, for exports to carry."""
        witness = current_peer()
        await self._journal.add_cosignature(request.cosigned_checkpoint, str(witness), self._key_of(witness))
        return wire.CosignResponse()
