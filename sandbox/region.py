"""The region file: what `wardgate sandbox` brings up. The format is described in `docs/region-file.md`.

A region is data: agencies and their people, which source each has, which faults to inject, and scenes to play. Every
mistake is named by table and key before anything is started.
"""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, ValidationError, field_validator, model_validator

from agency_node.answering.overlay import Overlay
from agency_node.settings import QueryTimes
from agency_node.sources.dates import ENGLAND, read_date
from agency_node.users import User
from federation.directory import AgencyDescriptor
from federation.document import AgencyName, Code
from federation.errors import ErrorCode, WardgateError
from sandbox.generator.kinds import SHAPES
from sandbox.literal_records import Flags, LiteralRecord, NumberText, Strict
from sandbox.region_scenes import Scene
from sandbox.relative_dates import RegionDate
from sandbox.toml_file import parse_toml, read_file, read_toml, validate

SHIPPED_REGION: Final = Path(__file__).parent / "regions" / "thornbury.toml"
"""The region that `up` and `demo` take when none is named."""
SHIPPED_REGIONS: Final = (SHIPPED_REGION, Path(__file__).parent / "regions" / "dunmere.toml")
"""Every region that comes with Wardgate."""
MOST_CHILDREN: Final = 50_000
"""Of the drawn population: a large authority on one machine."""

_Name = Annotated[StrictStr, Field(min_length=1, max_length=200)]
_SourceName = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
_DatabaseUrl = Annotated[StrictStr, Field(pattern=r"^$|^(sqlite\+aiosqlite|postgresql\+asyncpg)://")]


class Population(Strict):
    """Who lives in the region.

    Attributes:
        children: Children drawn at random, from the seed; the scripted families come on top.
        families: `shipped`, `none`, or the path of a file of families, relative to the region file.
        faults: Whether generated sources have the usual faults of real data.
    """

    children: Annotated[StrictInt, Field(ge=0, le=MOST_CHILDREN)] = 2_400
    families: StrictStr = "shipped"
    faults: StrictBool = True


class Policy(Strict):
    """Which engine decides, at the gateway and at every node.

    Attributes:
        engine: `embedded` evaluates in the process; `server` asks an OPA server that the sandbox starts.
        server_url: URL of a server that runs already; empty for one of the sandbox's own.
    """

    engine: Literal["embedded", "server"] = "embedded"
    server_url: StrictStr = ""


class Service(Strict):
    """The gateway, or the trustee: where it keeps its data (empty: SQLite in its own folder)."""

    database_url: _DatabaseUrl = ""


class Nodes(Strict):
    """What all nodes have in common.

    Attributes:
        quantum_ms: Answers leave on multiples of this, milliseconds.
        times: Deadlines and expiries by urgency.
    """

    quantum_ms: Annotated[StrictInt, Field(ge=0, le=1_000)] = 50
    times: QueryTimes = Field(default_factory=lambda: QueryTimes())  # noqa: PLW0108 - mypy reads no class as a factory


class RegionUser(User):
    """A person of an agency, as in a node's users file; dates may be relative."""

    training_expires: RegionDate
    employment_ends: RegionDate | None = None

    def as_settings(self) -> dict[str, Any]:
        """The person's table in the node's users file."""
        found = self.model_dump(mode="json", exclude_none=True)
        return {key: value for key, value in found.items() if value != []}


class Duty(Strict):
    """Whom other agencies reach."""

    name: StrictStr = ""
    role: StrictStr = ""
    phone: StrictStr = ""


class Faults(Strict):
    """What goes wrong.

    Attributes:
        offline: The agency is enrolled and its node does not run.
        slow_ms: How much later everything that its node sends to the gateway arrives, milliseconds.
        source_failing: Its first source cannot be read.
    """

    offline: StrictBool = False
    slow_ms: Annotated[StrictInt, Field(ge=0, le=60_000)] = 0
    source_failing: StrictBool = False


