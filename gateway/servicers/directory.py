"""DirectoryService and LedgerService: what every party reads to check the gateway."""

from typing import Any

import grpc

from federation.transport.identity import current_peer
from federation.wire.v1 import directory_pb2 as wire
from federation.wire.v1 import directory_pb2_grpc, ledger_pb2, ledger_pb2_grpc
from gateway.directory import DirectoryAuthority
from gateway.membership import Membership
from gateway.witnesses import Witnesses

Context = grpc.aio.ServicerContext[Any, Any]


class DirectoryServicer(directory_pb2_grpc.DirectoryServiceServicer):
    """Decode, call the authority, encode."""

    def __init__(self, directory: DirectoryAuthority, membership: Membership) -> None:
        self._directory = directory
        self._membership = membership

    async def GetDirectory(self, request: wire.GetDirectoryRequest, context: Context) -> wire.GetDirectoryResponse:
        """The newest directory with its proof, or that it is unchanged."""
        return await self._directory.directory_response(request.known_version, request.known_size)

    async def GetDenyList(self, request: wire.GetDenyListRequest, context: Context) -> wire.GetDenyListResponse:
        """The deny list in force; empty when the caller has it."""
        return self._directory.deny_list_response(request.known_version)

    async def GetRegister(self, request: wire.GetRegisterRequest, context: Context) -> wire.GetRegisterResponse:
        """The trustee's register with its proofs, or that it is unchanged."""
        return wire.GetRegisterResponse(shown=await self._membership.shown(request.known_version, request.known_size))


class LedgerServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """Checkpoints out, cosignatures in."""

    def __init__(self, witnesses: Witnesses) -> None:
        self._witnesses = witnesses

    async def GetCheckpoint(
        self, request: ledger_pb2.GetCheckpointRequest, context: Context
    ) -> ledger_pb2.GetCheckpointResponse:
        """The current checkpoint, consistent with the caller's."""
        return ledger_pb2.GetCheckpointResponse(update=await self._witnesses.checkpoint(request.known_size))

    async def GetConsistency(
        self, request: ledger_pb2.GetConsistencyRequest, context: Context
    ) -> ledger_pb2.GetConsistencyResponse:
        """Proof that one tree extends another."""
        path = await self._witnesses.consistency(request.old_size, request.new_size)
        return ledger_pb2.GetConsistencyResponse(path=path)

    async def Cosign(self, request: ledger_pb2.CosignRequest, context: Context) -> ledger_pb2.CosignResponse:
        """Keep a witness's cosignature."""
        await self._witnesses.keep(current_peer(), request.cosigned_checkpoint)
        return ledger_pb2.CosignResponse()
