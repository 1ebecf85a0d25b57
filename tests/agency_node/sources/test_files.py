import contextlib
import datetime as dt
import json
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agency_node.sources.record import UNRECOGNISED_FLAG, Assertion, SourceChild, SourceRecord, Unreadable
from agency_node.sources.source import DatasetRead, RejectionKind, RejectionReason, SourceLimits, SourceRow
from federation.errors import ErrorCode, WardgateError
from keys.nhs_number import NhsNumber
from tests.support.source_files import ADA, BEN, CAY, children, datasets, read_source, records, rejected

REASON = RejectionReason

CSV_MAPPING = """
format = 1
title = "Pupils"
kind = "files"

[datasets.pupils]
file = "pupils.csv"

[datasets.entries]
file = "log*.csv"
pick = "all"

[[children]]
dataset = "pupils"
key = "UPN"
nhs_number = "NHS Number"
flags = [{ column = "Marks", split = ";", values = { S = "SENSITIVE_ADDRESS", N = "" } }]

[[records]]
dataset = "entries"
category = "safeguarding_log"
type = { column = "Type", values = { concern = "concern", visit = "home_visit" } }
child = { key = "UPN" }
ref = "Id"
date = { column = "Date", formats = ["%d/%m/%Y"] }
assertion = { column = "Kind", values = { F = "fact", O = "professional_opinion" }, default = "fact" }
handling_code = { column = "Code", default = "" }
flags = [{ column = "Flags", split = ";" }]
[records.fields]
summary = "Summary"
seen_alone = { column = "Alone", type = "boolean" }
sessions = { column = "Sessions", type = "integer" }
entry_date = { column = "Date", type = "date", formats = ["%d/%m/%Y"] }
duty_contact = { setting = "duty_contact" }
"""
PUPILS = f"UPN,NHS Number,Marks\nA,{ADA},\nB,999 000 0026,S;N\n"
LOG = "Id,UPN,Date,Type,Kind,Code,Flags,Summary,Alone,Sessions\n"
VALUES = {"duty_contact": "01632 960100"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pupils.csv").write_text(PUPILS, encoding="utf-8")
    (tmp_path / "log.csv").write_text(LOG, encoding="utf-8")
    return tmp_path


def with_log(folder: Path, *lines: str) -> Path:
    (folder / "log.csv").write_text(LOG + "\n".join(lines) + "\n", encoding="utf-8")
    return folder


def read(folder: Path, mapping: str = CSV_MAPPING, limits: SourceLimits | None = None) -> list[SourceRow]:
    return read_source(folder, mapping, values=VALUES, limits=limits or SourceLimits())


def test_children_and_records_are_read_as_mapped(folder: Path) -> None:
    rows = read_source(
        with_log(folder, '1,A,01/03/2026,concern,O,C,THIRD_PARTY;DISPUTED," a, b",Y,3'), CSV_MAPPING, values=VALUES
    )
    assert [row for row in rows if not isinstance(row, DatasetRead)] == [
        SourceChild(NhsNumber(ADA), keys=frozenset({"A"})),
        SourceChild(NhsNumber(BEN), frozenset({"SENSITIVE_ADDRESS"}), frozenset({"B"})),
        SourceRecord(
            child=NhsNumber(ADA),
            source_ref="entries:1",
            category="safeguarding_log",
            type="concern",
            date=dt.date(2026, 3, 1),
            fields={
                "summary": "a, b",
                "seen_alone": True,
                "sessions": 3,
                "entry_date": "2026-03-01",
                "duty_contact": "01632 960100",
            },
            flags=frozenset({"THIRD_PARTY", "DISPUTED"}),
            assertion=Assertion.PROFESSIONAL_OPINION,
            handling_code="C",
            started_on=dt.date(2026, 3, 1),
        ),
    ]
    told = datasets(rows)
    assert [(name, read.rows, read.unreadable, read.fault) for name, read in told.items()] == [
        ("pupils", 2, 0, ""),
        ("entries", 1, 0, ""),
    ]
    assert told["entries"].as_at == int((folder / "log.csv").stat().st_mtime)


SPANS = CSV_MAPPING.replace(
    "assertion = {", 'started_on = "From"\nended_on = { column = "Until", partial = true }\nassertion = {'
)


@pytest.mark.parametrize(
    ("cells", "started", "ended"),
    [
        ("2026-02-01,2026-05-31", dt.date(2026, 2, 1), dt.date(2026, 5, 31)),
        (",", dt.date(2026, 3, 1), None),
        (",2027-03-31", dt.date(2026, 3, 1), dt.date(2027, 3, 31)),
        (",2026", dt.date(2026, 3, 1), dt.date(2026, 12, 31)),
        ("2026-02-01,2026-02", dt.date(2026, 2, 1), dt.date(2026, 2, 28)),
    ],
)
def test_a_record_has_the_start_and_the_end_that_the_mapping_names(
    folder: Path, cells: str, started: dt.date | None, ended: dt.date | None
) -> None:
    (folder / "log.csv").write_text(f"{LOG.strip()},From,Until\n1,A,01/03/2026,visit,,,,,,,{cells}\n", encoding="utf-8")

    (found,) = records(read(folder, SPANS))

    assert (found.date, found.started_on, found.ended_on) == (dt.date(2026, 3, 1), started, ended)


def test_a_record_carries_its_own_flags_and_the_child_the_childs(folder: Path) -> None:
    rows = read_source(with_log(folder, "1,B,01/03/2026,visit,,,VIP,,,"), CSV_MAPPING, values=VALUES)
    (found,) = records(rows)
    assert found.flags == {"VIP"}
    assert [child.flags for child in children(rows)] == [set(), {"SENSITIVE_ADDRESS"}]
    assert found.fields == {"entry_date": "2026-03-01", "duty_contact": "01632 960100"}


def test_a_mark_the_mapping_does_not_know_protects_rather_than_vanishes(folder: Path) -> None:
    (folder / "pupils.csv").write_text(f"UPN,NHS Number,Marks\nA,{ADA},Z\n", encoding="utf-8")
    found = read_source(with_log(folder, "1,A,01/03/2026,visit,,,vip!,,,"), CSV_MAPPING, values=VALUES)
    assert [child.flags for child in children(found)] == [{UNRECOGNISED_FLAG}]
    assert records(found)[0].flags == {UNRECOGNISED_FLAG}


@pytest.mark.parametrize(
    ("line", "reason", "column", "kind"),
    [
        ("1,X,01/03/2026,visit,,,,,,", REASON.CHILD_UNKNOWN, "UPN", RejectionKind.UNIDENTIFIED),
        ("1,,01/03/2026,visit,,,,,,", REASON.CHILD_KEY_MISSING, "UPN", RejectionKind.UNIDENTIFIED),
        ("1,A,01/03/2026,visit,,,,,", REASON.ROW_MALFORMED, "", RejectionKind.UNREADABLE),
        ("1,A,01/03/2026,visit,,,,,,,", REASON.ROW_MALFORMED, "", RejectionKind.UNREADABLE),
        ('1,A,01/03/2026,visit,,,,"a"b,,', REASON.ROW_MALFORMED, "", RejectionKind.UNREADABLE),
    ],
)
def test_a_row_of_nobody_known_is_counted_with_line_and_reason_and_the_others_are_read(
    folder: Path, line: str, reason: RejectionReason, column: str, kind: RejectionKind
) -> None:
    found = read_source(
        with_log(folder, "7,A,01/03/2026,visit,,,,,,", line, "8,B,01/03/2026,visit,,,,,,"), CSV_MAPPING, values=VALUES
    )
    assert [record.source_ref for record in records(found)] == ["entries:7", "entries:8"]
    (fault,) = rejected(found)
    assert (fault.dataset, fault.line, fault.reason, fault.column, fault.file) == (
        "entries",
        3,
        reason,
        column,
        "log.csv",
    )
    assert (fault.counted_as, fault.is_attributed) == (kind, False)
    read = datasets(found)["entries"]
    assert (read.rows, read.unreadable, read.unidentified) == (
        3,
        int(kind is RejectionKind.UNREADABLE),
        int(kind is RejectionKind.UNIDENTIFIED),
    )


@pytest.mark.parametrize(
    ("line", "reason", "column", "unreadable"),
    [
        ("1,A,,visit,,,,,,", REASON.DATE_MISSING, "Date", {Unreadable.DATE, Unreadable.STARTED_ON}),
        ("1,A,2026-03-01,visit,,,,,,", REASON.DATE_INVALID, "Date", {Unreadable.DATE, Unreadable.STARTED_ON}),
        ("1,A,01/03/1026,visit,,,,,,", REASON.DATE_INVALID, "Date", {Unreadable.DATE, Unreadable.STARTED_ON}),
        ("1,A,01/03/2026,party,,,,,,", REASON.VALUE_UNMAPPED, "Type", {Unreadable.TYPE}),
        ("1,A,01/03/2026,,,,,,,", REASON.VALUE_MISSING, "Type", {Unreadable.TYPE}),
        ("1,A,01/03/2026,visit,G,,,,,", REASON.VALUE_UNMAPPED, "Kind", {Unreadable.ASSERTION}),
        ("1,A,01/03/2026,visit,,C C,,,,", REASON.VALUE_INVALID, "Code", {Unreadable.HANDLING_CODE}),
    ],
)
def test_what_policy_reads_and_cannot_be_read_is_an_unreadable_record_of_its_child(
    folder: Path, line: str, reason: RejectionReason, column: str, unreadable: AbstractSet[Unreadable]
) -> None:
    found = read_source(
        with_log(folder, "7,A,01/03/2026,visit,,,,,,", line, "8,B,01/03/2026,visit,,,,,,"), CSV_MAPPING, values=VALUES
    )
    before, record, behind = records(found)
    assert (before.unreadable, behind.unreadable) == (frozenset(), frozenset())
    assert (record.source_ref, record.child, record.unreadable) == ("entries:1", NhsNumber(ADA), unreadable)
    (fault,) = rejected(found)
    assert (fault.line, fault.reason, fault.column, fault.is_attributed) == (3, reason, column, True)
    assert datasets(found)["entries"].unreadable == 1


def test_a_record_without_id_is_read_under_one_made_of_its_row(folder: Path) -> None:
    found = read_source(with_log(folder, ",A,01/03/2026,visit,,,,,,"), CSV_MAPPING, values=VALUES)
    (record,) = records(found)
    assert record.source_ref.startswith("entries:!")
    assert (record.child, record.unreadable) == (NhsNumber(ADA), frozenset())
    assert [(fault.reason, fault.column) for fault in rejected(found)] == [(REASON.REF_MISSING, "Id")]


@pytest.mark.parametrize(
    ("line", "column", "field"),
    [
        ("1,A,01/03/2026,visit,,,,,maybe,", "Alone", "seen_alone"),
        ("1,A,01/03/2026,visit,,,,,,3.5", "Sessions", "sessions"),
        ("1,A,01/03/2026,visit,,,,a\x00b,,", "Summary", "summary"),
    ],
)
def test_a_field_that_cannot_be_read_is_dropped_and_named_and_its_record_kept(
    folder: Path, line: str, column: str, field: str
) -> None:
    found = read_source(with_log(folder, line), CSV_MAPPING, values=VALUES)
    (record,) = records(found)
    assert (record.unreadable, record.fields_unreadable) == (frozenset(), frozenset({field}))
    assert record.fields == {"entry_date": "2026-03-01", "duty_contact": "01632 960100"}
    (fault,) = rejected(found)
    assert (fault.reason, fault.column, fault.counted_as) == (REASON.VALUE_INVALID, column, RejectionKind.FIELD)
    assert datasets(found)["entries"].unreadable == 0


def test_one_reference_with_two_children_is_an_unreadable_record_of_both(folder: Path) -> None:
    found = read_source(
        with_log(folder, "1,A,01/03/2026,visit,,,,,,", "1,B,01/03/2026,visit,,,,,,"), CSV_MAPPING, values=VALUES
    )
    uncertain = [record for record in records(found) if Unreadable.CHILD in record.unreadable]
    assert {record.child for record in uncertain} == {NhsNumber(ADA), NhsNumber(BEN)}
    assert all(not record.fields for record in uncertain)
    assert {fault.reason for fault in rejected(found)} == {REASON.REF_REPEATED, REASON.CHILD_AMBIGUOUS}


def test_a_bad_nhs_number_is_counted_and_never_repeated(folder: Path) -> None:
    (folder / "pupils.csv").write_text(
        f"UPN,NHS Number,Marks\nA,{ADA},\nB,9990000027,\nC,,\nD,1111111111,\n", encoding="utf-8"
    )
    found = read_source(with_log(folder, "1,B,01/03/2026,visit,,,,,,"), CSV_MAPPING, values=VALUES)
    assert [fault.reason for fault in rejected(found)] == [
        REASON.NHS_NUMBER_INVALID,
        REASON.NHS_NUMBER_MISSING,
        REASON.NHS_NUMBER_INVALID,
        REASON.CHILD_UNKNOWN,
    ]
    assert "9990000027" not in repr(found)
    assert ADA not in repr(found)
    assert (len(children(found)), records(found)) == (1, [])
    assert (datasets(found)["pupils"].unidentified, datasets(found)["entries"].unidentified) == (3, 1)


def test_a_key_with_two_numbers_makes_the_records_of_both_children_unreadable(folder: Path) -> None:
    (folder / "pupils.csv").write_text(
        f"UPN,NHS Number,Marks\nA,{ADA},\nA,{BEN},\nB,{CAY},\nB,{CAY},\n", encoding="utf-8"
    )
    found = read_source(
        with_log(folder, "1,A,01/03/2026,visit,,,,secret,,", "2,B,01/03/2026,visit,,,,,,"), CSV_MAPPING, values=VALUES
    )
    assert [(record.source_ref, record.child, record.unreadable) for record in records(found)] == [
        ("entries:1", NhsNumber(ADA), {Unreadable.CHILD}),
        ("entries:1#2", NhsNumber(BEN), {Unreadable.CHILD}),
        ("entries:2", NhsNumber(CAY), frozenset()),
    ]
    assert [dict(record.fields) for record in records(found)[:2]] == [{}, {}]
    assert {fault.reason for fault in rejected(found)} == {REASON.CHILD_AMBIGUOUS}
    assert datasets(found)["entries"].unreadable == 1


def test_a_value_just_inside_the_limit_is_read_and_one_over_it_is_dropped_and_named(folder: Path) -> None:
    limits = SourceLimits(value_chars=50)
    lines = (f"1,A,01/03/2026,visit,,,,{'x' * 50},,", f"2,A,01/03/2026,visit,,,,{'x' * 51},,")
    found = read_source(with_log(folder, *lines), CSV_MAPPING, values=VALUES, limits=limits)
    assert [(record.source_ref, record.fields_unreadable) for record in records(found)] == [
        ("entries:1", frozenset()),
        ("entries:2", {"summary"}),
    ]
    assert records(found)[0].fields["summary"] == "x" * 50
    assert "summary" not in records(found)[1].fields
    assert [(fault.reason, fault.column) for fault in rejected(found)] == [(REASON.VALUE_TOO_LONG, "Summary")]


def test_more_fields_than_a_record_may_have_make_it_unreadable(folder: Path) -> None:
    line = "1,A,01/03/2026,visit,,,,x,y,1"
    (inside,) = records(read_source(with_log(folder, line), CSV_MAPPING, values=VALUES, limits=SourceLimits(fields=5)))
    assert (len(inside.fields), inside.unreadable) == (5, frozenset())
    found = read_source(with_log(folder, line), CSV_MAPPING, values=VALUES, limits=SourceLimits(fields=4))
    assert [(record.fields, record.unreadable) for record in records(found)] == [({}, frozenset({Unreadable.ROW}))]
    assert [fault.reason for fault in rejected(found)] == [REASON.TOO_MANY_FIELDS]


def test_more_rows_than_a_dataset_may_have_make_it_unreadable(folder: Path) -> None:
    lines = [f"{number},A,01/03/2026,visit,,,,,," for number in range(3)]
    assert (
        len(records(read_source(with_log(folder, *lines), CSV_MAPPING, values=VALUES, limits=SourceLimits(rows=3))))
        == 3
    )
    found = datasets(read_source(with_log(folder, *lines), CSV_MAPPING, values=VALUES, limits=SourceLimits(rows=2)))
    assert [read.fault for read in found.values()] == ["", "a-source: dataset entries: more than 2 rows"]


def test_bytes_of_another_encoding_cost_their_field_only(folder: Path) -> None:
    rows = [b"1,A,01/03/2026,visit,,,,caf\xe9,,", b"2,A,01/03/2026,visit,,,,caf\xc3\xa9,,"]
    (folder / "log.csv").write_bytes(LOG.encode() + b"\n".join(rows) + b"\n")
    found = read_source(folder, CSV_MAPPING, values=VALUES)
    assert [(record.fields.get("summary"), record.fields_unreadable) for record in records(found)] == [
        (None, {"summary"}),
        ("café", frozenset()),
    ]
    assert [(fault.line, fault.reason) for fault in rejected(found)] == [(2, REASON.ROW_ENCODING)]


@pytest.mark.parametrize(
    ("encoding", "delimiter"), [("cp1252", ";"), ("utf-16", "\t"), ("latin-1", "|"), ("utf-8-sig", ",")]
)
def test_other_encodings_and_delimiters_are_read(folder: Path, encoding: str, delimiter: str) -> None:
    text = (LOG + "1,A,01/03/2026,visit,,,,café,,\n").replace(",", delimiter)
    (folder / "log.csv").write_bytes(text.encode(encoding))
    named = "utf-8" if encoding == "utf-8-sig" else encoding
    option = f'file = "log*.csv"\npick = "all"\nencoding = "{named}"\ndelimiter = {json.dumps(delimiter)}'
    (found,) = records(
        read_source(folder, CSV_MAPPING.replace('file = "log*.csv"\npick = "all"', option), values=VALUES)
    )
    assert found.fields["summary"] == "café"


def test_every_part_of_one_export_is_read_in_order(folder: Path) -> None:
    with_log(folder, "1,A,01/03/2026,visit,,,,,,")
    (folder / "log-2.csv").write_text(LOG + "2,A,01/03/2026,visit,,,,,,\n", encoding="utf-8")
    found = read_source(folder, CSV_MAPPING, values=VALUES)
    assert [record.source_ref for record in records(found)] == ["entries:2", "entries:1"]


def test_a_missing_column_is_a_mistake_of_the_mapping(folder: Path) -> None:
    (folder / "log.csv").write_text(LOG.replace("Sessions", "Session"), encoding="utf-8")
    found = datasets(read_source(folder, CSV_MAPPING, values=VALUES))
    assert "dataset entries: log.csv: no column Sessions" in found["entries"].fault
    assert not found["pupils"].fault


def test_a_column_that_stands_twice_is_a_mistake_of_the_mapping(folder: Path) -> None:
    (folder / "log.csv").write_text(LOG.replace("Alone", "Summary,Alone"), encoding="utf-8")
    found = datasets(read_source(folder, CSV_MAPPING, values=VALUES))
    assert "column Summary stands twice" in found["entries"].fault


def test_a_setting_that_is_not_given_is_a_mistake_of_the_mapping(folder: Path) -> None:
    with pytest.raises(WardgateError) as refused:
        read_source(folder, CSV_MAPPING)
    assert refused.value.code is ErrorCode.MAPPING_INVALID
    assert "settings not given: duty_contact" in refused.value.detail


@pytest.mark.parametrize("file", ["log.csv", "pupils.csv"])
@pytest.mark.parametrize("harm", ["absent", "empty", "directory"])
def test_a_file_that_cannot_be_read_fails_alone_unless_it_says_who_there_is(folder: Path, harm: str, file: str) -> None:
    path = folder / file
    if harm == "absent":
        path.unlink()
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "directory":
        path.unlink()
        path.mkdir()
    if file == "log.csv":
        found = read_source(folder, CSV_MAPPING, values=VALUES)
        assert datasets(found)["entries"].fault
        assert len(children(found)) == 2
        return
    with pytest.raises(WardgateError) as refused:
        read_source(folder, CSV_MAPPING, values=VALUES)
    assert refused.value.code is ErrorCode.SOURCE_UNREADABLE


def test_a_folder_that_is_gone_makes_the_source_unreadable(folder: Path) -> None:
    with pytest.raises(WardgateError) as refused:
        read_source(folder, CSV_MAPPING, "gone", values=VALUES)
    assert refused.value.code is ErrorCode.SOURCE_UNREADABLE


def test_an_export_that_was_cut_short_does_not_read_as_nothing_held(folder: Path) -> None:
    mapping = CSV_MAPPING.replace('file = "log*.csv"', 'file = "log*.csv"\nminimum_rows = 2')
    two = with_log(folder, "1,A,01/03/2026,visit,,,,,,", "2,A,01/03/2026,visit,,,,,,")
    assert len(records(read_source(two, mapping, values=VALUES))) == 2
    short = datasets(read_source(with_log(folder, "1,A,01/03/2026,visit,,,,,,"), mapping, values=VALUES))
    assert short["entries"].fault.endswith("1 rows where the mapping expects at least 2")


JSON_MAPPING = """
format = 1
title = "Log"
kind = "files"
[datasets.log]
file = "log.json"
rows = "export.entries"
[[records]]
dataset = "log"
category = "safeguarding_log"
type = "concern"
child = { nhs_number = "pupil.nhs" }
ref = ["school", "id"]
date = "at"
where = { status = ["open", "closed"] }
unless = { "tags" = ["test"] }
fields_from = "more"
[records.fields]
tags = "tags"
"""


def with_entries(folder: Path, *entries: object) -> list[SourceRow]:
    (folder / "log.json").write_text(json.dumps({"export": {"entries": list(entries)}}), encoding="utf-8")
    return read_source(folder, JSON_MAPPING)


def entry(**changes: object) -> dict[str, object]:
    return {"id": 1, "school": "s", "pupil": {"nhs": ADA}, "at": "2026-03-01T09:00:00Z", "status": "open", **changes}


def test_json_objects_are_read_through_paths(tmp_path: Path) -> None:
    (found,) = records(with_entries(tmp_path, entry(tags=["a", "b"], more={"height": 1.5, "seen": True, "visits": 3})))
    assert found.source_ref == "log:s/1"
    assert found.fields == {"tags": "a; b", "height": "1.5", "seen": True, "visits": 3}


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (None, REASON.ROW_MALFORMED),
        ("text", REASON.ROW_MALFORMED),
        ([entry()], REASON.ROW_MALFORMED),
        (entry(status="draft"), REASON.ROW_UNCLAIMED),
        (entry(tags=["test"]), REASON.ROW_UNCLAIMED),
        (entry(pupil={}), REASON.NHS_NUMBER_MISSING),
    ],
)
def test_a_json_object_of_nobody_known_is_reported_and_the_others_are_read(
    tmp_path: Path, member: object, reason: RejectionReason
) -> None:
    found = with_entries(tmp_path, member, entry(id=2))
    assert [row.source_ref for row in found if isinstance(row, SourceRecord)] == ["log:s/2"]
    assert [(row.line, row.reason) for row in rejected(found)] == [(1, reason)]


