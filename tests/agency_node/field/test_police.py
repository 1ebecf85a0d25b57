"""Police exports with the faults that such exports have: no fault becomes "nothing held"."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from federation.policy.evaluator import PolicyPoint
from federation.vocabulary import Outcome, ReadingState, Tier
from tests.support.field import STRANGER, Field, a_field_node
from tests.support.node_house import number, url_of

NOMINALS = "Nominal URN,NHS Number,Handling Flags,Last Contact,Known 12m\n"
NOTIFICATIONS = (
    "PPN Ref,Nominal URN,PPN Type,Incident Date,Basis,Subject,Contact With Child,Handling Code,Handling Flags,"
    "Incident Type,Sanitised Line\n"
)
MISSING = "Misper Ref,Nominal URN,Missing From,Found,Type,Handling Flags\n"
NUMBERS = [
    "9990006008",
    "9990006016",
    "9990006024",
    "9990006032",
    "9990006040",
    "9990006059",
    "9990006067",
    "9990006075",
    "9990006083",
    "9990006091",
]


def nominals(**flags: str) -> str:
    rows = [f"U{n},{number},{flags.get(f'U{n}', '')},01/11/2026,Y" for n, number in enumerate(NUMBERS)]
    return NOMINALS + "\n".join(rows) + "\n"


def notification(n: int, *, date: str = "05/11/2026", flags: str = "", line: str = "Line") -> str:
    return f"PPN{n},U{n},CC,{date},F,CHILD,LIVES,,{flags},Concern,{line} {n}\n"


def notifications(**changes: str) -> str:
    return NOTIFICATIONS + "".join(notification(n, **changes) for n in range(10))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "exports"
    found.mkdir()
    (found / "nominals.csv").write_text(nominals())
    (found / "notifications.csv").write_text(notifications())
    (found / "missing.csv").write_text(MISSING)
    return found


@pytest.fixture
async def police(tmp_path: Path, folder: Path, policy: PolicyPoint) -> AsyncIterator[Field]:
    async with a_field_node(
        url_of(tmp_path),
        policy,
        kind="police",
        mapping="police-exports",
        location=folder,
        categories=("police_incident", "missing"),
    ) as field:
        yield field


async def test_sound_exports_are_told_and_their_absence_is_absence(police: Field) -> None:
    await police.index()
    await police.accept()
    await police.index()

    answer = await police.answer(NUMBERS[3])

    assert answer.outcome is Outcome.RECORDS
    assert [(record.tier, record.fields["incident_line"]) for record in answer.records] == [(Tier.T2, "Line 3")]
    stranger = await police.answer(STRANGER)
    assert stranger.outcome is Outcome.NOTHING_HELD
    assert stranger.reading == answer.reading
    assert {item.dataset: item.state for item in answer.reading} == {
        "source/missing": ReadingState.SOUND,
        "source/nominals": ReadingState.SOUND,
        "source/notifications": ReadingState.SOUND,
    }


async def test_dates_of_another_format_are_no_absence(police: Field, folder: Path) -> None:
    (folder / "notifications.csv").write_text(notifications(date="2026-11-05"))

    await police.index()

    assert await police.faults() == {"notifications": "too_many_unreadable"}
    assert await police.outcome(NUMBERS[0]) is Outcome.ERROR
    assert await police.outcome(STRANGER) is Outcome.ERROR


async def test_dates_that_change_their_format_overnight_leave_the_last_sound_reading_in_force(
    police: Field, folder: Path
) -> None:
    await police.index()
    (folder / "notifications.csv").write_text(notifications(date="2026-11-05"))
    await police.index()

    answer = await police.answer(NUMBERS[0])

    assert (answer.outcome, len(answer.records)) == (Outcome.RECORDS, 1)
    assert {item.dataset: item.state for item in answer.reading}["source/notifications"] is ReadingState.FAILING
    assert await police.outcome(STRANGER) is Outcome.ERROR


async def test_one_unclosed_quotation_does_not_swallow_the_rows_behind_it(police: Field, folder: Path) -> None:
    broken = NOTIFICATIONS + notification(0).replace("Line 0", '"Nan says so')
    (folder / "notifications.csv").write_text(broken + "".join(notification(n) for n in range(1, 10)))

    await police.index()

    assert await police.faults() == {"notifications": "unreadable"}
    assert await police.outcome(NUMBERS[8]) is Outcome.ERROR


async def test_a_file_of_its_header_alone_is_no_absence(police: Field, folder: Path) -> None:
    (folder / "notifications.csv").write_text(NOTIFICATIONS)

    await police.index()

    assert await police.faults() == {"notifications": "empty"}
    assert await police.outcome(NUMBERS[0]) is Outcome.ERROR


@pytest.mark.parametrize("found", ["NULL", "-", "31/12/9999", "01/01/1900"])
async def test_a_missing_episode_without_an_end_is_open_however_the_system_writes_that(
    police: Field, folder: Path, found: str
) -> None:
    (folder / "missing.csv").write_text(f"{MISSING}MP0,U0,20/11/2026,{found},M,\n")

    await police.index()

    episode = next(item for item in (await police.answer(NUMBERS[0])).records if item.category == "missing")
    assert episode.fields["miss_missing_episode_start_date"] == "2026-11-20"
    assert "miss_missing_episode_end_date" not in episode.fields
    assert episode.fields_unreadable == []


async def test_a_missing_episode_whose_end_cannot_be_read_is_told_to_be_held(police: Field, folder: Path) -> None:
    rows = "".join(f"MP{n},U{n % 10},20/11/2026,21/11/2026,M,\n" for n in range(1, 60))
    (folder / "missing.csv").write_text(f"{MISSING}MP0,U0,20/11/2026,tomorrow,M,\n{rows}")

    await police.index()

    (pointer,) = [
        item for item in (await police.answer(NUMBERS[0])).records if item.category == "missing" and not item.date
    ]
    assert (pointer.tier, pointer.fields) == (Tier.T0, {})


@pytest.mark.parametrize("first", [True, False])
async def test_flags_of_rows_that_say_something_of_one_record_are_united(
    police: Field,
    folder: Path,
    first: bool,  # noqa: FBT001 - a column of the table
) -> None:
    rows = [notification(0, flags="WITNESS_PROT"), notification(0)]
    (folder / "notifications.csv").write_text(NOTIFICATIONS + "".join(rows if first else reversed(rows)))

    await police.index()

    assert await police.is_hidden(NUMBERS[0])


async def test_a_flag_on_a_row_without_number_protects_by_the_rows_key(police: Field, folder: Path) -> None:
    (folder / "nominals.csv").write_text(nominals() + "U0,,WITNESS_PROT,01/11/2026,Y\n")

    await police.index()

    assert await police.is_hidden(NUMBERS[0])
    assert await police.outcome(NUMBERS[1]) is Outcome.RECORDS


async def settled(police: Field) -> None:
    await police.settle()
    assert await police.faults() == {}


async def line(police: Field, place: int) -> list[object]:
    return [text for (text,) in await police.told(NUMBERS[place], "incident_line") if text]


async def test_an_unclosed_quotation_overnight_leaves_the_last_sound_reading_in_force(
    police: Field, folder: Path
) -> None:
    await settled(police)
    (folder / "notifications.csv").write_text(notifications().replace("Line 0", '"Nan says so', 1))

    await police.index()

    assert await police.faults() == {"notifications": "unreadable"}
    assert await line(police, 8) == ["Line 8"]
    assert await police.outcome(STRANGER) is Outcome.ERROR


async def test_a_quotation_that_a_later_one_closes_is_no_quotation(police: Field, folder: Path) -> None:
    await settled(police)
    text = notifications().replace("Line 2", '"Nan says so', 1).replace("Line 6", '"He said ""no"""', 1)
    (folder / "notifications.csv").write_text(text)

    await police.index()

    assert await police.faults() == {"notifications": "unreadable"}
    assert await line(police, 4) == ["Line 4"]


