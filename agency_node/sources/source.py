"""The contract of a source: what could be read, what could not, and how each dataset as a whole fared.

Nothing is silently lost: a row that cannot be read is part of the result. Where its child is known it is an unreadable
record of that child; where not, it is counted against its dataset, so that a caller can tell absence from ignorance.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from agency_node.sources.record import SourceChild, SourceRecord
from keys.nhs_number import NhsNumber


class RejectionReason(StrEnum):
    """What is wrong with a row. Reported with its place; a row's values stand in no log."""

    NHS_NUMBER_MISSING = "nhs_number_missing"
    NHS_NUMBER_INVALID = "nhs_number_invalid"
    NHS_NUMBER_NEVER_ISSUED = "nhs_number_never_issued"
    NHS_NUMBER_UNTRACED = "nhs_number_untraced"
    NOT_A_CHILD = "not_a_child"
    CHILD_KEY_MISSING = "child_key_missing"
    CHILD_UNKNOWN = "child_unknown"
    CHILD_AMBIGUOUS = "child_ambiguous"
    REF_MISSING = "ref_missing"
    REF_REPEATED = "ref_repeated"
    DATE_MISSING = "date_missing"
    DATE_INVALID = "date_invalid"
    DATES_REVERSED = "dates_reversed"
    VALUE_MISSING = "value_missing"
    VALUE_INVALID = "value_invalid"
    VALUE_UNMAPPED = "value_unmapped"
    VALUE_TOO_LONG = "value_too_long"
    TOO_MANY_FIELDS = "too_many_fields"
    ROW_EMPTY = "row_empty"
    ROW_MALFORMED = "row_malformed"
    ROW_ENCODING = "row_encoding"
    ROW_UNCLAIMED = "row_unclaimed"
    MARK_UNMATCHED = "mark_unmatched"
    FLAG_DISAPPEARED = "flag_disappeared"
    """Found by the caseload, not by a reading: a flag of a known child or record is no longer in its source."""


class RejectionKind(StrEnum):
    """What a fault does to the reading of its dataset."""

    UNREADABLE = "unreadable"
    """What policy reads of the row, or the row as a whole, could not be read."""
    UNIDENTIFIED = "unidentified"
    """The row names no child: ordinary for police nominals and newborns, a fault when it jumps."""
    UNCLAIMED = "unclaimed"
    """No section takes the row."""
    FIELD = "field"
    """A value that policy does not read was dropped; the record is kept and marked."""
    BENIGN = "benign"
    """No fault: the row was read, and is rightly no child's."""
    REPEATED = "repeated"
    """The row says again what another said: flags are united, nothing is lost."""


_UNIDENTIFIED: Final = frozenset(
    {
        RejectionReason.NHS_NUMBER_MISSING,
        RejectionReason.NHS_NUMBER_INVALID,
        RejectionReason.NHS_NUMBER_NEVER_ISSUED,
        RejectionReason.NHS_NUMBER_UNTRACED,
        RejectionReason.CHILD_KEY_MISSING,
        RejectionReason.CHILD_UNKNOWN,
        RejectionReason.ROW_EMPTY,
    }
)


def kind_of(reason: RejectionReason) -> RejectionKind:
    """What a fault of this reason does to its dataset, unless the reader says otherwise."""
    if reason in _UNIDENTIFIED:
        return RejectionKind.UNIDENTIFIED
    return {
        RejectionReason.NOT_A_CHILD: RejectionKind.BENIGN,
        RejectionReason.ROW_UNCLAIMED: RejectionKind.UNCLAIMED,
        RejectionReason.REF_REPEATED: RejectionKind.REPEATED,
        RejectionReason.MARK_UNMATCHED: RejectionKind.FIELD,
    }.get(reason, RejectionKind.UNREADABLE)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A fault of one row.

    Attributes:
        dataset: The mapping's name of the dataset.
        line: Line of a text file, or number of the row, object or resource, from 1.
        reason: A stable code.
        column: The column or path at fault, where one is.
        file: Name of the file, where the dataset is one.
        lines: Physical lines the row took up (a broken quotation mark can swallow several).
        kind: What it does to the dataset; by default what its reason does.
        is_attributed: Whether the row can be told not to be one of another child that was known before.
        has_flags: Whether the row carries handling flags, or may: they could not be read.
        content: The row as it stood, for whoever mends it: personal data.
        identity: What the row is known by in its dataset while the rest of it changes; empty where nothing is known.
        keys: Of a row that names nobody known now, the keys by which it names its child: they may have been somebody's.
    """

    dataset: str
    line: int
    reason: RejectionReason
    column: str = ""
    file: str = ""
    lines: int = 1
    kind: RejectionKind | None = None
    is_attributed: bool = False
    has_flags: bool = False
    content: str = field(default="", repr=False)
    identity: str = field(default="", repr=False)
    keys: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def counted_as(self) -> RejectionKind:
        """What it does to the dataset."""
        return self.kind or kind_of(self.reason)


@dataclass(frozen=True, slots=True)
class DatasetRead:
    """How one dataset fared in a reading, said once, when the reading is over.

    Attributes:
        rows: Rows it had.
        unreadable: Rows of which policy's values, or everything, could not be read.
        unidentified: Rows that name no child.
        unclaimed: Rows that no section took.
        fault: Why the dataset could not be read completely; empty when it was. Holds no value of a row.
        is_absent: The dataset is optional, and the system does not have it.
        as_at: Seconds since the epoch at which its content was made; None for the time of the reading.
    """

    dataset: str
    rows: int = 0
    unreadable: int = 0
    unidentified: int = 0
    unclaimed: int = 0
    fault: str = ""
    is_absent: bool = False
    as_at: int | None = None


SourceRow = SourceChild | SourceRecord | Rejected | DatasetRead


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """What a mapping says of a dataset as a whole.

    Attributes:
        name: Its name in the mapping.
        categories: Categories that its rows can be of; None where a row may be of any.
        identifies: It says which children there are, or carries handling marks: without it no dataset of the source
            can be believed.
        may_be_empty: It is sound without a row.
    """

    name: str
    categories: frozenset[str] | None = frozenset()
    identifies: bool = False
    may_be_empty: bool = False


class Memory(Protocol):
    """What earlier sound readings of the source knew."""

    def children_of(self, keys: Collection[str], /) -> Mapping[str, Collection[NhsNumber]]:
        """Who stood under each of these keys of the source; keys that nobody stood under are left out. Blocking."""
        ...


class NoMemory:
    """Nothing is remembered: a first reading, or a rehearsal."""

    def children_of(self, _keys: Collection[str], /) -> Mapping[str, Collection[NhsNumber]]:
        """Nobody."""
        return {}


class Source(Protocol):
    """One source system of an agency."""

    @property
    def name(self) -> str:
        """The operator's name for it."""

    @property
    def datasets(self) -> tuple[DatasetPlan, ...]:
        """Its datasets."""

    def read(self, memory: Memory) -> Iterator[SourceRow]:
        """Read everything, children first. Blocking: call it in a worker thread, not on an event loop.

        A child may be named several times; its flags are united. A reading that raises is no reading at all: the
        caller must discard what it got and keep the last caseload. A dataset that cannot be read completely, and on
        which no other depends, is reported by its `DatasetRead` instead: its rows must be discarded.

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
    """Limits of one reading. What is over a row's limit cannot be read; over another the dataset fails.

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