@pytest.mark.parametrize(
    ("member", "reason", "unreadable", "fields"),
    [
        # The column of a condition: whether the section takes the row cannot be told.
        (entry(tags={"a": 1}), REASON.VALUE_INVALID, {Unreadable.ROW}, {"tags"}),
        (entry(tags="\ud800"), REASON.ROW_ENCODING, {Unreadable.ROW}, {"tags"}),
        (entry(at="yesterday"), REASON.DATE_INVALID, {Unreadable.DATE, Unreadable.STARTED_ON}, set()),
        (entry(more={"UPPER": 1}), REASON.VALUE_INVALID, set(), {"more"}),
        (entry(more={"deep": {"er": 1}}), REASON.VALUE_INVALID, set(), {"deep"}),
        (entry(more="text"), REASON.VALUE_INVALID, set(), {"more"}),
    ],
)
def test_what_cannot_be_read_of_a_json_object_is_said_by_its_record(
    tmp_path: Path,
    member: object,
    reason: RejectionReason,
    unreadable: AbstractSet[Unreadable],
    fields: AbstractSet[str],
) -> None:
    found = with_entries(tmp_path, member, entry(id=2))
    assert [(row.source_ref, row.unreadable, row.fields_unreadable) for row in records(found)] == [
        ("log:s/1", unreadable, fields),
        ("log:s/2", frozenset(), frozenset()),
    ]
    assert {(row.line, row.reason) for row in rejected(found)} == {(1, reason)}


