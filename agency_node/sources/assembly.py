"""From a row to a record, as one section of a mapping says. Pure.

What policy reads of a record (type, dates, flags, whom it is about) is never optional: where it cannot be read, the
record says so and policy decides with the most protective value. A fault anywhere else drops that field and marks the
record. No row of a known child becomes nothing.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Final, TypeVar

from agency_node.sources.mapping_sections import RecordSection
from agency_node.sources.mapping_values import FlagSpec, ValueSpec
from agency_node.sources.record import (
    UNRECOGNISED_FLAG,
    Assertion,
    ContactLevel,
    FieldValue,
    Relation,
    SourceRecord,
    Unreadable,
)
from agency_node.sources.rows import Row
from agency_node.sources.source import RejectionKind, RejectionReason
from agency_node.sources.values import RowRejected, Values
from federation.canonical import MAX_INTEGER
from federation.limits import MAX_CODE_CHARS
from keys.nhs_number import NhsNumber

MAX_REF_CHARS: Final = 200
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]*")
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_Closed = TypeVar("_Closed", bound=StrEnum)
_T = TypeVar("_T")


class CategoryUnknown(Exception):  # noqa: N818 - it is a result of reading, not a fault of the program
    """A row whose category cannot be read, where the mapping does not say which it could be."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


@dataclass(frozen=True, slots=True)
class Fault:
    """What was wrong with one value, and what that does to the dataset."""

    rejected: RowRejected
    kind: RejectionKind


@dataclass(frozen=True, slots=True)
class Assembled:
    """Records of one row: one, or one for each category that it could be of; with everything that was at fault."""

    records: tuple[SourceRecord, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Belonging:
    """Whose record it is.

    Attributes:
        child: The child.
        is_certain: Whether that can be told.
        ref: The record's reference in this reading.
        flags: Flags that the child or a mark brings.
        is_unreadable: The row could not even be told to be a record of this section.
    """

    child: NhsNumber
    is_certain: bool
    ref: str
    flags: frozenset[str]
    is_unreadable: bool = False


@dataclass(slots=True)
class _Attempt:
    """One row being read: what could not be is remembered, and reading goes on."""

    unreadable: set[Unreadable] = field(default_factory=set)
    fields_unreadable: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)

    def take(self, what: Unreadable, read: Callable[[], _T], otherwise: _T) -> _T:
        """A value that policy reads."""
        try:
            return read()
        except RowRejected as fault:
            self.unreadable.add(what)
            self.faults.append(Fault(fault, RejectionKind.UNREADABLE))
            return otherwise

    def take_field(self, name: str, read: Callable[[], FieldValue | None]) -> FieldValue | None:
        """A value that policy does not read."""
        try:
            return read()
        except RowRejected as fault:
            self.drop_field(name, fault)
            return None

    def drop_field(self, name: str, fault: RowRejected) -> None:
        self.fields_unreadable.add(name)
        self.faults.append(Fault(fault, RejectionKind.FIELD))


