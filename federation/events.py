"""The closed catalogue of operational events: what a log may say.

A log line is one of these constants with identifiers and counts beside it; it is never prose about a child. What must
be *accounted for* goes to the ledger, which is another object with another rule (no ledger, no action). To log
something new, add a member and its row; `docs/events.md` is generated from the table and a test holds the sets equal.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final


class Level(IntEnum):
    """How loud. The numbers are those of the standard library's `logging`."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    ALARM = 50
    """Somebody should look now: a sign of attack, or of a defect in a safeguard."""


class Event(StrEnum):
    """Stable names, part of the interface to whoever reads the logs."""

    # process
    SERVICE_STARTED = "SERVICE_STARTED"
    SERVICE_STOPPING = "SERVICE_STOPPING"
    SERVICE_STOPPED = "SERVICE_STOPPED"
    TASK_RESTARTED = "TASK_RESTARTED"
    TASK_CRASHED = "TASK_CRASHED"
    UNHANDLED_EXCEPTION = "UNHANDLED_EXCEPTION"
    COMPONENT_USABLE = "COMPONENT_USABLE"
    COMPONENT_UNUSABLE = "COMPONENT_UNUSABLE"
    # calls
    SERVER_LISTENING = "SERVER_LISTENING"
    CALL_FAILED = "CALL_FAILED"
    CALL_REFUSED = "CALL_REFUSED"
    CALL_UNSERVED = "CALL_UNSERVED"
    CALL_BROKEN = "CALL_BROKEN"
    CALL_CUT = "CALL_CUT"
    # certificates
    CERTIFICATES_ADOPTED = "CERTIFICATES_ADOPTED"
    CERTIFICATES_UNREADABLE = "CERTIFICATES_UNREADABLE"
    CHANNEL_ROTATED = "CHANNEL_ROTATED"
    DENY_LIST_ADOPTED = "DENY_LIST_ADOPTED"
    CERTIFICATE_RENEWED = "CERTIFICATE_RENEWED"
    CERTIFICATE_EXPIRED = "CERTIFICATE_EXPIRED"
    # the node that answers
    SOURCE_FAILED = "SOURCE_FAILED"
    DATASET_CHANGED = "DATASET_CHANGED"
    CASELOAD_INDEXED = "CASELOAD_INDEXED"
    TASK_NOT_VERIFIED = "TASK_NOT_VERIFIED"
    TASK_POSTPONED = "TASK_POSTPONED"
    TRANSLATION_NOT_PROVED = "TRANSLATION_NOT_PROVED"
    ANSWER_TOO_LARGE = "ANSWER_TOO_LARGE"
    LINK_ATTACHED = "LINK_ATTACHED"
    LINK_LOST = "LINK_LOST"
    LINK_FELL_BACK = "LINK_FELL_BACK"
    # queries
    ANSWER_REFUSED = "ANSWER_REFUSED"
    ANSWER_CONFLICT = "ANSWER_CONFLICT"
    TARGET_REJECTED = "TARGET_REJECTED"
    TARGET_NOT_TRANSLATED = "TARGET_NOT_TRANSLATED"
    ANSWER_REJECTED = "ANSWER_REJECTED"
    PURSUIT_BROKEN = "PURSUIT_BROKEN"
    RECIPIENT_MISSING = "RECIPIENT_MISSING"
    MISUSE_REPORTED = "MISUSE_REPORTED"
    NOTICE_REFUSED = "NOTICE_REFUSED"
    CASELOAD_FAILED = "CASELOAD_FAILED"
    GATEWAY_NOT_BELIEVED = "GATEWAY_NOT_BELIEVED"
    OWN_CERTIFICATE_REVOKED = "OWN_CERTIFICATE_REVOKED"
    QUERY_RECONCILED = "QUERY_RECONCILED"
    RECONCILIATION_FAILED = "RECONCILIATION_FAILED"
    CLOCK_DIFFERS = "CLOCK_DIFFERS"
    CLOCK_AGREES = "CLOCK_AGREES"
    TASK_OUT_OF_TIME = "TASK_OUT_OF_TIME"
    # policy
    POLICY_FAILED_CLOSED = "POLICY_FAILED_CLOSED"
    # the ledger
    ALARM_RAISED = "ALARM_RAISED"
    DIRECTORY_ADOPTED = "DIRECTORY_ADOPTED"
    REGISTER_ADOPTED = "REGISTER_ADOPTED"
    APPROVAL_NOT_COUNTED = "APPROVAL_NOT_COUNTED"
    MEMBERS_UNENDORSED = "MEMBERS_UNENDORSED"
    MEMBERS_CHANGED = "MEMBERS_CHANGED"
    TRUSTEE_NOT_BELIEVED = "TRUSTEE_NOT_BELIEVED"
    SPLIT_VIEW = "SPLIT_VIEW"
    PEER_VIEW_UNUSABLE = "PEER_VIEW_UNUSABLE"
    LEDGER_NOT_COMPARED = "LEDGER_NOT_COMPARED"
    # the log itself
    FIELD_REDACTED = "FIELD_REDACTED"
    LIBRARY_MESSAGE = "LIBRARY_MESSAGE"


