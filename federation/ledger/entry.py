"""One ledger entry: who did what, when, under which ids; never about whom in the clear.

An entry is canonical JSON (RFC 8785), made once when the `Entry` is made and carried as bytes from then on. Its
constructor is the last line of defence against personal data: it refuses names of personal fields and any valid NHS
number, wherever it stands.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, Self

from federation.actor import Actor
from federation.canonical import MAX_INTEGER, from_json
from federation.correlation_id import CorrelationId
from federation.errors import ErrorCode, WardgateError
from keys.nhs_number import check_digit

MAX_ENTRY_BYTES: Final = 65_535
"""C2SP tlog-tiles: entry bundles carry a 16-bit length. A decision on 200 targets takes about 40 KiB."""

MAX_BODY_DEPTH: Final = 10
"""A decision's result nests nine deep, down to the recipients of one record's obligation; canonical JSON ends at 12."""

VERSION: Final = 1

JsonBody = Mapping[str, Any]
"""Strings, integers, booleans, lists and objects; no null and no float."""


class EntryKind(StrEnum):
    """What an entry can be about. Closed: a reader of an export needs no other list.

    At a node, `answered` covers every outcome of an answer, so that kinds do not tell who is known to an agency.
    """

    # a query's life, at the requester, the gateway and the responder
    QUERY_ASKED = "query_asked"
    QUERY_ADMITTED = "query_admitted"
    QUERY_REFUSED = "query_refused"
    QUERY_CANCELLED = "query_cancelled"
    QUERY_CLOSED = "query_closed"
    TARGET_REFERRED = "target_referred"
    TARGET_REJECTED = "target_rejected"
    TARGET_EXPIRED = "target_expired"
    ANSWERED = "answered"
    ANSWER_RECEIVED = "answer_received"
    ANSWER_OPENED = "answer_opened"
    PICTURE_CLOSED = "picture_closed"
    # people
    REFERRAL_OPENED = "referral_opened"
    REFERRAL_DECIDED = "referral_decided"
    REFERRAL_EXPIRED = "referral_expired"
    APPROVAL_GIVEN = "approval_given"
    REVIEW_RECORDED = "review_recorded"
    OBLIGATION_OPENED = "obligation_opened"
    OBLIGATION_MET = "obligation_met"
    MISUSE_REPORTED = "misuse_reported"
    VIEWED = "viewed"
    USERS_CHANGED = "users_changed"
    TEAM_ORDERED = "team_ordered"
    TEAM_CHANGED = "team_changed"
    TEAM_ORDER_REFUSED = "team_order_refused"
    # identifiers and keys
    BATCH_EVALUATED = "batch_evaluated"
    BATCH_REFUSED = "batch_refused"
    TICKET_TRANSLATED = "ticket_translated"
    TICKET_REFUSED = "ticket_refused"
    TRANSLATION_PROVED = "translation_proved"  # written by older versions: ledgers keep it
    QUOTA_CHANGED = "quota_changed"  # likewise
    COUNTERS_RECONCILED = "counters_reconciled"
    EPOCH_ROTATED = "epoch_rotated"
    # who is a member
    MEMBER_APPROVED = "member_approved"
    MEMBERS_CHANGED = "members_changed"
    MEMBERS_SEEN = "members_seen"
    REGISTER_PUBLISHED = "register_published"
    REGISTER_ACCEPTED = "register_accepted"
    # caseload and sources
    CASELOAD_INDEXED = "caseload_indexed"
    SOURCE_FAILED = "source_failed"
    SOURCE_ACCEPTED = "source_accepted"
    REJECT_DISMISSED = "reject_dismissed"
    MAPPING_CHANGED = "mapping_changed"
    # policy
    BUNDLE_ACTIVATED = "bundle_activated"
    BUNDLE_REJECTED = "bundle_rejected"
    OVERLAY_CHANGED = "overlay_changed"
    # enrolment and directory
    AGENCY_INVITED = "agency_invited"
    ENROLMENT_REQUESTED = "enrolment_requested"
    AGENCY_ENROLLED = "agency_enrolled"
    ENROLMENT_REJECTED = "enrolment_rejected"
    DESCRIPTION_SIGNED = "description_signed"
    DESCRIPTION_PROPOSED = "description_proposed"
    DESCRIPTION_ACCEPTED = "description_accepted"
    KEYS_RESET = "keys_reset"
    AGENCY_REVOKED = "agency_revoked"
    CERTIFICATE_ISSUED = "certificate_issued"
    DIRECTORY_PUBLISHED = "directory_published"
    DIRECTORY_ACCEPTED = "directory_accepted"
    DENY_LIST_PUBLISHED = "deny_list_published"
    # audit
    AUDIT_LOOKED = "audit_looked"
    AUDIT_REFUSED = "audit_refused"
    DISCLOSURES_ACCOUNTED = "disclosures_accounted"
    RETENTION_APPLIED = "retention_applied"
    LEDGER_RECONCILED = "ledger_reconciled"
    LEDGER_RECOVERED = "ledger_recovered"
    RECOVERY_ACCEPTED = "recovery_accepted"
    # the service itself
    ALARM_RAISED = "alarm_raised"
    SETTINGS_CHANGED = "settings_changed"
    SERVICE_STARTED = "service_started"
    SERVICE_STOPPED = "service_stopped"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that may be written. One that exists is valid.

    Attributes:
        kind: What happened.
        at: When, whole seconds since the epoch.
        actor: Who did it.
        correlation_id: Ties together what one action caused on every side.
        query_id: The query it belongs to, or None.
        body: What there is to know; pseudonymous values only.
        content: The canonical bytes: what is hashed, stored and exported.

    Raises:
        WardgateError: `INTERNAL`, naming the field but no value: whoever composed the entry made a mistake.
    """

    kind: EntryKind
    at: int
    actor: Actor
    correlation_id: CorrelationId
    query_id: str | None = None
    body: JsonBody = field(default_factory=dict)
    content: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._check_head()
        _check_value(self.body, "body", MAX_BODY_DEPTH)
        text = _encode(
            {
                "actor": self.actor,
                "at": self.at,
                "body": self.body,
                "correlation_id": self.correlation_id,
                "kind": self.kind,
                "query_id": self.query_id or "",
                "v": VERSION,
            }
        )
        _refuse_identifiers(text, self.kind)
        try:
            content = text.encode()
        except UnicodeEncodeError as error:
            raise _refused(f"{self.kind} holds half a character") from error
        if len(content) > MAX_ENTRY_BYTES:
            raise _refused(f"{self.kind}: {len(content)} bytes, at most {MAX_ENTRY_BYTES}")
        object.__setattr__(self, "content", content)

    def _check_head(self) -> None:
        if not isinstance(self.kind, EntryKind):
            raise _refused("kind is not of the closed set")
        if type(self.at) is not int or not 0 <= self.at <= MAX_INTEGER:
            raise _refused(f"{self.kind}.at is not whole seconds since the epoch")
        if not isinstance(self.actor, Actor):
            raise _refused(f"{self.kind}.actor is not of the vocabulary")
        if not isinstance(self.correlation_id, CorrelationId):
            raise _refused(f"{self.kind}.correlation_id is not one")
        if self.query_id is not None and not _UUID.fullmatch(self.query_id):
            raise _refused(f"{self.kind}.query_id is not a UUID in lower case")

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read an entry back from its bytes.

        Raises:
            WardgateError: `LEDGER_INVALID`: not the canonical form of an entry of this version.
        """
        try:
            found = from_json(content, max_bytes=MAX_ENTRY_BYTES, what="ledger entry")
            if found.pop("v") != VERSION:
                raise _refused("another version")
            entry = cls(
                kind=EntryKind(found.pop("kind")),
                at=found.pop("at"),
                actor=Actor.recorded(found.pop("actor")),
                correlation_id=CorrelationId.recorded(found.pop("correlation_id")),
                query_id=found.pop("query_id") or None,
                body=found.pop("body"),
            )
        except (WardgateError, KeyError, TypeError, ValueError) as error:
            raise WardgateError(ErrorCode.LEDGER_INVALID, "an entry is not of the agreed form") from error
        if found or entry.content != content:
            raise WardgateError(ErrorCode.LEDGER_INVALID, "an entry is not canonical")
        return entry


_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+*-]{0,127}")
_PERSONAL_KEY: Final = re.compile(
    r"(?:.*_)?(?:nhs|nhs_?number|forename|surname|given_name|family_name|full_name|dob|date_of_birth|postcode)",
    re.IGNORECASE,
)
_TEN_DIGITS: Final = re.compile(r"[0-9]{3}(?:[0-9]{7}|[ .\-_\u00a0][0-9]{3}[ .\-_\u00a0][0-9]{4})")
"""As people write an NHS number. Without look-around, which would halve the speed of the search."""
_INSTANT_KEYS: Final = ('"at":', '_at":', '_s":')
_LAST_INSTANT: Final = 4_000_000_000
"""In the year 2096; numbers above stay NHS numbers wherever they stand."""
_DIGEST_CHARS: Final = frozenset("0123456789abcdef-")
_MIN_DIGEST_CHARS: Final = 16
"""Digits inside a longer run of hexadecimal are chance: a digest, a key, a UUID."""

# Equal to RFC 8785 for what `_check_value` lets through (ASCII names, no float), and ten times faster: a property test.
_encode: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode


def _refused(detail: str) -> WardgateError:
    return WardgateError(ErrorCode.INTERNAL, f"ledger entry refused: {detail}")


def _check_value(value: object, place: str, depth: int) -> None:
    if isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise _refused(f"{place} is an integer beyond 2^53")
    elif depth == 0:
        raise _refused(f"{place} nests deeper than {MAX_BODY_DEPTH}")
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_key(name)
            _check_value(item, name, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check_value(item, place, depth - 1)
    else:
        raise _refused(f"{place} is of type {type(value).__name__}")


@lru_cache(maxsize=4096)
def _check_key(name: object) -> None:
    if not isinstance(name, str) or not _KEY.fullmatch(name):
        raise _refused("a name in the body is not an identifier")
    if _PERSONAL_KEY.fullmatch(name):
        raise _refused(f"the body has a personal field, {name}")


def _refuse_identifiers(text: str, kind: EntryKind) -> None:
    for match in _TEN_DIGITS.finditer(text):
        start, end = match.span()
        if text[start - 1 : start].isdecimal() or text[end : end + 1].isdecimal():
            continue
        digits = "".join(char for char in match[0] if char.isdecimal())
        if _is_instant(text, start, digits) or _in_digest(text, start, end):
            continue
        if check_digit(digits[:9]) == int(digits[9]):
            raise _refused(f"{kind} holds a valid NHS number")


def _is_instant(text: str, start: int, digits: str) -> bool:
    return text.endswith(_INSTANT_KEYS, 0, start) and int(digits) < _LAST_INSTANT


def _in_digest(text: str, start: int, end: int) -> bool:
    while start > 0 and text[start - 1] in _DIGEST_CHARS:
        start -= 1
    while end < len(text) and text[end] in _DIGEST_CHARS:
        end += 1
    return end - start >= _MIN_DIGEST_CHARS
