"""What a human decides, who may, and what the ledger keeps of it."""

import asyncio
import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select

from agency_node.answering.overlay import Overlay
from agency_node.store.tables import ReferralState, metadata
from agency_node.vault import Kind
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.ledger.journal import Journal
from keys.digest import opens_commitment
from tests.support.node_house import TEXT, NodeHouse, a_user, log_entry, number

CHILD = number(1)
REASON = "Mother would learn of it through the school."
REFERRAL = metadata.tables["referral"]


@pytest.fixture
async def referral_id(node: NodeHouse) -> str:
    """A referral that waits."""
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = node.federation.ask(CHILD)
    await node.accept(put.task)
    await node.answering.answer(put.task.task_id)
    return (await node.decisions.waiting("dsl"))[0].referral.referral_id


async def decide(node: NodeHouse, referral_id: str, user: str = "dsl", **changes: Any) -> None:
    await node.decisions.decide(
        user, referral_id, **{"decision": "withhold", "ground": "more_detrimental", "reason": REASON, **changes}
    )


async def test_an_entitled_person_sees_the_records_and_who_asks_why(node: NodeHouse, referral_id: str) -> None:
    view = await node.decisions.show("dsl", referral_id)

    shown = view.as_json()
    assert shown["child"] == CHILD.canonical()
    assert shown["records"][0]["fields"]["entry_text"] == TEXT
    assert (shown["query"]["requester_name"], shown["query"]["purpose"]) == ("Testshire Csc", "S47_ENQ")
    assert next(iter(shown["reasons"].values())) == ["LOCAL_RULE_REFERS"]
    assert TEXT not in repr(view)
    assert CHILD.canonical() not in repr(view) + repr(view.content)


async def test_a_decision_stands_in_the_ledger_with_a_commitment_to_its_reason(
    node: NodeHouse, referral_id: str
) -> None:
    await decide(node, referral_id)

    body = (await node.entries(EntryKind.REFERRAL_DECIDED))[0]
    async with node.engine.connect() as connection:
        row = (await connection.execute(select(REFERRAL))).one()
    assert (body["decision"], body["role"], row.state) == ("withhold", "dsl", ReferralState.WITHHELD)
    assert opens_commitment(body["reason_commitment"], row.reason_salt, REASON.encode())
    assert node.vault.open(Kind.REASON, referral_id, row.reason).decode() == REASON
    assert row.decided_by == node.vault.user_ref("dsl")
    ledger = await node.ledger_text()
    assert REASON not in ledger
    assert "Okoro" not in ledger


async def test_a_decision_is_made_once(node: NodeHouse, referral_id: str) -> None:
    await decide(node, referral_id)

    with pytest.raises(WardgateError) as caught:
        await decide(node, referral_id, decision="release", ground="")

    assert caught.value.code is ErrorCode.REFERRAL_DECIDED
    assert (await node.decisions.show("dsl", referral_id)).referral.state is ReferralState.WITHHELD
    assert len(await node.entries(EntryKind.REFERRAL_DECIDED)) == 1


async def test_of_two_decisions_at_once_one_counts(node: NodeHouse, referral_id: str) -> None:
    node.users.append(a_user("head", role="headteacher"))

    results = await asyncio.gather(
        decide(node, referral_id, "dsl", decision="release", ground=""),
        decide(node, referral_id, "head", decision="withhold"),
        return_exceptions=True,
    )

    failed = [result for result in results if result is not None]
    assert len(failed) == 1
    assert isinstance(failed[0], WardgateError)
    assert failed[0].code is ErrorCode.REFERRAL_DECIDED
    assert len(await node.entries(EntryKind.REFERRAL_DECIDED)) == len(node.decided) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"role": "voluntary_practitioner"}, ErrorCode.NOT_AUTHORISED),
        ({"conflicted": True}, ErrorCode.NOT_AUTHORISED),
        ({"supervised": True}, ErrorCode.NOT_AUTHORISED),
        ({"training_expires": dt.date(2026, 11, 21)}, ErrorCode.NOT_AUTHORISED),
        ({"employment_ends": dt.date(2026, 11, 21)}, ErrorCode.USER_UNKNOWN),
        ({"training_expires": dt.date(2026, 11, 22)}, None),
        ({"employment_ends": dt.date(2026, 11, 22)}, None),
        ({"role": "voluntary_practitioner", "grants": ("decide_referrals",)}, None),
    ],
)
async def test_who_may_see_and_decide(
    node: NodeHouse, referral_id: str, changes: dict[str, Any], code: ErrorCode | None
) -> None:
    node.users[:] = [a_user(**changes)]

    if code is None:
        await decide(node, referral_id)
        return
    for verb in (
        node.decisions.waiting("dsl"),
        node.decisions.show("dsl", referral_id),
        node.decisions.decide("dsl", referral_id, decision="release", reason=REASON),
    ):
        with pytest.raises(WardgateError) as caught:
            await verb
        assert caught.value.code is code
    assert await node.entries(EntryKind.REFERRAL_DECIDED) == []


async def test_a_user_who_is_not_in_the_file_is_unknown(node: NodeHouse, referral_id: str) -> None:
    with pytest.raises(WardgateError, match="USER_UNKNOWN"):
        await decide(node, referral_id, "nobody")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"decision": "maybe"}, ErrorCode.MESSAGE_MALFORMED),
        ({"reason": "  \n"}, ErrorCode.MESSAGE_MALFORMED),
        ({"reason": "x" * 4_001}, ErrorCode.MESSAGE_TOO_LARGE),
        ({"reason": "x" * 4_000}, None),
    ],
)
async def test_a_decision_has_a_verdict_and_a_reason_of_a_page_at_most(
    node: NodeHouse, referral_id: str, changes: dict[str, str], code: ErrorCode | None
) -> None:
    if code is None:
        await decide(node, referral_id, **changes)
        return
    with pytest.raises(WardgateError) as caught:
        await decide(node, referral_id, **changes)
    assert caught.value.code is code
    assert len(await node.decisions.waiting("dsl")) == 1


async def test_a_referral_that_is_none_is_unknown(node: NodeHouse) -> None:
    with pytest.raises(WardgateError, match="REFERRAL_UNKNOWN"):
        await decide(node, "0b0e5f0c-3a53-4b57-9b43-3d2f9a1c7e11")


async def test_without_a_ledger_nothing_is_decided(
    node: NodeHouse, referral_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise WardgateError(ErrorCode.LEDGER_UNAVAILABLE, "test")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "record", fails)
        with pytest.raises(WardgateError, match="LEDGER_UNAVAILABLE"):
            await decide(node, referral_id)

    assert node.decided == []
    await decide(node, referral_id)
    assert len(node.decided) == 1


async def test_a_decision_whose_answer_was_never_made_is_found_after_a_restart(
    node: NodeHouse, referral_id: str
) -> None:
    await decide(node, referral_id, decision="release", ground="")

    unfinished = await node.answering.unfinished()

    assert [(task.state, task.referral_state) for task in unfinished] == [("referred", ReferralState.RELEASED)]
    assert (await node.answering.answer(unfinished[0].task_id)).answer is not None
