"""An agency's own export job (`wardgate-records`) with the faults that such jobs have."""

import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from federation.policy.evaluator import PolicyPoint
from federation.vocabulary import Outcome, ReadingState
from tests.support.field import STRANGER, Field, a_field_node, a_source
from tests.support.node_house import number, url_of

NUMBERS = [number(place).canonical() for place in range(700, 760)]


def record(place: int, **changes: Any) -> dict[str, Any]:
    usual = {
        "nhs_number": NUMBERS[place],
        "ref": f"r{place}",
        "category": "police_incident",
        "type": "concern_for_child",
        "date": "2026-11-05",
        "fields": {"incident_date": "2026-11-05", "incident_line": f"Line {place}"},
        "flags": [],
        "assertion": "fact",
        "relation": "subject",
        "contact_level": "unknown",
        "handling_code": "",
    }
    return {**usual, **changes}


def lines(found: Iterable[object]) -> str:
    return "".join(json.dumps(item) + "\n" for item in found)


def children(**flags: list[str]) -> str:
    return lines({"nhs_number": found, "flags": flags.get(f"n{place}", [])} for place, found in enumerate(NUMBERS))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return filled(tmp_path / "exports")


def filled(folder: Path) -> Path:
    folder.mkdir()
    (folder / "children.jsonl").write_text(children())
    (folder / "records.jsonl").write_text(lines(map(record, range(60))))
    return folder


def a_force(tmp_path: Path, policy: PolicyPoint, folder: Path, **more: Any) -> Any:
    return a_field_node(
        url_of(tmp_path),
        policy,
        kind="police",
        mapping="wardgate-records",
        location=folder,
        categories=("police_incident", "missing"),
        **more,
    )


@pytest.fixture
async def force(tmp_path: Path, folder: Path, policy: PolicyPoint) -> AsyncIterator[Field]:
    async with a_force(tmp_path, policy, folder) as field:
        yield field


async def line(force: Field, place: int) -> list[object]:
    return [text for (text,) in await force.told(NUMBERS[place], "incident_line")]


def cut() -> str:
    """The last child's row, half written."""
    return children(n59=["WITNESS_PROT"]).removesuffix('ROT"]}\n')


async def test_a_half_written_row_of_children_releases_nothing_of_them(force: Field, folder: Path) -> None:
    (folder / "children.jsonl").write_text(cut())

    await force.index()

    assert set(await force.faults()) == {"children", "records"}
    assert await force.outcome(NUMBERS[59]) is Outcome.ERROR
    assert await force.outcome(NUMBERS[0]) is Outcome.ERROR
    (folder / "children.jsonl").write_text(children(n59=["WITNESS_PROT"]))
    await force.index()
    assert await force.is_hidden(NUMBERS[59])
    assert await line(force, 0) == ["Line 0"]


async def test_a_half_written_row_of_a_protected_child_leaves_the_child_protected(force: Field, folder: Path) -> None:
    (folder / "children.jsonl").write_text(children(n59=["WITNESS_PROT"]))
    await force.settle()
    (folder / "children.jsonl").write_text(cut())

    await force.index()

    assert await force.outcome(NUMBERS[59]) is Outcome.ERROR
    assert await line(force, 0) == ["Line 0"]


async def test_a_half_written_record_is_not_believed(force: Field, folder: Path) -> None:
    await force.settle()
    path = folder / "records.jsonl"
    path.write_text(path.read_text()[:-50])

    await force.index()

    assert await force.faults() == {"records": "unreadable"}
    assert await line(force, 59) == ["Line 59"]
    assert await force.outcome(STRANGER) is Outcome.ERROR


async def test_a_record_of_a_number_with_a_wrong_digit_may_be_the_record_that_is_missing(
    force: Field, folder: Path
) -> None:
    await force.settle()
    rows = [record(place) for place in range(60)]
    rows[7]["nhs_number"] = rows[7]["nhs_number"][:-1] + ("1" if rows[7]["nhs_number"][-1] != "1" else "2")
    (folder / "records.jsonl").write_text(lines(rows))

    await force.index()

    assert await force.faults() == {}
    assert await force.pointers(NUMBERS[7]) == {"police_incident": {"UNREADABLE"}}
    assert await force.dismiss("nhs_number_invalid") == 1
    await force.index()
    assert await force.outcome(NUMBERS[7]) is Outcome.NOTHING_HELD


