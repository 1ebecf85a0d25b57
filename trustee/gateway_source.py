"""The gateway's directory and ledger services, over mutual TLS."""

from typing import Final

from federation.transport.channel import RotatingChannel
from federation.transport.failures import call_errors
from federation.wire.v1 import directory_pb2, directory_pb2_grpc, ledger_pb2, ledger_pb2_grpc

TIMEOUT_S: Final = 5.0


class GrpcGateway:
    """`federation.following.gateway.GatewaySource` and `trustee.following.DenyListSource` over gRPC."""

    def __init__(self, channel: RotatingChannel) -> None:
        self._server = channel.server
        self._directory = directory_pb2_grpc.DirectoryServiceStub(channel)
        self._ledger = ledger_pb2_grpc.LedgerServiceStub(channel)

    async def directory(self, known_version: int, known_size: int) -> directory_pb2.GetDirectoryResponse:
        """See `GatewaySource`."""
        request = directory_pb2.GetDirectoryRequest(known_version=known_version, known_size=known_size)
        async with call_errors(self._server):
            found: directory_pb2.GetDirectoryResponse = await self._directory.GetDirectory(request, timeout=TIMEOUT_S)
        return found

    async def deny_list(self, known_version: int) -> directory_pb2.GetDenyListResponse:
        """See `DenyListSource`."""
        request = directory_pb2.GetDenyListRequest(known_version=known_version)
        async with call_errors(self._server):
            found: directory_pb2.GetDenyListResponse = await self._directory.GetDenyList(request, timeout=TIMEOUT_S)
        return found

    async def cosign(self, cosigned: bytes) -> None:
        """See `GatewaySource`."""
        async with call_errors(self._server):
            await self._ledger.Cosign(ledger_pb2.CosignRequest(cosigned_checkpoint=cosigned), timeout=TIMEOUT_S)

    async def witnessed(self) -> bytes:
        """The last checkpoint of the caller's own ledger that the gateway verified; empty for none."""
        async with call_errors(self._server):
            found: ledger_pb2.GetWitnessedResponse = await self._ledger.GetWitnessed(
                ledger_pb2.GetWitnessedRequest(), timeout=TIMEOUT_S
            )
        return found.checkpoint
