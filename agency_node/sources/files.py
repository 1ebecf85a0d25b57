"""A folder of exports as a source: CSV, JSON and JSON lines. A bad row is reported with its line, never lost."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final, Protocol, TextIO

from agency_node.sources.json_reading import Ambiguous, read_json
from agency_node.sources.mapping import FilesMapping
from agency_node.sources.mapping_sections import FileDataset
from agency_node.sources.paths import parse_path
from agency_node.sources.rows import FlatRow, TreeRow
from agency_node.sources.source import DEFAULT_LIMITS, Rejected, RejectionReason, SourceLimits
from federation.errors import ErrorCode, WardgateError

MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes or characters of one physical line: ten times the longest FHIR resource seen."""

FileRow = FlatRow | TreeRow | Rejected
_ENCODINGS: Final = {"utf-8": "utf-8-sig", "cp1252": "cp1252", "utf-16": "utf-16", "latin-1": "latin-1"}


class _CsvLines(Protocol):
    @property
    def line_num(self) -> int: ...
    def __next__(self) -> list[str]: ...


class FilesReader:
    """Opens a folder for reading.

    Args:
        name: The source's name, for errors.
        folder: Where the exports are.
        mapping: Which of its files are which dataset.
        limits: Limits of one reading.
    """

    def __init__(
        self, name: str, folder: Path, mapping: FilesMapping, *, limits: SourceLimits = DEFAULT_LIMITS
    ) -> None:
        self._name = name
        self._folder = folder
        self._mapping = mapping
        self._limits = limits

    @contextmanager
    def open(self) -> "Iterator[_FilesFeed]":
        """See that the folder is there."""
        if not self._folder.is_dir():
            raise WardgateError(ErrorCode.SOURCE_UNREADABLE, f"{self._name}: the folder is not there")
        yield _FilesFeed(self._name, self._folder, self._mapping, self._limits)


class _FilesFeed:
    def __init__(self, name: str, folder: Path, mapping: FilesMapping, limits: SourceLimits) -> None:
        self._name = name
        self._folder = folder
        self._mapping = mapping
        self._limits = limits

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

    def _paths(self, dataset: str) -> Sequence[Path]:
        pattern = self._mapping.datasets[dataset].file
        try:
            found = sorted(path for path in self._folder.glob(pattern) if path.is_file())
        except OSError as error:
            raise self._unreadable(dataset, pattern, error) from error
        if not found:
            raise WardgateError(ErrorCode.SOURCE_UNREADABLE, f"{self._name}: dataset {dataset}: no file {pattern}")
        return found

    def _rows(self, dataset: str, path: Path) -> Iterator[FileRow]:
        spec = self._mapping.datasets[dataset]
        columns = self._mapping.columns_of(dataset)
        readers: dict[str, Callable[[], Iterator[FileRow]]] = {
            "csv": lambda: self._csv(dataset, spec, path, columns),
            "json": lambda: self._json(dataset, spec, path),
            "jsonl": lambda: self._json_lines(dataset, path),
        }
        try:
            yield from readers[spec.form]()
        except (OSError, UnicodeError) as error:
            raise self._unreadable(dataset, path.name, error) from None

    def _unreadable(self, dataset: str, file: str, error: Exception) -> WardgateError:
        what = f"{self._name}: dataset {dataset}: {file}: {type(error).__name__}"
        return WardgateError(ErrorCode.SOURCE_UNREADABLE, what)

    def _csv(self, dataset: str, spec: FileDataset, path: Path, columns: set[str]) -> Iterator[FileRow]:
        # Bytes that are not of the encoding become lone surrogates, so that they cost one row and not the whole file.
        with path.open(encoding=_ENCODINGS[spec.encoding], errors="surrogateescape", newline="") as opened:
            lines = csv.reader(_bounded(opened), delimiter=spec.delimiter, strict=True)
            header = self._header(dataset, path, lines, columns)
            yield from _csv_rows(lines, header, dataset=dataset, file=path.name)

    def _header(self, dataset: str, path: Path, lines: _CsvLines, columns: set[str]) -> list[str]:
        place = f"{self._name}: dataset {dataset}: {path.name}"
        try:
            header = [name.strip() for name in next(lines)]
        except (StopIteration, csv.Error):
            raise WardgateError(ErrorCode.SOURCE_UNREADABLE, f"{place}: no header line") from None
        if missing := columns - set(header):
            raise WardgateError(ErrorCode.MAPPING_INVALID, f"{place}: no column {min(missing)}")
        if repeated := {name for name in columns if header.count(name) > 1}:
            raise WardgateError(ErrorCode.MAPPING_INVALID, f"{place}: column {min(repeated)} stands twice")
        return header

    def _json(self, dataset: str, spec: FileDataset, path: Path) -> Iterator[FileRow]:
        found = read_document(path, self._limits, f"{self._name}: dataset {dataset}")
        members = _member(found, spec.rows) if spec.rows is not None else found
        if not isinstance(members, list):
            raise WardgateError(
                ErrorCode.SOURCE_UNREADABLE, f"{self._name}: dataset {dataset}: {path.name}: no array of objects"
            )
        for number, member in enumerate(members, start=1):
            yield object_row(member, dataset, number, path.name)

    def _json_lines(self, dataset: str, path: Path) -> Iterator[FileRow]:
        yield from json_lines(path, dataset)


