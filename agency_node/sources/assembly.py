"""From a row to a record, as one section of a mapping says. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from agency_node.sources.mapping_sections import RecordSection
from agency_node.sources.mapping_values import ValueSpec
from agency_node.sources.record import Assertion, ContactLevel, FieldValue, Relation, SourceRecord
from agency_node.sources.rows import Row
from agency_node.sources.source import RejectionReason
from agency_node.sources.values import RowRejected, Values
from federation.limits import MAX_CODE_CHARS
from keys.nhs_number import NhsNumber

MAX_REF_CHARS: Final = 200
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]*")
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_Closed = TypeVar("_Closed", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Assembler:
    """Makes records of one section's rows."""

    section: RecordSection
    values: Values
    specs: tuple[tuple[str, ValueSpec], ...]

    @classmethod
    def of(cls, section: RecordSection, values: Values) -> "Assembler":
        """For one section."""
        return cls(section, values, tuple(section.field_specs()))

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

    def record(self, row: Row, child: NhsNumber, ref: str, flags: frozenset[str]) -> SourceRecord:
        """The record of one row and child.

        Args:
            row: The row.
            child: Whose it is.
            ref: The record's reference in this reading.
            flags: Flags that the child or a mark brings.

        Raises:
            RowRejected: The row cannot become a record.
        """
        section = self.section
        date = self.values.date(section.date, row)
        if date is None:
            raise RowRejected(RejectionReason.DATE_MISSING, section.date.column or "")
        return SourceRecord(
            child=child,
            source_ref=ref,
            category=self._code(section.category, row),
            type=self._code(section.type, row),
            date=date,
            fields=self._fields(row),
            flags=flags | self.values.flags(section.flags, row),
            assertion=self._member(Assertion, section.assertion, row),
            relation=self._member(Relation, section.relation, row),
            contact_level=self._member(ContactLevel, section.contact_level, row),
            handling_code=self._code(section.handling_code, row, empty=True),
        )

    def _fields(self, row: Row) -> dict[str, FieldValue]:
        found = self._whole_object(row)
        for name, spec in self.specs:
            if (value := self.values.value(spec, row)) is not None:
                found[name] = value
        if len(found) > self.values.limits.fields:
            raise RowRejected(RejectionReason.TOO_MANY_FIELDS)
        return found

    def _whole_object(self, row: Row) -> dict[str, FieldValue]:
        found: dict[str, FieldValue] = {}
        column = self.section.fields_from
        for members in row.values(column) if column else ():
            if not isinstance(members, dict):
                raise RowRejected(RejectionReason.VALUE_INVALID, column or "")
            for name, value in members.items():
                if _FIELD.fullmatch(name) is None:
                    raise RowRejected(RejectionReason.VALUE_INVALID, column or "")
                found[name] = self._member_value(value, f"{column}.{name}")
        return found

    def _member_value(self, value: object, column: str) -> FieldValue:
        if isinstance(value, bool | int):
            return value
        return self.values.checked(value, column)

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
