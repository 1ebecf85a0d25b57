"""One reading of one source. What it could not read is part of its result.

A dataset that says which children there are, or that carries handling marks, is needed by all others: when it cannot be
read completely, the reading is void. Any other dataset fails alone.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

from agency_node.sources.ages import is_grown_up
from agency_node.sources.assembly import Assembler, Belonging, CategoryUnknown, Fault, read_flags, reported
from agency_node.sources.children import MAX_MIXED, ChildIndex, TooManyMixed
from agency_node.sources.mapping import MappingFile
from agency_node.sources.mapping_sections import ChildrenSection, MarkSection, RecordSection, Section
from agency_node.sources.measure import Measure
from agency_node.sources.record import SourceChild
from agency_node.sources.rows import Row
from agency_node.sources.source import Memory, Rejected, RejectionKind, RejectionReason, SourceRow
from agency_node.sources.values import RowRejected, Values
from federation.errors import ErrorCode, WardgateError
from keys.digest import sha256
from keys.nhs_number import NhsNumber

if TYPE_CHECKING:
    from agency_node.sources.mapped_source import Feed

_KEPT_OUT: Final = frozenset({RejectionReason.NOT_A_CHILD, RejectionReason.NHS_NUMBER_UNTRACED})
"""Why a row rightly puts nobody on the caseload."""

_NOBODY: Final = _KEPT_OUT | {RejectionReason.CHILD_UNKNOWN}
"""Why a mark is on no child of the caseload: it stays with its key, and protects what a record joins to it."""

_PROTECTS: Final = "cannot be read and may protect somebody"


class _Told(TypedDict, total=False):
    """What is told of a rejected row besides its place and its fault; see `Rejected`."""

    kind: RejectionKind
    is_attributed: bool
    has_flags: bool
    identity: str
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Taker:
    """A section with what it needs to take rows; `number` tells sections of one kind apart."""

    section: Section
    number: int
    assembler: Assembler | None


@dataclass(frozen=True, slots=True)
class _Mark:
    """Flags for a record that has not been met yet, and the children they fall on if it never is."""

    flags: frozenset[str]
    children: tuple[NhsNumber, ...]
    rejected: Rejected


@dataclass(slots=True)
class _Met:
    """What this reading met under one reference: the section, the children, and the flags of all its rows."""

    number: int
    children: tuple[NhsNumber, ...] = ()
    flags: frozenset[str] = frozenset()


class Reading:
    """The state of one reading."""

    def __init__(
        self, name: str, mapping: MappingFile, feed: "Feed", values: Values, *, memory: Memory, today: dt.date
    ) -> None:
        self._name = name
        self._mapping = mapping
        self._feed = feed
        self._values = values
        self._memory = memory
        self._today = today
        self._index = ChildIndex()
        self._marks: dict[str, _Mark] = {}
        self._unmatched: set[str] = set()
        self._refs: dict[str, _Met] = {}
        self._measures = {dataset: Measure(dataset) for dataset in mapping.datasets}
        self._protecting = {section.dataset for section in mapping.marks} | {
            section.dataset for section in mapping.children if section.flags
        }
        self._flagging = {section.dataset for section in mapping.records if section.flags}

    def rows(self) -> Iterator[SourceRow]:
        """Everything, children first."""
        yield from self._pass(self._mapping.children)
        self._index.resolve(self._memory)
        for child, flags, keys in self._index.children():
            yield SourceChild(child, flags, keys)
        yield from self._pass(self._mapping.marks)
        yield from self._pass(self._mapping.records)
        for ref in sorted(self._unmatched):
            # A mark that matches no record protects somebody all the same: it stands on the child.
            mark = self._marks[ref]
            yield from (SourceChild(child, mark.flags) for child in mark.children)
            yield self._counted(mark.rejected)
        yield from self._leftovers()
        yield from (measure.read() for measure in self._measures.values())

    def _leftovers(self) -> Iterator[Rejected]:
        for left in self._feed.leftovers():
            if left.counted_as is RejectionKind.UNREADABLE:
                if self._protecting:
                    raise self._unreadable(left.dataset, f"line {left.line} {_PROTECTS}")
                # It may be of any dataset, and hide a row of any.
                for name in self._measures:
                    yield self._counted(replace(left, dataset=name, has_flags=name in self._flagging))
            else:
                yield left

    # -- passes over the datasets ---------------------------------------------------------------------------------

    def _pass(self, sections: Sequence[Section]) -> Iterator[SourceRow]:
        """Read every dataset of these sections once."""
        takers = [
            _Taker(section, number, Assembler.of(section, self._values) if isinstance(section, RecordSection) else None)
            for number, section in enumerate(sections)
        ]
        for dataset in dict.fromkeys(section.dataset for section in sections):
            taking = [taker for taker in takers if taker.section.dataset == dataset]
            if not isinstance(taking[0].section, RecordSection):
                yield from self._dataset(dataset, taking)
                continue
            try:
                yield from self._dataset(dataset, taking)
            except WardgateError as error:
                # Nothing else depends on it. Its rows are void: who takes them sees the fault.
                self._measures[dataset].fault = error.detail or str(error.code)

    def _dataset(self, dataset: str, takers: Sequence[_Taker]) -> Iterator[SourceRow]:
        others = [section for section in self._mapping.sections() if section.dataset == dataset]
        # Only the last pass over a dataset reports what is wrong with a row as such, so that it is reported once.
        is_last = type(others[-1]) is type(takers[0].section)
        reports_unclaimed = is_last and self._mapping.datasets[dataset].unclaimed == "report"
        for row in self._rows(dataset):
            if isinstance(row, Rejected):
                yield from self._malformed(row, is_last=is_last)
                continue
            if reports_unclaimed and not any(self._may_take(section, row) for section in others):
                unclaimed = RowRejected(RejectionReason.ROW_UNCLAIMED)
                has_flags = any(read_flags(self._values, section.flags, row, []) for section in others)
                yield self._rejected(dataset, row, unclaimed, has_flags=has_flags)
            for taker in takers:
                yield from self._taken(taker, row)

    def _rows(self, dataset: str) -> Iterator[Row | Rejected]:
        measure, number = self._measures[dataset], 0
        for number, row in enumerate(self._feed.rows(dataset), start=1):
            if number > self._values.limits.rows:
                raise self._unreadable(dataset, f"more than {self._values.limits.rows} rows")
            yield row
        measure.rows = number
        measure.is_absent = self._feed.is_absent(dataset)
        measure.as_at = self._feed.as_at(dataset)
        minimum = self._mapping.datasets[dataset].minimum_rows
        if number < minimum and not measure.is_absent:
            raise self._unreadable(dataset, f"{number} rows where the mapping expects at least {minimum}")

    def _malformed(self, row: Rejected, *, is_last: bool) -> Iterator[Rejected]:
        may_protect = row.counted_as is RejectionKind.UNREADABLE
        if may_protect and row.dataset in self._protecting:
            raise self._unreadable(row.dataset, f"line {row.line} {_PROTECTS}")
        if is_last:
            yield self._counted(replace(row, has_flags=may_protect and row.dataset in self._flagging))

    def _may_take(self, section: Section, row: Row) -> bool:
        try:
            return self._values.meets(row, section.where, section.unless)
        except RowRejected:
            # The section itself reports the row and names the column.
            return True

    def _taken(self, taker: _Taker, row: Row) -> Iterator[SourceRow]:
        section, condition = taker.section, None
        try:
            if not self._values.meets(row, section.where, section.unless):
                return
        except RowRejected as fault:
            condition = fault  # whether the section takes it cannot be told: it may
            yield self._rejected(section.dataset, row, fault)
        if isinstance(section, ChildrenSection):
            yield from self._child(section, row)
        elif isinstance(section, MarkSection):
            yield from self._mark(section, row)
        elif taker.assembler is not None:
            yield from self._records(taker.assembler, taker.number, row, is_unreadable=condition is not None)

    # -- children -------------------------------------------------------------------------------------------------

    def _child(self, section: ChildrenSection, row: Row) -> Iterator[Rejected]:
        faults: list[Fault] = []
        flags = read_flags(self._values, section.flags, row, faults)
        keys, numbers = self._keys(section, row, faults), tuple[NhsNumber, ...]()
        try:
            self._check_child(section, row, keys)
            numbers = self._numbers(section, row)
        except RowRejected as fault:
            if fault.reason in _KEPT_OUT:
                self._index.flag_keys(keys, flags)
                yield self._rejected(section.dataset, row, fault, is_attributed=True, identity="".join(keys))
                return
            if flags and not keys:
                raise self._unreadable(section.dataset, f"line {row.line}: flags that protect nobody known") from None
            self._index.add_unread(keys, flags)
            # Who stood under a key before is recalled by it: the row can be nobody else's.
            yield self._rejected(
                section.dataset, row, fault, is_attributed=bool(keys), has_flags=bool(flags), identity="".join(keys)
            )
        else:
            self._add_child(section, row, numbers, keys, flags)
            if len(numbers) > 1:
                several = RowRejected(RejectionReason.CHILD_AMBIGUOUS, section.nhs_number)
                yield self._rejected(section.dataset, row, several, is_attributed=True)
        for found in faults:
            yield self._rejected(
                section.dataset, row, found.rejected, is_attributed=bool(numbers or keys), has_flags=bool(flags)
            )

    def _add_child(
        self,
        section: ChildrenSection,
        row: Row,
        numbers: tuple[NhsNumber, ...],
        keys: tuple[str, ...],
        flags: frozenset[str],
    ) -> None:
        try:
            self._index.add(numbers, keys, flags, self._person(section, row))
        except TooManyMixed:
            what = f"line {row.line}: its key or its number stands in rows of more than {MAX_MIXED} others"
            raise self._unreadable(section.dataset, what) from None

    def _check_child(self, section: ChildrenSection, row: Row, keys: tuple[str, ...]) -> None:
        """See that a row may put somebody on the caseload: no adult, and no number that must not join.

        Raises:
            RowRejected: It may not.
        """
        if section.born is not None and is_grown_up(section, row, self._today):
            self._index.keep_out(keys, RejectionReason.NOT_A_CHILD, self._adult_numbers(section, row))
            raise RowRejected(RejectionReason.NOT_A_CHILD, section.born.column or "")
        joins = any(self._values.texts(row, section.nhs_number))
        if not joins and section.any_number is not None and any(self._values.texts(row, section.any_number)):
            self._index.keep_out(keys, RejectionReason.NHS_NUMBER_UNTRACED)
            raise RowRejected(RejectionReason.NHS_NUMBER_UNTRACED, section.nhs_number)

    def _adult_numbers(self, section: ChildrenSection, row: Row) -> Iterator[NhsNumber]:
        for text in self._values.texts(row, section.nhs_number):
            with suppress(RowRejected):
                yield self._values.nhs_number(text, section.nhs_number)

    def _numbers(self, section: ChildrenSection, row: Row) -> tuple[NhsNumber, ...]:
        texts = tuple(self._values.texts(row, section.nhs_number)) or ("",)
        return tuple(dict.fromkeys(self._values.nhs_number(text, section.nhs_number) for text in texts))

    def _keys(self, section: ChildrenSection, row: Row, faults: list[Fault]) -> tuple[str, ...]:
        """The row's key, unless the number itself is the key: two ways of writing one number are one child."""
        if section.key is None or section.key == section.nhs_number:
            return ()
        try:
            key = self._values.text(row, section.key)
        except RowRejected as fault:
            faults.append(Fault(fault, RejectionKind.UNREADABLE))
            return ()
        return (key,) if key else ()

    def _person(self, section: ChildrenSection, row: Row) -> tuple[str, ...]:
        try:
            return tuple(self._values.text(row, column) for column in section.same_person)
        except RowRejected:
            return ()  # what cannot be read tells nobody apart: the children stay uncertain

    # -- marks ----------------------------------------------------------------------------------------------------

    def _mark(self, section: MarkSection, row: Row) -> Iterator[SourceRow]:
        try:
            flags = self._values.flags(section.flags, row)
            ref = self._marked_ref(section, row) if flags else ""
        except RowRejected as fault:
            what = f"line {row.line}: {fault.reason}: a mark that may protect somebody"
            raise self._unreadable(section.dataset, what) from None
        if not flags:
            return
        children, unknown = self._marked_children(section, row, ref)
        if unknown is not None:
            # A record under such a key may say whose it is by number.
            self._index.flag_keys(self._named_keys(section, row), flags)
            yield self._rejected(section.dataset, row, unknown, has_flags=True)
        if not ref:
            yield from (SourceChild(child, flags) for child in children)
            return
        rejected = _rejected(section.dataset, row, RowRejected(RejectionReason.MARK_UNMATCHED), has_flags=True)
        before = self._marks.get(ref)
        self._marks[ref] = _Mark(
            flags=flags | (before.flags if before else frozenset()),
            children=tuple(dict.fromkeys((*(before.children if before else ()), *children))),
            rejected=before.rejected if before else rejected,
        )
        self._unmatched.add(ref)

    def _marked_children(
        self, section: MarkSection, row: Row, ref: str
    ) -> tuple[tuple[NhsNumber, ...], RowRejected | None]:
        """The children that a mark names, or what is wrong where it names nobody known."""
        try:
            return self._index.identify(section.child, row, self._values).children, None
        except RowRejected as fault:
            if fault.reason not in _NOBODY and not ref:
                what = f"line {row.line}: {fault.reason}: a mark that may protect somebody"
                raise self._unreadable(section.dataset, what) from None
            return (), fault

    def _marked_ref(self, section: MarkSection, row: Row) -> str:
        """The marked record's reference, or empty when the mark is on the child."""
        if section.record is None or not (found := self._values.text(row, section.record.id)):
            return ""
        dataset = self._values.value(section.record.dataset, row)
        if dataset not in self._mapping.datasets:
            raise RowRejected(RejectionReason.VALUE_UNMAPPED, section.record.dataset.column or "")
        return f"{dataset}:{found}"

    # -- records --------------------------------------------------------------------------------------------------

    def _records(self, assembler: Assembler, number: int, row: Row, *, is_unreadable: bool) -> Iterator[SourceRow]:
        dataset = assembler.section.dataset
        try:
            named = self._index.identify(assembler.section.child, row, self._values)
        except RowRejected as fault:
            yield self._unidentified(assembler, row, fault)
            return
        base, without_ref = self._ref(assembler, row)
        if without_ref is not None:
            yield self._rejected(dataset, row, without_ref, is_attributed=True)
        ref, met = self._placed(base, number)
        is_disputed = bool(met.children) and set(met.children) != set(named.children)
        if met.children:
            yield self._rejected(dataset, row, RowRejected(RejectionReason.REF_REPEATED), is_attributed=True)
        met.children = tuple(dict.fromkeys((*met.children, *named.children)))
        if is_disputed and len(met.children) > MAX_MIXED:
            raise self._unreadable(dataset, f"line {row.line}: its id stands in rows of more than {MAX_MIXED} children")
        mark = self._marks.get(base)
        if mark is not None and set(mark.children) <= set(met.children):
            # One that names another child than the record's stands on that child too.
            self._unmatched.discard(base)
        met.flags |= named.flags | (mark.flags if mark else frozenset())
        is_certain = named.is_certain and not is_disputed
        for place, child in enumerate(met.children, start=1):
            own_ref = ref if place == 1 else f"{ref}#{place}"
            whose = Belonging(child, is_certain, own_ref, met.flags, is_unreadable)
            yield from self._assembled(assembler, row, whose, met)
            if named.flags:
                yield SourceChild(child, named.flags)

    def _unidentified(self, assembler: Assembler, row: Row, fault: RowRejected) -> Rejected:
        section, keys = assembler.section, self._named_keys(assembler.section, row)
        ref, _ = self._ref(assembler, row)
        return self._rejected(
            section.dataset,
            row,
            fault,
            is_attributed=bool(keys) and all(self._index.knows_untraced(key) for key in keys),
            has_flags=bool(read_flags(self._values, section.flags, row, [])),
            identity=ref,
            keys=frozenset(keys) if fault.reason is RejectionReason.CHILD_UNKNOWN else frozenset(),
        )

    def _named_keys(self, section: MarkSection | RecordSection, row: Row) -> tuple[str, ...]:
        """Keys by which a row names its child; none where they cannot be read."""
        try:
            return tuple(self._values.texts(row, section.child.key)) if section.child.key else ()
        except RowRejected:
            return ()

    def _assembled(self, assembler: Assembler, row: Row, whose: Belonging, met: _Met) -> Iterator[SourceRow]:
        dataset = assembler.section.dataset
        try:
            made = assembler.records(row, whose)
        except CategoryUnknown as error:
            what = f"line {row.line}: column {error.column}: a record of no known category"
            raise self._unreadable(dataset, what) from None
        met.flags = met.flags.union(*(record.flags for record in made.records))
        yield from made.records
        for fault in reported(made.faults):
            yield self._rejected(dataset, row, fault.rejected, kind=fault.kind, is_attributed=True)

    def _ref(self, assembler: Assembler, row: Row) -> tuple[str, RowRejected | None]:
        """The record's reference; of a row without one, made of what stands in it, the same at every reading."""
        dataset = assembler.section.dataset
        try:
            return f"{dataset}:{assembler.ref(row)}", None
        except RowRejected as fault:
            return f"{dataset}:!{sha256(row.content().encode()).hex()[:32]}", fault

    def _placed(self, base: str, number: int) -> tuple[str, _Met]:
        """Reference of a row's record, and what was met under it before.

        Two sections may each make a record of one row. A section that meets an id again says more of the same record;
        where it names another child, whose record it is cannot be told.
        """
        first = self._refs.setdefault(base, _Met(number))
        ref = base if first.number == number else f"{base}+{number}"
        return ref, self._refs.setdefault(ref, _Met(number))

    # -- what is reported -----------------------------------------------------------------------------------------

    def _counted(self, rejected: Rejected) -> Rejected:
        self._measures[rejected.dataset].count(rejected)
        return rejected

    def _rejected(self, dataset: str, row: Row, fault: RowRejected, **told: Unpack[_Told]) -> Rejected:
        return self._counted(_rejected(dataset, row, fault, **told))

    def _unreadable(self, dataset: str, what: str) -> WardgateError:
        return WardgateError(ErrorCode.SOURCE_UNREADABLE, f"{self._name}: dataset {dataset}: {what}")


def _rejected(dataset: str, row: Row, fault: RowRejected, **told: Unpack[_Told]) -> Rejected:
    return Rejected(dataset, row.line, fault.reason, fault.column, row.file, content=row.content(), **told)
