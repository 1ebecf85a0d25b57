"""DescriptionService: agencies describe themselves anew."""

from typing import Any

import grpc

from federation.finishing import to_the_end
from federation.transport.identity import current_peer
from federation.wire.v1 import enrolment_pb2 as wire
from federation.wire.v1 import enrolment_pb2_grpc
from gateway.descriptions import DescriptionDesk, SignedDescription

Context = grpc.aio.ServicerContext[Any, Any]


class DescriptionServicer(enrolment_pb2_grpc.DescriptionServiceServicer):
    """Decode, call the desk, encode."""

    def __init__(self, desk: DescriptionDesk) -> None:
        self._desk = desk

    async def Propose(self, request: wire.ProposeRequest, context: Context) -> wire.ProposeResponse:
        """Keep a description that the calling agency signed."""
        proposed = SignedDescription(request.description, request.signature)
        return wire.ProposeResponse(listed=await to_the_end(self._desk.propose(current_peer().id, proposed)))
