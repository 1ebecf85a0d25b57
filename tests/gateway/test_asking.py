"""A query comes in: what is admitted, what is refused, and what is stored of either."""

import asyncio
from typing import Any

import pytest

from federation import limits
from federation.canonical import to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.policy_input import query_input
from federation.query import Period, Ticket, verify_begun
from federation.wire.v1 import query_pb2 as wire
from keys import domains
from keys.digest import random_salt, sha256
from keys.signing import SigningKey
from tests.support.gateway_world import (
    CSC,
    FARAWAY,
    OTHER_CHILD,
    POLICE,
    SCHOOL,
    World,
    altered,
    checked_admission,
    resigned,
    tasks_in,
)


async def nothing_stored(world: World) -> None:
    assert await world.count("query") == await world.count("task") == await world.count("decision_input") == 0
    assert await world.entries(EntryKind.QUERY_ADMITTED, EntryKind.QUERY_REFUSED) == []


@pytest.mark.parametrize(("justification", "effect"), [("x", "permit"), (" \n", "deny"), ("", "deny")])
async def test_a_query_that_needs_a_reason_in_words_is_refused_without_one_whatever_its_node_let_through(
    stored_world: World, justification: str, effect: str
) -> None:
    stream = stored_world.stream(stored_world.composed(justification=justification))
    admission = await stream.opening()
    await stream.aclose()

    assert admission.effect == effect
    missing = {reason.code for reason in admission.reasons} & {"JUSTIFICATION_MISSING"}
    assert bool(missing) is (effect == "deny")


async def test_an_admission_does_not_tell_that_auditors_are_alerted_and_the_record_does(stored_world: World) -> None:
    for _ in range(99):
        stored_world.counters.add(CSC, "a" * 32, broke_glass=False)
    admissions = []
    for _ in range(2):  # the hundredth query of the day, and the hundred and first
        stream = stored_world.stream(stored_world.composed())
        admissions.append(await stream.opening())
        await stream.aclose()

    hundredth, next_one = admissions
    assert (hundredth.reasons, hundredth.obligations) == (next_one.reasons, next_one.obligations)
    entries = await stored_world.entries(EntryKind.QUERY_ADMITTED)
    assert [b'"audience":"auditor"' in to_canonical(entry.body) for entry in entries] == [False, True]


async def test_a_target_that_policy_does_not_permit_gets_no_task_and_no_byte(stored_world: World) -> None:
    world, sessions = stored_world, {}
    for agency in (SCHOOL, POLICE, FARAWAY):
        sessions[agency] = world.attach(agency)
        tasks_in(sessions[agency])
    composed = world.composed()
    stream = world.stream(composed)
    await stream.opening()

    decisions = checked_admission(world, composed, stream.read[0])
    await stream.aclose()

    assert {name: found.effect for name, found in decisions.items()} == {
        SCHOOL: "permit",
        POLICE: "permit",
        FARAWAY: "deny",
    }
    assert sessions[FARAWAY].outbox.empty()
    assert world.answers.tasks_for(FARAWAY) == []
    assert await world.links.claim(world.attach(FARAWAY), world.answers.tasks_for(FARAWAY), wait_s=0) == ([], [])
    assert world.trustee.asked == [[POLICE, SCHOOL]]
    for agency in (SCHOOL, POLICE):
        (task,) = tasks_in(sessions[agency])
        assert (task.header, task.part.responder) == (composed.request.header, agency)
        own = {part.responder: part for part in composed.request.parts}
        others = [part for name, part in own.items() if name != agency]
        assert not any(part.sealed in task.SerializeToString() for part in others)
        assert not any(part.blinded in task.SerializeToString() for part in own.values())
        assert not any(part.salt in task.SerializeToString() for part in own.values())


async def test_permitted_categories_are_those_that_the_responder_keeps(world: World) -> None:
    composed = world.composed()
    stream = world.stream(composed)
    await stream.opening()
    decisions = checked_admission(world, composed, stream.read[0])
    await stream.aclose()

    assert {item.name for item in decisions[SCHOOL].categories} == {"safeguarding_log", "attendance"}
    assert {item.name for item in decisions[POLICE].categories} == {"police_known"}
    assert decisions[FARAWAY].categories == []
    assert [reason.code for reason in decisions[FARAWAY].reasons] == ["TARGET_OUTSIDE_AREA"]


