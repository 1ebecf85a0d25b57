"""The gateway's settings."""

from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from federation.document import AgencyName
from federation.person_key import People
from federation.settings import Section, ServiceSettings, UnfitSettingError
from federation.store import sqlite_url
from federation.transport.identity import Party, PartyKind


class Listen(Section):
    """Where the gateway listens."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8443, ge=0, le=65_535, description="Port for nodes, trustee and operators (mutual TLS).")
    enrolment_port: int = Field(
        8442, ge=0, le=65_535, description="Port for enrolment only (the caller has no certificate yet)."
    )
    addresses: list[str] = Field(
        default_factory=lambda: ["127.0.0.1"], description="IP addresses that the gateway's own certificate names."
    )


class TrusteePeer(Section):
    """The trustee, as it was introduced out of band."""

    id: AgencyName = Field("main", description="Id in the trustee's certificate, wardgate://trustee/<id>.")
    address: str = Field(description="host:port of the trustee.")
    verify_key_file: Path = Field(
        description="File with the trustee's verify key, PEM or hexadecimal: it signs its public points."
    )

    @property
    def party(self) -> Party:
        """Who must answer at `address`."""
        return Party(PartyKind.TRUSTEE, self.id)


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


class Rates(Section):
    """How many queries one agency may put: asked before policy is."""

    queries_per_minute: int = Field(
        60, ge=1, le=1_000_000, description="New queries of one agency a minute, for as long as it likes."
    )
    queries_at_once: int = Field(
        120,
        ge=4,
        le=1_000_000,
        description="New queries that it may put at once after a pause; the last quarter is kept for what is urgent.",
    )


class Retention(Section):
    """How long is kept what stands beside the ledger."""

    decisions_days: int = Field(
        2_555, ge=30, le=7_300, description="Inputs of decisions, signed orders of teams, notices of misuse, days."
    )
    envelopes_days: int = Field(
        2_555, ge=30, le=7_300, description="Audit envelopes after their query closed, days: accounts of a child."
    )
    queries_days: int = Field(2_555, ge=30, le=7_300, description="Queries after they closed, days.")
    counters_days: int = Field(400, ge=2, le=3_660, description="Counters of evaluations, days.")
    enrolments_days: int = Field(90, ge=1, le=3_660, description="Invitations that led to nothing, days.")

    @model_validator(mode="after")
    def _envelopes_stand_in_queries(self) -> Self:
        if self.envelopes_days > self.queries_days:
            raise ValueError("an envelope is kept no longer than its query")
        return self


class GatewaySettings(ServiceSettings, env_prefix="WARDGATE_GATEWAY_"):
    """Everything that can be set of a gateway."""

    id: AgencyName = Field("main", description="Id in the gateway's certificate, wardgate://gateway/<id>.")
    data_dir: Path = Field(description="Folder for database and keyring, owned by the gateway's user alone.")
    database_url: str = Field(
        "",
        description="SQLAlchemy URL: sqlite+aiosqlite:///... or postgresql+asyncpg://...; empty for gateway.db in "
        "data_dir.",
    )
    keyring_dir: Path | None = Field(None, description="Folder of the keys; keyring in data_dir when it is not set.")
    log_file: Path | None = Field(None, description="File for the log; standard error when it is not set.")
    audit_statements_file: Path = Field(
        description="File with the auditors' signed key statements (`wardgate auditor keys-init`): what only auditors "
        "may read is sealed to the newest key."
    )
    audit_verify_key_file: Path = Field(
        description="File with a verify key of the auditors, 64 hexadecimal characters, which the statements descend "
        "from."
    )
    listen: Listen = Field(default_factory=lambda: Listen(), description="Where the gateway listens.")
    trustee: TrusteePeer = Field(description="The trustee, as it was introduced out of band.")
    policy: PolicyEngineChoice = Field(description="How decisions are made.")
    rates: Rates = Field(default_factory=lambda: Rates(), description="How many queries one agency may put.")
    operators: People = Field(
        default_factory=dict,
        description="The operators, by short name, each with the verify key of a key of their own "
        "(`wardgate gateway operator-key`), 64 hexadecimal characters. Whoever invited an agency does not approve it.",
    )
    certificate_hours: int = Field(24, ge=1, le=24, description="Life of the certificates issued, hours.")
    register_interval_s: float = Field(
        5.0, gt=0, le=60, description="How often the trustee's register of members is fetched and verified."
    )
    absence_days: int = Field(
        30,
        ge=0,
        le=366,
        description="So long after its last certificate ran out an agency that was off is certified anew by its own "
        "signing key, days.",
    )
    retention: Retention = Field(default_factory=lambda: Retention(), description="How long things are kept.")
    expiry_check_s: int = Field(5, ge=1, le=300, description="How often expired queries are settled, seconds.")

    @field_validator("operators", mode="before")
    @classmethod
    def _each_has_a_key(cls, value: object) -> object:
        if isinstance(value, list):
            raise UnfitSettingError(
                "names without keys are not taken any more: each operator makes a key with `wardgate gateway "
                "operator-key`, and a table [operators] has a line with its verify key for each name"
            )
        return value

    @property
    def party(self) -> Party:
        """The gateway's own name."""
        return Party(PartyKind.GATEWAY, self.id)

    @property
    def keys_dir(self) -> Path:
        """Where the keyring is."""
        return self.keyring_dir or self.data_dir / "keyring"

    @property
    def store_url(self) -> str:
        """The database's URL."""
        return self.database_url or sqlite_url(self.data_dir / "gateway.db")

    @property
    def certificate_life(self) -> timedelta:
        """Life of the certificates issued."""
        return timedelta(hours=self.certificate_hours)

    @property
    def absence(self) -> timedelta:
        """How long an agency may have been off and is certified anew."""
        return timedelta(days=self.absence_days)
