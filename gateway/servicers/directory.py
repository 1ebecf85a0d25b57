"""DirectoryService: what every party reads to check the gateway."""

from typing import Any

import grpc

from federation.wire.v1 import directory_pb2 as wire
from federation.wire.v1 import directory_pb2_grpc
from gateway.directory import DirectoryAuthority
from gateway.membership import Membership

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
