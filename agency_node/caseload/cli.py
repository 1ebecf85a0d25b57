"""`wardgate node sources …`: rehearse a reading, see what could not be read, and accept what a source looks like."""

import json
import sys
import time
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from agency_node.caseload.desk import MAX_REASON_CHARS
from agency_node.caseload.orders import SourceAction
from agency_node.caseload.rehearsal import Rehearsal, preview, rehearse
from agency_node.local_calls import Agency, Config, Dir, Json, User, call_node, find_settings
from agency_node.settings import NodeSettings
from agency_node.sources.mapped_source import MappedSource
from federation.canonical import JsonObject, to_canonical
from federation.command import ExitCode, done, emit, fail_with_code
from federation.errors import ErrorCode, WardgateError
from federation.wire.v1 import local_pb2, local_pb2_grpc
from keys.errors import NhsNumberRejected
from keys.nhs_number import NhsNumber

sources_app = typer.Typer(no_args_is_help=True, help="This agency's own systems, as the node reads them.")

READING_S: Final = 6 * 3600
"""A whole reading of the largest sources fits into it."""

Only = Annotated[list[str] | None, typer.Option("--source", help="Name of a source; default: all.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in this node, committed to in its ledger.")]


@sources_app.command("check")
@fail_with_code
def check(
    config: Config = None, directory: Dir = None, agency: Agency = "", source: Only = None, as_json: Json = False
) -> None:
    """Read whole sources without a node: every fault by dataset, file, line and column.

    Ends with 1 if a dataset would not be believed or a row could not be read. Nothing is written, and nothing of a row
    is printed.
    """
    settings = find_settings(config, directory, agency)
    found = [
        rehearse(opened, now=int(time.time()), unreadable_percent=settings.unreadable_percent)
        for opened in _opened(settings, source)
    ]
    if as_json:
        emit({"sources": [item.as_json() for item in found]}, as_json=True)
    else:
        for item in found:
            _show(item)
    if not all(item.is_sound for item in found):
        raise typer.Exit(int(ExitCode.CHECK_FAILED))


def _show(found: Rehearsal) -> None:
    done(f"{found.source}: {found.children} children")
    if found.error:
        done(f"  {found.error}")
    for item in found.datasets:
        done(
            f"  {item['dataset']}: {item['state']}{_behind(item['fault'])}, {item['rows']} rows, "
            f"{item['records']} records, {item['unreadable']} unreadable ({_words(item['unreadable_share'])}), "
            f"{item['unidentified']} without a child ({_words(item['unidentified_share'])}), "
            f"{item['unclaimed']} taken by no section"
        )
        if item["detail"]:
            done(f"    {item['detail']}")
    for item in found.rejected:
        place = f"{item['file'] or item['dataset']}:{item['line']}"
        lines = f" ({item['lines']} lines)" if item["lines"] != 1 else ""
        done(f"  {place}{lines}: {item['dataset']}: {item['column'] or 'row'}: {item['reason']} ({item['kind']})")


def _words(band: object) -> str:
    return str(band).replace("_", " ")


def _behind(fault: object) -> str:
    return f" ({fault})" if fault else ""


@sources_app.command("preview")
@fail_with_code
def preview_child(
    child: Annotated[
        str, typer.Option("--child", help="The child's NHS number; - reads it from standard input, unseen by others.")
    ],
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    source: Only = None,
    as_json: Json = False,
) -> None:
    """What would be known of one child, read from the sources as they are now. Prints personal data.

    Ends with 1 if a dataset would not be believed: what it says of the child is not known.
    """
    settings = find_settings(config, directory, agency)
    try:
        number = NhsNumber.parse(sys.stdin.readline() if child == "-" else child)
    except NhsNumberRejected as error:
        raise WardgateError(ErrorCode.NHS_NUMBER_INVALID) from error
    found = preview(
        _opened(settings, source), number, now=int(time.time()), unreadable_percent=settings.unreadable_percent
    )
    emit(found, as_json=as_json)
    if found["failing"]:
        raise typer.Exit(int(ExitCode.CHECK_FAILED))


def _opened(settings: NodeSettings, names: Sequence[str] | None) -> list[MappedSource]:
    from agency_node.checking import open_sources

    wanted = set(names or [choice.name for choice in settings.sources])
    if unknown := wanted - {choice.name for choice in settings.sources}:
        raise WardgateError(ErrorCode.DATASET_UNKNOWN, min(unknown))
    return [source for source in open_sources(settings) if source.name in wanted]


@sources_app.command("rejects")
@fail_with_code
def rejects(
    user: User,
    datasets: Annotated[list[str] | None, typer.Argument(help="DATASET or SOURCE/DATASET; default: all.")] = None,
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    rows: Annotated[bool, typer.Option("--rows", help="Show the rows themselves: personal data.")] = False,
    dismiss: Annotated[str, typer.Option("--dismiss", help="Id of a row that need not be read; with --reason.")] = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Rows that could not be read and flags that disappeared, until they read or a person dismisses them.

    What is more than one message holds is counted as `left_out`: name a dataset.
    """
    if dismiss:
        _check_reason(reason)
    settings = find_settings(config, directory, agency)
    if dismiss:
        order: JsonObject = {
            "user": user,
            "action": SourceAction.DISMISS.value,
            "reject_id": dismiss,
            "reason": reason,
        }
    else:
        order = {
            "user": user,
            "action": SourceAction.REJECTS.value,
            "datasets": list(datasets or []),
            "with_rows": rows,
        }
    emit(_order(settings, order), as_json=as_json)


@sources_app.command("accept")
@fail_with_code
def accept(
    user: User,
    reason: Reason,
    datasets: Annotated[
        list[str] | None, typer.Argument(help="DATASET or SOURCE/DATASET, as `sources check` names them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every dataset, as after the first reading.")] = False,
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    as_json: Json = False,
) -> None:
    """This is what the dataset looks like: later readings are held against what was read last. Reads again."""
    if bool(datasets) == everything:
        raise typer.BadParameter("name datasets, or give --all", param_hint="DATASETS")
    _check_reason(reason)
    settings = find_settings(config, directory, agency)
    order: JsonObject = {
        "user": user,
        "action": SourceAction.ACCEPT.value,
        "datasets": list(datasets or []),
        "reason": reason,
    }
    emit(_order(settings, order), as_json=as_json)


@sources_app.command("diff")
@fail_with_code
def diff(user: User, config: Config = None, directory: Dir = None, agency: Agency = "", as_json: Json = False) -> None:
    """What the next reading would change, child by child and record by record. Writes nothing; prints personal data."""
    settings = find_settings(config, directory, agency)
    emit(_order(settings, {"user": user, "action": SourceAction.COMPARE.value}), as_json=as_json)


def _check_reason(reason: str) -> None:
    if not reason.strip() or len(reason) > MAX_REASON_CHARS:
        raise typer.BadParameter(f"a reason of 1 to {MAX_REASON_CHARS} characters", param_hint="--reason")


def _order(settings: NodeSettings, order: JsonObject) -> JsonObject:
    content = to_canonical(order)

    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> bytes:
        response: local_pb2.OrderSourcesResponse = await stub.OrderSources(
            local_pb2.OrderSourcesRequest(order=content), timeout=READING_S
        )
        return response.outcome

    found: JsonObject = json.loads(call_node(settings, call))
    return found
