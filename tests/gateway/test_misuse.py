"""Misuse at the gateway: what nodes refused and say, and what the gateway refused itself."""

from typing import Any

import pytest
from pydantic import ValidationError

from federation import limits
from federation.actor import Actor
from federation.canonical import from_json, to_canonical
from federation.correlation_id import CorrelationId
from federation.counters import HOUR_S
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.misuse import MisuseNotice
from gateway.misuse import WEEK_S
from gateway.store.misuse import stored_content
from keys import domains
from keys.digest import sha256
from tests.support.gateway_world import CSC, POLICE, SCHOOL, World
from tests.support.misuse import a_notice, signed
from tests.support.two_agencies import NOW

NEVER = "STAFF_CURIOSITY"
"""A purpose that is never permitted."""


def notice(world: World, agency: str = CSC, **changes: Any) -> tuple[bytes, bytes]:
    return signed(world.secrets.parties[agency].signing, agency, **changes)


async def refused(world: World, content: bytes, signature: bytes, *, agency: str = CSC) -> ErrorCode:
    with pytest.raises(WardgateError) as caught:
        await world.misuse.report(agency, content, signature, CorrelationId.mint())
    assert await world.entries(EntryKind.MISUSE_REPORTED) == []
    assert await world.count("misuse") == 0
    return caught.value.code


# -- notices ----------------------------------------------------------------------------------------------------------


async def test_a_notice_becomes_an_entry_and_an_alarm(stored_world: World, caplog: pytest.LogCaptureFixture) -> None:
    content, signature = notice(stored_world)

    await stored_world.misuse.report(CSC, content, signature, CorrelationId.mint())

    (entry,) = await stored_world.entries(EntryKind.MISUSE_REPORTED)
    assert (entry.actor, entry.query_id) == (Actor.agency(CSC), None)
    assert {name: entry.body[name] for name in ("refused_by", "refused_at", "user_ref", "role", "purpose")} == {
        "refused_by": "node",
        "refused_at": NOW,
        "user_ref": "a" * 32,
        "role": "team_manager",
        "purpose": NEVER,
    }
    assert (entry.body["area"], entry.body["reason"]) == ("testshire", "PURPOSE_NEVER_PERMITTED")
    assert caplog.text.count("MISUSE_REPORTED") == 1
    assert await stored_world.misuse.recent() == {CSC: 1}


async def test_a_notice_that_comes_again_is_taken_once(stored_world: World, caplog: pytest.LogCaptureFixture) -> None:
    content, signature = notice(stored_world)

    for _ in range(3):
        await stored_world.misuse.report(CSC, content, signature, CorrelationId.mint())

    assert len(await stored_world.entries(EntryKind.MISUSE_REPORTED)) == await stored_world.count("misuse") == 1
    assert caplog.text.count("MISUSE_REPORTED") == 1


async def test_another_notice_under_the_same_id_is_refused(world: World) -> None:
    first = a_notice()
    await world.misuse.report(CSC, *notice(world, notice_id=first.notice_id), CorrelationId.mint())

    with pytest.raises(WardgateError) as caught:
        await world.misuse.report(CSC, *notice(world, notice_id=first.notice_id, role="dsl"), CorrelationId.mint())

    assert caught.value.code is ErrorCode.REPLAYED
    assert len(await world.entries(EntryKind.MISUSE_REPORTED)) == 1


async def test_an_agency_speaks_of_itself_alone(world: World) -> None:
    others = notice(world, SCHOOL)

    assert await refused(world, *others, agency=CSC) is ErrorCode.NOT_AUTHORISED


async def test_the_signature_of_another_agency_is_refused(world: World) -> None:
    content, _ = notice(world)
    _, signature = signed(world.secrets.parties[SCHOOL].signing, CSC)

    assert await refused(world, content, signature) is ErrorCode.SIGNATURE_REJECTED


async def test_a_key_of_another_version_is_refused(world: World) -> None:
    assert await refused(world, *notice(world, key_version=2)) is ErrorCode.SIGNATURE_REJECTED


async def test_what_is_too_old_or_of_the_future_is_refused(world: World) -> None:
    for at in (NOW - limits.MAX_NOTICE_AGE_S - 1, NOW + limits.MAX_CLOCK_SKEW_S + 1):
        assert await refused(world, *notice(world, at=at)) is ErrorCode.QUERY_EXPIRED