async def test_a_text_of_several_lines_is_a_text(police: Field, folder: Path) -> None:
    (folder / "notifications.csv").write_text(notifications().replace("Line 2", '"First line,\nsecond, and third"', 1))

    await police.index()

    assert await police.faults() == {}
    assert await line(police, 2) == ["First line,\nsecond, and third"]


async def test_an_export_without_rows_overnight_leaves_the_last_sound_reading_in_force(
    police: Field, folder: Path
) -> None:
    await settled(police)
    (folder / "notifications.csv").write_text(NOTIFICATIONS)

    await police.index()

    assert await police.faults() == {"notifications": "empty"}
    assert await line(police, 0) == ["Line 0"]


async def test_an_export_without_a_byte_is_not_read(police: Field, folder: Path) -> None:
    await settled(police)
    (folder / "nominals.csv").write_bytes(b"")

    await police.index()

    assert await line(police, 0) == ["Line 0"]
    assert await police.outcome(STRANGER) is Outcome.ERROR


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
async def test_an_export_in_another_encoding_is_not_read(police: Field, folder: Path, encoding: str) -> None:
    (folder / "notifications.csv").write_text(notifications(line="Si\u00e2n"), encoding="cp1252")
    await settled(police)
    (folder / "notifications.csv").write_text(notifications(line="Si\u00e2n"), encoding=encoding)

    await police.index()

    assert await police.faults() == {"notifications": "unreadable"}
    assert await line(police, 0) == ["Si\u00e2n 0"]
    assert await police.outcome(STRANGER) is Outcome.ERROR


