"""A reading laid beside the store, range by range of child keys and chunk by chunk of what differs."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from agency_node.caseload.parts import CaseloadParts
from agency_node.caseload.prepared import Prepared
from agency_node.caseload.spool import Spool
from agency_node.store import children as store
from federation.store import store_errors


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some children that differ.

    Attributes:
        child_keys: Theirs.
        stored: What the store has of them.
    """

    child_keys: Sequence[str]
    stored: store.Stored


@dataclass(frozen=True, slots=True)
class Beside:
    """One range of child keys.

    Attributes:
        digests: Of every holding of the range that is stored.
        count: Children of the range that the source lists.
        differing: Children that the source lists otherwise than they are stored.
        missing: Children that are stored and that the source does not list.
    """

    parts: CaseloadParts
    reading: Prepared
    digests: Mapping[str, str]
    count: int
    differing: Sequence[str]
    missing: Sequence[str]

    @property
    def spool(self) -> Spool:
        """The reading's content."""
        return self.reading.spool

    async def chunks(self) -> AsyncIterator[Chunk]:
        """What differs, each chunk brought into line with what must not be lost of the store."""
        child_keys = [*self.differing, *self.missing]
        for at in range(0, len(child_keys), self.parts.batch_size):
            some = child_keys[at : at + self.parts.batch_size]
            async with store_errors("caseload"), self.parts.engine.connect() as connection:
                stored = await store.stored(connection, self.spool.source_id, some)
            chunk = Chunk(some, stored)
            await self.parts.in_thread(lambda: self.reading.reconciler.reconcile(chunk.child_keys, chunk.stored))  # noqa: B023 - awaited at once
            yield chunk


async def ranges(parts: CaseloadParts, reading: Prepared) -> AsyncIterator[Beside]:
    """Every range of a reading, each with as many children as make one transaction."""
    spool, after = reading.spool, store.FIRST_KEY
    while after != store.LAST_KEY:
        listed = await parts.in_thread(lambda: spool.listed(after, parts.batch_size))  # noqa: B023 - awaited at once
        through = listed[-1].child_key if len(listed) == parts.batch_size else store.LAST_KEY
        async with store_errors("caseload"), parts.engine.connect() as connection:
            digests = await store.digests(connection, spool.source_id, after=after, through=through)
        differing = [child.child_key for child in listed if digests.get(child.child_key) != child.digest]
        missing = sorted(digests.keys() - {child.child_key for child in listed})
        yield Beside(parts, reading, digests, len(listed), differing, missing)
        after = through
