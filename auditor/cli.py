"""`wardgate auditor …`: the auditors' keys."""

import time
from pathlib import Path
from typing import Annotated

import typer

from federation.command import emit, fail_with_code

auditor_app = typer.Typer(no_args_is_help=True, help="What auditors do, on a machine of their own.")

KeyringDir = Annotated[Path, typer.Option("--keyring", help="Folder of the auditors' secret keys.")]
Statements = Annotated[Path, typer.Option("--statements", help="File of the signed key statements: for the gateway.")]
Anchor = Annotated[Path, typer.Option("--public", help="File of the verify key: for everybody, out of band.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it nothing is written.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@auditor_app.command("keys-init")
@fail_with_code
def keys_init(
    keyring: KeyringDir, statements: Statements, public: Anchor, yes: Yes = False, as_json: Json = False
) -> None:
    """Make the auditors' first keys, with two people present. Keys that exist are never replaced."""
    from auditor.keys import create_keys
    from keys.keyring import Keyring

    if not yes:
        emit(
            {"keyring": str(keyring), "statements": str(statements), "public": str(public), "done": False},
            as_json=as_json,
        )
        return
    found = create_keys(Keyring(keyring), statements, public, now=int(time.time()))
    emit({"version": found.version, "verify_key": found.signing_key.hex(), "done": True}, as_json=as_json)


@auditor_app.command("keys-succeed")
@fail_with_code
def keys_succeed(keyring: KeyringDir, statements: Statements, yes: Yes = False, as_json: Json = False) -> None:
    """Make the next keys, signed by those of today. Give the statements to the gateway again, and restart it."""
    from auditor.keys import succeed_keys
    from keys.keyring import Keyring

    if not yes:
        emit({"keyring": str(keyring), "statements": str(statements), "done": False}, as_json=as_json)
        return
    found = succeed_keys(Keyring(keyring), statements, now=int(time.time()))
    emit({"version": found.version, "verify_key": found.signing_key.hex(), "done": True}, as_json=as_json)