def _member(found: object, path: str) -> object:
    for step in parse_path(path):
        found = found.get(step.name) if isinstance(found, dict) else None
    return found


def _bounded(opened: TextIO) -> Iterator[str]:
    """The lines of a file, none of them longer than can be held."""
    while line := opened.readline(MAX_LINE):
        if len(line) == MAX_LINE and not line.endswith("\n"):
            raise OSError("a line is too long")
        yield line


def _csv_rows(lines: _CsvLines, header: Sequence[str], *, dataset: str, file: str) -> Iterator[FileRow]:
    while True:
        start = lines.line_num + 1
        try:
            cells = next(lines)
        except StopIteration:
            return
        except csv.Error:
            taken = max(lines.line_num - start + 1, 1)
            yield Rejected(dataset, start, RejectionReason.ROW_MALFORMED, file=file, lines=taken)
            continue
        if not any(cells):
            continue
        taken = lines.line_num - start + 1
        if len(cells) != len(header):
            yield Rejected(dataset, start, RejectionReason.ROW_MALFORMED, file=file, lines=taken)
        else:
            yield FlatRow(start, dict(zip(header, cells, strict=True)), file)


def read_document(path: Path, limits: SourceLimits, place: str) -> object:
    """A JSON document that must be parsed whole.

    Raises:
        WardgateError: `SOURCE_UNREADABLE`: too large, or not JSON.
        OSError: It cannot be read.
    """
    if path.stat().st_size > limits.document_bytes:
        raise WardgateError(ErrorCode.SOURCE_UNREADABLE, f"{place}: {path.name}: over {limits.document_bytes} bytes")
    try:
        return read_json(path.read_bytes())
    except ValueError:
        raise WardgateError(ErrorCode.SOURCE_UNREADABLE, f"{place}: {path.name}: not JSON") from None


def json_lines(path: Path, dataset: str) -> Iterator[TreeRow | Rejected]:
    """The objects of a file that has one a line; empty lines are passed over."""
    with path.open("rb") as opened:
        for number in count(1):
            if not (line := opened.readline(MAX_LINE)):
                return
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                raise OSError("a line is too long")
            if not line.strip():
                continue
            try:
                found = read_json(line)
            except ValueError:
                yield Rejected(dataset, number, RejectionReason.ROW_MALFORMED, file=path.name)
                continue
            yield object_row(found, dataset, number, path.name)


def object_row(member: object, dataset: str, number: int, file: str) -> TreeRow | Rejected:
    """A JSON value as a row."""
    if not isinstance(member, dict) or isinstance(member, Ambiguous):
        return Rejected(dataset, number, RejectionReason.ROW_MALFORMED, file=file)
    return TreeRow(number, member, file)
