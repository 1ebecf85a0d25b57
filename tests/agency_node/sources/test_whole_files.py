"""Files that are whole are read, and files that are not are refused whole, never read in part."""

import csv
import io
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agency_node.sources.csv_rows import CsvFile
from agency_node.sources.files import FilesReader
from agency_node.sources.mapped_source import Feed
from agency_node.sources.mapping import FilesMapping, parse_mapping
from agency_node.sources.rows import FlatRow
from agency_node.sources.source import Rejected, RejectionReason
from agency_node.sources.whole_files import UnsoundFileError
from federation.errors import ErrorCode, WardgateError
from tests.support.source_files import TODAY

HEADER = "Ref,Key,Date,Note,Flags\n"
LATER = "2,U1,05/11/2026,Seen at school,\n3,U2,05/11/2026,Seen at home,WITNESS_PROT\n"


def rows_of(text: str, delimiter: str = ",") -> list[FlatRow | Rejected]:
    lines = CsvFile(io.StringIO(text, newline=""), delimiter)
    return list(lines.rows(lines.header(), dataset="d", file="f.csv"))


def refs(text: str, delimiter: str = ",") -> list[object]:
    return [row.cells["Ref"] for row in rows_of(text, delimiter) if isinstance(row, FlatRow)]


def refused(text: str, delimiter: str = ",") -> str:
    with pytest.raises(UnsoundFileError) as caught:
        rows_of(text, delimiter)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (HEADER + '1,U0,05/11/2026,"Nan says so,\n' + LATER, "has no end"),
        (HEADER + '"1,U0,05/11/2026,Nan,\n' + LATER, "has no end"),
        (HEADER + LATER + '4,U0,05/11/2026,"Nan says so', "has no end"),
        (HEADER + LATER + '4,U0,05/11/2026,"Nan says so,\n', "has no end"),
        # Closed by a stray quotation mark rows later: in the middle of a cell, and at the end of one.
        (HEADER + '1,U0,05/11/2026,"Nan,\n' + LATER + '4,U3,05/11/2026,said "stop" there,\n', "runs on to line 5"),
        (HEADER + '1,U0,05/11/2026,"Nan,\n' + LATER + '4,U3,05/11/2026,a knife of 5",\n', "has swallowed rows"),
        (HEADER + '1,U0,05/11/2026,"Nan,\n4,U3,05/11/2026,a knife of 5",\n', "has swallowed rows"),
        (HEADER + '1,U0,05/11/2026,Nan,"VIP\n2,U1,05/11/2026,Seen,"\n' + LATER, "has swallowed rows"),
        (HEADER + '1,"U0,05/11/2026,Nan,\n2,U1",05/11/2026,Seen,\n', "has swallowed rows"),
        (HEADER + '"1,U0,05/11/2026,Nan,\n2",U1,05/11/2026,Seen,\n', "has swallowed rows"),
        (HEADER + '1,U0,05/11/2026,"Nan,\n\n2,U1,05/11/2026,Seen",\n', "has swallowed rows"),
        # Another width: a row that runs over lines is no row.
        (HEADER + '1,U0,05/11/2026,"Nan,\n2,U1",VIP\n' + LATER, ""),
        (HEADER + '1,U0,05/11/2026,"a\nb",,too many\n' + LATER, "runs on to line 3"),
    ],
)
def test_a_quotation_that_takes_rows_with_it_is_no_file(text: str, why: str) -> None:
    if why:
        assert why in refused(text)
    else:
        # Two lines that together make one row of the right width, and neither of them alone: somebody's text.
        assert refs(text) == ["1", "2", "3"]


@pytest.mark.parametrize(
    "note",
    [
        "Seen at home.\nAll well.",
        "Seen at home,\nwith mum, dad, and nan.",
        "One, two, three, four\nfive, six, seven, eight",
        "\n",
        "a,\n b, c, d",
        'He said ""stop"",\nand left',
        "first,\r\nsecond,\r\nthird",
        "Present,\nA Ahmed, B Brown, C Clark\nApologies,\nD Dunn, E Evans, F Ford",
    ],
)
def test_a_text_of_several_lines_is_read(note: str) -> None:
    text = f'{HEADER}1,U0,05/11/2026,"{note}",\n{LATER}'
    first = rows_of(text)[0]
    assert isinstance(first, FlatRow)
    assert first.cells["Note"] == note.replace('""', '"')
    assert refs(text) == ["1", "2", "3"]


