"""The caseload follows the agency's own systems, whatever breaks on the way. On both kinds of store."""

import datetime as dt
import json
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import func, select

from agency_node.caseload.progress import Phase, Progress
from agency_node.caseload.records import HeldRecord
from agency_node.sources.record import SourceChild
from agency_node.sources.source import Memory, Rejected, RejectionReason, SourceRow
from agency_node.store import children as store
from agency_node.store import readings
from agency_node.store.reading_rows import DatasetRow
from agency_node.store.tables import metadata
from agency_node.vault import Kind
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from federation.vocabulary import ReadingState
from federation.wire.v1 import pseudonym_pb2
from keys.pseudonym import Pseudonym
from tests.support.node_house import ListSource, NodeHouse, a_node, log_entry, number
from tests.support.two_agencies import RESPONDER, Federation

CHILDREN = [number(index) for index in range(40)]


@pytest.fixture
async def house(store_url: str, policy: PolicyPoint) -> AsyncIterator[NodeHouse]:
    """A node with two sources and small batches."""
    async with a_node(store_url, policy, sources=[ListSource("a"), ListSource("b")], batch_size=7) as house:
        yield house


def fill(source: ListSource, count: int = 40, first: int = 0) -> None:
    source.rows = []
    for index in range(first, first + count):
        child = CHILDREN[index]
        source.hold(child, log_entry(child, f"log:{index}"), log_entry(child, f"log:{index}-b", category="attendance"))


async def state(house: NodeHouse, source: str = "a", dataset: str = "log") -> DatasetRow:
    async with house.engine.connect() as connection:
        states = await readings.dataset_states(connection)
    return next(row for row in states if (row.source_id, row.dataset) == (source, dataset))


async def failing(house: NodeHouse) -> tuple[str, ...]:
    return await house.lookup.failing(house.clock())


async def counted(house: NodeHouse, table: str) -> int:
    async with house.engine.connect() as connection:
        return int((await connection.execute(select(func.count()).select_from(metadata.tables[table]))).scalar_one())


async def reject_datasets(house: NodeHouse) -> list[str]:
    async with house.engine.connect() as connection:
        return [row.dataset for row in await readings.rejects(connection)]


async def held(house: NodeHouse, index: int) -> Sequence[HeldRecord]:
    found = await house.lookup.find(house.federation.pseudonym(RESPONDER, CHILDREN[index], house.pseudonyms.epoch))
    return found.records


async def records(house: NodeHouse, index: int) -> list[str]:
    return sorted(record.source_ref for record in await held(house, index))


async def test_every_child_is_found_by_its_pseudonym(house: NodeHouse) -> None:
    fill(house.sources[0])

    report = await house.caseload.update()

    assert (report.children, report.evaluated, report.changed, report.is_complete) == (40, 40, 40, True)
    for index in (0, 17, 39):
        assert await records(house, index) == [f"log:{index}", f"log:{index}-b"]
    assert sum(house.federation.evaluated) == 40
    assert max(house.federation.evaluated) <= 7


async def test_a_run_without_news_evaluates_and_writes_nothing(house: NodeHouse) -> None:
    fill(house.sources[0])
    random.Random(1).shuffle(house.sources[0].rows)
    await house.caseload.update()
    entries = len(await house.entries(EntryKind.CASELOAD_INDEXED))
    random.Random(2).shuffle(house.sources[0].rows)

    report = await house.caseload.update()

    assert (report.evaluated, report.changed, report.gone, report.left) == (0, 0, 0, 0)
    assert len(await house.entries(EntryKind.CASELOAD_INDEXED)) == entries
    assert sum(house.federation.evaluated) == 40


@pytest.mark.parametrize(
    "change",
    [
        {"fields": {"entry_text": "another text"}},
        {"date": dt.date(2026, 5, 2)},
        {"flags": frozenset({"DISPUTED"})},
        {"handling_code": "P"},
        {"source_ref": "log:other"},
    ],
)
async def test_whatever_changes_in_a_record_is_written(house: NodeHouse, change: dict[str, Any]) -> None:
    fill(house.sources[0])
    await house.caseload.update()
    position = next(n for n, row in enumerate(house.sources[0].rows) if getattr(row, "source_ref", "") == "log:3")
    house.sources[0].rows[position] = log_entry(CHILDREN[3], **{"ref": "log:3", **_as_kwargs(change)})

    report = await house.caseload.update()

    assert (report.changed, report.evaluated) == (1, 0)
    found = await house.lookup.find(house.federation.pseudonym(RESPONDER, CHILDREN[3]))
    for name, value in change.items():
        expected = tuple(value) if name == "flags" else value
        assert expected in [getattr(record, name) for record in found.records]


