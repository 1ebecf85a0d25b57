"""The Standard Safeguarding Dataset as vendors' scripts fill it, on SQLite and on a real PostgreSQL."""

import datetime as dt
from pathlib import Path

import pytest

from agency_node.sources.mapping import SqlMapping, load_mapping
from agency_node.sources.opening import SourceSettings, mapping_path, open_source
from agency_node.sources.record import SourceRecord
from agency_node.sources.rows import FlatRow
from agency_node.sources.source import RejectionReason
from agency_node.sources.sql import SqlReader
from federation.errors import ErrorCode, WardgateError
from tests.support.source_files import ADA, BEN, CAY, TODAY, children, datasets, protected, records, rejected
from tests.support.ssd import MAPPING, VALUES, execute, insert, read_ssd, tables

EMPTY_DATE = "1900-01-01 00:00:00"
"""What SQL Server makes of an empty text."""
FOR_EVER = "9999-12-31 23:59:59"
PERSON = insert("ssd_person", pers_person_id="P1", pers_single_unique_id=ADA, pers_dob="2015-02-03 00:00:00")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ssd.db'}"
    return str(request.getfixturevalue("postgres_url"))


def read(url: str, *statements: str) -> list[SourceRecord]:
    execute(url, [*tables(), PERSON, *statements])
    return protected(read_ssd(url))


def plan(**cells: str | None) -> str:
    usual = {"cppl_cp_plan_id": "CP1", "cppl_person_id": "P1", "cppl_cp_plan_start_date": "2026-09-01 00:00:00"}
    return insert("ssd_cp_plans", **{**usual, **cells})


def visit(number: int, date: str | None, seen: str | None) -> str:
    return insert(
        "ssd_cp_visits",
        cppv_cp_visit_id=f"V{number}",
        cppv_cp_plan_id="CP1",
        cppv_cp_visit_date=date,
        cppv_cp_visit_seen=seen,
        cppv_cp_visit_seen_alone=seen,
    )


@pytest.mark.parametrize("other", [None, EMPTY_DATE, FOR_EVER, "2026-11-23 00:00:00"])
def test_the_last_visit_is_the_latest_that_was_made(url: str, other: str | None) -> None:
    (found,) = read(url, plan(), visit(1, "2026-11-20 10:00:00", "Y"), visit(2, other, None))
    assert found.fields["cppv_cp_visit_date"] == "2026-11-20"
    assert found.fields["cppv_cp_visit_seen"] is True
    assert found.fields["cppv_cp_visit_seen_alone"] is True


def test_a_visit_of_this_afternoon_was_made(url: str) -> None:
    (found,) = read(url, plan(), visit(1, "2026-11-20 10:00:00", "Y"), visit(2, "2026-11-22 16:00:00", "N"))
    assert (found.fields["cppv_cp_visit_date"], found.fields["cppv_cp_visit_seen"]) == ("2026-11-22", False)


@pytest.mark.parametrize("end", [None, EMPTY_DATE, FOR_EVER])
def test_a_plan_whose_end_is_no_date_has_none(url: str, end: str | None) -> None:
    (found,) = read(url, plan(cppl_cp_plan_end_date=end))
    assert "cppl_cp_plan_end_date" not in found.fields


def test_a_planned_end_is_an_end_in_the_future(url: str) -> None:
    (found,) = read(url, plan(cppl_cp_plan_end_date="2027-03-31 00:00:00"))
    assert found.fields["cppl_cp_plan_end_date"] == "2027-03-31"


def test_the_next_review_is_not_one_of_an_empty_date(url: str) -> None:
    def review(number: int, due: str, held: str | None) -> str:
        return insert(
            "ssd_cp_reviews",
            cppr_cp_review_id=f"R{number}",
            cppr_cp_plan_id="CP1",
            cppr_cp_review_due=due,
            cppr_cp_review_date=held,
        )

    (found,) = read(
        url,
        plan(),
        review(1, EMPTY_DATE, None),
        review(2, "2026-10-01 00:00:00", "2026-10-02 00:00:00"),
        review(3, "2026-12-20 00:00:00", EMPTY_DATE),
        review(4, "2027-03-20 00:00:00", None),
    )
    assert found.fields["cppr_cp_review_due"] == "2026-12-20"


