"""What this node's own policy is told of a question before anybody else hears of it. Pure."""

from collections.abc import Awaitable, Callable

from agency_node.asking.question import CheckedQuestion
from agency_node.users import User
from federation import policy_input
from federation.canonical import JsonObject, from_json
from federation.counters import CounterView
from federation.directory import AgencyDescriptor
from federation.limits import MAX_MESSAGE_BYTES
from federation.policy_input import ON_REQUEST, date_parts, policy_time
from federation.team import CaseGrantGiven, case_grant_input
from federation.vocabulary import UserRef

CaseGrants = Callable[[str, str], Awaitable[CaseGrantGiven]]
"""What a case grant, by its id, says of a user, by reference: asked of the gateway, which signs it."""


def requester_input(
    question: CheckedQuestion,
    *,
    query_id: str,
    agency: AgencyDescriptor,
    user: User,
    ref: UserRef,
    counters: CounterView,
    case_grant: CaseGrantGiven | None,
    now: int,
    expires_at: int,
) -> JsonObject:
    """The input of `wardgate/requester/decision`.

    Args:
        question: What is asked.
        query_id: The id the query will have.
        agency: This agency as the directory describes it.
        user: Who asks.
        ref: The user's reference outside this node.
        counters: What was asked lately.
        case_grant: What the case grant that is named says of the user.
        now: Seconds since the epoch.
        expires_at: When late answers end, seconds since the epoch.
    """
    return {
        "time": policy_time(now),
        "query": {
            "id": query_id,
            "purpose": question.purpose,
            "direction": ON_REQUEST,
            "urgency": question.urgency.value,
            "area": question.area,
            "categories": [{"name": item.name, "tier": item.tier.value} for item in question.categories],
            "period": {"from": date_parts(question.period.start), "to": date_parts(question.period.end)},
            "attestations": list(question.attestations),
            "approvals": [item.model_dump(mode="json") for item in question.approvals],
            "family_informed": question.family_informed.value,
            "break_glass": question.break_glass,
            "justified": question.justified,
            "issued_at": now,
            "expires_at": expires_at,
            "identifier_state": question.identifier_state.value,
        },
        "requester": policy_input.requester_input(agency, user_ref=ref, role=user.role),
        "user": user.policy_input(ref),
        "counters": counters.as_input(),
        "case_grant": case_grant_input(case_grant),
    }


def query_recorded(input_json: bytes) -> JsonObject:
    """What was asked, as an entry carries it, from the input that policy saw; nothing where it saw nothing."""
    if not input_json:
        return {}
    return policy_input.asked(from_json(input_json, max_bytes=MAX_MESSAGE_BYTES, what="input")["query"])
