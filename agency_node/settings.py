"""A node's settings."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from agency_node.asking.question import DEFAULT_TIMES, Times
from agency_node.caseload.judging import UNREADABLE_PERCENT
from agency_node.sources.opening import SourceSettings
from federation.document import AgencyName
from federation.settings import Section, ServiceSettings
from federation.store import sqlite_url
from federation.transport.identity import Party, PartyKind
from federation.vocabulary import Urgency


class Gateway(Section):
    """The gateway, as it was introduced out of band with the invitation."""

    id: AgencyName = Field("main", description="Id in the gateway's certificate, wardgate://gateway/<id>.")
    address: str = Field(description="host:port of the gateway (mutual TLS).")
    enrolment_address: str = Field(description="host:port of the gateway's enrolment port.")
    roots_file: Path = Field(description="File with the federation's certificate authority, PEM.")
    verify_key_file: Path = Field(
        description="File with the gateway's verify key, PEM or hexadecimal: it signs directory and ledger."
    )
    trustee_verify_key_file: Path = Field(
        description="File with the trustee's verify key, PEM or hexadecimal: it signs its public points."
    )
    trustee_id: AgencyName = Field("main", description="Id of the trustee, wardgate://trustee/<id>.")
    audit_verify_key_file: Path = Field(
        description="File with a verify key of the auditors, 64 hexadecimal characters: the key that reasons for "
        "queries are sealed to must descend from it."
    )

    @property
    def party(self) -> Party:
        """Who must answer at `address`."""
        return Party(PartyKind.GATEWAY, self.id)

    @property
    def trustee(self) -> Party:
        """Whose register says who is a member."""
        return Party(PartyKind.TRUSTEE, self.trustee_id)


class PolicyEngineChoice(Section):
    """Which engine decides."""

    engine: Literal["embedded", "server"] = Field(
        "embedded", description="`embedded` evaluates in the process; `server` asks an OPA server."
    )
    server_url: str = Field("", description="URL of the OPA server, such as http://127.0.0.1:8181; for `server` only.")
    bundle_dir: Path = Field(description="Folder of the signed policy bundle.")
    bundle_key_file: Path = Field(description="File with the policy authority's verify key, PEM or hexadecimal.")

    @model_validator(mode="after")
    def _has_server(self) -> Self:
        if (self.engine == "server") != bool(self.server_url):
            raise ValueError("server_url goes with engine = server, and is needed there")
        return self


MAX_CONTEXT_CHARS: Final = 300
"""A line or two."""
MAX_SOURCES: Final = 13
"""Far more than any agency has; what so many say of themselves fits into one answer."""


class SourceChoice(Section):
    """One source system of the agency."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")] = Field(
        description="The operator's name for it; stands in logs and status."
    )
    mapping: str = Field(description="A mapping file's path (ending in .toml), or the bare name of a shipped one.")
    location: str = Field(description="A SQLAlchemy URL, a folder of files or a FHIR export, as the mapping asks.")
    context: str = Field(
        "",
        max_length=MAX_CONTEXT_CHARS,
        description="What a reader should know of this source, sent with records of it: what it covers, since when, "
        "how sure it is.",
    )
    values: dict[str, str] = Field(default_factory=dict, description="The settings that the mapping asks for by name.")

    def opened_as(self) -> SourceSettings:
        """As `agency_node.sources` takes it."""
        return SourceSettings(self.name, self.mapping, self.location, self.values)


class LocalPort(Section):
    """The port for this agency's own tools."""

    host: str = Field("127.0.0.1", description="Address to listen on; loopback unless tools run on another machine.")
    port: int = Field(8445, ge=0, le=65_535, description="Port to listen on.")


class Duty(Section):
    """Whom other agencies reach."""

    name: str = Field("", max_length=200, description="Name or post of the duty contact shown with an answer.")
    role: str = Field("", max_length=200, description="Role of the duty contact.")
    phone: str = Field("", max_length=200, description="Phone of the duty contact.")


