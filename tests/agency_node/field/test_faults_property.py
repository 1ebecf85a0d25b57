"""Whatever goes wrong with an export of whatever source: nobody becomes "nothing held", nothing protected is released.

Each source is written once, read, and accepted. For every fault that hypothesis draws, a copy of the export is damaged
and read by a copy of the node; then every child is looked up and put before policy as an answer would be, and some are
asked about from end to end.
"""

import asyncio
import datetime as dt
import json
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from agency_node.answering.consideration import Circumstances, Patience, consider
from agency_node.answering.disclosure import Occasion, disclose
from agency_node.answering.intake import Arrival
from agency_node.answering.task import VerifiedTask
from agency_node.caseload.grounds import Grounds
from agency_node.caseload.judging import MAY_BE_EMPTY_BELOW
from agency_node.caseload.lookup import Found
from agency_node.caseload.records import HeldRecord
from agency_node.sources.record import Unreadable
from federation.policy.decision import NodeDecision
from federation.policy.evaluator import PolicyPoint
from federation.vocabulary import Effect, Outcome, ReadingState
from keys.nhs_number import NhsNumber
from keys.pseudonym import Pseudonym
from keys.secret import Secret
from tests.support.exports import PROTECTED, SHIPPED, Export, Shipped, cell, steps
from tests.support.faults import CellFault, Edit, Fault, FileFault, RowFault, edits, faults
from tests.support.field import STRANGER, VALUES, Field, a_source
from tests.support.node_house import NodeHouse, a_node, url_of
from tests.support.two_agencies import NOW, REQUESTER, RESPONDER, Clock, Federation, Party

TODAY = dt.datetime.now(tz=dt.UTC).date().toordinal()
"""Another choice of faults every day, and the same all day long."""
FEW, MANY = 5, 250
DECISIVE = frozenset({Unreadable.ROW, Unreadable.TYPE, Unreadable.HANDLING_CODE, Unreadable.RELATION})


@dataclass(frozen=True)
class Known:
    """A child as the node knew it.

    Attributes:
        flags: Every flag of the child or of a record.
        is_in_doubt: What decides whether a record may be shown at all could not be read of one: policy takes the most
            protective value, and may show nothing of it.
        is_referred: A person would be asked.
        content: Everything that is held of the child.
    """

    outcome: Outcome
    refs: frozenset[str]
    flags: frozenset[str]
    is_in_doubt: bool
    is_referred: bool
    content: str


