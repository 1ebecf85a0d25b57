"""A folder of exports as a source: CSV, JSON and JSON lines. A bad row is reported with its line, never lost.

A file that cannot be believed as a whole (see `whole_files` and `csv_rows`) makes its dataset unreadable.
"""

import datetime as dt
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

from agency_node.sources.csv_rows import MAX_LINE, CsvFile
from agency_node.sources.json_reading import Ambiguous, read_json
from agency_node.sources.mapping import FilesMapping
from agency_node.sources.mapping_sections import FileDataset
from agency_node.sources.paths import parse_path
from agency_node.sources.picking import picked
from agency_node.sources.rows import FlatRow, TreeRow, as_content
from agency_node.sources.source import DEFAULT_LIMITS, Rejected, RejectionReason, SourceLimits
from agency_node.sources.whole_files import UnsoundFileError, fault_text, opened_whole, reads_as_utf8, told_name
from federation.errors import ErrorCode, WardgateError

FileRow = FlatRow | TreeRow | Rejected
_ENCODINGS: Final = {"utf-8": "utf-8-sig", "cp1252": "cp1252", "utf-16": "utf-16", "latin-1": "latin-1"}
_SINGLE_BYTE: Final = frozenset({"cp1252", "latin-1"})


class FilesReader:
    """Opens a folder for reading.

    Args:
        name: The source's name, for errors.
        folder: Where the exports are.
        mapping: Which of its files are which dataset.
        today: The calendar date in England: no export is from the future.
        limits: Limits of one reading.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        mapping: FilesMapping,
        *,
        today: Callable[[], dt.date],
        limits: SourceLimits = DEFAULT_LIMITS,
    ) -> None:
        self._name = name
        self._folder = folder
        self._mapping = mapping
        self._today = today
        self._limits = limits

    @contextmanager
    def open(self) -> "Iterator[_FilesFeed]":
        """See that the folder is there."""
        if not self._folder.is_dir():
            raise WardgateError(ErrorCode.SOURCE_UNREADABLE, f"{self._name}: the folder is not there")
        yield _FilesFeed(self._name, self._folder, self._mapping, self._today(), self._limits)


class _FilesFeed:
    def __init__(self, name: str, folder: Path, mapping: FilesMapping, today: dt.date, limits: SourceLimits) -> None:
        self._name = name
        self._folder = folder
        self._mapping = mapping
        self._today = today
        self._limits = limits
        self._chosen: dict[str, Mapping[Path, int]] = {}

    def check(self, dataset: str) -> None:
        """Open every file of the dataset and read its first row."""
        for path in self._paths(dataset):
            next(self._rows(dataset, path), None)

    def rows(self, dataset: str) -> Iterator[FileRow]:
        """The rows of every file of the dataset."""
        for path in self._paths(dataset):
            yield from self._rows(dataset, path)

    def leftovers(self) -> Iterator[Rejected]:
        """Nothing: files that no dataset names are none of the mapping's business."""
        return iter(())

    def is_absent(self, dataset: str) -> bool:
        """Whether an optional dataset has no file."""
        return not self._paths(dataset)

    def as_at(self, dataset: str) -> int | None:
        """When the oldest file of the dataset was last written, seconds since the epoch; None where there is none."""
        return min(self._paths(dataset).values(), default=None)

    def _paths(self, dataset: str) -> Mapping[Path, int]:
        """The files of the dataset and when they were last written: the same ones for the whole reading."""
        if dataset not in self._chosen:
            self._chosen[dataset] = self._choose(dataset)
        return self._chosen[dataset]

    def _choose(self, dataset: str) -> Mapping[Path, int]:
        spec = self._mapping.datasets[dataset]
        try:
            found = {path: int(path.stat().st_mtime) for path in picked(self._folder, spec, self._today)}
        except OSError as error:
            raise self._unreadable(dataset, error) from None
        if not found and not spec.optional:
            raise WardgateError(ErrorCode.SOURCE_UNREADABLE, f"{self._name}: dataset {dataset}: no file {spec.file}")
        return found

    def _rows(self, dataset: str, path: Path) -> Iterator[FileRow]:
        spec = self._mapping.datasets[dataset]
        columns = self._mapping.columns_of(dataset)
        readers: dict[str, Callable[[], Iterator[FileRow]]] = {
            "csv": lambda: self._csv(dataset, spec, path, columns),
            "json": lambda: self._json(dataset, spec, path),
            "jsonl": lambda: json_lines(path, dataset, may_be_empty=spec.may_be_empty),
        }
        try:
            yield from readers[spec.form]()
        except (OSError, UnicodeError) as error:
            raise self._unreadable(dataset, error, told_name(path)) from None

    def _unreadable(self, dataset: str, error: Exception, file: str = "") -> WardgateError:
        what = f"{self._name}: dataset {dataset}: {f'{file}: ' if file else ''}{fault_text(error)}"
        return WardgateError(ErrorCode.SOURCE_UNREADABLE, what)

    def _csv(self, dataset: str, spec: FileDataset, path: Path, columns: set[str]) -> Iterator[FileRow]:
        with opened_whole(path) as opened:
            if spec.encoding in _SINGLE_BYTE and reads_as_utf8(opened):
                raise UnsoundFileError(f"reads as UTF-8, and the mapping says {spec.encoding}")
            # Bytes that are not of the encoding become lone surrogates, so that they cost one row, not the whole file.
            text = io.TextIOWrapper(opened, _ENCODINGS[spec.encoding], errors="surrogateescape", newline="")
            lines = CsvFile(text, spec.delimiter)
            header = lines.header()
            if lines.is_cut() and not columns <= set(header):
                raise UnsoundFileError("the header line is cut off")
            self._check_header(dataset, path, header, columns)
            yield from lines.rows(header, dataset=dataset, file=told_name(path))

    def _check_header(self, dataset: str, path: Path, header: Sequence[str], columns: set[str]) -> None:
        place = f"{self._name}: dataset {dataset}: {told_name(path)}"
        if missing := columns - set(header):
            raise WardgateError(ErrorCode.MAPPING_INVALID, f"{place}: no column {min(missing)}")
        if repeated := {name for name in columns if header.count(name) > 1}:
            raise WardgateError(ErrorCode.MAPPING_INVALID, f"{place}: column {min(repeated)} stands twice")

    def _json(self, dataset: str, spec: FileDataset, path: Path) -> Iterator[FileRow]:
        found = read_document(path, self._limits, f"{self._name}: dataset {dataset}")
        members = _member(found, spec.rows) if spec.rows is not None else found
        if not isinstance(members, list):
            raise WardgateError(
                ErrorCode.SOURCE_UNREADABLE, f"{self._name}: dataset {dataset}: {told_name(path)}: no array of objects"
            )
        file = told_name(path)
        for number, member in enumerate(members, start=1):
            yield object_row(member, dataset, number, file)


