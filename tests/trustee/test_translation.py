"""Translating tickets: right to the point, once counted, idempotent, and no second ticket for one query."""

import asyncio
import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

import trustee.translation
from federation.canonical import to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.query import Ticket
from federation.translation import HalfTranslation, Refused, Route, Statement, Step, Translation, verify_step
from keys import domains, group
from keys.digest import sha256
from keys.pseudonym import HolderKeys, ScopeEpoch
from keys.secret import Secret
from tests.support.rekeying import rekey
from tests.support.signers import NOW, SignedTicket, Signer, some_elements
from tests.support.trustee_house import GATEWAY, House, OpenHouse, made
from trustee.epochs import EpochRange
from trustee.quotas import Quotas

TARGETS = ["met-police", "st-marys-school", "uclh"]
HOUR_S = 3_600


async def translate(house: House, shown: SignedTicket, responders: Sequence[str] = TARGETS) -> list[bytes]:
    return await house.translate(shown, responders)


async def refused(house: House, shown: SignedTicket, responders: Sequence[str] = TARGETS) -> ErrorCode:
    with pytest.raises(WardgateError) as caught:
        await translate(house, shown, responders)
    return caught.value.code


def whole(house: House, scope: str, elements: bytes, epoch: int = 1) -> bytes:
    """Both holders' evaluation of points in a scope."""
    halfway = house.region.gateway_holder.key(scope, epoch).multiply(elements)
    return house.region.trustee_holder.key(scope, epoch).multiply(halfway)


def camden(house: House) -> Signer:
    return house.region.signer("camden-csc")


async def test_evaluating_and_translating_is_evaluating_at_the_target(house: House) -> None:
    """What makes the exchange work: k(j)/k(i) * (k(i) * X) = k(j) * X, k being the product of both holders' keys."""
    hidden = some_elements(len(TARGETS))
    own = whole(house, "camden-csc", hidden)
    found = await translate(house, camden(house).ticket(TARGETS, elements=own))
    assert found == [whole(house, name, element) for name, element in zip(TARGETS, group.split(hidden), strict=True)]


async def test_elements_come_in_the_order_asked_for_the_targets_asked(house: House) -> None:
    shown = camden(house).ticket(TARGETS)
    police, school, hospital = await translate(house, shown)
    assert await translate(house, shown, ["uclh", "met-police"]) == [hospital, police]
    assert await translate(house, shown, ["st-marys-school"]) == [school]


@pytest.mark.parametrize("epochs", [(1, 2), (2, 1), (2, 2)])
async def test_scopes_in_different_epochs_are_translated_between_their_keys(
    open_house: OpenHouse, epochs: tuple[int, int]
) -> None:
    both = EpochRange(1, 2)
    house = await open_house(ranges={"camden-csc": both, "uclh": both})
    for name in ("camden-csc", "uclh"):
        house.region.members[name].epochs = (1, 2)
    await house.members.refresh()
    source, target = epochs
    hidden = some_elements(1)
    own = whole(house, "camden-csc", hidden, source)
    shown = camden(house).ticket(["uclh"], elements=own, epoch=source, responder_epoch=target)
    assert await translate(house, shown, ["uclh"]) == [whole(house, "uclh", hidden, target)]


async def test_an_epoch_not_in_use_is_refused_at_either_end(house: House) -> None:
    assert await refused(house, camden(house).ticket(TARGETS, epoch=2)) is ErrorCode.EPOCH_UNKNOWN
    assert await refused(house, camden(house).ticket(TARGETS, responder_epoch=2)) is ErrorCode.EPOCH_UNKNOWN
    assert await house.kinds() == []


@pytest.mark.parametrize("scope", ["camden-csc", "uclh"])
async def test_a_seed_that_does_not_give_the_published_points_is_not_used(house: House, scope: str) -> None:
    _tell_another_point(house, scope)
    assert await refused(house, camden(house).ticket(["uclh"]), ["uclh"]) is ErrorCode.KEYRING_REJECTED
    assert await house.kinds() == []