@dataclass(repr=False)
class Baseline:
    """A source that was read, accepted and read again, and what the node then knew."""

    export: Export
    folder: Path
    federation: Federation
    data_key: Secret
    policy: PolicyPoint
    pseudonyms: dict[str, Pseudonym]
    known: dict[str, Known] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    decisions: dict[tuple[str, str], tuple[tuple[HeldRecord, ...], NodeDecision]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Baseline({self.export.source.name})"

    def children(self, outcome: Outcome) -> list[str]:
        return [number for number, known in self.known.items() if known.outcome is outcome]

    def protected(self) -> list[str]:
        return [number for number, known in self.known.items() if PROTECTED in known.flags and known.refs]


@dataclass
class Reading:
    """What a node knows after one reading."""

    now: dict[str, Known]
    grounds: Grounds

    @property
    def is_sound(self) -> bool:
        return {item.state for item in self.grounds.reading} <= {ReadingState.SOUND, ReadingState.ABSENT}


@asynccontextmanager
async def a_copy(baseline: Baseline) -> AsyncIterator[tuple[Field, Export]]:
    """A copy of the node over a copy of the export."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "copy"
        shutil.copytree(baseline.folder, folder)
        export = Export(baseline.export.source, folder, baseline.export.location)
        async with a_house(export, baseline.federation, baseline.data_key, baseline.policy) as house:
            house.clock.now = NOW + 10
            yield Field(house, export.source.categories), export


def a_house(export: Export, federation: Federation, data_key: Secret, policy: PolicyPoint) -> Any:
    source = a_source("source", export.source.mapping, export.url, VALUES)
    return a_node(
        url_of(export.folder), policy, federation=federation, sources=[source], data_key=data_key, clock=Clock()
    )


async def look(house: NodeHouse, baseline: Baseline) -> Reading:
    """Look everybody up and put what is found before policy."""
    task = await _task(house, baseline.export.source)
    weigher = Weigher(house, baseline, task)
    now, everybody = {}, Grounds(())
    for number, pseudonym in baseline.pseudonyms.items():
        found, grounds = await house.lookup.look(pseudonym, baseline.export.source.categories, house.clock())
        now[number] = await weigher.known(number, found, grounds)
        everybody = grounds
    return Reading(now, everybody)


async def _task(house: NodeHouse, source: Shipped) -> VerifiedTask:
    asked = tuple((name, "T2") for name in source.categories)
    put = house.federation.ask(NhsNumber(STRANGER), categories=asked, now=house.clock())
    arrival = await house.intake.examine(put.task)
    assert isinstance(arrival, Arrival)
    return arrival.verified


@dataclass
class Weigher:
    """Puts children before policy; what was decided once of the same records is known."""

    house: NodeHouse
    baseline: Baseline
    task: VerifiedTask

    async def known(self, number: str, found: Found, grounds: Grounds) -> Known:
        house, decisions = self.house, self.baseline.decisions
        described = json.dumps([record.descriptor() for record in found.records], sort_keys=True)
        if (number, described) not in decisions:
            decisions[number, described] = await self._decided(found)
        records, decision = decisions[number, described]
        occasion = Occasion(self.task.header, int(house.clock()), grounds)
        answer = disclose(
            records,
            decision,
            occasion=occasion,
            contacts=house.responder.contacts,
            catalogue=house.policy.catalogue,
        )
        return Known(
            answer.outcome,
            refs=frozenset(record.source_ref for record in found.records),
            flags=frozenset(flag for record in found.records for flag in record.flags),
            is_in_doubt=any(record.unreadable & DECISIVE for record in found.records),
            is_referred=any(item.effect is Effect.REFER for item in decision.records),
            content=json.dumps([record.content() for record in found.records], sort_keys=True),
        )

    async def _decided(self, found: Found) -> tuple[tuple[HeldRecord, ...], NodeDecision]:
        house = self.house
        circumstances = Circumstances(
            responder=house.responder.descriptor,
            overlay=house.overlay,
            counters=house.responder.counters.view(REQUESTER, self.task.header.user_ref),
            reviews={},
            now=house.clock(),
        )
        considered = await consider(self.baseline.policy, self.task, found.records, circumstances, Patience())
        assert considered.decision.failure is None
        return considered.records, considered.decision


async def prepared(source: Shipped, folder: Path, policy: PolicyPoint) -> Baseline:
    export = Export(source, folder, source.build(folder))
    federation = Federation(
        parties={
            REQUESTER: Party(REQUESTER, "childrens_services"),
            RESPONDER: Party(RESPONDER, source.kind, "S16E_EDU" if source.kind == "school" else "S11_1"),
        }
    )
    baseline = Baseline(export, folder, federation, Secret.random(), policy, {})
    async with a_house(export, federation, baseline.data_key, policy) as house:
        await Field(house, source.categories).settle()
        assert await Field(house, source.categories).faults() == {}
        differences: Any = await house.caseload.compare()
        assert differences[0]["differences"] == []
        for number in numbers(export):
            baseline.pseudonyms[number] = federation.pseudonym(RESPONDER, NhsNumber(number))
        reading = await look(house, baseline)
        assert reading.is_sound
        baseline.known = reading.now
        baseline.rows = {table: len(export.rows(table)) for table in export.tables()}
    # What the tests are about is there.
    assert len(baseline.known) >= 45
    assert len(baseline.children(Outcome.RECORDS)) >= 30
    assert len(baseline.protected()) >= 3
    assert set(map(baseline.known.__getitem__, baseline.protected())) & set(baseline.known.values())
    return baseline


def numbers(export: Export) -> list[str]:
    """Every child's number in an export."""
    found = {
        str(number).replace(" ", "")
        for table in export.source.children
        for row in export.rows(table)
        if (number := cell(row, steps(export.source.columns[table]["number"])))
    }
    return sorted(number for number in found if len(number) == 10 and number.isdigit())


@pytest.fixture(scope="module")
def baselines(tmp_path_factory: pytest.TempPathFactory, policy: PolicyPoint) -> dict[str, Baseline]:
    """Made for those sources that a test asks for."""
    folder = tmp_path_factory.mktemp("baselines")

    class _Made(dict[str, Baseline]):
        def __missing__(self, name: str) -> Baseline:
            own = folder / name.replace(" ", "-")
            own.mkdir()
            self[name] = asyncio.run(prepared(SHIPPED[name], own, policy))
            return self[name]

    return _Made()


# -- faults -----------------------------------------------------------------------------------------------------------


def is_honest(fault: Fault, baseline: Baseline) -> bool:
    """Whether a fault looks like something that an agency may say: a small dataset that may be empty is."""
    takes_all = isinstance(fault, FileFault) and (
        fault.damage == "no rows" or (fault.damage == "removed" and fault.table.endswith(".ndjson"))
    )
    return takes_all and baseline.rows[fault.table] < MAY_BE_EMPTY_BELOW and baseline.export.may_be_empty(fault.table)


async def after(fault: Fault, baseline: Baseline) -> None:
    async with a_copy(baseline) as (node, export):
        fault.apply(export)
        await node.index()
        reading = await look(node.house, baseline)
        check(fault, baseline, reading)
        await node.index()
        check(fault, baseline, await look(node.house, baseline))
        await check_alike(node, baseline)


def check(fault: Fault, baseline: Baseline, reading: Reading) -> None:
    for number, before in baseline.known.items():
        now = reading.now[number]
        gained = now.flags - before.flags
        if before.outcome is Outcome.RECORDS and not is_honest(fault, baseline):
            is_protected = gained or (now.is_in_doubt and not reading.is_sound)
            is_told = now.outcome in {Outcome.RECORDS, Outcome.ERROR}
            assert is_told or is_protected, f"{number} became {now.outcome}"
        if number in baseline.protected():
            assert now.outcome is not Outcome.RECORDS, f"{number} was protected"
    if reading.grounds.are_failing:
        assert Outcome.NOTHING_HELD not in {known.outcome for known in reading.now.values()}


async def check_alike(node: Field, baseline: Baseline) -> None:
    """Answers of one agency never differ in what they say of its readings, and hidden is absent byte for byte."""
    absent = await node.answer(STRANGER)
    hidden = await node.answer(baseline.protected()[0])
    held = await node.answer(next(number for number, known in baseline.known.items() if not known.is_referred))
    assert hidden.reading == absent.reading == held.reading
    same = {"query_id": absent.query_id, "answered_at": absent.answered_at}
    assert hidden.model_copy(update=same).canonical() == absent.canonical()


# -- edits ------------------------------------------------------------------------------------------------------------


async def after_edit(edit: Edit, baseline: Baseline) -> None:
    async with a_copy(baseline) as (node, export):
        about = edit.apply(export)
        differences = await node.differences()
        report = await node.index()
        reading = await look(node.house, baseline)
        if edit.what == "most gone":
            check_guarded(edit, baseline, reading)
            return
        assert reading.is_sound
        named = {(change, number) for change, number, _ in differences}
        unaffected = {number: known for number, known in baseline.known.items() if number != about}
        assert {number: reading.now[number] for number in unaffected} == unaffected
        if about:
            await check_edit(edit, node, baseline, reading, named)
        assert report.children == len(baseline.known) + {"child added": 1, "child gone": -1}.get(edit.what, 0)


def check_guarded(edit: Edit, baseline: Baseline, reading: Reading) -> None:
    """What lost more than half is not believed, and everybody is known as before."""
    if baseline.rows[edit.table] < MAY_BE_EMPTY_BELOW and baseline.export.may_be_empty(edit.table):
        return
    assert reading.grounds.are_failing
    for number, before in baseline.known.items():
        assert reading.now[number].content == before.content


async def check_edit(
    edit: Edit, node: Field, baseline: Baseline, reading: Reading, named: set[tuple[str, str]]
) -> None:
    (about,) = {number for _, number in named}
    changes = {change for change, _ in named}
    if edit.what == "child added":
        assert changes == {"added"}
        return
    before, now = baseline.known[about], reading.now[about]
    match edit.what:
        case "row gone":
            assert changes == {"gone"}
            assert now.refs < before.refs
        case "row added":
            assert changes == {"added"}
            assert now.refs > before.refs
        case "date moved":
            assert changes == {"changed"}
            assert (now.refs, now.content == before.content) == (before.refs, False)
        case "child gone":
            assert changes == {"gone"}
            assert (now.outcome, now.refs) == (Outcome.NOTHING_HELD, frozenset())
        case "flag blanked":
            assert changes == {"flag_gone"}
            assert now == before
            assert await node.dismiss("flag_disappeared") == 1
            await node.index()
            assert PROTECTED not in (await look(node.house, baseline)).now[about].flags


# -- the properties ---------------------------------------------------------------------------------------------------


def tried(
    name: str,
    baseline: Baseline,
    drawn: st.SearchStrategy[Any],
    check_one: Callable[[Any, Baseline], Coroutine[Any, Any, None]],
    *,
    most: int,
) -> None:
    """Draw faults or edits of a source and check each."""

    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @seed(TODAY + sum(map(ord, name)))
    @given(drawn)
    def holds(one: Fault | Edit) -> None:
        if one.table in baseline.rows:
            asyncio.run(check_one(one, baseline))

    holds()


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("police", CellFault("nominals.csv", "number", "copied", "one", 0.5)),
        ("police", CellFault("notifications.csv", "key", "garbled", "one", 0.1)),
        ("police", RowFault("notifications.csv", "emptied", "one", 0.1)),
        ("police", FileFault("notifications.csv", "quote", 0.4)),
        ("school", CellFault("pupils.csv", "number", "copied", "one", 0.2)),
        ("school", CellFault("pupils.csv", "flags", "emptied", "all", 0.0)),
        ("youth justice", CellFault("interventions.csv", "key", "emptied", "one", 0.1)),
        ("youth justice", CellFault("children.csv", "number", "copied", "one", 0.5)),
        ("youth justice", RowFault("interventions.csv", "emptied", "one", 0.1)),
        ("youth justice", FileFault("interventions.csv", "cut", 0.9)),
        ("own records", CellFault("records.jsonl", "number", "garbled", "two", 0.0)),
        ("own records", RowFault("records.jsonl", "emptied", "one", 0.05)),
        ("social care", CellFault("ssd_person", "key", "garbled", "one", 0.0)),
        ("social care", RowFault("ssd_person", "emptied", "one", 0.5)),
        ("health bundle", CellFault("Patient", "number", "copied", "one", 0.5)),
        ("health bulk", FileFault("Encounter.ndjson", "no rows", 0.0)),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.table} {value.damage}",
)
def test_a_fault_that_a_weaker_reader_misses(name: str, fault: Fault, baselines: dict[str, Baseline]) -> None:
    asyncio.run(after(fault, baselines[name]))


@pytest.mark.parametrize("name", SHIPPED)
def test_no_fault_becomes_nothing_held(name: str, baselines: dict[str, Baseline]) -> None:
    tried(name, baselines[name], faults(SHIPPED[name]), after, most=FEW)


@pytest.mark.parametrize("name", SHIPPED)
def test_an_edit_is_named_and_told_and_changes_nothing_else(name: str, baselines: dict[str, Baseline]) -> None:
    tried(name, baselines[name], edits(SHIPPED[name]), after_edit, most=FEW)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SHIPPED)
def test_none_of_many_faults_becomes_nothing_held(name: str, baselines: dict[str, Baseline]) -> None:
    tried(name, baselines[name], faults(SHIPPED[name]), after, most=MANY)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SHIPPED)
def test_each_of_many_edits_is_named_and_told(name: str, baselines: dict[str, Baseline]) -> None:
    tried(name, baselines[name], edits(SHIPPED[name]), after_edit, most=MANY)
