"""Reads sources without a node: what a reading would find, row by row, and what would be known of one child.

Blocking, and with nothing to compare with: no store, no key, no caseload.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agency_node.caseload.assessing import Found, assess
from agency_node.caseload.reading_states import dataset_json
from agency_node.sources.mapped_source import MappedSource
from agency_node.sources.record import SourceChild, SourceRecord
from agency_node.sources.source import DatasetRead, Rejected, RejectionKind, SourceRow
from federation.canonical import JsonObject
from federation.errors import WardgateError
from federation.vocabulary import ReadingState
from keys.nhs_number import NhsNumber


@dataclass(slots=True)
class Rehearsal:
    """What one source yields.

    Attributes:
        error: Why the reading stopped; empty when it was complete.
        is_void: Nothing of it would come into force: who is known, or how they are marked, cannot be believed.
        datasets: Each dataset as it would stand.
        rejected: Every fault of a row: where, in which column, why.
    """

    source: str
    children: int = 0
    error: str = ""
    is_void: bool = False
    datasets: list[JsonObject] = field(default_factory=list)
    rejected: list[JsonObject] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether every dataset would be believed and every row could be read."""
        return not self.failing and not any(item["kind"] == RejectionKind.UNREADABLE.value for item in self.rejected)

    @property
    def failing(self) -> list[JsonObject]:
        """Datasets that would not be believed."""
        return [item for item in self.datasets if item["state"] == ReadingState.FAILING.value]

    def as_json(self) -> JsonObject:
        """For a tool."""
        return {
            "source": self.source,
            "sound": self.is_sound,
            "children": self.children,
            "error": self.error,
            "datasets": self.datasets,
            "rejected": self.rejected,
        }


def rehearse(
    source: MappedSource, *, now: int, unreadable_percent: int, on_row: Callable[[SourceRow], None] = lambda _: None
) -> Rehearsal:
    """Read a whole source as a first reading.

    Args:
        source: The source.
        now: Seconds since the epoch.
        unreadable_percent: Highest share of unreadable rows of a dataset, percent.
        on_row: Told of everything that the source yields.
    """
    found = Rehearsal(source.name)
    children: set[NhsNumber] = set()
    records: Counter[str] = Counter()
    children_of: defaultdict[str, set[NhsNumber]] = defaultdict(set)
    reads: dict[str, DatasetRead] = {}
    try:
        for row in source.read():
            on_row(row)
            match row:
                case SourceChild(child=child):
                    children.add(child)
                case SourceRecord(child=child):
                    children.add(child)
                    records[row.dataset] += 1
                    children_of[row.dataset].add(child)
                case Rejected():
                    found.rejected.append(rejected_json(row))
                case DatasetRead(dataset=dataset):
                    reads[dataset] = row
    except WardgateError as error:
        found.error = f"{error.code}: {error.detail}"
    by_dataset = {name: (count, len(children_of[name])) for name, count in records.items()}
    what = Found(reads, by_dataset, len(children), found.error, now)
    assessment = assess(source.datasets, what, {}, source_id=source.name, unreadable_percent=unreadable_percent)
    found.children, found.is_void = len(children), assessment.is_void
    found.datasets = [dataset_json(row) for row in assessment.rows]
    return found


def rejected_json(row: Rejected) -> JsonObject:
    """Where a fault is and what it does, without the row's content."""
    return {
        "dataset": row.dataset,
        "file": row.file,
        "line": row.line,
        "lines": row.lines,
        "column": row.column,
        "reason": row.reason.value,
        "kind": row.counted_as.value,
    }


@dataclass(slots=True)
class _Child:
    """What one source says of one child."""

    number: NhsNumber
    flags: set[str] = field(default_factory=set)
    records: list[SourceRecord] = field(default_factory=list)
    is_known: bool = False

    def take(self, row: SourceRow) -> None:
        if not isinstance(row, SourceChild | SourceRecord) or row.child != self.number:
            return
        self.is_known = True
        if isinstance(row, SourceRecord):
            self.records.append(row)
        else:
            self.flags.update(row.flags)


def preview(sources: Sequence[MappedSource], number: NhsNumber, *, now: int, unreadable_percent: int) -> JsonObject:
    """What would be known of one child, and what could not be read: personal data, for the agency's own people.

    A dataset that would not be believed is named under `failing`, and gives nothing: of what it may hold nothing is
    known. Arguments as of `rehearse`.
    """
    known: list[JsonObject] = []
    failing: list[JsonObject] = []
    records: list[JsonObject] = []
    unread: list[JsonObject] = []
    for source in sources:
        child = _Child(number)
        found = rehearse(source, now=now, unreadable_percent=unreadable_percent, on_row=child.take)
        failing += [{"source": source.name, **item} for item in found.failing]
        unread += [
            {"source": source.name, **{name: item[name] for name in ("dataset", "unreadable", "unidentified")}}
            for item in found.datasets
            if item["unreadable"] or item["unidentified"]
        ]
        if child.is_known and not found.is_void:
            known.append({"source": source.name, "flags": sorted(child.flags)})
            lost = {item["dataset"] for item in found.failing}
            records += [_record_json(source.name, row) for row in child.records if row.dataset not in lost]
    return {"known": bool(known), "failing": failing, "unread": unread, "sources": known, "records": records}


def _record_json(source: str, record: SourceRecord) -> JsonObject:
    return {
        "source": source,
        "record": record.source_ref,
        "category": record.category,
        "type": record.type,
        "date": _iso(record.date),
        "started_on": _iso(record.started_on),
        "ended_on": _iso(record.ended_on),
        "flags": sorted(record.flags),
        "fields": dict(sorted(record.fields.items())),
        "assertion": record.assertion.value,
        "relation": record.relation.value,
        "contact_level": record.contact_level.value,
        "handling_code": record.handling_code,
        "unreadable": sorted(record.unreadable),
        "fields_unreadable": sorted(record.fields_unreadable),
    }


def _iso(day: dt.date | None) -> str:
    return day.isoformat() if day else ""