@dataclass(frozen=True, slots=True)
class Assembler:
    """Makes records of one section's rows."""

    section: RecordSection
    values: Values
    specs: tuple[tuple[str, ValueSpec], ...]
    categories: tuple[str, ...]

    @classmethod
    def of(cls, section: RecordSection, values: Values) -> "Assembler":
        """For one section."""
        return cls(section, values, tuple(section.field_specs()), possible_categories(section) or ())

    def ref(self, row: Row) -> str:
        """The record's id inside its dataset.

        Raises:
            RowRejected: A part of it is missing, or it is too long.
        """
        parts = [self.values.text(row, column) for column in self.section.ref]
        if not all(parts):
            raise RowRejected(RejectionReason.REF_MISSING, self.section.ref[parts.index("")])
        if len(joined := "/".join(parts)) > MAX_REF_CHARS:
            raise RowRejected(RejectionReason.VALUE_TOO_LONG, self.section.ref[0])
        return joined

    def flags(self, row: Row) -> frozenset[str]:
        """The row's own handling flags.

        Raises:
            RowRejected: They cannot be read.
        """
        return self.values.flags(self.section.flags, row)

    def records(self, row: Row, whose: Belonging) -> Assembled:
        """The record of one row and child.

        Raises:
            CategoryUnknown: Its category cannot be read.
        """
        section, attempt = self.section, _Attempt()
        if whose.is_unreadable:
            attempt.unreadable.add(Unreadable.ROW)
        if not whose.is_certain:
            attempt.unreadable.add(Unreadable.CHILD)
            attempt.faults.append(Fault(RowRejected(RejectionReason.CHILD_AMBIGUOUS), RejectionKind.UNREADABLE))
        categories = self._categories(row, attempt)
        fields = self._fields(row, attempt)
        started_on, ended_on, date = self._dates(row, attempt)
        record = SourceRecord(
            child=whose.child,
            source_ref=whose.ref,
            category=categories[0],
            type=attempt.take(Unreadable.TYPE, lambda: self._code(section.type, row), ""),
            date=date,
            started_on=started_on,
            ended_on=ended_on,
            # Nothing that may be another child's is taken down; the names alone say what stood there.
            fields=fields if whose.is_certain else {},
            flags=whose.flags | read_flags(self.values, section.flags, row, attempt.faults),
            assertion=attempt.take(
                Unreadable.ASSERTION, lambda: self._member(Assertion, section.assertion, row), Assertion.FACT
            ),
            relation=attempt.take(
                Unreadable.RELATION, lambda: self._member(Relation, section.relation, row), Relation.SUBJECT
            ),
            contact_level=attempt.take(
                Unreadable.CONTACT_LEVEL,
                lambda: self._member(ContactLevel, section.contact_level, row),
                ContactLevel.UNKNOWN,
            ),
            handling_code=attempt.take(
                Unreadable.HANDLING_CODE, lambda: self._code(section.handling_code, row, empty=True), ""
            ),
            unreadable=frozenset(attempt.unreadable),
            fields_unreadable=frozenset(attempt.fields_unreadable),
        )
        others = [_of_category(record, category) for category in categories[1:]]
        return Assembled((record, *others), tuple(attempt.faults))

    def _dates(self, row: Row, attempt: _Attempt) -> tuple[dt.date | None, dt.date | None, dt.date | None]:
        """Start, end and the date that the record is about."""
        section, read = self.section, self.values.date
        date = attempt.take(Unreadable.DATE, lambda: read(section.date, row), None)
        if date is None and Unreadable.DATE not in attempt.unreadable:
            attempt.unreadable.add(Unreadable.DATE)
            fault = RowRejected(RejectionReason.DATE_MISSING, section.date.column or "")
            attempt.faults.append(Fault(fault, RejectionKind.UNREADABLE))
        start, end = section.started_on, section.ended_on
        started_on = attempt.take(Unreadable.STARTED_ON, lambda: read(start, row), None) if start else None
        if started_on is None and Unreadable.STARTED_ON not in attempt.unreadable:
            started_on = date
        if not start and date is None:
            attempt.unreadable.add(Unreadable.STARTED_ON)
        ended_on = attempt.take(Unreadable.ENDED_ON, lambda: read(end, row, latest=True), None) if end else None
        if ended_on is not None and started_on is not None and ended_on < started_on:
            # Either may be the wrong one.
            attempt.unreadable |= {Unreadable.STARTED_ON, Unreadable.ENDED_ON}
            fault = RowRejected(RejectionReason.DATES_REVERSED, end.column or "" if end else "")
            attempt.faults.append(Fault(fault, RejectionKind.UNREADABLE))
            started_on, ended_on = None, None
        return started_on, ended_on, date

    def _categories(self, row: Row, attempt: _Attempt) -> tuple[str, ...]:
        """The record's category; where it cannot be read, every one that the mapping names."""
        try:
            return (self._code(self.section.category, row),)
        except RowRejected as fault:
            if not self.categories:
                raise CategoryUnknown(fault.column) from None
            attempt.unreadable.add(Unreadable.ROW)
            attempt.faults.append(Fault(fault, RejectionKind.UNREADABLE))
            return self.categories

    def _fields(self, row: Row, attempt: _Attempt) -> dict[str, FieldValue]:
        found = self._whole_object(row, attempt)
        for name, spec in self.specs:
            value = attempt.take_field(name, partial(self.values.value, spec, row))
            if value is not None:
                found[name] = value
        if len(found.keys() | attempt.fields_unreadable) > self.values.limits.fields:
            attempt.fields_unreadable.clear()
            attempt.unreadable.add(Unreadable.ROW)
            fault = RowRejected(RejectionReason.TOO_MANY_FIELDS)
            attempt.faults.append(Fault(fault, RejectionKind.UNREADABLE))
            return {}
        return found

    def _whole_object(self, row: Row, attempt: _Attempt) -> dict[str, FieldValue]:
        found: dict[str, FieldValue] = {}
        column = self.section.fields_from
        for members in row.values(column) if column else ():
            if not isinstance(members, dict):
                attempt.drop_field(_field_name(column or ""), RowRejected(RejectionReason.VALUE_INVALID, column or ""))
                continue
            for name, value in members.items():
                self._member_value(found, name, value, attempt)
        return found

    def _member_value(self, found: dict[str, FieldValue], name: str, value: object, attempt: _Attempt) -> None:
        column = f"{self.section.fields_from}.{name}"
        if _FIELD.fullmatch(name) is None:
            fault = RowRejected(RejectionReason.VALUE_INVALID, self.section.fields_from or "")
            attempt.drop_field(_field_name(self.section.fields_from or ""), fault)
        elif isinstance(value, bool) or (isinstance(value, int) and abs(value) <= MAX_INTEGER):
            found[name] = value
        elif isinstance(value, int):
            attempt.drop_field(name, RowRejected(RejectionReason.VALUE_INVALID, column))
        elif (text := attempt.take_field(name, lambda: self.values.checked(value, column))) is not None:
            found[name] = text

    def _code(self, spec: ValueSpec, row: Row, *, empty: bool = False) -> str:
        found = self.values.value(spec, row)
        text = "" if found is None else str(found)
        if not text and not empty:
            raise RowRejected(RejectionReason.VALUE_MISSING, spec.column or "")
        if len(text) > MAX_CODE_CHARS or _CODE.fullmatch(text) is None:
            raise RowRejected(RejectionReason.VALUE_INVALID, spec.column or "")
        return text

    def _member(self, closed: type[_Closed], spec: ValueSpec, row: Row) -> _Closed:
        found = self.values.value(spec, row)
        try:
            return closed(str(found))
        except ValueError:
            raise RowRejected(RejectionReason.VALUE_INVALID, spec.column or "") from None