async def test_the_entry_names_requester_count_and_hashes_and_no_responder(house: House) -> None:
    await translate(house, camden(house).ticket(TARGETS), TARGETS[:2])
    (entry,) = await house.entries()
    assert (entry.kind, entry.actor, entry.query_id) == ("ticket_translated", "wardgate://node/camden-csc", None)
    assert set(entry.body) == {"use", "count", "epoch", "query_sha256", "ticket_sha256"}
    assert entry.body["count"] == 2
    assert not any(name.encode() in entry.content for name in TARGETS)


async def test_a_ticket_nobody_signed_is_refused(house: House) -> None:
    shown = camden(house).ticket(TARGETS)
    other = camden(house).ticket(TARGETS)
    assert await refused(house, replace(shown, ticket=other.ticket)) is ErrorCode.SIGNATURE_REJECTED
    assert await house.kinds() == ["alarm_raised"]


async def test_another_agency_s_signature_is_refused(house: House) -> None:
    shown = house.region.signer("uclh").ticket(TARGETS, requester="camden-csc")
    assert await refused(house, shown) is ErrorCode.SIGNATURE_REJECTED


async def test_the_gateway_s_own_signature_is_refused(house: House) -> None:
    shown = camden(house).ticket(TARGETS)
    signature = house.region.gateway_key.sign(domains.TICKET, shown.ticket)
    assert await refused(house, replace(shown, signature=signature)) is ErrorCode.SIGNATURE_REJECTED


async def test_a_batch_s_signature_does_not_pass_for_a_ticket_s(house: House) -> None:
    shown = camden(house).ticket(TARGETS)
    signature = camden(house).key.sign(domains.BATCH, shown.ticket)
    assert await refused(house, replace(shown, signature=signature)) is ErrorCode.SIGNATURE_REJECTED


async def test_a_ticket_is_refused_before_its_time_and_from_its_expiry_on(house: House) -> None:
    shown = camden(house).ticket(TARGETS, expires_at=NOW + 100)
    house.clock.now = NOW - 31
    assert await refused(house, shown) is ErrorCode.QUERY_EXPIRED
    house.clock.now = NOW + 99.9
    await translate(house, shown)
    house.clock.now = NOW + 100
    assert await refused(house, shown) is ErrorCode.QUERY_EXPIRED


async def test_a_ticket_that_lives_longer_than_a_query_may_is_refused(house: House) -> None:
    shown = camden(house).ticket(TARGETS, expires_at=NOW + 2 * 86_400)
    assert await refused(house, shown) is ErrorCode.QUERY_EXPIRED


async def test_a_retry_gives_the_same_elements_and_is_counted_and_recorded_once(house: House) -> None:
    shown = camden(house).ticket(TARGETS)
    assert await translate(house, shown) == await translate(house, shown)
    assert await house.counters() == {("camden-csc", "ticket"): 1, ("camden-csc", "translate"): 3}
    assert await house.kinds() == ["ticket_translated"]


async def test_targets_permitted_later_are_counted_when_they_come(house: House) -> None:
    shown = camden(house).ticket(TARGETS)
    await translate(house, shown, ["uclh"])
    await translate(house, shown, ["met-police", "uclh"])
    await translate(house, shown)
    assert await house.counters() == {("camden-csc", "ticket"): 1, ("camden-csc", "translate"): 3}
    assert [entry.body["count"] for entry in await house.entries()] == [1, 1, 1]


async def test_many_presentations_at_once_are_counted_once(house: House) -> None:
    shown = camden(house).ticket(TARGETS)
    subsets = [TARGETS, TARGETS[:1], TARGETS[1:], TARGETS[2:], [TARGETS[0], TARGETS[2]]] * 4
    found = await asyncio.gather(*(translate(house, shown, subset) for subset in subsets))
    whole = dict(zip(TARGETS, found[0], strict=True))
    assert found == [[whole[name] for name in subset] for subset in subsets]
    assert await house.counters() == {("camden-csc", "ticket"): 1, ("camden-csc", "translate"): 3}


