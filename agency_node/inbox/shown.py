"""A referral as an entitled person is shown it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agency_node.inbox.agreement import Release
from agency_node.inbox.consequences import Matter, would_say
from agency_node.inbox.referral import ReferralContent
from agency_node.store.referrals import StoredReferral
from agency_node.store.tables import ReferralState
from federation.canonical import JsonObject
from federation.england import iso_in_england


@dataclass(frozen=True, slots=True, repr=False)
class ReferralView:
    """A referral, what it is about, and how far it is decided.

    Attributes:
        given: Who has released it, while somebody else has yet to agree, or had. None where whoever released it may
            decide no longer: that release is void.
        grounds: On what each decision may rest: codes of the bundle with their titles.
    """

    referral: StoredReferral
    content: ReferralContent
    given: Release | None = None
    grounds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"ReferralView({self.referral.referral_id})"

    def as_json(self) -> JsonObject:
        """For canonical JSON. Of somebody's release it says who and when, never why: the next person decides afresh.

        Times stand twice: in seconds since the epoch (`opened_at`), and by the clocks of England (`opened`).
        """
        referral, content = self.referral, self.content
        return {
            "referral_id": referral.referral_id,
            "state": referral.state.value,
            "silent": referral.silent,
            "opened": iso_in_england(referral.opened_at),
            "opened_at": referral.opened_at,
            "expires": iso_in_england(referral.expires_at),
            "expires_at": referral.expires_at,
            "decided": iso_in_england(referral.decided_at) if referral.decided_at else "",
            "decided_at": referral.decided_at or 0,
            "people": referral.people,
            "released_by": [_released(self.given)] if self.given else [],
            "roles": list(referral.roles),
            "child": content.number,
            "query": _query(content.query),
            "records": list(content.records),
            "reasons": {ref: list(codes) for ref, codes in content.reasons.items()},
            "answers_whatever_is_held": content.awaited,
            "withheld": list(content.withheld),
            "grounds": {decision: dict(titles) for decision, titles in self.grounds.items()},
            "would_say": self._would_say(),
        }

    def _would_say(self) -> JsonObject:
        """What each choice will say; nothing where there is no choice any more."""
        referral, content = self.referral, self.content
        if referral.state is not ReferralState.OPEN:
            return {}
        matter = Matter(
            shown=bool(content.records),
            withheld=bool(content.withheld),
            awaited=content.awaited,
            silent=referral.silent,
        )
        return {**would_say(matter, people=referral.people, released=int(self.given is not None))}


def _released(given: Release) -> JsonObject:
    return {"user": given.user, "role": given.role, "released": iso_in_england(given.at), "at": given.at}


def _query(query: JsonObject) -> JsonObject:
    names = {"issued": "issued_at", "deadline": "deadline_at", "expires": "expires_at"}
    return {**query, **{name: iso_in_england(int(query[key])) for name, key in names.items()}}