class QueryTimes(Section):
    """Deadline for online targets and expiry for late answers, seconds, for each urgency."""

    routine_deadline_s: int = Field(10, ge=1, le=300, description="Deadline of a routine query.")
    routine_expiry_s: int = Field(24 * 3600, ge=60, le=24 * 3600, description="Expiry of a routine query.")
    urgent_deadline_s: int = Field(5, ge=1, le=300, description="Deadline of an urgent query.")
    urgent_expiry_s: int = Field(8 * 3600, ge=60, le=24 * 3600, description="Expiry of an urgent query.")
    emergency_deadline_s: int = Field(3, ge=1, le=300, description="Deadline of an emergency query.")
    emergency_expiry_s: int = Field(4 * 3600, ge=60, le=24 * 3600, description="Expiry of an emergency query.")

    def by_urgency(self) -> dict[Urgency, Times]:
        """As `agency_node.asking.desk` takes them."""
        return {
            urgency: Times(getattr(self, f"{urgency}_deadline_s"), getattr(self, f"{urgency}_expiry_s"))
            for urgency in DEFAULT_TIMES
        }


class Retention(Section):
    """How long is kept what stands beside the ledger."""

    decisions_days: int = Field(
        2_555,
        ge=30,
        le=7_300,
        description="Inputs and results of decisions, reasons of people's decisions, alerts that nobody saw, days.",
    )
    tasks_days: int = Field(
        30, ge=1, le=3_660, description="Other agencies' questions and sealed answers after they expired, days."
    )
    questions_days: int = Field(
        365, ge=1, le=3_660, description="This agency's own questions and the answers to them after they expired, days."
    )
    alerts_days: int = Field(365, ge=1, le=3_660, description="Alerts after they were seen, days.")
    accounts_days: int = Field(
        2_555, ge=30, le=7_300, description="Who asked about which child, here and of this agency, days."
    )

    @model_validator(mode="after")
    def _accounts_outlive_what_they_name(self) -> Self:
        if self.accounts_days < max(self.tasks_days, self.questions_days):
            raise ValueError("who asked about whom is kept at least as long as what was asked")
        return self


class NodeSettings(ServiceSettings, env_prefix="WARDGATE_NODE_"):
    """Everything that can be set of a node."""

    agency: AgencyName = Field(description="This agency's id in the directory.")
    data_dir: Path = Field(description="Folder for database and keyring, owned by the node's user alone.")
    database_url: str = Field(
        "",
        description="SQLAlchemy URL: sqlite+aiosqlite:///... or postgresql+asyncpg://...; empty for node.db in "
        "data_dir.",
    )
    keyring_dir: Path | None = Field(None, description="Folder of the keys; keyring in data_dir when it is not set.")
    log_file: Path | None = Field(None, description="File for the log; standard error when it is not set.")
    users_file: Path = Field(description="The agency's people and their roles (TOML or JSON).")
    overlay_file: Path | None = Field(None, description="Local overlay: narrows further what this node discloses.")
    gateway: Gateway = Field(description="The gateway, as it was introduced out of band.")
    policy: PolicyEngineChoice = Field(description="How decisions are made.")
    local: LocalPort = Field(default_factory=lambda: LocalPort(), description="The port for this agency's own tools.")
    duty: Duty = Field(default_factory=lambda: Duty(), description="Whom other agencies reach.")
    times: QueryTimes = Field(
        default_factory=lambda: QueryTimes(), description="Deadlines and expiries of this node's own queries."
    )
    sources: list[SourceChoice] = Field(
        default_factory=list, max_length=MAX_SOURCES, description="The agency's source systems."
    )
    test_numbers: bool = Field(
        default=False,
        description="Take NHS numbers of the range for tests (999 000 0000 to 999 999 9999) in sources and questions; "
        "for demonstrations and tests only.",
    )
    unreadable_percent: int = Field(
        UNREADABLE_PERCENT,
        ge=0,
        le=50,
        description="Share of a dataset's rows that may be unreadable before the dataset is not believed any more, "
        "percent.",
    )
    index_every_s: int = Field(3600, ge=0, description="How often the sources are read, seconds; 0 for on demand only.")
    quantum_ms: int = Field(50, ge=0, le=1000, description="Answers leave on multiples of this, milliseconds.")
    max_in_flight: int = Field(16, ge=1, le=64, description="Most tasks held at once.")
    retention: Retention = Field(default_factory=lambda: Retention(), description="How long things are kept.")

    @property
    def party(self) -> Party:
        """The node's own name."""
        return Party(PartyKind.NODE, self.agency)

    @property
    def local_party(self) -> Party:
        """The name of the node's local port and of this agency's tools."""
        return Party(PartyKind.LOCAL, self.agency)

    @property
    def keys_dir(self) -> Path:
        """Where the keyring is."""
        return self.keyring_dir or self.data_dir / "keyring"

    @property
    def store_url(self) -> str:
        """The database's URL."""
        return self.database_url or sqlite_url(self.data_dir / "node.db")
