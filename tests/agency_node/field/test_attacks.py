"""Several readings in a row, with what goes wrong between them: nobody is lost, and nothing protected is told."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import pytest

from agency_node.caseload import spool
from agency_node.caseload.indexer import CaseloadRuns
from agency_node.caseload.orders import SourceAction, SourceOrder, SourceOrders
from agency_node.caseload.rehearsal import preview
from agency_node.sources.mapped_source import MappedSource
from agency_node.sources.source import Memory, SourceRow
from federation.policy.evaluator import PolicyPoint
from federation.vocabulary import Outcome
from keys.nhs_number import NhsNumber
from tests.support.field import Field, a_field_node, a_source
from tests.support.node_house import ListSource, a_node, log_entry, number, url_of

MAPPING = """
format = 1
title = "Register"
kind = "files"

[datasets.pupils]
file = "pupils.csv"

[datasets.terms]
file = "terms*.csv"
pick = "all"
may_be_empty = true

[datasets.moves]
file = "moves.csv"
optional = true
may_be_empty = true

[[children]]
dataset = "pupils"
key = "Key"
nhs_number = "NHS"
flags = [{ column = "Flags" }]

[[records]]
dataset = "terms"
category = "attendance"
type = "term"
child = { key = "Key" }
ref = "Id"
date = "Day"
[records.fields]
attendance_percent = { column = "Percent", type = "percent" }

