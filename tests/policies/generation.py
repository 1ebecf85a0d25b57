"""Random inputs that the schemas admit: whole questions of every purpose, then changed where policy looks."""

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random

from hypothesis import strategies as st

from federation.policy.engine import EntryPoint
from tests.policies.inputs import GOLDEN, REFERENCE, TIERS, Json, golden_input, places, replaced
from tests.policies.questions import AREA, PURPOSES, TODAY, Setting, question, record_of, review_of
from tests.policies.sampling import interesting_days, sample, turning_days
from tests.policies.schema_paths import path_of, validator

FLAGS = tuple(sorted(REFERENCE["flags"]))
UNKNOWN_FLAG = "UNHEARD_OF"
CROWD = 40
"""Parts of a large input: enough for whatever grows, and quick."""

UNREADABLE = (
    "assertion",
    "child",
    "contact_level",
    "date",
    "ended_on",
    "handling_code",
    "relation",
    "row",
    "started_on",
    "type",
)
"""Parts of a record that a node can say it could not read."""

SHARES = (EntryPoint.NODE,) * 5 + (EntryPoint.GATEWAY,) * 3 + (EntryPoint.REQUESTER, EntryPoint.AUDIT, EntryPoint.TEAM)
"""How often each entry point is asked: the more, the more there is to decide."""

UNQUESTIONED = frozenset({EntryPoint.AUDIT, EntryPoint.TEAM})
"""Entry points that are not about a query: their inputs begin as golden ones."""

Stroke = Callable[[Json, Random], None]


def flag_sets() -> list[tuple[str, ...]]:
    """Every flag alone, and every two together; and one that no bundle knows."""
    known = (*FLAGS, UNKNOWN_FLAG)
    return [(), *((flag,) for flag in known), *itertools.combinations(known, 2)]