def mark(end: str | None) -> str:
    return insert("local_handling_flags", hand_person_id="P1", hand_flag="WITNESS_PROT", hand_end_date=end)


@pytest.mark.parametrize(
    ("end", "flags"),
    [
        (None, {"WITNESS_PROT"}),
        (EMPTY_DATE, {"WITNESS_PROT"}),
        (FOR_EVER, {"WITNESS_PROT"}),
        ("2026-11-23 00:00:00", {"WITNESS_PROT"}),
        ("2026-11-21 00:00:00", set()),
    ],
)
def test_a_flag_protects_until_it_has_ended(url: str, end: str | None, flags: set[str]) -> None:
    (found,) = read(url, plan(), mark(end))
    assert found.flags == flags


def address(start: str | None, end: str | None = None) -> str:
    return insert(
        "ssd_address",
        addr_table_id="AD1",
        addr_person_id="P1",
        addr_address_start_date=start,
        addr_address_end_date=end,
        addr_address_postcode="ZZ1 2ZZ",
    )


@pytest.mark.parametrize(
    ("start", "end", "date"),
    [
        ("2026-09-01 00:00:00", None, "2026-09-01"),
        (None, None, "2015-02-03"),
        (EMPTY_DATE, None, "2015-02-03"),
        (None, "2024-05-06 00:00:00", "2024-05-06"),
    ],
)
def test_an_address_without_a_start_is_read(url: str, start: str | None, end: str | None, date: str) -> None:
    (found,) = read(url, address(start, end))
    assert found.date == dt.date.fromisoformat(date)
    assert found.fields["addr_address_postcode"] == "ZZ1 2ZZ"
    assert ("addr_address_start_date" in found.fields) == (date == "2026-09-01")


@pytest.mark.parametrize(
    ("table", "cells", "date"),
    [
        ("ssd_involvements", {"invo_involvements_id": "I1", "invo_person_id": "P1"}, "2015-02-03"),
        ("ssd_immigration_status", {"immi_immigration_status_id": "M1", "immi_person_id": "P1"}, "2015-02-03"),
        (
            "ssd_permanence",
            {"perm_table_id": "E1", "perm_person_id": "P1", "perm_permanence_order_date": "2026-03-04 00:00:00"},
            "2026-03-04",
        ),
        (
            "ssd_cin_assessments",
            {"cina_assessment_id": "A1", "cina_person_id": "P1", "cina_assessment_auth_date": "2026-03-04 00:00:00"},
            "2026-03-04",
        ),
        (
            "ssd_pre_proceedings",
            {"prep_table_id": "X1", "prep_person_id": "P1", "prep_pre_pro_letter_date": "2026-03-04 00:00:00"},
            "2026-03-04",
        ),
    ],
)
def test_what_lasts_is_read_by_another_date_where_its_start_is_not_recorded(
    url: str, table: str, cells: dict[str, str], date: str
) -> None:
    (found,) = read(url, insert(table, **cells))
    assert found.date == dt.date.fromisoformat(date)


def test_a_contact_without_any_date_is_reported(url: str) -> None:
    execute(url, [*tables(), PERSON, insert("ssd_contacts", cont_contact_id="C1", cont_person_id="P1")])
    assert [row.reason for row in rejected(read_ssd(url))] == [RejectionReason.DATE_MISSING]


def conference(ref: str, enquiry: str | None, date: str, flag: str = "Y") -> str:
    return insert(
        "ssd_initial_cp_conference",
        icpc_icpc_id=ref,
        icpc_s47_enquiry_id=enquiry,
        icpc_person_id="P1",
        icpc_icpc_date=date,
        icpc_icpc_outcome_cp_flag=flag,
    )


