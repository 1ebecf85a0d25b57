"""The whole query, asked as an agency's own tool asks it: one call on the node's port, one picture."""

import asyncio
import time
from itertools import count
from typing import Final

from bench.bringup import Up
from bench.questions import next_question
from bench.region import ASKER
from bench.tally import Tally
from federation.errors import WardgateError
from sandbox.local_calls import NodeCaller

LOOK_EVERY_S: Final = 1.0


class WholeQuery:
    """Puts one question after another, each about another child and by another person."""

    def __init__(self, up: Up) -> None:
        self._caller = NodeCaller(up.node(ASKER))
        self._serial = count()
        self.tally = Tally()

    async def ask(self, targets: int) -> None:
        """Put a question to a number of agencies; what was not answered is taken down and is no reason to stop."""
        question = next_question(next(self._serial), targets)
        try:
            self.tally.picture(await self._caller.ask(question), targets, question.user)
        except WardgateError as error:
            self.tally.failed(error, targets)

    async def look_again(self, wait_s: float) -> None:
        """Look at every picture that was not whole until it is, for a limited time."""
        until, open_puts = time.monotonic() + wait_s, list(self.tally.incomplete)
        while open_puts:
            open_puts = [
                put
                for put in open_puts
                if not self.tally.again(put.query_id, await self._caller.picture(put.query_id, put.user))
            ]
            if time.monotonic() > until:
                return
            if open_puts:
                await asyncio.sleep(LOOK_EVERY_S)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._caller.aclose()