async def test_another_ticket_for_the_same_query_is_a_replay(house: House) -> None:
    await translate(house, camden(house).ticket(TARGETS, query=b"one query"))
    assert await refused(house, camden(house).ticket(TARGETS, query=b"one query")) is ErrorCode.REPLAYED
    assert await house.kinds() == ["ticket_translated", "alarm_raised"]
    assert await house.counters() == {("camden-csc", "ticket"): 1, ("camden-csc", "translate"): 3}


async def test_another_agency_cannot_take_a_query_s_place(house: House) -> None:
    targets = ["uclh"]
    await translate(house, house.region.signer("met-police").ticket(targets, query=b"one query"), targets)
    await translate(house, camden(house).ticket(targets, query=b"one query"), targets)


async def test_a_responder_the_trustee_has_not_verified_is_refused(house: House) -> None:
    shown = camden(house).ticket(["uclh", "invented-agency"])
    assert await refused(house, shown, ["invented-agency"]) is ErrorCode.TARGET_UNKNOWN
    assert await house.kinds() == []
    await translate(house, shown, ["uclh"])


async def test_a_target_whose_epoch_is_not_in_use_costs_that_target_alone(house: House) -> None:
    """The others are translated and counted; that one is not."""
    shown = camden(house).ticket(["uclh", "invented-agency", "met-police"])
    halves = house.region.halves(shown, ["uclh", "invented-agency", "met-police"])
    found = await house.translator.translate(shown.ticket, shown.signature, halves)
    assert [isinstance(item, Refused) for item in found] == [False, True, False]
    assert await house.counters() == {("camden-csc", "ticket"): 1, ("camden-csc", "translate"): 2}
    again = await house.translator.translate(shown.ticket, shown.signature, halves)
    assert [item.step.element for item in made([found[0], found[2]])] == [
        item.step.element for item in made([again[0], again[2]])
    ]


async def test_a_requester_the_trustee_has_not_verified_is_refused(house: House) -> None:
    assert await refused(house, Signer("invented-agency").ticket(TARGETS)) is ErrorCode.AGENCY_UNKNOWN


async def test_a_key_that_has_just_changed_is_fetched_at_once(house: House) -> None:
    house.region.members["camden-csc"].change_key()
    await translate(house, camden(house).ticket(TARGETS))
    assert house.members.refreshed == 1


async def test_an_agency_just_enrolled_is_fetched_at_once(house: House) -> None:
    newcomer = "great-ormond-street"
    house.region.members = {**house.region.members, newcomer: type(house.region.members["uclh"])(newcomer)}
    await translate(house, camden(house).ticket([newcomer]), [newcomer])
    assert house.members.refreshed == 1


async def overlapping(open_house: OpenHouse, *agencies: str) -> House:
    """A trustee that has opened the next epoch of some agencies, and a directory, not fetched yet, that names it."""
    house = await open_house(ranges=dict.fromkeys(agencies, EpochRange(1, 2)))
    for name in agencies:
        house.region.members[name].epochs = (1, 2)
    return house


@pytest.mark.parametrize("turned", ["camden-csc", "uclh"])
async def test_an_epoch_that_the_gateway_has_just_published_is_fetched_at_once(
    open_house: OpenHouse, turned: str
) -> None:
    """Of requester or responder: nobody fails because this trustee looks at the directory some seconds later."""
    house = await overlapping(open_house, turned)
    source, target = (2 if turned == name else 1 for name in ("camden-csc", "uclh"))
    await translate(house, camden(house).ticket(["uclh"], epoch=source, responder_epoch=target), ["uclh"])
    assert house.members.refreshed == 1


async def test_an_epoch_that_this_trustee_has_not_opened_is_not_looked_for(house: House) -> None:
    assert await refused(house, camden(house).ticket(TARGETS, epoch=2)) is ErrorCode.EPOCH_UNKNOWN
    assert await refused(house, camden(house).ticket(TARGETS, responder_epoch=2)) is ErrorCode.EPOCH_UNKNOWN
    assert house.members.refreshed == 0


