"""The evidence of a ledger that did not extend what was seen of it: both checkpoints, from a follower's alarms.

Whoever was shown them kept them in an entry of its own ledger, which others witness. Two checkpoints of one size with
two roots prove by themselves that their signer keeps two histories; of two sizes, the older state is what its keeper
answers for: it signed the larger one before.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from federation.england import iso_in_england


@dataclass(frozen=True, slots=True)
class Fork:
    """One alarm with both checkpoints.

    Attributes:
        index: Of the alarm in the ledger that was read.
        at: When it was raised; seconds since the epoch.
        alarm: Its name.
        detail: What was found.
        ours: The checkpoint that was verified before, as signed.
        theirs: The one that was shown then, or that another party had seen, as signed.
    """

    index: int
    at: int
    alarm: str
    detail: str
    ours: str
    theirs: str

    @property
    def is_proof(self) -> bool:
        """Whether both are of one size, and differ: nothing else is needed to prove two histories."""
        ours, theirs = _body(self.ours), _body(self.theirs)
        return ours[:2] == theirs[:2] and ours != theirs


def forks_of(entries: Iterable[tuple[int, Mapping[str, Any]]]) -> list[Fork]:
    """Those alarms among a ledger's entries that keep two checkpoints, by index."""
    found = []
    for index, entry in entries:
        body = entry.get("body")
        if isinstance(body, dict) and all(isinstance(body.get(side), str) for side in ("ours", "theirs")):
            alarm, detail = str(body.get("alarm", "")), str(body.get("detail", ""))
            found.append(Fork(index, int(entry["at"]), alarm, detail, body["ours"], body["theirs"]))
    return found


def files_of(forks: Sequence[Fork]) -> dict[str, bytes]:
    """Both checkpoints of each, by file name: a signed note each, as other people's tools read them."""
    return {
        f"fork-{fork.index}-{side}.checkpoint": note.encode()
        for fork in forks
        for side, note in (("ours", fork.ours), ("theirs", fork.theirs))
    }


def forks_in_lines(forks: Sequence[Fork]) -> Iterator[str]:
    """What the command prints."""
    if not forks:
        yield "No alarm about a ledger that did not extend what was seen of it."
    for fork in forks:
        yield f"entry {fork.index}, {iso_in_england(fork.at)}: {fork.alarm}: {fork.detail}"
        if fork.is_proof:
            yield "Both are of one size and differ: together they prove two histories."
        yield from ("", "seen before:", fork.ours.rstrip(), "", "shown then:", fork.theirs.rstrip(), "")


def _body(note: str) -> list[str]:
    """Origin, size and root, as lines."""
    return note.split("\n")[:3]
