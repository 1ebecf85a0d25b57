"""NoticeService: what an agency tells the scheme of itself."""

from typing import Any

import grpc

from federation.finishing import to_the_end
from federation.transport.correlation import correlation
from federation.transport.identity import current_peer
from federation.wire.v1 import notice_pb2 as wire
from federation.wire.v1 import notice_pb2_grpc
from gateway.misuse import MisuseDesk

Context = grpc.aio.ServicerContext[Any, Any]


class NoticeServicer(notice_pb2_grpc.NoticeServiceServicer):
    """Decode, call the desk, encode."""

    def __init__(self, desk: MisuseDesk) -> None:
        self._desk = desk

    async def ReportMisuse(self, request: wire.ReportMisuseRequest, context: Context) -> wire.ReportMisuseResponse:
        """Take a notice."""
        await to_the_end(self._desk.report(current_peer().id, request.notice, request.signature, correlation()))
        return wire.ReportMisuseResponse()
