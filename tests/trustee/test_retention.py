"""What stands beside the ledger is forgotten when its time is up, not before, and that is recorded."""

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.retention import Retention
from tests.support.signers import NOW, some_elements
from tests.support.trustee_house import House, OpenHouse
from trustee.settings import Retention as Periods
from trustee.store.deletions import DELETIONS

DAY_S = 86_400


def retention_of(house: House, **changes: int) -> Retention:
    return Retention(
        engine=house.engine,
        journal=house.journal,
        deletions=DELETIONS,
        periods=Periods(**changes),
        clock=house.clock,
    )


async def use(house: House) -> None:
    """Evaluate a batch and translate a ticket."""
    signer = house.region.signer("camden-csc")
    batch = signer.batch(some_elements(1), expires_at=NOW + 600)
    await house.evaluation.evaluate(batch.header, batch.signature, batch.elements)
    shown = signer.ticket(["uclh"], expires_at=NOW + 600)
    await house.translate(shown, ["uclh"])


async def test_with_nothing_overdue_nothing_is_deleted_and_nothing_recorded(house: House) -> None:
    await use(house)
    assert await retention_of(house).apply() == {}
    assert await house.kinds() == ["batch_evaluated", "ticket_translated"]


async def test_a_batch_and_a_ticket_are_forgotten_only_when_they_are_refused_as_expired(house: House) -> None:
    await use(house)
    house.clock.now = NOW + 600 + 30
    assert await retention_of(house).apply() == {}
    house.clock.now += 1
    assert await retention_of(house).apply() == {"batches": 1, "tickets": 1}
    entry = (await house.entries())[-1]
    assert entry.kind == "retention_applied"
    assert entry.body["rows"] == {"batches": 1, "tickets": 1}


async def test_counters_of_hours_go_and_those_of_an_epoch_stay(open_house: OpenHouse) -> None:
    house = await open_house()
    house.members.caseloads = {"camden-csc": 1}
    await use(house)
    house.clock.now = NOW + 3 * DAY_S
    await retention_of(house, counters_days=2).apply()
    assert await house.counters(NOW // 3_600 * 3_600) == {}
    later = int(house.clock.now)
    batch = house.region.signer("camden-csc").batch(some_elements(1), issued_at=later, expires_at=later + 60)
    with pytest.raises(WardgateError) as caught:
        await house.evaluation.evaluate(batch.header, batch.signature, batch.elements)
    assert caught.value.code is ErrorCode.QUOTA_EXCEEDED, "an epoch's quota is for its whole life"


async def test_without_a_ledger_nothing_is_forgotten(house: House) -> None:
    await use(house)
    house.clock.now = NOW + DAY_S
    await house.break_ledger()
    with pytest.raises(WardgateError) as caught:
        await retention_of(house).apply()
    assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE
    await house.mend_ledger()
    assert await retention_of(house).apply() == {"batches": 1, "tickets": 1}
