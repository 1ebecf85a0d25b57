"""The whole query, asked as an agency's own tool asks it: one call on the node's port, one picture."""

from itertools import count

from bench.bringup import Up
from bench.questions import check_picture, next_question
from bench.region import ASKER
from sandbox.local_calls import NodeCaller


class WholeQuery:
    """Puts one question after another, each about another child and by another person."""

    def __init__(self, up: Up) -> None:
        self._caller = NodeCaller(up.node(ASKER))
        self._serial = count()

    async def ask(self, targets: int) -> None:
        """Put a question to so many agencies.

        Raises:
            WardgateError: It was refused.
            AssertionError: An answer is missing: nothing was measured.
        """
        check_picture(await self._caller.ask(next_question(next(self._serial), targets)), targets)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._caller.aclose()
