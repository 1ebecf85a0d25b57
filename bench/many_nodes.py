"""Many nodes in one process, where a process for each would need more memory than the machine has.

Each is a whole node as `agency_node.app` composes it: its own keys, store, ledger, link, worker and answering. They
share what has no state of an agency: the policy engine and the threads for group arithmetic. None asks for the
directory again and again: a hundred nodes that do would be most of what an idle gateway on one machine does.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from agency_node.app import Node, compose
from agency_node.following import begin_following
from agency_node.foundation import Foundation, lay_foundation
from agency_node.keychain import load_keychain
from agency_node.settings import NodeSettings
from agency_node.users import UsersFile
from agency_node.vault import Vault
from bench.floors import until_told
from federation.ledger.journal import Journal
from federation.store import migrate, open_engine
from federation.telemetry import configure_logging
from federation.transport.certificates import KeyringCertificates
from federation.transport.channel import RotatingChannel
from keys.keyring import Keyring
from sandbox.folder import SandboxFolder


async def hold(folder: SandboxFolder, agencies: Sequence[str], ready: Path) -> None:
    """Run the nodes of these agencies until told to stop; `ready` is written when all have their link."""
    async with nodes_up(folder, agencies):
        await until_told(ready)


@asynccontextmanager
async def nodes_up(folder: SandboxFolder, agencies: Sequence[str]) -> AsyncIterator[list[Node]]:
    """Run the nodes of these agencies in this process; each has read its sources and has its link."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(lay_foundation(_settings(folder, agencies[0])))
        others = [
            await stack.enter_async_context(_foundation_beside(first, _settings(folder, agency)))
            for agency in agencies[1:]
        ]
        nodes = [await _begin(base) for base in (first, *others)]
        for node in nodes:
            stack.push_async_callback(node.server.stop, 0)
        await stack.enter_async_context(_linked(nodes))
        yield nodes
        await asyncio.gather(*(node.pursuits.aclose() for node in nodes))


@asynccontextmanager
async def _linked(nodes: Sequence[Node]) -> AsyncIterator[None]:
    links = [asyncio.create_task(node.link.run()) for node in nodes]
    try:
        while not all(node.link.is_up for node in nodes):  # noqa: ASYNC110 - a link has no event to wait for
            await asyncio.sleep(0.05)
        yield
    finally:
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)


def _settings(folder: SandboxFolder, agency: str) -> NodeSettings:
    return NodeSettings.load(folder.node_config(agency))


async def _begin(base: Foundation) -> Node:
    """Compose a node, follow the directory once, and read its sources."""
    node = await compose(base)
    await node.server.start()
    await base.following.gateway.refresh()
    async for _ in node.runs.watch():
        pass
    return node


@asynccontextmanager
async def _foundation_beside(first: Foundation, settings: NodeSettings) -> AsyncIterator[Foundation]:
    """As `agency_node.foundation.lay_foundation`, with the policy engine and the threads of the first node."""
    keyring = Keyring(settings.keys_dir)
    keychain = load_keychain(keyring)
    await migrate(settings.store_url, "agency_node.store")
    async with AsyncExitStack() as stack:
        engine = open_engine(settings.store_url)
        stack.push_async_callback(engine.dispose)
        journal = Journal(engine, f"wardgate/node/{settings.agency}", keychain.signing_key, first.clock)
        await stack.enter_async_context(journal)
        channel = RotatingChannel(settings.gateway.address, settings.gateway.party, KeyringCertificates(keyring))
        stack.push_async_callback(channel.close, None)
        following = await begin_following(
            settings,
            keychain,
            engine=engine,
            journal=journal,
            channel=channel,
            keyring=keyring,
            clock=first.clock,
        )
        yield replace(
            first,
            settings=settings,
            keyring=keyring,
            keychain=keychain,
            engine=engine,
            journal=journal,
            vault=Vault(keychain.data_key),
            users=UsersFile(settings.users_file),
            channel=channel,
            following=following,
        )


def main(arguments: Sequence[str]) -> None:
    """`python -m bench.many_nodes FOLDER READY AGENCY...`."""
    root, ready, *agencies = arguments
    folder = SandboxFolder(Path(root))
    configure_logging(service="bench/many-nodes", destination=folder.log("many-nodes"))
    asyncio.run(hold(folder, agencies, Path(ready)))


if __name__ == "__main__":
    main(sys.argv[1:])