def test_the_same_with_other_delimiters_and_with_spaces_behind_them() -> None:
    swallowed = HEADER + '1,U0,05/11/2026,"Nan,\n' + LATER + '4,U3,05/11/2026,5",\n'
    for delimiter in (";", "\t", "|"):
        assert "swallowed" in refused(swallowed.replace(",", delimiter), delimiter)
    assert "swallowed" in refused('Ref, Key, Note\n1, U0,"Nan\n2, U1, Seen\n3, U2, 5"\n')


def test_a_bad_row_of_one_line_costs_that_row() -> None:
    text = HEADER + '1,U0,05/11/2026,"a"b,\n2,U1\n3,U2,05/11/2026,x,,,\n4,U3,05/11/2026,a 5" knife,\n'
    found = rows_of(text)
    assert [(row.line, row.reason) for row in found if isinstance(row, Rejected)] == [
        (2, RejectionReason.ROW_MALFORMED),
        (3, RejectionReason.ROW_MALFORMED),
        (4, RejectionReason.ROW_MALFORMED),
    ]
    assert refs(text) == ["4"]


@pytest.mark.parametrize(
    ("end", "cut"),
    [
        ("4,U3,05/1", True),
        ("4", True),
        ("4,U3,05/11/2026,Seen", True),
        ("4,U3,05/1\n", False),
        ("4,U3,05/11/2026,Seen,", False),
        ("4,U3,05/11/2026,Seen,,,", False),
        ("4,U3,05/11/2026,Seen,\r\n", False),
        ("\n\n", False),
        (",,", True),
        (",,,,", False),
    ],
)
def test_a_last_line_that_is_cut_is_no_file(end: str, *, cut: bool) -> None:
    text = HEADER + LATER + end
    if cut:
        assert refused(text) == "the last line is cut off"
    else:
        assert refs(text)[:2] == ["2", "3"]


def test_rows_of_empty_cells_are_told_where_rows_stand_behind_them() -> None:
    found = list(rows_of(HEADER + ",,,,\n" + "\n" + LATER + ",,,,\n,,,,\n"))
    assert [(row.line, row.reason) for row in found if isinstance(row, Rejected)] == [(2, RejectionReason.ROW_EMPTY)]
    assert refs(HEADER + ",,,,\n" + LATER + ",,,,\n") == ["2", "3"]


cells = st.text("ab ,\n\"';é", max_size=12)


@given(st.lists(st.tuples(*[cells] * 3).filter(any), min_size=1, max_size=6))
def test_what_a_writer_of_csv_wrote_is_read_or_refused_and_never_changed(written: list[tuple[str, ...]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("Ref", "b", "c"), *written])
    try:
        found = rows_of(out.getvalue())
    except UnsoundFileError:
        return
    assert [tuple(row.cells.values()) for row in found if isinstance(row, FlatRow)] == written


@given(
    st.lists(st.lists(st.text("abc1", max_size=4), min_size=4, max_size=4), min_size=2, max_size=6),
    st.integers(0, 5),
    st.integers(0, 3),
)
def test_no_row_is_lost_to_a_quotation_mark_that_is_never_closed(
    lines: list[list[str]], place: int, column: int
) -> None:
    lines[place % len(lines)][column] = '"' + lines[place % len(lines)][column]
    refused("Ref,b,c,d\n" + "".join(",".join(line) + "\n" for line in lines))


@given(
    st.lists(st.lists(st.text("abc1", max_size=4), min_size=4, max_size=4), min_size=2, max_size=6),
    st.integers(0, 3),
    st.data(),
)
def test_no_row_is_lost_to_one_that_is_closed_rows_later(
    lines: list[list[str]], column: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(lines) - 2))
    last = data.draw(st.integers(first + 1, len(lines) - 1))
    lines[first][column] = '"' + lines[first][column]
    lines[last][column] += '"'
    assert refused("Ref,b,c,d\n" + "".join(",".join(line) + "\n" for line in lines))


