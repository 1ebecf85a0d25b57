"""A person decides at a terminal: on a ground, and reads which there are."""

import json
from typing import Any

import pytest

from federation.ledger.entry import EntryKind
from tests.support.box import Box, Finished, until

pytestmark = pytest.mark.system

REFERRED = "999 000 0050"
"""Held by police, who decide by a person what is told of it."""


def inbox(region: Box, *arguments: str) -> Finished:
    place = ("--dir", str(region.folder.root), "--agency", "small-police", "--user", "boss", "--json")
    return region.wardgate("node", "inbox", *arguments, *place)


def police(picture: Any) -> Any:
    return next(target for target in picture["targets"] if target["agency"] == "small-police")


def test_to_withhold_a_person_names_a_ground_of_the_bundle(region: Box) -> None:
    query_id = region.ask(REFERRED, categories=("police_incident",))["query_id"]
    waiting = [item for item in inbox(region, "list").json["referrals"] if item["query"]["query_id"] == query_id]
    (referral,) = waiting
    decide = ("decide", referral["referral_id"], "--withhold", "--reason", "About a neighbour.")

    refused = inbox(region, *decide)

    assert (refused.code, json.loads(refused.err)["error"]["code"]) == (10, "GROUND_UNKNOWN")
    assert all(ground in refused.err for ground in referral["grounds"]["withhold"])
    decided = inbox(region, *decide, "--ground", "not_relevant")
    assert (decided.code, decided.json["state"]) == (0, "withheld")
    until(lambda: police(region.picture(query_id))["outcome"] == "refused", wait_s=60)
    (entry,) = region.entries("small-police", query_id=query_id, kind=EntryKind.REFERRAL_DECIDED)
    assert (entry["body"]["ground"], entry["body"]["people"]) == ("not_relevant", 1)
    again = inbox(region, *decide, "--ground", "not_relevant")
    assert (again.code, json.loads(again.err)["error"]["code"]) == (10, "REFERRAL_DECIDED")