async def test_an_admission_is_signed_and_every_decision_is_bound_to_it(world: World) -> None:
    composed = world.composed()
    stream = world.stream(composed)
    await stream.opening()
    event = stream.read[0]
    await stream.aclose()
    checked_admission(world, composed, event)

    forged = wire.QueryEvent.FromString(event.SerializeToString())
    forged.admission.signature = SigningKey.generate().sign(domains.ADMISSION, forged.admission.admission)
    with pytest.raises(WardgateError) as caught:
        checked_admission(world, composed, forged)
    assert caught.value.code is ErrorCode.SIGNATURE_REJECTED

    swapped = wire.QueryEvent.FromString(event.SerializeToString())
    denied = next(item for item in swapped.admission.decisions if item.responder == FARAWAY)
    denied.decision = denied.decision.replace(b'"deny"', b'"permit"')
    with pytest.raises(WardgateError) as caught:
        checked_admission(world, composed, swapped)
    assert caught.value.code is ErrorCode.SIGNATURE_REJECTED

    with pytest.raises(WardgateError) as caught:
        checked_admission(world, world.composed(), event)
    assert caught.value.code is ErrorCode.SIGNATURE_REJECTED


async def test_the_same_query_put_twice_is_admitted_once(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    first, second = world.stream(composed), world.stream(composed)
    await asyncio.gather(first.opening(), second.opening())
    third = world.stream(composed)
    await third.opening()
    for stream in (first, second, third):
        await stream.aclose()

    assert first.read[0] == second.read[0] == third.read[0]
    assert len(await world.entries(EntryKind.QUERY_ADMITTED)) == 1
    assert (await world.count("query"), await world.count("task")) == (1, 2)
    assert len(world.trustee.asked) == 1


async def test_a_query_that_failed_can_be_put_again_by_many_and_is_admitted_once(world: World) -> None:
    composed = world.composed()
    world.trustee.down = True
    assert await world.refusal(composed.request) is ErrorCode.TRUSTEE_UNAVAILABLE
    world.trustee.down = False
    streams = [world.stream(composed) for _ in range(5)]
    await asyncio.gather(*(stream.opening() for stream in streams))
    for stream in streams:
        await stream.aclose()
    assert len(world.trustee.asked) == 1
    assert len(await world.entries(EntryKind.QUERY_ADMITTED)) == 1


async def test_the_same_id_with_other_bytes_is_a_conflict(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    await world.put(composed)
    other = world.composed(query_id=composed.header.query_id)
    assert await world.refusal(other.request) is ErrorCode.QUERY_CONFLICT
    assert await world.count("query") == 1


async def test_a_wholly_refused_query_is_recorded_once_and_keeps_no_points(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed(targets=[FARAWAY])
    stream = world.stream(composed)
    record = await stream.opening()
    (settled,) = await stream.rest()
    assert (record.effect, settled.settled.final) == ("deny", True)

    again = world.stream(composed)
    assert await again.opening() == record
    await again.rest()
    assert len(await world.entries(EntryKind.QUERY_REFUSED)) == 1
    assert await world.entries(EntryKind.QUERY_ADMITTED) == []
    assert await world.count("task") == 0
    assert world.trustee.asked == []


def _one_bit(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


async def test_a_bad_signature_stores_nothing(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    request = altered(composed, signature=_one_bit(composed.request.signature))
    assert await world.refusal(request) is ErrorCode.SIGNATURE_REJECTED
    await nothing_stored(world)


async def test_a_query_signed_with_another_agencys_key_is_refused(world: World) -> None:
    composed = world.composed(key=world.secrets.parties[SCHOOL].signing)
    assert await world.refusal(composed.request) is ErrorCode.SIGNATURE_REJECTED
    await nothing_stored(world)


async def test_another_agencys_query_is_refused(world: World) -> None:
    assert await world.refusal(world.composed().request, requester=SCHOOL) is ErrorCode.NOT_AUTHORISED
    await nothing_stored(world)


@pytest.mark.parametrize(
    ("shift_s", "code"),
    [
        (-3_600, ErrorCode.QUERY_EXPIRED),
        (-3_599, None),
        (limits.MAX_CLOCK_SKEW_S + 1, ErrorCode.QUERY_EXPIRED),
        (limits.MAX_CLOCK_SKEW_S, None),
    ],
)
async def test_expired_and_future_queries_are_refused(world: World, shift_s: int, code: ErrorCode | None) -> None:
    composed = world.composed(now=int(world.clock()) + shift_s, expiry_s=3_600)
    if code is None:
        assert (await world.put(composed)).effect == "permit"
        return
    assert await world.refusal(composed.request) is code
    await nothing_stored(world)


@pytest.mark.parametrize(
    ("day", "code"),
    [
        ("2026-11-22", None),
        ("2026-11-23", ErrorCode.PERIOD_INVALID),
    ],
)
async def test_a_period_does_not_begin_in_the_future(world: World, day: str, code: ErrorCode | None) -> None:
    composed = world.composed(start=day)
    if code is None:
        assert (await world.put(composed)).effect == "permit"
        return
    assert await world.refusal(composed.request) is code
    await nothing_stored(world)


def test_a_clock_that_is_ahead_may_have_begun_the_next_day() -> None:
    midnight, next_day = 1_795_392_000, Period(start="2026-11-23", end="2026-11-23")
    verify_begun(next_day, midnight)
    verify_begun(next_day, midnight - limits.MAX_CLOCK_SKEW_S)
    with pytest.raises(WardgateError) as caught:
        verify_begun(next_day, midnight - limits.MAX_CLOCK_SKEW_S - 1)
    assert caught.value.code is ErrorCode.PERIOD_INVALID
    assert "2026-11-23" in caught.value.detail


@pytest.mark.parametrize("life_s", [limits.MAX_QUERY_LIFE_S, limits.MAX_QUERY_LIFE_S + 1])
async def test_no_query_lives_longer_than_the_limit(world: World, life_s: int) -> None:
    composed = world.composed(expiry_s=life_s)
    if life_s == limits.MAX_QUERY_LIFE_S:
        await world.put(composed)
        return
    assert await world.refusal(composed.request) is ErrorCode.QUERY_EXPIRED
    await nothing_stored(world)


async def test_a_deadline_outside_the_querys_life_is_refused(world: World) -> None:
    composed, key = world.composed(expiry_s=3_600), world.secrets.parties[CSC].signing
    for deadline in (composed.header.issued_at, composed.header.expires_at + 1):
        assert await world.refusal(resigned(composed, key, deadline_at=deadline)) is ErrorCode.QUERY_EXPIRED
    await nothing_stored(world)


async def test_an_unknown_target_is_named(world: World) -> None:
    composed = world.composed(targets=[SCHOOL])
    await world.desk.revoke(SCHOOL, reason_code="LEFT", operator="olga")
    assert await world.refusal(composed.request) is ErrorCode.TARGET_UNKNOWN
    await nothing_stored(world)


async def test_nobody_asks_itself_through_the_gateway(world: World) -> None:
    assert await world.refusal(world.composed(targets=[CSC, SCHOOL]).request) is ErrorCode.TARGET_UNKNOWN
    await nothing_stored(world)


async def test_an_oversize_audit_envelope_is_refused_before_any_work(world: World) -> None:
    composed = world.composed()
    request = altered(composed, audit_envelope=bytes(limits.MAX_AUDIT_ENVELOPE_BYTES + 1))
    assert await world.refusal(request) is ErrorCode.MESSAGE_TOO_LARGE
    inside = altered(composed, audit_envelope=bytes(limits.MAX_AUDIT_ENVELOPE_BYTES))
    assert await world.refusal(inside) is ErrorCode.SIGNATURE_REJECTED  # of the right size, but not the one signed
    await nothing_stored(world)


def _other_salt(parts: list[Any]) -> list[Any]:
    first, *rest = [wire.TargetPart.FromString(part.SerializeToString()) for part in parts]
    first.salt = random_salt()
    return [first, *rest]


def _short_salt(parts: list[Any]) -> list[Any]:
    first, *rest = [wire.TargetPart.FromString(part.SerializeToString()) for part in parts]
    first.salt = first.salt[:-1]
    return [first, *rest]


def _swap_parts(parts: list[Any]) -> list[Any]:
    first, second, *rest = [wire.TargetPart.FromString(part.SerializeToString()) for part in parts]
    first.sealed, second.sealed = second.sealed, first.sealed
    return [first, second, *rest]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_swap_parts, ErrorCode.SIGNATURE_REJECTED),
        (_other_salt, ErrorCode.SIGNATURE_REJECTED),
        (_short_salt, ErrorCode.MESSAGE_MALFORMED),
        (lambda parts: parts[:-1], ErrorCode.MESSAGE_MALFORMED),
        (lambda parts: [*parts, parts[0]], ErrorCode.MESSAGE_MALFORMED),
        (lambda parts: [*parts[:-1], parts[0]], ErrorCode.MESSAGE_MALFORMED),
        (lambda parts: list(parts) * 67, ErrorCode.MESSAGE_TOO_LARGE),
    ],
    ids=["swapped", "other salt", "short salt", "missing", "one more", "one twice", "too many"],
)
async def test_parts_that_were_not_signed_are_refused(world: World, change: Any, code: ErrorCode) -> None:
    composed = world.composed()
    assert await world.refusal(altered(composed, parts=change(list(composed.request.parts)))) is code
    await nothing_stored(world)


async def test_a_query_that_hands_one_part_in_twice_for_two_targets_is_malformed(world: World) -> None:
    """Everything is signed, yet one target has no part: a defect of the requester, never a failure of the gateway."""
    composed, key = world.composed(targets=[SCHOOL, POLICE]), world.secrets.parties[CSC].signing
    twice = [composed.request.parts[0]] * 2
    ticket = Ticket.parse(composed.request.ticket)
    doubled = ticket.model_copy(update={"points": [ticket.points[0]] * 2}).canonical()
    request = altered(composed, parts=twice, ticket=doubled, ticket_signature=key.sign(domains.TICKET, doubled))
    assert await world.refusal(request) is ErrorCode.MESSAGE_MALFORMED
    await nothing_stored(world)


async def test_another_querys_ticket_is_refused(world: World) -> None:
    composed, other = world.composed(), world.composed()
    request = altered(composed, ticket=other.request.ticket, ticket_signature=other.request.ticket_signature)
    assert await world.refusal(request) is ErrorCode.SIGNATURE_REJECTED
    await nothing_stored(world)


async def test_a_ticket_of_an_epoch_that_is_not_in_force_is_refused_and_never_mistranslated(world: World) -> None:
    """With two holders multiplying for different epochs the child would silently not be found."""
    composed, key = world.composed(), world.secrets.parties[CSC].signing
    ticket = Ticket.parse(composed.request.ticket)
    for changed in (
        ticket.model_copy(update={"epoch": 2}),
        ticket.model_copy(update={"points": [point.model_copy(update={"epoch": 2}) for point in ticket.points]}),
    ):
        content = changed.canonical()
        request = altered(composed, ticket=content, ticket_signature=key.sign(domains.TICKET, content))
        assert await world.refusal(request) is ErrorCode.EPOCH_UNKNOWN
    await nothing_stored(world)


async def test_without_the_ledger_nothing_is_dispatched(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    session = world.attach(SCHOOL)
    tasks_in(session)
    await world.break_ledger()
    assert await world.refusal(composed.request) is ErrorCode.LEDGER_UNAVAILABLE
    assert tasks_in(session) == []
    assert world.queries.live() == []
    await world.mend_ledger()
    await nothing_stored(world)

    await world.put(composed)
    assert len(tasks_in(session)) == 1


async def test_without_the_trustee_nothing_is_stored(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    world.trustee.down = True
    assert await world.refusal(composed.request) is ErrorCode.TRUSTEE_UNAVAILABLE
    await nothing_stored(world)
    assert world.queries.live() == []


async def test_two_queries_about_one_child_have_nothing_in_common(world: World) -> None:
    """Equal children look unequal to the gateway every time: points, envelopes and translated points."""
    seen: list[bytes] = []
    for _ in range(2):
        composed = world.composed()
        await world.put(composed)
        for part in composed.request.parts:
            seen += [part.blinded, part.salt, part.sealed]
        seen.append(composed.request.audit_envelope)
        seen += [half.step.element for half in world.trustee.given[-1]]
    seen += await world.column("task", "translated")
    seen += await world.column("task", "trustee_signature")
    assert len(seen) == len(set(seen)) == 2 * 10 + 2 * 2 + 2 * 4


async def test_equal_and_unequal_children_look_alike_in_size(world: World) -> None:
    one, other = world.composed(), world.composed(child=OTHER_CHILD)
    assert [len(part.sealed) for part in one.request.parts] == [len(part.sealed) for part in other.request.parts]
    assert len(one.request.audit_envelope) == len(other.request.audit_envelope)


async def test_the_ledger_entry_names_hashes_and_no_points(world: World) -> None:
    composed = world.composed()
    await world.put(composed)
    (entry,) = await world.entries(EntryKind.QUERY_ADMITTED)
    assert entry.body["query_sha256"] == sha256(composed.request.header).hex()
    assert entry.body["permitted"] == sorted([SCHOOL, POLICE])
    text = entry.content.decode()
    for part in composed.request.parts:
        assert part.blinded.hex() not in text


async def test_the_entry_has_all_that_policy_saw_of_the_query(world: World) -> None:
    composed = world.composed()
    await world.put(composed)

    (entry,) = await world.entries(EntryKind.QUERY_ADMITTED)

    header = composed.header
    assert entry.body["query"] == {name: value for name, value in query_input(header).items() if name != "id"}
    for name in ("break_glass", "urgency", "area", "categories", "period", "attestations", "approvals"):
        assert name in entry.body["query"]
    assert (entry.body["targets"], entry.body["case_grant"]) == (sorted(header.targets), header.case_grant)