MAPPING = """
format = 1
title = "Exports"
kind = "files"
[datasets.notes]
file = "notes.csv"
encoding = "ENCODING"
[datasets.log]
file = "log.jsonl"
[datasets.book]
file = "book.json"
[[records]]
dataset = "notes"
category = "x"
type = "x"
child = { nhs_number = "Key" }
ref = "Ref"
date = "Date"
texts = []
fields = { note = "Note" }
[[records]]
dataset = "log"
category = "x"
type = "x"
child = { nhs_number = "key" }
ref = "ref"
date = "date"
[[records]]
dataset = "book"
category = "x"
type = "x"
child = { nhs_number = "key" }
ref = "ref"
date = "date"
"""
Opened = Callable[..., AbstractContextManager[Feed]]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    (tmp_path / "notes.csv").write_text(HEADER + LATER, encoding="utf-8")
    (tmp_path / "log.jsonl").write_text('{"ref": 1}\n{"ref": 2}\n', encoding="utf-8")
    (tmp_path / "book.json").write_text('[{"ref": 1}]', encoding="utf-8")

    @contextmanager
    def open_it(encoding: str = "utf-8", mapping: str = MAPPING) -> Iterator[Feed]:
        found = parse_mapping(mapping.replace("ENCODING", encoding).encode(), name="m.toml")
        assert isinstance(found, FilesMapping)
        with FilesReader("s", tmp_path, found, today=lambda: TODAY).open() as feed:
            yield feed

    return open_it


def fault(feed: Feed, dataset: str) -> str:
    with pytest.raises(WardgateError) as caught:
        list(feed.rows(dataset))
    assert caught.value.code is ErrorCode.SOURCE_UNREADABLE
    return caught.value.detail


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"ref": 1}\n{"ref": 2, "flags": ["WITNESS_P', "the last line is cut off"),
        ('{"re', "the last line is cut off"),
        ("", "has no content"),
        ('{"ref": 1}\n{"ref": 2}', ""),
        ('{"ref": 1}\n{"ref"\n', ""),
        ('{"ref": 1}\n\n', ""),
    ],
)
def test_json_lines_that_are_cut_are_no_file(tmp_path: Path, opened: Opened, content: str, why: str) -> None:
    (tmp_path / "log.jsonl").write_text(content, encoding="utf-8")
    with opened() as feed:
        if why:
            assert fault(feed, "log") == f"s: dataset log: log.jsonl: {why}"
        else:
            assert list(feed.rows("log"))


def test_json_lines_without_bytes_are_an_export_where_it_may_be_empty(tmp_path: Path, opened: Opened) -> None:
    (tmp_path / "log.jsonl").write_bytes(b"")
    with opened(mapping=MAPPING.replace('"log.jsonl"', '"log.jsonl"\nmay_be_empty = true')) as feed:
        assert list(feed.rows("log")) == []


@pytest.mark.parametrize(("dataset", "file"), [("notes", "notes.csv"), ("log", "log.jsonl")])
@pytest.mark.parametrize("harm", ["longer", "shorter", "touched"])
def test_a_file_that_is_written_to_while_it_is_read_is_refused(
    tmp_path: Path, opened: Opened, dataset: str, file: str, harm: str
) -> None:
    path = tmp_path / file
    with opened() as feed:
        rows = feed.rows(dataset)
        next(iter(rows))
        content = path.read_text(encoding="utf-8")
        if harm == "longer":
            with path.open("a", encoding="utf-8") as more:
                more.write(content.splitlines()[-1] + "\n")
        elif harm == "shorter":
            os.truncate(path, len(content) - 3)
        else:
            os.utime(path, ns=(1, 1))
        with pytest.raises(WardgateError, match=f"{file}: is still being written"):
            list(rows)


def test_a_file_that_is_replaced_while_it_is_read_is_whole(tmp_path: Path, opened: Opened) -> None:
    with opened() as feed:
        rows = iter(feed.rows("notes"))
        next(rows)
        (tmp_path / "next.csv").write_text(HEADER, encoding="utf-8")
        (tmp_path / "next.csv").replace(tmp_path / "notes.csv")
        assert len(list(rows)) == 1


@pytest.mark.parametrize("suffix", [".part", ".partial", ".filepart", ".tmp", ".TMP", ".crdownload"])
@pytest.mark.parametrize(("dataset", "file"), [("notes", "notes.csv"), ("log", "log.jsonl"), ("book", "book.json")])
def test_an_export_on_its_way_is_waited_for(
    tmp_path: Path, opened: Opened, dataset: str, file: str, suffix: str
) -> None:
    (tmp_path / f"{file}{suffix}").write_text("", encoding="utf-8")
    with opened() as feed:
        assert fault(feed, dataset) == f"s: dataset {dataset}: {file}{suffix} is still being written"


@pytest.mark.parametrize("name", ["notes.csv~", "other.csv.part", "notes.csv.old"])
def test_other_files_in_the_folder_are_no_matter(tmp_path: Path, opened: Opened, name: str) -> None:
    (tmp_path / name).write_text("", encoding="utf-8")
    with opened() as feed:
        assert len(list(feed.rows("notes"))) == 2


