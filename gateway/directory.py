"""The authority for the directory and the deny list: every change is a new signed version and a ledger entry.

A version becomes current only after the transaction that holds its ledger entry is durable, and only if this gateway's
own verification (`TrustedDirectory.advance`) accepts it as any node would.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.actor import Actor
from federation.directory import AgencyEntry, DirectoryDocument, SignedStatement, TrustedDirectory
from federation.following.follower import is_outdated
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.outcome import if_unknown
from federation.store import store_errors
from federation.transport.correlation import correlation
from federation.transport.denylist import DenyEntry, DenyList, DenyListDocument, SignedDenyList
from federation.wire.v1 import directory_pb2 as wire
from gateway.proofs import checkpoint_update, inclusion_proof
from gateway.store.tables import DenyListVersion, DirectoryVersion, table
from keys import domains
from keys.digest import sha256
from keys.signing import SigningKey

DIRECTORY, DENY = table(DirectoryVersion), table(DenyListVersion)

Write = Callable[[AsyncConnection], Awaitable[None]]
Change = Callable[[list[AgencyEntry]], Sequence[AgencyEntry]]
"""From the agencies of the version in force to those of the next."""


class DirectoryAuthority:
    """Holds the current directory and deny list, publishes new ones, and proves them to whoever asks."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        journal: Journal,
        key: SigningKey,
        auditors: Sequence[SignedStatement],
        trusted: TrustedDirectory,
        deny_list: DenyList,
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._key = key
        self._auditors = list(auditors)
        self._trusted = trusted
        self._deny_list = deny_list
        self._clock = clock
        self._content = b""
        self._signature = b""
        self._index = 0
        self._entries: list[AgencyEntry] = []
        self._published_auditors: list[SignedStatement] = []
        self._denied: frozenset[str] = frozenset()
        self._changing = asyncio.Lock()
        self._is_doubted = False

    def current(self) -> TrustedDirectory:
        """The directory in force."""
        return self._trusted

    def is_denied(self, agency: str) -> bool:
        """Whether an agency is on the deny list as a whole."""
        return agency in self._denied

    @property
    def deny_version(self) -> int:
        """The version of the deny list in force."""
        return self._deny_list.version

    def _adopt_denials(self, signed: SignedDenyList) -> None:
        self._deny_list.adopt(signed)
        self._denied = self._deny_list.denied_agencies()

    def _deny_entries(self) -> list[DenyEntry]:
        signed = self._deny_list.signed
        return [] if signed is None else DenyListDocument.parse(signed.document).entries

    async def load(self) -> None:
        """Take up what the store holds; publish the first, empty versions on a new store.

        A new version is published too when the auditors have stated new keys since, or when the one in the store is
        older than their statements.

        Raises:
            WardgateError: `DIRECTORY_REJECTED`: the auditors' statements do not descend from the pinned key, or do not
                extend those that were published.
        """
        has_directory, has_denials = await self._read()
        if not has_directory:
            await self.publish(lambda _: [], change="first", entries=[])
        elif self._auditors != self._published_auditors:
            await self.publish(lambda entries: entries, change="auditors' keys", entries=[])
        if not has_denials:
            await self.deny([], entries=[], actor=Actor.keeper(self._journal.key.name))

    async def _read(self) -> tuple[bool, bool]:
        """Take up what the store holds, where it is newer; whether it holds a directory and a deny list."""
        async with store_errors("directory"), self._engine.connect() as connection:
            directory = (
                await connection.execute(select(DIRECTORY).order_by(DIRECTORY.c.version.desc()).limit(1))
            ).one_or_none()
            deny = (await connection.execute(select(DENY).order_by(DENY.c.version.desc()).limit(1))).one_or_none()
        if deny is not None and deny.version > self._deny_list.version:
            self._adopt_denials(SignedDenyList(deny.content, deny.signature))
        if directory is not None and directory.version > self._trusted.version:
            indexes = await self._journal.find(kind=EntryKind.DIRECTORY_PUBLISHED)
            self._adopt(directory.content, directory.signature, index=indexes[-1])
        return directory is not None, deny is not None

    async def certain(self) -> None:
        """Read the store again, if it is not known whether the last version took effect.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `STORE_UNAVAILABLE`.
        """
        async with self._changing:
            await self._certain()

    async def _certain(self) -> None:
        if self._is_doubted:
            await self._journal.settle()
            await self._read()
            self._is_doubted = False

    def _doubt(self) -> None:
        self._is_doubted = True

    def _adopt(self, content: bytes, signature: bytes, *, index: int) -> None:
        document = DirectoryDocument.parse(content)
        if is_outdated(content):  # the next version, published at once, verifies every entry of it
            self._trusted = replace(self._trusted, version=document.version)
        else:
            entry = {"directory_sha256": sha256(content).hex(), "version": document.version}
            self._trusted = self._trusted.advance(content, signature, entry=entry)
        self._content, self._signature, self._index = content, signature, index
        self._entries, self._published_auditors = list(document.agencies), list(document.audit_keys)

    async def publish(
        self,
        to_next: Change,
        *,
        change: str,
        entries: Sequence[Entry],
        write: Write | None = None,
    ) -> int:
        """Publish a new version; other entries and writes go into the same transaction. One change at a time.

        Raises:
            WardgateError: `DIRECTORY_REJECTED` when it would not verify, `LEDGER_UNAVAILABLE`.
        """
        async with self._changing:
            await self._certain()
            return await self._publish(to_next(list(self._entries)), change, entries, write)

    async def _publish(
        self, agencies: Sequence[AgencyEntry], change: str, entries: Sequence[Entry], write: Write | None
    ) -> int:
        now = int(self._clock())
        version = self._trusted.version + 1
        content = DirectoryDocument(
            version=version, issued_at=now, audit_keys=self._auditors, agencies=list(agencies)
        ).canonical()
        signature = self._key.sign(domains.DIRECTORY, content)
        body = {"directory_sha256": sha256(content).hex(), "version": version, "change": change}
        self._trusted.advance(content, signature, entry=body)
        entry = Entry(
            kind=EntryKind.DIRECTORY_PUBLISHED,
            at=now,
            actor=Actor.keeper(self._journal.key.name),
            correlation_id=correlation(),
            query_id=None,
            body=body,
        )

        async def apply(connection: AsyncConnection) -> None:
            await connection.execute(
                insert(DIRECTORY), {"version": version, "content": content, "signature": signature}
            )
            if write is not None:
                await write(connection)

        with if_unknown(self._doubt):
            recorded = await self._journal.record([*entries, entry], apply)
        self._adopt(content, signature, index=recorded.indexes[-1])
        return version

    async def deny(self, added: Sequence[DenyEntry], *, entries: Sequence[Entry], actor: Actor) -> int:
        """Publish a new deny list with further entries. One change at a time."""
        async with self._changing:
            await self._certain()
            return await self._deny(added, entries, actor=actor)

    async def recover(
        self,
        seen: DirectoryDocument | None,
        denied: DenyListDocument | None,
        *,
        entries: Sequence[Entry],
        write: Write,
    ) -> int:
        """Publish again what others saw, under versions that nobody has seen: after a ledger lost its end.

        Who is listed is what others saw, whatever the store has. Whom either has denied stays denied. Repeating it
        after a crash publishes once more.

        Raises:
            WardgateError: `DIRECTORY_REJECTED` when it would not verify, `LEDGER_UNAVAILABLE`.
        """
        async with self._changing:
            await self._read()
            if denied is not None:
                added = [entry for entry in denied.entries if entry not in self._deny_entries()]
                keeper = Actor.keeper(self._journal.key.name)
                await self._deny(added, [], actor=keeper, above=denied.version)
            agencies = self._entries if seen is None else seen.agencies
            if seen is not None:  # the version published now verifies every entry of it
                version = max(self._trusted.version, seen.version)
                self._trusted = replace(TrustedDirectory.empty(self._trusted.anchors), version=version)
            remaining = [item for item in agencies if not self.is_denied(item.agency.id)]
            return await self._publish(remaining, "recovered", entries, write)

    async def _deny(self, added: Sequence[DenyEntry], entries: Sequence[Entry], *, actor: Actor, above: int = 0) -> int:
        version = max(self._deny_list.version, above) + 1
        signed = SignedDenyList.issue(
            self._key,
            version=version,
            issued_at=int(self._clock()),
            entries=[*self._deny_entries(), *added],
        )
        entry = Entry(
            kind=EntryKind.DENY_LIST_PUBLISHED,
            at=int(self._clock()),
            actor=actor,
            correlation_id=correlation(),
            query_id=None,
            body={"version": version, "deny_list_sha256": sha256(signed.document).hex()},
        )

        async def apply(connection: AsyncConnection) -> None:
            await connection.execute(
                insert(DENY), {"version": version, "content": signed.document, "signature": signed.signature}
            )

        with if_unknown(self._doubt):
            await self._journal.record([*entries, entry], apply)
        self._adopt_denials(signed)
        return version

    async def directory_response(self, known_version: int, known_size: int) -> wire.GetDirectoryResponse:
        """The newest directory with its proof, or that it is unchanged."""
        if known_version == self._trusted.version:
            return wire.GetDirectoryResponse(unchanged=True, head=await checkpoint_update(self._journal, known_size))
        proof = await inclusion_proof(self._journal, self._index, known_size)
        return wire.GetDirectoryResponse(
            directory=self._content, signature=self._signature, inclusion=proof, head=proof.head
        )

    def deny_list_response(self, known_version: int) -> wire.GetDenyListResponse:
        """The deny list in force; empty when the caller has it."""
        signed = self._deny_list.signed
        if signed is None or known_version == self._deny_list.version:
            return wire.GetDenyListResponse()
        return wire.GetDenyListResponse(deny_list=signed.document, signature=signed.signature)
