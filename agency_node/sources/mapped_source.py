"""A source read through its mapping: children first, then the handling marks, then the records."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from agency_node.sources.assembly import Assembler
from agency_node.sources.children import ChildIndex, read_number
from agency_node.sources.mapping import MappingFile
from agency_node.sources.mapping_sections import ChildrenSection, MarkSection, RecordSection, Section
from agency_node.sources.record import SourceChild
from agency_node.sources.rows import Row
from agency_node.sources.source import DEFAULT_LIMITS, Rejected, RejectionReason, SourceLimits, SourceRow
from agency_node.sources.values import RowRejected, Values
from federation.errors import ErrorCode, WardgateError

if TYPE_CHECKING:
    from keys.nhs_number import NhsNumber


class Feed(Protocol):
    """An opened source system."""

    def rows(self, dataset: str) -> Iterator[Row | Rejected]:
        """The rows of a dataset in a stable order.

        Raises:
            WardgateError: `SOURCE_UNREADABLE`, or `MAPPING_INVALID` when a column the mapping names is not there.
        """

    def leftovers(self) -> Iterator[Rejected]:
        """What the system holds that belongs to no dataset, once everything else was read."""

    def check(self, dataset: str) -> None:
        """See that a dataset is there with its columns, reading as little as possible; raises as `rows` does."""


class Reader(Protocol):
    """Opens a source system for one reading."""

    def open(self) -> AbstractContextManager[Feed]:
        """Open it.

        Raises:
            WardgateError: `SOURCE_UNREADABLE`.
        """


class MappedSource:
    """A source system with its mapping.

    Args:
        name: The operator's name for the source.
        mapping: What its rows are.
        reader: How to read them.
        settings: Values of the agency that the mapping asks for by name.
        limits: Limits of one reading.

    Raises:
        WardgateError: `MAPPING_INVALID` when a setting that the mapping asks for is not given.
    """

    def __init__(
        self,
        name: str,
        mapping: MappingFile,
        reader: Reader,
        *,
        settings: Mapping[str, str] | None = None,
        limits: SourceLimits = DEFAULT_LIMITS,
    ) -> None:
        given = dict(settings or {})
        if missing := mapping.settings_needed() - given.keys():
            raise WardgateError(ErrorCode.MAPPING_INVALID, f"{name}: the setting {min(missing)} is not given")
        self._name = name
        self._mapping = mapping
        self._reader = reader
        self._values = Values(given, limits)

    @property
    def name(self) -> str:
        """The operator's name for it."""
        return self._name

    def read(self) -> Iterator[SourceRow]:
        """Read everything; see `Source.read`."""
        with self._reader.open() as feed:
            yield from _Reading(self._name, self._mapping, feed, self._values).rows()

    def check(self) -> None:
        """See that everything the mapping names is there; see `Source.check`."""
        with self._reader.open() as feed:
            for dataset in self._mapping.datasets:
                feed.check(dataset)


@dataclass(frozen=True, slots=True)
class _Taker:
    """A section with what it needs to take rows; `number` tells sections of one kind apart."""

    section: Section
    number: int
    assembler: Assembler | None


