"""The gRPC edge: decode, call one verb, encode. Errors become the catalogue's in the server's interceptor."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc.aio

from federation.directory import SignedPoints
from federation.translation import HalfTranslation, Refused, Step
from federation.wire.v1 import directory_pb2, directory_pb2_grpc, pseudonym_pb2_grpc
from federation.wire.v1 import pseudonym_pb2 as wire
from trustee.evaluation import Evaluation
from trustee.refusals import Refusals
from trustee.translation import Translator

Context = grpc.aio.ServicerContext[Any, Any]

StatePoints = Callable[[str, Sequence[int]], SignedPoints]
"""A scope's signed statement of public points: of these epochs, or of all in use where none are named."""


class TrusteeServicer(pseudonym_pb2_grpc.TrusteeServiceServicer):
    """Serves the gateway. The method table lets nobody else in."""

    def __init__(
        self,
        *,
        evaluation: Evaluation,
        translator: Translator,
        refusals: Refusals,
        state_points: StatePoints,
    ) -> None:
        self._evaluation = evaluation
        self._translator = translator
        self._refusals = refusals
        self._state_points = state_points

    async def EvaluateBatch(self, request: wire.EvaluateBatchRequest, context: Context) -> wire.EvaluateBatchResponse:
        """Evaluate a batch that a node signed."""
        batch = request.batch
        async with self._refusals.of_batch(batch.header, batch.elements):
            found = await self._evaluation.evaluate(batch.header, batch.signature, batch.elements)
        return wire.EvaluateBatchResponse(batch=wire.EvaluatedBatch(elements=found.elements, proof=found.proof))

    async def Translate(self, request: wire.TranslateRequest, context: Context) -> wire.TranslateResponse:
        """Translate the permitted points of a ticket that a requester signed, from the gateway's proved half."""
        halves = [HalfTranslation(half.responder, Step(half.element, half.proof)) for half in request.halves]
        async with self._refusals.of_ticket(request.ticket):
            found = await self._translator.translate(request.ticket, request.signature, halves)
        return wire.TranslateResponse(
            translations=[
                wire.Translation(refused=item.code)
                if isinstance(item, Refused)
                else wire.Translation(element=item.step.element, proof=item.step.proof, signature=item.signature)
                for item in found
            ]
        )

    async def GetPoints(self, request: wire.GetPointsRequest, context: Context) -> wire.GetPointsResponse:
        """State the trustee's public points of a scope."""
        stated = self._state_points(request.scope, request.epochs)
        return wire.GetPointsResponse(statement=stated.statement, signature=stated.signature)


class RegisterServicer(directory_pb2_grpc.RegisterServiceServicer):
    """Shows the register of members to the gateway, which passes it on."""

    def __init__(self, shown: Callable[[int, int], Awaitable[directory_pb2.ShownRegister]]) -> None:
        self._shown = shown

    async def Fetch(self, request: directory_pb2.FetchRequest, context: Context) -> directory_pb2.FetchResponse:
        """The register with its proofs, or that it is unchanged."""
        return directory_pb2.FetchResponse(shown=await self._shown(request.known_version, request.known_size))
