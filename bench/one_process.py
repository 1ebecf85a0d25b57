"""A whole region in this one process, so that its functions can be watched: real services, stores, keys, mutual TLS."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from agency_node.app import Node
from bench.many_nodes import nodes_up
from bench.questions import next_question
from bench.region import ASKER
from bench.tally import Tally
from gateway.app import Gateway, compose, lay_foundation
from gateway.settings import GatewaySettings
from sandbox.folder import SandboxFolder
from trustee.app import Trustee
from trustee.app import build as build_trustee
from trustee.settings import TrusteeSettings


@dataclass(slots=True)
class OneProcess:
    """A region whose every service runs here.

    Attributes:
        nodes: The node that asks, then the responders.
    """

    trustee: Trustee
    gateway: Gateway
    nodes: Sequence[Node]
    serial: int = 0
    tally: Tally = field(default_factory=Tally)

    @property
    def asker(self) -> Node:
        """The node that asks."""
        return self.nodes[0]

    async def ask(self, targets: int) -> None:
        """Put a question to a number of agencies, past the node's port; what was not answered is taken down."""
        self.serial += 1
        question = next_question(self.serial, targets)
        self.tally.picture(await self.asker.asking.put(question), targets, question.user)


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
        yield OneProcess(trustee, gateway, nodes)
