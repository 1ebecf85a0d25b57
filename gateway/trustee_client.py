"""The trustee, over mutual TLS. A trustee that cannot be reached stops every query, with its own error."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from grpc_health.v1 import health_pb2, health_pb2_grpc

from federation.errors import ErrorCode, WardgateError
from federation.translation import OF_ONE_TARGET, HalfTranslation, Refused, Step, Translation
from federation.transport.channel import RotatingChannel
from federation.transport.correlation import correlated
from federation.transport.failures import call_errors
from federation.wire.v1 import directory_pb2, directory_pb2_grpc, ledger_pb2, ledger_pb2_grpc, pseudonym_pb2_grpc
from federation.wire.v1 import pseudonym_pb2 as wire

HEALTH_TIMEOUT_S: Final = 1.5
TIMEOUT_S: Final = 5.0
"""A translation of 200 points takes 70 ms of one core at the trustee, proofs included."""
BATCH_TIMEOUT_S: Final = 60.0
"""A batch of 4,096 with its proof takes about half a second of one core."""

_OUT_OF_REACH: Final = (ErrorCode.PEER_UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED, ErrorCode.OUTCOME_UNKNOWN)
"""The last is of the trustee's ledger, not of ours: a ticket or batch presented again counts once."""


class GrpcTrustee:
    """`gateway.translation.TrusteeClient` over gRPC."""

    def __init__(self, channel: RotatingChannel) -> None:
        self._channel = channel
        self._stub = pseudonym_pb2_grpc.TrusteeServiceStub(channel)
        self._register = directory_pb2_grpc.RegisterServiceStub(channel)
        self._ledger = ledger_pb2_grpc.LedgerServiceStub(channel)
        self._health = health_pb2_grpc.HealthStub(channel)

    async def is_serving(self) -> bool:
        """Whether the trustee says that all of it is usable.

        Raises:
            WardgateError: `TRUSTEE_UNAVAILABLE`.
        """
        async with self._errors():
            response = await self._health.Check(health_pb2.HealthCheckRequest(), timeout=HEALTH_TIMEOUT_S)
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)

    @asynccontextmanager
    async def _errors(self) -> AsyncIterator[None]:
        """Errors of a call, made under an id of its own: the trustee must not learn the id of a query."""
        try:
            with correlated():
                async with call_errors(self._channel.server):
                    yield
        except WardgateError as error:
            if error.code in _OUT_OF_REACH:
                raise WardgateError(ErrorCode.TRUSTEE_UNAVAILABLE, error.code) from error
            raise

    async def translate(
        self, ticket: bytes, signature: bytes, halves: Sequence[HalfTranslation]
    ) -> list[Translation | Refused]:
        """See `TrusteeClient`."""
        request = wire.TranslateRequest(
            ticket=ticket,
            signature=signature,
            halves=[
                wire.HalfTranslation(responder=half.responder, element=half.step.element, proof=half.step.proof)
                for half in halves
            ],
        )
        async with self._errors():
            response: wire.TranslateResponse = await self._stub.Translate(request, timeout=TIMEOUT_S)
        return [_translation(item) for item in response.translations]

    async def evaluate(self, header: bytes, signature: bytes, elements: bytes) -> tuple[bytes, bytes]:
        """See `TrusteeClient`."""
        batch = wire.BlindedBatch(header=header, signature=signature, elements=elements)
        async with self._errors():
            response: wire.EvaluateBatchResponse = await self._stub.EvaluateBatch(
                wire.EvaluateBatchRequest(batch=batch), timeout=BATCH_TIMEOUT_S
            )
        return response.batch.elements, response.batch.proof

    async def register(self, known_version: int, known_size: int) -> directory_pb2.ShownRegister:
        """See `gateway.membership.RegisterTrustee` and `federation.following.register.RegisterSource`."""
        request = directory_pb2.FetchRequest(known_version=known_version, known_size=known_size)
        async with self._errors():
            response: directory_pb2.FetchResponse = await self._register.Fetch(request, timeout=TIMEOUT_S)
        return response.shown

    async def cosign(self, cosigned: bytes) -> None:
        """Hand over a checkpoint of the trustee's ledger with the gateway's cosignature."""
        async with self._errors():
            await self._ledger.Cosign(ledger_pb2.CosignRequest(cosigned_checkpoint=cosigned), timeout=TIMEOUT_S)

    async def witnessed(self) -> bytes:
        """The last checkpoint of the caller's own ledger that the trustee verified; empty for none."""
        async with self._errors():
            found: ledger_pb2.GetWitnessedResponse = await self._ledger.GetWitnessed(
                ledger_pb2.GetWitnessedRequest(), timeout=TIMEOUT_S
            )
        return found.checkpoint

    async def points(self, scope: str, epochs: Sequence[int] = ()) -> tuple[bytes, bytes]:
        """See `TrusteeClient`."""
        async with self._errors():
            response: wire.GetPointsResponse = await self._stub.GetPoints(
                wire.GetPointsRequest(scope=scope, epochs=epochs), timeout=TIMEOUT_S
            )
        return response.statement, response.signature


def _translation(item: wire.Translation) -> Translation | Refused:
    if item.refused:
        # Whatever the trustee says of one target, that target is asked nothing: a code of no meaning here is no reason.
        known = item.refused in OF_ONE_TARGET
        return Refused(ErrorCode(item.refused) if known else ErrorCode.TRUSTEE_UNAVAILABLE)
    return Translation(Step(item.element, item.proof), item.signature)
