"""The inbox as this agency's tools see it: JSON in and out over `decisions`."""

from collections.abc import Sequence

from agency_node.inbox.decisions import Decisions
from federation.canonical import JsonObject


class JsonInbox:
    """`agency_node.servicers.local.Inbox` over `Decisions`."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions

    async def list(self, user: str) -> Sequence[JsonObject]:
        """Everything that waits for a decision, oldest first."""
        return [view.as_json() for view in await self._decisions.waiting(user)]

    async def decide(self, user: str, referral_id: str, decision: str, reason: str, ground: str) -> JsonObject:
        """Release or withhold, once."""
        view = await self._decisions.decide(user, referral_id, decision=decision, reason=reason, ground=ground)
        return view.as_json()
