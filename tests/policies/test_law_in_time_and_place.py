"""The law differs by date and area: the same request, decided differently, and rightly."""

import copy
import datetime as dt

import pytest

from federation.policy.engine import EntryPoint
from federation.policy_input import policy_time
from tests.policies.conftest import Decide
from tests.policies.inputs import Json, golden_input


def at(document: Json, moment: dt.datetime, area: str = "testshire") -> Json:
    """The same request at another moment, in another area."""
    changed = copy.deepcopy(document)
    changed["time"] = policy_time(moment.timestamp())
    changed["query"]["issued_at"] = changed["time"]["epoch_s"] - 5
    changed["query"]["expires_at"] = changed["time"]["epoch_s"] + 86_400
    changed["query"]["area"] = area
    for agency in [changed["requester"]["agency"], *changed["targets"]]:
        agency["areas"] = [area]
    return changed


def codes(decision: Json) -> list[str]:
    return [reason["code"] for reason in decision["reasons"]]


@pytest.mark.parametrize("name", ["gateway_ehe_434a", "gateway_isd_16la"])
def test_a_new_duty_begins_at_midnight_in_england(name: str, decide: Decide) -> None:
    # British Summer Time: the day in England begins an hour before midnight UTC.
    eve = dt.datetime(2026, 8, 31, 22, 59, 59, tzinfo=dt.UTC)
    document = golden_input(name)
    before = decide(EntryPoint.GATEWAY, at(document, eve))
    after = decide(EntryPoint.GATEWAY, at(document, eve + dt.timedelta(seconds=1)))
    assert (before["effect"], codes(before)) == ("deny", ["PURPOSE_NOT_IN_FORCE"])
    assert after["effect"] == "permit"


@pytest.mark.parametrize("name", ["gateway_ehe_434a", "gateway_isd_16la"])
@pytest.mark.parametrize("year", [2026, 2030, 2199])
def test_a_duty_not_commenced_is_no_duty_outside_the_demonstration(name: str, year: int, decide: Decide) -> None:
    document = golden_input(name)
    moment = dt.datetime(year, 11, 22, 10, tzinfo=dt.UTC)
    assert decide(EntryPoint.GATEWAY, at(document, moment))["effect"] == "permit"
    elsewhere = decide(EntryPoint.GATEWAY, at(document, moment, "neighbourshire"))
    assert (elsewhere["effect"], codes(elsewhere)) == ("deny", ["PURPOSE_NOT_IN_FORCE"])


@pytest.mark.parametrize("name", ["gateway_front_door", "gateway_s47", "gateway_s47_emergency"])
def test_settled_law_is_law_everywhere(name: str, decide: Decide) -> None:
    moment = dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC)
    for area in ("testshire", "neighbourshire"):
        assert decide(EntryPoint.GATEWAY, at(golden_input(name), moment, area))["effect"] == "permit"


def test_an_arrangement_ends_with_its_last_day_in_england(decide: Decide) -> None:
    document = golden_input("gateway_family_help")
    last = dt.datetime(2027, 3, 31, 22, 59, 59, tzinfo=dt.UTC)
    assert decide(EntryPoint.GATEWAY, at(document, last))["effect"] == "permit"
    ended = decide(EntryPoint.GATEWAY, at(document, last + dt.timedelta(seconds=1)))
    assert (ended["effect"], codes(ended)) == ("deny", ["ARRANGEMENT_NOT_CURRENT"])
