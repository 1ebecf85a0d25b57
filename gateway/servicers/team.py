"""TeamService: leads' orders, and teams as they stand."""

from typing import Any

import grpc

from federation.canonical import to_canonical
from federation.transport.correlation import correlation
from federation.transport.identity import current_peer
from federation.wire.v1 import team_pb2 as wire
from federation.wire.v1 import team_pb2_grpc
from gateway.teams.desk import Refusal, TeamDesk, TeamView

Context = grpc.aio.ServicerContext[Any, Any]


class TeamServicer(team_pb2_grpc.TeamServiceServicer):
    """Decode, call one verb, encode."""

    def __init__(self, desk: TeamDesk) -> None:
        self._desk = desk

    async def Order(self, request: wire.OrderRequest, context: Context) -> wire.OrderResponse:
        """Carry out an order."""
        outcome = await self._desk.order(current_peer().id, request.order, request.signature, correlation())
        if isinstance(outcome, Refusal):
            reasons = [reason.model_dump(mode="json") for reason in outcome.reasons]
            return wire.OrderResponse(refusal=to_canonical({"reasons": reasons}))
        return wire.OrderResponse(state=team_state(outcome))

    async def Show(self, request: wire.ShowRequest, context: Context) -> wire.ShowResponse:
        """A team as it stands."""
        view = self._desk.show(current_peer().id, team_id=request.team_id, grant_id=request.grant_id)
        return wire.ShowResponse(state=team_state(view))


def team_state(view: TeamView) -> wire.TeamState:
    """A team as it travels."""
    return wire.TeamState(
        team=wire.SignedDocument(document=view.team.content, signature=view.team.signature),
        grants=[wire.SignedDocument(document=grant.content, signature=grant.signature) for grant in view.grants],
    )
