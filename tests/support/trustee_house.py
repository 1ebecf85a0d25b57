"""A whole trustee without a network: real journal, real SQLite, real keys and signatures."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.directory import TrustedDirectory
from federation.errors import WardgateError
from federation.ledger.entry import Entry
from federation.ledger.journal import Journal
from federation.translation import Refused, Translation
from tests.support.region import Region
from tests.support.signers import NOW, SignedTicket
from trustee.books import Books
from trustee.epochs import EpochRange, Epochs
from trustee.evaluation import Evaluation
from trustee.quotas import Quotas
from trustee.store.usage import counts_of_hour
from trustee.translation import Translator

GATEWAY = "wardgate://gateway/main"


@dataclass
class Clock:
    """Seconds since the epoch, moved by hand."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class HeldMembers:
    """The verified directory, swapped for the region's newest on refresh."""

    region: Region
    directory: TrustedDirectory = field(init=False)
    refreshed: int = 0

    def __post_init__(self) -> None:
        self.directory = self.region.trusted()
        self.caseloads: Mapping[str, int] = {
            name: member.declared_caseload for name, member in self.region.members.items()
        }

    async def refresh(self) -> None:
        self.refreshed += 1
        self.directory = self.region.trusted()


def made(found: Sequence[Translation | Refused]) -> list[Translation]:
    """Translations of which none was refused; else the first refusal, as an error."""
    for item in found:
        if isinstance(item, Refused):
            raise WardgateError(item.code, "one target")
    return [item for item in found if isinstance(item, Translation)]


@dataclass
class House:
    """One trustee's verbs over one store, as one process has them."""

    region: Region
    engine: AsyncEngine
    journal: Journal
    members: HeldMembers
    books: Books
    evaluation: Evaluation
    translator: Translator
    clock: Clock

    @classmethod
    def build(
        cls,
        region: Region,
        journal: Journal,
        engine: AsyncEngine,
        *,
        clock: Clock,
        executor: Executor,
        quotas: Quotas,
        ranges: Mapping[str, EpochRange],
    ) -> "House":
        keys, members = region.trustee_holder, HeldMembers(region)
        books, epochs = Books(journal=journal, clock=clock), Epochs(keys, ranges)

        return cls(
            region=region,
            engine=engine,
            journal=journal,
            members=members,
            books=books,
            evaluation=Evaluation(
                keys=keys,
                epochs=epochs,
                members=members,
                books=books,
                quotas=quotas,
                live=executor,
                bulk=executor,
                clock=clock,
            ),
            translator=Translator(
                keys=keys,
                signing_key=region.trustee_key,
                epochs=epochs,
                members=members,
                books=books,
                quotas=quotas,
                gateway=GATEWAY,
                executor=executor,
                clock=clock,
            ),
            clock=clock,
        )

    async def translate(self, shown: SignedTicket, responders: Sequence[str]) -> list[bytes]:
        """What a ticket's points become, presented by an honest gateway."""
        halves = self.region.halves(shown, responders)
        found = await self.translator.translate(shown.ticket, shown.signature, halves)
        return [item.step.element for item in made(found)]

    async def counters(self, hour: int | None = None) -> dict[tuple[str, str], int]:
        start = int(self.clock()) // 3600 * 3600 if hour is None else hour
        async with self.engine.connect() as connection:
            return {(item.agency, item.kind): item.total for item in await counts_of_hour(connection, start)}

    async def entries(self) -> list[Entry]:
        return [Entry.parse(stored.content) for stored in await self.journal.entries(0, 1_000)]

    async def kinds(self) -> list[str]:
        return [entry.kind for entry in await self.entries()]

    async def break_ledger(self) -> None:
        """Make every write to the ledger fail, as a full disk would."""
        async with self.engine.begin() as connection:
            await connection.execute(
                text(
                    "CREATE TRIGGER broken BEFORE INSERT ON ledger_entry BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END"
                )
            )

    async def mend_ledger(self) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text("DROP TRIGGER broken"))


class OpenHouse(Protocol):
    """Opens a trustee on the one store of a test."""

    async def __call__(
        self, *, quotas: Quotas | None = None, ranges: Mapping[str, EpochRange] | None = None
    ) -> House: ...
