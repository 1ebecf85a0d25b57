"""The records of one child as the node keeps them: encoding, and what policy may see of each. Pure.

A record is stored as encrypted canonical JSON. To policy it is a *descriptor*: category, type, dates, flags, handling
code, the names of its fields and what could not be read, never a value.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from agency_node.sources.record import FieldValue, SourceRecord, Unreadable
from federation.canonical import JsonObject, from_json, to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.policy_input import optional_date_parts

MAX_RECORD_BYTES: Final = 8 * 1024 * 1024
"""64 fields of 16,000 characters of up to four bytes, and the names: what `sources` lets through."""

VERSION: Final = 2
"""Of what is stored. Another version is refused: a migration takes it out, and the next reading makes it again."""

_MEMBERS: Final = frozenset(Unreadable) - {Unreadable.ROW, Unreadable.CHILD}
"""Members of a record that policy reads, and that can be unreadable each by itself."""

_KEYS: Final = frozenset(
    {
        "v",
        "source_ref",
        "category",
        "type",
        "date",
        "fields",
        "flags",
        "assertion",
        "relation",
        "contact_level",
        "handling_code",
        "started_on",
        "ended_on",
        "unreadable",
        "fields_unreadable",
    }
)


@dataclass(frozen=True, slots=True, repr=False)
class HeldRecord:
    """One record of one child, decrypted.

    Attributes:
        ref: 32 hex digits: how policy, referrals and decisions name it.
        source_id: The source that holds it.
        source_ref: Its id inside that source; never shown to another agency.
        date: The calendar date in England that it is about; None when it could not be read.
        flags: Handling flags in force, those of the child as any source knows them included; sorted.
        started_on: When what lasts began: `date` where the mapping names no start; None where it could not be read.
        ended_on: The last day on which it went on, past or planned; None while no end is known.
        unreadable: What policy reads and could not be read; the members of these names are empty.
        fields_unreadable: Fields that have a value which could not be read; they are not among `fields`.
    """

    ref: str
    source_id: str
    source_ref: str
    category: str
    type: str
    date: dt.date | None
    fields: Mapping[str, FieldValue]
    flags: tuple[str, ...]
    assertion: str
    relation: str
    contact_level: str
    handling_code: str
    started_on: dt.date | None = None
    ended_on: dt.date | None = None
    unreadable: frozenset[Unreadable] = frozenset()
    fields_unreadable: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        # A record is personal data: only what a log may hold is shown.
        return f"HeldRecord({self.ref}, {self.category})"

    @classmethod
    def decode(cls, payload: bytes, *, ref: str, source_id: str, child_flags: frozenset[str]) -> Self:
        """Read a decrypted payload back.

        Args:
            payload: What `encode_record` made.
            ref: The record's reference.
            source_id: The source that holds it.
            child_flags: Flags of the child as such, from every source.

        Raises:
            WardgateError: `STORE_UNAVAILABLE` when it is not a record of this version.
        """
        found = from_json(payload, max_bytes=MAX_RECORD_BYTES, what="record")
        if found.get("v") != VERSION or found.keys() != _KEYS:
            raise WardgateError(ErrorCode.STORE_UNAVAILABLE, f"record {ref} is of another version")
        return cls(
            ref=ref,
            source_id=source_id,
            source_ref=found["source_ref"],
            category=found["category"],
            type=found["type"],
            date=_date(found["date"]),
            fields=found["fields"],
            flags=tuple(sorted(child_flags.union(found["flags"]))),
            assertion=found["assertion"],
            relation=found["relation"],
            contact_level=found["contact_level"],
            handling_code=found["handling_code"],
            started_on=_date(found["started_on"]),
            ended_on=_date(found["ended_on"]),
            unreadable=frozenset(map(Unreadable, found["unreadable"])),
            fields_unreadable=frozenset(found["fields_unreadable"]),
        )

    def descriptor(self) -> JsonObject:
        """The record as `wardgate/node/decision` sees it."""
        return {
            "ref": self.ref,
            "category": self.category,
            "type": self.type,
            "date": optional_date_parts(_iso(self.date)),
            "started_on": optional_date_parts(_iso(self.started_on)),
            "ended_on": optional_date_parts(_iso(self.ended_on)),
            "unreadable": sorted(self.unreadable),
            "flags": list(self.flags),
            "fields": sorted(self.fields.keys() | self.fields_unreadable),
            "assertion": self.assertion,
            "relation": self.relation,
            "contact_level": self.contact_level,
            "handling_code": self.handling_code,
            # No source names users yet: under flags that ask for them, a person decides.
            "barred_users": [],
            "permitted_users": [],
        }

    def content(self) -> JsonObject:
        """Everything a responder is shown, and what a human decision is bound to."""
        return {
            "ref": self.ref,
            "source": self.source_id,
            "source_ref": self.source_ref,
            "category": self.category,
            "type": self.type,
            "date": _iso(self.date),
            "started_on": _iso(self.started_on),
            "ended_on": _iso(self.ended_on),
            "flags": list(self.flags),
            "fields": dict(self.fields),
            "assertion": self.assertion,
            "relation": self.relation,
            "contact_level": self.contact_level,
            "handling_code": self.handling_code,
            "unreadable": sorted(self.unreadable),
            "fields_unreadable": sorted(self.fields_unreadable),
        }


def encode_record(record: SourceRecord) -> bytes:
    """A source's record as the payload to encrypt. The child is not in it: the row says whose it is.

    Raises:
        ValueError: A value that canonical JSON cannot carry (an integer beyond 2**53).
    """
    payload = {
        "v": VERSION,
        "source_ref": record.source_ref,
        "category": record.category,
        "type": record.type,
        "date": _iso(record.date),
        "fields": {name: value for name, value in record.fields.items() if name not in record.fields_unreadable},
        "flags": sorted(record.flags),
        "assertion": record.assertion.value,
        "relation": record.relation.value,
        "contact_level": record.contact_level.value,
        "handling_code": record.handling_code,
        "started_on": _iso(record.started_on),
        "ended_on": _iso(record.ended_on),
        "unreadable": sorted(record.unreadable),
        "fields_unreadable": sorted(record.fields_unreadable),
    }
    return to_canonical(payload | dict.fromkeys(_not_known(record.unreadable), ""))


def united(first: bytes, second: bytes) -> bytes:
    """Two payloads that say something of one record, as one: flags united; what they disagree about is unreadable."""
    one: dict[str, Any] = from_json(first, max_bytes=MAX_RECORD_BYTES, what="record")
    two: dict[str, Any] = from_json(second, max_bytes=MAX_RECORD_BYTES, what="record")
    unreadable = {Unreadable(name) for name in (*one["unreadable"], *two["unreadable"])}
    unreadable |= {name for name in _MEMBERS if one[name] != two[name]}
    if one["category"] != two["category"]:
        unreadable.add(Unreadable.ROW)
    fields = {**two["fields"], **one["fields"]}
    disputed = {name for name, value in one["fields"].items() if two["fields"].get(name, value) != value}
    fields_unreadable = disputed.union(one["fields_unreadable"], two["fields_unreadable"])
    payload = {
        **one,
        "fields": {name: value for name, value in fields.items() if name not in fields_unreadable},
        "flags": sorted({*one["flags"], *two["flags"]}),
        "unreadable": sorted(unreadable),
        "fields_unreadable": sorted(fields_unreadable),
    }
    return to_canonical(payload | dict.fromkeys(_not_known(frozenset(unreadable)), ""))


def with_flags(payload: bytes, flags: frozenset[str]) -> bytes:
    """A payload with further flags."""
    found: dict[str, Any] = from_json(payload, max_bytes=MAX_RECORD_BYTES, what="record")
    return to_canonical({**found, "flags": sorted(flags.union(found["flags"]))})


def without_certainty(payload: bytes) -> bytes:
    """A payload whose child cannot be told for certain any more: no detail of it may be given."""
    found: dict[str, Any] = from_json(payload, max_bytes=MAX_RECORD_BYTES, what="record")
    return to_canonical({**found, "unreadable": sorted({*found["unreadable"], Unreadable.CHILD})})


def place_alone(payload: bytes, flags: frozenset[str]) -> bytes:
    """What is left of a record that its source has no more, while these flags of it stay: no field of it."""
    found: dict[str, Any] = from_json(without_certainty(payload), max_bytes=MAX_RECORD_BYTES, what="record")
    return to_canonical({**found, "fields": {}, "fields_unreadable": [], "flags": sorted(flags)})


def flags_of(payload: bytes) -> frozenset[str]:
    """The flags of a payload."""
    found: dict[str, Any] = from_json(payload, max_bytes=MAX_RECORD_BYTES, what="record")
    return frozenset(found["flags"])


def source_ref_of(payload: bytes) -> str:
    """A record's id inside its source."""
    found: dict[str, Any] = from_json(payload, max_bytes=MAX_RECORD_BYTES, what="record")
    return str(found["source_ref"])