def test_every_conference_is_read_once_with_its_enquiry_or_by_itself(url: str) -> None:
    found = read(
        url,
        insert(
            "ssd_s47_enquiry",
            s47e_s47_enquiry_id="S1",
            s47e_person_id="P1",
            s47e_s47_start_date="2026-09-01 00:00:00",
        ),
        conference("IC1", "S1", "2026-09-15 00:00:00", "N"),
        conference("IC2", "S1", "2026-09-29 00:00:00"),
        conference("IC3", None, "2026-05-01 00:00:00"),
        conference("IC4", None, "2026-06-01 00:00:00"),
        conference("IC5", "S9", "2026-07-01 00:00:00"),
    )
    assert {(row.source_ref, row.category, row.fields["icpc_icpc_date"]) for row in found} == {
        ("enquiries:S1", "s47", "2026-09-29"),
        ("conferences:IC1", "s47", "2026-09-15"),
        ("conferences:IC3", "s47", "2026-05-01"),
        ("conferences:IC4", "s47", "2026-06-01"),
        ("conferences:IC5", "s47", "2026-07-01"),
    }
    assert all(row.fields["s47e_s47_end_date"] for row in found if row.source_ref.startswith("conferences"))


def test_the_legal_status_in_force_counts_whatever_its_end_looks_like(url: str) -> None:
    def status(ref: str, code: str, start: str | None, end: str | None) -> str:
        return insert(
            "ssd_legal_status",
            lega_legal_status_id=ref,
            lega_person_id="P1",
            lega_legal_status=code,
            lega_legal_status_start_date=start,
            lega_legal_status_end_date=end,
        )

    (found,) = read(
        url,
        insert(
            "ssd_cla_episodes",
            clae_cla_episode_id="E1",
            clae_person_id="P1",
            clae_cla_episode_start_date="2026-09-01 00:00:00",
            clae_cla_episode_ceased_date=EMPTY_DATE,
        ),
        status("L1", "V2", "2026-08-01 00:00:00", "2026-08-15 00:00:00"),
        status("L2", "C2", "2026-09-02 00:00:00", EMPTY_DATE),
        status("L3", "V1", None, None),
    )
    assert found.fields["lega_legal_status"] == "C2"
    assert "clae_cla_episode_ceased_date" not in found.fields


@pytest.mark.parametrize(
    ("date", "flags"),
    [
        ("2026-11-01 00:00:00", {"DECEASED"}),
        (None, set()),
        (EMPTY_DATE, set()),
        (FOR_EVER, set()),
        ("2026-11-23 00:00:00", set()),
    ],
)
def test_a_child_who_has_died_carries_the_flag(url: str, date: str | None, flags: set[str]) -> None:
    death = f"UPDATE ssd_person SET pers_death_date = '{date}'" if date else "UPDATE ssd_person SET pers_upn = 'X'"
    (found,) = read(url, plan(), death)
    assert found.flags == flags


def linked(person: str, number: str, *, kind: str = "NHS Number", until: str | None = None) -> str:
    return insert(
        "ssd_linked_identifiers",
        link_table_id=f"{person}-{number}-{kind}",
        link_person_id=person,
        link_identifier_type=kind,
        link_identifier_value=number,
        link_valid_to_date=until,
    )