@pytest.mark.parametrize("name", ["role", "purpose", "reason", "user_ref"])
async def test_a_word_that_the_bundle_does_not_know_is_neither_said_nor_kept(
    stored_world: World, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    typed = "Ask.about.Sam"
    content, signature = notice(stored_world, **{name: typed})

    for _ in range(2):
        await stored_world.misuse.report(CSC, content, signature, CorrelationId.mint())

    (entry,) = await stored_world.entries(EntryKind.MISUSE_REPORTED)
    assert entry.body[name] == "unknown"
    assert entry.body["notice_sha256"] == sha256(content).hex()
    assert await stored_content(stored_world.engine, entry.body["notice_id"]) == sha256(content)
    assert typed not in caplog.text
    assert typed not in str(entry)
    other = notice(stored_world, notice_id=entry.body["notice_id"], **{name: "Another.word"})
    with pytest.raises(WardgateError, match="REPLAYED"):
        await stored_world.misuse.report(CSC, *other, CorrelationId.mint())


async def test_a_notice_in_known_words_is_kept_as_it_was_signed(world: World) -> None:
    for purpose in [NEVER, "S47_ENQ"]:
        content, signature = notice(world, purpose=purpose)
        await world.misuse.report(CSC, content, signature, CorrelationId.mint())
        assert await stored_content(world.engine, MisuseNotice.parse(content).notice_id) == content


@pytest.mark.parametrize("count", [1, 2, 2**40])
async def test_the_entry_says_how_many_attempts_there_were(
    world: World, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    await world.misuse.report(CSC, *notice(world, count=count), CorrelationId.mint())

    (entry,) = await world.entries(EntryKind.MISUSE_REPORTED)
    assert entry.body["count"] == count
    assert [record for record in caplog.records if str(count) in record.getMessage()]


@pytest.mark.parametrize("count", [0, -1, 2**40 + 1])
def test_a_notice_of_no_attempt_is_none(count: int) -> None:
    with pytest.raises(ValidationError):
        a_notice(count=count)


async def test_a_notice_without_a_count_is_of_one_attempt(world: World) -> None:
    older = from_json(a_notice().canonical(), max_bytes=2048, what="notice")
    del older["count"]
    content = to_canonical(older)
    signature = world.secrets.parties[CSC].signing.sign(domains.MISUSE_NOTICE, content)

    await world.misuse.report(CSC, content, signature, CorrelationId.mint())

    (entry,) = await world.entries(EntryKind.MISUSE_REPORTED)
    assert entry.body["count"] == 1


async def test_an_area_that_nobody_works_in_does_not_reach_the_ledger(world: World) -> None:
    await world.misuse.report(CSC, *notice(world, area="9990000018"), CorrelationId.mint())

    (entry,) = await world.entries(EntryKind.MISUSE_REPORTED)
    assert entry.body["area"] == ""


async def test_a_node_cannot_flood_the_ledger_and_loses_nothing_by_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_NOTICES_PER_HOUR", 3)
    first = notice(world)
    for content, signature in [first, notice(world), notice(world)]:
        await world.misuse.report(CSC, content, signature, CorrelationId.mint())
    one_more = notice(world)

    with pytest.raises(WardgateError) as caught:
        await world.misuse.report(CSC, *one_more, CorrelationId.mint())

    assert caught.value.code is ErrorCode.REPORTS_EXCEEDED
    assert len(await world.entries(EntryKind.MISUSE_REPORTED)) == 3
    await world.misuse.report(CSC, *first, CorrelationId.mint())  # what was taken is acknowledged all the same
    await world.misuse.report(SCHOOL, *notice(world, SCHOOL), CorrelationId.mint())  # and others are heard
    world.clock.now += HOUR_S
    await world.misuse.report(CSC, *one_more, CorrelationId.mint())
    assert len(await world.entries(EntryKind.MISUSE_REPORTED)) == 5


async def test_without_the_ledger_no_notice_is_taken(world: World) -> None:
    content, signature = notice(world)
    await world.break_ledger()
    with pytest.raises(WardgateError) as caught:
        await world.misuse.report(CSC, content, signature, CorrelationId.mint())
    assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE
    await world.mend_ledger()
    assert await world.count("misuse") == 0

    await world.misuse.report(CSC, content, signature, CorrelationId.mint())
    assert await world.count("misuse") == 1


async def test_the_operator_sees_a_week(world: World) -> None:
    await world.misuse.report(CSC, *notice(world), CorrelationId.mint())
    world.clock.now += WEEK_S - 1
    await world.misuse.report(SCHOOL, *notice(world, SCHOOL, at=int(world.clock.now)), CorrelationId.mint())
    assert await world.misuse.recent() == {CSC: 1, SCHOOL: 1}

    world.clock.now += 1

    assert await world.misuse.recent() == {SCHOOL: 1}


# -- what the gateway refuses itself ----------------------------------------------------------------------------------


async def test_misuse_that_a_node_let_through_is_recorded_all_the_same(
    stored_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    composed = stored_world.composed(purpose=NEVER)

    admission = await stored_world.put(composed)

    assert admission.effect == "deny"
    (entry,) = await stored_world.entries(EntryKind.MISUSE_REPORTED)
    assert (entry.actor, entry.query_id) == (Actor.agency(CSC), composed.header.query_id)
    body = entry.body
    assert (body["refused_by"], body["purpose"], body["reason"]) == ("gateway", NEVER, "PURPOSE_NEVER_PERMITTED")
    assert (body["user_ref"], body["decision_id"]) == ("a" * 32, admission.decision_id)
    assert caplog.text.count("MISUSE_REPORTED") == 1
    assert await stored_world.misuse.recent() == {CSC: 1}
    again = stored_world.stream(composed)
    await again.opening()
    await again.aclose()
    assert len(await stored_world.entries(EntryKind.MISUSE_REPORTED)) == 1


async def test_an_ordinary_refusal_and_an_ordinary_query_are_no_misuse(world: World) -> None:
    stream = world.stream(world.composed(requester=SCHOOL, targets=[CSC, POLICE]), requester=SCHOOL)
    refusal = await stream.opening()
    await stream.aclose()
    granted = await world.put(world.composed())

    assert (refusal.effect, granted.effect) == ("deny", "permit")
    assert await world.entries(EntryKind.MISUSE_REPORTED) == []


async def test_an_alert_on_a_query_that_is_permitted_is_no_misuse(world: World) -> None:
    for _ in range(101):
        world.counters.add(CSC, "a" * 32, broke_glass=False)

    admission = await world.put(world.composed())

    assert admission.effect == "permit"
    (entry,) = await world.entries(EntryKind.QUERY_ADMITTED)
    assert "alert" in {item["type"] for item in entry.body["decision"]["obligations"]}
    assert await world.entries(EntryKind.MISUSE_REPORTED) == []


async def test_what_the_gateway_refuses_does_not_use_up_what_a_node_may_report(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_NOTICES_PER_HOUR", 1)
    await world.put(world.composed(purpose=NEVER))

    await world.misuse.report(CSC, *notice(world), CorrelationId.mint())

    assert len(await world.entries(EntryKind.MISUSE_REPORTED)) == 2
