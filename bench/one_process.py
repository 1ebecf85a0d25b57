"""A whole region in this one process, so that its functions can be watched: real services, stores, keys, mutual TLS."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from agency_node.app import Node
from bench.many_nodes import nodes_up
from bench.questions import check_picture, next_question
from bench.region import ASKER
from gateway.app import compose, lay_foundation
from gateway.settings import GatewaySettings
from sandbox.folder import SandboxFolder
from trustee.app import build as build_trustee
from trustee.settings import TrusteeSettings


@dataclass(slots=True)
class OneProcess:
    """A region whose every service runs here."""

    asker: Node
    serial: int = 0

    async def ask(self, targets: int) -> None:
        """Put a question to so many agencies, past the node's port.

        Raises:
            AssertionError: An answer is missing: nothing was measured.
        """
        self.serial += 1
        check_picture(await self.asker.asking.put(next_question(self.serial, targets)), targets)


@asynccontextmanager
async def one_process(folder: SandboxFolder, responders: Sequence[str]) -> AsyncIterator[OneProcess]:
    """Run trustee, gateway, the asking node and these responders in this process."""
    async with AsyncExitStack() as stack:
        trustee = await stack.enter_async_context(build_trustee(TrusteeSettings.load(folder.trustee_config)))
        await trustee.server.start()
        stack.push_async_callback(trustee.server.stop, 0)
        base = await stack.enter_async_context(lay_foundation(GatewaySettings.load(folder.gateway_config)))
        gateway = await compose(base)
        for server in (gateway.main, gateway.enrolment):
            await server.start()
            stack.push_async_callback(server.stop, 0)
        nodes = await stack.enter_async_context(nodes_up(folder, [ASKER, *responders]))
        yield OneProcess(nodes[0])
