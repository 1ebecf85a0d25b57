from typing import Any

from agency_node.answering.duties import Contacts, alerts, contact_for, each_once, is_shielded
from federation.answer import Contact
from federation.policy.results import Obligation

DUTY = Contact(name="Duty desk", role="DSL", phone="01632 960001")


def obligation(name: str, kind: str = "handling", **params: Any) -> Obligation:
    return Obligation(id=name, type=kind, mandatory=True, params=params)


def test_an_alert_names_its_recipients_and_whether_it_is_silent() -> None:
    silent = obligation("silent_alert", "alert", to=["designated_officer"], silent=True)
    loud = obligation("alert_break_glass", "alert", to=["caldicott_guardian", "auditor"])

    due = alerts([silent, loud, obligation("no_tip_off")])

    assert [(item.obligation, item.recipients, item.silent) for item in due] == [
        ("silent_alert", ("designated_officer",), True),
        ("alert_break_glass", ("caldicott_guardian", "auditor"), False),
    ]


def test_each_obligation_counts_once() -> None:
    assert [item.id for item in each_once([[obligation("b"), obligation("a")], [obligation("b")]])] == ["a", "b"]


def test_without_a_relay_a_protected_place_gives_no_contact() -> None:
    assert contact_for(Contacts(duty=DUTY), [obligation("relay_contact")]) is None
    assert contact_for(Contacts(duty=DUTY), []) == DUTY


def test_a_referral_is_shielded_by_its_obligation_alone() -> None:
    assert is_shielded([obligation("shield_existence")])
    assert not is_shielded([obligation("no_tip_off")])
