"""`wardgate ledger`: verify, export and search a ledger, offline."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from federation.errors import ErrorCode, WardgateError
from federation.exit_codes import ExitCode, exit_code_of
from federation.ledger.checkpoint import NoteKey, verify_checkpoint
from federation.ledger.entry import EntryKind
from federation.ledger.evidence import ExportEvidence, open_for_reading, unreadable
from federation.ledger.export import CHECKPOINT_FILE, KEY_FILE, export_ledger
from federation.ledger.reader import Criteria, Reader, search_statement
from federation.ledger.verify import LedgerFault, Verified, verify_database, verify_export
from federation.store import open_engine, sqlite_url

ledger_app = typer.Typer(help="Verify, export and search a ledger, offline.", no_args_is_help=True)

_SQLITE_MAGIC = b"SQLite format 3\x00"

PathArgument = Annotated[
    Path, typer.Argument(help="An export directory, a service's data directory, or a ledger's SQLite file.")
]
KeyOption = Annotated[
    Path | None,
    typer.Option(help="The ledger's public key, as you were given it. Default: ledger.pub beside the ledger."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a ledger is. `database` is None for an export."""

    folder: Path
    database: Path | None


@ledger_app.command()
def verify(
    path: PathArgument,
    key: KeyOption = None,
    known: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint you kept earlier: the ledger must extend it. Repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute every hash. Exit code 1, and the first bad index, when anything was changed, removed or reordered."""
    with _errors():
        target = _locate(path)
        public_key = _key(target, key)
        notes = [_read(note) for note in known or ()]
        try:
            if target.database is None:
                verified = verify_export(target.folder, public_key, notes)
            else:
                verified = verify_database(target.database, public_key, notes)
            report = _held(verified)
        except WardgateError as fault:
            if fault.code is not ErrorCode.LEDGER_INVALID:
                raise
            report = _fault(public_key.name, fault)
    _show(report, as_json=as_json)
    raise typer.Exit(ExitCode.DONE if report["ok"] else ExitCode.CHECK_FAILED)


@ledger_app.command()
def export(
    path: Annotated[Path, typer.Argument(help="A service's data directory, or its ledger's SQLite file.")],
    directory: Annotated[Path, typer.Argument(help="Where to write; an earlier export there is extended.")],
    key: KeyOption = None,
) -> None:
    """Write the ledger up to its newest signed checkpoint as files (C2SP tlog-tiles) for anybody to verify."""
    with _errors():
        target = _locate(path)
        if target.database is None:
            raise WardgateError(ErrorCode.STORE_UNAVAILABLE, f"{path} is an export already")
        size, rest = asyncio.run(_export(target.database, directory, _key(target, key)))
    typer.echo(f"{size} entries written to {directory}" + (f"; {rest} not yet signed left out" if rest else ""))


@ledger_app.command()
def search(
    path: PathArgument,
    *,
    kind: Annotated[EntryKind | None, typer.Option(help="Kind of entry.")] = None,
    query_id: Annotated[str | None, typer.Option(help="The query they belong to.")] = None,
    since: Annotated[int | None, typer.Option(help="Earliest time, seconds since the epoch.")] = None,
    until: Annotated[int | None, typer.Option(help="Time before which they were written.")] = None,
    start: Annotated[int, typer.Option(min=0, help="First index to look at.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 1_000,
) -> None:
    """Print the entries that meet all criteria, one JSON object a line."""
    criteria = Criteria(kind=kind, query_id=query_id, since=since, until=until, start=start, limit=limit)
    with _errors():
        target = _locate(path)
        if target.database is None:
            found = _search_export(target.folder, criteria)
        else:
            found = _search_database(target.database, criteria)
        lines = [
            json.dumps({"index": index, **_object(index, content)}, ensure_ascii=False) for index, content in found
        ]
    for line in lines:
        typer.echo(line)


def _locate(path: Path) -> _Target:
    if path.is_file() and _has_ledger(path):
        return _Target(path.parent, path)
    if path.is_dir():
        if (path / CHECKPOINT_FILE).is_file():
            return _Target(path, None)
        databases = [found for found in sorted(path.iterdir()) if found.is_file() and _has_ledger(found)]
        if len(databases) == 1:
            return _Target(path, databases[0])
        if databases:
            names = ", ".join(found.name for found in databases)
            raise WardgateError(ErrorCode.STORE_UNAVAILABLE, f"{path} has several ledgers: name one of {names}")
    raise WardgateError(ErrorCode.STORE_UNAVAILABLE, f"{path}: no ledger there, or no right to read it")


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


def _key(target: _Target, given: Path | None) -> NoteKey:
    return NoteKey.parse(_read(given or target.folder / KEY_FILE).decode(errors="replace"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def _held(verified: Verified) -> dict[str, Any]:
    return {
        "ok": True,
        "origin": verified.origin,
        "size": verified.size,
        "signed_size": verified.signed_size,
        "root": verified.root.hex(),
        "checkpoints": verified.checkpoints,
        "first_bad_index": None,
        "reason": "",
    }


def _fault(origin: str, fault: WardgateError) -> dict[str, Any]:
    return {
        "ok": False,
        "origin": origin,
        "size": fault.size if isinstance(fault, LedgerFault) else 0,
        "root": "",
        "first_bad_index": fault.first_bad_index if isinstance(fault, LedgerFault) else None,
        "reason": fault.reason if isinstance(fault, LedgerFault) else fault.detail,
    }


def _show(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report))
    elif report["ok"]:
        typer.echo(f"{report['origin']}: {report['size']} entries hold; {report['signed_size']} of them are signed.")
        typer.echo(f"root {report['root']}, {report['checkpoints']} checkpoints compared")
    else:
        index = report["first_bad_index"]
        typer.echo(f"{report['origin']}: DOES NOT HOLD. {report['reason']}")
        typer.echo("no single entry is at fault" if index is None else f"first bad index {index}")


async def _export(database: Path, directory: Path, key: NoteKey) -> tuple[int, int]:
    engine = open_engine(sqlite_url(database))
    try:
        reader = Reader(engine)
        note = await reader.last_checkpoint()
        if note is None:
            raise WardgateError(ErrorCode.LEDGER_INVALID, "there is no signed checkpoint")
        head = verify_checkpoint(note, key)
        size = await reader.size()
        if size and not head.size:
            # An export of nothing verifies: whoever relied on it would hold no evidence and be told that all is well.
            raise WardgateError(ErrorCode.LEDGER_INVALID, f"none of its {size} entries is signed: nothing to export")
        await export_ledger(reader, directory, head, key)
        return head.size, size - head.size
    finally:
        await engine.dispose()


def _search_database(database: Path, criteria: Criteria) -> list[tuple[int, bytes]]:
    engine = create_engine("sqlite://", creator=lambda: open_for_reading(database))
    try:
        with engine.connect() as connection:
            rows = connection.execute(search_statement(criteria)).all()
    except SQLAlchemyError as error:
        raise unreadable(database, error) from error
    finally:
        engine.dispose()
    return [(row.entry_index, row.content) for row in rows]


def _search_export(folder: Path, criteria: Criteria) -> list[tuple[int, bytes]]:
    evidence = ExportEvidence(folder)
    found: list[tuple[int, bytes]] = []
    for item in evidence.items(criteria.start, evidence.count):
        # One that is missing might be the one that is looked for.
        content = item.content or b""
        if _meets(_object(item.index, content), criteria):
            found.append((item.index, content))
            if len(found) == criteria.limit:
                break
    return found


def _object(index: int, content: object) -> dict[str, Any]:
    """An entry as found, which somebody may have tampered with.

    Raises:
        WardgateError: `LEDGER_INVALID`: it is no entry.
    """
    try:
        found = json.loads(content) if isinstance(content, bytes) else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not {"kind", "query_id", "at"} <= found.keys():
        raise WardgateError(ErrorCode.LEDGER_INVALID, f"what stands at index {index} is no entry: verify this ledger")
    return found


def _meets(entry: dict[str, Any], criteria: Criteria) -> bool:
    return (
        (criteria.kind is None or entry["kind"] == criteria.kind)
        and (criteria.query_id is None or entry["query_id"] == criteria.query_id)
        and (criteria.since is None or entry["at"] >= criteria.since)
        and (criteria.until is None or entry["at"] < criteria.until)
    )


@contextmanager
def _errors() -> Iterator[None]:
    """End the command as `docs/exit-codes.md` says."""
    try:
        yield
    except WardgateError as error:
        typer.echo(f"{error.code}: {error.spec.public}\n  {error.detail}\n  {error.spec.remedy}", err=True)
        raise typer.Exit(exit_code_of(error)) from error
