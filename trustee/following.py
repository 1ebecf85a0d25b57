"""The trustee's own view of the federation: the members, and the deny list.

A deny list is believed when the gateway signed it and its version does not go back; it is kept, so that it holds from
the first call after a restart.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.directory import TrustedDirectory
from federation.errors import WardgateError
from federation.following.gateway import FollowedGateway
from federation.ledger.entry import EntryKind
from federation.ledger.outcome import if_unknown
from federation.register import Believed, Register
from federation.store import store_errors
from federation.transport.denylist import DenyList, SignedDenyList
from federation.wire.v1 import directory_pb2 as wire
from keys.digest import sha256
from trustee.books import Act, Books
from trustee.store.verified import keep_deny_list, kept_deny_list


class DenyListSource(Protocol):
    """What is asked of the gateway. Raises `WardgateError` when it cannot be asked."""

    async def deny_list(self, known_version: int) -> wire.GetDenyListResponse:
        """The deny list, if it is newer."""
        ...


class FollowedDenials:
    """Keeps the deny list up to date.

    Args:
        source: The gateway.
        deny_list: The list in force, which the server asks.
        engine: The trustee's store.
        books: Through which anything is kept.
        gateway: The gateway's name in ledger entries.
    """

    def __init__(
        self, source: DenyListSource, *, deny_list: DenyList, engine: AsyncEngine, books: Books, gateway: str
    ) -> None:
        self._source = source
        self._deny_list = deny_list
        self._engine = engine
        self._books = books
        self._gateway = gateway
        self._kept: SignedDenyList | None = None
        self._is_doubted = False

    async def load(self) -> None:
        """Take up what was kept, verifying it again.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`; or, when the store was tampered with, what verifying it raised.
        """
        self._kept = await self._read()
        if self._kept is not None and self._kept != self._deny_list.signed:
            self._deny_list.adopt(self._kept)

    async def _read(self) -> SignedDenyList | None:
        async with store_errors("deny list"), self._engine.connect() as connection:
            kept = await kept_deny_list(connection)
        return None if kept is None else SignedDenyList(*kept)

    async def refresh(self) -> None:
        """Fetch, verify, keep.

        Raises:
            WardgateError: The gateway cannot be asked, or showed a list that does not prove itself.
        """
        if self._is_doubted:
            await self._books.settle()
            self._kept = await self._read()
            self._is_doubted = False
        response = await self._source.deny_list(self._deny_list.version)
        if response.deny_list:
            self._deny_list.adopt(SignedDenyList(response.deny_list, response.signature))
        signed = self._deny_list.signed
        if signed is None or signed == self._kept:
            return

        async def apply(connection: AsyncConnection) -> None:
            await keep_deny_list(connection, signed.document, signed.signature)

        body = {"version": self._deny_list.version, "deny_list_sha256": sha256(signed.document).hex()}
        with if_unknown(self._doubt):
            await self._books.record(Act(EntryKind.DIRECTORY_ACCEPTED, self._gateway, body), apply)
        self._kept = signed

    def _doubt(self) -> None:
        self._is_doubted = True


class TrusteeView:
    """What the verbs ask (`trustee.members.Members`): the members that directory and register both show.

    Args:
        followed: The gateway's directory.
        register: The register that this trustee keeps.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, followed: FollowedGateway, register: Callable[[], Register], *, clock: Callable[[], float]
    ) -> None:
        self.followed = followed
        self._register = register
        self._believed = Believed(followed.directory, register, clock=clock)

    @property
    def directory(self) -> TrustedDirectory:
        """The members."""
        return self._believed.directory()

    @property
    def caseloads(self) -> Mapping[str, int]:
        """The caseload that two people approved for each member."""
        return {name: member.caseload for name, member in self._register().members.items()}

    async def refresh(self) -> None:
        """Fetch and verify what is newest. A failure is logged and remembered by what follows, and changes nothing."""
        with suppress(WardgateError):
            await self.followed.refresh()
