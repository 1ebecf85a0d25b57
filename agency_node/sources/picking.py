"""Which files of a folder are a dataset."""

import datetime as dt
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from agency_node.sources.mapping_sections import FileDataset
from agency_node.sources.whole_files import BACKUP, UnsoundFileError, finished_name, told_name

_CLOCKS_DIFFER: Final = dt.timedelta(days=1)
"""An export may be named after midnight where the node's day has not ended."""


def picked(folder: Path, spec: FileDataset, today: dt.date) -> Sequence[Path]:
    """The files of a dataset; none where there is none.

    A file that is still being written by its name is a fault, whether it would be picked or not: an older export must
    not be read in its place without a word. An editor's backup copies are passed over.

    Args:
        folder: The source's folder.
        spec: What the mapping says of the dataset.
        today: England's calendar date.

    Raises:
        UnsoundFileError: It cannot be told which file counts, or one is still being written.
        OSError: The folder cannot be read.
    """
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        finished = finished_name(path.name)
        if finished is not None and fnmatch(finished, spec.file):
            raise UnsoundFileError(f"{told_name(path)} is still being written")
        if finished is None and not path.name.endswith(BACKUP) and fnmatch(path.name, spec.file) and path.is_file():
            found.append(path)
    if spec.newest_by is None or not found:
        return found
    return [_newest(found, spec.file, spec.newest_by, today)]


def _newest(found: Sequence[Path], pattern: str, layout: str, today: dt.date) -> Path:
    before, _, behind = pattern.partition("*")
    dated: dict[dt.datetime, Path] = {}
    for path in found:
        written = path.name[len(before) : len(path.name) - len(behind)]
        try:
            date = dt.datetime.strptime(written, layout)  # noqa: DTZ007 - names are compared with each other alone
        except ValueError:
            raise UnsoundFileError(f"{told_name(path)} has no date in its name") from None
        if date in dated:
            raise UnsoundFileError(f"{told_name(dated[date])} and {told_name(path)} have the same date")
        dated[date] = path
    newest = max(dated)
    if newest.date() > today + _CLOCKS_DIFFER:
        raise UnsoundFileError(f"{told_name(dated[newest])} has a date in the future")
    return dated[newest]