async def test_a_target_whose_epoch_one_holder_alone_publishes_costs_that_target_alone(open_house: OpenHouse) -> None:
    house = await overlapping(open_house, "uclh", "met-police")
    await house.members.refresh()
    uclh = house.members.directory.agency("uclh")
    half = replace(uclh, gateway_points={2: uclh.gateway_points[2]})
    house.members.directory = replace(
        house.members.directory, agencies={**house.members.directory.agencies, "uclh": half}
    )

    async def unchanged() -> None: ...

    house.members.refresh = unchanged  # type: ignore[method-assign]  # the gateway shows no other
    shown = camden(house).ticket(["uclh", "met-police"])
    halves = house.region.halves(shown, ["uclh", "met-police"])
    found = await house.translator.translate(shown.ticket, shown.signature, halves)
    assert found[0] == Refused(ErrorCode.EPOCH_UNKNOWN)
    assert isinstance(found[1], Translation)


async def test_the_hourly_quota_of_points_holds_to_the_last_one(open_house: OpenHouse) -> None:
    house = await open_house(quotas=Quotas(translations_per_hour=4))
    await translate(house, camden(house).ticket(TARGETS))
    last = camden(house).ticket(TARGETS)
    assert await refused(house, last, TARGETS[:2]) is ErrorCode.QUOTA_EXCEEDED
    await translate(house, last, TARGETS[:1])
    assert await refused(house, last, TARGETS[1:]) is ErrorCode.QUOTA_EXCEEDED
    assert (await translate(house, last, TARGETS[:1])) != [], "a retry of what was counted is no new use"
    assert await house.counters() == {("camden-csc", "ticket"): 2, ("camden-csc", "translate"): 4}
    assert (await house.kinds()).count("alarm_raised") == 1


async def test_the_hourly_quota_of_tickets_holds_to_the_last_one(open_house: OpenHouse) -> None:
    house = await open_house(quotas=Quotas(tickets_per_hour=2))
    for _ in range(2):
        await translate(house, camden(house).ticket(TARGETS))
    assert await refused(house, camden(house).ticket(TARGETS)) is ErrorCode.QUOTA_EXCEEDED
    house.clock.now += HOUR_S
    await translate(house, camden(house).ticket(TARGETS))


async def test_many_tickets_at_once_cannot_pass_the_quota_together(open_house: OpenHouse) -> None:
    house = await open_house(quotas=Quotas(tickets_per_hour=5))
    tickets = [camden(house).ticket(["uclh"]) for _ in range(20)]
    found = await asyncio.gather(*(translate(house, shown, ["uclh"]) for shown in tickets), return_exceptions=True)
    errors = [outcome for outcome in found if isinstance(outcome, WardgateError)]
    assert len(found) - len(errors) == 5
    assert {error.code for error in errors} == {ErrorCode.QUOTA_EXCEEDED}
    assert await house.counters() == {("camden-csc", "ticket"): 5, ("camden-csc", "translate"): 5}


async def test_two_replicas_cannot_pass_the_quota_together(open_house: OpenHouse) -> None:
    quotas = Quotas(tickets_per_hour=5)
    one, two = await open_house(quotas=quotas), await open_house(quotas=quotas)
    tickets = [camden(one).ticket(["uclh"]) for _ in range(16)]
    found = await asyncio.gather(
        *(translate((one, two)[at % 2], shown, ["uclh"]) for at, shown in enumerate(tickets)), return_exceptions=True
    )
    assert sum(isinstance(outcome, list) for outcome in found) == 5
    assert await two.counters() == {("camden-csc", "ticket"): 5, ("camden-csc", "translate"): 5}


async def test_an_invalid_point_is_refused_before_anything_is_recorded(house: House) -> None:
    shown = camden(house).ticket(["uclh", "met-police"], elements=some_elements(1) + b"\xff" * 32)
    assert await refused(house, shown, ["met-police"]) is ErrorCode.MESSAGE_MALFORMED
    assert await house.kinds() == []
    await translate(house, shown, ["uclh"])