[[records]]
dataset = "moves"
category = "exclusion"
type = "suspension"
child = { nhs_number = "NHS" }
ref = "Id"
date = "Day"
flags = [{ column = "Flags" }]
[records.fields]
suspension_count = { column = "Count", type = "integer" }
"""
CHILDREN = [number(place).canonical() for place in range(1200, 1400)]
KNOWN = 3
"""The child of whom these tests are."""


def pupils(numbers: dict[int, str] | None = None, *, without: Iterable[int] = (), **flags: str) -> str:
    rows = [
        f"K{place},{(numbers or {}).get(place, found)},{flags.get(f'K{place}', '')}\n"
        for place, found in enumerate(CHILDREN)
        if place not in without
    ]
    return "Key,NHS,Flags\n" + "".join(rows)


def term(place: int, *, key: str = "", percent: str = "93") -> str:
    return f"T{place},{key or f'K{place}'},2026-09-01,{percent}\n"


def terms(rows: dict[int, str] | None = None) -> str:
    own = rows or {}
    return "Id,Key,Day,Percent\n" + "".join(own.get(place, term(place)) for place in range(len(CHILDREN)))


def move(place: int, *, flags: str = "", child: str = "") -> str:
    return f"M{place},{child or CHILDREN_AWAY[place]},2026-09-02,1,{flags}\n"


CHILDREN_AWAY = [number(place).canonical() for place in range(1500, 1700)]
"""Children known by their moves alone."""


def moves(rows: dict[int, str] | None = None) -> str:
    own = rows or {}
    return "Id,NHS,Day,Count,Flags\n" + "".join(own.get(place, move(place)) for place in range(len(CHILDREN_AWAY)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "exports"
    found.mkdir()
    (found / "pupils.csv").write_text(pupils())
    (found / "terms.csv").write_text(terms())
    (found / "moves.csv").write_text(moves())
    return found


@pytest.fixture
async def node(tmp_path: Path, folder: Path, policy: PolicyPoint) -> AsyncIterator[Field]:
    mapping = tmp_path / "register.toml"
    mapping.write_text(MAPPING)
    async with a_field_node(
        url_of(tmp_path),
        policy,
        kind="school",
        mapping=str(mapping),
        location=folder,
        categories=("attendance", "exclusion"),
    ) as field:
        await field.settle()
        yield field


UNREADABLE = {"attendance": {"UNREADABLE"}}


async def test_a_row_that_is_edited_while_it_cannot_be_read_still_hides_its_child(node: Field, folder: Path) -> None:
    (folder / "terms.csv").write_text(terms({KNOWN: term(KNOWN, key="LOST").replace("T3,", ",")}))
    await node.index()
    assert await node.pointers(CHILDREN[KNOWN]) == UNREADABLE

    (folder / "terms.csv").write_text(terms({KNOWN: term(KNOWN, key="LOST", percent="94").replace("T3,", ",")}))
    await node.index()

    assert await node.pointers(CHILDREN[KNOWN]) == UNREADABLE


async def test_a_malformed_row_that_moves_still_hides_its_record(node: Field, folder: Path) -> None:
    broken = {KNOWN: term(KNOWN).replace(",93", ",9,3")}
    (folder / "terms.csv").write_text(terms(broken))
    await node.index()
    assert await node.pointers(CHILDREN[KNOWN]) == UNREADABLE

    (folder / "terms.csv").write_text(terms({**broken, 0: term(500, key="K0") + term(0)}))
    await node.index()
    assert await node.pointers(CHILDREN[KNOWN]) == UNREADABLE
    (folder / "terms.csv").rename(folder / "terms-2.csv")
    await node.index()

    assert await node.pointers(CHILDREN[KNOWN]) == UNREADABLE


async def test_a_malformed_row_that_moves_keeps_nobody_who_left_meanwhile(node: Field, folder: Path) -> None:
    broken = {KNOWN: term(KNOWN).replace(",93", ",9,3")}
    (folder / "terms.csv").write_text(terms(broken))
    await node.index()

    (folder / "terms.csv").write_text(terms({**broken, 0: term(500, key="K0") + term(0), 9: ""}))
    await node.index()

    assert await node.pointers(CHILDREN[KNOWN]) == UNREADABLE
    assert await node.outcome(CHILDREN[9]) is Outcome.NOTHING_HELD


async def test_a_row_first_met_in_a_reading_that_was_not_believed_hides_its_record_afterwards(
    node: Field, folder: Path
) -> None:
    lost = term(KNOWN, key="LOST")
    broken = {place: term(place, key=f"X{place}") for place in range(100, 140)}
    (folder / "terms.csv").write_text(terms({**broken, KNOWN: lost}))
    await node.index()
    assert await node.faults() == {"terms": "unidentified_jump"}

    (folder / "terms.csv").write_text(terms({KNOWN: lost}))
    await node.index()

    assert await node.faults() == {}
    assert await node.pointers(CHILDREN[KNOWN]) == UNREADABLE


async def test_a_row_first_met_in_a_void_reading_hides_its_child_afterwards(node: Field, folder: Path) -> None:
    (folder / "pupils.csv").write_text(pupils({KNOWN: "9.99E+09"}).replace("K3,", ",") + 'K,"')
    await node.index()
    assert "pupils" in await node.faults()

    (folder / "pupils.csv").write_text(pupils({KNOWN: "9.99E+09"}).replace("K3,", ","))
    await node.index()

    assert await node.faults() == {}
    assert await node.pointers(CHILDREN[KNOWN]) == UNREADABLE


async def test_children_known_by_their_records_alone_stay_while_these_cannot_be_read(node: Field, folder: Path) -> None:
    (folder / "moves.csv").write_text('Id,NHS,Day,Count,Flags\nM,"')
    await node.index()

    assert await node.faults() == {"moves": "unreadable"}
    assert await node.told(CHILDREN_AWAY[0], "suspension_count") == [(1,)]


async def test_a_child_known_by_its_record_alone_stays_when_the_records_number_is_lost(
    node: Field, folder: Path
) -> None:
    (folder / "moves.csv").write_text(moves({0: move(0, child="9.99E+09")}))
    await node.index()

    assert await node.faults() == {}
    assert await node.pointers(CHILDREN_AWAY[0]) == {"exclusion": {"UNREADABLE"}}


async def test_a_flag_of_a_child_known_by_its_record_alone_outlives_a_failure(node: Field, folder: Path) -> None:
    (folder / "moves.csv").write_text(moves({0: move(0, flags="WITNESS_PROT")}))
    await node.index()
    assert await node.is_hidden(CHILDREN_AWAY[0])
    (folder / "moves.csv").write_text('Id,NHS,Day,Count,Flags\nM,"')
    await node.index()
    (folder / "moves.csv").write_text(moves())
    await node.index()

    assert await node.is_hidden(CHILDREN_AWAY[0])


@pytest.mark.parametrize("flag", ["WITNESS_PROT", "LEGALLY_PRIVILEGED"])
async def test_a_flag_stays_where_its_record_is_gone_until_a_person_confirms(
    node: Field, folder: Path, flag: str
) -> None:
    child = CHILDREN[KNOWN]
    flagged = "M900," + child + ",2026-09-03,1," + flag + "\n"
    (folder / "moves.csv").write_text(moves() + flagged)
    await node.index()
    before = await node.answer(child)

    (folder / "moves.csv").write_text(moves())
    await node.index()
    await node.index()

    after = await node.answer(child)
    assert await node.faults() == {}
    assert after.records == before.records
    assert await node.rejects() == [("moves", "flag_disappeared")]

    assert await node.dismiss("flag_disappeared") == 1
    await node.index()
    assert await node.told(child, "attendance_percent") == [(93,)]
    assert await node.rejects() == []


async def test_no_field_of_a_record_that_is_gone_stays_with_its_flag(node: Field, folder: Path) -> None:
    child = CHILDREN[KNOWN]
    (folder / "moves.csv").write_text(moves() + f"M900,{child},2026-09-03,1,DISPUTED\n")
    await node.index()
    assert (1,) in await node.told(child, "suspension_count")

    (folder / "moves.csv").write_text(moves())
    await node.index()

    assert await node.pointers(child) == {"exclusion": {"UNREADABLE"}}


async def test_a_flag_that_another_record_of_the_child_has_goes_with_its_own(node: Field, folder: Path) -> None:
    child = CHILDREN[KNOWN]
    rows = [f"M90{place},{child},2026-09-03,1,WITNESS_PROT\n" for place in (0, 1)]
    (folder / "moves.csv").write_text(moves() + "".join(rows))
    await node.index()

    (folder / "moves.csv").write_text(moves() + rows[1])
    await node.index()

    assert await node.rejects() == []
    assert await node.is_hidden(child)


async def test_a_mark_that_is_unknown_and_went_missing_with_its_child_stays_when_the_child_is_back(
    node: Field, folder: Path
) -> None:
    (folder / "pupils.csv").write_text(pupils(K3="???"))
    await node.index()
    before = await node.answer(CHILDREN[KNOWN])
    (folder / "pupils.csv").write_text(pupils({KNOWN: "9.99E+09"}).replace("K3,", ","))
    await node.index()

    (folder / "pupils.csv").write_text(pupils())
    await node.index()

    after = await node.answer(CHILDREN[KNOWN])
    assert (after.outcome, after.records) == (before.outcome, before.records)
    assert ("", "flag_disappeared") in await node.rejects()


async def test_what_stands_for_a_mark_in_a_row_that_could_not_be_read_goes_when_the_row_is_read(
    node: Field, folder: Path
) -> None:
    (folder / "moves.csv").write_text(moves({0: move(0, child="9.99E+09", flags="INFORMANT")}))
    await node.index()
    assert await node.is_hidden(CHILDREN_AWAY[0])

    (folder / "moves.csv").write_text(moves())
    await node.index()

    assert await node.told(CHILDREN_AWAY[0], "suspension_count") == [(1,)]
    assert await node.rejects() == []


async def test_a_mark_that_is_unknown_and_went_missing_with_its_record_stays_when_the_record_is_back(
    node: Field, folder: Path
) -> None:
    (folder / "moves.csv").write_text(moves({0: move(0, flags="???")}))
    await node.index()
    (folder / "moves.csv").write_text(moves({0: move(0, child="9.99E+09", flags="INFORMANT")}))
    await node.index()

    (folder / "moves.csv").write_text(moves())
    await node.index()

    assert await node.is_hidden(CHILDREN_AWAY[0])


async def test_a_reading_is_accepted_with_the_rows_that_were_met_in_it(node: Field, folder: Path) -> None:
    lost = term(KNOWN, key="LOST").replace("T3,", ",")
    (folder / "terms.csv").write_text(terms({KNOWN: lost}))
    await node.index()
    (folder / "terms.csv").write_text(terms()[: len(terms()) // 4].rpartition("\n")[0] + "\n")
    await node.index()
    assert await node.faults() == {"terms": "shrunk"}

    await node.accept("terms")
    (folder / "terms.csv").write_text(terms({KNOWN: lost}))
    await node.index()

    assert await node.pointers(CHILDREN[KNOWN]) == UNREADABLE


async def test_rows_that_are_rightly_nobodys_leave_room_for_one_that_may_be_somebodys(
    node: Field, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MAX_REJECTS_KEPT", 2)
    repeated = "".join(term(0) for _ in range(5))
    (folder / "terms.csv").write_text(terms({0: repeated, KNOWN: term(KNOWN, key="LOST")}))

    await node.index()

    assert await node.pointers(CHILDREN[KNOWN]) == UNREADABLE


@pytest.mark.parametrize(("lost", "kept"), [(2, False), (3, True)])
async def test_more_rows_than_are_kept_may_hide_whatever_is_missing(
    node: Field,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    lost: int,
    kept: bool,  # noqa: FBT001 - a column of the table
) -> None:
    monkeypatch.setattr(spool, "MAX_REJECTS_KEPT", 2)
    rows = {place: term(place, key="LOST") for place in range(10, 10 + lost)}
    (folder / "terms.csv").write_text(terms(rows))
    await node.index()

    (folder / "terms.csv").write_text(terms({**rows, KNOWN: ""}))
    await node.index()

    assert await node.faults() == {}
    assert await node.pointers(CHILDREN[KNOWN]) == (UNREADABLE if kept else {})


class SlowSource(ListSource):
    """A list that is read once it may be."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.may_go_on = threading.Event(), threading.Event()

    def read(self, memory: Memory) -> Iterator[SourceRow]:
        self.begun.set()
        assert self.may_go_on.wait(30)
        yield from super().read(memory)


