"""Asks this node's own policy about a question, and again while its engine gives no result and there is time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from federation.canonical import JsonObject
from federation.policy.decision import RequesterDecision
from federation.policy.engine import EntryPoint
from federation.policy.evaluator import Evaluated, PolicyPoint
from federation.transport.backoff import Backoff

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 2.0


async def decide_in_time(
    policy: PolicyPoint,
    document: JsonObject,
    *,
    deadline_s: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Evaluated[RequesterDecision]:
    """What policy says of a question.

    Args:
        policy: This node's own.
        document: The input of `wardgate/requester/decision`.
        deadline_s: Seconds within which whoever asks wants to hear anything.
        sleep: Waits for a number of seconds.

    Raises:
        WardgateError: `POLICY_UNAVAILABLE`: in all that time the engine gave no result. Nothing was decided.
    """
    now = asyncio.get_running_loop().time
    until, backoff = now() + deadline_s, Backoff(first_s=FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S)
    while True:
        evaluated = await policy.decide(EntryPoint.REQUESTER, document, until - now())
        pause = backoff.next_s()
        if not evaluated.is_undecided or now() + pause >= until:
            return evaluated.decided()
        await sleep(pause)