async def test_without_a_ledger_nothing_is_translated_counted_or_marked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = camden(house).ticket(TARGETS)
    with monkeypatch.context() as patched:
        used: list[object] = []
        patched.setattr(house.region.trustee_holder, "translation", lambda *of: used.append(of))
        await house.break_ledger()
        assert await refused(house, shown) is ErrorCode.LEDGER_UNAVAILABLE
        assert used == []
    await house.mend_ledger()
    assert await house.counters() == {}
    await translate(house, shown)


async def test_a_restart_keeps_replay_protection_and_counters(open_house: OpenHouse) -> None:
    first = await open_house()
    shown = camden(first).ticket(TARGETS, query=b"one query")
    before = await translate(first, shown)
    await first.journal.aclose()

    second = await open_house()
    assert await translate(second, shown) == before
    assert await refused(second, camden(second).ticket(TARGETS, query=b"one query")) is ErrorCode.REPLAYED
    assert await second.counters() == {("camden-csc", "ticket"): 1, ("camden-csc", "translate"): 3}


async def test_the_largest_ticket_is_translated(house: House) -> None:
    names = [f"agency-{number}" for number in range(200)]
    kind = type(house.region.members["uclh"])
    house.region.members = {**house.region.members, **{name: kind(name) for name in names}}
    await house.members.refresh()
    assert len(await translate(house, camden(house).ticket(names), names)) == 200


# proofs and signatures


async def presented(house: House, shown: SignedTicket, halves: Sequence[HalfTranslation]) -> list[Translation]:
    return made(await house.translator.translate(shown.ticket, shown.signature, halves))


async def test_what_is_returned_is_proved_and_signed(house: House) -> None:
    shown = camden(house).ticket(TARGETS)
    halves = house.region.halves(shown, TARGETS)
    directory = house.members.directory
    for half, found in zip(halves, await presented(house, shown, halves), strict=True):
        route = Route(directory.agency("camden-csc"), 1, directory.agency(half.responder), 1)
        verify_step("trustee", route, half.step.element, found.step)
        told = Statement(_query_of(shown), "camden-csc", half.responder, 1, found.step.element)
        told.verify(directory.anchors.trustee_key, found.signature)


async def test_a_retry_gives_the_same_signatures_although_no_two_proofs_are_alike(house: House) -> None:
    shown = camden(house).ticket(TARGETS)
    first = await presented(house, shown, house.region.halves(shown, TARGETS))
    again = await presented(house, shown, house.region.halves(shown, TARGETS))
    assert [item.signature for item in first] == [item.signature for item in again]
    assert all(one.step.proof != other.step.proof for one, other in zip(first, again, strict=True))


def _own_point(house: House, _: SignedTicket, __: list[HalfTranslation]) -> Step:
    """A guess of its own in place of the ticket's point, honestly multiplied and proved."""
    ratio = house.region.gateway_holder.translation(ScopeEpoch("camden-csc", 1), ScopeEpoch("uclh", 1))
    guess = some_elements(1)
    element = ratio.apply(guess)
    return Step(element, ratio.prove(guess, element))


def _own_point_under_the_true_proof(house: House, _: SignedTicket, honest: list[HalfTranslation]) -> Step:
    return Step(_own_point(house, _, honest).element, honest[-1].step.proof)


def _ratio_to_another_scope(house: House, shown: SignedTicket, _: list[HalfTranslation]) -> Step:
    ratio = house.region.gateway_holder.translation(ScopeEpoch("camden-csc", 1), ScopeEpoch("met-police", 1))
    point = Ticket.parse(shown.ticket).points[-1].element
    element = ratio.apply(point)
    return Step(element, ratio.prove(point, element))


def _unpublished_keys(_: House, shown: SignedTicket, __: list[HalfTranslation]) -> Step:
    ratio = HolderKeys("gateway", {1: Secret.random()}).translation(ScopeEpoch("camden-csc", 1), ScopeEpoch("uclh", 1))
    point = Ticket.parse(shown.ticket).points[-1].element
    element = ratio.apply(point)
    return Step(element, ratio.prove(point, element))


