"""Promise 7 through the real policy: whatever is held, if policy hides it the answer is that of a stranger's child."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from agency_node.answering.consideration import Circumstances, Patience, consider
from agency_node.answering.disclosure import Occasion, disclose
from agency_node.answering.duties import Contacts
from agency_node.answering.overlay import Overlay, TierCap
from agency_node.answering.task import VerifiedTask, verify_task
from agency_node.caseload.records import HeldRecord, in_order
from agency_node.sources.record import Unreadable
from federation.counters import CounterView
from federation.directory import AgencyDescriptor
from federation.policy.decision import NodeDecision
from federation.policy.evaluator import PolicyPoint
from federation.policy.results import Existence
from federation.vocabulary import Effect, Outcome, Tier
from tests.support.node_house import DUTY, RELAY, number
from tests.support.two_agencies import NOW, RESPONDER, Federation

DATA = Path(__file__).parents[3] / "policies" / "dist" / "data.json"
REFERENCE: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))["reference"]
CATEGORIES: dict[str, Any] = REFERENCE["categories"]
FLAGS = sorted(REFERENCE["flags"])
HERE = sorted(name for name, row in CATEGORIES.items() if "school" in row["agency_kinds"])
ASKED = tuple((name, "T2") for name in HERE)


def a_record(values: dict[str, Any]) -> HeldRecord:
    fields = sorted(CATEGORIES[values["category"]]["fields"])[: values.pop("fields")]
    return HeldRecord(source_id="register", type=values["category"], fields=dict.fromkeys(fields, "x"), **values)


RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "ref": st.uuids().map(lambda found: found.hex),
            "source_ref": st.just("log:1"),
            "category": st.sampled_from([*HERE, "cp_plan"]),
            "fields": st.integers(0, 4),
            "date": st.dates(dt.date(2015, 1, 1), dt.date(2026, 12, 31)),
            "ended_on": st.none() | st.dates(dt.date(2015, 1, 1), dt.date(2027, 12, 31)),
            "unreadable": st.just(frozenset())
            | st.sets(st.sampled_from([Unreadable.CHILD, Unreadable.STARTED_ON, Unreadable.ENDED_ON])).map(frozenset),
            "flags": st.lists(st.sampled_from([*FLAGS, "UNRECOGNISED"]), max_size=2, unique=True).map(
                lambda found: tuple(sorted(found))
            ),
            "assertion": st.sampled_from(["fact", "professional_opinion", "third_party_allegation"]),
            "relation": st.sampled_from(["subject", "household", "parent", "other", "alleged_perpetrator"]),
            "contact_level": st.sampled_from(["none", "regular", "unknown"]),
            "handling_code": st.sampled_from(["", "", "P", "C", "Z"]),
        }
    ).map(a_record),
    max_size=4,
)
OVERLAYS = st.builds(
    Overlay,
    categories_never=st.lists(st.sampled_from(HERE), max_size=1).map(tuple),
    categories_refer=st.lists(st.sampled_from(HERE), max_size=1).map(tuple),
    tier_caps=st.lists(
        st.builds(TierCap, category=st.sampled_from(HERE), tier=st.sampled_from(["T0", "T1"])), max_size=1
    ).map(tuple),
)


@dataclass(frozen=True)
class Scene:
    """Where and how is asked."""

    policy: PolicyPoint
    responder: AgencyDescriptor
    tasks: Sequence[VerifiedTask]


@pytest.fixture(scope="module")
def scene(policy: PolicyPoint) -> Scene:
    """A school, and one task for each way of asking it."""
    federation = Federation()
    ways: list[dict[str, Any]] = [
        {},
        {"role": "social_worker"},
        {"purpose": "ISD_16LA", "attestations": ()},
        {"purpose": "FRONT_DOOR", "role": "mash_manager", "attestations": ()},
        {"permitted": tuple((name, "T0") for name in HERE)},
    ]
    puts = [federation.ask(number(1), **{"categories": ASKED, **way}) for way in ways]
    tasks = [verify_task(put.task, directory=federation.directory, responder=RESPONDER, now=NOW) for put in puts]
    return Scene(policy, federation.directory.agency(RESPONDER).descriptor, tasks)


def tellable(decision: NodeDecision) -> bool:
    """Whether there is a record of which nothing is said but that it lies outside the period, or that is released."""
    return any(
        item.effect is Effect.PERMIT or {reason.code for reason in item.reasons} == {"OUTSIDE_PERIOD"}
        for item in decision.records
    )


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(records=RECORDS, overlay=OVERLAYS, data=st.data())
async def test_what_policy_hides_is_answered_as_not_held(
    scene: Scene, records: list[HeldRecord], overlay: Overlay, data: st.DataObject
) -> None:
    task = data.draw(st.sampled_from(scene.tasks))
    circumstances = Circumstances(
        responder=scene.responder,
        overlay=overlay,
        counters=CounterView(1, 1, 0),
        reviews={},
        now=NOW,
    )
    telling: dict[str, Any] = {
        "occasion": Occasion(task.header, NOW + 1),
        "contacts": Contacts(duty=DUTY, relay=RELAY),
        "catalogue": scene.policy.catalogue,
    }

    held = await consider(scene.policy, task, in_order(records), circumstances, Patience())
    absent = await consider(scene.policy, task, [], circumstances, Patience())
    answer = disclose(held.records, held.decision, **telling)
    nothing = disclose(absent.records, absent.decision, **telling)

    assert held.decision.failure is absent.decision.failure is None
    assert nothing.outcome in {Outcome.NOTHING_HELD, Outcome.REFUSED}
    event(f"{held.decision.existence}, {len(records) > 0}, {answer.outcome}")
    # That there is something older is told of what may be told, and of that alone.
    assert not nothing.older
    assert not answer.older or (answer.outcome in {Outcome.NOTHING_HELD, Outcome.RECORDS} and tellable(held.decision))
    if held.decision.existence is Existence.HIDDEN:
        # That something older may be told is told on purpose; everything else is equal to the last byte.
        assert answer.model_copy(update={"older": False}).canonical() == nothing.canonical()
    permitted = {item.name: item.tier for item in task.permitted.categories}
    for record in answer.records:
        assert record.tier <= permitted[record.category]
        assert record.category not in overlay.categories_never
        assert set(record.fields) <= set(CATEGORIES[record.category]["fields"])
        if record.tier is Tier.T0:
            assert (record.fields, record.date) == ({}, "")
    released = [item for item in held.decision.records if item.effect is Effect.PERMIT]
    assert bool(answer.records) == bool(released)
