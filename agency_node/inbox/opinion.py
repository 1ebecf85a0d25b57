"""What one person says of one referral, whether they still can, and what the ledger keeps of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from agency_node.answering.consideration import HumanDecision
from agency_node.inbox.referral import ReferralContent
from agency_node.inbox.shown import ReferralView
from agency_node.store.tables import ReferralState
from agency_node.users import User
from federation.actor import Actor
from federation.correlation_id import CorrelationId
from federation.england import iso_in_england
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.limits import MAX_JUSTIFICATION_CHARS
from federation.words import says_something

STATES: Final[Mapping[HumanDecision, ReferralState]] = {
    "release": ReferralState.RELEASED,
    "withhold": ReferralState.WITHHELD,
}
"""How a referral stands after each decision that ends it."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one person says of one referral.

    Attributes:
        reviewer: Their opaque reference.
        ground: Code of the bundle.
        at: Seconds since the epoch.
    """

    user: User
    reviewer: str
    decision: HumanDecision
    ground: str
    reason: str = field(repr=False)
    at: int
    correlation_id: CorrelationId

    def agrees(self, view: ReferralView) -> int:
        """How many people release it, this one included."""
        return int(view.given is not None) + int(self.decision == "release")

    def ends(self, view: ReferralView) -> bool:
        """Whether nobody else needs to decide: one who withholds is enough."""
        return self.decision == "withhold" or self.agrees(view) >= view.referral.people


def purpose_of(content: ReferralContent) -> str:
    """The purpose of the question behind a referral."""
    return str(content.query["purpose"])


def entry_of(view: ReferralView, opinion: Opinion, commitment: str) -> Entry:
    """That a person has decided, and how many of how many have released."""
    referral, content = view.referral, view.content
    return Entry(
        kind=EntryKind.REFERRAL_DECIDED,
        at=opinion.at,
        actor=Actor.user(opinion.reviewer),
        correlation_id=opinion.correlation_id,
        query_id=str(content.query["query_id"]),
        body={
            "task_id": referral.task_id,
            "referral_id": referral.referral_id,
            "decision": opinion.decision,
            "ground": opinion.ground,
            "role": opinion.user.role,
            "reason_commitment": commitment,
            "records": sorted(content.digests),
            "people": referral.people,
            "agreed": opinion.agrees(view),
        },
    )


def check_open(view: ReferralView, opinion: Opinion) -> None:
    """Whether this person can still decide.

    Raises:
        WardgateError: `REFERRAL_DECIDED`, `REFERRAL_ENDED`: saying which, and when.
    """
    referral, given = view.referral, view.given
    if referral.state in STATES.values():
        raise WardgateError(ErrorCode.REFERRAL_DECIDED, referral.referral_id)
    if referral.state is ReferralState.CANCELLED:
        when = iso_in_england(referral.decided_at or referral.expires_at)
        raise WardgateError(ErrorCode.REFERRAL_ENDED, told=f"the question was withdrawn at {when}")
    if referral.state is ReferralState.EXPIRED or opinion.at >= referral.expires_at:
        when = iso_in_england(referral.decided_at or referral.expires_at)
        without = "a decision" if given is None else "a second person's decision"
        raise WardgateError(ErrorCode.REFERRAL_ENDED, told=f"the time for it ended at {when} without {without}")
    if given is not None and given.reviewer == opinion.reviewer and opinion.decision == "release":
        raise WardgateError(
            ErrorCode.REFERRAL_DECIDED, told="you have released it; somebody else must agree before it goes"
        )


def checked(decision: str, reason: str) -> HumanDecision:
    """A decision that has a reason.

    Raises:
        WardgateError: `MESSAGE_MALFORMED`, `MESSAGE_TOO_LARGE`.
    """
    if not says_something(reason):
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "a decision needs a reason")
    if len(reason) > MAX_JUSTIFICATION_CHARS:
        raise WardgateError(ErrorCode.MESSAGE_TOO_LARGE, f"reason of {len(reason)} characters")
    match decision:
        case "release":
            return "release"
        case "withhold":
            return "withhold"
        case _:
            raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "a decision is release or withhold")
