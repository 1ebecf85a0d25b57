"""The records of one child as the node keeps them: encoding, and what policy may see of each. Pure.

A record is stored as encrypted canonical JSON. To policy it is a *descriptor*: category, type, date, flags, handling
code and the names of its fields, never a value.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from agency_node.sources.record import FieldValue, SourceRecord
from federation.canonical import JsonObject, from_json, to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.policy_input import date_parts

MAX_RECORD_BYTES: Final = 8 * 1024 * 1024
"""64 fields of 16,000 characters of up to four bytes, and the names: what `sources` lets through."""

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
    }
)


@dataclass(frozen=True, slots=True, repr=False)
class HeldRecord:
    """One record of one child, decrypted.

    Attributes:
        ref: 32 hex digits: how policy, referrals and decisions name it.
        source_id: The source that holds it.
        source_ref: Its id inside that source; never shown to another agency.
        date: The calendar date in England that it is about.
        flags: Handling flags in force, those of the child as any source knows them included; sorted.
    """

    ref: str
    source_id: str
    source_ref: str
    category: str
    type: str
    date: dt.date
    fields: Mapping[str, FieldValue]
    flags: tuple[str, ...]
    assertion: str
    relation: str
    contact_level: str
    handling_code: str

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
        if found.get("v") != 1 or found.keys() != _KEYS:
            raise WardgateError(ErrorCode.STORE_UNAVAILABLE, f"record {ref} is of another version")
        return cls(
            ref=ref,
            source_id=source_id,
            source_ref=found["source_ref"],
            category=found["category"],
            type=found["type"],
            date=dt.date.fromisoformat(found["date"]),
            fields=found["fields"],
            flags=tuple(sorted(child_flags.union(found["flags"]))),
            assertion=found["assertion"],
            relation=found["relation"],
            contact_level=found["contact_level"],
            handling_code=found["handling_code"],
        )

    def descriptor(self) -> JsonObject:
        """The record as `wardgate/node/decision` sees it."""
        return {
            "ref": self.ref,
            "category": self.category,
            "type": self.type,
            "date": date_parts(self.date.isoformat()),
            "flags": list(self.flags),
            "fields": sorted(self.fields),
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
            "date": self.date.isoformat(),
            "flags": list(self.flags),
            "fields": dict(self.fields),
            "assertion": self.assertion,
            "relation": self.relation,
            "contact_level": self.contact_level,
            "handling_code": self.handling_code,
        }


def encode_record(record: SourceRecord) -> bytes:
    """A source's record as the payload to encrypt. The child is not in it: the row says whose it is.

    Raises:
        ValueError: A value that canonical JSON cannot carry (an integer beyond 2**53).
    """
    return to_canonical(
        {
            "v": 1,
            "source_ref": record.source_ref,
            "category": record.category,
            "type": record.type,
            "date": record.date.isoformat(),
            "fields": dict(record.fields),
            "flags": sorted(record.flags),
            "assertion": record.assertion.value,
            "relation": record.relation.value,
            "contact_level": record.contact_level.value,
            "handling_code": record.handling_code,
        }
    )


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
    """The one order in which records stand in policy inputs and answers."""
    return tuple(sorted(records, key=lambda record: (-record.date.toordinal(), record.ref)))