def _as_kwargs(change: dict[str, Any]) -> dict[str, Any]:
    return {("ref" if name == "source_ref" else name): value for name, value in change.items()}


async def test_flags_of_a_child_alone_are_a_change(house: NodeHouse) -> None:
    fill(house.sources[0])
    await house.caseload.update()
    house.sources[0].rows.append(SourceChild(CHILDREN[3], frozenset({"SENSITIVE_ADDRESS"})))

    assert (await house.caseload.update()).changed == 1
    found = await house.lookup.find(house.federation.pseudonym(RESPONDER, CHILDREN[3]))
    assert {record.flags for record in found.records} == {("SENSITIVE_ADDRESS",)}


async def test_a_child_leaves_when_no_source_lists_it(house: NodeHouse) -> None:
    fill(house.sources[0], 30)
    fill(house.sources[1], 30, first=10)
    await house.caseload.update()
    fill(house.sources[0], 25)

    report = await house.caseload.update()

    assert (report.gone, report.left, report.children) == (5, 0, 40)
    fill(house.sources[1], 25, first=15)
    report = await house.caseload.update()
    assert (report.gone, report.left, report.children) == (5, 0, 40)
    fill(house.sources[0], 20)
    fill(house.sources[1], 20, first=20)
    assert (await house.caseload.update()).left == 0
    house.sources[0].rows = [row for row in house.sources[0].rows if getattr(row, "child", None) != CHILDREN[0]]
    report = await house.caseload.update()
    assert (report.left, report.children) == (1, 39)
    assert await records(house, 0) == []
    assert await counted(house, "child") == 39


async def test_a_source_that_breaks_off_keeps_its_last_records(house: NodeHouse) -> None:
    fill(house.sources[0], 30)
    fill(house.sources[1], 10, first=30)
    await house.caseload.update()
    fill(house.sources[0], 30)
    house.sources[0].rows[-1] = log_entry(CHILDREN[29], "log:new")
    house.sources[0].fails_after = 60
    fill(house.sources[1], 9, first=30)

    report = await house.caseload.update()

    assert [source.error for source in report.sources] == ["SOURCE_UNREADABLE", ""]
    assert (report.changed, report.gone, report.left, report.children) == (0, 1, 1, 39)
    assert await records(house, 29) == ["log:29", "log:29-b"]
    assert await failing(house) == ("a/children", "a/log")
    assert await house.entries(EntryKind.SOURCE_FAILED) == [
        {"source": "a", "dataset": "children", "error": "source_unreadable"},
        {"source": "a", "dataset": "log", "error": "source_unreadable"},
    ]


async def test_a_source_that_goes_on_failing_is_news_once(house: NodeHouse) -> None:
    fill(house.sources[0])
    house.sources[0].fails_after = 3
    await house.caseload.update()
    await house.caseload.update()
    assert len(await house.entries(EntryKind.SOURCE_FAILED)) == 2

    house.sources[0].fails_after = None
    await house.caseload.update()
    assert await failing(house) == ()
    house.sources[0].fails_after = 3
    await house.caseload.update()
    assert len(await house.entries(EntryKind.SOURCE_FAILED)) == 4


@pytest.mark.parametrize(("left", "is_believed"), [(20, True), (19, False), (0, False)])
async def test_a_source_that_loses_more_than_half_its_children_is_not_believed_until_a_person_accepts_it(
    house: NodeHouse,
    left: int,
    is_believed: bool,  # noqa: FBT001 - a column of the table
) -> None:
    fill(house.sources[0], 40)
    await house.caseload.update()
    fill(house.sources[0], left)

    report = await house.caseload.update()

    assert report.is_complete is is_believed
    assert report.children == (left if is_believed else 40)
    if not is_believed:
        assert (await state(house, dataset="children")).fault == "shrunk"
        for dataset in ("children", "log"):
            await house.desk.accept("a", dataset, user="dsl", reason="A school has closed.")
        report = await house.caseload.update()
        assert (report.is_complete, report.children) == (True, left)


