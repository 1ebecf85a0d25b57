"""A service to be killed: appends as fast as it can and says on its output what has been acknowledged.

Run as a module with the store's URL and, to sign while it runs, a keyring's folder. Every line of output is one
acknowledged call: its indexes and the row that its effect wrote.
"""

import asyncio
import itertools
import sys
from pathlib import Path

from federation.ledger.kept import KeptCheckpoint
from federation.store import open_engine
from keys.keyring import Keyring
from tests.support.ledger import Insert, a_journal, an_entry


async def main(url: str, *keyrings: str) -> None:
    engine = open_engine(url)
    kept = KeptCheckpoint(Keyring(Path(keyrings[0]))) if keyrings else None
    journal = a_journal(engine, kept=kept)
    await journal.open()
    numbers = itertools.count((await journal.reader.size()) * 10)

    async def caller() -> None:
        for number in numbers:
            name = f"n{number:09d}"
            recorded = await journal.record([an_entry(number), an_entry(number)], Insert(name))
            sys.stdout.write(f"{recorded.indexes[0]} {recorded.indexes[1]} {name}\n")
            sys.stdout.flush()

    await asyncio.gather(*(caller() for _ in range(5)), *(journal.keep_signed() for _ in keyrings))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
