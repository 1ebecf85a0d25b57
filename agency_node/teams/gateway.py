"""Teams as the gateway shows them, over gRPC: every document is verified before anybody sees it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import Field

from federation.admission import ReasonGiven
from federation.document import Document
from federation.england import date_in_england
from federation.errors import ErrorCode, WardgateError
from federation.team import CaseGrantDocument, CaseGrantGiven, TeamDocument, given, verify_case_grant, verify_team
from federation.transport.channel import RotatingChannel
from federation.transport.failures import call_errors
from federation.wire.v1 import team_pb2 as wire
from federation.wire.v1 import team_pb2_grpc
from keys.signing import VerifyKey

MAX_REASONS = 64


class _RefusalDocument(Document):
    reasons: Annotated[list[ReasonGiven], Field(max_length=MAX_REASONS)]


@dataclass(frozen=True, slots=True)
class TeamShown:
    """A team with its open case grants, as the gateway signed them."""

    team: TeamDocument
    grants: Sequence[CaseGrantDocument]


@dataclass(frozen=True, slots=True)
class OrderRefused:
    """Why the gateway refused an order."""

    reasons: Sequence[ReasonGiven]


class TeamGateway(Protocol):
    """What a node asks of the gateway about teams. Every method raises `WardgateError`."""

    async def order(self, order: bytes, signature: bytes) -> wire.OrderResponse:
        """Have a signed order carried out."""
        ...

    async def show(self, request: wire.ShowRequest) -> wire.TeamState:
        """A team as it stands."""
        ...


class GrpcTeams:
    """`TeamGateway` over one channel."""

    def __init__(self, channel: RotatingChannel) -> None:
        self._channel = channel
        self._stub = team_pb2_grpc.TeamServiceStub(channel)

    async def order(self, order: bytes, signature: bytes) -> wire.OrderResponse:
        """See `TeamGateway`."""
        async with call_errors(self._channel.server):
            response: wire.OrderResponse = await self._stub.Order(wire.OrderRequest(order=order, signature=signature))
        return response

    async def show(self, request: wire.ShowRequest) -> wire.TeamState:
        """See `TeamGateway`."""
        async with call_errors(self._channel.server):
            response: wire.ShowResponse = await self._stub.Show(request)
        return response.state


class VerifiedTeams:
    """The gateway's teams, of which nothing is believed that the gateway has not signed."""

    def __init__(
        self, gateway: TeamGateway, *, agency: str, key: Callable[[], VerifyKey], clock: Callable[[], float]
    ) -> None:
        self._gateway = gateway
        self._agency = agency
        self._key = key
        self._clock = clock

    async def order(self, order: bytes, signature: bytes, *, team_id: str) -> TeamShown | OrderRefused:
        """Have an order carried out.

        Raises:
            WardgateError: `PEER_UNAVAILABLE`, `SIGNATURE_REJECTED`, or what the gateway refused.
        """
        response = await self._gateway.order(order, signature)
        if response.WhichOneof("outcome") == "refusal":
            return OrderRefused(_RefusalDocument.parse(response.refusal).reasons)
        return self._verified(response.state, team_id=team_id)

    async def team(self, team_id: str) -> TeamShown:
        """A team as it stands.

        Raises:
            WardgateError: `TEAM_UNKNOWN`, `PEER_UNAVAILABLE`, `SIGNATURE_REJECTED`.
        """
        return self._verified(await self._gateway.show(wire.ShowRequest(team_id=team_id)), team_id=team_id)

    async def given(self, grant_id: str, user_ref: str) -> CaseGrantGiven:
        """What a case grant says of one of this agency's users now.

        Raises:
            WardgateError: `CASE_GRANT_UNKNOWN`, `PEER_UNAVAILABLE`, `SIGNATURE_REJECTED`.
        """
        shown = self._verified(await self._gateway.show(wire.ShowRequest(grant_id=grant_id)))
        grant = next((one for one in shown.grants if one.grant_id == grant_id), None)
        if grant is None:
            raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "another case grant than was asked for")
        today = date_in_england(self._clock())
        return given(grant, shown.team, agency=self._agency, user_ref=user_ref, today=today)

    def _verified(self, state: wire.TeamState, *, team_id: str = "") -> TeamShown:
        key = self._key()
        team = verify_team(state.team.document, state.team.signature, key=key)
        grants = [verify_case_grant(item.document, item.signature, key=key) for item in state.grants]
        if team_id not in ("", team.team_id) or any(grant.team_id != team.team_id for grant in grants):
            raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "another team than was asked for")
        return TeamShown(team, grants)
