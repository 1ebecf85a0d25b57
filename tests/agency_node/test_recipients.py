"""Whom policy sends alerts and referrals to here, and whether anybody is that."""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agency_node.app import say_unheld, unheld_at
from agency_node.checking import check_node
from agency_node.recipients import Unheld, unheld
from agency_node.settings import NodeSettings
from agency_node.users import User, Users
from federation.errors import ErrorCode, WardgateError
from federation.policy.bundle import install_bundle
from federation.policy.catalogue import Catalogue
from federation.policy.evaluator import PolicyPoint
from keys.signing import SigningKey
from tests.support.node_house import a_user
from tests.support.two_agencies import NOW

DIST = Path(__file__).parents[2] / "policies" / "dist"
TODAY = dt.date(2026, 11, 22)
CATALOGUE = Catalogue.model_validate(
    {
        "reasons": {},
        "purposes": {},
        "categories": {},
        "never_permitted": {},
        "obligations": {
            "tell": {"type": "alert", "mandatory": True, "params": {"to": ["dpo", "auditor"]}},
            "tell_quietly": {"type": "alert", "mandatory": True, "params": {"to": ["officer"], "silent": True}},
            "keep": {"type": "record", "mandatory": True, "params": {"to": ["nobody"]}},
        },
        "roles": {"dsl": {"title": "Lead", "decides": True}, "teacher": {"title": "Teacher"}},
        "grants": {"decide": {"title": "Decides", "decides": True}, "officer": {"title": "Officer"}},
    }
)
NEEDED = Unheld(alerts=("auditor", "dpo", "officer"), deciders=("decide", "dsl"))


def found(*users: User) -> Unheld:
    return unheld(CATALOGUE, Users({user.id: user for user in users}), TODAY)


def test_without_people_everything_is_unheld_each_once_and_in_order() -> None:
    assert found() == NEEDED


def test_a_role_or_a_grant_holds() -> None:
    assert found(a_user("a", role="dpo", grants=("officer", "decide")), a_user("b", role="auditor")) == Unheld()


def test_one_who_decides_is_enough_and_each_recipient_of_alerts_is_one_of_its_own() -> None:
    assert found(a_user("a", role="dsl")) == Unheld(alerts=NEEDED.alerts)
    assert found(a_user("a", role="dpo")) == Unheld(alerts=("auditor", "officer"), deciders=NEEDED.deciders)


def test_where_two_must_agree_one_who_decides_is_too_few() -> None:
    two = Catalogue.model_validate(
        {**CATALOGUE.model_dump(), "flags": {"KIN": {"decided_by": {"people": 2}}, "OLD": {}}, "purposes": {"P": {}}}
    )
    alone, both = [a_user("a", role="dsl")], [a_user("a", role="dsl"), a_user("b", grants=("decide",))]
    counted = [unheld(two, Users({user.id: user for user in users}), TODAY).more_people for users in (alone, both)]
    assert counted == [1, 0]
    assert list(Unheld(more_people=1).sentences()) == [
        "1 more must decide referrals: what several people must agree on can never leave"
    ]


def kept_apart(*users: User, compelled: int = 1) -> dict[str, int]:
    """How many more must hold what flags name, where a compelled purpose wants so many."""
    catalogue = Catalogue.model_validate(
        {
            **CATALOGUE.model_dump(),
            "flags": {
                "SHIELD": {"decided_by": {"people": 1, "roles": ["officer"]}},
                "KIN": {"decided_by": {"people": 2, "roles": ["officer", "dpo"]}},
                "PLAIN": {"decided_by": {"people": 1, "roles": []}},
            },
            "purposes": {"P": {"compelled": {"applies": True, "people": compelled}}},
        }
    )
    return dict(unheld(catalogue, _users(users), TODAY).more_holders)


OFFICER = a_user("a", role="teacher", grants=("officer",))
DPO = a_user("b", role="dpo")


def test_what_certain_people_alone_decide_wants_as_many_of_them_as_the_flag_says() -> None:
    assert kept_apart() == {"dpo/officer": 2, "officer": 1}
    assert kept_apart(a_user("c", role="dsl")) == {"dpo/officer": 2, "officer": 1}
    assert kept_apart(OFFICER) == {"dpo/officer": 1}
    assert kept_apart(OFFICER, DPO) == {}


def test_a_compelled_question_wants_as_many_of_them_as_of_anybody() -> None:
    assert kept_apart(OFFICER, DPO, compelled=1) == {}
    assert kept_apart(OFFICER, DPO, compelled=2) == {"officer": 1}
    wants_two = Catalogue.model_validate(
        {**CATALOGUE.model_dump(), "purposes": {"P": {"compelled": {"applies": True, "people": 2}}}}
    )
    assert unheld(wants_two, _users([a_user("a", role="dsl")]), TODAY).more_people == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"training_expires": TODAY - dt.timedelta(days=1)},
        {"employment_ends": TODAY - dt.timedelta(days=1)},
        {"supervised": True},
        {"conflicted": True},
    ],
)
def test_of_those_who_decide_only_the_fit_count(changes: Any) -> None:
    unfit = OFFICER.model_copy(update=changes)
    assert kept_apart(unfit, DPO) == {"dpo/officer": 1, "officer": 1}
    assert found(a_user("a", **changes)).deciders == NEEDED.deciders
    assert kept_apart(OFFICER.model_copy(update={"training_expires": TODAY}), DPO) == {}