async def ready() -> None: ...


async def test_what_is_accepted_while_a_run_is_under_way_stays_accepted(tmp_path: Path, policy: PolicyPoint) -> None:
    source = SlowSource()
    source.hold(number(1), log_entry(number(1)))
    async with a_node(url_of(tmp_path), policy, sources=[source]) as house:
        orders = SourceOrders(house.desk, house.caseload, CaseloadRuns(house.caseload, every_s=0, ready=ready))
        source.may_go_on.set()
        await house.caseload.update()
        source.begun.clear()
        source.may_go_on.clear()
        running = asyncio.create_task(house.caseload.update())
        assert await asyncio.to_thread(source.begun.wait, 30)
        order = SourceOrder(user="dsl", action=SourceAction.ACCEPT, reason="Compared with the system.")
        accepting = asyncio.create_task(orders.order(order))
        await asyncio.wait({accepting}, timeout=0.5)  # as far as it gets
        source.may_go_on.set()

        await asyncio.gather(running, accepting)

        assert {state["state"] for state in await house.desk.states()} == {"sound"}


async def test_a_key_that_says_the_same_in_every_row_names_nobody(node: Field, folder: Path) -> None:
    (folder / "pupils.csv").write_text("Key,NHS,Flags\n" + "".join(f"TBC,{found},\n" for found in CHILDREN))

    await node.index()

    found = {str(state["dataset"]): str(state["detail"]) for state in await node.house.desk.states()}
    assert "its key or its number stands in rows of more than 100 others" in found["pupils"]
    assert await node.told(CHILDREN[KNOWN], "attendance_percent") == [(93,)]


