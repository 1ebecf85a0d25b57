"""The sandbox's part as the gateway's operators: two people with a key each. One invites, the other approves."""

from typing import Final

from federation.keyfiles import write_public
from gateway.operating import ROOTS, SETTINGS, OperatorSettings, set_up_operator
from sandbox.folder import SandboxFolder

INVITES: Final = "alice"
APPROVES: Final = "bashir"
OPERATORS: Final = (INVITES, APPROVES)


def make_operators(folder: SandboxFolder, *, gateway: str, enrolment: str) -> dict[str, str]:
    """Make both operators' keys and settings; returns verify keys by name, as the gateway's settings take them.

    Args:
        folder: The sandbox's.
        gateway: host:port of the gateway.
        enrolment: host:port of its enrolment port.
    """
    return {name: set_up_operator(folder.operator(name), name, gateway, enrolment=enrolment).hex for name in OPERATORS}


def hand_roots(folder: SandboxFolder, roots: bytes) -> None:
    """Give both operators the authorities (PEM) by which they know the gateway."""
    for name in OPERATORS:
        write_public(folder.operator(name) / ROOTS, roots)


def operator_settings(folder: SandboxFolder, name: str) -> OperatorSettings:
    """What an operator's commands are run with."""
    return OperatorSettings.load(folder.operator(name) / SETTINGS)