async def test_a_record_of_a_number_with_a_wrong_digit_and_a_flag_protects_whose_it_may_be(
    force: Field, folder: Path
) -> None:
    await force.settle()
    rows = [record(place) for place in range(60)]
    rows[7] |= {"nhs_number": "9990007001", "flags": ["WITNESS_PROT"]}
    (folder / "records.jsonl").write_text(lines(rows))

    await force.index()

    assert await force.is_hidden(NUMBERS[7])
    assert await line(force, 8) == ["Line 8"]


async def test_a_record_of_no_category_stops_its_dataset(force: Field, folder: Path) -> None:
    await force.settle()
    (folder / "records.jsonl").write_text(lines([record(0, category=None), *map(record, range(1, 60))]))

    await force.index()

    assert await force.faults() == {"records": "unreadable"}
    assert await line(force, 0) == ["Line 0"]


async def test_a_record_whose_handling_code_cannot_be_read_is_hidden(force: Field, folder: Path) -> None:
    rows = [record(0, handling_code="see the inspector"), *map(record, range(1, 60))]
    (folder / "records.jsonl").write_text(lines(rows))

    await force.index()

    assert await force.faults() == {}
    assert await force.is_hidden(NUMBERS[0])


async def test_a_record_that_ends_tomorrow_is_open_today(force: Field, folder: Path) -> None:
    old = {"category": "missing", "type": "missing_episode", "date": "2019-01-01", "started_on": "2019-01-01"}
    rows = [record(0, **old, fields={}), record(1, **old, fields={}, ended_on="2026-11-23")]
    rows += [record(2, **old, fields={}, ended_on="2019-01-02"), *map(record, range(3, 60))]
    (folder / "records.jsonl").write_text(lines(rows))

    await force.index()

    assert await force.outcome(NUMBERS[0]) is Outcome.RECORDS
    assert await force.outcome(NUMBERS[1]) is Outcome.RECORDS
    assert await force.outcome(NUMBERS[2]) is Outcome.NOTHING_HELD


async def test_flags_of_a_child_stay_until_a_person_lets_each_go(force: Field, folder: Path) -> None:
    (folder / "children.jsonl").write_text(children(n0=["WITNESS_PROT"], n1=["WITNESS_PROT"]))
    await force.settle()
    (folder / "children.jsonl").write_text(children())

    assert await force.differences() == sorted(("flag_gone", NUMBERS[place], "WITNESS_PROT") for place in (0, 1))
    for _ in range(3):
        await force.index()
        assert await force.is_hidden(NUMBERS[0])
    assert await force.rejects() == [("", "flag_disappeared"), ("", "flag_disappeared")]

    assert await force.dismiss("flag_disappeared") == 2
    await force.index()
    assert (await line(force, 0), await line(force, 1)) == (["Line 0"], ["Line 1"])


async def test_a_flag_of_a_record_stays_until_a_person_lets_it_go(force: Field, folder: Path) -> None:
    path = folder / "records.jsonl"
    path.write_text(lines([record(0, flags=["WITNESS_PROT"]), *map(record, range(1, 60))]))
    await force.settle()
    path.write_text(lines([record(0, fields={"incident_line": "Changed"}), *map(record, range(1, 60))]))

    assert ("flag_gone", NUMBERS[0], "WITNESS_PROT") in await force.differences()
    await force.index()

    assert await force.is_hidden(NUMBERS[0])
    assert await force.rejects() == [("records", "flag_disappeared")]
    (gone,) = await force.house.desk.rejects("dsl", with_rows=True)
    assert json.loads(str(gone["row"])) == {"child": NUMBERS[0], "record": "records:r0", "flag": "WITNESS_PROT"}
    await force.dismiss("flag_disappeared")
    await force.index()
    assert await line(force, 0) == ["Changed"]


async def test_the_flag_of_a_child_whose_row_is_gone_stays_with_the_records(force: Field, folder: Path) -> None:
    (folder / "children.jsonl").write_text(children(n0=["WITNESS_PROT"]))
    await force.settle()
    (folder / "children.jsonl").write_text("".join(children().splitlines(keepends=True)[1:]))

    await force.index()

    # The records name the child by number and are still there.
    assert await force.is_hidden(NUMBERS[0])