async def test_a_number_that_stands_in_every_row_names_nobody(node: Field, folder: Path) -> None:
    (folder / "pupils.csv").write_text(pupils(dict.fromkeys(range(len(CHILDREN)), CHILDREN[0])))

    await node.index()

    assert set(await node.faults()) == {"pupils", "terms", "moves"}
    assert await node.told(CHILDREN[KNOWN], "attendance_percent") == [(93,)]


async def test_an_id_that_says_the_same_in_every_row_fails_its_dataset_alone(node: Field, folder: Path) -> None:
    rows = {place: term(place).replace(f"T{place},", "N/A,") for place in range(len(CHILDREN))}
    (folder / "terms.csv").write_text(terms(rows))

    await node.index()

    assert await node.faults() == {"terms": "unreadable"}
    assert await node.told(CHILDREN[KNOWN], "attendance_percent") == [(93,)]
    assert await node.outcome(CHILDREN_AWAY[0]) is Outcome.RECORDS


async def test_what_a_dataset_held_stays_when_the_mapping_calls_it_otherwise(
    node: Field, folder: Path, tmp_path: Path
) -> None:
    mapping = tmp_path / "renamed.toml"
    mapping.write_text(MAPPING.replace("datasets.moves", "datasets.exclusions").replace('"moves"', '"exclusions"'))
    (folder / "moves.csv").rename(folder / "movements.csv")
    node.house.caseload._sources["source"] = a_source("source", str(mapping), folder)

    await node.index()

    assert await node.faults() == {"moves": "not_mapped"}
    assert await node.told(CHILDREN_AWAY[0], "suspension_count") == [(1,)]
    assert await node.outcome(number(1800).canonical()) is Outcome.ERROR
    await node.accept("moves")
    await node.index()
    assert await node.faults() == {}
    assert await node.outcome(CHILDREN_AWAY[0]) is Outcome.NOTHING_HELD