def test_one_who_is_not_trained_still_gets_alerts() -> None:
    untrained = a_user("a", role="dpo", training_expires=TODAY - dt.timedelta(days=1))
    assert "dpo" not in found(untrained).alerts


def test_whoever_has_left_holds_nothing() -> None:
    yesterday = TODAY - dt.timedelta(days=1)

    assert "dpo" not in found(a_user("a", role="dpo", employment_ends=TODAY)).alerts
    assert "dpo" in found(a_user("a", role="dpo", employment_ends=yesterday)).alerts


def test_whoever_has_an_interest_holds_nothing() -> None:
    assert found(a_user("a", role="dsl", grants=("dpo",), conflicted=True)) == NEEDED


def test_it_is_said_in_words() -> None:
    assert list(NEEDED.sentences()) == [
        "nobody holds auditor, dpo, officer: alerts to them reach nobody",
        "nobody decides referrals: one of decide, dsl must be held",
    ]
    assert list(Unheld(more_holders={"dpo/officer": 2, "officer": 1}).sentences()) == [
        "2 more must hold dpo or officer: what they alone decide can never leave",
        "1 more must hold officer: what they alone decide can never leave",
    ]
    assert list(Unheld().sentences()) == []


def test_the_shipped_bundle_sends_alerts_to_somebody(policy: PolicyPoint) -> None:
    assert {"auditor", "caldicott_guardian", "dpo"} <= set(unheld(policy.catalogue, Users({}), TODAY).alerts)


def test_a_start_says_once_what_nobody_holds(caplog: pytest.LogCaptureFixture) -> None:
    say_unheld(NEEDED)

    assert caplog.text.count("RECIPIENT_MISSING") == 5
    say_unheld(Unheld(more_people=1, more_holders={"dpo/officer": 2}))
    assert caplog.text.count("RECIPIENT_MISSING") == 7
    assert "dpo/officer" in caplog.text


def test_where_the_users_file_cannot_be_read_nobody_holds_anything() -> None:
    def broken() -> Users:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, "users.toml")

    assert unheld_at(_base(broken), CATALOGUE) == NEEDED
    assert unheld_at(_base(lambda: _users([a_user("a", role="dsl")])), CATALOGUE) == Unheld(alerts=NEEDED.alerts)


def checked(folder: Path, users: str) -> list[str]:
    """What `check-config` prints of a node without sources, with these people."""
    authority = SigningKey.generate()
    install_bundle(DIST, folder / "bundle", authority)
    (folder / "authority.pub").write_text(authority.verify_key.hex)
    (folder / "users.toml").write_text(users)
    settings = NodeSettings.model_validate(
        {
            "agency": "testshire-csc",
            "data_dir": folder,
            "users_file": folder / "users.toml",
            "gateway": {
                "address": "localhost:1",
                "enrolment_address": "localhost:2",
                "roots_file": folder / "roots.pem",
                "verify_key_file": folder / "gateway.pub",
                "trustee_verify_key_file": folder / "trustee.pub",
                "audit_verify_key_file": folder / "audit.pub",
            },
            "policy": {"bundle_dir": folder / "bundle", "bundle_key_file": folder / "authority.pub"},
        }
    )
    return list(check_node(settings))


def test_check_config_warns_of_what_nobody_holds_and_says_nothing_where_all_is_held(tmp_path: Path) -> None:
    person = '[[user]]\nid = "a"\nname = "A"\nrole = "dsl"\ntraining_expires = 2027-03-31\n'
    other = person.replace('"a"', '"b"')
    alone = checked(tmp_path, person)
    alone_they_decide = '"designated_officer", "shielded_persons"'
    held = person + f'grants = ["auditor", "caldicott_guardian", "dpo", {alone_they_decide}]\n'
    together = checked(tmp_path, held + other + f"grants = [{alone_they_decide}]\n")

    assert [line for line in alone if line.startswith("warning")] == [
        "warning: nobody holds auditor, caldicott_guardian, designated_officer, dpo: alerts to them reach nobody",
        "warning: 1 more must decide referrals: what several people must agree on can never leave",
        "warning: 2 more must hold designated_officer: what they alone decide can never leave",
        "warning: 2 more must hold shielded_persons: what they alone decide can never leave",
    ]
    assert not [line for line in together if line.startswith("warning")]
    assert [line for line in alone if not line.startswith("warning")] == [
        line.replace("users: 2", "users: 1") for line in together
    ]


def _users(users: Iterable[User]) -> Users:
    return Users({user.id: user for user in users})


def _base(current: Any) -> Any:
    return cast("Any", SimpleNamespace(users=SimpleNamespace(current=current), clock=lambda: NOW))
