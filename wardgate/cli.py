"""The one command. Only the sub-command that is asked for is imported, so that each starts quickly."""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from federation.ledger.place import LedgerPlace, LedgerServices

os.environ.setdefault("GRPC_VERBOSITY", "NONE")
# gRPC's C core would write lines of its own between ours; it reads this before its first import.

SUB_COMMANDS: Final = {
    "sandbox": ("sandbox.cli", "sandbox_app"),
    "node": ("agency_node.cli", "node_app"),
    "gateway": ("gateway.cli", "gateway_app"),
    "trustee": ("trustee.cli", "trustee_app"),
    "auditor": ("auditor.cli", "auditor_app"),
    "ledger": ("federation.ledger.cli", "ledger_app"),  # in its context: `ledger_services`
    "recovery": ("wardgate.recovery.cli", "recovery_app"),
    "policy": ("federation.policy.cli", "policy_app"),
}
"""Name of each sub-command to its module and typer application."""


def build(arguments: Sequence[str]) -> typer.Typer:
    """The command with the sub-command that `arguments` begins with, or with all of them for help."""
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="Wardgate: information sharing for child safeguarding in England.",
    )
    app.callback()(_root)
    wanted = arguments[0] if arguments else ""
    for name in [wanted] if wanted in SUB_COMMANDS else SUB_COMMANDS:
        module, attribute = SUB_COMMANDS[name]
        app.add_typer(getattr(importlib.import_module(module), attribute), name=name)
    return app


def _root(context: typer.Context) -> None:
    """Wardgate: information sharing for child safeguarding in England."""
    if context.invoked_subcommand == "ledger":
        context.obj = ledger_services()


def ledger_services() -> "LedgerServices":
    """Finds a service's ledger by its settings; services are imported only when one is looked for."""
    from federation.ledger.place import LedgerServices

    def find(config: Path) -> "LedgerPlace":
        from wardgate.services import ledger_of

        return ledger_of(config)

    return LedgerServices(find)


def main() -> None:
    """Entry point of the `wardgate` command."""
    build(sys.argv[1:])()
