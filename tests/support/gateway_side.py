"""The gateway as a trustee or a node meets it: directory, deny list and ledger, proved by a real journal."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from federation.actor import Actor
from federation.correlation_id import CorrelationId
from federation.errors import ErrorCode, WardgateError
from federation.ledger.checkpoint import verify_cosignatures
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.transport.denylist import DenyEntry, SignedDenyList
from federation.wire.v1 import directory_pb2, directory_pb2_grpc, ledger_pb2, ledger_pb2_grpc
from tests.support.region import Published, Region
from tests.support.signers import NOW


@dataclass
class GatewaySide:
    """Publishes through its journal and proves what it published."""

    region: Region
    journal: Journal
    published: Published | None = None
    index: int = 0
    denials: SignedDenyList | None = None
    cosigned: list[bytes] = field(default_factory=list)
    asked: list[tuple[int, int]] = field(default_factory=list)
    witnessed: bytes = b""
    unreachable: bool = False

    async def publish(self, *without: str) -> Published:
        """Publish the region's next directory."""
        found = self.region.publish(*without)
        self.index = await self.write(EntryKind.DIRECTORY_PUBLISHED, found.body)
        self.published = found
        return found

    async def write(self, kind: EntryKind, body: dict[str, object], *, query_id: str | None = None) -> int:
        """Write some entry."""
        entry = Entry(
            kind=kind,
            at=NOW,
            actor=Actor.keeper("wardgate/gateway/main"),
            correlation_id=CorrelationId.mint(),
            query_id=query_id,
            body=body,
        )
        return (await self.journal.record([entry])).indexes[0]

    def deny(self, version: int, entries: Sequence[DenyEntry] = ()) -> None:
        """Sign a deny list."""
        self.denials = SignedDenyList.issue(self.region.gateway_key, version=version, issued_at=NOW, entries=entries)

    async def directory(self, known_version: int, known_size: int) -> directory_pb2.GetDirectoryResponse:
        """See `federation.following.gateway.GatewaySource`."""
        self._reach()
        self.asked.append((known_version, known_size))
        assert self.published is not None
        head = await self.head(known_size)
        if known_version == self.published.version:
            return directory_pb2.GetDirectoryResponse(unchanged=True, head=head)
        proof = await self.journal.inclusion(self.index)
        inclusion = ledger_pb2.InclusionProof(index=self.index, entry=proof.entry, path=proof.path, head=head)
        return directory_pb2.GetDirectoryResponse(
            directory=self.published.content, signature=self.published.signature, inclusion=inclusion, head=head
        )

    async def deny_list(self, known_version: int) -> directory_pb2.GetDenyListResponse:
        """See `trustee.following.DenyListSource`; sends the list even to who has it."""
        del known_version
        self._reach()
        if self.denials is None:
            return directory_pb2.GetDenyListResponse()
        return directory_pb2.GetDenyListResponse(deny_list=self.denials.document, signature=self.denials.signature)

    async def cosign(self, cosigned: bytes) -> None:
        """See `federation.following.gateway.GatewaySource`."""
        self._reach()
        self.cosigned.append(cosigned)

    def cosigned_by(self, name: str) -> list[dict[str, int]]:
        """Who cosigned each checkpoint that was handed over."""
        return [verify_cosignatures(note, {name: self.region.trustee_key.verify_key}) for note in self.cosigned]

    async def head(self, known_size: int) -> ledger_pb2.CheckpointUpdate:
        """The newest checkpoint, proved from the caller's."""
        signed = await self.journal.checkpoint()
        path = await self.journal.consistency(known_size, signed.size) if 0 < known_size < signed.size else []
        if known_size > signed.size:
            raise WardgateError(ErrorCode.LEDGER_FORKED, "the caller knows a larger tree")
        return ledger_pb2.CheckpointUpdate(checkpoint=signed.note, consistency=path)

    async def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """See `federation.following.views.Consistency`."""
        self._reach()
        return await self.journal.consistency(old_size, new_size)

    def _reach(self) -> None:
        if self.unreachable:
            raise WardgateError(ErrorCode.PEER_UNAVAILABLE, "test")


class DirectoryServicer(directory_pb2_grpc.DirectoryServiceServicer):
    """`GatewaySide` over gRPC."""

    def __init__(self, side: GatewaySide) -> None:
        self._side = side

    async def GetDirectory(  # noqa: N802 - gRPC dictates the name
        self, request: directory_pb2.GetDirectoryRequest, _: Any
    ) -> Any:
        return await self._side.directory(request.known_version, request.known_size)

    async def GetDenyList(  # noqa: N802 - gRPC dictates the name
        self, request: directory_pb2.GetDenyListRequest, _: Any
    ) -> Any:
        return await self._side.deny_list(request.known_version)

    async def GetRegister(  # noqa: N802 - gRPC dictates the name
        self, request: directory_pb2.GetRegisterRequest, _: Any
    ) -> Any:
        raise NotImplementedError(request)  # a trustee keeps the register, and asks nobody for it


class LedgerServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """The gateway's side of witnessing."""

    def __init__(self, side: GatewaySide) -> None:
        self._side = side

    async def GetConsistency(  # noqa: N802 - gRPC dictates the name
        self, request: ledger_pb2.GetConsistencyRequest, _: Any
    ) -> ledger_pb2.GetConsistencyResponse:
        path = await self._side.consistency(request.old_size, request.new_size)
        return ledger_pb2.GetConsistencyResponse(path=path)

    async def Cosign(  # noqa: N802 - gRPC dictates the name
        self, request: ledger_pb2.CosignRequest, _: Any
    ) -> ledger_pb2.CosignResponse:
        await self._side.cosign(request.cosigned_checkpoint)
        return ledger_pb2.CosignResponse()

    async def GetWitnessed(  # noqa: N802 - gRPC dictates the name
        self, _request: ledger_pb2.GetWitnessedRequest, _: Any
    ) -> ledger_pb2.GetWitnessedResponse:
        return ledger_pb2.GetWitnessedResponse(checkpoint=self._side.witnessed)
