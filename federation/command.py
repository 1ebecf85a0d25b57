"""What every `wardgate` command shares: one way to print, one way to fail."""

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import typer
from rich.console import Console

from federation.canonical import JsonObject, from_json
from federation.errors import ErrorCode, WardgateError
from federation.exit_codes import ExitCode, exit_code_of
from keys.errors import KeyringRejected, KeysError

MAX_JSON_FILE_BYTES: Final = 1024 * 1024

P = ParamSpec("P")
R = TypeVar("R")


def fail_with_code(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the catalogue's errors into one line on standard error and a documented exit code.

    With `--json` among the arguments the line is a JSON object. Nothing but the catalogue's public text and, for what
    an operator must mend, identifiers are printed: never what a user typed.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except KeysError as error:
            code = ErrorCode.KEYRING_REJECTED if isinstance(error, KeyringRejected) else ErrorCode.INTERNAL
            failure = WardgateError(code, str(error) if isinstance(error, KeyringRejected) else "")
        except WardgateError as error:
            failure = error
        _print_failure(failure, as_json=bool(kwargs.get("as_json", False)))
        raise typer.Exit(int(exit_code_of(failure)))

    return wrapped


def _print_failure(error: WardgateError, *, as_json: bool) -> None:
    spec = error.spec
    content = {"code": str(error.code), "message": spec.public, "remedy": spec.remedy, "detail": error.detail}
    if error.clock is not None:
        content["clock"] = str(error.clock)
    if as_json:
        typer.echo(json.dumps({"error": content}), err=True)
        return
    typer.echo(f"{error.code}: {spec.public}", err=True)
    if error.clock is not None:
        typer.echo(f"  {error.clock}", err=True)
    if error.detail:
        typer.echo(f"  {error.detail}", err=True)
    typer.echo(f"  {spec.remedy}", err=True)


def emit(content: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a result: JSON for machines, indented and coloured for people."""
    if as_json:
        typer.echo(json.dumps(content, ensure_ascii=False))
    else:
        Console().print_json(json.dumps(content, ensure_ascii=False))


def done(text: str) -> None:
    """Print one line about what was done."""
    typer.echo(text)


def read_json_file(path: Path) -> JsonObject:
    """Read a JSON object that a person wrote.

    Raises:
        WardgateError: `SETTINGS_INVALID` or `MESSAGE_*`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{path.name}: {error.strerror}") from error
    return from_json(content, max_bytes=MAX_JSON_FILE_BYTES, what=path.name)


__all__ = ["ExitCode", "done", "emit", "fail_with_code", "read_json_file"]