@pytest.mark.parametrize(
    ("header", "why"),
    [("Ref,Key,Da", "the header line is cut off"), ("Ref,Key,Da\n", "no column Date"), (HEADER.strip(), "")],
)
def test_a_header_that_is_cut_is_no_mistake_of_the_mapping(
    tmp_path: Path, opened: Opened, header: str, why: str
) -> None:
    (tmp_path / "notes.csv").write_text(header, encoding="utf-8")
    with opened() as feed:
        if not why:
            assert list(feed.rows("notes")) == []
            return
        with pytest.raises(WardgateError, match=why) as caught:
            list(feed.rows("notes"))
        cut = ErrorCode.SOURCE_UNREADABLE if "cut" in why else ErrorCode.MAPPING_INVALID
        assert caught.value.code is cut


def test_utf16_that_is_cut_in_a_character_is_refused(tmp_path: Path, opened: Opened) -> None:
    content = (HEADER + LATER).encode("utf-16")
    (tmp_path / "notes.csv").write_bytes(content)
    with opened("utf-16") as feed:
        assert len(list(feed.rows("notes"))) == 2
    (tmp_path / "notes.csv").write_bytes(content[:-1])
    with opened("utf-16") as feed:
        assert "notes.csv: UnicodeDecodeError" in fault(feed, "notes")


def test_a_cut_document_is_no_json(tmp_path: Path, opened: Opened) -> None:
    (tmp_path / "book.json").write_text('[{"ref": 1}, {"re', encoding="utf-8")
    with opened() as feed:
        assert "not JSON" in fault(feed, "book")


NAMES = "Siân Ó Briain, Llŷn"


@pytest.mark.parametrize(
    ("encoding", "content", "refused"),
    [
        ("cp1252", NAMES.encode(), True),
        ("latin-1", NAMES.encode(), True),
        ("cp1252", b"\xef\xbb\xbf", True),
        ("cp1252", "Siân".encode("cp1252"), False),
        ("cp1252", "Siân ‰ café".encode("cp1252"), False),
        ("latin-1", "Siân".encode("latin-1"), False),
        ("cp1252", b"Sian O Briain", False),
        ("cp1252", "Siân".encode() + "café".encode("cp1252"), False),
        ("utf-8", NAMES.encode(), False),
    ],
)
def test_utf8_is_not_read_as_a_single_byte_encoding(
    tmp_path: Path, opened: Opened, encoding: str, content: bytes, *, refused: bool
) -> None:
    start = content if content.startswith(b"\xef\xbb\xbf") else b""
    row = b'1,U0,05/11/2026,"' + content.removeprefix(start) + b'",\n'
    (tmp_path / "notes.csv").write_bytes(start + HEADER.encode() + row)
    with opened(encoding) as feed:
        if refused:
            assert fault(feed, "notes").endswith(f"notes.csv: reads as UTF-8, and the mapping says {encoding}")
        else:
            (found,) = feed.rows("notes")
            assert isinstance(found, FlatRow)
            assert found.cells["Note"] == content.decode(encoding)


