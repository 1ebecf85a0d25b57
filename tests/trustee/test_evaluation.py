"""Evaluating batches: only points that a node signed, once counted, recorded before they are multiplied."""

from dataclasses import replace
from uuid import uuid4

import pytest

from federation.errors import ErrorCode, WardgateError
from keys import domains
from keys.pseudonym import HolderKey, verify_evaluation
from keys.secret import Secret
from tests.support.signers import NOW, SignedBatch, Signer, some_elements
from tests.support.trustee_house import House, OpenHouse
from trustee.epochs import EpochRange
from trustee.evaluation import Evaluated
from trustee.quotas import Quotas


async def evaluate(house: House, batch: SignedBatch) -> Evaluated:
    return await house.evaluation.evaluate(batch.header, batch.signature, batch.elements)


async def refused(house: House, batch: SignedBatch) -> ErrorCode:
    with pytest.raises(WardgateError) as caught:
        await evaluate(house, batch)
    return caught.value.code


def camden(house: House) -> Signer:
    return house.region.signer("camden-csc")


async def test_a_signed_batch_is_multiplied_with_the_scope_s_published_key(house: House) -> None:
    batch = camden(house).batch(some_elements(5))
    found = await evaluate(house, batch)
    public = house.members.directory.agency("camden-csc").trustee_points[1]
    verify_evaluation(public, batch.elements, found.elements, found.proof)


async def test_the_entry_names_agency_use_count_and_hashes(house: House) -> None:
    batch = camden(house).batch(some_elements(5), use="query")
    await evaluate(house, batch)
    (entry,) = await house.entries()
    assert (entry.kind, entry.actor) == ("batch_evaluated", "wardgate://node/camden-csc")
    assert set(entry.body) == {"use", "count", "epoch", "batch_id", "header_sha256", "elements_sha256"}
    assert (entry.body["use"], entry.body["count"]) == ("query", 5)


async def test_points_that_nobody_signed_are_refused_and_an_alarm_stands_in_the_ledger(house: House) -> None:
    batch = replace(camden(house).batch(some_elements(1)), elements=some_elements(1))
    assert await refused(house, batch) is ErrorCode.SIGNATURE_REJECTED
    assert await house.kinds() == ["alarm_raised"]
    assert await house.counters() == {}


async def test_another_agency_s_signature_is_refused(house: House) -> None:
    police = house.region.signer("met-police")
    assert await refused(house, police.batch(some_elements(1), agency="camden-csc")) is ErrorCode.SIGNATURE_REJECTED


async def test_the_gateway_s_own_signature_is_refused(house: House) -> None:
    batch = camden(house).batch(some_elements(1))
    guess = replace(batch, signature=house.region.gateway_key.sign(domains.BATCH, batch.header))
    assert await refused(house, guess) is ErrorCode.SIGNATURE_REJECTED


async def test_an_agency_the_trustee_has_not_verified_is_refused(house: House) -> None:
    assert await refused(house, Signer("invented-agency").batch(some_elements(1))) is ErrorCode.AGENCY_UNKNOWN
    assert house.members.refreshed == 1


async def test_a_key_that_has_just_changed_is_fetched_at_once(house: House) -> None:
    house.region.members["camden-csc"].change_key()
    await evaluate(house, camden(house).batch(some_elements(1)))
    assert house.members.refreshed == 1
    assert await house.kinds() == ["batch_evaluated"], "a key that had to be fetched is no alarm"


async def test_an_old_key_is_refused_once_the_new_one_is_known(house: House) -> None:
    old = camden(house)
    house.region.members["camden-csc"].change_key()
    await house.members.refresh()
    assert await refused(house, old.batch(some_elements(1))) is ErrorCode.SIGNATURE_REJECTED


async def test_the_same_batch_gives_the_same_elements_and_is_counted_once(house: House) -> None:
    batch = camden(house).batch(some_elements(3))
    assert (await evaluate(house, batch)).elements == (await evaluate(house, batch)).elements
    assert await house.counters() == {("camden-csc", "evaluate_caseload"): 3}
    assert await house.kinds() == ["batch_evaluated"]


