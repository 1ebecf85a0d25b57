"""A FHIR R4 export as a source: a Bundle, or the NDJSON files of a bulk export (FHIR Bulk Data Access, `$export`).

`@reference` is a resource's full URL, and every reference in the export is written as the full URL it names, whatever
form it had (`fhir_references`). An export that is not whole is unreadable (`fhir_export`, `fhir_manifest`).
"""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agency_node.sources.fhir_export import UNKNOWN_TYPES, Export, NotWhole
from agency_node.sources.fhir_manifest import FILE_NAME, Manifest, read_manifest
from agency_node.sources.files import json_lines, read_document
from agency_node.sources.mapping import FhirMapping
from agency_node.sources.rows import TreeRow
from agency_node.sources.source import DEFAULT_LIMITS, Rejected, RejectionReason, SourceLimits
from agency_node.sources.whole_files import UnsoundFileError, fault_text, told_name
from federation.errors import ErrorCode, WardgateError

_NDJSON: Final = ".ndjson"
_UNFINISHED: Final = (".part", ".partial", ".tmp", ".crdownload", ".filepart")


class FhirReader:
    """Opens a FHIR export for reading.

    Args:
        name: The source's name, for errors.
        path: A Bundle (`.json`), an NDJSON file, or a folder of NDJSON files with or without `manifest.json`.
        mapping: Which resources are which dataset.
        today: The calendar date in England.
        limits: Limits of one reading.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        mapping: FhirMapping,
        *,
        today: Callable[[], dt.date],
        limits: SourceLimits = DEFAULT_LIMITS,
    ) -> None:
        self._name = name
        self._path = path
        self._mapping = mapping
        self._today = today
        self._limits = limits

    @contextmanager
    def open(self) -> "Iterator[_FhirFeed]":
        """Read the whole export: a resource may refer to one that stands behind it."""
        try:
            as_at = self._written()
            export = self._read()
        except NotWhole as fault:
            raise self._unreadable(str(fault)) from None
        except OSError as error:
            raise self._unreadable(fault_text(error)) from None
        yield _FhirFeed(self._mapping, export, as_at)

    def _unreadable(self, what: str) -> WardgateError:
        return WardgateError(ErrorCode.SOURCE_UNREADABLE, f"{self._name}: {told_name(self._path)}: {what}")

    def _written(self) -> int:
        """When the oldest file of the export was last written."""
        paths = _ndjson_files(self._path) if self._path.is_dir() else [self._path]
        return min((int(path.stat().st_mtime) for path in paths), default=0)

    def _read(self) -> Export:
        datasets = {section.dataset for section in self._mapping.children}
        children = frozenset(self._mapping.datasets[name].resource for name in datasets)
        export = Export(self._today(), children)
        if self._path.is_dir():
            self._add_folder(export)
        elif self._path.suffix.lower() == _NDJSON:
            _add_lines(export, self._path, "")
        else:
            bundle = read_document(self._path, self._limits, self._name)
            export.add_bundle(bundle if isinstance(bundle, dict) else {}, told_name(self._path))
        return export

    def _add_folder(self, export: Export) -> None:
        if unfinished := [told_name(path) for path in self._path.iterdir() if _is_unfinished(path.name.lower())]:
            raise NotWhole(f"{min(unfinished)} is not a finished NDJSON file")
        found = _ndjson_files(self._path)
        if not found:
            raise NotWhole("no NDJSON file in the folder")
        manifest = self._manifest()
        export.made_at(manifest.made)
        for path in found:
            _add_lines(export, path, manifest.server)
        manifest.check(export.counts)

    def _manifest(self) -> Manifest:
        path = self._path / FILE_NAME
        return read_manifest(read_document(path, self._limits, self._name)) if path.exists() else Manifest("", None, {})


def _ndjson_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == _NDJSON and path.is_file())


def _is_unfinished(name: str) -> bool:
    """Whether a file is one that is still being written, or packed, so that what it holds would not be read."""
    return name.endswith(_UNFINISHED) or (_NDJSON in name and not name.endswith(_NDJSON))


def _add_lines(export: Export, path: Path, server: str) -> None:
    last: TreeRow | Rejected | None = None
    try:
        for last in json_lines(path, UNKNOWN_TYPES):
            export.add(last, server=server)
    except UnsoundFileError as error:
        raise UnsoundFileError(f"{told_name(path)}: {error}") from None
    if last is None:
        raise NotWhole(f"{told_name(path)} is empty; a server that holds nothing of a type writes no file for it")


class _FhirFeed:
    def __init__(self, mapping: FhirMapping, export: Export, written: int) -> None:
        self._mapping = mapping
        self._export = export
        self._as_at = written if export.made is None else min(written, export.made)

    def check(self, dataset: str) -> None:
        """Nothing more: a bundle may lack any type of resource."""

    def is_absent(self, dataset: str) -> bool:  # noqa: ARG002 - the same of every dataset
        """Never: an export without resources of a type is one that holds none."""
        return False

    def as_at(self, dataset: str) -> int | None:  # noqa: ARG002 - the same of every dataset
        """When the export was made, seconds since the epoch: what it says, and no later than it was written."""
        return self._as_at

    def rows(self, dataset: str) -> Iterator[TreeRow | Rejected]:
        """The resources of the dataset's type."""
        yield from self._export.by_type.get(self._mapping.datasets[dataset].resource, [])

    def leftovers(self) -> Iterator[Rejected]:
        """Entries that are no resources, and resources of a type that the mapping does not know."""
        yield from self._export.malformed
        known = {spec.resource for spec in self._mapping.datasets.values()} | set(self._mapping.ignored_resources)
        for kind, rows in self._export.by_type.items():
            if kind not in known:
                for row in rows:
                    yield Rejected(UNKNOWN_TYPES, row.line, RejectionReason.ROW_UNCLAIMED, kind, row.file)
