"""The law differs by date and area: the same request, decided differently, and rightly."""

import copy
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest

from federation.policy.engine import EntryPoint
from federation.policy_input import policy_time
from tests.policies.conftest import Decide
from tests.policies.inputs import REFERENCE, Json, golden_input
from tests.policies.questions import PURPOSES, Setting, in_force, provision_in_force, purpose_in_force, question
from tests.policies.sampling import turning_days, windows

A_DAY = dt.timedelta(days=1)
AREAS = (*sorted({area for row in windows() for area in row["areas"]} - {"*"}), "nowhere-in-particular")
QUESTIONS = 4
"""For each purpose and setting; each chooses other roles, categories and responders."""


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


@dataclass(frozen=True)
class Standing:
    """All of the law that a question of a purpose hangs on.

    Attributes:
        is_law: Whether the purpose itself is.
        categories: Those of its categories that are.
        agreements: Those that it names and that are in force.
        is_agreed: Whether requester and responders can be party to what it demands of them.
    """

    is_law: bool
    categories: frozenset[str]
    agreements: frozenset[str]
    is_agreed: bool

    @property
    def is_open(self) -> bool:
        """Whether anybody can be asked at all."""
        return self.is_law and self.is_agreed


def standing(purpose: str, setting: Setting) -> Standing:
    """How the law stands for a purpose."""
    row = REFERENCE["purposes"][purpose]
    categories = {
        name
        for name, cell in row["categories"].items()
        if all(provision_in_force(provision, setting) for provision in cell["provisions"])
    }
    demanded = [set(row[column]) for column in ("agreements_any", "responder_agreements_any")]
    in_being = {
        name
        for name in set.union(*demanded)
        if any(in_force(entry, setting) for entry in REFERENCE["agreements"][name]["rows"])
    }
    return Standing(
        is_law=purpose_in_force(purpose, setting),
        categories=frozenset(categories),
        agreements=frozenset(in_being),
        is_agreed=all(not names or names & in_being for names in demanded),
    )


def moves() -> Iterator[tuple[Setting, Setting]]:
    """From each day on which any law changes to its neighbours, in every area; and between areas."""
    for day in turning_days():
        for area in AREAS:
            yield Setting(day - A_DAY, area), Setting(day, area)
            yield Setting(day, area), Setting(day + A_DAY, area)
        yield Setting(day, AREAS[0]), Setting(day, AREAS[-1])


def decided(purpose: str, setting: Setting, seed: int, decide: Decide) -> Json:
    """What the gateway says to one question, put in a setting."""
    return decide(EntryPoint.GATEWAY, question(EntryPoint.GATEWAY, purpose, Random(seed), setting))


def opened(decision: Json) -> set[str]:
    """Every category that somebody may be asked for."""
    return {item["name"] for target in decision["targets"] for item in target["categories"]}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_move_in_time_or_place_changes_what_it_must_and_nothing_else(purpose: str, decide: Decide) -> None:
    for here, there in moves():
        law, other_law = standing(purpose, here), standing(purpose, there)
        for seed in range(QUESTIONS):
            one, other = decided(purpose, here, seed, decide), decided(purpose, there, seed, decide)
            assert law != other_law or one == other, (here, there)
            assert law.is_open == other_law.is_open or one != other, (here, there)
            for stands, decision in ((law, one), (other_law, other)):
                assert (codes(decision) == ["PURPOSE_NOT_IN_FORCE"]) == (not stands.is_law)
                assert opened(decision) <= (stands.categories if stands.is_law else frozenset())


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_category_is_opened_on_the_days_and_in_the_areas_of_its_law(purpose: str, decide: Decide) -> None:
    cells = REFERENCE["purposes"][purpose]["categories"]
    dated = [name for name, cell in cells.items() if cell["provisions"]]
    for setting in {setting for move in moves() for setting in move}:
        stands = standing(purpose, setting)
        for name in dated if stands.is_open else ():
            document = question(EntryPoint.GATEWAY, purpose, Random(0), setting)
            document["query"]["categories"] = [{"name": name, "tier": "T0"}]
            document["query"]["attestations"] += REFERENCE["categories"][name]["needs_any_attestation"][:1]
            document["targets"] = document["targets"][:1]
            document["targets"][0]["kind"] = REFERENCE["categories"][name]["agency_kinds"][0]
            assert opened(decide(EntryPoint.GATEWAY, document)) == {name} & stands.categories, (name, setting)


@pytest.mark.parametrize("flag", sorted(REFERENCE["flags"]))
def test_a_flag_out_of_its_time_withholds_as_unknown(flag: str, decide: Decide) -> None:
    row = REFERENCE["flags"][flag]
    first = dt.date.fromisoformat(row["effective_from"])
    for day in (first - A_DAY, first):
        setting = Setting(day)
        lawful = next(purpose for purpose in PURPOSES if purpose_in_force(purpose, setting))
        seeds = (question(EntryPoint.NODE, lawful, Random(seed), setting) for seed in range(100))
        document = next(found for found in seeds if found["records"])
        document["records"][0]["flags"] = [flag]
        decision = decide(EntryPoint.NODE, document)
        reasons = {reason["code"] for reason in decision["records"][0]["reasons"]}
        assert decision["effect"] == "permit"
        assert ("FLAG_UNKNOWN" in reasons) == (not in_force(row, setting))