def test_two_numbers_in_force_are_two_rows_of_one_child_and_a_repeated_one_is_one(url: str) -> None:
    execute(
        url,
        [
            *tables(),
            *(insert("ssd_person", pers_person_id=key) for key in ("P1", "P2", "P3")),
            linked("P1", ADA),
            linked("P1", BEN),
            linked("P2", CAY),
            linked("P2", CAY, kind="NHS NUMBER"),
            linked("P3", "9990000042", until=EMPTY_DATE),
            linked("P3", "9990000069", until="2026-01-01 00:00:00"),
        ],
    )
    mapping = load_mapping(mapping_path(MAPPING))
    assert isinstance(mapping, SqlMapping)
    with SqlReader("s", url, mapping, today=lambda: TODAY).open() as feed:
        found = [
            (str(next(row.values("pers_person_id"))), str(next(row.values("nhs_number"))))
            for row in feed.rows("persons")
            if isinstance(row, FlatRow)
        ]
    assert sorted(found) == [("P1", ADA), ("P1", BEN), ("P2", CAY), ("P3", "9990000042")]


def test_an_empty_linked_number_leaves_the_persons_own(url: str) -> None:
    execute(url, [*tables(), PERSON, linked("P1", "")])
    assert [child.child.canonical() for child in children(read_ssd(url))] == [ADA]


def test_a_dataset_in_which_nobody_has_a_number_yields_no_child_and_says_why(url: str) -> None:
    execute(url, [*tables(), insert("ssd_person", pers_person_id="P1"), linked("P1", "A123", kind="UPN"), plan()])
    found = read_ssd(url)
    assert children(found) == []
    assert [row.reason for row in rejected(found)] == [
        RejectionReason.NHS_NUMBER_MISSING,
        RejectionReason.CHILD_UNKNOWN,
    ]


OPTIONAL = {
    "early_help": "ssd_early_help_episodes",
    "ehc_plans": "ssd_ehcp_named_plan",
    "immigration": "ssd_immigration_status",
    "permanence": "ssd_permanence",
    "pre_proceedings": "ssd_pre_proceedings",
}


def test_an_optional_table_that_is_not_there_is_absent_and_the_rest_is_read(url: str) -> None:
    execute(url, [*tables(without=frozenset(OPTIONAL.values())), PERSON, plan()])
    assert [row.source_ref for row in records(read_ssd(url))] == ["plans:CP1"]
    mapping = load_mapping(mapping_path(MAPPING))
    assert isinstance(mapping, SqlMapping)
    with SqlReader("s", url, mapping, today=lambda: TODAY, clock=lambda: 1_700_000_000.9).open() as feed:
        assert {dataset for dataset in mapping.datasets if feed.is_absent(dataset)} == set(OPTIONAL)
        assert list(feed.rows("permanence")) == []
        assert len(list(feed.rows("plans"))) == 1
        assert (feed.as_at("plans"), feed.as_at("permanence")) == (1_700_000_000, None)


@pytest.mark.parametrize("table", ["local_handling_flags", "ssd_person"])
def test_a_table_of_children_or_marks_that_is_not_there_voids_the_reading(url: str, table: str) -> None:
    execute(url, tables(without=frozenset({table})))
    with pytest.raises(WardgateError) as refused:
        read_ssd(url)
    assert refused.value.code is ErrorCode.MAPPING_INVALID
    assert f"the database has no {table}" in refused.value.detail


def test_any_other_table_that_is_not_there_is_a_mistake_of_its_dataset(url: str) -> None:
    execute(url, [*tables(without=frozenset({"ssd_missing"})), PERSON, plan()])
    found = read_ssd(url)
    assert [row.source_ref for row in records(found)] == ["plans:CP1"]
    faults = {name: read.fault for name, read in datasets(found).items() if read.fault}
    assert faults.keys() == {"missing"}
    assert "the database has no ssd_missing" in faults["missing"]


def test_a_column_that_is_not_there_is_a_mistake_even_of_an_optional_table(url: str) -> None:
    cut = [line.replace("perm_adm_decision_date TIMESTAMP, ", "") for line in tables()]
    execute(url, cut)
    with pytest.raises(WardgateError) as refused:
        open_source(SourceSettings("s", MAPPING, url, VALUES), today=lambda: TODAY).check()
    assert refused.value.code is ErrorCode.MAPPING_INVALID
    assert "perm_adm_decision_date" in refused.value.detail
