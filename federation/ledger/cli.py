"""`wardgate ledger`: verify, export and search a ledger, offline."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from federation.errors import ErrorCode, WardgateError
from federation.exit_codes import ExitCode, exit_code_of
from federation.keyfiles import write_public
from federation.ledger.checkpoint import NoteKey, WitnessKey, verify_checkpoint
from federation.ledger.entry import EntryKind
from federation.ledger.evidence import ExportEvidence
from federation.ledger.export import WITNESSES_FILE, export_ledger
from federation.ledger.forks import files_of, forks_in_lines, forks_of
from federation.ledger.place import LedgerPlace, LedgerServices, locate, read
from federation.ledger.reader import Criteria, Reader
from federation.ledger.report import BESIDE, GIVEN, fault_found, held, in_lines
from federation.ledger.verify import verify_evidence, verify_witnesses

ledger_app = typer.Typer(help="Verify, export and search a ledger, offline.", no_args_is_help=True)

PathArgument = Annotated[
    Path | None,
    typer.Argument(
        help="An export directory, a service's data directory, or a ledger's SQLite file; nothing with --config.",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", exists=True, dir_okay=False, help="A service's settings (TOML): the ledger in its database."
    ),
]
KeyOption = Annotated[
    Path | None,
    typer.Option(help="The ledger's public key (ledger.pub), as you were given it; else the one beside it is taken."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@ledger_app.command()
def verify(
    context: typer.Context,
    path: PathArgument = None,
    config: ConfigOption = None,
    key: KeyOption = None,
    known: Annotated[
        list[Path] | None,
        typer.Option(help="A checkpoint you, or a witness, kept earlier: the ledger must extend it. Repeatable."),
    ] = None,
    witnesses: Annotated[
        Path | None,
        typer.Option(help="Witnesses' verifier keys, one a line, as you were given them: says what each has cosigned."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute every hash. Exit code 1, and the first bad index, when anything was changed, removed or reordered."""
    with _errors():
        place = _place(context, path, config)
        public_key = place.key(key)
        keys = _witness_keys(read(witnesses)) if witnesses else []
        files = [*(known or ()), *([place.kept] if place.kept else ())]
        notes = [read(file) for file in files]
        try:
            with place.evidence() as evidence:
                verified = verify_evidence(evidence, public_key, notes)
                report = held(verified, verify_witnesses(evidence, public_key, keys))
        except WardgateError as fault:
            if fault.code is not ErrorCode.LEDGER_INVALID:
                raise
            report = fault_found(public_key.name, fault)
    report |= {
        "ledger": place.name,
        "key": "given" if key else "beside",
        "verified_against": GIVEN if key else BESIDE,
        "extends": [str(file) for file in files] if report["ok"] else [],
        "warnings": [*report.pop("warnings"), *place.warnings()],
    }
    typer.echo(json.dumps(report) if as_json else "\n".join(in_lines(report)))
    raise typer.Exit(ExitCode.DONE if report["ok"] else ExitCode.CHECK_FAILED)


@ledger_app.command()
def export(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[LEDGER] DIRECTORY",
            help="A service's data directory or its ledger's SQLite file (not with --config), and where to write; an "
            "earlier export there is extended.",
        ),
    ],
    config: ConfigOption = None,
    key: KeyOption = None,
) -> None:
    """Write the ledger up to its newest signed checkpoint as files (C2SP tlog-tiles) for anybody to verify."""
    *sources, directory = paths
    if len(sources) > 1:
        raise typer.BadParameter("one ledger and one directory")
    with _errors():
        place = _place(context, sources[0] if sources else None, config)
        size, rest = asyncio.run(_export(place, directory, place.key(key), _witnesses_of(place)))
    typer.echo(f"{size} entries written to {directory}" + (f"; {rest} not yet signed left out" if rest else ""))


@ledger_app.command()
def search(
    context: typer.Context,
    path: PathArgument = None,
    *,
    config: ConfigOption = None,
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
        place = _place(context, path, config)
        lines = [
            json.dumps({"index": index, **_object(index, content)}, ensure_ascii=False)
            for index, content in _search(place, criteria)
        ]
    for line in lines:
        typer.echo(line)


@ledger_app.command()
def forks(
    context: typer.Context,
    path: PathArgument = None,
    config: ConfigOption = None,
    out: Annotated[
        Path | None, typer.Option(help="A new folder to save both checkpoints of each alarm in, as files.")
    ] = None,
) -> None:
    """Print both checkpoints of each alarm about a ledger that did not extend what was seen of it, oldest first."""
    with _errors():
        place = _place(context, path, config)
        found = list(_search(place, Criteria(kind=EntryKind.ALARM_RAISED, limit=10_000)))
        alarms = forks_of((index, _object(index, content)) for index, content in found)
        if out is not None:
            for name, content in files_of(alarms).items():
                write_public(out / name, content)
    for line in forks_in_lines(alarms):
        typer.echo(line)


@ledger_app.command("verifier-keys")
def verifier_keys(
    context: typer.Context,
    path: PathArgument = None,
    config: ConfigOption = None,
    key: KeyOption = None,
    out: Annotated[Path | None, typer.Option(help="File to write the witnesses' keys to.")] = None,
) -> None:
    """Print the verifier keys of a ledger and its witnesses (C2SP vkey), for other people's tools and `--witnesses`."""
    with _errors():
        place = _place(context, path, config)
        own, found = place.key(key), _witnesses_of(place)
        lines = [witness.text() for witness in found]
        if out is not None:
            write_public(out, "".join(f"{line}\n" for line in lines).encode())
    typer.echo(own.text())
    for line in lines:
        typer.echo(line)


def _place(context: typer.Context, path: Path | None, config: Path | None) -> LedgerPlace:
    """The one ledger that was named.

    Raises:
        typer.BadParameter: None, or by both ways.
        WardgateError: `STORE_UNAVAILABLE`, `SETTINGS_INVALID`.
    """
    if (path is None) == (config is None):
        raise typer.BadParameter("name the ledger: by its path, or by --config and the settings of its service")
    if path is not None:
        return locate(path)
    services = context.find_object(LedgerServices)
    if services is None or config is None:
        raise typer.BadParameter("--config works in the `wardgate` command alone")
    return services.find(config)


def _witnesses_of(place: LedgerPlace) -> list[WitnessKey]:
    """The keys of the witnesses as the service's store, or an export's own file, has them."""
    if place.witnesses is not None:
        return list(place.witnesses())
    file = place.folder / WITNESSES_FILE
    return _witness_keys(read(file)) if place.export is not None and file.is_file() else []


def _witness_keys(content: bytes) -> list[WitnessKey]:
    return [WitnessKey.parse(line) for line in content.decode(errors="replace").splitlines() if line.strip()]


async def _export(place: LedgerPlace, directory: Path, key: NoteKey, witnesses: list[WitnessKey]) -> tuple[int, int]:
    engine = place.engine()
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
        await export_ledger(reader, directory, head, key, witnesses)
        return head.size, size - head.size
    finally:
        await engine.dispose()


def _search(place: LedgerPlace, criteria: Criteria) -> list[tuple[int, bytes]]:
    return _search_export(place.export, criteria) if place.export else asyncio.run(_search_store(place, criteria))


async def _search_store(place: LedgerPlace, criteria: Criteria) -> list[tuple[int, bytes]]:
    engine = place.engine()
    try:
        return [(entry.index, entry.content) for entry in await Reader(engine).search(criteria)]
    finally:
        await engine.dispose()


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
