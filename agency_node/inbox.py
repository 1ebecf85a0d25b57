"""The inbox as this agency's own tools are served it: JSON in, JSON out."""

from collections.abc import Sequence
from typing import cast

from agency_node.alerts import Alerts
from agency_node.consideration import HumanDecision
from agency_node.decisions import Decisions
from federation.canonical import JsonObject
from federation.transport.correlation import current_correlation_id


class Inbox:
    """What waits for a person, and the verbs that settle it."""

    def __init__(self, decisions: Decisions, alerts: Alerts) -> None:
        self._decisions = decisions
        self._alerts = alerts

    async def list(self, user: str) -> Sequence[JsonObject]:
        """Referrals that wait for a decision. Raises as `Decisions.waiting`."""
        return [view.as_json() for view in await self._decisions.waiting(user)]

    async def decide(self, user: str, referral_id: str, decision: str, reason: str) -> JsonObject:
        """Decide a referral. Raises as `Decisions.decide`, which also checks that the decision is one of the two."""
        view = await self._decisions.decide(
            user,
            referral_id,
            decision=cast("HumanDecision", decision),
            reason=reason,
            correlation_id=current_correlation_id(),
        )
        return view.as_json()

    async def alerts(self, user: str) -> Sequence[JsonObject]:
        """Alerts to this person. Raises as `Alerts.unseen`."""
        return await self._alerts.unseen(user)

    async def see_alert(self, user: str, alert_id: str) -> None:
        """Take note of an alert. Raises as `Alerts.see`."""
        await self._alerts.see(user, alert_id)
