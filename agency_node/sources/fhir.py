"""A FHIR R4 export as a source: a Bundle, or the NDJSON files of a bulk export (FHIR Bulk Data Access, `$export`).

References of every form become `Type/id`, the reference by which a mapping names a resource (`@reference`):
relative (`Patient/7`), absolute (`https://…/Patient/7`), versioned, and the `urn:uuid:` of a bundle's entries.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from agency_node.sources.files import json_lines, object_row, read_document
from agency_node.sources.mapping import FhirMapping
from agency_node.sources.rows import TreeRow
from agency_node.sources.source import DEFAULT_LIMITS, Rejected, RejectionReason, SourceLimits
from federation.errors import ErrorCode, WardgateError

_REFERENCE: Final = re.compile(r"(?:.*/)?([A-Z][A-Za-z]{1,63}/[A-Za-z0-9.-]{1,64})(?:/_history/[^/]+)?")
UNKNOWN_TYPES: Final = "other_resources"
"""The dataset's name under which resources of a type without a dataset are reported."""


class FhirReader:
    """Opens a FHIR export for reading.

    Args:
        name: The source's name, for errors.
        path: A Bundle (`.json`), an NDJSON file, or a folder of NDJSON files.
        mapping: Which resources are which dataset.
        limits: Limits of one reading.
    """

    def __init__(self, name: str, path: Path, mapping: FhirMapping, *, limits: SourceLimits = DEFAULT_LIMITS) -> None:
        self._name = name
        self._path = path
        self._mapping = mapping
        self._limits = limits

    @contextmanager
    def open(self) -> "Iterator[_FhirFeed]":
        """Read the whole export: a resource may refer to one that stands behind it."""
        try:
            export = self._read()
        except OSError as error:
            raise WardgateError(
                ErrorCode.SOURCE_UNREADABLE, f"{self._name}: {self._path.name}: {type(error).__name__}"
            ) from None
        yield _FhirFeed(self._mapping, export)

    def _read(self) -> "_Export":
        export = _Export()
        if self._path.is_dir():
            found = sorted(self._path.glob("*.ndjson"))
            if not found:
                raise WardgateError(ErrorCode.SOURCE_UNREADABLE, f"{self._name}: no NDJSON file in the folder")
            for path in found:
                export.add_lines(path)
        elif self._path.suffix.lower() == ".ndjson":
            export.add_lines(self._path)
        else:
            self._add_bundle(export)
        export.resolve()
        return export

    def _add_bundle(self, export: "_Export") -> None:
        bundle = read_document(self._path, self._limits, self._name)
        entries = bundle.get("entry", []) if isinstance(bundle, dict) else None
        if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle" or not isinstance(entries, list):
            raise WardgateError(ErrorCode.SOURCE_UNREADABLE, f"{self._name}: {self._path.name}: not a FHIR Bundle")
        for number, entry in enumerate(entries, start=1):
            resource = entry.get("resource") if isinstance(entry, dict) else None
            full_url = entry.get("fullUrl") if isinstance(entry, dict) else None
            export.add(object_row(resource, UNKNOWN_TYPES, number, self._path.name), full_url)


@dataclass(slots=True)
class _Export:
    """The resources of one export by type."""

    by_type: dict[str, list[TreeRow]] = field(default_factory=lambda: defaultdict(list))
    malformed: list[Rejected] = field(default_factory=list)
    by_url: dict[str, str] = field(default_factory=dict)

    def add_lines(self, path: Path) -> None:
        for row in json_lines(path, UNKNOWN_TYPES):
            self.add(row, None)

    def add(self, row: TreeRow | Rejected, full_url: object) -> None:
        if isinstance(row, Rejected):
            self.malformed.append(row)
            return
        kind, identity = row.tree.get("resourceType"), row.tree.get("id")
        if not isinstance(kind, str) or (identity is not None and not isinstance(identity, str)):
            self.malformed.append(Rejected(UNKNOWN_TYPES, row.line, RejectionReason.ROW_MALFORMED, file=row.file))
            return
        reference = f"{kind}/{identity}" if identity else full_url if isinstance(full_url, str) else ""
        if isinstance(full_url, str):
            self.by_url[full_url] = reference
        self.by_type[kind].append(TreeRow(row.line, {**row.tree, "@reference": reference}, row.file))

    def resolve(self) -> None:
        """Write every reference in the one form."""
        for kind, rows in self.by_type.items():
            self.by_type[kind] = [TreeRow(row.line, self._resolved(row.tree), row.file) for row in rows]

    def _resolved(self, tree: Any) -> Any:  # noqa: ANN401 - any JSON; its depth is limited
        if isinstance(tree, list):
            return [self._resolved(member) for member in tree]
        if not isinstance(tree, Mapping):
            return tree
        return {
            name: self._reference(value) if name == "reference" and isinstance(value, str) else self._resolved(value)
            for name, value in tree.items()
        }

    def _reference(self, text: str) -> str:
        if text in self.by_url:
            return self.by_url[text]
        found = _REFERENCE.fullmatch(text)
        return found[1] if found else text


class _FhirFeed:
    def __init__(self, mapping: FhirMapping, export: _Export) -> None:
        self._mapping = mapping
        self._export = export

    def check(self, dataset: str) -> None:
        """Nothing more: a bundle may lack any type of resource."""

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
