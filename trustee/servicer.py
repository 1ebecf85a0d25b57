"""The gRPC edge: decode, call one verb, encode. Errors become the catalogue's in the server's interceptor."""

from collections.abc import Callable
from typing import Any

import grpc.aio

from federation.transport.identity import current_peer
from federation.wire.v1 import ledger_pb2, ledger_pb2_grpc, pseudonym_pb2_grpc
from federation.wire.v1 import pseudonym_pb2 as wire
from trustee.evaluation import Evaluation
from trustee.proofs import Proofs
from trustee.refusals import Refusals
from trustee.translation import Translator
from trustee.witnesses import Witnesses

Context = grpc.aio.ServicerContext[Any, Any]

StatePoints = Callable[[str], tuple[bytes, bytes]]
"""A scope's signed statement of public points and its signature."""


class TrusteeServicer(pseudonym_pb2_grpc.TrusteeServiceServicer):
    """Serves the gateway. The method table lets nobody else in."""

    def __init__(
        self,
        *,
        evaluation: Evaluation,
        translator: Translator,
        proofs: Proofs,
        refusals: Refusals,
        state_points: StatePoints,
    ) -> None:
        self._evaluation = evaluation
        self._translator = translator
        self._proofs = proofs
        self._refusals = refusals
        self._state_points = state_points

    async def EvaluateBatch(self, request: wire.EvaluateBatchRequest, context: Context) -> wire.EvaluateBatchResponse:
        """Evaluate a batch that a node signed."""
        batch = request.batch
        async with self._refusals.of_batch(batch.header, batch.elements):
            found = await self._evaluation.evaluate(batch.header, batch.signature, batch.elements)
        return wire.EvaluateBatchResponse(batch=wire.EvaluatedBatch(elements=found.elements, proof=found.proof))

    async def Translate(self, request: wire.TranslateRequest, context: Context) -> wire.TranslateResponse:
        """Translate the permitted points of a ticket that a requester signed."""
        async with self._refusals.of_ticket(request.ticket):
            elements = await self._translator.translate(request.ticket, request.signature, list(request.responders))
        return wire.TranslateResponse(elements=elements)

    async def ProveElement(self, request: wire.ProveElementRequest, context: Context) -> wire.ProveElementResponse:
        """Prove one translation after the fact."""
        found = await self._proofs.prove(request.ticket, request.responder)
        return wire.ProveElementResponse(element=found.element, proof=found.proof)

    async def GetPoints(self, request: wire.GetPointsRequest, context: Context) -> wire.GetPointsResponse:
        """State the trustee's public points of a scope."""
        statement, signature = self._state_points(request.scope)
        return wire.GetPointsResponse(statement=statement, signature=signature)


class LedgerServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """Lets others watch the trustee's own ledger."""

    def __init__(self, witnesses: Witnesses) -> None:
        self._witnesses = witnesses

    async def GetCheckpoint(
        self, request: ledger_pb2.GetCheckpointRequest, context: Context
    ) -> ledger_pb2.GetCheckpointResponse:
        """Give the current checkpoint, consistent with the caller's."""
        return ledger_pb2.GetCheckpointResponse(update=await self._witnesses.checkpoint(request.known_size))

    async def Cosign(self, request: ledger_pb2.CosignRequest, context: Context) -> ledger_pb2.CosignResponse:
        """Keep a witness's cosignature."""
        await self._witnesses.keep(str(current_peer()), request.cosigned_checkpoint)
        return ledger_pb2.CosignResponse()
