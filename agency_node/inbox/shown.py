"""A referral as an entitled person is shown it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agency_node.inbox.agreement import Release
from agency_node.inbox.referral import ReferralContent
from agency_node.store.referrals import StoredReferral
from federation.canonical import JsonObject


@dataclass(frozen=True, slots=True, repr=False)
class ReferralView:
    """A referral, what it is about, and how far it is decided.

    Attributes:
        given: Who has released it, while somebody else has yet to agree, or had. None where whoever released it may decide
            no longer: that release is void.
        grounds: Codes on which each decision may rest.
    """

    referral: StoredReferral
    content: ReferralContent
    given: Release | None = None
    grounds: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"ReferralView({self.referral.referral_id})"

    def as_json(self) -> JsonObject:
        """For canonical JSON. Of somebody's release it says who and when, never why: the next person decides afresh."""
        referral, content = self.referral, self.content
        return {
            "referral_id": referral.referral_id,
            "state": referral.state.value,
            "silent": referral.silent,
            "opened_at": referral.opened_at,
            "expires_at": referral.expires_at,
            "decided_at": referral.decided_at or 0,
            "people": referral.people,
            "released_by": [_released(self.given)] if self.given else [],
            "roles": list(referral.roles),
            "child": content.number,
            "query": content.query,
            "records": list(content.records),
            "reasons": {ref: list(codes) for ref, codes in content.reasons.items()},
            "answers_whatever_is_held": content.awaited,
            "withheld": list(content.withheld),
            "grounds": {decision: list(codes) for decision, codes in self.grounds.items()},
        }


def _released(given: Release) -> JsonObject:
    return {"user": given.user, "role": given.role, "at": given.at}