def _not_known(unreadable: frozenset[Unreadable]) -> frozenset[Unreadable]:
    """The members of a record that say nothing: those that could not be read, all of them if the row could not."""
    return _MEMBERS if Unreadable.ROW in unreadable else unreadable & _MEMBERS


def _iso(day: dt.date | None) -> str:
    return day.isoformat() if day else ""


def _date(iso: str) -> dt.date | None:
    return dt.date.fromisoformat(iso) if iso else None


def encode_flags(flags: frozenset[str]) -> bytes:
    """A source's flags of a child as the payload to encrypt."""
    return to_canonical({"v": 1, "flags": sorted(flags)})


def decode_flags(payload: bytes) -> frozenset[str]:
    """Read a child's flags back.

    Raises:
        WardgateError: `STORE_UNAVAILABLE` when they are not of this version.
    """
    found: dict[str, Any] = from_json(payload, max_bytes=MAX_RECORD_BYTES, what="flags")
    if found.get("v") != 1 or not isinstance(found.get("flags"), list):
        raise WardgateError(ErrorCode.STORE_UNAVAILABLE, "flags of another version")
    return frozenset(found["flags"])


def in_order(records: Sequence[HeldRecord]) -> tuple[HeldRecord, ...]:
    """The one order in which records stand in policy inputs and answers: the latest first, without a date last."""
    return tuple(sorted(records, key=lambda record: (-record.date.toordinal() if record.date else 0, record.ref)))