class _Reading:
    """The state of one reading."""

    def __init__(self, name: str, mapping: MappingFile, feed: Feed, values: Values) -> None:
        self._name = name
        self._mapping = mapping
        self._feed = feed
        self._values = values
        self._index = ChildIndex()
        self._children: dict[NhsNumber, frozenset[str]] = {}
        self._child_marks: dict[NhsNumber, frozenset[str]] = {}
        self._record_marks: dict[str, frozenset[str]] = {}
        self._unmatched: dict[str, Rejected] = {}
        self._refs: dict[str, int] = {}

    def rows(self) -> Iterator[SourceRow]:
        yield from self._pass(self._mapping.children)
        yield from self._pass(self._mapping.marks)
        for child, flags in self._children.items():
            yield SourceChild(child, flags | self._child_marks.get(child, frozenset()))
        yield from self._pass(self._mapping.records)
        yield from self._unmatched.values()
        for left in self._feed.leftovers():
            if left.reason is RejectionReason.ROW_MALFORMED and self._mapping.marks:
                raise self._unreadable(left.dataset, f"line {left.line} cannot be read and may protect somebody")
            yield left

    def _pass(self, sections: Sequence[Section]) -> Iterator[SourceRow]:
        """Read every dataset of these sections once."""
        takers = [
            _Taker(section, number, Assembler.of(section, self._values) if isinstance(section, RecordSection) else None)
            for number, section in enumerate(sections)
        ]
        for dataset in dict.fromkeys(section.dataset for section in sections):
            yield from self._dataset(dataset, [taker for taker in takers if taker.section.dataset == dataset])

    def _dataset(self, dataset: str, takers: Sequence[_Taker]) -> Iterator[SourceRow]:
        others = [section for section in self._mapping.sections() if section.dataset == dataset]
        # Only the last pass over a dataset reports what is wrong with a row as such, so that it is reported once.
        last = type(others[-1]) is type(takers[0].section)
        report_unclaimed = last and self._mapping.datasets[dataset].unclaimed == "report"
        for row in self._counted(dataset):
            if isinstance(row, Rejected):
                yield from self._unreadable_row(row, takers[0].section, last=last)
                continue
            if report_unclaimed and not any(self._may_take(section, row) for section in others):
                yield _rejected(dataset, row, RowRejected(RejectionReason.ROW_UNCLAIMED))
            for taker in takers:
                yield from self._taken(taker, row)

    def _counted(self, dataset: str) -> Iterator[Row | Rejected]:
        number = 0
        for number, row in enumerate(self._feed.rows(dataset), start=1):
            if number > self._values.limits.rows:
                raise self._unreadable(dataset, f"more than {self._values.limits.rows} rows")
            yield row
        minimum = self._mapping.datasets[dataset].minimum_rows
        if number < minimum:
            raise self._unreadable(dataset, f"{number} rows where the mapping expects at least {minimum}")

    def _unreadable(self, dataset: str, what: str) -> WardgateError:
        return WardgateError(ErrorCode.SOURCE_UNREADABLE, f"{self._name}: dataset {dataset}: {what}")

    def _unreadable_row(self, row: Rejected, section: Section, *, last: bool) -> Iterator[Rejected]:
        if isinstance(section, MarkSection):
            raise self._unreadable(row.dataset, f"line {row.line} cannot be read and may protect somebody")
        if last:
            yield row

    def _may_take(self, section: Section, row: Row) -> bool:
        try:
            return self._values.meets(row, section.where, section.unless)
        except RowRejected:
            # The section itself will reject the row and name the column.
            return True

    def _taken(self, taker: _Taker, row: Row) -> Iterator[SourceRow]:
        section = taker.section
        try:
            if not self._values.meets(row, section.where, section.unless):
                return
            if isinstance(section, ChildrenSection):
                self._child(section, row)
            elif isinstance(section, MarkSection):
                self._mark(section, row)
            elif taker.assembler is not None:
                yield from self._records(taker.assembler, taker.number, row)
        except RowRejected as fault:
            if isinstance(section, MarkSection) and fault.reason is not RejectionReason.CHILD_UNKNOWN:
                what = f"line {row.line}: {fault.reason}: a mark that may protect somebody"
                raise self._unreadable(section.dataset, what) from None
            yield _rejected(section.dataset, row, fault)

    def _child(self, section: ChildrenSection, row: Row) -> None:
        child = read_number(self._values.text(row, section.nhs_number), section.nhs_number)
        if section.key is not None and (key := self._values.text(row, section.key)):
            self._index.add(key, child)
        flags = self._values.flags(section.flags, row)
        self._children[child] = self._children.get(child, frozenset()) | flags

    def _mark(self, section: MarkSection, row: Row) -> None:
        flags = self._values.flags(section.flags, row)
        if not flags:
            return
        if ref := self._marked_ref(section, row):
            self._record_marks[ref] = self._record_marks.get(ref, frozenset()) | flags
            fault = RowRejected(RejectionReason.MARK_UNMATCHED)
            self._unmatched.setdefault(ref, _rejected(section.dataset, row, fault))
            return
        for child in self._index.identify(section.child, row, self._values):
            self._child_marks[child] = self._child_marks.get(child, frozenset()) | flags

    def _marked_ref(self, section: MarkSection, row: Row) -> str:
        """The marked record's reference, or empty when the mark is on the child."""
        if section.record is None or not (found := self._values.text(row, section.record.id)):
            return ""
        dataset = self._values.value(section.record.dataset, row)
        if dataset not in self._mapping.datasets:
            raise RowRejected(RejectionReason.VALUE_UNMAPPED, section.record.dataset.column or "")
        return f"{dataset}:{found}"

    def _records(self, assembler: Assembler, number: int, row: Row) -> Iterator[SourceRow]:
        children = self._index.identify(assembler.section.child, row, self._values)
        base = f"{assembler.section.dataset}:{assembler.ref(row)}"
        ref = self._unique(base, number)
        self._unmatched.pop(base, None)
        marks = self._record_marks.get(base, frozenset())
        for place, child in enumerate(children, start=1):
            flags = marks | self._children.get(child, frozenset()) | self._child_marks.get(child, frozenset())
            yield assembler.record(row, child, ref if place == 1 else f"{ref}#{place}", flags)

    def _unique(self, base: str, number: int) -> str:
        """A reference that no other record has: two sections may each make a record of one row.

        Raises:
            RowRejected: The section has made a record with this id already.
        """
        first = self._refs.get(base)
        ref = base if first is None or first == number else f"{base}+{number}"
        if ref in self._refs:
            raise RowRejected(RejectionReason.REF_REPEATED)
        self._refs[ref] = number
        return ref


def _rejected(dataset: str, row: Row, fault: RowRejected) -> Rejected:
    return Rejected(dataset, row.line, fault.reason, fault.column, row.file)
