"""The trustee's own ledger as others watch it."""

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.ledger.checkpoint import cosign_checkpoint, verify_checkpoint, with_cosignatures
from federation.ledger.witness import advance
from keys.signing import SigningKey
from tests.support.signers import NOW, some_elements
from tests.support.trustee_house import House
from trustee.witnesses import Witnesses

NAME = "gateway/main"
KEY = SigningKey.generate()


def witnesses(house: House) -> Witnesses:
    return Witnesses(house.journal, {NAME: KEY.verify_key})


async def grow(house: House) -> None:
    batch = house.region.signer("camden-csc").batch(some_elements(1))
    await house.evaluation.evaluate(batch.header, batch.signature, batch.elements)


async def test_every_checkpoint_is_proved_to_extend_the_caller_s(house: House) -> None:
    seen = None
    for _ in range(4):
        await grow(house)
        update = await witnesses(house).checkpoint(seen.size if seen else 0)
        seen = advance(seen, update.checkpoint, list(update.consistency), house.journal.key)
    assert seen is not None
    assert seen.size == 4


async def test_who_has_seen_a_larger_tree_is_told_of_the_fork(house: House) -> None:
    with pytest.raises(WardgateError) as caught:
        await witnesses(house).checkpoint(7)
    assert caught.value.code is ErrorCode.LEDGER_FORKED


async def test_a_witness_s_cosignature_is_kept(house: House) -> None:
    await grow(house)
    update = await witnesses(house).checkpoint(0)
    signed = verify_checkpoint(update.checkpoint, house.journal.key)
    line = cosign_checkpoint(signed, name=NAME, key=KEY, at=NOW)
    await witnesses(house).keep(NAME, with_cosignatures(signed.note, line))
    assert await house.journal.reader.cosignatures(1) == [line]


async def test_a_stranger_s_or_a_forged_cosignature_is_refused(house: House) -> None:
    await grow(house)
    update = await witnesses(house).checkpoint(0)
    signed = verify_checkpoint(update.checkpoint, house.journal.key)
    line = cosign_checkpoint(signed, name=NAME, key=SigningKey.generate(), at=NOW)
    for name, code in ((NAME, ErrorCode.LEDGER_INVALID), ("node/camden-csc", ErrorCode.NOT_AUTHORISED)):
        with pytest.raises(WardgateError) as caught:
            await witnesses(house).keep(name, with_cosignatures(signed.note, line))
        assert caught.value.code is code