class Generator:
    """Inputs from a seed: equal seeds give equal inputs.

    Args:
        rng: Where all choices come from.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        shuffled = flag_sets()
        rng.shuffle(shuffled)
        self._flag_sets = itertools.cycle(shuffled)

    def inputs(self, count: int) -> Iterator[tuple[EntryPoint, Json]]:
        """So many inputs, of all entry points."""
        for number in range(count):
            entry = SHARES[number % len(SHARES)]
            yield entry, self.input(entry)

    def input(self, entry: EntryPoint) -> Json:
        """One input that the schema admits."""
        while True:
            document = self._start(entry)
            if entry is EntryPoint.NODE:
                self._flag(document)
            for stroke in self._rng.choices(_strokes(entry), k=self._rng.choice([0, 0, 1, 1, 2])):
                stroke(document, self._rng)
            for _ in range(self._rng.choice([0, 0, 0, 0, 1, 1, 2, 4])):
                document = _with_another_value(document, entry, self._rng)
            if validator(entry).is_valid(document):
                return document

    def _start(self, entry: EntryPoint) -> Json:
        of_entry = [name for name, item in GOLDEN.items() if item["entry_point"] == entry.value]
        if entry in UNQUESTIONED or self._rng.random() < 0.1:
            return golden_input(self._rng.choice(of_entry))
        days = [*turning_days(), TODAY, TODAY, TODAY, TODAY]
        setting = Setting(self._rng.choice(days), self._rng.choice([AREA, AREA, AREA, "neighbourshire"]))
        return question(entry, self._rng.choice(PURPOSES), self._rng, setting)

    def _flag(self, document: Json) -> None:
        for record in document["records"]:
            if self._rng.random() < 0.3:
                record["flags"] = list(next(self._flag_sets))


def _with_another_value(document: Json, entry: EntryPoint, rng: Random) -> Json:
    place = rng.choice([*places(document)])
    return replaced(document, place, sample(rng, entry, path_of(entry, place)))


def _strokes(entry: EntryPoint) -> Sequence[Stroke]:
    common: tuple[Stroke, ...] = (_another_day,)
    if entry in UNQUESTIONED:
        return common
    asked: tuple[Stroke, ...] = (*common, _everything_asked, _more_stated, _break_glass)
    if entry is EntryPoint.GATEWAY:
        return (*asked, _many_targets, _one_target_twice)
    if entry is EntryPoint.NODE:
        extreme = (_overlaid, _overlaid, _many_records, _no_records, _many_flags, _child_flagged, _answered)
        return (*asked, *extreme, _lowered, _coded, _older, _ended, _lost)
    return asked


def _another_day(document: Json, rng: Random) -> None:
    document["time"]["date"] = dict(rng.choice(interesting_days()))


def _everything_asked(document: Json, rng: Random) -> None:
    names = sorted(REFERENCE["categories"])
    document["query"]["categories"] = [{"name": name, "tier": rng.choice(TIERS)} for name in names[:60]]


def _more_stated(document: Json, rng: Random) -> None:
    query = document["query"]
    stated = {*query["attestations"], *some_of(rng, REFERENCE["attestations"], 8)}
    query["attestations"] = sorted(stated)[:16]
    query["approvals"] += [{"role": rng.choice(sorted(REFERENCE["roles"])), "kind": "second_person", "user_ref": "d"}]


def _break_glass(document: Json, rng: Random) -> None:
    document["query"]["break_glass"] = rng.choice(["", *REFERENCE["break_glass"]])


def _many_targets(document: Json, rng: Random) -> None:
    some = document["targets"]
    document["targets"] = [
        {**some[number % len(some)], "id": f"target-{number}"} for number in range(rng.randint(2, CROWD))
    ]


def _one_target_twice(document: Json, rng: Random) -> None:
    document["targets"].append(copy.deepcopy(rng.choice(document["targets"])))


def _overlaid(document: Json, rng: Random) -> None:
    document["overlay"] |= overlay(rng, [item["name"] for item in document["query"]["categories"]])


def _many_records(document: Json, rng: Random) -> None:
    names = [item["name"] for item in document["query"]["categories"] if item["name"] in REFERENCE["categories"]]
    document["records"] += [
        record_of(f"m{number}", rng.choice(names), rng, document)
        for number in range(rng.randint(2, CROWD) if names else 0)
    ]


def _no_records(document: Json, _: Random) -> None:
    document["records"] = []


def _many_flags(document: Json, rng: Random) -> None:
    for record in document["records"][:3]:
        record["flags"] = rng.sample(FLAGS, rng.randint(3, len(FLAGS)))


def _child_flagged(document: Json, rng: Random) -> None:
    document["child_flags"] = some_of(rng, [*FLAGS, UNKNOWN_FLAG], 2)


def _answered(document: Json, rng: Random) -> None:
    """People answer the question as a whole, one or two of them, and sometimes the asker."""
    askers = [document["requester"]["user"]["ref"], "reviewer-1", "reviewer-2"]
    refs = ["", *(record["ref"] for record in document["records"])]
    for reviewer in some_of(rng, askers, 3):
        decision = rng.choice(["release", "release", "withhold"])
        grounds = [code for code, row in REFERENCE["review_reasons"].items() if decision in row["decisions"]]
        reason = rng.choice(grounds)
        document["review"] += [
            {**review_of(ref, decision, document), "reviewer": reviewer, "reason": reason} for ref in refs
        ]


def _lowered(document: Json, rng: Random) -> None:
    for item in document["gateway"]["categories"]:
        item["tier"] = rng.choice(TIERS[: TIERS.index(item["tier"]) + 1])
    del document["gateway"]["categories"][: rng.randint(0, 1)]


def _coded(document: Json, rng: Random) -> None:
    for record in document["records"]:
        record["handling_code"] = rng.choice(["", *REFERENCE["handling_codes"], "Z"])


def _older(document: Json, rng: Random) -> None:
    for record in document["records"]:
        if record["date"] is not None:
            record["date"] = dict(rng.choice([record["date"], *interesting_days()]))


def _ended(document: Json, rng: Random) -> None:
    days = [None, document["query"]["period"]["from"], document["time"]["date"], *interesting_days()]
    for record in document["records"]:
        record["started_on"], record["ended_on"] = rng.choice(days), rng.choice(days)


def _lost(document: Json, rng: Random) -> None:
    """Of some records, something could not be read: what is of these names says nothing then."""
    for record in document["records"]:
        if rng.random() < 0.5:
            lose(record, some_of(rng, UNREADABLE, 2))


def lose(record: Json, names: Sequence[str]) -> None:
    """Make of a record what a node says of one of which these parts could not be read."""
    record["unreadable"] = sorted({*record["unreadable"], *names})
    gone = set(UNREADABLE) if "row" in names else set(names)
    for name in gone & {"date", "started_on", "ended_on"}:
        record[name] = None
    for name in gone & {"type", "assertion", "relation", "contact_level", "handling_code"}:
        record[name] = ""


def some_of(rng: Random, values: Iterable[str], at_most: int) -> list[str]:
    """None to a few of these, each once."""
    found = sorted(values)
    return rng.sample(found, min(len(found), rng.randint(0, at_most)))


def overlay(rng: Random, asked: Sequence[str]) -> Json:
    """An agency's own narrowing, often of something that is asked for."""
    names = [name for name in asked if name in REFERENCE["categories"]]
    fields = [field for name in names for field in REFERENCE["categories"][name]["fields"]]
    return {
        "purposes_never": some_of(rng, REFERENCE["purposes"], 1) if rng.random() < 0.2 else [],
        "purposes_refer": some_of(rng, REFERENCE["purposes"], 2),
        "roles_never": some_of(rng, REFERENCE["roles"], 1),
        "categories_never": some_of(rng, names, 1),
        "categories_refer": some_of(rng, names, 1),
        "flags_never": some_of(rng, REFERENCE["flags"], 3),
        "types_never": some_of(rng, names, 1),
        "fields_never": some_of(rng, fields, 3),
        "tier_caps": [{"category": name, "tier": rng.choice(TIERS)} for name in some_of(rng, names, 2)],
    }


def node_input(rng: Random) -> Json:
    """A node's input of any purpose, valid today: most of it is decided record by record."""
    document = question(EntryPoint.NODE, rng.choice(PURPOSES), rng)
    for record in document["records"]:
        if rng.random() < 0.3:
            record["flags"] = some_of(rng, [*FLAGS, UNKNOWN_FLAG], 2)
    strokes = [_lowered, _coded, _older, _ended, _lost, _more_stated, _child_flagged, _answered]
    for stroke in rng.choices(strokes, k=rng.choice([0, 0, 1, 2])):
        stroke(document, rng)
    if rng.random() < 0.2:
        _break_glass(document, rng)
    return document


# Drawn through a seeded generator: Hypothesis' own choices favour the simplest value of each field so strongly that
# hardly any record would be released, and narrowing nothing proves nothing.
randoms = st.randoms(use_true_random=True)
node_inputs = randoms.map(node_input)