async def test_a_source_that_the_node_has_no_more_takes_its_children_along(store_url: str, policy: PolicyPoint) -> None:
    federation = Federation()
    sources = [ListSource("a"), ListSource("b")]
    fill(sources[0], 10)
    fill(sources[1], 10, first=5)
    async with a_node(store_url, policy, federation=federation, sources=sources) as house:
        await house.caseload.update()
        data_key = house.data_key
    async with a_node(store_url, policy, federation=federation, sources=sources[:1], data_key=data_key) as house:
        report = await house.caseload.update()
        assert (report.left, report.children) == (5, 10)
        assert await failing(house) == ()


class Stop(Exception):  # noqa: N818 - what a test throws
    """The process ends here."""


@pytest.mark.parametrize("batches", [0, 1, 3, 5])
async def test_a_run_that_was_stopped_anywhere_goes_on_where_it_stopped(house: NodeHouse, batches: int) -> None:
    fill(house.sources[0])
    house.federation.parties[RESPONDER].epochs = (1,)
    evaluate = house.federation.evaluate
    done = 0

    async def stopping(batch: pseudonym_pb2.BlindedBatch) -> pseudonym_pb2.EvaluateResponse:
        nonlocal done
        if done == batches:
            raise Stop
        done += 1
        return await evaluate(batch)

    house.pseudonyms._evaluator.evaluate = stopping  # type: ignore[method-assign]  # on purpose
    with pytest.raises(Stop):
        await house.caseload.update()
    stored = await counted(house, "child")
    house.pseudonyms._evaluator.evaluate = evaluate  # type: ignore[method-assign]  # on purpose

    report = await house.caseload.update()

    assert stored == batches * 7
    assert (report.children, report.evaluated) == (40, 40 - stored)
    assert sum(house.federation.evaluated) == 40
    assert await failing(house) == ()


