"""One concept, one word. Closed sets shared by the wire, Python, Rego data and screens.

Purposes, categories, flags, roles and reason codes are *data of the policy bundle*, so that a policy author can add one
without touching Python; here they are only typed names. What is closed by the protocol itself is an enum.
"""

from enum import StrEnum
from typing import NewType

AgencyId = NewType("AgencyId", str)
"""`[a-z][a-z0-9-]{1,62}`; also the pseudonym scope."""
QueryId = NewType("QueryId", str)
"""UUID, lower case, 36 characters."""
TaskId = NewType("TaskId", str)
"""UUID, lower case, 36 characters."""
UserRef = NewType("UserRef", str)
"""Opaque outside the user's own node: a keyed hash, 32 hex digits."""


class Tier(StrEnum):
    """How much: existence, summary, detail. Ordered by value."""

    T0 = "T0"
    T1 = "T1"
    T2 = "T2"


class Urgency(StrEnum):
    """How long online targets have, and how long late answers are taken."""

    ROUTINE = "routine"
    URGENT = "urgent"
    EMERGENCY = "emergency"


class TargetState(StrEnum):
    """State of one responder within one query, as the gateway sees it."""

    NOT_PERMITTED = "not_permitted"
    WAITING = "waiting"
    DELIVERED = "delivered"
    ANSWERED = "answered"
    REFERRED = "referred"
    EXPIRED = "expired"
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    """The responder could not use what it was given; it has raised an alarm, and no answer comes."""
    UNDECIDED = "undecided"
    """A human was asked, and the query expired before they decided: silence is not absence."""


class Outcome(StrEnum):
    """What a sealed answer says; for the requester only."""

    RECORDS = "records"
    NOTHING_HELD = "nothing_held"
    REFUSED = "refused"
    UNDECIDED = "undecided"
    """Something was referred openly, nobody decided in time, and nothing else is released: silence is not absence."""
    ERROR = "error"


class ReadingState(StrEnum):
    """How far an agency's knowledge of one of its own datasets can be believed; the same for every child."""

    SOUND = "sound"
    """Read completely, every row could be read, and a person has accepted what it looks like."""
    PARTIAL = "partial"
    """Believed, but some rows could not be read, or nobody has accepted yet that this is what it looks like."""
    FAILING = "failing"
    """Not believed: what is told comes from the last sound reading, and absence cannot be claimed."""
    ABSENT = "absent"
    """The agency's node reads no such data."""


class Share(StrEnum):
    """A share of rows, in bands."""

    NONE = "none"
    UP_TO_2 = "up_to_2_percent"
    UP_TO_10 = "up_to_10_percent"
    UP_TO_50 = "up_to_50_percent"
    OVER_50 = "over_50_percent"


class Completeness(StrEnum):
    """`complete` only if every permitted target is answered, none failing (itself or a dataset) and none undecided."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    NOTHING_PERMITTED = "nothing_permitted"


class Effect(StrEnum):
    """What a policy decision says. `deny` is the only default."""

    PERMIT = "permit"
    DENY = "deny"
    REFER = "refer"
    WITHHOLD = "withhold"


class FamilyInformed(StrEnum):
    """Whether the family knows of the question; never a legal basis."""

    YES = "yes"
    NO = "no"
    UNSAFE = "unsafe"
    NOT_PRACTICABLE = "not_practicable"


class EnquiryOutcome(StrEnum):
    """Whether the child or family may learn that a question was asked: at once, after a time, or not at all."""

    NOTIFY = "notify"
    DELAY = "delay"
    NEVER = "never"


class IdentifierState(StrEnum):
    """Children Act 2004 s.16LC: how the consistent identifier travels with a message."""

    PRESENT = "present"
    UNKNOWN_DELAY = "unknown_delay"
    WITHHELD_DETRIMENT = "withheld_detriment"
    NOT_APPLICABLE = "not_applicable"
