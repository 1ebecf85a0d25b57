"""CSV (RFC 4180) row by row. A bad row costs itself; a quotation that swallowed rows costs the file. Pure.

A quotation mark that is never closed, or is closed rows later by a stray one, takes the rows in between with it. They
must not be missed without a word, so the file as a whole is not believed:

- the end of the file stands inside a quotation;
- a row that runs over several lines is no row;
- a row that runs over several lines has a cell each line of which would by itself make a whole row of the file, its
  delimiters set as a row's are and not as prose's, with a space behind. A text of several lines that somebody wrote
  has exactly that number of delimiters in each of them only by a rare chance, and then the file is refused rather than
  misread.

Neither is a file whose last line has too few cells and no line end.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import Final, Protocol, TextIO

from agency_node.sources.rows import FlatRow, as_content
from agency_node.sources.source import Rejected, RejectionReason
from agency_node.sources.whole_files import UnsoundFileError

MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes or characters of one physical line: ten times the longest FHIR resource seen."""


_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class _CsvLines(Protocol):
    @property
    def line_num(self) -> int: ...
    def __next__(self) -> list[str]: ...


class CsvFile:
    """An opened CSV file.

    Args:
        opened: The file as text, line ends untouched (`newline=""`).
        delimiter: Between the cells of a row.
    """

    def __init__(self, opened: TextIO, delimiter: str) -> None:
        self._delimiter = delimiter
        self._width = 0
        self._spaced = False
        self._source = _Lines(opened)
        self._lines: _CsvLines = csv.reader(self._source, delimiter=delimiter, strict=True)

    def header(self) -> list[str]:
        """The names of the columns.

        Raises:
            UnsoundFileError: There is no header line.
        """
        try:
            names = next(self._lines)
        except (StopIteration, csv.Error):
            raise UnsoundFileError("no header line") from None
        self._width = len(names)
        self._spaced = any(name.startswith(" ") for name in names)
        return [name.strip() for name in names]

    def is_cut(self) -> bool:
        """Whether the line that was read last has no end: then it is the file's last one."""
        return self._source.is_cut()

    def rows(self, header: Sequence[str], *, dataset: str, file: str) -> Iterator[FlatRow | Rejected]:
        """The rows behind the header; empty lines are passed over, and rows of empty cells at the end of the file.

        Among the others such a row may be one whose content was lost.

        Raises:
            UnsoundFileError: The file cannot be believed as a whole.
        """
        empty: list[Rejected] = []
        for row in self._rows(header, dataset=dataset, file=file):
            if isinstance(row, Rejected) and row.reason is RejectionReason.ROW_EMPTY:
                empty.append(row)
                continue
            yield from empty
            empty.clear()
            yield row

    def _rows(self, header: Sequence[str], *, dataset: str, file: str) -> Iterator[FlatRow | Rejected]:
        while True:
            start = self._lines.line_num + 1
            try:
                cells = next(self._lines)
            except StopIteration:
                return
            except csv.Error:
                self._check_malformed(start)
                yield self._malformed(dataset, start, file)
                continue
            if not any(cells):
                if cells:
                    self._check(cells, start)
                    yield Rejected(dataset, start, RejectionReason.ROW_EMPTY, file=file, content=self._delimiter)
                continue
            self._check(cells, start)
            if len(cells) == self._width:
                yield FlatRow(start, dict(zip(header, cells, strict=True)), file)
            else:
                yield self._malformed(dataset, start, file)

    def _malformed(self, dataset: str, line: int, file: str) -> Rejected:
        content = as_content(self._source.last.rstrip("\r\n"))
        return Rejected(dataset, line, RejectionReason.ROW_MALFORMED, file=file, content=content)

    def _check_malformed(self, start: int) -> None:
        """See that a row that is none took nothing of others."""
        if self._source.ended:
            raise UnsoundFileError(f"the quotation that begins in line {start} has no end")
        if self._lines.line_num > start:
            raise UnsoundFileError(f"a quotation that begins in line {start} runs on to line {self._lines.line_num}")

    def _check(self, cells: Sequence[str], start: int) -> None:
        """See that a row took nothing of others, and that it is not a file's cut end."""
        if self._lines.line_num > start:
            if len(cells) != self._width:
                raise UnsoundFileError(
                    f"a quotation that begins in line {start} runs on to line {self._lines.line_num}"
                )
            if any(self._swallowed(cell, place) for place, cell in enumerate(cells)):
                raise UnsoundFileError(f"a quotation that begins in line {start} has swallowed rows")
        elif len(cells) < self._width and self.is_cut():
            raise UnsoundFileError("the last line is cut off")

    def _swallowed(self, cell: str, place: int) -> bool:
        """Whether each line of a cell would by itself make a whole row, together with the cells beside it."""
        lines = _LINE_END.split(cell)
        if len(lines) == 1 or self._width == 1:
            return False
        first, *inner, last = (line.count(self._delimiter) for line in lines)
        others = self._width - 1
        if first != others - place or last != place or not {*inner} <= {others, 0}:
            return False
        return self._spaced or 2 * cell.count(f"{self._delimiter} ") < cell.count(self._delimiter)


class _Lines:
    """The lines of a file, none of them longer than can be held."""

    def __init__(self, opened: TextIO) -> None:
        self._opened = opened
        self.last = "\n"
        self.ended = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._opened.readline(MAX_LINE)
        if not line:
            self.ended = True
            raise StopIteration
        if len(line) == MAX_LINE and not line.endswith("\n"):
            raise UnsoundFileError("a line is too long")
        self.last = line
        return line

    def is_cut(self) -> bool:
        """Whether the line that was read last has no end."""
        return not self.last.endswith(("\n", "\r"))
