"""LocalService: this agency's own tools."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol

import grpc

from agency_node.accounting.desk import Accounting
from agency_node.accounting.order import AccountOrder
from agency_node.asking.desk import Asking
from agency_node.asking.question import QuestionDocument
from agency_node.caseload.orders import SourceOrder, SourceOrders
from agency_node.description import Describing
from agency_node.inbox.alerts import Alerts
from agency_node.membership import Neighbours
from agency_node.teams.leading import Leading, TeamWish
from federation.canonical import JsonObject, to_canonical
from federation.directory import AgencyDescriptor
from federation.finishing import to_the_end
from federation.wire.v1 import local_pb2 as wire
from federation.wire.v1 import local_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class Inbox(Protocol):
    """Decisions that wait for a human, as JSON."""

    async def list(self, user: str) -> Sequence[JsonObject]:
        """What is open."""
        ...

    async def decide(self, user: str, referral_id: str, decision: str, reason: str, ground: str) -> JsonObject:
        """Decide one."""
        ...


class LocalServicer(local_pb2_grpc.LocalServiceServicer):
    """Decode, call one verb, encode."""

    def __init__(
        self,
        *,
        asking: Asking,
        leading: Leading,
        inbox: Inbox,
        alerts: Alerts,
        neighbours: Neighbours,
        accounting: Accounting,
        index: Callable[[], AsyncIterator[JsonObject]],
        sources: SourceOrders,
        describing: Describing,
        status: Callable[[], Awaitable[JsonObject]],
    ) -> None:
        self._asking = asking
        self._leading = leading
        self._inbox = inbox
        self._alerts = alerts
        self._neighbours = neighbours
        self._accounting = accounting
        self._index = index
        self._sources = sources
        self._describing = describing
        self._status = status

    async def PutQuery(self, request: wire.PutQueryRequest, context: Context) -> wire.PutQueryResponse:
        """Put a question; its picture when it is whole, or at the deadline."""
        picture = await self._asking.put(QuestionDocument.parse(request.question))
        return wire.PutQueryResponse(picture=to_canonical(picture))

    async def GetPicture(self, request: wire.GetPictureRequest, context: Context) -> wire.GetPictureResponse:
        """The picture as it stands now."""
        return wire.GetPictureResponse(picture=to_canonical(await self._asking.picture(request.query_id, request.user)))

    async def ListReferrals(self, request: wire.ListReferralsRequest, context: Context) -> wire.ListReferralsResponse:
        """What waits for a human decision."""
        found = await self._inbox.list(request.user)
        return wire.ListReferralsResponse(referrals=to_canonical({"referrals": list(found)}))

    async def DecideReferral(
        self, request: wire.DecideReferralRequest, context: Context
    ) -> wire.DecideReferralResponse:
        """Release or withhold."""
        deciding = self._inbox.decide(
            request.user, request.referral_id, request.decision, request.reason, request.ground
        )
        decided = await to_the_end(deciding)  # what a human has decided is acted on, whoever hangs up
        return wire.DecideReferralResponse(referral=to_canonical(decided))

    async def ListAlerts(self, request: wire.ListAlertsRequest, context: Context) -> wire.ListAlertsResponse:
        """What one person has to be told."""
        found = await self._alerts.unseen(request.user)
        return wire.ListAlertsResponse(alerts=to_canonical({"alerts": list(found)}))

    async def SeeAlert(self, request: wire.SeeAlertRequest, context: Context) -> wire.SeeAlertResponse:
        """A person has seen it."""
        await to_the_end(self._alerts.see(request.user, request.alert_id))
        return wire.SeeAlertResponse()

    async def SeeMembers(self, request: wire.SeeMembersRequest, context: Context) -> wire.SeeMembersResponse:
        """A person has seen how the members changed."""
        seeing = self._neighbours.see(self._leading.user_ref(request.user), until=request.until)
        return wire.SeeMembersResponse(seen=await to_the_end(seeing))

    async def AccountForChild(
        self, request: wire.AccountForChildRequest, context: Context
    ) -> wire.AccountForChildResponse:
        """What this node was asked about a child, told and saw."""
        account = await to_the_end(self._accounting.account(AccountOrder.parse(request.order)))
        return wire.AccountForChildResponse(account=to_canonical(account))

    async def Index(self, request: wire.IndexRequest, context: Context) -> AsyncIterator[wire.IndexResponse]:
        """Read the sources and bring the caseload up to date."""
        async for progress in self._index():
            yield wire.IndexResponse(progress=to_canonical(progress))

    async def OrderSources(self, request: wire.OrderSourcesRequest, context: Context) -> wire.OrderSourcesResponse:
        """Show or dismiss what could not be read, accept a reading, or compare."""
        outcome = await to_the_end(self._sources.order(SourceOrder.parse(request.order)))
        return wire.OrderSourcesResponse(outcome=to_canonical(outcome))

    async def GetStatus(self, request: wire.GetStatusRequest, context: Context) -> wire.GetStatusResponse:
        """Each component by name with its health."""
        return wire.GetStatusResponse(status=to_canonical(await self._status()))

    async def Describe(self, request: wire.DescribeRequest, context: Context) -> wire.DescribeResponse:
        """Sign a new description of this agency and hand it to the gateway."""
        describing = self._describing.describe(AgencyDescriptor.parse(request.description))
        return wire.DescribeResponse(listed=await to_the_end(describing))

    async def OrderTeam(self, request: wire.OrderTeamRequest, context: Context) -> wire.OrderTeamResponse:
        """Open, change or close a team or a case grant."""
        outcome = await to_the_end(self._leading.order(TeamWish.parse(request.wish)))
        return wire.OrderTeamResponse(outcome=to_canonical(outcome))

    async def ShowTeam(self, request: wire.ShowTeamRequest, context: Context) -> wire.ShowTeamResponse:
        """A team as it stands."""
        return wire.ShowTeamResponse(team=to_canonical(await self._leading.show(request.user, request.team_id)))

    async def GetUserRef(self, request: wire.GetUserRefRequest, context: Context) -> wire.GetUserRefResponse:
        """How other agencies name one of this agency's people."""
        return wire.GetUserRefResponse(user_ref=self._leading.user_ref(request.user))
