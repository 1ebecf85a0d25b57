"""The sections of a mapping: datasets, and what their rows are: children, handling marks, records. Pure."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator

from agency_node.sources.mapping_values import (
    ChildSpec,
    Column,
    ColumnValue,
    Conditions,
    DateValue,
    FieldName,
    Flags,
    Layout,
    LifeDate,
    Model,
    Name,
    OptionalDateValue,
    OwnValue,
    Parameter,
    RecordRef,
    RefColumns,
    ValueSpec,
    ValueType,
)
from agency_node.sources.record import Assertion, ContactLevel, Relation

_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{0,64}")
_READS: Final = re.compile(r"\s*(select|with)\b", re.IGNORECASE)
_WRITES: Final = re.compile(
    r"\b(insert|update|delete|merge|drop|alter|create|truncate|grant|revoke|exec|execute|call|attach|pragma|copy)\b",
    re.IGNORECASE,
)
_NOT_CODE: Final = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
"""Comments and quoted texts of SQL."""
_WILDCARD: Final = re.compile(r"[*?\[]")
_PARAMETER: Final = re.compile(r"(?<![:\w\\]):([A-Za-z_]\w*)")


class Dataset(Model):
    """What every dataset has.

    Attributes:
        optional: An agency may not have this export or table: where it is not there its categories are reported as not
            connected. Otherwise what is not there is a fault.
        may_be_empty: An agency may honestly have no row of this. Otherwise a dataset without rows is a fault: an export
            that failed must not read as "nothing held".
        minimum_rows: Fewer rows than this are a fault.
        unclaimed: Whether a row that no section takes is reported (`report`) or meant to be passed over (`ignore`).
    """

    optional: StrictBool = False
    may_be_empty: StrictBool = False
    minimum_rows: Annotated[StrictInt, Field(ge=0)] = 0
    unclaimed: Literal["report", "ignore"] = "report"

    @model_validator(mode="after")
    def _empty_or_not(self) -> Self:
        if self.may_be_empty and self.minimum_rows:
            raise ValueError("may_be_empty and minimum_rows exclude each other")
        return self


class SqlDataset(Dataset):
    """The rows of one query.

    Attributes:
        query: One SELECT statement; `:name` stands for a parameter.
        parameters: Values of the parameters; a text `today-6y` is a date that moves.
    """

    query: Annotated[StrictStr, Field(min_length=1, max_length=20_000)]
    parameters: dict[Name, Parameter] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _reads_only(self) -> Self:
        text = _NOT_CODE.sub(" ", self.query)
        if _READS.match(text) is None or ";" in text or _WRITES.search(text):
            raise ValueError("query must be one SELECT statement that only reads")
        named = set(_PARAMETER.findall(text))
        if unmatched := named ^ self.parameters.keys():
            raise ValueError(f"parameter {min(unmatched)} stands in only one of query and parameters")
        return self


class FileDataset(Dataset):
    """The rows of a file, or of all files that a pattern matches.

    Attributes:
        file: Name inside the source's folder; `*` and `?` stand for what differs from file to file.
        pick: Of a file with `*` or `?`, which must say so: `newest` reads the file with the latest date in its name,
            `all` reads every file, as parts of one export, in the order of their names.
        newest_by: Of `newest`: how the one `*` of `file` writes the date (a `strptime` format).
        format: `csv`, `json` (an array of objects) or `jsonl` (an object a line); by default what the name ends in.
        encoding: `utf-8` (with or without byte order mark), `cp1252`, `utf-16`, `latin-1`.
        delimiter: Between the values of a CSV row.
        rows: Path of the array in a JSON document; none when the document is the array.
    """

    file: Annotated[StrictStr, Field(pattern=r"^[^/\\\x00]{1,200}$")]
    pick: Literal["newest", "all"] | None = None
    newest_by: Layout | None = None
    format: Literal["csv", "json", "jsonl"] | None = None
    encoding: Literal["utf-8", "cp1252", "utf-16", "latin-1"] = "utf-8"
    delimiter: Literal[",", ";", "\t", "|"] = ","
    rows: Column | None = None

    @property
    def form(self) -> str:
        """The format, given or told by the name."""
        if self.format is not None:
            return self.format
        suffix = self.file.rpartition(".")[2].lower()
        return {"json": "json", "jsonl": "jsonl", "ndjson": "jsonl"}.get(suffix, "csv")

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        if self.form != "json" and self.rows is not None:
            raise ValueError("rows belongs to a JSON document")
        if self.form != "csv" and (self.delimiter != "," or self.encoding != "utf-8"):
            raise ValueError("JSON has no delimiter and is UTF-8 (RFC 8259 section 8.1)")
        return self

    @model_validator(mode="after")
    def _one_file_or_a_rule(self) -> Self:
        several = _WILDCARD.findall(self.file)
        if bool(several) != (self.pick is not None):
            raise ValueError('a file with * or ? has pick = "newest" or pick = "all", and no other file has')
        if (self.pick == "newest") != (self.newest_by is not None):
            raise ValueError('newest_by goes with pick = "newest", and is needed there')
        if self.pick == "newest" and several != ["*"]:
            raise ValueError('with pick = "newest" the file has one *, in the place of the date, and no ?')
        return self


class FhirDataset(Dataset):
    """The resources of one type in a FHIR R4 Bundle or bulk export."""

    resource: Annotated[StrictStr, Field(pattern=r"^[A-Z][A-Za-z]{1,63}$")]


class Section(Model):
    """What every section has: its dataset and which of the dataset's rows it takes."""

    dataset: Name
    where: Conditions = Field(default_factory=dict)
    unless: Conditions = Field(default_factory=dict)
    flags: Flags = ()

    def columns(self) -> Iterator[str]:
        """Every column or path that the section reads."""
        yield from self.where
        yield from self.unless