def possible_categories(section: RecordSection) -> tuple[str, ...] | None:
    """Every category that a section's rows can be of; None where a row may be of any."""
    spec = section.category
    if spec.column is not None and (spec.values is None or spec.unmapped == "keep"):
        return None
    return tuple(dict.fromkeys(str(value) for value in spec.possible()))


def read_flags(values: Values, specs: tuple[FlagSpec, ...], row: Row, faults: list[Fault]) -> frozenset[str]:
    """Handling flags of a row; flags that cannot be read ask for special care of an unknown kind."""
    try:
        return values.flags(specs, row)
    except RowRejected as fault:
        faults.append(Fault(fault, RejectionKind.UNREADABLE))
        return frozenset({UNRECOGNISED_FLAG})


def _of_category(record: SourceRecord, category: str) -> SourceRecord:
    return replace(record, category=category, source_ref=f"{record.source_ref}~{category}")


def _field_name(path: str) -> str:
    """A path's last step as a field's name."""
    last = path.rpartition(".")[2]
    return last if _FIELD.fullmatch(last) else "fields"


def reported(faults: tuple[Fault, ...]) -> Iterator[Fault]:
    """Faults worth telling: each place once, where policy reads it as that."""
    seen: set[tuple[RejectionReason, str]] = set()
    for fault in sorted(faults, key=lambda fault: fault.kind is not RejectionKind.UNREADABLE):
        place = (fault.rejected.reason, fault.rejected.column)
        if place not in seen:
            seen.add(place)
            yield fault
