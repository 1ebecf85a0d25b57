"""Children's social care (the Standard Safeguarding Dataset) with what such databases hold: nothing becomes nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from federation.policy.evaluator import PolicyPoint
from federation.vocabulary import Outcome, ReadingState
from tests.support.field import STRANGER, Field, a_field_node
from tests.support.node_house import number, url_of
from tests.support.ssd import MAPPING, execute, insert, tables

NUMBERS = [number(place).canonical() for place in range(700, 800)]


def person(place: int, *, unique: str | None = None, linked: tuple[str, ...] = ()) -> list[str]:
    own = NUMBERS[place] if unique is None and not linked else unique or None
    rows = [
        insert(
            "ssd_person",
            pers_person_id=f"P{place}",
            pers_single_unique_id=own,
            pers_dob="2015-02-03 00:00:00",
        )
    ]
    return rows + [
        insert(
            "ssd_linked_identifiers",
            link_table_id=f"L{place}-{count}",
            link_person_id=f"P{place}",
            link_identifier_type="NHS Number",
            link_identifier_value=value,
        )
        for count, value in enumerate(linked)
    ]


def plan(place: int, **cells: str | None) -> str:
    usual = {
        "cppl_cp_plan_id": f"CP{place}",
        "cppl_person_id": f"P{place}",
        "cppl_cp_plan_start_date": "2026-09-01 00:00:00",
        "cppl_cp_plan_latest_category": "NEG",
    }
    return insert("ssd_cp_plans", **{**usual, **cells})


def mark(place: int, flag: str, dataset: str = "", record: str = "") -> str:
    return insert(
        "local_handling_flags",
        hand_person_id=f"P{place}",
        hand_dataset=dataset,
        hand_record_id=record,
        hand_flag=flag,
    )


def others(kind: str) -> list[str]:
    """A row of every dataset that no authority is without, each of another child."""
    stamp, who = "2026-09-01 00:00:00", "P90"
    rows = {
        "involvement": [
            insert(
                "ssd_involvements",
                invo_involvements_id="I1",
                invo_person_id=who,
                invo_involvement_start_date=stamp,
            )
        ],
        "contacts": [insert("ssd_contacts", cont_contact_id="C1", cont_person_id=who, cont_contact_date=stamp)],
        "episodes": [insert("ssd_cin_episodes", cine_referral_id="R1", cine_person_id=who, cine_referral_date=stamp)],
        "assessments": [
            insert(
                "ssd_cin_assessments",
                cina_assessment_id="A1",
                cina_person_id=who,
                cina_assessment_start_date=stamp,
            )
        ],
        "enquiries": [
            insert("ssd_s47_enquiry", s47e_s47_enquiry_id="S1", s47e_person_id=who, s47e_s47_start_date=stamp)
        ],
        "plans": [plan(90)],
        "care": [
            insert(
                "ssd_cla_episodes",
                clae_cla_episode_id="E1",
                clae_person_id=who,
                clae_cla_episode_start_date=stamp,
            )
        ],
        "addresses": [insert("ssd_address", addr_table_id="AD1", addr_person_id=who, addr_address_start_date=stamp)],
        "permanence": [insert("ssd_permanence", perm_table_id="PE1", perm_person_id=who, perm_adm_decision_date=stamp)],
    }
    return [*person(90), *(row for name, found in rows.items() if name != kind for row in found)]


def many() -> list[str]:
    """Sixty children on plans, so that one fault is under 2 %."""
    return [row for place in range(10, 70) for row in (*person(place), plan(place))]


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ssd.db'}"


def an_authority(folder: Path, policy: PolicyPoint, url: str) -> AbstractAsyncContextManager[Field]:
    return a_field_node(
        url_of(folder),
        policy,
        kind="childrens_services",
        mapping=MAPPING,
        location=url,
        categories=(
            "cp_plan",
            "contacts",
            "s47",
            "missing",
            "early_help",
            "address",
            "looked_after",
            "send",
            "involvement",
        ),
    )


@pytest.fixture
async def authority(tmp_path: Path, database: str, policy: PolicyPoint) -> AsyncIterator[Field]:
    async with an_authority(tmp_path, policy, database) as field:
        yield field


def fill(url: str, *rows: str, kind: str = "") -> None:
    execute(url, [*tables(), *others(kind), *rows])


async def started(authority: Field, place: int) -> list[object]:
    return [day for (day,) in await authority.told(NUMBERS[place], "cppl_cp_plan_start_date") if day]


# -- two numbers ------------------------------------------------------------------------------------------------------


async def test_a_child_with_two_numbers_in_force_is_not_said_to_be_unknown_under_either(
    authority: Field, database: str
) -> None:
    fill(database, *person(3, linked=(NUMBERS[3], NUMBERS[4])), plan(3), *person(1), plan(1))

    await authority.index()

    assert await authority.faults() != {}
    assert await authority.outcome(NUMBERS[3]) is Outcome.ERROR
    assert await authority.outcome(NUMBERS[4]) is Outcome.ERROR


async def test_a_child_with_two_numbers_among_many_is_held_under_both_without_detail(
    authority: Field, database: str
) -> None:
    fill(database, *person(3, linked=(NUMBERS[3], NUMBERS[4])), plan(3), *many())

    await authority.index()

    assert await authority.faults() == {}
    assert await authority.pointers(NUMBERS[3]) == {"cp_plan": {"UNREADABLE"}}
    assert await authority.pointers(NUMBERS[4]) == {"cp_plan": {"UNREADABLE"}}
    assert await started(authority, 20) == ["2026-09-01"]


async def test_the_number_that_was_replaced_ends_when_the_system_says_so(authority: Field, database: str) -> None:
    old = "UPDATE ssd_linked_identifiers SET link_valid_to_date='2026-01-01 00:00:00' WHERE link_table_id='L3-0'"
    fill(database, *person(3, linked=(NUMBERS[3], NUMBERS[4])), plan(3), *many(), old)

    await authority.index()

    assert await authority.outcome(NUMBERS[3]) is Outcome.NOTHING_HELD
    assert await started(authority, 4) == ["2026-09-01"]


async def test_two_persons_with_one_number_are_held_without_detail(authority: Field, database: str) -> None:
    twin = person(8, unique=NUMBERS[7])
    fill(database, *person(7), plan(7, cppl_cp_plan_latest_category="EMO"), *twin, plan(8), *many(), *(many_more()))

    await authority.index()

    assert await authority.faults() == {}
    assert await authority.pointers(NUMBERS[7]) == {"cp_plan": {"UNREADABLE"}}


def many_more() -> list[str]:
    """Further plans of the same children."""
    return [plan(place, cppl_cp_plan_id=f"X{place}-{count}") for place in range(10, 70) for count in range(2)]


async def test_an_authority_whose_script_fills_in_no_number_is_not_believed(authority: Field, database: str) -> None:
    fill(database, *many(), "UPDATE ssd_person SET pers_single_unique_id = NULL")

    await authority.index()

    assert (await authority.faults())["persons"] == "no_child_identified"
    assert await authority.outcome(NUMBERS[20]) is Outcome.ERROR
    assert await authority.outcome(STRANGER) is Outcome.ERROR


async def test_numbers_that_are_gone_overnight_take_nobody_off_the_caseload(authority: Field, database: str) -> None:
    fill(database, *many())
    await authority.settle()
    execute(database, ["UPDATE ssd_person SET pers_single_unique_id = NULL WHERE pers_person_id < 'P20'"])

    await authority.index()

    assert await started(authority, 12) == ["2026-09-01"]
    assert await authority.outcome(STRANGER) is Outcome.ERROR


# -- plans that go on -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["1900-01-01 00:00:00", "2027-03-31 00:00:00", "9999-12-31 00:00:00", None])
async def test_a_plan_of_six_years_that_has_not_ended_is_told_of(
    authority: Field, database: str, end: str | None
) -> None:
    old = plan(1, cppl_cp_plan_start_date="2020-01-01 00:00:00", cppl_cp_plan_end_date=end)
    fill(database, *person(1), old)

    await authority.index()

    assert await started(authority, 1) == ["2020-01-01"]


async def test_a_plan_of_six_years_that_ended_last_month_is_told_of(authority: Field, database: str) -> None:
    old = plan(1, cppl_cp_plan_start_date="2020-01-01 00:00:00", cppl_cp_plan_end_date="2026-10-15 00:00:00")
    fill(database, *person(1), old)

    await authority.index()

    assert await started(authority, 1) == ["2020-01-01"]


async def test_a_plan_that_ended_before_the_period_is_not_told_of(authority: Field, database: str) -> None:
    old = plan(1, cppl_cp_plan_start_date="2018-01-01 00:00:00", cppl_cp_plan_end_date="2019-10-15 00:00:00")
    fill(database, *person(1), old)

    await authority.index()

    assert await started(authority, 1) == []


@pytest.mark.parametrize("end", ["soon", "2026-13-45", "2019-01-01 00:00:00"])
async def test_a_plan_whose_end_cannot_be_read_is_held_and_could_not_be_read(
    authority: Field, database: str, end: str
) -> None:
    # The third ends before it begins: either date may be the wrong one.
    fill(database, *person(1), plan(1, cppl_cp_plan_end_date=end), *many())

    await authority.index()

    assert await authority.faults() == {}
    assert await authority.pointers(NUMBERS[1]) == {"cp_plan": {"UNREADABLE"}}


async def test_a_plan_of_no_date_at_all_is_held_and_could_not_be_read(authority: Field, database: str) -> None:
    fill(database, *person(1), plan(1, cppl_cp_plan_start_date=None), *many())

    await authority.index()

    assert await authority.pointers(NUMBERS[1]) == {"cp_plan": {"UNREADABLE"}}


async def test_a_current_address_without_a_start_is_told_of(authority: Field, database: str) -> None:
    home = insert("ssd_address", addr_table_id="AD2", addr_person_id="P1", addr_address_postcode="ZZ1 2ZZ")
    fill(database, *person(1), home)

    await authority.index()

    assert ("ZZ1 2ZZ",) in await authority.told(NUMBERS[1], "addr_address_postcode")


async def test_a_conference_of_a_child_who_moved_here_is_told_of_without_an_enquiry(
    authority: Field, database: str
) -> None:
    conference = insert(
        "ssd_initial_cp_conference",
        icpc_icpc_id="IC2",
        icpc_person_id="P2",
        icpc_icpc_date="2026-09-01 00:00:00",
        icpc_icpc_outcome_cp_flag="Y",
    )
    fill(database, *person(2), conference)

    await authority.index()

    assert await authority.told(NUMBERS[2], "icpc_icpc_date", "icpc_icpc_outcome_cp_flag") == [("2026-09-01", True)]


# -- marks ------------------------------------------------------------------------------------------------------------


async def test_a_mark_on_a_record_protects_that_record(authority: Field, database: str) -> None:
    fill(database, *person(1), plan(1), mark(1, "WITNESS_PROT", "plans", "CP1"), *person(2), plan(2))

    await authority.index()

    assert await authority.is_hidden(NUMBERS[1])
    assert await started(authority, 2) == ["2026-09-01"]


async def test_a_mark_on_a_record_that_is_not_there_protects_the_child(authority: Field, database: str) -> None:
    fill(database, *person(1), plan(1), mark(1, "WITNESS_PROT", "plans", "cp1"), *person(2), plan(2))

    await authority.index()

    assert await authority.is_hidden(NUMBERS[1])
    assert await started(authority, 2) == ["2026-09-01"]
    assert ("marks", "mark_unmatched") in await authority.rejects()


async def test_a_mark_that_no_list_has_protects_the_child(authority: Field, database: str) -> None:
    fill(database, *person(1), plan(1), mark(1, "witness protection"))

    await authority.index()

    assert await authority.is_hidden(NUMBERS[1])


async def test_a_mark_on_a_dataset_that_is_not_there_stops_the_reading(authority: Field, database: str) -> None:
    fill(database, *person(1), plan(1))
    await authority.settle()
    execute(database, [mark(1, "WITNESS_PROT", "cp_plans", "CP1")])

    await authority.index()

    assert await authority.outcome(STRANGER) is Outcome.ERROR


async def test_a_mark_that_is_gone_stays_until_a_person_has_seen_why(authority: Field, database: str) -> None:
    fill(database, *person(1), plan(1), mark(1, "WITNESS_PROT"), *person(2), plan(2))
    await authority.settle()
    execute(database, ["DELETE FROM local_handling_flags"])

    assert await authority.differences() == [("flag_gone", NUMBERS[1], "WITNESS_PROT")]
    await authority.index()

    assert await authority.is_hidden(NUMBERS[1])
    assert await authority.dismiss("flag_disappeared") == 1
    assert await authority.is_hidden(NUMBERS[1])
    await authority.index()
    assert await started(authority, 1) == ["2026-09-01"]


async def test_a_flag_that_was_let_go_and_comes_back_protects_again(authority: Field, database: str) -> None:
    fill(database, *person(1), plan(1), mark(1, "WITNESS_PROT"))
    await authority.settle()
    execute(database, ["DELETE FROM local_handling_flags"])
    await authority.index()
    await authority.dismiss("flag_disappeared")
    await authority.index()
    assert await started(authority, 1) == ["2026-09-01"]
    execute(database, [mark(1, "WITNESS_PROT")])
    await authority.index()
    assert await authority.is_hidden(NUMBERS[1])
    execute(database, ["DELETE FROM local_handling_flags"])

    await authority.index()

    # It was let go once. That it is gone again is a second event, which nobody has seen.
    assert await authority.is_hidden(NUMBERS[1])


async def test_a_mark_on_one_of_two_persons_with_one_number_protects_both(authority: Field, database: str) -> None:
    twin = person(8, unique=NUMBERS[7])
    fill(database, *person(7), plan(7), *twin, mark(8, "WITNESS_PROT"), *many(), *many_more())

    await authority.index()

    assert await authority.is_hidden(NUMBERS[7])


# -- tables that are not there ----------------------------------------------------------------------------------------


async def test_without_the_table_of_marks_nothing_is_told(authority: Field, database: str) -> None:
    without = frozenset({"local_handling_flags"})
    execute(database, [*tables(without=without), *others(""), *person(1), plan(1)])

    await authority.index()

    assert await authority.outcome(NUMBERS[1]) is Outcome.ERROR


async def test_an_optional_table_that_is_not_there_is_absent_and_one_that_goes_is_missed(
    authority: Field, database: str
) -> None:
    episode = insert(
        "ssd_early_help_episodes",
        earl_episode_id="EH1",
        earl_person_id="P1",
        earl_episode_start_date="2026-09-01 00:00:00",
    )
    fill(database, *person(1), plan(1), episode)
    await authority.settle()
    assert await authority.faults() == {}
    execute(database, ["DROP TABLE ssd_early_help_episodes"])

    await authority.index()

    assert await authority.faults() == {"early_help": "empty"}
    assert ("2026-09-01",) in await authority.told(NUMBERS[1], "earl_episode_start_date")
    assert await authority.outcome(STRANGER) is Outcome.ERROR


async def test_plans_that_are_all_gone_are_missed_and_other_datasets_go_on(authority: Field, database: str) -> None:
    fill(database, *many())
    await authority.settle()
    execute(database, ["DELETE FROM ssd_cp_plans", "UPDATE ssd_contacts SET cont_contact_source_desc = 'GP'"])

    await authority.index()

    assert await authority.faults() == {"plans": "empty"}
    assert await started(authority, 20) == ["2026-09-01"]
    assert await authority.told(NUMBERS[90], "cont_contact_source_desc") != []
    states = {item.dataset: item.state for item in (await authority.answer(STRANGER)).reading}
    assert (states["source/plans"], states["source/contacts"]) == (ReadingState.FAILING, ReadingState.SOUND)


# -- PostgreSQL -------------------------------------------------------------------------------------------------------


def visits() -> list[str]:
    made = {"cppv_cp_visit_date": "2026-11-20 00:00:00", "cppv_cp_visit_seen": "Y", "cppv_cp_visit_seen_alone": "Y"}
    return [
        *person(5),
        plan(5),
        insert("ssd_cp_visits", cppv_cp_visit_id="V1", cppv_cp_plan_id="CP5", **made),
        insert("ssd_cp_visits", cppv_cp_visit_id="V2", cppv_cp_plan_id="CP5"),
    ]


SEEN = ("cppv_cp_visit_date", "cppv_cp_visit_seen", "cppv_cp_visit_seen_alone")


async def test_the_last_visit_is_told_of_beside_one_without_a_date(authority: Field, database: str) -> None:
    fill(database, *visits())

    await authority.index()

    assert await authority.told(NUMBERS[5], *SEEN) == [("2026-11-20", True, True)]


@pytest.mark.postgres
async def test_the_last_visit_is_told_of_beside_one_without_a_date_on_postgresql(
    tmp_path: Path, postgres_url: str, policy: PolicyPoint
) -> None:
    await asyncio.to_thread(
        fill, postgres_url, *visits(), *many(), *person(3, linked=(NUMBERS[3], NUMBERS[4])), plan(3)
    )
    async with an_authority(tmp_path, policy, postgres_url) as authority:
        await authority.settle()

        assert await authority.told(NUMBERS[5], *SEEN) == [("2026-11-20", True, True)]
        assert await authority.pointers(NUMBERS[3]) == {"cp_plan": {"UNREADABLE"}}
        await asyncio.to_thread(execute, postgres_url, ["DELETE FROM ssd_cp_plans WHERE cppl_cp_plan_id = 'CP5'"])
        assert await authority.differences() == [("gone", NUMBERS[5], "plans:CP5")]
        await authority.index()
        assert await authority.outcome(NUMBERS[5]) is Outcome.NOTHING_HELD