async def test_a_first_export_in_utf8_discloses_no_garbled_name(police: Field, folder: Path) -> None:
    (folder / "notifications.csv").write_text(notifications(line="Si\u00e2n"), encoding="utf-8")

    await police.index()

    assert await police.outcome(NUMBERS[0]) is Outcome.ERROR


async def test_a_column_of_another_name_is_missed(police: Field, folder: Path) -> None:
    await settled(police)
    (folder / "notifications.csv").write_text(notifications().replace("Handling Flags", "Warning Markers", 1))

    await police.index()

    assert await police.faults() == {"notifications": "unreadable"}
    assert await line(police, 0) == ["Line 0"]


async def test_a_flag_on_a_second_row_overnight_hides_what_was_told(police: Field, folder: Path) -> None:
    await settled(police)
    (folder / "notifications.csv").write_text(notifications() + notification(0, flags="WITNESS_PROT"))

    await police.index()

    assert await police.is_hidden(NUMBERS[0])
    assert await line(police, 1) == ["Line 1"]


async def test_a_flag_on_a_row_without_number_overnight_hides_what_was_told(police: Field, folder: Path) -> None:
    await settled(police)
    (folder / "nominals.csv").write_text(nominals() + "U0,,WITNESS_PROT,01/11/2026,Y\n")

    await police.index()

    assert await police.is_hidden(NUMBERS[0])
    assert await line(police, 1) == ["Line 1"]


async def test_flags_of_both_children_that_a_key_may_mean_protect_both(police: Field, folder: Path) -> None:
    other = number(790).canonical()
    rows = "".join(f"V{n},{number(800 + n).canonical()},,01/11/2026,Y\n" for n in range(150))
    (folder / "nominals.csv").write_text(nominals() + f"U0,{other},WITNESS_PROT,01/11/2026,Y\n" + rows)
    texts = "".join(notification(n).replace(f"U{n}", f"V{n}") for n in range(10, 150))
    (folder / "notifications.csv").write_text(notifications() + texts)

    await police.index()

    assert await police.faults() == {}
    assert await police.is_hidden(NUMBERS[0])
    assert await police.is_hidden(other)
    assert await line(police, 1) == ["Line 1"]


async def test_a_flagged_row_that_nobody_can_be_found_for_stops_the_reading(police: Field, folder: Path) -> None:
    await settled(police)
    (folder / "nominals.csv").write_text(nominals() + ",,WITNESS_PROT,01/11/2026,Y\n")

    await police.index()

    assert await line(police, 0) == ["Line 0"]
    assert await police.outcome(STRANGER) is Outcome.ERROR


async def test_a_marker_of_an_unknown_kind_is_held_and_could_not_be_read(police: Field, folder: Path) -> None:
    header = "Misper Ref,Nominal URN,Missing From,Found,Type,Handling Flags\n"
    rows = "".join(f"MP{n},U{n % 10},20/11/2026,,M,\n" for n in range(10, 80))
    (folder / "missing.csv").write_text(f"{header}MP0,U0,on Tuesday,,M,\n{rows}")

    await police.index()

    assert await police.faults() == {}
    assert "missing" in await police.pointers(NUMBERS[0])


async def test_a_child_whose_missing_episode_is_the_only_row_may_be_found(police: Field, folder: Path) -> None:
    (folder / "missing.csv").write_text(f"{MISSING}MP0,U0,20/11/2026,,M,\n")
    await settled(police)
    (folder / "missing.csv").write_text(MISSING)

    assert await police.differences() == [("gone", NUMBERS[0], "missing:MP0")]
    await police.index()

    assert await police.faults() == {}
    assert await police.told(NUMBERS[0], "miss_missing_episode_start_date") == [(None,)]


async def test_an_export_that_may_be_empty_and_is_gone_is_missed_all_the_same(police: Field, folder: Path) -> None:
    (folder / "missing.csv").write_text(f"{MISSING}MP0,U0,20/11/2026,,M,\n")
    await settled(police)
    (folder / "missing.csv").unlink()

    await police.index()

    assert await police.faults() == {"missing": "empty"}
    assert ("2026-11-20",) in await police.told(NUMBERS[0], "miss_missing_episode_start_date")
    assert await police.outcome(STRANGER) is Outcome.ERROR


async def test_an_export_that_is_still_being_written_is_waited_for(police: Field, folder: Path) -> None:
    await settled(police)
    (folder / "notifications.csv").rename(folder / "notifications.csv.part")

    await police.index()

    assert set(await police.faults()) == {"notifications"}
    assert await line(police, 0) == ["Line 0"]