async def test_a_batch_is_written_with_its_entry_or_not_at_all(
    house: NodeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(house.sources[0], 7)

    async def breaks(*_: object) -> None:
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(store, "apply_change", breaks)
        with pytest.raises(Stop):
            await house.caseload.update()
    assert (await counted(house, "child"), await house.entries(EntryKind.CASELOAD_INDEXED)) == (0, [])

    await house.caseload.update()
    bodies = await house.entries(EntryKind.CASELOAD_INDEXED)
    assert bodies == [{"source": "a", "evaluated": 7, "changed": 7, "gone": 0, "records": 14}]


async def test_the_ledger_holds_counts_only(house: NodeHouse) -> None:
    fill(house.sources[0])
    await house.caseload.update()

    text = await house.ledger_text()

    for child in CHILDREN:
        assert child.canonical() not in text
        assert house.vault.child_key(child) not in text


async def test_a_result_with_a_wrong_proof_is_not_used(house: NodeHouse) -> None:
    fill(house.sources[0], 5)
    evaluate = house.federation.evaluate

    async def lying(batch: pseudonym_pb2.BlindedBatch) -> pseudonym_pb2.EvaluateResponse:
        response = await evaluate(batch)
        other = house.federation.gateway.key(RESPONDER, 2).evaluate(response.trustee.elements)
        return pseudonym_pb2.EvaluateResponse(
            trustee=response.trustee, gateway=pseudonym_pb2.EvaluatedBatch(elements=other[0], proof=other[1])
        )

    house.pseudonyms._evaluator.evaluate = lying  # type: ignore[method-assign]  # on purpose
    with pytest.raises(WardgateError) as caught:
        await house.caseload.update()
    assert caught.value.code is ErrorCode.PROOF_REJECTED
    assert await counted(house, "child") == 0


async def test_a_new_epoch_moves_every_child_and_the_old_pseudonym_finds_it_during_the_overlap(
    house: NodeHouse,
) -> None:
    fill(house.sources[0])
    await house.caseload.update()
    house.federation.parties[RESPONDER].epochs = (1, 2)
    house.federation.publish()

    assert await failing(house) == ("epoch",)
    report = await house.caseload.update()

    assert (report.moved, report.evaluated, report.changed) == (40, 0, 0)
    assert await failing(house) == ()
    for epoch in (1, 2):
        found = await house.lookup.find(house.federation.pseudonym(RESPONDER, CHILDREN[9], epoch))
        assert found.number == CHILDREN[9]
    async with house.engine.connect() as connection:
        row = await store.find_child(connection, house.vault.child_key(CHILDREN[9]))
    assert row is not None
    kept = house.vault.open(Kind.PSEUDONYM, row.child_key, row.pseudonym)
    assert Pseudonym(kept) == house.federation.pseudonym(RESPONDER, CHILDREN[9], 2)


async def test_progress_is_told_with_rate_and_time_left(house: NodeHouse) -> None:
    fill(house.sources[0])
    await house.caseload.update()
    told: list[Progress] = []

    fill(house.sources[0], 39)
    await house.caseload.update(on_progress=told.append)

    index = [progress for progress in told if progress.phase is Phase.INDEX and progress.source == "a"]
    assert (index[-1].done, index[-1].total) == (39, 39)


async def test_rows_that_name_nobody_are_counted_by_reason_and_do_not_fail_a_source(house: NodeHouse) -> None:
    fill(house.sources[0], 5)
    rejected: list[SourceRow] = [
        Rejected("children", line, RejectionReason.NHS_NUMBER_INVALID, is_attributed=True) for line in (3, 4)
    ]
    house.sources[0].rows += rejected

    report = await house.caseload.update()

    assert report.sources[0].rejected == {"nhs_number_invalid": 2}
    assert report.is_complete


async def test_a_reject_under_a_name_that_is_no_dataset_goes_once_a_whole_reading_meets_it_no_more(
    house: NodeHouse,
) -> None:
    fill(house.sources[0], 5)
    stray = Rejected("other_resources", 1, RejectionReason.ROW_UNCLAIMED, "Binary")
    unnumbered = Rejected("children", 1, RejectionReason.NHS_NUMBER_INVALID, is_attributed=True)
    house.sources[0].rows += [stray, unnumbered]
    await house.caseload.update()
    assert await reject_datasets(house) == ["children", "other_resources"]

    house.sources[0].rows.remove(stray)
    house.sources[0].fails_after = 2
    await house.caseload.update()
    assert await reject_datasets(house) == ["children", "other_resources"]

    house.sources[0].fails_after = None
    await house.caseload.update()
    assert await reject_datasets(house) == ["children"]


async def test_rows_of_one_record_are_one_record_with_the_flags_of_both(house: NodeHouse) -> None:
    fill(house.sources[0], 3)
    again = log_entry(CHILDREN[0], "log:0", fields={"entry_text": "twice"}, flags=frozenset({"VIP"}))
    house.sources[0].rows.append(again)

    report = await house.caseload.update()

    assert report.is_complete
    (found,) = [record for record in await held(house, 0) if record.source_ref == "log:0"]
    assert (found.flags, found.fields_unreadable) == (("VIP",), frozenset({"entry_text"}))
    assert "entry_text" not in found.fields


async def test_two_sources_of_one_name_are_refused(house: NodeHouse) -> None:
    from agency_node.caseload.update import Caseload

    with pytest.raises(WardgateError, match="SETTINGS_INVALID"):
        Caseload([ListSource("a"), ListSource("a")], house.caseload._parts)


async def test_a_second_run_waits_for_the_first(house: NodeHouse) -> None:
    import asyncio

    fill(house.sources[0])

    reports = await asyncio.gather(house.caseload.update(), house.caseload.update())

    assert sorted(report.evaluated for report in reports) == [0, 40]


async def test_a_defect_of_a_source_is_not_swallowed(house: NodeHouse) -> None:
    class Broken(ListSource):
        def read(self, memory: Memory) -> Iterator[SourceRow]:  # noqa: ARG002 - it reads nothing
            raise ZeroDivisionError

    house.caseload._sources["a"] = Broken("a")
    with pytest.raises(ZeroDivisionError):
        await house.caseload.update()


async def test_a_state_row_says_how_a_dataset_fared(house: NodeHouse) -> None:
    fill(house.sources[0], 4)
    await house.caseload.update()

    found, now = await state(house), int(house.clock())

    assert (found.state, found.fault, found.categories) == (ReadingState.PARTIAL, "", "*")
    assert (found.tried_at, found.sound_at, found.as_at, found.accepted_at) == (now, now, now, 0)
    assert json.loads(found.counts) == json.loads(found.baseline)
    assert json.loads(found.counts) == {
        "rows": 8,
        "children": 4,
        "records": 8,
        "unreadable": 0,
        "unidentified": 0,
        "unclaimed": 0,
    }
