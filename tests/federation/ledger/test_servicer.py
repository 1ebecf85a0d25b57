"""A ledger as others watch it: whose cosignatures are kept, and what this party saw of theirs."""

from typing import Any

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.ledger.checkpoint import cosign_checkpoint, with_cosignatures
from federation.ledger.journal import Journal
from federation.ledger.servicer import LedgerServicer
from federation.transport.identity import Party, PartyKind, Peer, bind_peer
from federation.wire.v1 import ledger_pb2 as wire
from keys.signing import SigningKey, VerifyKey
from tests.support.ledger import NOW, an_entry

WITNESS = Party(PartyKind.NODE, "barnet")
KEY = SigningKey.generate()
NO_CONTEXT: Any = None


def key_of(party: Party) -> VerifyKey:
    if party != WITNESS:
        raise WardgateError(ErrorCode.NOT_AUTHORISED, str(party))
    return KEY.verify_key


async def witnessed() -> bytes:
    return b"what was seen"


def caller(party: Party) -> None:
    bind_peer(Peer(party, serial="1", spki_sha256="", expires_at=NOW, begins_at=NOW))


async def test_a_witness_s_cosignature_is_kept(journal: Journal) -> None:
    servicer = LedgerServicer(journal, key_of=key_of, witnessed=witnessed)
    await journal.record([an_entry()])
    signed = await journal.checkpoint()
    line = cosign_checkpoint(signed, name=str(WITNESS), key=KEY, at=NOW)
    caller(WITNESS)
    request = wire.CosignRequest(cosigned_checkpoint=with_cosignatures(signed.note, line))
    await servicer.Cosign(request, NO_CONTEXT)
    assert await journal.reader.cosignatures(1) == [line]


@pytest.mark.parametrize(
    ("party", "key", "code"),
    [
        (WITNESS, SigningKey.generate(), ErrorCode.LEDGER_INVALID),
        (Party(PartyKind.NODE, "uclh"), KEY, ErrorCode.NOT_AUTHORISED),
    ],
)
async def test_a_stranger_s_or_a_forged_cosignature_is_refused(
    journal: Journal, party: Party, key: SigningKey, code: ErrorCode
) -> None:
    servicer = LedgerServicer(journal, key_of=key_of, witnessed=witnessed)
    await journal.record([an_entry()])
    signed = await journal.checkpoint()
    line = cosign_checkpoint(signed, name=str(party), key=key, at=NOW)
    caller(party)
    request = wire.CosignRequest(cosigned_checkpoint=with_cosignatures(signed.note, line))
    with pytest.raises(WardgateError) as caught:
        await servicer.Cosign(request, NO_CONTEXT)
    assert caught.value.code is code


async def test_who_has_seen_a_larger_tree_is_told_of_the_fork(journal: Journal) -> None:
    servicer = LedgerServicer(journal, key_of=key_of, witnessed=witnessed)
    with pytest.raises(WardgateError) as caught:
        await servicer.GetConsistency(wire.GetConsistencyRequest(old_size=7, new_size=8), NO_CONTEXT)
    assert caught.value.code is ErrorCode.LEDGER_FORKED
    assert (await servicer.GetWitnessed(wire.GetWitnessedRequest(), NO_CONTEXT)).checkpoint == b"what was seen"
