"""Exports of a youth justice service with the faults that such exports have."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from federation.policy.evaluator import PolicyPoint
from federation.vocabulary import Outcome
from tests.support.field import STRANGER, Field, a_field_node
from tests.support.node_house import number, url_of

CHILDREN = "YJS Ref,NHS Number,Handling Flags\n"
INTERVENTIONS = (
    "Intervention Id,YJS Ref,Start,End,Programme,Risk,Case Manager,Telephone,AssetPlus Summary,Handling Flags\n"
)
OFFENCES = "Offence Id,YJS Ref,Offence Date,Offence,Summary,Outcome,Outcome Date,Handling Flags\n"
NUMBERS = [number(place).canonical() for place in range(700, 760)]


def children(numbers: Iterable[str] = NUMBERS, **flags: str) -> str:
    return CHILDREN + "".join(f"Y{n},{found},{flags.get(f'Y{n}', '')}\n" for n, found in enumerate(numbers))


def order(n: int, *, start: str = "01-Sep-2026", end: str = "", risk: str = "L", key: str = "", flags: str = "") -> str:
    return f"I{n},{key or f'Y{n}'},{start},{end},RO,{risk},Sam Lee,01632 960100,Summary {n},{flags}\n"


def orders(places: Iterable[int] = range(60)) -> str:
    return INTERVENTIONS + "".join(order(n) for n in places)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "exports"
    found.mkdir()
    (found / "children.csv").write_text(children())
    (found / "interventions.csv").write_text(orders())
    return found


@pytest.fixture
async def service(tmp_path: Path, folder: Path, policy: PolicyPoint) -> AsyncIterator[Field]:
    async with a_field_node(
        url_of(tmp_path),
        policy,
        kind="youth_justice",
        mapping="youth-justice-exports",
        location=folder,
        categories=("youth_justice", "offending"),
    ) as field:
        yield field


async def summaries(service: Field, place: int) -> list[object]:
    return [text for (text,) in await service.told(NUMBERS[place], "assetplus_summary") if text]


@pytest.mark.parametrize("end", ["31-May-2027", "22-Nov-2026", "", "NULL"])
async def test_an_order_that_has_not_ended_is_told_of(service: Field, folder: Path, end: str) -> None:
    rows = order(0, start="01-Jun-2021", end=end) + "".join(map(order, range(1, 60)))
    (folder / "interventions.csv").write_text(INTERVENTIONS + rows)

    await service.index()

    assert await summaries(service, 0) == ["Summary 0"]


async def test_an_order_that_ended_before_the_period_is_not_told_of(service: Field, folder: Path) -> None:
    rows = order(0, start="01-Jun-2019", end="01-Jun-2021") + "".join(map(order, range(1, 60)))
    (folder / "interventions.csv").write_text(INTERVENTIONS + rows)

    await service.index()

    assert await service.outcome(NUMBERS[0]) is Outcome.NOTHING_HELD


async def test_months_in_another_language_are_dates_that_cannot_be_read(service: Field, folder: Path) -> None:
    await service.settle()
    (folder / "interventions.csv").write_text(orders().replace("Sep", "Medi"))

    await service.index()

    assert await service.faults() == {"interventions": "too_many_unreadable"}
    assert await summaries(service, 0) == ["Summary 0"]
    assert await service.outcome(STRANGER) is Outcome.ERROR


async def test_a_risk_of_an_unknown_level_costs_its_field(service: Field, folder: Path) -> None:
    (folder / "interventions.csv").write_text(orders().replace(",L,", ",ROSH4,"))

    await service.index()

    assert await service.faults() == {}
    (record,) = (await service.answer(NUMBERS[0])).records
    assert (record.fields["assetplus_summary"], record.fields_unreadable) == ("Summary 0", ["risk_level"])


async def test_an_order_of_nobody_known_may_be_the_order_that_is_missing(service: Field, folder: Path) -> None:
    await service.settle()
    (folder / "interventions.csv").write_text(orders().replace(",Y7,", ",YY7,"))

    await service.index()

    assert await service.faults() == {}
    assert await service.pointers(NUMBERS[7]) == {"youth_justice": {"UNREADABLE"}}
    assert await summaries(service, 8) == ["Summary 8"]
    assert await service.dismiss("child_unknown") == 1
    await service.index()
    assert await service.outcome(NUMBERS[7]) is Outcome.NOTHING_HELD


async def test_an_order_that_moves_to_another_child_leaves_the_first(service: Field, folder: Path) -> None:
    await service.settle()
    (folder / "interventions.csv").write_text(orders().replace("I7,Y7,", "I7,Y8,"))

    assert sorted(await service.differences()) == sorted(
        [("gone", NUMBERS[7], "interventions:I7"), ("added", NUMBERS[8], "interventions:I7")]
    )
    await service.index()

    assert await service.outcome(NUMBERS[7]) is Outcome.NOTHING_HELD
    assert sorted(map(str, await summaries(service, 8))) == ["Summary 7", "Summary 8"]


async def test_an_order_of_two_children_is_held_of_both_without_detail(service: Field, folder: Path) -> None:
    (folder / "interventions.csv").write_text(orders() + order(7, key="Y8"))
    (folder / "offences.csv").write_text(OFFENCES + "O1,Y1,01-Nov-2026,Theft,Line,,,\n")
    more = "".join(order(100 + n, key=f"Y{n}") for n in range(60))
    with (folder / "interventions.csv").open("a") as opened:
        opened.write(more)

    await service.index()

    assert await service.faults() == {}
    assert await service.pointers(NUMBERS[7]) == {"youth_justice": {"UNREADABLE"}}
    assert await service.pointers(NUMBERS[8]) == {"youth_justice": {"UNREADABLE"}}


async def test_a_dataset_that_is_not_believed_and_gains_a_flag_hides_what_it_told(service: Field, folder: Path) -> None:
    await service.settle()
    rows = order(0, flags="WITNESS_PROT") + "".join(map(order, range(1, 10)))
    (folder / "interventions.csv").write_text(INTERVENTIONS + rows)

    await service.index()

    assert await service.faults() == {"interventions": "shrunk"}
    assert await summaries(service, 0) == []
    assert await service.outcome(NUMBERS[0]) is Outcome.ERROR
    assert await summaries(service, 20) == ["Summary 20"]


async def test_an_export_of_offences_comes_goes_and_comes_back(service: Field, folder: Path) -> None:
    await service.settle()
    assert "offences" not in await service.states()
    path = folder / "offences.csv"
    text = OFFENCES + "O1,Y1,01-Nov-2026,Theft,Line,,,\n"
    path.write_text(text)
    await service.index()
    assert (await service.states())["offences"] == "partial"
    assert ("Theft",) in await service.told(NUMBERS[1], "offence_type")
    path.unlink()
    await service.index()
    assert await service.faults() == {"offences": "empty"}
    assert ("Theft",) in await service.told(NUMBERS[1], "offence_type")
    assert await service.outcome(STRANGER) is Outcome.ERROR
    path.write_text(text)

    await service.index()

    assert await service.faults() == {}
    assert await service.outcome(STRANGER) is Outcome.NOTHING_HELD


async def test_a_young_person_whose_number_and_row_are_both_written_twice_is_one(service: Field, folder: Path) -> None:
    (folder / "children.csv").write_text(children() + f"Y0,{NUMBERS[0]},\n")

    await service.index()

    assert await service.faults() == {}
    assert await summaries(service, 0) == ["Summary 0"]
