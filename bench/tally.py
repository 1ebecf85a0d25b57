"""What became of every target of every query that was put: nothing is measured by leaving out what was not answered."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from federation.canonical import JsonObject
from federation.errors import WardgateError

WHOLE_QUERY = "(the query)"
"""In the place of an agency: the query itself came to nothing."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A target that gave no answer in time, or `error`.

    Attributes:
        agency: The target; `WHOLE_QUERY` where the query was refused or could not be put.
        targets: How many were asked in that query.
        state: The target's state when the picture was shown.
        outcome: Of its answer; empty where there was none.
        fault: Code of what went wrong; empty where none was named.
        later: What the target had come to when it was looked at again; empty where it was not.
    """

    agency: str
    targets: int
    state: str
    outcome: str
    fault: str
    later: str = ""


@dataclass(frozen=True, slots=True)
class Put:
    """A query whose picture was not whole.

    Attributes:
        user: Who put it.
        unanswered: Its targets that gave no answer.
    """

    query_id: str
    user: str
    unanswered: tuple[Unanswered, ...]


@dataclass(slots=True)
class Share:
    """Of all targets of queries of one size.

    Attributes:
        asked: Targets that were asked.
        in_time: Of these, answered by the query's deadline.
        later: Answered after it.
        errors: Answered with `error`, whenever.
        lost: Neither answered nor going to be.
    """

    asked: int
    in_time: int
    later: int
    errors: int
    lost: int

    @property
    def percent(self) -> float:
        """Answered at all, with anything but `error`."""
        return 100 * (self.in_time + self.later) / self.asked if self.asked else 100.0


@dataclass(slots=True)
class Tally:
    """Counts over many queries."""

    asked: Counter[int] = field(default_factory=Counter)
    incomplete: list[Put] = field(default_factory=list)
    refused: list[Unanswered] = field(default_factory=list)

    def picture(self, picture: JsonObject, targets: int, user: str) -> None:
        """Take down what a picture shows.

        Raises:
            AssertionError: It is of another number of agencies: another question than was meant.
        """
        if len(picture["targets"]) != targets:
            raise AssertionError(f"{len(picture['targets'])} targets of {targets}: {picture['error']}")
        self.asked[targets] += targets
        missing = set(picture["missing"])
        found = tuple(_unanswered(target, targets) for target in picture["targets"] if target["agency"] in missing)
        if found:
            self.incomplete.append(Put(picture["query_id"], user, found))

    def failed(self, error: WardgateError, targets: int) -> None:
        """Take down a query that came to nothing."""
        self.asked[targets] += targets
        self.refused.append(Unanswered(WHOLE_QUERY, targets, "failed", "", str(error.code)))

    def again(self, query_id: str, picture: JsonObject) -> bool:
        """Take down what a picture shows that is looked at again; whether all of its targets have an answer."""
        now = {target["agency"]: target for target in picture["targets"]}
        for at, put in enumerate(self.incomplete):
            if put.query_id == query_id:
                seen = tuple(replace(item, later=_later(now[item.agency])) for item in put.unanswered)
                self.incomplete[at] = replace(put, unanswered=seen)
        return not picture["missing"] or all(target["final"] for target in picture["targets"])

    def unanswered(self) -> Iterator[Unanswered]:
        """Every target that gave no answer in time, or `error`."""
        yield from self.refused
        for put in self.incomplete:
            yield from put.unanswered

    def share(self, targets: int) -> Share:
        """Of the targets of queries of this size."""
        missing = [item for item in self.unanswered() if item.targets == targets]
        late = sum(_is_good(item.later) for item in missing)
        errors = sum("error" in {item.outcome, item.later} and not _is_good(item.later) for item in missing)
        lost = sum(targets if item.agency == WHOLE_QUERY else 1 for item in missing) - late - errors
        asked = self.asked[targets]
        return Share(asked, asked - late - errors - lost, late, errors, lost)


def write_unanswered(figures: Path, tallies: Iterable[Tally]) -> Path:
    """Write every target that was not answered into a file beside the figures, in the place of what was there."""
    path = figures.with_suffix(".unanswered.json")
    found = [asdict(item) for tally in tallies for item in tally.unanswered()]
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return path


def _unanswered(target: JsonObject, targets: int) -> Unanswered:
    return Unanswered(target["agency"], targets, target["state"], target["outcome"] or "", target["fault"])


def _later(target: JsonObject) -> str:
    return str(target["outcome"] or target["state"])


def _is_good(later: str) -> bool:
    return later in {"records", "nothing_held", "refused"}
