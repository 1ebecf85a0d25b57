"""The contract of a source: rows that could be read, and rows that could not, none of them silently lost."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from agency_node.sources.record import SourceChild, SourceRecord


class RejectionReason(StrEnum):
    """Why a row did not become a record. Reported by count; a row's values are never repeated."""

    NHS_NUMBER_MISSING = "nhs_number_missing"
    NHS_NUMBER_INVALID = "nhs_number_invalid"
    CHILD_KEY_MISSING = "child_key_missing"
    CHILD_UNKNOWN = "child_unknown"
    CHILD_AMBIGUOUS = "child_ambiguous"
    REF_MISSING = "ref_missing"
    REF_REPEATED = "ref_repeated"
    DATE_MISSING = "date_missing"
    DATE_INVALID = "date_invalid"
    VALUE_MISSING = "value_missing"
    VALUE_INVALID = "value_invalid"
    VALUE_UNMAPPED = "value_unmapped"
    VALUE_TOO_LONG = "value_too_long"
    TOO_MANY_FIELDS = "too_many_fields"
    ROW_MALFORMED = "row_malformed"
    ROW_ENCODING = "row_encoding"
    ROW_UNCLAIMED = "row_unclaimed"
    MARK_UNMATCHED = "mark_unmatched"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that did not become a record.

    Attributes:
        dataset: The mapping's name of the dataset.
        line: Line of a text file, or number of the row, object or resource, from 1.
        reason: A stable code.
        column: The column or path at fault, where one is.
        file: Name of the file, where the dataset is one.
        lines: Physical lines the row took up (a broken quotation mark can swallow several).
    """

    dataset: str
    line: int
    reason: RejectionReason
    column: str = ""
    file: str = ""
    lines: int = 1


SourceRow = SourceChild | SourceRecord | Rejected


class Source(Protocol):
    """One source system of an agency."""

    @property
    def name(self) -> str:
        """The operator's name for it."""

    def read(self) -> Iterator[SourceRow]:
        """Read everything, children first. Blocking: call it in a worker thread, not on an event loop.

        A reading that raises is no reading at all: the caller must discard what it got and keep the last caseload.

        Raises:
            WardgateError: `SOURCE_UNREADABLE` (also midway) or `MAPPING_INVALID`.
        """

    def check(self) -> None:
        """See that the system can be reached and has every table, column, file and resource that the mapping names.

        Raises:
            WardgateError: `SOURCE_UNREADABLE` or `MAPPING_INVALID`.
        """


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """Limits of one reading. Over a row's limit the row is rejected; over a source's limit the source is unreadable.

    Attributes:
        rows: Rows of one dataset: every record of the largest county's case system, several times over.
        value_chars: Characters of one value: about six pages; longer text belongs in the case system.
        fields: Fields of one record: the widest table of the Standard Safeguarding Dataset has 48.
        document_bytes: A JSON document that must be parsed whole. Longer exports belong in JSON lines.
        flags: Handling flags of one record.
    """

    rows: int = 10_000_000
    value_chars: int = 16_000
    fields: int = 64
    document_bytes: int = 512 * 1024 * 1024
    flags: int = 32


DEFAULT_LIMITS: Final = SourceLimits()


@dataclass(slots=True)
class Tally:
    """Counts of one reading."""

    children: int = 0
    records: int = 0
    rejected: Counter[RejectionReason] = field(default_factory=Counter)

    def count(self, row: SourceRow) -> None:
        """Count one row."""
        match row:
            case SourceChild():
                self.children += 1
            case SourceRecord():
                self.records += 1
            case Rejected():
                self.rejected[row.reason] += 1


def tally(rows: Iterable[SourceRow]) -> Tally:
    """Count the rows of one reading."""
    counted = Tally()
    for row in rows:
        counted.count(row)
    return counted