def test_rows_meant_to_be_passed_over_are_not_reported(tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text(json.dumps({"export": {"entries": [entry(status="draft")]}}), encoding="utf-8")
    (read,) = read_source(tmp_path, JSON_MAPPING.replace('rows = "', 'unclaimed = "ignore"\nrows = "'))
    assert isinstance(read, DatasetRead)
    assert (read.rows, read.unclaimed, read.fault) == (1, 0, "")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"export": {"entries": {}}}',
        '{"export": 1}',
        "[" * 3000,
        '{"a": NaN}',
        '{"export": {"entries": [' + "[" * 40 + "]" * 40 + "]}}",
    ],
)
def test_a_document_that_is_no_array_of_objects_cannot_be_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "log.json").write_text(content, encoding="utf-8")
    (read,) = read_source(tmp_path, JSON_MAPPING)
    assert isinstance(read, DatasetRead)
    assert read.fault.startswith("a-source: dataset log: ")


def test_a_document_over_the_limit_is_not_parsed(tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text('{"export": {"entries": []}}', encoding="utf-8")
    size = (tmp_path / "log.json").stat().st_size
    whole = read_source(tmp_path, JSON_MAPPING, limits=SourceLimits(document_bytes=size))
    assert not datasets(whole)["log"].fault
    over = read_source(tmp_path, JSON_MAPPING, limits=SourceLimits(document_bytes=size - 1))
    assert datasets(over)["log"].fault.endswith(f"log.json: over {size - 1} bytes")


def test_json_lines_are_read_line_by_line(tmp_path: Path) -> None:
    mapping = JSON_MAPPING.replace("log.json", "log.jsonl").replace('rows = "export.entries"\n', "")
    ambiguous = json.dumps(entry(id=3))[:-1] + ', "pupil": {"nhs": "' + BEN + '"}}'
    lines = [json.dumps(entry()), "{", "", "3", ambiguous, json.dumps(entry(id=2))]
    (tmp_path / "log.jsonl").write_text("\n".join(lines), encoding="utf-8")
    found = read_source(tmp_path, mapping)
    assert [row.source_ref for row in records(found)] == ["log:s/1", "log:s/2"]
    assert [(row.line, row.reason) for row in rejected(found)] == [(line, REASON.ROW_MALFORMED) for line in (2, 4, 5)]


MARKED = """
format = 1
title = "Marks"
kind = "files"
[datasets.people]
file = "people.csv"
[datasets.marks]
file = "marks.csv"
[datasets.events]
file = "events.csv"
[[children]]
dataset = "people"
key = "id"
nhs_number = "nhs"
[[marks]]
dataset = "marks"
child = { key = "id" }
flags = [{ column = "flag" }]
unless = { ended = ["Y"] }
record = { dataset = { column = "table", values = { E = "events" } }, id = "event" }
[[records]]
dataset = "events"
category = "police_incident"
type = "first"
child = { key = "id" }
ref = "event"
date = "date"
[[records]]
dataset = "events"
category = "domestic_abuse"
type = "second"
where = { kind = ["DA"] }
child = { key = "id" }
ref = "event"
date = "date"
"""


def marked(folder: Path, *marks: str) -> list[SourceRow]:
    (folder / "people.csv").write_text(f"id,nhs\n1,{ADA}\n2,{BEN}\n", encoding="utf-8")
    (folder / "events.csv").write_text(
        "event,id,date,kind\n10,1,2026-03-01,DA\n11,1,2026-03-02,\n12,2,2026-03-03,\n", encoding="utf-8"
    )
    (folder / "marks.csv").write_text("id,table,event,flag,ended\n" + "\n".join(marks) + "\n", encoding="utf-8")
    return read_source(folder, MARKED)


def flags_of(rows: list[SourceRow], number: str) -> set[str]:
    return {flag for row in children(rows) if row.child == NhsNumber(number) for flag in row.flags}


def test_marks_on_a_child_unite_on_the_child(tmp_path: Path) -> None:
    found = marked(tmp_path, "1,,,WITNESS_PROT,", "1,,,VIP,", "2,,,VIP,Y")
    assert flags_of(found, ADA) == {"WITNESS_PROT", "VIP"}
    assert flags_of(found, BEN) == set()


def test_a_mark_on_a_record_marks_everything_made_of_its_row_and_nothing_else(tmp_path: Path) -> None:
    found = records(marked(tmp_path, "1,E,10,MAPPA,"))
    assert [(row.source_ref, row.category, sorted(row.flags)) for row in found] == [
        ("events:10", "police_incident", ["MAPPA"]),
        ("events:10+1", "domestic_abuse", ["MAPPA"]),
        ("events:11", "police_incident", []),
        ("events:12", "police_incident", []),
    ]


def test_a_mark_on_a_record_that_is_not_there_stands_on_the_child_and_is_reported(tmp_path: Path) -> None:
    rows = marked(tmp_path, "1,E,99,MAPPA,", "7,,,VIP,")
    found = rejected(rows)
    assert [(row.dataset, row.line, row.reason) for row in found] == [
        ("marks", 3, REASON.CHILD_UNKNOWN),
        ("marks", 2, REASON.MARK_UNMATCHED),
    ]
    assert flags_of(rows, ADA) == {"MAPPA"}
    assert flags_of(rows, BEN) == set()


@pytest.mark.parametrize("line", ["1,E,10,MAPPA", '1,E,"10"x,MAPPA,', ",,,VIP,", "1,T,10,MAPPA,", "1,,10,MAPPA,"])
def test_a_mark_that_cannot_be_read_stops_the_reading(tmp_path: Path, line: str) -> None:
    with pytest.raises(WardgateError) as refused:
        marked(tmp_path, line)
    assert refused.value.code is ErrorCode.SOURCE_UNREADABLE
    assert "line 2" in refused.value.detail


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.binary(max_size=300))
def test_any_bytes_are_rows_or_an_error_of_the_catalogue(folder: Path, content: bytes) -> None:
    for prefix in (b"", LOG.encode()):
        (folder / "log.csv").write_bytes(prefix + content)
        with contextlib.suppress(WardgateError):
            read(folder)
        (folder / "log.json").write_bytes(content)
        with contextlib.suppress(WardgateError):
            read_source(folder, JSON_MAPPING)
        (folder / "log.jsonl").write_bytes(content)
        lines = JSON_MAPPING.replace("log.json", "log.jsonl").replace('rows = "export.entries"\n', "")
        with contextlib.suppress(WardgateError):
            read_source(folder, lines)


