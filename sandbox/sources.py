"""Prepares an agency's source systems: generated ones are written, literal ones too, existing ones are pointed at."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agency_node.sources.opening import mapping_path
from agency_node.sources.record import SourceChild, SourceRecord
from federation.errors import ErrorCode, WardgateError
from keys.nhs_number import NhsNumber
from sandbox.families import SHIPPED_FAMILIES, Family, add_to_holding, load_families
from sandbox.generator.drafts import Holding, Target, Written
from sandbox.generator.kinds import SHAPES
from sandbox.generator.people import population
from sandbox.region import AgencyPlan, Region, SourcePlan

LITERAL_MAPPING: Final = "wardgate-records"


def families_of(region: Region) -> tuple[Family, ...]:
    """The scripted families of a region.

    Raises:
        WardgateError: `FILE_INVALID`.
    """
    match region.population.families:
        case "none":
            return ()
        case "shipped":
            return load_families(region.today, SHIPPED_FAMILIES)
        case path:
            return load_families(region.today, region.folder / path)


def prepare_sources(region: Region, plan: AgencyPlan, folder: Path) -> list[dict[str, Any]]:
    """Write what an agency's sources are read from.

    Args:
        region: The region.
        plan: The agency.
        folder: A folder of the agency's own for its source systems; made if it is not there.

    Returns:
        The `sources` of the node's settings.

    Raises:
        WardgateError: `FILE_INVALID`.
    """
    return [_prepared(region, plan, source, folder / source.name).settings for source in plan.sources]


@dataclass(frozen=True, slots=True)
class Prepared:
    """One source that can be read.

    Attributes:
        settings: Its table in the node's settings.
        written: What reading it must give; None for a system that existed before.
    """

    settings: dict[str, Any]
    written: Written | None


def prepare_source(region: Region, plan: AgencyPlan, source: SourcePlan, folder: Path) -> Prepared:
    """Write one source of an agency into a folder of its own; see `prepare_sources`."""
    return _prepared(region, plan, source, folder)


def break_source(location: str) -> None:
    """Take a source system away, as when its server is down: its file or folder gets another name.

    Done after a first reading, it shows that the last caseload stays in force.

    Raises:
        WardgateError: `FILE_INVALID`: a system that the sandbox did not write is left alone.
    """
    path = _written_path(location)
    path.rename(_away(path))


def mend_source(location: str) -> None:
    """Put a source system back that `break_source` took away."""
    path = _written_path(location)
    _away(path).rename(path)


def _away(path: Path) -> Path:
    return path.with_name(f"{path.name}.away")


def _written_path(location: str) -> Path:
    path = location.removeprefix("sqlite:///")
    if "://" in path:
        raise WardgateError(ErrorCode.FILE_INVALID, "a database that the sandbox did not write is not taken away")
    return Path(path)


def _prepared(region: Region, plan: AgencyPlan, source: SourcePlan, folder: Path) -> Prepared:
    match source.kind:
        case "generated":
            written = _generated(region, plan, source.values, folder)
        case "literal":
            written = _literal(region, plan, folder)
        case _:
            return Prepared(_existing(region, source), None)
    settings = {"name": source.name, "mapping": written.mapping, "location": written.location, "values": source.values}
    return Prepared(settings, written)


def _existing(region: Region, source: SourcePlan) -> dict[str, Any]:
    is_file = source.mapping.endswith(".toml")
    return {
        "name": source.name,
        "mapping": str(region.folder / source.mapping) if is_file else source.mapping,
        "location": source.location if "://" in source.location else str(region.folder / source.location),
        "values": source.values,
    }


def _generated(region: Region, plan: AgencyPlan, values: Mapping[str, str], folder: Path) -> Written:
    folder.mkdir(parents=True, exist_ok=True)
    shape = SHAPES[plan.kind]
    place, number = _place_among_its_kind(region, plan)
    households = tuple(
        household
        for household in population(region.seed, region.today, region.population.children)
        if household.number % number == place
    )
    holding = shape.history(region.seed, region.today, households)
    if _keeps_families(region, plan, "generated"):
        add_to_holding(holding, families_of(region), plan.kind)
    faults = region.population.faults and bool(holding.held)
    return shape.write(holding, Target(folder, values, faults, region.today))


def _place_among_its_kind(region: Region, plan: AgencyPlan) -> tuple[int, int]:
    """Agencies of one kind with generated sources share the households out."""
    peers = [
        other.id
        for other in region.agencies
        if other.kind == plan.kind and any(source.kind == "generated" for source in other.sources)
    ]
    return peers.index(plan.id), len(peers)


def _keeps_families(region: Region, plan: AgencyPlan, source_kind: str) -> bool:
    """Of the agencies of one kind the first keeps the families: in a generated source, else in a literal one."""
    peers = [other for other in region.agencies if other.kind == plan.kind]
    by_source = [
        (kind, other.id)
        for kind in ("generated", "literal")
        for other in peers
        if any(source.kind == kind for source in other.sources)
    ]
    return by_source[:1] == [(source_kind, plan.id)]


def _literal(region: Region, plan: AgencyPlan, folder: Path) -> Written:
    """Write, in the records' own form, what the region file and the families say that the agency holds."""
    folder.mkdir(parents=True, exist_ok=True)
    flags = {NhsNumber(child.nhs_number): frozenset(child.flags) for child in plan.children}
    drafts = [(NhsNumber(record.nhs_number), record.draft()) for record in plan.records]
    scripted = Holding()
    if _keeps_families(region, plan, "literal"):
        add_to_holding(scripted, families_of(region), plan.kind)
    for number, held in scripted.held.items():
        flags[number] = flags.get(number, frozenset()) | held.flags
        drafts += [(number, draft) for draft in held.drafts]
    for number, _ in drafts:
        flags.setdefault(number, frozenset())
    children = tuple(SourceChild(number, found) for number, found in flags.items())
    records = tuple(
        SourceRecord(
            child=number,
            source_ref=f"records:{place}",
            category=draft.category,
            type=draft.type,
            date=draft.date,
            started_on=draft.started_on or draft.date,
            ended_on=draft.last_day,
            fields=draft.fields,
            flags=draft.flags,
            assertion=draft.assertion,
            relation=draft.relation,
            contact_level=draft.contact_level,
            handling_code=draft.handling_code,
        )
        for place, (number, draft) in enumerate(drafts, start=1)
    )
    _write_lines(folder / "children.jsonl", [_child_line(child) for child in children])
    _write_lines(folder / "records.jsonl", [_record_line(record) for record in records])
    empty = [name for name, rows in (("children", children), ("records", records)) if not rows]
    return Written(str(folder), _own_mapping(folder, empty), children, records, Counter())


