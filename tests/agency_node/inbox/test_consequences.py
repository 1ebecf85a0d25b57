"""Whoever decides reads beforehand what each choice will say, with titles of the grounds and England's time."""

from typing import Any

import pytest

from agency_node.answering.overlay import Overlay
from agency_node.inbox import consequences as words
from agency_node.inbox.consequences import Matter, would_say
from federation.policy.evaluator import PolicyPoint
from federation.vocabulary import Outcome
from tests.agency_node.answering.test_compelled import (
    ACCESS,
    HELD,
    HIDDEN,
    NOTHING,
    ORDER,
    QUESTIONS,
    UNKNOWN,
    asked,
    held,
)
from tests.agency_node.answering.test_desk import SILENTLY
from tests.support.node_house import NodeHouse, a_user, log_entry, number

CHILD = number(1)


def said(matter: Matter, *, people: int = 1, released: int = 0) -> dict[str, str]:
    return would_say(matter, people=people, released=released)


@pytest.mark.parametrize(
    ("matter", "release", "withhold"),
    [
        (Matter(shown=True), words.LEAVES, words.REFUSES_SHOWN),
        (Matter(shown=True, awaited=True), words.LEAVES, words.REFUSES),
        (Matter(shown=True, awaited=True, withheld=True), words.LEAVES, words.REFUSES),
        (Matter(shown=False, awaited=True, withheld=True), words.KEPT_SHUT, words.REFUSES),
        (Matter(shown=False, awaited=True), words.NOTHING_HELD, words.REFUSES),
        (Matter(shown=True, silent=True), words.NEXT_TIME, words.STAYS_UNSEEN),
    ],
)
def test_each_choice_says_what_it_leads_to(matter: Matter, release: str, withhold: str) -> None:
    assert said(matter) == {"release": release, "withhold": withhold}


def test_where_two_must_agree_it_is_said_who_is_last() -> None:
    first, last = said(Matter(shown=True), people=2), said(Matter(shown=True), people=2, released=1)
    assert first["release"] == (
        f"Nothing leaves yet: 2 people must release it, each for themselves. When they have: {words.LEAVES}"
    )
    assert last["release"] == f"2 people must release it, and you are the last of them. {words.LEAVES}"
    assert first["withhold"] == last["withhold"] == f"{words.REFUSES_SHOWN} One who withholds is enough."


@QUESTIONS
async def test_what_is_announced_of_a_compelled_question_is_what_comes(node: NodeHouse, question: Any) -> None:
    await held(node)
    expected = {
        NOTHING: (words.NOTHING_HELD, Outcome.NOTHING_HELD),
        UNKNOWN: (words.NOTHING_HELD, Outcome.NOTHING_HELD),
    }
    if question is ORDER:
        expected |= {HELD: (words.LEAVES, Outcome.RECORDS), HIDDEN: (words.KEPT_SHUT, Outcome.REFUSED)}
    for child, (sentence, outcome) in expected.items():
        put, view = await asked(node, child, question)
        assert view.as_json()["would_say"]["release"].endswith(sentence)
        assert ("2 people" in view.as_json()["would_say"]["release"]) is (question is ACCESS)
        for user in ("dsl", "head")[: view.referral.people]:
            await node.decisions.decide(user, view.referral.referral_id, decision="release", reason="Needed.")
        assert (await node.decisions.show("dsl", view.referral.referral_id)).as_json()["would_say"] == {}
        reply = await node.answering.answer(put.task.task_id)
        assert reply.answer is not None
        assert put.opened(reply.answer).outcome is outcome


async def test_a_silent_referral_says_that_nothing_is_seen(node: NodeHouse) -> None:
    node.users[:] = [a_user("dsl")]
    node.federation.parties["testshire-school"].kind = "sexual_health_service"
    node.federation.publish()
    node.sources[0].hold(CHILD, log_entry(CHILD, category="sexual_health", type="sexual_health", fields={}))
    await node.caseload.update()
    put = node.federation.ask(CHILD, **SILENTLY)
    await node.accept(put.task)
    await node.answering.answer(put.task.task_id)

    (view,) = await node.decisions.waiting("dsl")

    assert view.as_json()["would_say"] == {"release": words.NEXT_TIME, "withhold": words.STAYS_UNSEEN}


async def test_grounds_have_titles_and_times_are_englands(node: NodeHouse, policy: PolicyPoint) -> None:
    node.users[:] = [a_user("dsl")]
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()
    put = node.federation.ask(CHILD, expiry_s=3_600)
    await node.accept(put.task)
    await node.answering.answer(put.task.task_id)

    (view,) = await node.decisions.waiting("dsl")
    shown = view.as_json()

    assert (shown["opened"], shown["opened_at"]) == ("2026-11-22T10:00:00+00:00", view.referral.opened_at)
    assert shown["query"]["expires"] == "2026-11-22T11:00:00+00:00"
    assert (shown["decided"], shown["decided_at"]) == ("", 0)
    titles = {code: row.title for code, row in policy.catalogue.review_reasons.items()}
    assert all(titles.values())
    for decision, grounds in shown["grounds"].items():
        assert grounds == {code: titles[code] for code in grounds}, decision
        assert grounds
