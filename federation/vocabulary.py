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


class Outcome(StrEnum):
    """What a sealed answer says; for the requester only."""

    RECORDS = "records"
    NOTHING_HELD = "nothing_held"
    REFUSED = "refused"
    ERROR = "error"


class Completeness(StrEnum):
    """`complete` only if every permitted target is answered and none is `error`."""

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
