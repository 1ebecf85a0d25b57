"""The gateway decides, and the node upon what the gateway decided: it may narrow that, and never widens it."""

from random import Random

import pytest

from federation.policy.engine import EntryPoint
from tests.policies.conftest import Decide
from tests.policies.generation import FLAGS, UNKNOWN_FLAG, overlay, some_of
from tests.policies.inputs import EMPTY_OVERLAY, REFERENCE, Json
from tests.policies.questions import PURPOSES, question, record_of, review_of
from tests.policies.schema_paths import validator

QUESTIONS = 40
ENTRIES = (EntryPoint.REQUESTER, EntryPoint.GATEWAY, EntryPoint.NODE)


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("entry", ENTRIES)
def test_every_purpose_is_reached(entry: EntryPoint, purpose: str, decide: Decide) -> None:
    """The questions of these tests are real ones: most are permitted, and all are admitted by the schema."""
    decisions = []
    for seed in range(QUESTIONS):
        document = question(entry, purpose, Random(seed))
        assert validator(entry).is_valid(document)
        decisions.append(decide(entry, document))
    denied = [decision["reasons"] for decision in decisions if decision["effect"] != "permit"]
    assert len(denied) < QUESTIONS / 4, denied[0]


def asked_of(target: Json, permitted: Json, document: Json, rng: Random) -> Json:
    """What the node of a target is asked, once the gateway has decided on it."""
    asked = [item["name"] for item in document["query"]["categories"]]
    names = [*asked, *asked, *asked, *some_of(rng, REFERENCE["categories"], 2)]
    records = [record_of(f"r{number}", rng.choice(names), rng, document) for number in range(rng.randint(0, 8))]
    for record in records:
        record["flags"] = some_of(rng, (*FLAGS, UNKNOWN_FLAG), 2) if rng.random() < 0.2 else []
    return {
        **{part: value for part, value in document.items() if part != "targets"},
        "responder": target,
        "gateway": {"categories": permitted["categories"], "obligations": permitted["obligations"]},
        "overlay": overlay(rng, asked) if rng.random() < 0.3 else EMPTY_OVERLAY,
        "records": records,
        "child_flags": [],
        "review": [review_of(record["ref"], "release", document) for record in records if rng.random() < 0.5],
    }


def assert_within(node: Json, given: Json, permitted: Json, gateway: Json) -> int:
    """The node opens nothing that the gateway had not permitted for it; gives how many records it opened."""
    allowed = {item["name"]: item["tier"] for item in permitted["categories"]}
    opened = [
        (record["category"], decided["tier"])
        for record, decided in zip(given["records"], node["records"], strict=True)
        if decided["effect"] != "withhold"
    ]
    assert all(tier <= allowed.get(category, "") for category, tier in opened)
    assert opened or node["existence"] == "hidden"
    assert gateway["effect"] == "permit" or not opened
    assert node["expires_in_s"] <= gateway["expires_in_s"] or not opened
    return len(opened)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_the_node_only_narrows_what_the_gateway_permitted(purpose: str, decide: Decide) -> None:
    opened = 0
    for seed in range(QUESTIONS):
        rng = Random(seed)
        document = question(EntryPoint.GATEWAY, purpose, rng)
        if rng.random() < 0.2:
            document["query"]["attestations"] = []
        gateway = decide(EntryPoint.GATEWAY, document)
        for target, permitted in zip(document["targets"], gateway["targets"], strict=True):
            given = asked_of(target, permitted, document, rng)
            assert validator(EntryPoint.NODE).is_valid(given)
            opened += assert_within(decide(EntryPoint.NODE, given), given, permitted, gateway)
    assert opened > 0


@pytest.mark.parametrize("purpose", PURPOSES)
def test_what_the_gateway_permits_the_node_takes_up(purpose: str, decide: Decide) -> None:
    """Both ask the same of the query: a node refuses as a whole only for reasons of its own, and here it has none."""
    for seed in range(QUESTIONS):
        rng = Random(seed)
        document = question(EntryPoint.GATEWAY, purpose, rng)
        gateway = decide(EntryPoint.GATEWAY, document)
        for target, permitted in zip(document["targets"], gateway["targets"], strict=True):
            if permitted["effect"] == "permit":
                given = {**asked_of(target, permitted, document, rng), "overlay": EMPTY_OVERLAY}
                assert decide(EntryPoint.NODE, given)["effect"] == "permit"