def _nothing_done(_: House, shown: SignedTicket, honest: list[HalfTranslation]) -> Step:
    return Step(Ticket.parse(shown.ticket).points[-1].element, honest[-1].step.proof)


def _another_targets_step(_: House, __: SignedTicket, honest: list[HalfTranslation]) -> Step:
    return honest[0].step


def _another_queries_proof(house: House, _: SignedTicket, honest: list[HalfTranslation]) -> Step:
    other = house.region.halves(camden(house).ticket(TARGETS), TARGETS)
    return Step(honest[-1].step.element, other[-1].step.proof)


def _no_proof(_: House, __: SignedTicket, honest: list[HalfTranslation]) -> Step:
    return Step(honest[-1].step.element, b"")


def _two_elements(_: House, __: SignedTicket, honest: list[HalfTranslation]) -> Step:
    return Step(honest[-1].step.element * 2, honest[-1].step.proof)


def _identity(_: House, __: SignedTicket, honest: list[HalfTranslation]) -> Step:
    return Step(bytes(32), honest[-1].step.proof)


LIES = [
    _own_point,
    _own_point_under_the_true_proof,
    _ratio_to_another_scope,
    _unpublished_keys,
    _nothing_done,
    _another_targets_step,
    _another_queries_proof,
    _no_proof,
    _two_elements,
    _identity,
]


@pytest.mark.parametrize("lie", LIES)
async def test_a_gateway_that_does_not_prove_its_half_of_the_tickets_own_point_is_refused(
    house: House, lie: Callable[[House, SignedTicket, list[HalfTranslation]], Step]
) -> None:
    """One lie among honest halves spoils all: nothing is counted, and the alarm is about the gateway."""
    shown = camden(house).ticket(TARGETS)
    halves = house.region.halves(shown, TARGETS)
    false = [*halves[:-1], HalfTranslation("uclh", lie(house, shown, halves))]
    with pytest.raises(WardgateError) as caught:
        await presented(house, shown, false)
    assert caught.value.code is ErrorCode.PROOF_REJECTED
    (entry,) = await house.entries()
    assert (entry.kind, entry.body["subject"], entry.body["reason"]) == ("alarm_raised", GATEWAY, "proof_rejected")
    assert entry.body["ticket_sha256"] == sha256(shown.ticket).hex()
    assert not any(name.encode() in entry.content for name in (*TARGETS, "camden-csc"))
    assert await house.counters() == {}
    assert len(await presented(house, shown, halves)) == 3, "the requester's ticket is not spent by the gateway's lie"


async def test_halves_for_the_wrong_responders_are_refused(house: House) -> None:
    shown = camden(house).ticket(TARGETS)
    first, second, third = house.region.halves(shown, TARGETS)
    swapped = [HalfTranslation(first.responder, second.step), HalfTranslation(second.responder, first.step), third]
    with pytest.raises(WardgateError) as caught:
        await presented(house, shown, swapped)
    assert caught.value.code is ErrorCode.PROOF_REJECTED


async def test_a_lie_about_one_of_the_largest_tickets_targets_is_found(house: House) -> None:
    names = [f"agency-{number}" for number in range(200)]
    kind = type(house.region.members["uclh"])
    house.region.members = {**house.region.members, **{name: kind(name) for name in names}}
    await house.members.refresh()
    shown = camden(house).ticket(names)
    halves = house.region.halves(shown, names)
    halves[137] = HalfTranslation(names[137], halves[136].step)
    with pytest.raises(WardgateError) as caught:
        await presented(house, shown, halves)
    assert caught.value.code is ErrorCode.PROOF_REJECTED


async def test_the_gateways_proof_is_held_to_what_this_trustee_has_verified(house: House) -> None:
    """Another point of the gateway in a directory that the trustee never verified is nothing to it."""
    shown = camden(house).ticket(["uclh"])
    rekey(house.region.gateway_holder, "uclh")
    assert await refused(house, shown, ["uclh"]) is ErrorCode.PROOF_REJECTED


