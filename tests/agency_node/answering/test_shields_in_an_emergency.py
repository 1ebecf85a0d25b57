"""Each flag that shields elsewhere, asked about in an emergency with break-glass: what is seen at once, and what then.

Over the shipped bundle: which flags these are is read from it, and each must be here.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from agency_node.answering.desk import Reply
from agency_node.sources.record import ContactLevel, Relation
from agency_node.store.tables import TaskState
from federation.answer import Answer
from federation.vocabulary import Outcome, Tier, Urgency
from tests.support.node_house import NodeHouse, log_entry, number
from tests.support.two_agencies import Put

CHILD = number(1)
EXPIRY_S = 4 * 3600
ASKED: dict[str, Any] = {
    "purpose": "S47_EMERG",
    "role": "social_worker",
    "urgency": Urgency.EMERGENCY,
    "break_glass": "immediate_danger",
    "attestations": ("immediate_danger", "immediate_risk_only"),
    "categories": (("safeguarding_log", "T2"),),
    "expiry_s": EXPIRY_S,
}


@dataclass(frozen=True)
class Expected:
    """What a person's release gives, or what is given at once where nobody need decide."""

    tier: Tier
    waits: bool = True
    of_an_adult: bool = False


FLAGS = {
    "CPS_LIVE": Expected(Tier.T1, waits=False),
    "SUB_JUDICE": Expected(Tier.T1, waits=False),
    "COMPETENT_CONFIDENCE": Expected(Tier.T2),
    "COURT_RESTRICT": Expected(Tier.T2),
    "CONFLICT_INTEREST": Expected(Tier.T2),
    "HIV_STI": Expected(Tier.T0),
    "SEX_HEALTH": Expected(Tier.T0),
    "ABORTION": Expected(Tier.T0),
    "SUBST_MISUSE": Expected(Tier.T1, of_an_adult=True),
    "MENTAL_HEALTH_ADULT": Expected(Tier.T1, of_an_adult=True),
}
WAITING = sorted(flag for flag, expected in FLAGS.items() if expected.waits)


async def asked(node: NodeHouse, flag: str) -> tuple[Put, Reply]:
    """A question about a child with one record under this flag."""
    about = {"relation": Relation.PARENT, "contact_level": ContactLevel.LIVES_WITH} if FLAGS[flag].of_an_adult else {}
    node.sources[0].hold(CHILD, log_entry(CHILD, flags=frozenset({flag}), **about))
    await node.caseload.update()
    put = node.federation.ask(CHILD, now=node.clock(), **ASKED)
    assert await node.accept(put.task) is TaskState.ACCEPTED
    return put, await node.answering.answer(put.task.task_id)


async def answer_of(node: NodeHouse, put: Put) -> Answer:
    reply = await node.answering.answer(put.task.task_id)
    assert reply.answer is not None
    return put.opened(reply.answer)


async def decide(node: NodeHouse, decision: str, ground: str) -> None:
    (view,) = await node.decisions.waiting("dsl")
    await node.decisions.decide(
        "dsl", view.referral.referral_id, decision=decision, ground=ground, reason="Weighed with the clinician."
    )


async def test_every_flag_that_shields_is_here(node: NodeHouse) -> None:
    flags = node.responder.policy.catalogue.flags
    assert set(FLAGS) == {code for code, row in flags.items() if row["refer"]["shields"]}


@pytest.mark.parametrize("flag", sorted(set(FLAGS) - set(WAITING)))
async def test_what_nobody_need_decide_is_given_at_once_lowered(node: NodeHouse, flag: str) -> None:
    put, reply = await asked(node, flag)

    assert reply.answer is not None
    answer = put.opened(reply.answer)
    assert [(record.category, record.tier) for record in answer.records] == [("safeguarding_log", FLAGS[flag].tier)]
    assert "entry_text" not in answer.records[0].fields
    assert await node.decisions.waiting("dsl") == []


@pytest.mark.parametrize("flag", WAITING)
async def test_within_the_deadline_it_is_seen_that_a_person_decides(node: NodeHouse, flag: str) -> None:
    _, reply = await asked(node, flag)

    assert (reply.state, reply.answer) == (TaskState.REFERRED, None)


@pytest.mark.parametrize("flag", WAITING)
async def test_what_a_person_releases_is_given_while_the_question_lives(node: NodeHouse, flag: str) -> None:
    put, _ = await asked(node, flag)

    await decide(node, "release", "considered")

    answer = await answer_of(node, put)
    assert (answer.outcome, [record.tier for record in answer.records]) == (Outcome.RECORDS, [FLAGS[flag].tier])


@pytest.mark.parametrize("flag", WAITING)
async def test_what_a_person_withholds_is_refused_and_never_absent(node: NodeHouse, flag: str) -> None:
    put, _ = await asked(node, flag)

    await decide(node, "withhold", "more_detrimental")

    answer = await answer_of(node, put)
    assert (answer.outcome, answer.records) == (Outcome.REFUSED, [])


@pytest.mark.parametrize("flag", WAITING)
async def test_what_nobody_decides_is_undecided_and_never_absent(node: NodeHouse, flag: str) -> None:
    put, _ = await asked(node, flag)
    node.clock.now += EXPIRY_S - 30

    answer = await answer_of(node, put)

    assert (answer.outcome, answer.undecided, answer.records) == (Outcome.UNDECIDED, True, [])
