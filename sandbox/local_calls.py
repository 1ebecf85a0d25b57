"""What a person of an agency does with its node, call by call, on the node's local port."""

import json
import time
from typing import Any, Final

from agency_node import keychain as node_keys
from agency_node.asking.question import QuestionDocument
from agency_node.caseload.orders import SourceAction, SourceOrder
from agency_node.settings import NodeSettings
from agency_node.teams.leading import TeamWish
from federation.canonical import JsonObject
from federation.transport.certificates import HeldCertificates
from federation.transport.channel import RotatingChannel
from federation.transport.failures import call_errors
from federation.wire.v1 import local_pb2, local_pb2_grpc
from keys.keyring import Keyring

LONGEST_S: Final = 330.0


class NodeCaller:
    """One agency's tools."""

    def __init__(self, settings: NodeSettings) -> None:
        keychain = node_keys.load_keychain(Keyring(settings.keys_dir))
        self._party = settings.local_party
        certificates = HeldCertificates(keychain.local_credentials(self._party, serves=False, now=time.time()))
        address = f"{settings.local.host}:{settings.local.port}"
        self._channel = RotatingChannel(address, self._party, certificates)
        self._stub = local_pb2_grpc.LocalServiceStub(self._channel)

    async def ask(self, question: QuestionDocument) -> JsonObject:
        """Put a question; its picture."""
        async with call_errors(self._party):
            response: Any = await self._stub.PutQuery(
                local_pb2.PutQueryRequest(question=question.canonical()), timeout=LONGEST_S
            )
        return dict(json.loads(response.picture))

    async def picture(self, query_id: str, user: str) -> JsonObject:
        """A picture as it stands now."""
        async with call_errors(self._party):
            response: Any = await self._stub.GetPicture(local_pb2.GetPictureRequest(query_id=query_id, user=user))
        return dict(json.loads(response.picture))

    async def referrals(self, user: str) -> list[JsonObject]:
        """What waits for a decision."""
        async with call_errors(self._party):
            response: Any = await self._stub.ListReferrals(local_pb2.ListReferralsRequest(user=user))
        return list(json.loads(response.referrals)["referrals"])

    async def decide(self, user: str, referral_id: str, *, decision: str, reason: str, ground: str = "") -> JsonObject:
        """Release or withhold."""
        request = local_pb2.DecideReferralRequest(
            user=user, referral_id=referral_id, decision=decision, reason=reason, ground=ground
        )
        async with call_errors(self._party):
            response: Any = await self._stub.DecideReferral(request)
        return dict(json.loads(response.referral))

    async def alerts(self, user: str) -> list[JsonObject]:
        """What a person has to be told."""
        async with call_errors(self._party):
            response: Any = await self._stub.ListAlerts(local_pb2.ListAlertsRequest(user=user))
        return list(json.loads(response.alerts)["alerts"])

    async def order_team(self, wish: TeamWish) -> JsonObject:
        """Open, change or close a team or a case grant."""
        async with call_errors(self._party):
            response: Any = await self._stub.OrderTeam(local_pb2.OrderTeamRequest(wish=wish.canonical()))
        return dict(json.loads(response.outcome))

    async def user_ref(self, user: str) -> str:
        """How other agencies name one of this agency's people."""
        async with call_errors(self._party):
            response: Any = await self._stub.GetUserRef(local_pb2.GetUserRefRequest(user=user))
        return str(response.user_ref)

    async def index(self) -> JsonObject:
        """Have the sources read now; the report of the run."""
        last: JsonObject = {}
        async with call_errors(self._party):
            async for response in self._stub.Index(local_pb2.IndexRequest()):
                last = json.loads(response.progress)
        return last

    async def accept_sources(self, user: str, reason: str) -> JsonObject:
        """Say that the sources look as they were read; reads them again."""
        order = SourceOrder(user=user, action=SourceAction.ACCEPT, reason=reason)
        async with call_errors(self._party):
            response: Any = await self._stub.OrderSources(
                local_pb2.OrderSourcesRequest(order=order.canonical()), timeout=LONGEST_S
            )
        return dict(json.loads(response.outcome))

    async def status(self) -> JsonObject:
        """The node's status."""
        async with call_errors(self._party):
            response: Any = await self._stub.GetStatus(local_pb2.GetStatusRequest(), timeout=5.0)
        return dict(json.loads(response.status))

    async def aclose(self) -> None:
        """Close the connection."""
        await self._channel.close(None)
