"""Where a ledger is, for commands that read it beside its service: an export, a SQLite file, PostgreSQL."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from federation.errors import ErrorCode, WardgateError
from federation.ledger.checkpoint import NoteKey, WitnessKey
from federation.ledger.evidence import Evidence, ExportEvidence, SqliteEvidence, open_for_reading, unreadable
from federation.ledger.export import CHECKPOINT_FILE, KEY_FILE
from federation.ledger.kept import KEPT
from federation.ledger.postgres_evidence import PostgresEvidence
from federation.ledger.verify import LedgerFault
from federation.sqlite_driver import SqliteConnection, connect_by
from federation.store import open_engine, sqlite_url

OWN_NAMES: Final = ("gateway.db", "node.db", "trustee.db")
"""What services call their databases: in a data folder it is this one, whatever copies lie beside it."""

KEYRING: Final = "keyring"
"""Where in a data folder the keyring is, unless it is set otherwise."""

_SQLITE_MAGIC: Final = b"SQLite format 3\x00"
_OPEN_TO_OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True)
class LedgerServices:
    """How the ledger of a service is found by its settings: what `wardgate.cli` puts into a command's context."""

    find: "Callable[[Path], LedgerPlace]"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPlace:
    """One ledger.

    Attributes:
        name: As it is shown.
        folder: Where its public key may lie beside it.
        export: The export's folder; None for a database.
        database: The SQLite file; None for another kind.
        url: The database's URL; empty for an export.
        kept: File of the last checkpoint that its service kept outside the database; None where none is known of.
        witnesses: Asks the service's store for the witnesses' keys; None where nobody can be asked.
    """

    name: str
    folder: Path
    export: Path | None = None
    database: Path | None = None
    url: str = ""
    kept: Path | None = None
    witnesses: Callable[[], Sequence[WitnessKey]] | None = None

    @contextmanager
    def evidence(self) -> Iterator[Evidence]:
        """What verification reads, open for the block.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`; `LEDGER_INVALID`: the database file is damaged.
        """
        found: Evidence
        if self.export is not None:
            found = ExportEvidence(self.export)
        else:
            found = PostgresEvidence(self.url) if self.database is None else SqliteEvidence(self.database)
        try:
            yield found
        except sqlite3.DatabaseError as error:
            raise LedgerFault("the database file is damaged", None, found.count) from error
        finally:
            found.close()

    def engine(self) -> AsyncEngine:
        """A database for reading alone: a file is not changed, and may lie on read-only media.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`: it is an export.
        """
        if self.export is not None:
            raise WardgateError(ErrorCode.STORE_UNAVAILABLE, f"{self.name} is an export already")
        database = self.database
        if database is None:
            return open_engine(self.url)

        async def creator() -> SqliteConnection:
            return await connect_by(lambda: open_for_reading(database))

        return create_async_engine(self.url, async_creator=creator)

    def key(self, given: Path | None) -> NoteKey:
        """The ledger's public key: the one that was given, or the one that lies beside the ledger.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`, `LEDGER_INVALID`.
        """
        return NoteKey.parse(read(given or self.folder / KEY_FILE).decode(errors="replace"))

    def warnings(self) -> list[str]:
        """What is wrong with how the ledger is kept, and with nothing in it."""
        if self.database is None:
            return []
        mode = self.database.stat().st_mode & 0o777
        if not mode & _OPEN_TO_OTHERS:
            return []
        return [f"{self.database.name} has mode {mode:04o}: others on this machine can get at it; 0600 is right"]


def locate(path: Path) -> LedgerPlace:
    """The ledger at a path: an export's folder, a service's data folder, or a SQLite file.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`: there is none, or several and none of them a service's own.
    """
    if path.is_file() and _has_ledger(path):
        return _file(path)
    if path.is_dir():
        if (path / CHECKPOINT_FILE).is_file():
            return LedgerPlace(name=str(path), folder=path, export=path)
        databases = [found for found in sorted(path.iterdir()) if found.is_file() and _has_ledger(found)]
        own = [found for found in databases if found.name in OWN_NAMES]
        chosen = own if len(own) == 1 else databases
        if len(chosen) == 1:
            return _file(chosen[0])
        if chosen:
            names = ", ".join(found.name for found in chosen)
            raise WardgateError(ErrorCode.STORE_UNAVAILABLE, f"{path} has several ledgers: name one of {names}")
    what = "no ledger there, or no right to read it; one that is in PostgreSQL is named by --config"
    raise WardgateError(ErrorCode.STORE_UNAVAILABLE, f"{path}: {what}")


def service_ledger(
    url: str, *, data_dir: Path, keys_dir: Path, witnesses: Callable[[], Sequence[WitnessKey]]
) -> LedgerPlace:
    """The ledger of a service as its settings say.

    Args:
        url: Its database's.
        data_dir: Where it writes its ledger's public key.
        keys_dir: Its keyring.
        witnesses: Asks its store for the keys of those who cosign.
    """
    parsed = make_url(url)
    database = Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None
    if database is not None and not database.is_file():
        raise WardgateError(ErrorCode.STORE_UNAVAILABLE, f"{database}: no ledger there, or no right to read it")
    return LedgerPlace(
        name=parsed.render_as_string(hide_password=True) if database is None else str(database),
        folder=data_dir,
        database=database,
        url=url,
        kept=_kept_in(keys_dir),
        witnesses=witnesses,
    )


def read(path: Path) -> bytes:
    """A file that was named.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def _file(path: Path) -> LedgerPlace:
    own = path.name in OWN_NAMES
    return LedgerPlace(
        name=str(path),
        folder=path.parent,
        database=path,
        url=sqlite_url(path),
        kept=_kept_in(path.parent / KEYRING) if own else None,
    )


def _kept_in(keyring: Path) -> Path | None:
    path = keyring / f"{KEPT}.pem"
    try:
        return path if path.is_file() else None
    except PermissionError:  # a keyring is its service's own; who may not read it has to be given the checkpoint
        return None


def _has_ledger(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            if file.read(len(_SQLITE_MAGIC)) != _SQLITE_MAGIC:
                return False
        with closing(open_for_reading(path)) as connection:
            row = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger_entry'").fetchone()
    except (OSError, sqlite3.Error) as error:
        raise unreadable(path, error) from error
    return row is not None