class SourcePlan(Strict):
    """One source of an agency.

    Attributes:
        name: The operator's name for it.
        kind: `generated` from the population and the families in the shape of the agency's kind; `literal` from the
            agency's `children` and `records` and from what the families say its kind holds, word for word; `sql`,
            `files` and `fhir` for a system that exists.
        mapping: For an existing system, its mapping: a path relative to the region file, or a shipped one's bare name.
        location: For an existing system, its URL, folder or file, relative to the region file.
        values: The settings that the mapping asks for by name.
    """

    name: _SourceName
    kind: Literal["generated", "literal", "sql", "files", "fhir"]
    mapping: StrictStr = ""
    location: StrictStr = ""
    values: dict[StrictStr, StrictStr] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        existing = self.kind in {"sql", "files", "fhir"}
        if existing != bool(self.mapping) or existing != bool(self.location):
            raise ValueError("mapping and location belong to sql, files and fhir, and are needed there")
        return self


class LiteralChild(Strict):
    """A child on the caseload of an agency, with or without records in `records`."""

    nhs_number: NumberText
    flags: Flags = ()


class LiteralChildRecord(LiteralRecord):
    """A record of a child written in the region file itself."""

    nhs_number: NumberText


class AgencyPlan(Strict):
    """One agency: its place in the directory, its people, its sources, its faults."""

    id: AgencyName
    name: _Name
    kind: Code
    legal_class: Literal["S11_1", "S16E_EDU", "ARRANGED_PROVIDER", "NONE"]
    areas: Annotated[tuple[Code, ...], Field(min_length=1, max_length=64)]
    arranged_by: AgencyName | Literal[""] = ""
    contract_from: RegionDate | None = None
    contract_to: RegionDate | None = None
    agreements: Annotated[tuple[Code, ...], Field(max_length=64)] = ()
    declared_caseload: Annotated[StrictInt, Field(ge=0, le=5_000_000)]
    database_url: _DatabaseUrl = ""
    overlay: dict[str, Any] = Field(default_factory=dict)
    duty: Duty = Duty()
    faults: Faults = Faults()
    users: tuple[RegionUser, ...] = ()
    sources: tuple[SourcePlan, ...] = ()
    children: tuple[LiteralChild, ...] = ()
    records: tuple[LiteralChildRecord, ...] = ()

    def descriptor(self) -> AgencyDescriptor:
        """The agency's entry in the directory."""
        return AgencyDescriptor(
            id=self.id,
            name=self.name,
            kind=self.kind,
            legal_class=self.legal_class,
            areas=list(self.areas),
            arranged_by=self.arranged_by,
            contract_from=self.contract_from.isoformat() if self.contract_from else "",
            contract_to=self.contract_to.isoformat() if self.contract_to else "",
            agreements=list(self.agreements),
            declared_caseload=self.declared_caseload,
        )

    @field_validator("overlay")
    @classmethod
    def _narrows(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            Overlay.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            raise ValueError(f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}") from None
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        _unique("users", [user.id for user in self.users])
        _unique("sources", [source.name for source in self.sources])
        kinds = [source.kind for source in self.sources]
        if "generated" in kinds and self.kind not in SHAPES:
            raise ValueError(f"sources: nothing is generated for {self.kind}, only for {', '.join(sorted(SHAPES))}")
        if kinds.count("generated") > 1 or kinds.count("literal") > 1:
            raise ValueError("sources: at most one of kind generated and one of kind literal")
        if (self.children or self.records) and "literal" not in kinds:
            raise ValueError("children and records need a source of kind literal")
        if self.faults.source_failing and not self.sources:
            raise ValueError("faults.source_failing: there is no source to fail")
        return self


class Region(Strict):
    """A whole region.

    Attributes:
        name: For people.
        seed: The same seed and day give the same region.
        today: The day that relative dates count from.
        folder: Where the file is, for what it names by relative paths.
        scenes: Scenes to play, those of `scene_files` included.
        scene_files: Files with more scenes, relative to the region file.
        story: Names of the scenes that are played when none is named, in this order; empty for all.
    """

    format: Literal[1]
    name: _Name
    seed: Annotated[StrictInt, Field(ge=0, le=2**53 - 1)]
    today: RegionDate
    folder: Path
    population: Population = Population()
    policy: Policy = Policy()
    gateway: Service = Service()
    trustee: Service = Service()
    nodes: Nodes = Nodes()
    agencies: Annotated[tuple[AgencyPlan, ...], Field(min_length=1, max_length=200)]
    scenes: tuple[Scene, ...] = ()
    scene_files: tuple[StrictStr, ...] = ()
    story: tuple[StrictStr, ...] = ()

    @property
    def quantum_ms(self) -> int:
        """Answers leave on multiples of this."""
        return self.nodes.quantum_ms

    @property
    def times(self) -> dict[str, int]:
        """Deadlines and expiries as a node's settings take them."""
        return dict(self.nodes.times.model_dump())

    def agency(self, agency_id: str) -> AgencyPlan:
        """One agency.

        Raises:
            WardgateError: `FILE_INVALID`.
        """
        for plan in self.agencies:
            if plan.id == agency_id:
                return plan
        raise WardgateError(ErrorCode.FILE_INVALID, f"no agency {agency_id}")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        _unique("agencies", [plan.id for plan in self.agencies])
        _unique("scenes", [scene.name for scene in self.scenes])
        ids = {plan.id for plan in self.agencies}
        for plan in self.agencies:
            if plan.arranged_by and plan.arranged_by not in ids:
                raise ValueError(f"agencies ({plan.id}).arranged_by: no agency {plan.arranged_by}")
        users = {plan.id: {user.id for user in plan.users} for plan in self.agencies}
        for scene in self.scenes:
            scene.check_people(users)
        if missing := set(self.story) - {scene.name for scene in self.scenes}:
            raise ValueError(f"story: no scene {min(missing)}")
        return self


def _unique(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{what}: {name} stands twice")


def load_region(path: Path, *, today: dt.date | None = None) -> Region:
    """Read a region file.

    Args:
        path: The file.
        today: The day that relative dates count from, where the file pins none; by default today in England.

    Raises:
        WardgateError: `FILE_INVALID`, naming table and key of the first mistake.
    """
    return parse_region(read_file(path), name=path.name, folder=path.resolve().parent, today=today)


def parse_region(content: bytes, *, name: str, folder: Path, today: dt.date | None = None) -> Region:
    """Read the content of a region file; see `load_region`."""
    raw = parse_toml(content, name=name)
    day = _pinned(raw, name) or today or dt.datetime.now(ENGLAND).date()
    if "folder" in raw:
        raise WardgateError(ErrorCode.FILE_INVALID, f"{name}: folder: Extra inputs are not permitted")
    raw = _with_scene_files(raw, folder)
    return validate(Region, {**raw, "today": day, "folder": folder}, name=name, context={"today": day})


def _with_scene_files(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The tables with the scenes of every file of scenes behind the region's own."""
    names, scenes = raw.get("scene_files", []), raw.get("scenes", [])
    if not isinstance(names, list) or not isinstance(scenes, list):
        return raw  # which is then refused, with the place
    more = [_scenes_of(folder / name) for name in names if isinstance(name, str)]
    return {**raw, "scenes": [*scenes, *(scene for found in more for scene in found)]}


def _scenes_of(path: Path) -> list[Any]:
    found = read_toml(path)
    scenes = found.pop("scenes", [])
    if found or not isinstance(scenes, list):
        raise WardgateError(ErrorCode.FILE_INVALID, f"{path.name}: holds [[scenes]] and nothing else")
    return scenes


def _pinned(raw: Mapping[str, Any], name: str) -> dt.date | None:
    found = raw.get("today")
    if found is None or type(found) is dt.date:
        return found
    try:
        day = read_date(found)
    except ValueError:
        day = None
    if day is None:
        raise WardgateError(ErrorCode.FILE_INVALID, f"{name}: today: a calendar date, YYYY-MM-DD")
    return day
