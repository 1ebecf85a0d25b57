"""What the trustee refuses stands in its ledger, once for each agency, cause and hour."""

import pytest

from federation.errors import ErrorCode, WardgateError
from keys.digest import sha256
from tests.support.signers import NOW, some_elements
from tests.support.trustee_house import House
from trustee.refusals import UNKNOWN, Refusals
from trustee.store.tables import NAME_CHARS


@pytest.fixture
def refusals(house: House) -> Refusals:
    return Refusals(house.books, lambda: house.members.directory)


async def batch(house: House, refusals: Refusals, *, expires_at: int = NOW - 100, agency: str = "camden-csc") -> bytes:
    """Present a batch that has expired."""
    shown = house.region.signer(agency).batch(some_elements(1), issued_at=NOW - 200, expires_at=expires_at)
    with pytest.raises(WardgateError) as caught:
        async with refusals.of_batch(shown.header, shown.elements):
            await house.evaluation.evaluate(shown.header, shown.signature, shown.elements)
    assert caught.value.code is ErrorCode.QUERY_EXPIRED
    return shown.header


async def test_a_refused_batch_is_an_entry_that_names_the_agency_and_why(house: House, refusals: Refusals) -> None:
    header = await batch(house, refusals)

    (entry,) = await house.entries()
    assert (entry.kind, entry.actor) == ("batch_refused", "wardgate://trustee/main")
    assert entry.body == {
        "agency": "camden-csc",
        "code": "QUERY_EXPIRED",
        "presented_sha256": sha256(header).hex(),
    }


async def test_the_same_again_is_one_entry_in_an_hour_and_another_agencys_is_one_more(
    house: House, refusals: Refusals
) -> None:
    await batch(house, refusals)
    await batch(house, refusals)
    assert len(await house.entries()) == 1
    await batch(house, refusals, agency="uclh")
    assert [entry.body["agency"] for entry in await house.entries()] == ["camden-csc", "uclh"]
    house.clock.now += 3600
    await batch(house, refusals)
    assert len(await house.entries()) == 3


async def test_a_refused_ticket_is_an_entry(house: House, refusals: Refusals) -> None:
    shown = house.region.signer("camden-csc").ticket(["uclh"], expires_at=NOW + 600)
    with pytest.raises(WardgateError):
        async with refusals.of_ticket(shown.ticket):
            await house.translator.translate(shown.ticket, bytes(64), house.region.halves(shown, ["uclh"]))
    kinds = [(entry.kind, entry.body.get("code")) for entry in await house.entries()]
    assert ("ticket_refused", "SIGNATURE_REJECTED") in kinds


async def test_what_names_nobody_is_refused_for_nobody(house: House, refusals: Refusals) -> None:
    with pytest.raises(WardgateError):
        async with refusals.of_ticket(b"junk"):
            await house.translator.translate(b"junk", bytes(64), [])
    (entry,) = await house.entries()
    assert (entry.kind, entry.body["agency"]) == ("ticket_refused", UNKNOWN)


async def test_what_the_trustee_cannot_do_itself_is_no_refusal(house: House, refusals: Refusals) -> None:
    with pytest.raises(WardgateError, match="STORE_UNAVAILABLE"):
        async with refusals.of_ticket(b"junk"):
            raise WardgateError(ErrorCode.STORE_UNAVAILABLE, "test")
    assert await house.entries() == []


async def test_what_is_served_is_no_refusal(house: House, refusals: Refusals) -> None:
    shown = house.region.signer("camden-csc").ticket(["uclh"], expires_at=NOW + 600)
    async with refusals.of_ticket(shown.ticket):
        await house.translator.translate(shown.ticket, shown.signature, house.region.halves(shown, ["uclh"]))
    assert await house.kinds() == ["ticket_translated"]


def test_every_cause_fits_its_column() -> None:
    assert max(len(f"ticket/{code}") for code in ErrorCode) <= NAME_CHARS
