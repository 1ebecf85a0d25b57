"""The gateway as this node uses it, over one channel. Errors are the catalogue's; proofs are verified first."""

from collections.abc import AsyncIterator, Awaitable, Callable

from federation.canonical import JsonObject
from federation.transport.channel import RotatingChannel
from federation.transport.failures import call_errors
from federation.wire.v1 import (
    directory_pb2,
    directory_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    notice_pb2,
    notice_pb2_grpc,
    pseudonym_pb2,
    pseudonym_pb2_grpc,
    query_pb2_grpc,
)
from federation.wire.v1 import query_pb2 as wire
from federation.wire.v1.ledger_pb2 import InclusionProof

Receipts = Callable[[str, Callable[[int], Awaitable[InclusionProof]]], Awaitable[JsonObject]]
"""Fetches and verifies the proof that a query's admission stands in the gateway's ledger (`followed.receipt`)."""

EVALUATE_TIMEOUT_S = 120.0
"""A batch of 4,096 takes about a second of two cores at the holders."""


class GrpcDirectory:
    """`federation.following.gateway.GatewaySource` over gRPC."""

    def __init__(self, channel: RotatingChannel) -> None:
        self._channel = channel
        self._directory = directory_pb2_grpc.DirectoryServiceStub(channel)
        self._ledger = ledger_pb2_grpc.LedgerServiceStub(channel)

    async def directory(self, known_version: int, known_size: int) -> directory_pb2.GetDirectoryResponse:
        """See `GatewaySource`."""
        request = directory_pb2.GetDirectoryRequest(known_version=known_version, known_size=known_size)
        async with call_errors(self._channel.server):
            response: directory_pb2.GetDirectoryResponse = await self._directory.GetDirectory(request)
        return response

    async def register(self, known_version: int, known_size: int) -> directory_pb2.ShownRegister:
        """See `federation.following.register.RegisterSource`."""
        request = directory_pb2.GetRegisterRequest(known_version=known_version, known_size=known_size)
        async with call_errors(self._channel.server):
            response: directory_pb2.GetRegisterResponse = await self._directory.GetRegister(request)
        return response.shown

    async def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """See `federation.following.views.Consistency`."""
        request = ledger_pb2.GetConsistencyRequest(old_size=old_size, new_size=new_size)
        async with call_errors(self._channel.server):
            response: ledger_pb2.GetConsistencyResponse = await self._ledger.GetConsistency(request)
        return list(response.path)

    async def cosign(self, note: bytes) -> None:
        """See `GatewaySource`."""
        async with call_errors(self._channel.server):
            await self._ledger.Cosign(ledger_pb2.CosignRequest(cosigned_checkpoint=note))


class GrpcQueryGateway:
    """`agency_node.asking.pursuit.QueryGateway` over gRPC."""

    def __init__(self, channel: RotatingChannel, *, receipts: Receipts) -> None:
        self._channel = channel
        self._stub = query_pb2_grpc.QueryServiceStub(channel)
        self._receipts = receipts

    async def ask(self, request: wire.AskRequest) -> AsyncIterator[wire.QueryEvent]:
        """See `QueryGateway`."""
        async with call_errors(self._channel.server):
            async for response in self._stub.Ask(request):
                yield response.event

    async def resume(self, query_id: str) -> AsyncIterator[wire.QueryEvent]:
        """See `QueryGateway`."""
        async with call_errors(self._channel.server):
            async for response in self._stub.Resume(wire.ResumeRequest(query_id=query_id)):
                yield response.event

    async def acknowledge(self, query_id: str, task_ids: list[str], *, close: bool) -> JsonObject:
        """See `QueryGateway`."""

        async def fetch(known_size: int) -> InclusionProof:
            request = wire.AcknowledgeRequest(query_id=query_id, task_ids=task_ids, close=close, known_size=known_size)
            async with call_errors(self._channel.server):
                response: wire.AcknowledgeResponse = await self._stub.Acknowledge(request)
            return response.receipt

        return await self._receipts(query_id, fetch)


class GrpcNotices:
    """`agency_node.asking.reports.NoticeGateway` over gRPC."""

    def __init__(self, channel: RotatingChannel) -> None:
        self._channel = channel
        self._stub = notice_pb2_grpc.NoticeServiceStub(channel)

    async def report(self, notice: bytes, signature: bytes) -> None:
        """See `NoticeGateway`."""
        async with call_errors(self._channel.server):
            await self._stub.ReportMisuse(notice_pb2.ReportMisuseRequest(notice=notice, signature=signature))


class GrpcEvaluator:
    """`agency_node.caseload.pseudonyms.Evaluator` over gRPC."""

    def __init__(self, channel: RotatingChannel) -> None:
        self._channel = channel
        self._stub = pseudonym_pb2_grpc.PseudonymServiceStub(channel)

    async def evaluate(self, batch: pseudonym_pb2.BlindedBatch) -> pseudonym_pb2.EvaluateResponse:
        """See `Evaluator`."""
        async with call_errors(self._channel.server):
            response: pseudonym_pb2.EvaluateResponse = await self._stub.Evaluate(
                pseudonym_pb2.EvaluateRequest(batch=batch), timeout=EVALUATE_TIMEOUT_S
            )
        return response
