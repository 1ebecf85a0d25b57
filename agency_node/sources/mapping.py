"""The mapping file: how one source system's tables, files or resources become children, marks and records. Pure.

A mapping (TOML) names datasets and says of each which children, handling marks and records its rows are. It is checked
as a whole before anything is read, and a mistake is named by file, section, category and key. The files in
`agency_node/mappings/` are starting points for real agencies.
"""

import re
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from agency_node.sources.mapping_sections import (
    ChildrenSection,
    FhirDataset,
    FileDataset,
    MarkSection,
    RecordSection,
    Section,
    SqlDataset,
)
from agency_node.sources.mapping_values import Flags, Model, Name, Text
from federation.errors import ErrorCode, WardgateError

MAX_MAPPING_BYTES: Final = 1024 * 1024
_Flagged = TypeVar("_Flagged", ChildrenSection, RecordSection)


class _MappingBase(Model):
    """What every mapping has.

    Attributes:
        flags: Handling flags that every children and records section reads, besides its own. A section that reads the
            same column itself keeps its own reading of it.
    """

    format: Literal[1]
    title: Text
    flags: Flags = ()
    children: tuple[ChildrenSection, ...] = ()
    marks: tuple[MarkSection, ...] = ()
    records: tuple[RecordSection, ...] = ()

    def sections(self) -> Iterator[Section]:
        """Every section, children first."""
        return chain(self.children, self.marks, self.records)

    def flags_spread(self) -> Self:
        """The same mapping with its shared flags written into every section of children and records."""
        if not self.flags:
            return self
        return self.model_copy(
            update={
                "flags": (),
                "children": tuple(_with_flags(section, self.flags) for section in self.children),
                "records": tuple(_with_flags(section, self.flags) for section in self.records),
            }
        )

    def settings_needed(self) -> set[str]:
        """Names of the settings that the node must give."""
        specs = chain.from_iterable(section.value_specs() for section in self.records)
        return {spec.setting for spec in specs if spec.setting is not None}

    def columns_of(self, dataset: str) -> set[str]:
        """Every column or path that is read of a dataset."""
        return {column for section in self.sections() if section.dataset == dataset for column in section.columns()}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        datasets = getattr(self, "datasets", {})
        used = {section.dataset for section in self.sections()}
        if missing := used - datasets.keys():
            raise ValueError(f"dataset {min(missing)} is used and not defined")
        if unused := datasets.keys() - used:
            raise ValueError(f"dataset {min(unused)} is defined and not used")
        if not used:
            raise ValueError("no children and no records")
        keyed = any(section.key for section in self.children)
        owners = [*(section.child for section in self.marks), *(section.child for section in self.records)]
        if not keyed and any(owner.nhs_number is None for owner in owners):
            raise ValueError("a section names its child by key, and no children section has one")
        return self


class SqlMapping(_MappingBase):
    """Of a database."""

    kind: Literal["sql"]
    datasets: dict[Name, SqlDataset]


class FilesMapping(_MappingBase):
    """Of a folder of CSV and JSON files."""

    kind: Literal["files"]
    datasets: dict[Name, FileDataset]


class FhirMapping(_MappingBase):
    """Of a FHIR R4 export.

    Resources of a type in `ignored_resources` are passed over; those of another type without a dataset are reported.
    """

    kind: Literal["fhir"]
    datasets: dict[Name, FhirDataset]
    ignored_resources: tuple[Text, ...] = ()


MappingFile = SqlMapping | FilesMapping | FhirMapping
_ADAPTER: Final = TypeAdapter[MappingFile](Annotated[MappingFile, Field(discriminator="kind")])


def parse_mapping(content: bytes, *, name: str) -> MappingFile:
    """Read a mapping file.

    Args:
        content: TOML, UTF-8.
        name: The file's name, for errors.

    Raises:
        WardgateError: `MAPPING_INVALID`, naming file, section, category and key of the first mistake.
    """
    if len(content) > MAX_MAPPING_BYTES:
        raise WardgateError(ErrorCode.MAPPING_INVALID, f"{name}: larger than {MAX_MAPPING_BYTES} bytes")
    try:
        raw = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise WardgateError(ErrorCode.MAPPING_INVALID, f"{name}: not TOML: {_toml_place(error)}") from error
    try:
        return _ADAPTER.validate_python(raw).flags_spread()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise WardgateError(ErrorCode.MAPPING_INVALID, f"{name}: {_place(raw, first['loc'])}{first['msg']}") from None


def load_mapping(path: Path) -> MappingFile:
    """Read a mapping file from disk.

    Raises:
        WardgateError: `MAPPING_INVALID`.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # a path with a NUL in it is a ValueError
        raise WardgateError(ErrorCode.MAPPING_INVALID, f"{path.name}: cannot be read") from error
    return parse_mapping(content, name=path.name)


def _with_flags(section: _Flagged, shared: Flags) -> _Flagged:
    own: set[str | None] = {spec.column for spec in section.flags} - {None}
    return section.model_copy(update={"flags": (*section.flags, *(spec for spec in shared if spec.column not in own))})


def _toml_place(error: Exception) -> str:
    found = re.search(r"at (line \d+, column \d+|end of document)", str(error))
    return found[0] if found else type(error).__name__


def _place(raw: dict[str, Any], loc: tuple[int | str, ...]) -> str:
    """The place of a mistake in the author's words: `records[3] (s47) date.column: `."""
    steps = list(loc[1:] if loc and loc[0] in {"sql", "files", "fhir"} else loc)
    words: list[str] = []
    match steps:
        case [str(section), int(number), *rest]:
            words.append(f"{section}[{number}]{_category(raw, section, number)}")
            steps = rest
        case ["datasets", str(dataset), *rest]:
            words.append(f"datasets.{dataset}")
            steps = rest
        case _:
            pass
    words.extend([".".join(str(step) for step in steps)] if steps else [])
    return " ".join(words) + ": " if words else ""


def _category(raw: dict[str, Any], section: str, number: int) -> str:
    found = raw[section][number]
    name = found.get("category") or found.get("dataset") if isinstance(found, dict) else None
    return f" ({name})" if isinstance(name, str) else ""