def test_a_character_that_stands_on_the_border_of_two_blocks_is_one(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agency_node.sources import whole_files

    monkeypatch.setattr(whole_files, "_BLOCK", 1)
    (tmp_path / "notes.csv").write_text(HEADER + f'1,U0,05/11/2026,"{NAMES}",\n', encoding="utf-8")
    with opened("cp1252") as feed:
        assert "reads as UTF-8" in fault(feed, "notes")


REGISTER = """
format = 1
title = "Register"
kind = "files"
[datasets.register]
file = "register-*.csv"
PICK
[[records]]
dataset = "register"
category = "x"
type = "x"
child = { nhs_number = "Key" }
ref = "Ref"
date = "Date"
"""
NEWEST = 'pick = "newest"\nnewest_by = "%Y-%m-%d"'


class Register:
    """A folder of dated exports, each with one row whose ref is the file's name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, *names: str) -> None:
        for name in names:
            (self.folder / f"register-{name}").write_text(f"Ref,Key,Date\n{name},U0,x\n", encoding="utf-8")

    @contextmanager
    def opened(self, pick: str = NEWEST) -> Iterator[Feed]:
        mapping = parse_mapping(REGISTER.replace("PICK", pick).encode(), name="m.toml")
        assert isinstance(mapping, FilesMapping)
        with FilesReader("s", self.folder, mapping, today=lambda: TODAY).open() as feed:
            yield feed

    def refs(self, pick: str = NEWEST) -> list[object]:
        with self.opened(pick) as feed:
            return [row.cells["Ref"] for row in feed.rows("register") if isinstance(row, FlatRow)]

    def fault(self, pick: str = NEWEST) -> str:
        with self.opened(pick) as feed:
            return fault(feed, "register").removeprefix("s: dataset register: ")


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path)


def test_of_several_dated_exports_the_newest_is_read(register: Register) -> None:
    register.write("2026-11-09.csv", "2026-11-20.csv", "2026-11-10.csv")
    assert register.refs() == ["2026-11-20.csv"]


def test_the_date_counts_and_not_the_order_of_the_names(register: Register) -> None:
    register.write("01-12-2025.csv", "30-11-2025.csv", "02-01-2026.csv")
    assert register.refs('pick = "newest"\nnewest_by = "%d-%m-%Y"') == ["02-01-2026.csv"]
    for path in register.folder.glob("register-*"):
        path.unlink()
    register.write("20261120_0930.csv", "20261120_1730.csv")
    assert register.refs('pick = "newest"\nnewest_by = "%Y%m%d_%H%M"') == ["20261120_1730.csv"]


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["2026-11-20.csv", "old.csv"], "register-old.csv has no date in its name"),
        (["2026-11-20.csv", "2026-11-21 (1).csv"], "register-2026-11-21 (1).csv has no date in its name"),
        (["2026-11-20.csv", "2026-11-21.csv.part"], "register-2026-11-21.csv.part is still being written"),
        (["2026-11-20.csv", "2062-11-21.csv"], "register-2062-11-21.csv has a date in the future"),
        (["2026-11-24.csv"], "register-2026-11-24.csv has a date in the future"),
        (["2026-1-2.csv", "2026-01-02.csv"], "register-2026-01-02.csv and register-2026-1-2.csv have the same date"),
    ],
)
def test_which_export_counts_is_never_a_guess(register: Register, names: list[str], why: str) -> None:
    register.write(*names)
    assert register.fault() == why


def test_an_export_named_after_tomorrow_is_one_of_a_clock_that_is_ahead(register: Register) -> None:
    register.write("2026-11-22.csv", "2026-11-23.csv")
    assert register.refs() == ["2026-11-23.csv"]


def test_a_newest_export_without_content_is_not_passed_over_for_an_older_one(register: Register) -> None:
    register.write("2026-11-20.csv")
    (register.folder / "register-2026-11-21.csv").write_bytes(b"")
    assert register.fault() == "register-2026-11-21.csv: no header line"


def test_parts_of_one_export_are_all_read(register: Register) -> None:
    register.write("b.csv", "a.csv", "c.csv~")
    assert register.refs('pick = "all"') == ["a.csv", "b.csv"]


def test_a_dataset_is_as_old_as_its_oldest_part(register: Register) -> None:
    register.write("2026-11-20.csv", "2026-11-21.csv")
    os.utime(register.folder / "register-2026-11-20.csv", (1_000, 1_000))
    os.utime(register.folder / "register-2026-11-21.csv", (2_000, 2_000))
    for pick, as_at in (('pick = "all"', 1_000), (NEWEST, 2_000)):
        with register.opened(pick) as feed:
            assert feed.as_at("register") == as_at


def test_an_optional_export_may_be_absent_and_any_other_not(register: Register) -> None:
    with register.opened(f"{NEWEST}\noptional = true") as feed:
        assert list(feed.rows("register")) == []
        assert feed.is_absent("register")
        assert feed.as_at("register") is None
        feed.check("register")
    assert register.fault() == "no file register-*.csv"
    register.write("2026-11-20.csv")
    with register.opened(f"{NEWEST}\noptional = true") as feed:
        assert not feed.is_absent("register")


def test_one_reading_keeps_to_the_file_it_began_with(register: Register) -> None:
    register.write("2026-11-20.csv")
    os.utime(register.folder / "register-2026-11-20.csv", (1_000, 1_000))
    with register.opened() as feed:
        assert feed.as_at("register") == 1_000
        register.write("2026-11-21.csv")
        assert [row.cells["Ref"] for row in feed.rows("register") if isinstance(row, FlatRow)] == ["2026-11-20.csv"]
        assert feed.as_at("register") == 1_000
    assert register.refs() == ["2026-11-21.csv"]
