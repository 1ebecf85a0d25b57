"""Translating tickets: right to the point, once counted, idempotent, and no second ticket for one query."""

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import replace

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.query import Ticket
from keys import domains, group
from keys.pseudonym import HolderKeys, verify_translation
from keys.secret import Secret
from tests.support.signers import NOW, SignedTicket, Signer, some_elements
from tests.support.trustee_house import House, OpenHouse
from trustee.epochs import EpochRange
from trustee.quotas import Quotas

TARGETS = ["met-police", "st-marys-school", "uclh"]
HOUR_S = 3_600


async def translate(house: House, shown: SignedTicket, responders: Sequence[str] = TARGETS) -> list[bytes]:
    return await house.translator.translate(shown.ticket, shown.signature, responders)


async def refused(house: House, shown: SignedTicket, responders: Sequence[str] = TARGETS) -> ErrorCode:
    with pytest.raises(WardgateError) as caught:
        await translate(house, shown, responders)
    return caught.value.code


def camden(house: House) -> Signer:
    return house.region.signer("camden-csc")


async def test_evaluating_and_translating_is_evaluating_at_the_target(house: House) -> None:
    """The trustee's half of what makes the exchange work: t(j)/t(i) * (t(i) * X) = t(j) * X."""
    keys: HolderKeys = house.region.trustee_holder
    hidden = some_elements(len(TARGETS))
    own = keys.key("camden-csc", 1).multiply(hidden)
    found = await translate(house, camden(house).ticket(TARGETS, elements=own))
    expected = [keys.key(name, 1).multiply(element) for name, element in zip(TARGETS, group.split(hidden), strict=True)]
    assert found == expected


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
    keys, (source, target) = house.region.trustee_holder, epochs
    hidden = some_elements(1)
    own = keys.key("camden-csc", source).multiply(hidden)
    shown = camden(house).ticket(["uclh"], elements=own, epoch=source, responder_epoch=target)
    assert await translate(house, shown, ["uclh"]) == [keys.key("uclh", target).multiply(hidden)]


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
    assert await refused(house, shown, ["uclh", "invented-agency"]) is ErrorCode.TARGET_UNKNOWN
    assert await house.kinds() == []
    await translate(house, shown, ["uclh"])


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


# proofs


async def test_a_translation_is_proved_after_the_fact_against_the_published_points(house: House) -> None:
    shown = camden(house).ticket(TARGETS)
    elements = await translate(house, shown)
    proved = await house.proofs.prove(shown.ticket, "uclh")
    assert proved.element == elements[2]
    points = {name: house.members.directory.agency(name).trustee_points[1] for name in ("camden-csc", "uclh")}
    given = _point_of(shown, "uclh")
    verify_translation(points["camden-csc"], points["uclh"], given, proved.element, proved.proof)
    assert await house.kinds() == ["ticket_translated", "translation_proved"]


async def test_a_proof_is_still_given_after_the_ticket_and_its_key_are_gone(house: House) -> None:
    shown = camden(house).ticket(TARGETS)
    await translate(house, shown)
    house.region.members["camden-csc"].change_key()
    await house.members.refresh()
    house.clock.now = NOW + 3 * 86_400
    await house.proofs.prove(shown.ticket, "uclh")


async def test_nothing_is_proved_that_was_not_translated(house: House) -> None:
    shown = camden(house).ticket(TARGETS, query=b"one query")
    other = camden(house).ticket(TARGETS, query=b"one query")
    await translate(house, shown, ["uclh"])
    for ticket, responder, code in (
        (shown.ticket, "met-police", ErrorCode.QUERY_UNKNOWN),
        (other.ticket, "uclh", ErrorCode.QUERY_UNKNOWN),
        (camden(house).ticket(TARGETS).ticket, "uclh", ErrorCode.QUERY_UNKNOWN),
        (shown.ticket, "great-ormond-street", ErrorCode.TARGET_UNKNOWN),
    ):
        with pytest.raises(WardgateError) as caught:
            await house.proofs.prove(ticket, responder)
        assert caught.value.code is code
    assert await house.kinds() == ["ticket_translated"]


@pytest.mark.parametrize("scope", ["camden-csc", "uclh"])
async def test_nothing_is_proved_with_a_seed_that_does_not_give_the_published_points(house: House, scope: str) -> None:
    shown = camden(house).ticket(TARGETS)
    await translate(house, shown)
    _tell_another_point(house, scope)
    with pytest.raises(WardgateError) as caught:
        await house.proofs.prove(shown.ticket, "uclh")
    assert caught.value.code is ErrorCode.KEYRING_REJECTED
    assert await house.kinds() == ["ticket_translated"]


async def test_without_a_ledger_nothing_is_proved(house: House) -> None:
    shown = camden(house).ticket(TARGETS)
    await translate(house, shown)
    await house.break_ledger()
    with pytest.raises(WardgateError) as caught:
        await house.proofs.prove(shown.ticket, "uclh")
    assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE


def _point_of(shown: SignedTicket, responder: str) -> bytes:
    return next(point.element for point in Ticket.parse(shown.ticket).points if point.responder == responder)


def _tell_another_point(house: House, scope: str) -> None:
    other = HolderKeys("trustee", {1: Secret.random()})
    agency = house.members.directory.agency(scope)
    told = dataclasses.replace(agency, trustee_points={1: other.key(scope, 1).public})
    house.members.directory = dataclasses.replace(
        house.members.directory, agencies={**house.members.directory.agencies, scope: told}
    )
