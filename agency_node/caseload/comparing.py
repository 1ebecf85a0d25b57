"""What a reading would change: the source as it is now beside the caseload as it stands. Writes nothing."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agency_node.caseload.beside import Chunk, ranges
from agency_node.caseload.parts import CaseloadParts
from agency_node.caseload.prepared import prepared
from agency_node.caseload.progress import Phase, ProgressMeter
from agency_node.caseload.reading_states import dataset_json
from agency_node.caseload.records import source_ref_of
from agency_node.caseload.rejects import RejectContent
from agency_node.caseload.spool import Spool, SpooledRecord
from agency_node.sources.source import RejectionReason, Source
from agency_node.vault import Kind
from federation.canonical import JsonObject

MAX_DIFFERENCES: Final = 1_000
"""Of one source: more than a person reads; what is beyond is counted."""


class Change(StrEnum):
    """What happens to a child or a record."""

    ADDED = "added"
    GONE = "gone"
    CHANGED = "changed"
    KEPT = "kept"
    """It is missing, and stays without detail: a row that could not be read may be its row."""
    FLAG_GONE = "flag_gone"
    """A flag is missing, and stays until a person confirms that it may go."""


@dataclass(frozen=True, slots=True, repr=False)
class Difference:
    """One difference.

    Attributes:
        number: The child's NHS number.
        record: The record's id in its source; empty where it is about the child as such.
    """

    change: Change
    number: str
    dataset: str = ""
    record: str = ""
    flag: str = ""

    def as_json(self) -> JsonObject:
        """For the agency's own people: personal data."""
        return {
            "change": self.change.value,
            "child": self.number,
            "dataset": self.dataset,
            "record": self.record,
            "flag": self.flag,
        }


async def compare(parts: CaseloadParts, source_id: str, source: Source) -> JsonObject:
    """Every difference between a source and what is held of it, and how its datasets would stand.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`.
    """
    found: list[Difference] = []
    counted: defaultdict[str, int] = defaultdict(int)

    def meter_for(total: int) -> ProgressMeter:
        return ProgressMeter(Phase.READ, source_id, total, lambda _: None, parts.monotonic)

    def take(difference: Difference) -> None:
        counted[difference.change.value] += 1
        if len(found) < MAX_DIFFERENCES:
            found.append(difference)

    async with prepared(parts, source_id, source, meter_for=meter_for) as reading:
        async for beside in ranges(parts, reading):
            async for chunk in beside.chunks():
                for difference in await parts.in_thread(lambda: list(_of_chunk(reading.spool, chunk))):  # noqa: B023 - awaited at once
                    take(difference)
        for difference in _flags_gone(reading.spool):
            take(difference)
        datasets = [dataset_json(row) for row in reading.assessment.rows]
    return {
        "source": source_id,
        "datasets": datasets,
        "counts": dict(counted),
        "differences": [difference.as_json() for difference in found],
    }


def _of_chunk(spool: Spool, chunk: Chunk) -> Iterator[Difference]:
    holdings = {row.child_key: row.identifier for row in chunk.stored.holdings}
    records: defaultdict[str, dict[str, SpooledRecord]] = defaultdict(dict)
    for row in chunk.stored.records:
        records[row.child_key][row.ref] = SpooledRecord.of(row)
    for child_key in chunk.child_keys:
        yield from _of_child(spool, child_key, holdings.get(child_key), records[child_key])


def _of_child(
    spool: Spool, child_key: str, stored: bytes | None, before: Mapping[str, SpooledRecord]
) -> Iterator[Difference]:
    child = spool.child(child_key)
    if (sealed := stored or (child.identifier if child else None)) is None:
        return  # a child that a reading which is not believed has, and nobody knew before
    number = spool.vault.open(Kind.IDENTIFIER, child_key, sealed).decode()
    if child is None:
        yield Difference(Change.GONE, number)
        return
    if stored is None:
        yield Difference(Change.ADDED, number)
    elif child.absent_since:
        yield Difference(Change.KEPT, number)
    now = {record.ref: record for record in spool.records_of(child_key)}
    for ref in sorted(before.keys() | now.keys()):
        if change := _of_record(before.get(ref), now.get(ref)):
            record = now.get(ref) or before[ref]
            named = source_ref_of(spool.opened(child_key, record))
            yield Difference(change, number, record.dataset, named)


def _of_record(before: SpooledRecord | None, now: SpooledRecord | None) -> Change | None:
    if now is None:
        return Change.GONE
    if now.absent_since:
        return Change.KEPT
    if before is None:
        return Change.ADDED
    return None if before.digest == now.digest else Change.CHANGED


def _flags_gone(spool: Spool) -> Iterator[Difference]:
    for row in spool.rejects.values():
        if row.reason == RejectionReason.FLAG_DISAPPEARED.value:
            content = RejectContent.decode(spool.vault.open(Kind.REJECT, row.reject_id, row.content))
            told = json.loads(content.row)
            yield Difference(Change.FLAG_GONE, told["child"], row.dataset, told["record"], told["flag"])
