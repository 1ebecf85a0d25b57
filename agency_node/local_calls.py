"""How a command finds its node and calls it on its local port: options that all commands share, and the call itself."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from agency_node.settings import NodeSettings
from federation.errors import ErrorCode, WardgateError
from federation.transport.certificates import HeldCertificates
from federation.transport.channel import RotatingChannel
from federation.transport.failures import call_errors
from federation.wire.v1 import local_pb2_grpc
from keys.keyring import Keyring

Config = Annotated[
    Path | None, typer.Option("--config", exists=True, dir_okay=False, help="The node's settings (TOML).")
]
Dir = Annotated[
    Path | None, typer.Option("--dir", exists=True, file_okay=False, help="A sandbox's folder; goes with --agency.")
]
Agency = Annotated[str, typer.Option("--agency", help="Agency id; needed with --dir.")]
User = Annotated[str, typer.Option("--user", help="Id of the user, as in the node's users file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
T = TypeVar("T")


def find_settings(config: Path | None, directory: Path | None, agency: str) -> NodeSettings:
    """The node's settings: named directly, or found in a sandbox's folder.

    Raises:
        WardgateError: `SETTINGS_INVALID` or `AGENCY_UNKNOWN`.
    """
    if config is not None:
        return NodeSettings.load(config)
    if directory is None or not agency:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, "give --config, or --dir with --agency")
    path = directory / "nodes" / agency / "node.toml"
    if "/" in agency or not path.is_file():
        raise WardgateError(ErrorCode.AGENCY_UNKNOWN)
    return NodeSettings.load(path)


def call_node(settings: NodeSettings, call: "Callable[[local_pb2_grpc.LocalServiceAsyncStub], Awaitable[T]]") -> T:
    """Call the node under its own local authority: whoever cannot read its keyring cannot.

    Raises:
        WardgateError: `KEYRING_REJECTED`, `PEER_UNAVAILABLE`, or what the node said.
    """
    from agency_node.keychain import load_keychain

    keychain = load_keychain(Keyring(settings.keys_dir))
    party = settings.local_party

    async def connect() -> T:
        certificates = HeldCertificates(keychain.local_credentials(party, serves=False, now=time.time()))
        channel = RotatingChannel(f"{settings.local.host}:{settings.local.port}", party, certificates)
        try:
            async with call_errors(party):
                return await call(local_pb2_grpc.LocalServiceStub(channel))
        finally:
            await channel.close(None)

    return asyncio.run(connect())
