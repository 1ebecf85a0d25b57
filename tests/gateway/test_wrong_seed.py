"""A gateway whose seed does not give the published points: it neither multiplies nor asks the trustee to."""

from typing import Any
from uuid import uuid4

import pytest

from federation.batch import BatchHeader
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from keys import domains
from keys.digest import sha256
from keys.pseudonym import HolderKeys, blind_identifiers
from keys.secret import Secret
from tests.support.gateway_world import CHILD, CSC, POLICE, SCHOOL, World, tasks_in


def _with_seeds(world: World, keys: HolderKeys) -> None:
    translator: Any = world.evaluation._translator
    translator._keys = keys


def _other_backup() -> HolderKeys:
    return HolderKeys("gateway", {1: Secret.random()})


def _wrong_for(world: World, scope: str) -> HolderKeys:
    """Right for everybody but one agency: what a gateway has whose directory shows another point there."""
    keys, own = _other_backup(), world.secrets.holder
    wrong = keys.key(scope, 1)
    keys._derive = lambda name, epoch: wrong if name == scope else own.key(name, epoch)  # type: ignore[misc,assignment]
    return keys


async def test_no_query_is_translated_and_none_is_recorded_as_refused(world: World) -> None:
    _with_seeds(world, _other_backup())
    assert await world.refusal(world.composed().request) is ErrorCode.KEYRING_REJECTED
    assert world.trustee.asked == []
    assert await world.entries(EntryKind.QUERY_ADMITTED, EntryKind.QUERY_REFUSED) == []


@pytest.mark.parametrize(("wrong", "targets"), [(CSC, [SCHOOL]), (SCHOOL, [SCHOOL])])
async def test_one_wrong_key_at_either_end_is_enough(world: World, wrong: str, targets: list[str]) -> None:
    _with_seeds(world, _wrong_for(world, wrong))
    assert await world.refusal(world.composed(targets=targets).request) is ErrorCode.KEYRING_REJECTED
    assert world.trustee.asked == []


@pytest.mark.parametrize("by", ["gateway", "trustee"])
async def test_a_target_whose_key_is_wrong_costs_that_target_alone(
    world: World, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are asked; that one is asked nothing, and the requester reads at once that it could not be used."""
    if by == "gateway":
        _with_seeds(world, _wrong_for(world, SCHOOL))
    else:
        monkeypatch.setattr(world.trustee, "refuses", {SCHOOL: ErrorCode.KEYRING_REJECTED})
    school, police = world.attach(SCHOOL), world.attach(POLICE)
    stream = world.stream(world.composed(targets=[POLICE, SCHOOL]))
    await stream.opening()
    await stream.take()
    await stream.aclose()
    assert len(tasks_in(police)) == 1
    assert tasks_in(school) == []
    assert stream.states()[SCHOOL] == "REJECTED"
    (entry,) = await world.entries(EntryKind.QUERY_ADMITTED)
    assert (entry.body["permitted"], entry.body["not_translated"]) == ([POLICE, SCHOOL], [SCHOOL])


async def test_a_key_that_this_query_does_not_need_does_not_stand_in_its_way(world: World) -> None:
    _with_seeds(world, _wrong_for(world, POLICE))
    await world.put(world.composed(targets=[SCHOOL]))
    assert world.trustee.asked == [[SCHOOL]]


async def test_the_same_query_is_admitted_once_the_seed_is_right_again(world: World) -> None:
    composed = world.composed(targets=[SCHOOL])
    _with_seeds(world, _other_backup())
    assert await world.refusal(composed.request) is ErrorCode.KEYRING_REJECTED
    _with_seeds(world, world.secrets.holder)
    await world.put(composed)
    assert len(tasks_in(world.attach(SCHOOL))) == 1


async def test_no_batch_is_evaluated(world: World) -> None:
    _with_seeds(world, _other_backup())
    _, elements = blind_identifiers([CHILD.identifier_input()])
    now = int(world.clock())
    header = BatchHeader(
        batch_id=str(uuid4()),
        agency=CSC,
        epoch=1,
        use="query",
        count=1,
        elements_sha256=sha256(elements),
        issued_at=now,
        expires_at=now + 60,
    ).canonical()
    signature = world.secrets.parties[CSC].signing.sign(domains.BATCH, header)
    with pytest.raises(WardgateError) as caught:
        await world.evaluation.evaluate(CSC, header=header, signature=signature, elements=elements)
    assert caught.value.code is ErrorCode.KEYRING_REJECTED
    assert await world.entries(EntryKind.BATCH_EVALUATED) == []
