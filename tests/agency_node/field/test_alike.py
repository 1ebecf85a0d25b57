"""Whatever the readings: two children of one agency never differ in them, and hidden is absent, byte for byte."""

import asyncio
import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agency_node.sources.record import SourceChild, SourceRecord, Unreadable
from agency_node.sources.source import DatasetRead, Rejected, RejectionReason, SourceRow
from federation.answer import Answer
from federation.policy.evaluator import PolicyPoint
from federation.vocabulary import Outcome
from keys.nhs_number import NhsNumber
from tests.support.field import Field
from tests.support.node_house import ListSource, a_node, log_entry, number, url_of

HIDDEN, OPEN, BARE, NOBODY = (number(place) for place in range(4))
CATEGORIES = ("safeguarding_log", "attendance", "exclusion")
HIDES = ("WITNESS_PROT", "OF_NO_LIST", "HFEA", "ADOPTED_SEALED", "LEGAL_PRIV")
"""Flags that hide a child from an enquiry too; those on which a person decides are seen there."""

_days = st.dates(dt.date(2012, 1, 1), dt.date(2027, 1, 1))


@st.composite
def records(draw: st.DrawFn, child: NhsNumber) -> SourceRecord:
    """A record old or new, read whole or in parts or not at all.

    Where it cannot be told in which relation a child stands to it, and nothing hides the child, a person is asked
    first: then there is no answer yet to compare.
    """
    parts = [part for part in Unreadable if child == HIDDEN or part not in {Unreadable.RELATION, Unreadable.ROW}]
    unreadable = draw(st.frozensets(st.sampled_from(parts), max_size=2))
    begun, ended = sorted((draw(_days), draw(_days)))
    return log_entry(
        child,
        f"{draw(st.sampled_from(['log', 'register']))}:{draw(st.integers(0, 99))}-{child.canonical()}",
        category=draw(st.sampled_from(CATEGORIES)),
        date=begun,
        ended_on=draw(st.sampled_from([None, ended])),
        unreadable=unreadable,
        fields_unreadable=draw(st.frozensets(st.sampled_from(["entry_text", "entry_category"]))),
        handling_code=draw(st.sampled_from(["", "P"])),
    )


def holdings(child: NhsNumber, least: int) -> st.SearchStrategy[list[SourceRecord]]:
    return st.lists(records(child), min_size=least, max_size=4, unique_by=lambda record: record.source_ref)


def dataset(name: str) -> st.SearchStrategy[DatasetRead]:
    """How a dataset fared, whatever that means."""
    few = st.integers(0, 60)
    return st.builds(
        DatasetRead,
        st.just(name),
        rows=st.integers(60, 1_000),
        unreadable=few,
        unidentified=few,
        unclaimed=few,
        fault=st.sampled_from(["", "", "", "cut off"]),
        is_absent=st.sampled_from([False, False, False, True]),
        as_at=st.sampled_from([None, 1_700_000_000]),
    )


def read(*names: str) -> st.SearchStrategy[list[DatasetRead]]:
    return st.tuples(*map(dataset, names)).map(list)


_rejects = st.lists(
    st.builds(
        Rejected,
        st.sampled_from(["children", "log", "register"]),
        st.integers(1, 99),
        st.sampled_from(list(RejectionReason)),
        has_flags=st.booleans(),
        is_attributed=st.booleans(),
    ),
    max_size=3,
)


async def answers(
    policy: PolicyPoint, folder: Path, first: list[SourceRow], second: list[SourceRow], *, is_accepted: bool
) -> Mapping[NhsNumber, Answer]:
    """What is said of everybody after two readings."""
    source = ListSource("mis", list(first), names=("log", "register"))
    async with a_node(url_of(folder), policy, sources=[source]) as house:
        node = Field(house, CATEGORIES)
        await node.index()
        if is_accepted:
            for state in await house.desk.states():
                if state["rows"]:
                    await node.accept(str(state["dataset"]))
        source.rows = list(second)
        await node.index()
        return {child: await node.answer(child.canonical()) for child in (HIDDEN, OPEN, BARE, NOBODY)}


def told(answer: Answer, like: Answer) -> bytes:
    same: dict[str, Any] = {"query_id": like.query_id, "answered_at": like.answered_at}
    return answer.model_copy(update=same).canonical()


@settings(
    max_examples=12, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow]
)
@given(
    hidden=holdings(HIDDEN, 1),
    held=st.tuples(holdings(OPEN, 0), holdings(OPEN, 0)),
    flag=st.sampled_from(HIDES),
    reads=st.tuples(read("children", "log", "register"), read("children", "log", "register")),
    rejects=_rejects,
    is_accepted=st.booleans(),
)
def _holds(policy: PolicyPoint, **drawn: Any) -> None:
    children = [SourceChild(HIDDEN, frozenset({drawn["flag"]})), SourceChild(OPEN), SourceChild(BARE)]
    first, second = (
        [
            *children,
            *drawn["hidden"],
            *drawn["held"][place],
            *(drawn["rejects"] if place else []),
            *drawn["reads"][place],
        ]
        for place in (0, 1)
    )
    with TemporaryDirectory() as folder:
        found = asyncio.run(answers(policy, Path(folder), first, second, is_accepted=drawn["is_accepted"]))
    absent = found[NOBODY]
    assert absent.outcome in {Outcome.NOTHING_HELD, Outcome.ERROR}
    assert told(found[HIDDEN], absent) == told(absent, absent)
    assert told(found[BARE], absent) == told(absent, absent)
    assert found[OPEN].reading == absent.reading
    assert found[OPEN].period_covered == absent.period_covered
    assert {tuple(record.fields_unreadable) for record in absent.records} == set()
    assert absent.older is False


def test_nobody_can_tell_by_the_reading_whose_child_was_asked_about(policy: PolicyPoint) -> None:
    _holds(policy)