@pytest.mark.parametrize("written", [0, -11_644_473_600])
async def test_a_file_without_a_time_of_its_own_does_not_claim_to_be_new(
    node: Field, folder: Path, written: int
) -> None:
    os.utime(folder / "terms.csv", (written, written))

    await node.index()

    answer = await node.answer(CHILDREN[KNOWN])
    assert answer.outcome is Outcome.RECORDS
    assert {item.as_at for item in answer.reading if item.dataset == "source/terms"} == {0}


async def test_a_file_whose_name_is_no_text_is_named_all_the_same(node: Field, folder: Path) -> None:
    (folder / os.fsdecode(b"terms-\xff.csv")).write_text("Id,Key,Day,Percent\nT3,K3\nT3,K3,2026-09-01,5,5\n")

    await node.index()

    assert ("terms", "row_malformed") in await node.rejects()
    (folder / os.fsdecode(b"terms-\xff.csv")).write_text('Id,Key,Day,Percent\n"')
    await node.index()
    assert await node.faults() == {"terms": "unreadable"}


async def test_a_flag_that_a_void_reading_brings_protects_what_another_source_holds(
    tmp_path: Path, policy: PolicyPoint
) -> None:
    school, police = ListSource("school"), ListSource("police")
    school.hold(number(1), log_entry(number(1)))
    police.hold(number(2), log_entry(number(2)))
    async with a_node(url_of(tmp_path), policy, sources=[school, police]) as house:
        await house.caseload.update()
        field = Field(house, ("safeguarding_log",))
        assert await field.outcome(number(1).canonical()) is Outcome.RECORDS

        police.hold(number(1), flags=frozenset({"WITNESS_PROT"}))
        police.fails_after = 2
        await field.index()

        assert await field.outcome(number(1).canonical()) is Outcome.ERROR


def test_a_preview_says_what_could_not_be_read(tmp_path: Path, folder: Path) -> None:
    mapping = tmp_path / "register.toml"
    mapping.write_text(MAPPING)
    (folder / "moves.csv").write_text('Id,NHS,Day,Count,Flags\nM,"')
    source = a_source("source", str(mapping), folder)
    assert isinstance(source, MappedSource)

    found = preview([source], NhsNumber(CHILDREN_AWAY[0]), now=1_800_000_000, unreadable_percent=2)

    assert (found["known"], found["records"]) == (False, [])
    assert [(item["dataset"], item["state"], item["detail"]) for item in found["failing"]] == [
        ("moves", "failing", "source: dataset moves: moves.csv: the quotation that begins in line 2 has no end")
    ]


async def test_what_two_rows_may_hide_stays_until_both_are_read(node: Field, folder: Path) -> None:
    """One row may be the child's, another its record's: that the first is read says nothing of the second."""
    lost = moves({0: move(0, child="9.99E+09")})
    (folder / "moves.csv").write_text(lost)
    await node.index()
    (folder / "pupils.csv").write_text(pupils({KNOWN: "9.99E+09"}).replace("K3,", ","))
    await node.index()

    (folder / "pupils.csv").write_text(pupils())
    await node.index()

    assert await node.faults() == {}
    assert await node.pointers(CHILDREN_AWAY[0]) == {"exclusion": {"UNREADABLE"}}


async def test_a_row_that_says_what_another_said_before_a_failure_is_met_again(node: Field, folder: Path) -> None:
    lost = term(KNOWN, key="LOST").replace("T3,", ",")
    (folder / "terms.csv").write_text(terms({5: lost}))
    await node.index()
    (folder / "terms.csv").write_text("Id,Key,Day,Percent\n" + term(0))
    await node.index()
    assert await node.faults() == {"terms": "shrunk"}

    (folder / "terms.csv").write_text(terms({KNOWN: lost}))
    await node.index()

    assert await node.faults() == {}
    assert await node.pointers(CHILDREN[KNOWN]) == UNREADABLE
