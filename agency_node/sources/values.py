"""From what a row holds to the values of a record. Pure; a value at fault is named by column, never repeated."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final
from uuid import UUID

from agency_node.sources.dates import read_date
from agency_node.sources.mapping_values import FLAG_FORM, Conditions, FlagSpec, ValueSpec, ValueType
from agency_node.sources.record import UNRECOGNISED_FLAG, FieldValue
from agency_node.sources.rows import Row
from agency_node.sources.source import DEFAULT_LIMITS, RejectionReason, SourceLimits
from agency_node.sources.spellings import exported_nhs_number, is_nothing, is_null, read_number, read_percent
from keys.errors import NhsNumberRejected
from keys.nhs_number import NhsNumber, may_be_issued

JOINED_BY: Final = "; "
"""Between several values at one path of a JSON object."""

_INTEGER: Final = re.compile(r"([+-]?[0-9]{1,15})(?:\.0+)?")
_BOOLEANS: Final[dict[str, bool]] = {
    **dict.fromkeys(("y", "yes", "true", "t", "1"), True),
    **dict.fromkeys(("n", "no", "false", "f", "0"), False),
}


class RowRejected(Exception):  # noqa: N818 - it is a result of reading, not a fault of the program
    """This row cannot become a record."""

    def __init__(self, reason: RejectionReason, column: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.column = column


@dataclass(frozen=True, slots=True)
class Values:
    """Reads values with one source's settings and limits.

    Attributes:
        settings: Values of the agency that the mapping asks for by name.
        limits: Limits of one reading.
        test_numbers: Whether NHS numbers of the range for tests are children.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    limits: SourceLimits = DEFAULT_LIMITS
    test_numbers: bool = False

    def texts(self, row: Row, column: str) -> Iterator[str]:
        """The texts at a column that say something: not empty, and not a database tool's word for no value."""
        return (text for text in self._written(row, column) if not is_null(text))

    def text(self, row: Row, column: str) -> str:
        """The texts at a column, joined; empty when there is none."""
        return self._joined(self.texts(row, column), column)

    def _written(self, row: Row, column: str) -> Iterator[str]:
        for value in row.values(column):
            if text := self.checked(value, column):
                yield text

    def _joined(self, texts: Iterable[str], column: str) -> str:
        joined = JOINED_BY.join(texts)
        if len(joined) > self.limits.value_chars:
            raise RowRejected(RejectionReason.VALUE_TOO_LONG, column)
        return joined

    def nhs_number(self, text: str, column: str) -> NhsNumber:
        """An NHS number as the system writes it.

        Raises:
            RowRejected: It is missing, not valid, or never issued to anybody.
        """
        if not text:
            raise RowRejected(RejectionReason.NHS_NUMBER_MISSING, column)
        try:
            number = NhsNumber.parse(exported_nhs_number(text))
        except NhsNumberRejected:
            raise RowRejected(RejectionReason.NHS_NUMBER_INVALID, column) from None
        if not may_be_issued(number, test_numbers=self.test_numbers):
            raise RowRejected(RejectionReason.NHS_NUMBER_NEVER_ISSUED, column)
        return number

    def checked(self, value: object, column: str) -> str:
        """One value as text.

        Raises:
            RowRejected: It is no scalar, too long, or no text that UTF-8 can carry.
        """
        text = _as_text(value, column)
        if len(text) > self.limits.value_chars:
            raise RowRejected(RejectionReason.VALUE_TOO_LONG, column)
        if "\x00" in text:
            raise RowRejected(RejectionReason.VALUE_INVALID, column)
        if not text.isascii():
            _check_encodable(text, column)
        return text

    def value(self, spec: ValueSpec, row: Row) -> FieldValue | None:
        """One value of a record; None when the row has none.

        Raises:
            RowRejected: The row's value is missing, malformed or not in the mapping's list.
        """
        if spec.constant is not None:
            return spec.constant
        if spec.setting is not None:
            return self.settings[spec.setting]
        if spec.column is None:
            raise AssertionError("the mapping's check lets no such value pass")
        if spec.type is ValueType.DATE:
            found = self.date(spec, row)
            return found.isoformat() if found else spec.default
        written = tuple(self._written(row, spec.column))
        text = self._joined(written, spec.column)
        if spec.values is None or text not in spec.values:
            # A word for nothing that the mapping lists as a code keeps the meaning it has there.
            text = self._joined((each for each in written if not is_null(each)), spec.column)
            if not text or (spec.is_closed() and is_nothing(text)):
                return _absent(spec)
        return _typed(_mapped(spec, text), spec)

    def date(self, spec: ValueSpec, row: Row, *, latest: bool = False) -> dt.date | None:
        """The first date at a column, or else at one of the columns that stand in for it.

        `latest` takes the last day that a partial date can mean, not the first.

        Raises:
            RowRejected: It is required and missing, or what stands there is not a date.
        """
        for column in spec.columns():
            if (found := _date_at(row, column, spec, latest=latest)) is not None:
                return found
        if spec.required:
            raise RowRejected(RejectionReason.DATE_MISSING, spec.column or "")
        return None

    def flags(self, specs: Iterable[FlagSpec], row: Row) -> frozenset[str]:
        """The handling flags of a row.

        Only a database tool's word for no value (`NULL`) is no flag. `-`, `N/A` or `none` may be a code of the system,
        and a mark that cannot be read protects: it becomes `UNRECOGNISED` unless the mapping lists it.
        """
        found: set[str] = set()
        for spec in specs:
            if spec.constant is not None:
                found.add(spec.constant)
            elif spec.column is not None:
                found.update(self._flags_at(spec, spec.column, row))
        found.discard("")
        if len(found) > self.limits.flags:
            raise RowRejected(RejectionReason.TOO_MANY_FIELDS)
        return frozenset(found)

    def _flags_at(self, spec: FlagSpec, column: str, row: Row) -> Iterator[str]:
        for text in self._written(row, column):
            for code in text.split(spec.split) if spec.split else [text]:
                if code := code.strip():
                    yield _flag(spec, code)

    def meets(self, row: Row, where: Conditions, unless: Conditions) -> bool:
        """Whether a section takes the row."""
        return all(self._among(row, column, texts) for column, texts in where.items()) and not any(
            self._among(row, column, texts) for column, texts in unless.items()
        )

    def _among(self, row: Row, column: str, texts: tuple[str, ...]) -> bool:
        return any(text in texts for text in self._written(row, column)) or ("" in texts and not self.text(row, column))


