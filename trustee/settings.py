"""The trustee's settings. Its own limits stand here and in no message: nobody but its operator raises them."""

from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator

from federation.document import AgencyName
from federation.person_key import People
from federation.settings import Section, ServiceSettings
from federation.transport.identity import Party, PartyKind
from trustee.quotas import Quotas

ENROLMENT_PORT: Final = 8442
"""Where a gateway's enrolment port is unless it is set otherwise."""


class Listen(Section):
    """Where the trustee listens."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8444, ge=0, le=65_535, description="Port to listen on; 0 lets the system choose.")

    @property
    def address(self) -> str:
        """As gRPC takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Gateway(Section):
    """What the trustee was given about the gateway out of band, and pins."""

    id: AgencyName = Field("main", description="Id in the gateway's certificate, wardgate://gateway/<id>.")
    address: str = Field(description="host:port at which the gateway serves directory and ledger.")
    enrolment_address: str = Field(
        "",
        description="host:port of the gateway's enrolment port, where a certificate that ran out is claimed anew; "
        "empty for port 8442 of the host in `address`.",
    )
    verify_key_file: Path = Field(
        description="File with the gateway's verify key, PEM or hexadecimal: it signs the directory, the deny "
        "list and the gateway's checkpoints."
    )
    audit_verify_key_file: Path = Field(
        description="File with a verify key of the auditors, 64 hexadecimal characters: the key that reasons for "
        "queries are sealed to must descend from it."
    )

    @property
    def party(self) -> Party:
        """Who must answer at `address`."""
        return Party(PartyKind.GATEWAY, self.id)

    @property
    def enrolment_port_address(self) -> str:
        """Where a certificate that ran out is claimed anew."""
        return self.enrolment_address or f"{self.address.rpartition(':')[0]}:{ENROLMENT_PORT}"


class Retention(Section):
    """How long is kept what stands beside the ledger."""

    counters_days: int = Field(
        400, ge=2, le=3_660, description="How long counters of hours and days are kept; the ledger keeps every act."
    )


class TrusteeSettings(ServiceSettings, env_prefix="WARDGATE_TRUSTEE_"):
    """Everything that can be set of a trustee."""

    id: AgencyName = Field("main", description="Id in the trustee's certificate, wardgate://trustee/<id>.")
    data_dir: Path = Field(description="Folder for database and keyring, owned by the trustee's user alone.")
    database_url: str = Field(
        "",
        description="SQLAlchemy URL of the database: sqlite+aiosqlite:///... or postgresql+asyncpg://...; empty for "
        "trustee.db in data_dir.",
    )
    keyring_dir: Path | None = Field(None, description="Folder of the keys; keyring in data_dir when it is not set.")
    log_file: Path | None = Field(None, description="File for the log; standard error when it is not set.")
    listen: Listen = Field(default_factory=Listen, description="Where the trustee listens.")
    gateway: Gateway = Field(description="The gateway, as it was introduced out of band.")
    quotas: Quotas = Field(default_factory=Quotas, description="Limits for each agency.")
    approvers: People = Field(
        default_factory=dict,
        description="The people who approve members, by short name, each with the verify key of a key of their own "
        "(`wardgate trustee person-key`), 64 hexadecimal characters. Two approvals make a member.",
    )
    retention: Retention = Field(default_factory=Retention, description="How long things are kept.")
    directory_interval_s: float = Field(
        5.0, gt=0, le=60, description="How often directory and deny list are fetched and verified."
    )
    directory_stale_s: int = Field(
        600, ge=10, description="Health is NOT_SERVING when the directory could not be verified for so long."
    )
    workers: int = Field(2, ge=1, le=64, description="Threads that multiply points; one for each core is best.")
    stop_grace_s: float = Field(10.0, ge=0, le=300, description="How long running calls may take at the end.")

    @model_validator(mode="after")
    def _has_known_database(self) -> Self:
        if not self.database.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://")):
            raise ValueError("database_url is neither sqlite+aiosqlite nor postgresql+asyncpg")
        return self

    @property
    def database(self) -> str:
        """URL of the database."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'trustee.db'}"

    @property
    def keyring(self) -> Path:
        """Folder of the keys."""
        return self.keyring_dir or self.data_dir / "keyring"

    @property
    def party(self) -> Party:
        """This trustee."""
        return Party(PartyKind.TRUSTEE, self.id)
