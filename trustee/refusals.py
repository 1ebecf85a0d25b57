"""What the trustee refused, in its ledger: once for each agency, cause and hour, so that an attack does not fill it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from federation.batch import parse_batch
from federation.directory import TrustedDirectory
from federation.errors import Family, WardgateError
from federation.ledger.entry import EntryKind
from federation.query import Ticket
from keys.digest import sha256
from trustee.books import Books

UNKNOWN: Final = "unknown"
"""For whom something was presented that names nobody in the directory."""

_THEIRS: Final = frozenset({Family.CALLER, Family.PEER, Family.POLICY})
"""Whose mistake a refusal is about. What the trustee itself cannot do is no refusal."""


class Refusals:
    """Writes refusals down."""

    def __init__(self, books: Books, directory: Callable[[], TrustedDirectory]) -> None:
        self._books = books
        self._directory = directory

    @asynccontextmanager
    async def of_batch(self, header: bytes, elements: bytes) -> AsyncIterator[None]:
        """Record what refuses a batch inside the block; the error goes on to the caller.

        Raises:
            WardgateError: As inside; `LEDGER_UNAVAILABLE` where the refusal cannot be recorded.
        """
        try:
            yield
        except WardgateError as error:
            await self._refused(
                EntryKind.BATCH_REFUSED, lambda: parse_batch(header, elements).agency, error, sha256(header)
            )
            raise

    @asynccontextmanager
    async def of_ticket(self, ticket: bytes) -> AsyncIterator[None]:
        """As `of_batch`, of a ticket."""
        try:
            yield
        except WardgateError as error:
            await self._refused(EntryKind.TICKET_REFUSED, lambda: Ticket.parse(ticket).requester, error, sha256(ticket))
            raise

    async def _refused(self, kind: EntryKind, claims: Callable[[], str], error: WardgateError, digest: bytes) -> None:
        if error.spec.family not in _THEIRS:
            return
        claimed = UNKNOWN
        with suppress(WardgateError):  # what cannot be read names nobody
            claimed = claims()
        agency = claimed if claimed in self._directory().agencies else UNKNOWN
        await self._books.refused(kind, agency, error.code, {"presented_sha256": digest.hex()})
