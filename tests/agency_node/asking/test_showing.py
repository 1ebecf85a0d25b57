"""What a person at a terminal reads of a picture."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from agency_node.asking.picture import NOTHING_HELD, build_picture
from agency_node.asking.showing import show_picture
from federation.admission import ObligationGiven
from federation.answer import Answer, Contact
from federation.canonical import JsonObject
from federation.vocabulary import Outcome, TargetState
from tests.agency_node.asking.test_picture import a_query, a_target, an_answer, record
from tests.support.catalogues import small_catalogue

DUTY = Contact(name="Duty desk", role="Duty social worker", phone="01632 960001")
CATALOGUE = small_catalogue(
    told=["stay", "keep"],
    purposes={"LEAVING": {"caution": "Clear is not safe."}},
    categories={"hold": {"title": "Hold"}},
)


def printed(picture: JsonObject) -> str:
    out = StringIO()
    show_picture(picture, Console(file=out, width=200))
    return out.getvalue()


def a_notice(name: str = "stay", kind: str = "notice") -> ObligationGiven:
    return ObligationGiven(id=name, type=kind, mandatory=True, params={})


def a_hold(**changes: Any) -> Answer:
    told = {"obligations": [a_notice()], "contact": DUTY, **changes}
    return an_answer(Outcome.RECORDS, record("", "hold")).model_copy(update=told)


def shown(answer: Answer, **query: Any) -> str:
    return printed(build_picture(a_query(**query), [a_target("Council", TargetState.ANSWERED, answer)], CATALOGUE))


def test_a_hold_is_printed_in_words_with_a_number_to_ring() -> None:
    text = shown(a_hold())
    assert "Council: Text of stay. Duty desk: 01632 960001" in text
    assert "Hold: known" in text


def test_without_a_contact_there_is_none_to_ring() -> None:
    text = shown(a_hold(contact=None))
    assert "Council: Text of stay.\n" in text.replace(" \n", "\n")
    assert "Duty desk" not in text


def test_a_notice_of_a_newer_bundle_is_printed_by_its_name_and_a_condition_of_handling_is_none() -> None:
    text = shown(a_hold(obligations=[a_notice("newer"), a_notice("keep", "handling")]))
    assert "Council: newer. Duty desk" in text
    assert "Text of keep." not in text


def test_a_category_without_a_title_is_printed_by_its_name() -> None:
    assert "enrolment: known" in shown(an_answer(Outcome.RECORDS, record("", "enrolment")))


@pytest.mark.parametrize("answer", [a_hold(), *(an_answer(outcome) for outcome in Outcome)])
def test_what_the_picture_does_not_mean_is_always_printed(answer: Answer) -> None:
    for text in (shown(answer, purpose="LEAVING"), printed(build_picture(a_query(purpose="LEAVING"), [], CATALOGUE))):
        assert NOTHING_HELD in text
        assert "Clear is not safe." in text
    assert "Clear is not safe." not in shown(answer)