class ChildrenSection(Section):
    """Rows that each put a child on the caseload, and say under which key other datasets name the child.

    Attributes:
        nhs_number: The child's number; two that differ are two children under one key.
        any_number: Every number of the row, also those that must not join. Where only such are there, the row has an
            untraced or superseded number, and no record of its key is joined by a number of its own.
        key: By what other datasets name the child.
        born: Date of birth; without it the row is a child's.
        died: Date of death: the dead grow no older.
        until_age: At this age, in years, somebody is no child any more and not on the caseload.
        same_person: Columns that tell one child entered twice from two children who were given one number: rows under
            one number whose values here are all there and equal are the same child. Twins share a date of birth.
        flags: Handling flags of the child as such.
    """

    nhs_number: Column
    any_number: Column | None = None
    key: Column | None = None
    same_person: tuple[Column, ...] = ()
    born: LifeDate | None = None
    died: LifeDate | None = None
    until_age: Annotated[StrictInt, Field(ge=1, le=40)] = 18

    def columns(self) -> Iterator[str]:
        """Every column or path that the section reads."""
        yield from super().columns()
        for date in filter(None, (self.born, self.died)):
            yield from date.columns()
        yield from self.same_person
        yield from filter(None, [self.nhs_number, self.any_number, self.key, *(flag.column for flag in self.flags)])

    @model_validator(mode="after")
    def _ages_need_a_birth(self) -> Self:
        if self.born is None and self.model_fields_set & {"died", "until_age"}:
            raise ValueError("died and until_age belong to born")
        return self


class MarkSection(Section):
    """Rows that each put a handling flag on a child, or on one record.

    A mark that cannot be read, or whose child cannot be told, stops the reading: it may protect somebody.
    """

    child: ChildSpec
    flags: Annotated[Flags, Field(min_length=1)]
    record: RecordRef | None = None

    def columns(self) -> Iterator[str]:
        """Every column or path that the section reads."""
        yield from super().columns()
        yield from filter(None, [self.child.key, self.child.nhs_number, *(flag.column for flag in self.flags)])
        if self.record is not None:
            yield from filter(None, [self.record.id, self.record.dataset.column])


class RecordSection(Section):
    """Rows that each are a record of a child.

    `date` is the day that the record is about, and its first day unless `started_on` says another. `ended_on` is its
    last day, past or planned: of a date of only year, or year and month, the last that it can mean.
    `texts`, `dates`, `booleans` and `integers` list columns that become fields of their own name; `fields` names
    others; `fields_from` takes every member of an object of a JSON row.
    """

    child: ChildSpec
    ref: RefColumns
    category: OwnValue
    type: OwnValue
    date: DateValue
    started_on: OptionalDateValue | None = None
    ended_on: OptionalDateValue | None = None
    texts: tuple[FieldName, ...] = ()
    dates: tuple[FieldName, ...] = ()
    booleans: tuple[FieldName, ...] = ()
    integers: tuple[FieldName, ...] = ()
    fields: dict[FieldName, ColumnValue] = Field(default_factory=dict)
    fields_from: Column | None = None
    assertion: OwnValue = ValueSpec(constant="fact")
    relation: OwnValue = ValueSpec(constant="subject")
    contact_level: OwnValue = ValueSpec(constant="unknown")
    handling_code: OwnValue = ValueSpec(constant="")

    def field_specs(self) -> Iterator[tuple[str, ValueSpec]]:
        """Every named field with where it comes from."""
        listed = (
            (self.texts, ValueType.TEXT),
            (self.dates, ValueType.DATE),
            (self.booleans, ValueType.BOOLEAN),
            (self.integers, ValueType.INTEGER),
        )
        for names, kind in listed:
            for name in names:
                yield name, ValueSpec(column=name, type=kind)
        yield from self.fields.items()

    def own_values(self) -> tuple[ValueSpec, ...]:
        """The values that are not fields."""
        return (
            self.category,
            self.type,
            self.date,
            *filter(None, (self.started_on, self.ended_on)),
            self.assertion,
            self.relation,
            self.contact_level,
            self.handling_code,
        )

    def value_specs(self) -> Iterator[ValueSpec]:
        """Every value of the section."""
        return chain(self.own_values(), (spec for _, spec in self.field_specs()))

    def columns(self) -> Iterator[str]:
        """Every column or path that the section reads."""
        yield from super().columns()
        yield from self.ref
        yield from filter(None, [self.child.key, self.child.nhs_number, self.fields_from])
        yield from chain.from_iterable(spec.columns() for spec in self.value_specs())
        yield from filter(None, (flag.column for flag in self.flags))

    @model_validator(mode="after")
    def _fields_differ(self) -> Self:
        names = [name for name, _ in self.field_specs()]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"field {min(repeated)} is given twice")
        if self.child.nhs_number in self.ref:
            raise ValueError("ref must not hold the NHS number: refs stand in ledgers")
        return self

    @model_validator(mode="after")
    def _own_values_are_known(self) -> Self:
        closed: tuple[tuple[str, ValueSpec, type[Assertion | Relation | ContactLevel]], ...] = (
            ("assertion", self.assertion, Assertion),
            ("relation", self.relation, Relation),
            ("contact_level", self.contact_level, ContactLevel),
        )
        for key, spec, members in closed:
            if unknown := {str(value) for value in spec.possible()} - set(members):
                raise ValueError(f"{key} has no value {min(unknown)}")
        for key, spec in (("category", self.category), ("type", self.type), ("handling_code", self.handling_code)):
            if any(_CODE.fullmatch(str(value)) is None for value in spec.possible()):
                raise ValueError(f"{key} is up to 64 letters, digits, and any of . _ -")
        return self
