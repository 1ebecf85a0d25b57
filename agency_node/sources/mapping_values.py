"""The small parts of a mapping: where one value comes from, and what it may be. Pure.

A bare string is short for a column where a value of the row is meant (`ref`, `date`, `child`, `fields`), and for the
value itself where the mapping's author decides (`category`, `type`, `assertion`, ...).
"""

import datetime as dt
import re
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from agency_node.sources.paths import parse_path
from federation.document import Code

FLAG_FORM: Final = re.compile(r"[A-Z][A-Z0-9_]{1,63}")


class Model(BaseModel):
    """Frozen; an unknown key is an error, because a misspelt `flags` would release what it was to protect."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _checked_path(text: str) -> str:
    parse_path(text)
    return text


def _checked_layout(layout: str) -> str:
    sample = dt.datetime(2001, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
    if dt.datetime.strptime(sample.strftime(layout), layout).date() != sample.date():  # noqa: DTZ007 - only the date counts
        raise ValueError("a date format must name day, month and year")
    return layout


def _checked_flag(text: str) -> str:
    if text and FLAG_FORM.fullmatch(text) is None:
        raise ValueError("a flag is upper-case letters, digits and underscores")
    return text


Text = Annotated[StrictStr, Field(min_length=1, max_length=400)]
Column = Annotated[Text, AfterValidator(_checked_path)]
"""A column of a table or CSV file, or a path in a JSON object or FHIR resource."""
Layout = Annotated[Text, AfterValidator(_checked_layout)]
"""A `strptime` format that tells a whole date."""
Name = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
FieldName = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Flag = Annotated[StrictStr, AfterValidator(_checked_flag)]
Scalar = StrictBool | StrictInt | StrictStr


class ValueType(StrEnum):
    """What a field's value is read as.

    A `number` and a `percent` (0 to 100, with or without the sign) are integers where they are whole, and otherwise
    the digits as text, because records hold no fractions.
    """

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    PERCENT = "percent"
    BOOLEAN = "boolean"
    DATE = "date"


class ValueSpec(Model):
    """One value: from a column, a constant of the mapping, or a setting of the source.

    Attributes:
        column: Where the row has it.
        constant: The value itself.
        setting: Name of a value that the node's settings give (an agency's duty telephone, say).
        type: How to read a column.
        formats: `strptime` formats of a date; none means ISO 8601.
        partial: Take a date of only year, or year and month, as its first day.
        fallback: Of a date: the columns that are asked in turn where this one has none.
        values: Code of the source to value of ours.
        otherwise: What a code outside `values` becomes.
        unmapped: What a code outside `values` does without `otherwise`: it cannot be read, or is kept.
        required: An empty column cannot be read.
        default: What an empty column becomes.
    """

    column: Column | None = None
    constant: Scalar | None = None
    setting: Name | None = None
    type: ValueType = ValueType.TEXT
    formats: tuple[Layout, ...] = ()
    partial: StrictBool = False
    fallback: tuple[Column, ...] = ()
    values: dict[StrictStr, Scalar] | None = None
    otherwise: Scalar | None = None
    unmapped: Literal["reject", "keep"] = "reject"
    required: StrictBool = False
    default: Scalar | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if [self.column, self.constant, self.setting].count(None) != 2:  # noqa: PLR2004 - three, less the one given
            raise ValueError("give exactly one of column, constant, setting")
        if self.column is None and self.model_fields_set - {"constant", "setting"}:
            raise ValueError("only a column has a type, formats, values or a default")
        if self.values is None and (self.otherwise is not None or self.unmapped == "keep"):
            raise ValueError("otherwise and unmapped belong to values")
        if self.type is not ValueType.DATE and (self.formats or self.partial or self.fallback):
            raise ValueError("formats, partial and fallback belong to a date")
        return self

    def columns(self) -> tuple[str, ...]:
        """The columns or paths it is read from, the first of them first."""
        return (self.column, *self.fallback) if self.column is not None else ()

    def is_closed(self) -> bool:
        """Whether the column holds codes or amounts, and no free text in which a dash may be what somebody wrote."""
        return self.values is not None or self.type is not ValueType.TEXT

    def possible(self) -> tuple[Scalar, ...]:
        """Every value that the mapping itself names."""
        named = (self.constant, self.otherwise, self.default, *(self.values or {}).values())
        return tuple(value for value in named if value is not None)


def _from_column(value: Any) -> Any:  # noqa: ANN401 - raw TOML
    return {"column": value} if isinstance(value, str) else value


def _from_constant(value: Any) -> Any:  # noqa: ANN401 - raw TOML
    return {"constant": value} if isinstance(value, str) else value


def _dated(value: Any) -> Any:  # noqa: ANN401 - raw TOML
    return {"type": "date", "required": True, **found} if isinstance(found := _from_column(value), dict) else value


def _dated_roughly(value: Any) -> Any:  # noqa: ANN401 - raw TOML
    return {"type": "date", "partial": True, **found} if isinstance(found := _from_column(value), dict) else value


def _perhaps_dated(value: Any) -> Any:  # noqa: ANN401 - raw TOML
    return {"type": "date", **found} if isinstance(found := _from_column(value), dict) else value


def _is_date(spec: ValueSpec) -> ValueSpec:
    if spec.column is None or spec.type is not ValueType.DATE:
        raise ValueError("this date is a column of type date")
    return spec


ColumnValue = Annotated[ValueSpec, BeforeValidator(_from_column)]
OwnValue = Annotated[ValueSpec, BeforeValidator(_from_constant)]
DateValue = Annotated[ValueSpec, BeforeValidator(_dated), AfterValidator(_is_date)]
LifeDate = Annotated[ValueSpec, BeforeValidator(_dated_roughly), AfterValidator(_is_date)]
"""A date of birth or death: it may be missing, or only a year or a month."""

OptionalDateValue = Annotated[ValueSpec, BeforeValidator(_perhaps_dated), AfterValidator(_is_date)]
"""A date that a record may be without."""


class FlagSpec(Model):
    """Handling flags of a row: one of the mapping's own, or codes in a column.

    Attributes:
        constant: The flag itself.
        column: Where the row has codes, none, one or several.
        split: What stands between several codes in one text.
        values: Code of the source to flag; an empty flag says that the code asks for no special care.
        otherwise: The flag of a code outside `values`; where any text in the column means the same.
        unmapped: What a code outside `values` does: `flag` (the default) marks the record `UNRECOGNISED`, so that a
            mark nobody taught the mapping protects rather than vanishes; `ignore` is for columns that hold much else.
    """

    constant: Code | None = None
    column: Column | None = None
    split: Text | None = None
    values: dict[StrictStr, Flag] | None = None
    otherwise: Flag | None = None
    unmapped: Literal["flag", "ignore"] = "flag"

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.column is None) == (self.constant is None):
            raise ValueError("give exactly one of column, constant")
        if self.constant is not None:
            _checked_flag(self.constant)
            if self.model_fields_set != {"constant"}:
                raise ValueError("only a column has split, values, otherwise or unmapped")
        if self.otherwise is not None and (self.values is None or self.unmapped == "ignore"):
            raise ValueError("otherwise belongs to values, and leaves no code unmapped")
        return self


Flags = tuple[Annotated[FlagSpec, BeforeValidator(_from_constant)], ...]


class ChildSpec(Model):
    """Whose row it is: by a key of the `children` section, by NHS number, or the first of the two that is there."""

    key: Column | None = None
    nhs_number: Column | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.key is None and self.nhs_number is None:
            raise ValueError("give key, nhs_number, or both")
        return self


RefColumns = Annotated[
    tuple[Column, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(min_length=1, max_length=6),
]
"""The columns that together identify a record inside its dataset."""

Conditions = dict[Column, tuple[StrictStr, ...]]
"""Column to the texts it may be; a row meets it when, of each column, some value is among its texts."""

Parameter = dt.date | Scalar


class RecordRef(Model):
    """The record that a mark belongs to: its dataset's name and its id there."""

    dataset: OwnValue
    id: Column
