"""Keeping the register: computed from the directory, people's approvals and the deny list; signed; in the ledger.

A new version is signed when a member came, changed or was revoked, and once a day. It takes effect when the entry that
publishes it is durable. What a directory lists and the register does not is what people may approve.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.directory import TrustedDirectory
from federation.errors import WardgateError
from federation.events import Event
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.outcome import if_unknown
from federation.register import Approval, Register, RegisterDocument, SignedApproval, is_due, next_register
from federation.store import store_errors
from federation.telemetry import EventLog
from federation.wire.v1 import directory_pb2 as wire
from federation.wire.v1 import ledger_pb2
from keys import domains
from keys.signing import SigningKey, VerifyKey
from trustee.books import Act, Books
from trustee.store.register import KeptRegister, approvals, keep_register, kept_register
from trustee.store.scopes import caseloads

_log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the register is computed from.

    Attributes:
        listed: The newest verified directory.
        denied: Agencies that are revoked as a whole.
        approvers: The people whose approvals count, with their own keys.
    """

    listed: Callable[[], TrustedDirectory]
    denied: Callable[[], frozenset[str]]
    approvers: Mapping[str, VerifyKey]


async def publish(
    wanted: RegisterDocument,
    *,
    since: Register,
    books: Books,
    key: SigningKey,
    party: str,
    before: Sequence[Entry] = (),
) -> KeptRegister:
    """Sign a register, keep it and record what changed.

    Args:
        wanted: What is to be signed.
        since: The one before it.
        books: Through which it is written.
        key: The trustee's signing key.
        party: The trustee's name in its ledger.
        before: Entries that stand before its own.

    Raises:
        WardgateError: `LEDGER_UNAVAILABLE`, `OUTCOME_UNKNOWN`.
    """
    content = wanted.canonical()
    kept = KeptRegister(wanted.version, wanted.issued_at, content, key.sign(domains.REGISTER, content))
    earlier = {name: member.canonical() for name, member in since.members.items()}
    now = {member.agency: member.canonical() for member in wanted.members}
    body = {
        "version": kept.version,
        "register_sha256": kept.digest.hex(),
        "members": len(now),
        "unendorsed": sum(not member.is_endorsed for member in wanted.members),
        "added": sorted(now.keys() - earlier.keys())[:100],
        "changed": sorted(name for name in now.keys() & earlier.keys() if now[name] != earlier[name])[:100],
        "removed": sorted(earlier.keys() - now.keys())[:100],
    }

    async def apply(connection: AsyncConnection) -> None:
        await keep_register(connection, kept)

    await books.record(Act(EntryKind.REGISTER_PUBLISHED, party, body), apply, before=before)
    return kept


class RegisterKeeper:
    """Keeps the register current and shows it.

    Args:
        grounds: What it is computed from.
        engine: The trustee's store, for reading.
        journal: Its journal, for proofs.
        books: Through which anything is written.
        key: The trustee's signing key.
        party: The trustee's name in its ledger.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        grounds: Grounds,
        *,
        engine: AsyncEngine,
        journal: Journal,
        books: Books,
        key: SigningKey,
        party: str,
        clock: Callable[[], float],
    ) -> None:
        self._grounds = grounds
        self._engine = engine
        self._journal = journal
        self._books = books
        self._key = key
        self._party = party
        self._clock = clock
        self._kept = KeptRegister()
        self._register = Register()
        self._index = 0
        self._is_doubted = False
        self._changing = asyncio.Lock()

    def register(self) -> Register:
        """The register in force."""
        return self._register

    async def load(self) -> None:
        """Take up what was kept, verifying it again.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`; `REGISTER_REJECTED`: the store was tampered with.
        """
        async with store_errors("register"), self._engine.connect() as connection:
            kept = await kept_register(connection)
        if kept.version:
            await self._adopt(kept)
        self._is_doubted = False

    async def _adopt(self, kept: KeptRegister) -> None:
        indexes = await self._journal.find(kind=EntryKind.REGISTER_PUBLISHED)
        (stored,) = await self._journal.entries(indexes[-1], 1) if indexes else [None]
        body: Mapping[str, object] = Entry.parse(stored.content).body if stored else {}
        newer = Register().advance(kept.content, kept.signature, key=self._key.verify_key, entry=body)
        self._register, self._kept, self._index = newer, kept, indexes[-1]

    async def refresh(self) -> None:
        """Sign and publish the next version, if one is due.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `STORE_UNAVAILABLE`; tried again with the next look.
        """
        async with self._changing:
            if self._is_doubted:
                await self._journal.settle()
                await self.load()
            now = int(self._clock())
            async with store_errors("register"), self._engine.connect() as connection:
                given = self._counted(await approvals(connection))
                first = await caseloads(connection)
            listed = self._grounds.listed()
            if not listed.version:
                return  # nothing is known yet of who was a member before there was a register
            wanted = next_register(
                self._register,
                listed,
                approvals=given,
                denied=self._grounds.denied(),
                first_caseloads=first,
                now=now,
            )
            if is_due(self._register, wanted, issued_at=self._kept.issued_at, now=now):
                await self._publish(wanted)

    def _counted(self, given: Sequence[SignedApproval]) -> list[Approval]:
        """Those that the people of today's settings gave: who is no approver any more counts no longer."""
        found: list[Approval] = []
        for signed in given:
            try:
                found.append(signed.verify(self._grounds.approvers))
            except WardgateError as error:
                _log.event(Event.APPROVAL_NOT_COUNTED, error=error)
        return found

    async def _publish(self, wanted: RegisterDocument) -> None:
        with if_unknown(self._doubt):
            kept = await publish(wanted, since=self._register, books=self._books, key=self._key, party=self._party)
        await self._adopt(kept)
        _log.event(Event.REGISTER_ADOPTED, version=kept.version, count=len(wanted.members))

    def _doubt(self) -> None:
        self._is_doubted = True

    async def shown(self, known_version: int, known_size: int) -> wire.ShownRegister:
        """The register with its proofs, or that it is unchanged.

        Raises:
            WardgateError: `LEDGER_FORKED`: the caller has seen a larger ledger than there is; `LEDGER_UNAVAILABLE`.
        """
        signed = await self._journal.checkpoint()
        grown = 0 < known_size != signed.size
        path = await self._journal.consistency(known_size, signed.size) if grown else []
        head = ledger_pb2.CheckpointUpdate(checkpoint=signed.note, consistency=path)
        if known_version == self._register.version:
            return wire.ShownRegister(unchanged=True, head=head)
        proof = await self._journal.inclusion(self._index, signed.size)
        inclusion = ledger_pb2.InclusionProof(index=self._index, entry=proof.entry, path=proof.path, head=head)
        return wire.ShownRegister(
            register=self._kept.content, signature=self._kept.signature, inclusion=inclusion, head=head
        )
