"""QueryService: the requester's side."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from federation.finishing import to_the_end
from federation.transport.correlation import correlation
from federation.transport.identity import current_peer
from federation.wire.v1 import query_pb2 as wire
from federation.wire.v1 import query_pb2_grpc
from gateway.exchange import Exchange

Context = grpc.aio.ServicerContext[Any, Any]


class QueryServicer(query_pb2_grpc.QueryServiceServicer):
    """Decode, call the exchange, encode."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def Ask(self, request: wire.AskRequest, context: Context) -> AsyncIterator[wire.AskResponse]:
        """Put a query and stream what happens."""
        async for event in self._exchange.ask(current_peer().id, request, correlation()):
            yield wire.AskResponse(event=event)

    async def Resume(self, request: wire.ResumeRequest, context: Context) -> AsyncIterator[wire.ResumeResponse]:
        """Take up an interrupted query."""
        async for event in self._exchange.resume(current_peer().id, request.query_id):
            yield wire.ResumeResponse(event=event)

    async def Acknowledge(self, request: wire.AcknowledgeRequest, context: Context) -> wire.AcknowledgeResponse:
        """Delete answers that are safe with the requester; give the receipt."""
        receipt = await to_the_end(
            self._exchange.acknowledge(
                current_peer().id,
                request.query_id,
                list(request.task_ids),
                close=request.close,
                known_size=request.known_size,
            )
        )
        return wire.AcknowledgeResponse(receipt=receipt)

    async def Cancel(self, request: wire.CancelRequest, context: Context) -> wire.CancelResponse:
        """Withdraw a query."""
        await to_the_end(self._exchange.cancel(current_peer().id, request.query_id))
        return wire.CancelResponse()