@dataclass(frozen=True, slots=True)
class EventSpec:
    """What the catalogue says of one event."""

    level: Level
    text: str


EVENTS: Final[dict[Event, EventSpec]] = {
    Event.SERVICE_STARTED: EventSpec(Level.INFO, "The service is up."),
    Event.SERVICE_STOPPING: EventSpec(Level.INFO, "The service was asked to stop and finishes what it has begun."),
    Event.SERVICE_STOPPED: EventSpec(Level.INFO, "The service has stopped."),
    Event.TASK_RESTARTED: EventSpec(Level.ERROR, "A background task failed and is started again after a pause."),
    Event.TASK_CRASHED: EventSpec(
        Level.ERROR, "A background task failed that the service cannot do without; it stops."
    ),
    Event.UNHANDLED_EXCEPTION: EventSpec(Level.ERROR, "An exception reached the event loop or the top of a thread."),
    Event.COMPONENT_USABLE: EventSpec(Level.INFO, "A component of this service can be used again."),
    Event.COMPONENT_UNUSABLE: EventSpec(
        Level.ERROR, "A component of this service cannot be used; it reports NOT_SERVING."
    ),
    Event.SERVER_LISTENING: EventSpec(Level.INFO, "A port is open."),
    Event.CALL_FAILED: EventSpec(Level.INFO, "A call ended with an error that is the caller's to mend."),
    Event.CALL_REFUSED: EventSpec(Level.WARNING, "A call was refused for who made it or what it proved."),
    Event.CALL_UNSERVED: EventSpec(Level.ERROR, "A call could not be served; an operator of this service must act."),
    Event.CALL_BROKEN: EventSpec(
        Level.ERROR, "A call met a defect of this program. The caller got the correlation id only."
    ),
    Event.CALL_CUT: EventSpec(
        Level.WARNING, "A running call was cut: its party is revoked or its certificate has expired."
    ),
    Event.CERTIFICATES_ADOPTED: EventSpec(Level.INFO, "A new certificate, key or set of roots is in use."),
    Event.CERTIFICATES_UNREADABLE: EventSpec(
        Level.ERROR, "Certificate files have changed and cannot be used; the last good ones stay in use."
    ),
    Event.CHANNEL_ROTATED: EventSpec(Level.INFO, "A connection was replaced by one with the new certificate."),
    Event.CERTIFICATE_RENEWED: EventSpec(Level.INFO, "This party's own certificate was renewed, or claimed anew."),
    Event.CERTIFICATE_EXPIRED: EventSpec(
        Level.ALARM,
        "This party's own certificate ran out: nobody talks to it. Its signing key claims a new one, again and again.",
    ),
    Event.DENY_LIST_ADOPTED: EventSpec(Level.INFO, "A newer deny list is in force."),
    Event.SOURCE_FAILED: EventSpec(
        Level.ERROR, "A source could not be read completely. Its last records stay in force; absence is not claimed."
    ),
    Event.DATASET_CHANGED: EventSpec(
        Level.WARNING,
        "A dataset stands otherwise than at the last reading: another state, another fault, or another share of rows "
        "that could not be read or that name no child.",
    ),
    Event.CASELOAD_INDEXED: EventSpec(Level.INFO, "A caseload run has ended."),
    Event.TASK_NOT_VERIFIED: EventSpec(
        Level.ALARM, "A task does not verify: somebody altered it or made it up. Nothing was answered."
    ),
    Event.TASK_POSTPONED: EventSpec(Level.WARNING, "A task cannot be worked on yet; it is tried again."),
    Event.ANSWER_TOO_LARGE: EventSpec(Level.ERROR, "An answer is over its size limit; the requester is told `error`."),
    Event.LINK_ATTACHED: EventSpec(Level.INFO, "The link to the gateway is up."),
    Event.LINK_LOST: EventSpec(Level.WARNING, "The link to the gateway is lost; it is tried again."),
    Event.LINK_FELL_BACK: EventSpec(
        Level.WARNING, "The network does not keep a stream open; tasks are fetched call by call for a while."
    ),
    Event.TRANSLATION_NOT_PROVED: EventSpec(
        Level.ALARM,
        "A key holder's translation did not prove itself to the other: it used another key or point than it published. "
        "The query was refused, and nobody was asked.",
    ),
    Event.ANSWER_REFUSED: EventSpec(Level.WARNING, "A responder's message about a task was refused."),
    Event.ANSWER_CONFLICT: EventSpec(Level.ALARM, "A responder gave a second, different answer to one task."),
    Event.TARGET_NOT_TRANSLATED: EventSpec(
        Level.ERROR,
        "A key holder cannot translate for one agency: its epoch is not in use, or this holder's key there is not the "
        "published one. That agency is asked nothing and reads `rejected`; the others are asked.",
    ),
    Event.TARGET_REJECTED: EventSpec(
        Level.WARNING,
        "A responder could not use what it was asked: it did not verify, or was sealed to a key that is not there. "
        "Its own log has the alarm with the cause.",
    ),
    Event.ANSWER_REJECTED: EventSpec(
        Level.ALARM, "An answer does not verify or does not open: it was altered, forged or sealed to another key."
    ),
    Event.CASELOAD_FAILED: EventSpec(
        Level.ERROR, "Bringing the caseload up to date failed; it is tried again at the next turn."
    ),
    Event.PURSUIT_BROKEN: EventSpec(
        Level.ERROR, "Following a query ended by a defect; it is taken up again within a minute."
    ),
    Event.RECIPIENT_MISSING: EventSpec(
        Level.ERROR,
        "Nobody who works here, and has no interest of their own, holds a role or grant that policy sends alerts to "
        "(`alert`), or too few who are fit decide referrals (`decides`, with how many more there must be, and which "
        "roles or grants they must hold where it is for them alone): what goes there reaches nobody, or never leaves.",
    ),
    Event.MISUSE_REPORTED: EventSpec(
        Level.ALARM,
        "A question of this agency was refused as misuse, by its own node or by the gateway; the ledger has the entry.",
    ),
    Event.NOTICE_REFUSED: EventSpec(
        Level.ERROR, "The gateway refused a notice of misuse for what it is; it is kept and sent again."
    ),
    Event.QUERY_RECONCILED: EventSpec(
        Level.WARNING,
        "The store had more of a query than this process held in memory: a commit's answer was lost. It is followed.",
    ),
    Event.RECONCILIATION_FAILED: EventSpec(
        Level.ERROR, "What is in flight cannot be compared with the store; it is tried again every few seconds."
    ),
    Event.CLOCK_DIFFERS: EventSpec(
        Level.ALARM,
        "The clock of a party is ahead of this one's by the seconds named (negative: behind): one of both is wrong.",
    ),
    Event.CLOCK_AGREES: EventSpec(Level.INFO, "The clock of a party that differed agrees with this one's again."),
    Event.TASK_OUT_OF_TIME: EventSpec(
        Level.ALARM,
        "A task came from the future, or long after its end: this clock or the requester's is wrong. No answer.",
    ),
    Event.GATEWAY_NOT_BELIEVED: EventSpec(
        Level.ALARM, "The gateway could not prove its directory or its ledger; what was verified before stays in force."
    ),
    Event.OWN_CERTIFICATE_REVOKED: EventSpec(
        Level.ALARM,
        "The gateway refuses this party's own certificate: it was revoked, or new keys were approved in its name.",
    ),
    Event.POLICY_FAILED_CLOSED: EventSpec(
        Level.ALARM,
        "A decision became a denial although no policy said so: the engine, its bundle or the input cannot be used. "
        "Everything asked there is denied until that is mended.",
    ),
    Event.ALARM_RAISED: EventSpec(Level.ALARM, "An alarm was recorded in the ledger; the reason is named."),
    Event.DIRECTORY_ADOPTED: EventSpec(Level.INFO, "A newer directory was verified and is in force."),
    Event.REGISTER_ADOPTED: EventSpec(Level.INFO, "A newer register of members was verified and is in force."),
    Event.APPROVAL_NOT_COUNTED: EventSpec(
        Level.WARNING, "A kept approval of a member does not count: whoever gave it is no approver (any more)."
    ),
    Event.MEMBERS_UNENDORSED: EventSpec(
        Level.ALARM,
        "Members are believed whom nobody at the trustee has approved; they are not believed for ever.",
    ),
    Event.MEMBERS_CHANGED: EventSpec(
        Level.ALARM,
        "An agency of this agency's areas is new, is described otherwise than before, or has lost its keys "
        "(`keys_reset`, whether it is believed or not); or this agency itself is believed to be a member no more "
        "(`left_out`).",
    ),
    Event.TRUSTEE_NOT_BELIEVED: EventSpec(
        Level.ALARM,
        "The trustee could not prove its register or its ledger; what was verified before stays in force.",
    ),
    Event.SPLIT_VIEW: EventSpec(
        Level.ALARM,
        "Another member was shown another history of the gateway's ledger, or a newer register, than this one; both "
        "checkpoints stand in this ledger's entry and prove it together.",
    ),
    Event.PEER_VIEW_UNUSABLE: EventSpec(
        Level.WARNING, "Another member says that it saw a checkpoint which the gateway never signed."
    ),
    Event.LEDGER_NOT_COMPARED: EventSpec(
        Level.WARNING,
        "The other holder could not be asked how far it had seen this ledger: the service starts, and asks again until "
        "it is answered. It stops when entries turn out to be missing.",
    ),
    Event.FIELD_REDACTED: EventSpec(
        Level.ALARM, "A log call passed a field or value that may not be logged. It was removed; mend the call."
    ),
    Event.LIBRARY_MESSAGE: EventSpec(
        Level.WARNING, "A library wrote to its log. Only its message template is kept, never the values."
    ),
}