async def test_a_dataset_that_is_not_believed_takes_new_flags_and_nothing_else(force: Field, folder: Path) -> None:
    await force.settle()
    rows = [record(0, flags=["WITNESS_PROT"]), *map(record, range(1, 20))]
    (folder / "records.jsonl").write_text(lines(rows))

    await force.index()

    assert await force.faults() == {"records": "shrunk"}
    assert await force.outcome(NUMBERS[0]) is Outcome.ERROR
    assert await line(force, 1) == ["Line 1"]
    assert await line(force, 50) == ["Line 50"]


async def test_a_flag_on_a_new_record_in_a_dataset_that_is_not_believed_protects_the_child(
    force: Field, folder: Path
) -> None:
    await force.settle()
    rows = [record(0, ref="new", flags=["WITNESS_PROT"]), *map(record, range(1, 20))]
    (folder / "records.jsonl").write_text(lines(rows))

    await force.index()

    assert await force.faults() == {"records": "shrunk"}
    assert await force.outcome(NUMBERS[0]) is Outcome.ERROR


async def test_a_child_who_left_stays_away_and_a_child_who_comes_back_is_known(force: Field, folder: Path) -> None:
    await force.settle()
    rows = children().splitlines(keepends=True)
    (folder / "children.jsonl").write_text("".join(rows[1:]))
    (folder / "records.jsonl").write_text(lines(map(record, range(1, 60))))

    assert ("gone", NUMBERS[0], "") in await force.differences()
    await force.index()

    assert await force.faults() == {}
    assert await force.outcome(NUMBERS[0]) is Outcome.NOTHING_HELD
    (folder / "children.jsonl").write_text(children())
    (folder / "records.jsonl").write_text(lines(map(record, range(60))))
    await force.index()
    assert await line(force, 0) == ["Line 0"]


async def test_what_is_kept_for_a_row_that_cannot_be_read_is_kept_over_every_further_reading(
    force: Field, folder: Path
) -> None:
    await force.settle()
    broken = lines(map(record, range(60))).replace('"date": "2026-11-05"', '"date": "2026-11-05', 1)
    (folder / "records.jsonl").write_text(broken)
    for _ in range(4):
        await force.index()
        # The row may have carried a flag: nothing of the child is told, and everybody sees that something is unread.
        assert await force.is_hidden(NUMBERS[0])
        assert (await force.states())["records"] == "partial"
    (folder / "records.jsonl").write_text(lines(map(record, range(60))))

    await force.index()

    assert await line(force, 0) == ["Line 0"]
    assert (await force.states())["records"] == "sound"


async def test_of_two_sources_one_fails_and_the_other_goes_on_answering(
    tmp_path: Path, folder: Path, policy: PolicyPoint
) -> None:
    second = filled(tmp_path / "second")
    (second / "records.jsonl").write_text(lines([record(0, ref="other", fields={"incident_line": "Second"})]))
    (second / "children.jsonl").write_text(children())
    async with a_force(tmp_path, policy, folder, others=[a_source("second", "wardgate-records", second)]) as force:
        await force.settle()
        assert sorted(map(str, await line(force, 0))) == ["Line 0", "Second"]
        (second / "children.jsonl").unlink()

        await force.index()

        assert sorted(map(str, await line(force, 0))) == ["Line 0", "Second"]
        assert await line(force, 5) == ["Line 5"]
        answer = await force.answer(STRANGER)
        assert answer.outcome is Outcome.ERROR
        assert {item.dataset: item.state for item in answer.reading} == {
            "source/children": ReadingState.SOUND,
            "source/records": ReadingState.SOUND,
            "second/children": ReadingState.FAILING,
            "second/records": ReadingState.FAILING,
        }


async def test_a_flag_in_one_source_protects_what_the_other_holds(
    tmp_path: Path, folder: Path, policy: PolicyPoint
) -> None:
    second = filled(tmp_path / "second")
    (second / "children.jsonl").write_text(children(n0=["WITNESS_PROT"]))
    async with a_force(tmp_path, policy, folder, others=[a_source("second", "wardgate-records", second)]) as force:
        await force.settle()
        assert await force.is_hidden(NUMBERS[0])
        (second / "children.jsonl").write_text("[]")

        await force.index()

        assert await force.outcome(NUMBERS[0]) is Outcome.ERROR
        assert await line(force, 1) != []


async def test_nothing_is_sound_before_a_person_has_accepted_it(force: Field) -> None:
    await force.index()
    assert set((await force.states()).values()) == {"partial"}
    await force.index()
    assert set((await force.states()).values()) == {"partial"}

    await force.accept("records")
    await force.index()

    assert await force.states() == {"children": "partial", "records": "sound"}
