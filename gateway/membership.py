"""Who is a member, at the gateway: it follows the trustee's register like everybody else, and passes it on.

What the directory lists is the gateway's own word. It acts on nobody whom the trustee's register does not show.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from federation.directory import TrustedDirectory
from federation.errors import WardgateError
from federation.events import Event
from federation.following.alarm import Disbelief, is_disbelief
from federation.following.register import FollowedRegister
from federation.register import Believed
from federation.telemetry import EventLog
from federation.wire.v1 import directory_pb2 as wire
from keys.digest import sha256

MAX_KEPT: Final = 64
"""Answers kept for one checkpoint of the trustee: nodes that look seldom name many sizes, the others the last two."""

_log = EventLog(__name__)


class RegisterTrustee(Protocol):
    """Where the register comes from. Raises `WardgateError`, `TRUSTEE_UNAVAILABLE` included."""

    async def register(self, known_version: int, known_size: int) -> wire.ShownRegister:
        """The register with its proofs, or that it is unchanged."""
        ...


class Membership:
    """Follows the register, shows it to nodes, and tells who is believed.

    Args:
        trustee: Where it comes from.
        followed: What this gateway verified of it.
        listed: The directory in force.
        disbelief: Raises the alarm about the trustee.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        trustee: RegisterTrustee,
        followed: FollowedRegister,
        *,
        listed: Callable[[], TrustedDirectory],
        disbelief: Disbelief,
        clock: Callable[[], float],
    ) -> None:
        self._trustee = trustee
        self._followed = followed
        self._disbelief = disbelief
        self._clock = clock
        self._believed = Believed(listed, followed.register, clock=clock)
        self._kept: dict[tuple[int, int], wire.ShownRegister] = {}
        self._kept_for = b""
        self.failure: WardgateError | None = None
        """Why the last look at the trustee failed; None when it did not."""

    def current(self) -> TrustedDirectory:
        """The directory with those alone who are members by the trustee's register too."""
        return self._believed.directory()

    def check_current(self) -> None:
        """Say so when there is no register to rely on: for the health answer.

        Raises:
            WardgateError: What the trustee showed does not prove itself, or `REGISTER_REJECTED`: none is in force.
        """
        if self.failure is not None and is_disbelief(self.failure):
            raise self.failure
        self._followed.register().check_current(self._clock())

    async def witnessed(self) -> bytes:
        """See `FollowedRegister.witnessed`."""
        return await self._followed.witnessed()

    async def refresh(self) -> None:
        """Fetch and verify the newest register; a failure is logged and remembered, and what was verified stays.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`: an alarm could not be recorded.
        """
        try:
            await self._followed.refresh()
        except WardgateError as error:
            await self._fail(error)
        else:
            self.failure = None
            self._disbelief.ended()

    async def _fail(self, error: WardgateError) -> None:
        if is_disbelief(error):
            await self._disbelief.alarm(error, self._followed.register().version)
        elif self.failure is None or self.failure.code is not error.code:
            _log.event(Event.COMPONENT_UNUSABLE, component="register", error=error)
        self.failure = error

    async def run(self, every_s: float) -> None:
        """Refresh until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(every_s)

    async def shown(self, known_version: int, known_size: int) -> wire.ShownRegister:
        """The register as the trustee shows it to a caller that knows so much.

        The trustee is asked once for each of its checkpoints and each thing that callers know.

        Raises:
            WardgateError: `TRUSTEE_UNAVAILABLE`, or what the trustee refused.
        """
        head = self._followed.head
        note = head.note if head else b""
        if note != self._kept_for or len(self._kept) >= MAX_KEPT:
            self._kept, self._kept_for = {}, note
        known = (known_version, known_size)
        if known not in self._kept:
            shown = await self._trustee.register(known_version, known_size)
            if shown.register and sha256(shown.register) != self._followed.register().digest:
                await self.refresh()  # nobody believes a newer register through this gateway before it does itself
            if note != self._kept_for:
                return shown
            self._kept[known] = shown
        return self._kept[known]