async def test_an_unproved_half_raises_one_alarm_an_hour(house: House) -> None:
    shown = camden(house).ticket(["uclh"])
    for _ in range(3):
        with pytest.raises(WardgateError):
            await presented(house, shown, [HalfTranslation("uclh", Step(some_elements(1), bytes(64)))])
    assert await house.kinds() == ["alarm_raised"]
    house.clock.now += HOUR_S
    with pytest.raises(WardgateError):
        await presented(house, shown, [HalfTranslation("uclh", Step(some_elements(1), bytes(64)))])
    assert await house.kinds() == ["alarm_raised"] * 2


@pytest.mark.parametrize(
    ("quotas", "spent"),
    [
        (Quotas(translations_per_hour=3), [["uclh"], ["uclh"]]),
        (Quotas(tickets_per_hour=1), [["uclh"]]),
        (Quotas(translations_per_hour=4), [TARGETS]),
    ],
    ids=["one point left", "no ticket left", "one point too few"],
)
async def test_whoever_is_over_a_quota_is_refused_before_a_single_proof_is_verified(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, quotas: Quotas, spent: list[list[str]]
) -> None:
    house, verified = await open_house(quotas=quotas), list[object]()
    counted = [camden(house).ticket(targets) for targets in spent]
    for shown, targets in zip(counted, spent, strict=True):
        await translate(house, shown, targets)
    before, kinds = await house.counters(), await house.kinds()

    def verifying(*of: Any) -> None:
        verified.append(of)
        verify_step(*of)

    monkeypatch.setattr(trustee.translation, "verify_step", verifying)

    assert await refused(house, camden(house).ticket(TARGETS[:2]), TARGETS[:2]) is ErrorCode.QUOTA_EXCEEDED
    assert verified == []
    assert (await house.counters(), await house.kinds()) == (before, [*kinds, "alarm_raised"])
    assert await translate(house, counted[0], spent[0]), "a retry of what was counted is verified and answered"
    assert len(verified) == len(spent[0])
    house.clock.now += HOUR_S
    assert len(await translate(house, camden(house).ticket(TARGETS[:2]), TARGETS[:2])) == 2


async def test_more_of_a_ticket_that_still_fits_is_verified_before_it_is_counted(open_house: OpenHouse) -> None:
    """All of the ticket would pass the quota, what is new of it does not: a false proof of that is not counted."""
    house = await open_house(quotas=Quotas(translations_per_hour=3))
    shown = camden(house).ticket(TARGETS)
    await translate(house, shown, TARGETS[:2])
    before = await house.counters()
    halves = house.region.halves(shown, TARGETS)
    with pytest.raises(WardgateError) as caught:
        await presented(house, shown, [*halves[:2], HalfTranslation("uclh", halves[0].step)])
    assert caught.value.code is ErrorCode.PROOF_REJECTED
    assert await house.counters() == before
    assert len(await presented(house, shown, halves)) == 3
    assert await house.counters() == {("camden-csc", "ticket"): 1, ("camden-csc", "translate"): 3}


async def test_a_ticket_of_the_older_wire_is_refused_in_words(house: House) -> None:
    ticket = to_canonical(json.loads(camden(house).ticket(TARGETS).ticket) | {"v": 1})
    with pytest.raises(WardgateError) as caught:
        await presented(house, SignedTicket(ticket, camden(house).key.sign(domains.TICKET, ticket)), [])
    assert caught.value.code is ErrorCode.WIRE_VERSION_REFUSED
    assert "version 1" in caught.value.told
    assert await house.kinds() == []


def _query_of(shown: SignedTicket) -> bytes:
    return Ticket.parse(shown.ticket).query_sha256


def _tell_another_point(house: House, scope: str) -> None:
    other = HolderKeys("trustee", {1: Secret.random()})
    agency = house.members.directory.agency(scope)
    told = dataclasses.replace(agency, trustee_points={1: other.key(scope, 1).public})
    house.members.directory = dataclasses.replace(
        house.members.directory, agencies={**house.members.directory.agencies, scope: told}
    )
