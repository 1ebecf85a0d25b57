"""How far this node's knowledge can be believed, as an answer, the status and an operator are told. Pure.

What an answer says of a reading depends on the categories asked about and on nothing else: two children of one agency
never differ in it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from agency_node.caseload.assessing import counts_of
from agency_node.caseload.judging import Counts, share_of
from agency_node.store.reading_rows import ANY_CATEGORY, DatasetRow
from federation.answer import DatasetReading
from federation.canonical import JsonObject
from federation.vocabulary import ReadingState

_FAILING: Final = ReadingState.FAILING


def categories_of(row: DatasetRow) -> frozenset[str] | None:
    """Categories that a dataset's rows can be of; None where they may be of any."""
    return None if row.categories == ANY_CATEGORY else frozenset(json.loads(row.categories))


def readings_behind(
    states: Sequence[DatasetRow], asked: Iterable[str], *, source_ids: Iterable[str], oldest: int
) -> tuple[DatasetReading, ...]:
    """What stands behind an answer about these categories, in order.

    Args:
        states: How every dataset stands.
        asked: The categories that may be asked about.
        source_ids: The node's sources: one that was never read stands behind every category.
        oldest: Seconds since the epoch; what was last read before is not believed any more.
    """
    wanted = frozenset(asked)
    read = {state.source_id for state in states}
    never = [_never_read(source_id, wanted) for source_id in sorted(set(source_ids) - read)]
    covering = [(state, covered) for state in states if (covered := _covered(state, wanted))]
    behind: dict[str, frozenset[str]] = {}
    for state, covered in covering:
        if state.state is not ReadingState.ABSENT:
            behind[state.source_id] = behind.get(state.source_id, frozenset()) | covered
    missing = frozenset() if never else wanted.difference(*behind.values())
    found = [*never, *(_reading(state, covered, oldest) for state, covered in _present(states, wanted, behind))]
    absent = [
        _reading(state, covered, oldest)
        for state, covered in covering
        if state.state is ReadingState.ABSENT and missing & covered
    ]
    if unread := missing.difference(*(item.categories for item in absent)):
        absent.append(_absent(unread))
    return tuple(sorted([*found, *absent], key=lambda item: (item.dataset, item.categories)))


def failing_datasets(states: Sequence[DatasetRow], *, source_ids: Iterable[str], oldest: int) -> tuple[str, ...]:
    """Datasets that are not believed, and sources that were never read, in order; arguments as of `readings_behind`."""
    wanted = frozenset(source_ids)
    read = {state.source_id for state in states}
    failing = [_name(state) for state in states if state.source_id in wanted and _state(state, oldest) is _FAILING]
    return tuple(sorted([*failing, *(wanted - read)]))


def _name(state: DatasetRow) -> str:
    return f"{state.source_id}/{state.dataset}"


def _state(state: DatasetRow, oldest: int) -> ReadingState:
    is_old = state.state is not ReadingState.ABSENT and state.sound_at < oldest
    return _FAILING if is_old else state.state


def _covered(state: DatasetRow, wanted: frozenset[str]) -> frozenset[str]:
    categories = categories_of(state)
    return wanted if categories is None else wanted & categories


def _present(
    states: Sequence[DatasetRow], wanted: frozenset[str], behind: Mapping[str, frozenset[str]]
) -> Iterator[tuple[DatasetRow, frozenset[str]]]:
    """The datasets that the agency has, with the categories that each stands behind."""
    for state in states:
        # Who there is and how they are marked stands behind everything that the source says.
        said = behind.get(state.source_id, frozenset()) if state.identifies else frozenset[str]()
        covered = _covered(state, wanted) | said
        if covered and state.state is not ReadingState.ABSENT:
            yield state, covered


def _reading(state: DatasetRow, categories: frozenset[str], oldest: int) -> DatasetReading:
    counts = counts_of(state.counts) or Counts()
    return DatasetReading(
        dataset=_name(state),
        categories=sorted(categories),
        state=_state(state, oldest),
        unreadable=share_of(counts.unreadable, counts.rows),
        unidentified=share_of(counts.unidentified, counts.rows),
        as_at=state.as_at,
    )


def _never_read(source_id: str, categories: frozenset[str]) -> DatasetReading:
    return _empty(source_id, categories, ReadingState.FAILING)


def _absent(categories: frozenset[str]) -> DatasetReading:
    return _empty("", categories, ReadingState.ABSENT)


def _empty(dataset: str, categories: frozenset[str], state: ReadingState) -> DatasetReading:
    none = share_of(0, 0)
    return DatasetReading(
        dataset=dataset, categories=sorted(categories), state=state, unreadable=none, unidentified=none, as_at=0
    )


def dataset_json(row: DatasetRow) -> JsonObject:
    """A dataset as the status and a run's report show it, for the agency's own people."""
    counts = counts_of(row.counts) or Counts()
    return {
        "dataset": row.dataset,
        "state": row.state.value,
        "fault": row.fault,
        "detail": row.detail,
        "as_at": row.as_at,
        "sound_at": row.sound_at,
        "accepted": bool(row.accepted_at),
        "rows": counts.rows,
        "children": counts.children,
        "records": counts.records,
        "unreadable": counts.unreadable,
        "unidentified": counts.unidentified,
        "unclaimed": counts.unclaimed,
        "unreadable_share": share_of(counts.unreadable, counts.rows).value,
        "unidentified_share": share_of(counts.unidentified, counts.rows).value,
    }