async def test_another_batch_under_a_used_id_is_a_replay(house: House) -> None:
    name = str(uuid4())
    await evaluate(house, camden(house).batch(some_elements(1), batch_id=name))
    assert await refused(house, camden(house).batch(some_elements(1), batch_id=name)) is ErrorCode.REPLAYED
    assert await house.kinds() == ["batch_evaluated", "alarm_raised"]
    assert await house.counters() == {("camden-csc", "evaluate_caseload"): 1}


async def test_two_agencies_may_use_one_batch_id(house: House) -> None:
    name = str(uuid4())
    await evaluate(house, camden(house).batch(some_elements(1), batch_id=name))
    await evaluate(house, house.region.signer("uclh").batch(some_elements(1), batch_id=name))


async def test_an_expired_batch_is_refused_even_when_it_was_seen(house: House) -> None:
    batch = camden(house).batch(some_elements(1), expires_at=NOW + 60)
    await evaluate(house, batch)
    house.clock.now = NOW + 60
    assert await refused(house, batch) is ErrorCode.QUERY_EXPIRED


async def test_the_caseload_quota_holds_over_batches_to_the_last_point(open_house: OpenHouse) -> None:
    house = await open_house()
    house.members.caseloads = {"camden-csc": 10}
    await evaluate(house, camden(house).batch(some_elements(10)))
    assert await refused(house, camden(house).batch(some_elements(2))) is ErrorCode.QUOTA_EXCEEDED
    await evaluate(house, camden(house).batch(some_elements(1)))
    assert await refused(house, camden(house).batch(some_elements(1))) is ErrorCode.QUOTA_EXCEEDED
    assert await house.counters() == {("camden-csc", "evaluate_caseload"): 11}
    assert await house.kinds() == ["batch_evaluated", "alarm_raised", "batch_evaluated"], "one alarm an hour"


async def test_a_caseload_the_gateway_declares_larger_does_not_raise_the_quota(house: House) -> None:
    house.members.caseloads = {"camden-csc": 10}
    house.region.members["camden-csc"].declared_caseload = 1_000_000
    await house.members.refresh()
    assert await refused(house, camden(house).batch(some_elements(12))) is ErrorCode.QUOTA_EXCEEDED


async def test_after_a_reset_of_its_keys_an_agency_reads_its_caseload_again_within_what_was_approved_anew(
    house: House,
) -> None:
    house.members.caseloads = {"camden-csc": 10}
    await evaluate(house, camden(house).batch(some_elements(11)))
    assert await refused(house, camden(house).batch(some_elements(1))) is ErrorCode.QUOTA_EXCEEDED
    house.region.members["camden-csc"].reset_keys()
    await house.members.refresh()
    await evaluate(house, camden(house).batch(some_elements(11)))
    assert await refused(house, camden(house).batch(some_elements(1))) is ErrorCode.QUOTA_EXCEEDED


async def test_a_caseload_declared_smaller_lowers_the_quota(house: House) -> None:
    house.region.members["camden-csc"].declared_caseload = 10
    await house.members.refresh()
    assert await refused(house, camden(house).batch(some_elements(12))) is ErrorCode.QUOTA_EXCEEDED
    await evaluate(house, camden(house).batch(some_elements(11)))


async def test_the_live_quota_begins_anew_each_hour_and_the_daily_one_does_not(open_house: OpenHouse) -> None:
    house = await open_house(quotas=Quotas(query_evaluations_per_hour=3, query_evaluations_per_day=5))
    await evaluate(house, camden(house).batch(some_elements(3), use="query"))
    assert await refused(house, camden(house).batch(some_elements(1), use="query")) is ErrorCode.QUOTA_EXCEEDED
    house.clock.now += 3_600
    later = int(house.clock.now)
    two = camden(house).batch(some_elements(2), use="query", issued_at=later, expires_at=later + 60)
    await evaluate(house, two)
    one = camden(house).batch(some_elements(1), use="query", issued_at=later, expires_at=later + 60)
    assert await refused(house, one) is ErrorCode.QUOTA_EXCEEDED
    assert [kind for kind in await house.kinds() if kind == "alarm_raised"] == ["alarm_raised"] * 2


async def test_one_agency_s_quota_is_not_another_s(open_house: OpenHouse) -> None:
    house = await open_house(quotas=Quotas(query_evaluations_per_hour=1))
    await evaluate(house, camden(house).batch(some_elements(1), use="query"))
    await evaluate(house, house.region.signer("uclh").batch(some_elements(1), use="query"))


