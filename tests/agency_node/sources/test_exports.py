"""Exports as agencies write them, through the shipped mappings: what is there is read, what is not is said."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from agency_node.sources.mapping import load_mapping
from agency_node.sources.opening import SHIPPED_MAPPINGS, SourceSettings, mapping_path, open_source
from agency_node.sources.record import SourceRecord
from agency_node.sources.source import RejectionReason, SourceRow
from federation.errors import ErrorCode, WardgateError
from tests.support.source_files import ADA, BEN, TODAY, children, datasets, records, rejected

SETTINGS = {
    "duty_contact": "01632 960100",
    "local_authority": "Testshire",
    "school_name": "Thornbury School",
    "dsl_name": "D. Lead",
    "dsl_contact": "01632 960200",
}


def source_of(folder: Path, mapping: str, files: Mapping[str, str], encoding: str = "utf-8") -> list[SourceRow]:
    for name, text in files.items():
        (folder / name).write_text(text, encoding=encoding)
    settings = SourceSettings("exports", mapping, str(folder), SETTINGS)
    return list(open_source(settings, today=lambda: TODAY, test_numbers=True).read())


NOMINALS = f"Nominal URN,NHS Number,Handling Flags,Last Contact,Known 12m\nU0,{ADA},,01/11/2026,Y\nU1,{BEN},,,\n"
NOTIFICATIONS = (
    "PPN Ref,Nominal URN,PPN Type,Incident Date,Basis,Subject,Contact With Child,Handling Code,Handling Flags,"
    "Incident Type,Sanitised Line\n"
)
MISSING = "Misper Ref,Nominal URN,Missing From,Found,Type,Handling Flags\n"


def police(folder: Path, **files: str) -> list[SourceRow]:
    named = {"nominals.csv": NOMINALS, "notifications.csv": NOTIFICATIONS}
    more = {f"{name.replace('_', '-')}.csv": text for name, text in files.items()}
    return source_of(folder, "police-exports", {**named, **more}, "cp1252")


def of(rows: list[SourceRow], category: str) -> list[SourceRecord]:
    return [row for row in records(rows) if row.category == category]


@pytest.mark.parametrize(
    "found", ["", "NULL", "null", "-", "N/A", "31/12/9999", "31/12/9999 23:59:59", "01/01/1900", "01/01/1900 00:00:00"]
)
def test_a_child_who_is_still_missing_is_missing(tmp_path: Path, found: str) -> None:
    rows = police(tmp_path, missing=f"{MISSING}MP0,U0,20/11/2026,{found},M,\n")
    (episode,) = of(rows, "missing")
    assert episode.fields == {
        "miss_missing_episode_start_date": "2026-11-20",
        "miss_missing_episode_type": "Missing",
    }
    assert rejected(rows) == []


def test_a_day_on_which_the_child_was_found_is_read_and_a_fault_is_reported(tmp_path: Path) -> None:
    text = f"{MISSING}MP0,U0,20/11/2026,21/11/2026 00:00:00,M,\nMP1,U0,20/11/2026,2026-11-21,M,\n"
    rows = police(tmp_path, missing=text)
    read, faulty = of(rows, "missing")
    assert read.fields["miss_missing_episode_end_date"] == "2026-11-21"
    assert "miss_missing_episode_end_date" not in faulty.fields
    assert faulty.fields_unreadable == {"miss_missing_episode_end_date"}
    assert [(row.reason, row.column) for row in rejected(rows)] == [(RejectionReason.DATE_INVALID, "Found")]


def test_nothing_in_a_column_of_codes_is_its_default(tmp_path: Path) -> None:
    line = "PPN0,U0,CC,05/11/2026,NULL,-,N/A,NULL,NULL,Concern,Seen in town\n"
    (notification,) = of(police(tmp_path, notifications=NOTIFICATIONS + line), "police_incident")
    assert (notification.assertion, notification.relation, notification.contact_level) == ("fact", "subject", "unknown")
    assert (notification.handling_code, notification.flags) == ("", frozenset())


def test_a_force_without_the_other_exports_is_read(tmp_path: Path) -> None:
    rows = police(tmp_path)
    assert len(children(rows)) == 2
    assert [row.category for row in records(rows)] == ["police_known"]


@pytest.mark.parametrize("missing", ["nominals.csv", "notifications.csv"])
def test_a_force_without_its_first_exports_is_found_out_by_a_check(tmp_path: Path, missing: str) -> None:
    police(tmp_path)
    (tmp_path / missing).unlink()
    settings = SourceSettings("exports", "police-exports", str(tmp_path), SETTINGS)
    with pytest.raises(WardgateError, match=f"no file {missing}") as caught:
        open_source(settings, today=lambda: TODAY).check()
    assert caught.value.code is ErrorCode.SOURCE_UNREADABLE


def test_a_force_without_its_nominals_is_not_read_and_without_notifications_they_fail_alone(tmp_path: Path) -> None:
    police(tmp_path)
    settings = SourceSettings("exports", "police-exports", str(tmp_path), SETTINGS)
    source = open_source(settings, today=lambda: TODAY, test_numbers=True)
    (tmp_path / "notifications.csv").unlink()
    rows = list(source.read())
    assert len(children(rows)) == 2
    faults = {name: read.fault for name, read in datasets(rows).items() if read.fault}
    assert faults.keys() == {"notifications"}
    assert "no file notifications.csv" in faults["notifications"]
    (tmp_path / "nominals.csv").unlink()
    with pytest.raises(WardgateError, match=r"no file nominals\.csv") as caught:
        list(source.read())
    assert caught.value.code is ErrorCode.SOURCE_UNREADABLE


def test_an_export_of_another_encoding_is_not_disclosed_as_fact(tmp_path: Path) -> None:
    police(tmp_path)
    (tmp_path / "nominals.csv").write_text(NOMINALS.replace("U1", "Siân"), encoding="utf-8")
    settings = SourceSettings("exports", "police-exports", str(tmp_path), SETTINGS)
    with pytest.raises(WardgateError, match=r"nominals\.csv: reads as UTF-8"):
        list(open_source(settings, today=lambda: TODAY).read())


PUPILS = (
    "UPN,NHS Number,Handling Flags,Enrolment Status,Admission Number,Date of Admission,Date of Leaving,"
    f"Reason for Leaving,Destination\nA0,{ADA},,C,0,01/09/2025,,,\n"
)
ATTENDANCE = "Summary Id,UPN,Term Start,Attendance %,Unauthorised %,Pattern,Session Codes\n"


@pytest.mark.parametrize(
    ("percent", "found"),
    [("93", 93), ("93.4", "93.4"), ("93.4%", "93.4"), ("98.55%", "98.55"), ("100.0", 100), ("-", None), ("NULL", None)],
)
def test_attendance_is_read_as_the_system_writes_it(tmp_path: Path, percent: str, found: object) -> None:
    files = {"pupils.csv": PUPILS, "attendance.csv": f"{ATTENDANCE}S0,A0,01/09/2026,{percent},1,/,/\n"}
    (term,) = of(source_of(tmp_path, "school-mis", files), "attendance")
    assert term.fields.get("attendance_percent") == found
    assert term.fields["unauthorised_percent"] == 1


@pytest.mark.parametrize("percent", ["101", "-3", "93,4", "most"])
def test_attendance_that_cannot_be_is_reported(tmp_path: Path, percent: str) -> None:
    files = {"pupils.csv": PUPILS, "attendance.csv": f'{ATTENDANCE}S0,A0,01/09/2026,"{percent}",1,/,/\n'}
    rows = source_of(tmp_path, "school-mis", files)
    assert [(row.reason, row.column) for row in rejected(rows)] == [(RejectionReason.VALUE_INVALID, "Attendance %")]


def test_a_school_begins_with_its_pupils(tmp_path: Path) -> None:
    rows = source_of(tmp_path, "school-mis", {"pupils.csv": PUPILS})
    assert [row.category for row in records(rows)] == ["enrolment"]
    settings = SourceSettings("exports", "school-mis", str(tmp_path), SETTINGS)
    open_source(settings, today=lambda: TODAY).check()
    (tmp_path / "pupils.csv").unlink()
    with pytest.raises(WardgateError, match=r"no file pupils\.csv"):
        open_source(settings, today=lambda: TODAY).check()


def test_every_value_that_is_not_given_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(WardgateError, match="settings not given: dsl_contact, dsl_name, school_name"):
        open_source(SourceSettings("exports", "school-mis", str(tmp_path)), today=lambda: TODAY)


@pytest.mark.parametrize("written", ["'{}", '="{}"', "{}.0", "{} "])
def test_a_number_that_was_kept_from_a_spreadsheet_names_its_child(tmp_path: Path, written: str) -> None:
    cell = '"' + written.format(ADA).replace('"', '""') + '"'
    rows = source_of(tmp_path, "school-mis", {"pupils.csv": PUPILS.replace(ADA, cell)})
    assert [child.child.canonical() for child in children(rows)] == [ADA]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("9.99E+09", RejectionReason.NHS_NUMBER_INVALID),
        ("9876543210", RejectionReason.NHS_NUMBER_NEVER_ISSUED),
        ("1234567881", RejectionReason.NHS_NUMBER_NEVER_ISSUED),
        ("NULL", RejectionReason.NHS_NUMBER_MISSING),
    ],
)
def test_a_number_that_names_nobody_is_reported(tmp_path: Path, number: str, reason: RejectionReason) -> None:
    rows = source_of(tmp_path, "school-mis", {"pupils.csv": PUPILS.replace(ADA, number)})
    assert children(rows) == []
    assert [row.reason for row in rejected(rows)] == [reason, RejectionReason.CHILD_UNKNOWN]


def test_own_records_without_content_are_an_export_that_never_ran(tmp_path: Path) -> None:
    child = f'{{"nhs_number": "{ADA}"}}\n'
    record = f'{{"nhs_number": "{ADA}", "ref": "1", "category": "send", "type": "ehc_plan", "date": "2026-01-05"}}\n'
    whole = source_of(tmp_path, "wardgate-records", {"children.jsonl": child, "records.jsonl": record})
    assert (len(children(whole)), len(records(whole))) == (1, 1)
    assert [read.fault for read in datasets(whole).values()] == ["", ""]
    without = source_of(tmp_path, "wardgate-records", {"children.jsonl": child, "records.jsonl": ""})
    assert datasets(without)["records"].fault.endswith("records.jsonl: has no content")
    with pytest.raises(WardgateError, match=r"children\.jsonl: has no content"):
        source_of(tmp_path, "wardgate-records", {"children.jsonl": "", "records.jsonl": record})


OPTIONAL = {
    "police-exports": {"domestic_abuse", "missing", "protection", "exploitation", "offences"},
    "school-mis": {"attendance", "suspensions", "home_education", "log"},
    "standard-safeguarding-dataset": {"early_help", "pre_proceedings", "ehc_plans", "immigration", "permanence"},
    "youth-justice-exports": {"offences"},
    "wardgate-records": set(),
}
MAY_BE_EMPTY = {
    "police-exports": {"missing", "protection", "exploitation"},
    "school-mis": {"suspensions", "home_education", "log"},
    "standard-safeguarding-dataset": {
        *("marks", "conferences", "missing", "early_help", "pre_proceedings", "ehc_plans", "immigration", "permanence"),
    },
    "youth-justice-exports": set(),
    "wardgate-records": set(),
}


@pytest.mark.parametrize("name", sorted(OPTIONAL))
def test_only_what_an_agency_may_honestly_lack_may_be_absent_or_empty(name: str) -> None:
    assert (SHIPPED_MAPPINGS / f"{name}.toml").exists()
    datasets = load_mapping(mapping_path(name)).datasets
    assert {dataset for dataset, spec in datasets.items() if spec.optional} == OPTIONAL[name]
    assert {dataset for dataset, spec in datasets.items() if spec.may_be_empty} == MAY_BE_EMPTY[name]