def _date_at(row: Row, column: str, spec: ValueSpec, *, latest: bool) -> dt.date | None:
    for value in row.values(column):
        try:
            found = read_date(value, spec.formats, partial=spec.partial, latest=latest)
        except ValueError:
            raise RowRejected(RejectionReason.DATE_INVALID, column) from None
        if found is not None:
            return found
    return None


def _as_text(value: object, column: str) -> str:
    match value:
        case str():
            return value.strip()
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal() | UUID():
            return str(value)
        case dt.datetime():
            midnight = value.time() == dt.time.min
            return value.date().isoformat() if midnight else value.isoformat(sep=" ", timespec="seconds")
        case dt.date() | dt.time():
            return value.isoformat()
        case None:
            return ""
        case _:
            raise RowRejected(RejectionReason.VALUE_INVALID, column)


def _check_encodable(text: str, column: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RowRejected(RejectionReason.ROW_ENCODING, column) from None


def _absent(spec: ValueSpec) -> FieldValue | None:
    if spec.required:
        raise RowRejected(RejectionReason.VALUE_MISSING, spec.column or "")
    return spec.default


def _mapped(spec: ValueSpec, text: str) -> FieldValue:
    if spec.values is None:
        return text
    if text in spec.values:
        return spec.values[text]
    if spec.otherwise is not None:
        return spec.otherwise
    if spec.unmapped == "keep":
        return text
    raise RowRejected(RejectionReason.VALUE_UNMAPPED, spec.column or "")


def _typed(value: FieldValue, spec: ValueSpec) -> FieldValue:
    if not isinstance(value, str):
        return value
    try:
        match spec.type:
            case ValueType.INTEGER if found := _INTEGER.fullmatch(value):
                return int(found[1])
            case ValueType.BOOLEAN if value.lower() in _BOOLEANS:
                return _BOOLEANS[value.lower()]
            case ValueType.NUMBER:
                return read_number(value)
            case ValueType.PERCENT:
                return read_percent(value)
            case ValueType.TEXT | ValueType.DATE:
                return value
    except ValueError:
        pass
    raise RowRejected(RejectionReason.VALUE_INVALID, spec.column or "")


def _flag(spec: FlagSpec, code: str) -> str:
    if spec.values is not None and code in spec.values:
        return spec.values[code]
    if is_null(code):
        return ""
    if spec.values is None:
        return code if FLAG_FORM.fullmatch(code) else UNRECOGNISED_FLAG
    if spec.otherwise is not None:
        return spec.otherwise
    return "" if spec.unmapped == "ignore" else UNRECOGNISED_FLAG
