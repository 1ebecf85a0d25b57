"""A node signs how its agency is described, keeps what it signed, and hands a new description to the gateway."""

import json
from pathlib import Path

import pytest

from agency_node.description import (
    DESCRIPTIONS,
    MOST_KEPT,
    Describing,
    OwnDescriptions,
    keep_description,
    read_description,
    signed_descriptions,
)
from federation.description import verify_description
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from keys.digest import sha256
from keys.keyring import Keyring
from keys.signing import SigningKey
from tests.support.node_house import NodeHouse
from tests.support.two_agencies import RESPONDER, Party

KEY = SigningKey.generate()
FIRST = Party(RESPONDER, "school", "S16E_EDU").descriptor()
SECOND = FIRST.model_copy(update={"areas": ["testshire", "farshire"]})


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keyring")


def digests(*descriptions: object) -> tuple[bytes, ...]:
    return tuple(sha256(item.canonical()) for item in descriptions)  # type: ignore[attr-defined]  # descriptors


def test_what_was_signed_is_kept_in_order_and_the_newest_again_changes_nothing(keyring: Keyring) -> None:
    assert signed_descriptions(keyring) == ()
    for description in (FIRST, FIRST, SECOND, FIRST):
        own = keep_description(keyring, description, agency=RESPONDER, key=KEY)
        verify_description(own.description, bytes(own.signature), agency=RESPONDER, keys=[KEY.verify_key])
    assert signed_descriptions(keyring) == digests(FIRST, SECOND, FIRST)


def test_the_description_of_another_agency_is_not_signed(keyring: Keyring) -> None:
    with pytest.raises(WardgateError) as caught:
        keep_description(keyring, FIRST, agency="testshire-csc", key=KEY)
    assert caught.value.code is ErrorCode.DESCRIPTION_REJECTED
    assert signed_descriptions(keyring) == ()


def test_the_oldest_of_very_many_are_forgotten(keyring: Keyring) -> None:
    kept = OwnDescriptions(
        description=b"{}", signature=bytes(64), signed=[sha256(bytes([n % 256, n // 256])) for n in range(MOST_KEPT)]
    )
    keyring.publish(DESCRIPTIONS, kept.canonical())
    keep_description(keyring, FIRST, agency=RESPONDER, key=KEY)
    assert signed_descriptions(keyring) == (*kept.signed[1:], *digests(FIRST))


def test_a_keyring_that_cannot_be_used_is_an_error_of_the_catalogue(keyring: Keyring) -> None:
    keep_description(keyring, FIRST, agency=RESPONDER, key=KEY)
    (keyring.directory / f"{DESCRIPTIONS}.pem").chmod(0o666)
    with pytest.raises(WardgateError) as caught:
        signed_descriptions(keyring)
    assert caught.value.code is ErrorCode.KEYRING_REJECTED


def test_a_description_is_read_from_the_file_that_the_operator_has_too(tmp_path: Path) -> None:
    path = tmp_path / "agency.json"
    path.write_text(json.dumps(FIRST.model_dump(mode="json"), indent=4))
    assert read_description(path) == FIRST
    path.write_text(json.dumps({**FIRST.model_dump(mode="json"), "areas": []}))
    with pytest.raises(WardgateError) as caught:
        read_description(path)
    assert caught.value.code is ErrorCode.MESSAGE_MALFORMED


class Gateway:
    """What the gateway was handed; it can be away, and it can list what it was handed."""

    def __init__(self) -> None:
        self.proposed: list[bytes] = []
        self.away = False
        self.lists = False

    async def __call__(self, description: bytes, signature: bytes) -> bool:
        if self.away:
            raise WardgateError(ErrorCode.PEER_UNAVAILABLE, "test")
        verify_description(description, signature, agency=RESPONDER, keys=[KEY.verify_key])
        self.proposed.append(description)
        return self.lists


async def test_a_new_description_is_recorded_once_kept_and_handed_over_until_it_is_listed(
    node: NodeHouse, keyring: Keyring
) -> None:
    gateway = Gateway()
    desk = Describing(RESPONDER, keyring=keyring, key=KEY, journal=node.journal, propose=gateway, clock=node.clock)
    gateway.away = True
    with pytest.raises(WardgateError) as caught:
        await desk.describe(SECOND)
    assert caught.value.code is ErrorCode.PEER_UNAVAILABLE
    assert signed_descriptions(keyring) == digests(SECOND)
    gateway.away = False
    assert not await desk.describe(SECOND)
    gateway.lists = True
    assert await desk.describe(SECOND)
    assert gateway.proposed == [SECOND.canonical()] * 2
    (body,) = await node.entries(EntryKind.DESCRIPTION_SIGNED)
    assert body == {"agency": RESPONDER, "description_sha256": sha256(SECOND.canonical()).hex()}


async def test_a_description_of_somebody_else_reaches_neither_ledger_nor_gateway(
    node: NodeHouse, keyring: Keyring
) -> None:
    gateway = Gateway()
    desk = Describing(
        "testshire-csc", keyring=keyring, key=KEY, journal=node.journal, propose=gateway, clock=node.clock
    )
    with pytest.raises(WardgateError) as caught:
        await desk.describe(SECOND)
    assert caught.value.code is ErrorCode.DESCRIPTION_REJECTED
    assert gateway.proposed == []
    assert await node.entries(EntryKind.DESCRIPTION_SIGNED) == []
    assert signed_descriptions(keyring) == ()
