"""Tables of an export: which records stand in them, in which columns, in whose codes. Pure.

A table is the inverse of one record section of a mapping; a test reads every generated record back through it.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from agency_node.sources.record import FieldValue, SourceRecord
from sandbox.generator.drafts import Draft, Held

Kind = Literal["text", "date", "boolean", "integer"]

REF: Final = "@ref"
KEY: Final = "@key"
DATE: Final = "@date"
TYPE: Final = "@type"
CATEGORY: Final = "@category"
ASSERTION: Final = "@assertion"
RELATION: Final = "@relation"
CONTACT: Final = "@contact_level"
HANDLING: Final = "@handling_code"
FLAGS: Final = "@flags"
_ATTRIBUTES: Final = {ASSERTION: "fact", RELATION: "subject", CONTACT: "unknown", HANDLING: ""}
"""Attributes of a record that a table may have no column for, with what its mapping then says."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the system.

    Attributes:
        name: Its name there.
        source: A field's name, or one of the record's own attributes.
        kind: How it is written.
        codes: Our value to the system's code.
    """

    name: str
    source: str
    kind: Kind = "text"
    codes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """A table, file or resource type with the records that stand in it.

    Attributes:
        dataset: The mapping's name of it.
        holds: The categories and types of its records.
        columns: Its columns.
        date_field: The field that is the record's date, where one is.
        constants: Fields that the mapping gives every record.
        settings: Fields that the mapping takes from a setting of the source, by the setting's name.
        file: Name of the file, where it is one.
        fixed: Attributes that the mapping gives every record, where they are not the usual ones.
        always: Flags that the mapping gives every record.
        needs: Fields without which the system cannot write a record.
    """

    dataset: str
    holds: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    date_field: str = ""
    constants: Mapping[str, FieldValue] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    fixed: Mapping[str, str] = field(default_factory=dict)
    always: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()

    def fields(self) -> set[str]:
        """Names of the fields that a record of the table may have."""
        named = {column.source for column in self.columns if not column.source.startswith("@")}
        return named | set(self.constants) | set(self.settings) | ({self.date_field} - {""})

    def record(self, held: Held, draft: Draft, ref: str, values: Mapping[str, str]) -> SourceRecord:
        """The record as it must be read back.

        Args:
            held: The child.
            draft: The record's content.
            ref: Its id inside the dataset.
            values: The source's settings.
        """
        settings = {name: values[setting] for name, setting in self.settings.items()}
        dated = {self.date_field: draft.date.isoformat()} if self.date_field else {}
        return SourceRecord(
            child=held.person.nhs_number,
            source_ref=f"{self.dataset}:{ref}",
            category=draft.category,
            type=draft.type,
            date=draft.date,
            started_on=draft.date,
            ended_on=draft.last_day,
            fields={**draft.fields, **self.constants, **settings, **dated},
            flags=draft.flags | self.always,
            assertion=draft.assertion,
            relation=draft.relation,
            contact_level=draft.contact_level,
            handling_code=draft.handling_code,
        )

    def check(self, draft: Draft) -> None:
        """See that the table has a place for everything that a draft says, and the draft what the table needs.

        Raises:
            ValueError: Something has no place, or is missing.
        """
        if missing := self.needs - draft.fields.keys():
            raise ValueError(f"{draft.category}/{draft.type} needs the field {min(missing)} here")
        if unknown := draft.fields.keys() - self.fields():
            raise ValueError(f"{draft.category}/{draft.type} has no field {min(unknown)} here")
        sources = {column.source for column in self.columns}
        for attribute, usual in {**_ATTRIBUTES, **self.fixed}.items():
            if attribute not in sources and getattr(draft, attribute[1:]) != usual:
                raise ValueError(f"{draft.category}/{draft.type} carries no {attribute[1:]} here")
        if draft.started_on or draft.ended_on:
            raise ValueError(f"{draft.category}/{draft.type} carries start and end in its fields here")
        if draft.flags and FLAGS not in sources:
            raise ValueError(f"{draft.category}/{draft.type} carries no flags of its own here")

    def cells(self, draft: Draft, *, ref: str, key: str, date_format: str, split: str = ";") -> dict[str, str]:
        """The row, column by column, as the system writes it."""
        own = {
            REF: ref,
            KEY: key,
            DATE: draft.date.isoformat(),
            TYPE: draft.type,
            CATEGORY: draft.category,
            ASSERTION: draft.assertion.value,
            RELATION: draft.relation.value,
            CONTACT: draft.contact_level.value,
            HANDLING: draft.handling_code,
            FLAGS: split.join(sorted(draft.flags)),
        }
        found: dict[str, str] = {}
        for column in self.columns:
            value = own[column.source] if column.source in own else self._field(draft, column.source)
            found[column.name] = _cell(column, value, date_format)
        return found

    def _field(self, draft: Draft, name: str) -> FieldValue:
        return draft.date.isoformat() if name == self.date_field else draft.fields.get(name, "")


def _cell(column: Column, value: FieldValue, date_format: str) -> str:
    if value == "":
        return ""
    if isinstance(value, bool):
        text = "Y" if value else "N"
        return column.codes.get(text, text)
    if column.kind == "date":
        return dt.date.fromisoformat(str(value)).strftime(date_format)
    return column.codes.get(str(value), str(value))


def table_of(tables: tuple[Table, ...], draft: Draft) -> Table:
    """The table that holds a record of this category and type.

    Raises:
        ValueError: None does.
    """
    for table in tables:
        if (draft.category, draft.type) in table.holds:
            return table
    raise ValueError(f"this system has no place for {draft.category}/{draft.type}")