def _own_mapping(folder: Path, empty: Sequence[str]) -> str:
    """The mapping of the records' own form; where an agency honestly holds nothing, a copy of it that says so."""
    if not empty:
        return LITERAL_MAPPING
    text = mapping_path(LITERAL_MAPPING).read_text(encoding="utf-8")
    for name in empty:
        file = f'file = "{name}.jsonl"\n'
        text = text.replace(file, f"{file}may_be_empty = true\n")
    own = folder / f"{LITERAL_MAPPING}.toml"
    own.write_text(text, encoding="utf-8")
    return str(own)


def _write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def _child_line(child: SourceChild) -> dict[str, Any]:
    return {"nhs_number": child.child.canonical(), "flags": sorted(child.flags)}


def _record_line(record: SourceRecord) -> dict[str, Any]:
    days = {"date": record.date, "started_on": record.started_on, "ended_on": record.ended_on}
    return {
        "nhs_number": record.child.canonical(),
        "ref": record.source_ref.partition(":")[2],
        "category": record.category,
        "type": record.type,
        **{name: day.isoformat() for name, day in days.items() if day is not None},
        "fields": dict(record.fields),
        "flags": sorted(record.flags),
        "assertion": record.assertion.value,
        "relation": record.relation.value,
        "contact_level": record.contact_level.value,
        "handling_code": record.handling_code,
    }
