"""PseudonymService: evaluation of signed batches."""

from typing import Any

import grpc

from federation.transport.identity import current_peer
from federation.wire.v1 import pseudonym_pb2 as wire
from federation.wire.v1 import pseudonym_pb2_grpc
from gateway.evaluation import Evaluation

Context = grpc.aio.ServicerContext[Any, Any]


class PseudonymServicer(pseudonym_pb2_grpc.PseudonymServiceServicer):
    """Decode, call one verb, encode."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation

    async def Evaluate(self, request: wire.EvaluateRequest, context: Context) -> wire.EvaluateResponse:
        """Evaluate a signed batch: trustee first, gateway second."""
        batch = request.batch
        trustee, gateway = await self._evaluation.evaluate(
            current_peer().id, header=batch.header, signature=batch.signature, elements=batch.elements
        )
        return wire.EvaluateResponse(
            trustee=wire.EvaluatedBatch(elements=trustee[0], proof=trustee[1]),
            gateway=wire.EvaluatedBatch(elements=gateway[0], proof=gateway[1]),
        )