def joined_by_quotations(lines: list[str]) -> list[str]:
    """The rows that these lines make: a quotation that is not closed in its line goes on in the next one."""
    rows: list[str] = []
    for line in lines:
        if rows and rows[-1].count('"') % 2:
            rows[-1] += f"\n{line}"
        else:
            rows.append(line)
    return rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(
        st.lists(st.sampled_from(["A", "B", "1", "01/03/2026", "visit", '"', "'", "", "é", "x" * 60]), max_size=12),
        max_size=6,
    )
)
def test_no_line_of_a_csv_file_is_lost(folder: Path, lines: list[list[str]]) -> None:
    text = joined_by_quotations([",".join(cells) for cells in lines])
    found = read_source(with_log(folder, *text), CSV_MAPPING, values=VALUES)
    read = datasets(found)["entries"]
    if read.fault:
        # Only a quotation mark may join lines; where it did so without right, the whole file is refused.
        assert any('"' in row for row in text)
        return
    assert not any(row.count('"') % 2 for row in text)
    lost = {row.line for row in rejected(found) if row.dataset == "entries" and not row.is_attributed}
    recorded = {record.source_ref.partition("#")[0] for record in records(found)}
    repeated = [row for row in rejected(found) if row.reason is REASON.REF_REPEATED]
    # Cells without content are a row unless nothing stands behind them; a line without a cell is none.
    until = max((place for place, line in enumerate(text) if line.replace(",", "")), default=-1)
    told = [line for line in text[: until + 1] if line]
    assert len(recorded) + len(repeated) + len(lost) == len(told) == read.rows