def _member(found: object, path: str) -> object:
    for step in parse_path(path):
        found = found.get(step.name) if isinstance(found, dict) else None
    return found


def read_document(path: Path, limits: SourceLimits, place: str) -> object:
    """A JSON document that must be parsed whole.

    Raises:
        WardgateError: `SOURCE_UNREADABLE`: too large, or not JSON.
        OSError: It cannot be read, or is still being written.
    """
    if path.stat().st_size > limits.document_bytes:
        raise WardgateError(
            ErrorCode.SOURCE_UNREADABLE, f"{place}: {told_name(path)}: over {limits.document_bytes} bytes"
        )
    try:
        with opened_whole(path) as opened:
            return read_json(opened.read())
    except ValueError:
        raise WardgateError(ErrorCode.SOURCE_UNREADABLE, f"{place}: {told_name(path)}: not JSON") from None


def json_lines(path: Path, dataset: str, *, may_be_empty: bool = True) -> Iterator[TreeRow | Rejected]:
    """The objects of a file that has one a line; empty lines are passed over.

    Args:
        path: The file.
        dataset: The mapping's name of it, for rows that cannot be read.
        may_be_empty: Whether a file of no bytes is an export without rows, or one that never ran.

    Raises:
        OSError: It cannot be read, is cut off, or is still being written.
    """
    file = told_name(path)
    with opened_whole(path) as opened:
        for number in count(1):
            if not (line := opened.readline(MAX_LINE)):
                if number == 1 and not may_be_empty:
                    raise UnsoundFileError("has no content")
                return
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                raise UnsoundFileError("a line is too long")
            if not line.strip():
                continue
            try:
                found = read_json(line)
            except ValueError:
                if not line.endswith(b"\n"):
                    raise UnsoundFileError("the last line is cut off") from None
                content = as_content(line.decode(errors="backslashreplace").strip())
                yield Rejected(dataset, number, RejectionReason.ROW_MALFORMED, file=file, content=content)
                continue
            yield object_row(found, dataset, number, file)


def object_row(member: object, dataset: str, number: int, file: str) -> TreeRow | Rejected:
    """A JSON value as a row."""
    if not isinstance(member, dict) or isinstance(member, Ambiguous):
        content = as_content(member)
        return Rejected(dataset, number, RejectionReason.ROW_MALFORMED, file=file, content=content)
    return TreeRow(number, member, file)