async def test_an_epoch_that_is_not_in_use_is_refused(open_house: OpenHouse) -> None:
    house = await open_house(ranges={"camden-csc": EpochRange(2, 3)})
    house.region.members["camden-csc"].epochs = (1, 2, 3)
    await house.members.refresh()
    for epoch, code in ((1, ErrorCode.EPOCH_UNKNOWN), (2, None), (3, None), (4, ErrorCode.EPOCH_UNKNOWN)):
        batch = camden(house).batch(some_elements(1), epoch=epoch)
        if code is None:
            await evaluate(house, batch)
        else:
            assert await refused(house, batch) is code


async def test_an_epoch_nobody_has_been_told_of_is_refused(open_house: OpenHouse) -> None:
    house = await open_house(ranges={"camden-csc": EpochRange(1, 2)})
    batch = camden(house).batch(some_elements(1), epoch=2)
    assert await refused(house, batch) is ErrorCode.EPOCH_UNKNOWN
    assert await house.kinds() == []


async def test_an_epoch_that_the_gateway_has_just_published_is_fetched_at_once(open_house: OpenHouse) -> None:
    """A node moves its caseload as soon as it sees the epoch, and it may see it before this trustee."""
    house = await open_house(ranges={"camden-csc": EpochRange(1, 2)})
    house.region.members["camden-csc"].epochs = (1, 2)
    await evaluate(house, camden(house).batch(some_elements(1), epoch=2))
    assert house.members.refreshed == 1


async def test_a_seed_that_does_not_give_the_published_points_is_not_used(house: House) -> None:
    """With the wrong seed every child would look unknown to everybody."""
    house.region.trustee_holder.forget(1)
    house.region.trustee_holder.add(1, Secret.random())
    assert await refused(house, camden(house).batch(some_elements(1))) is ErrorCode.KEYRING_REJECTED
    assert await house.kinds() == []


@pytest.mark.parametrize("bad", [bytes(32), b"\xff" * 32])
async def test_an_invalid_point_is_refused_before_anything_is_recorded(house: House, bad: bytes) -> None:
    batch = camden(house).batch(some_elements(2) + bad)
    assert await refused(house, batch) is ErrorCode.MESSAGE_MALFORMED
    assert await house.kinds() == []
    assert await house.counters() == {}


async def test_without_a_ledger_nothing_is_evaluated_counted_or_marked(house: House) -> None:
    batch = camden(house).batch(some_elements(2))
    await house.break_ledger()
    assert await refused(house, batch) is ErrorCode.LEDGER_UNAVAILABLE
    await house.mend_ledger()
    assert await house.counters() == {}
    await evaluate(house, batch)
    assert await house.counters() == {("camden-csc", "evaluate_caseload"): 2}


async def test_without_a_ledger_nothing_is_multiplied(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[HolderKey] = []
    monkeypatch.setattr(HolderKey, "evaluate", lambda key, _: used.append(key))
    await house.break_ledger()
    assert await refused(house, camden(house).batch(some_elements(2))) is ErrorCode.LEDGER_UNAVAILABLE
    assert used == []


async def test_a_restart_keeps_replay_protection_and_counters(open_house: OpenHouse) -> None:
    first, name = await open_house(), str(uuid4())
    batch = camden(first).batch(some_elements(2), batch_id=name)
    before = await evaluate(first, batch)
    await first.journal.aclose()

    second = await open_house()
    assert (await evaluate(second, batch)).elements == before.elements
    assert await refused(second, camden(second).batch(some_elements(1), batch_id=name)) is ErrorCode.REPLAYED
    assert await second.counters() == {("camden-csc", "evaluate_caseload"): 2}


async def test_an_alarm_is_raised_once_an_hour_across_restarts(open_house: OpenHouse) -> None:
    house = await open_house()
    for _ in range(3):
        batch = replace(camden(house).batch(some_elements(1)), elements=some_elements(1))
        assert await refused(house, batch) is ErrorCode.SIGNATURE_REJECTED
        house = await open_house()
    assert await house.kinds() == ["alarm_raised"]
    house.clock.now += 3_600
    later = int(house.clock.now)
    batch = camden(house).batch(some_elements(1), issued_at=later, expires_at=later + 60)
    assert await refused(house, replace(batch, elements=some_elements(1))) is ErrorCode.SIGNATURE_REJECTED
    assert await house.kinds() == ["alarm_raised"] * 2
