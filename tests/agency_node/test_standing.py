"""What a node believes of its gateway, keeps over a restart, witnesses, and raises the alarm about."""

import pytest
from sqlalchemy import text

from agency_node.points import PinnedPoints
from agency_node.standing import Standing
from federation.errors import ErrorCode, WardgateError
from federation.following import Follower
from federation.ledger.checkpoint import verify_cosignatures
from federation.ledger.entry import EntryKind
from federation.transport.identity import Party, PartyKind
from federation.wire.v1 import directory_pb2, ledger_pb2
from gateway.proofs import inclusion_proof
from keys.signing import SigningKey
from tests.support.gateway_world import CSC, FARAWAY, ORIGIN, World
from tests.support.gateway_world import world as gateway_world
from tests.support.node_house import NodeHouse

__all__ = ["gateway_world"]


@pytest.fixture(name="world")
def _world(gateway_world: World) -> World:
    return gateway_world


class Gateway:
    """The gateway's own verbs, as `GrpcDirectory` reaches them; what it says can be changed on the way."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.asked: list[tuple[int, int]] = []
        self.cosigned: list[bytes] = []
        self.tampers = False

    async def directory(self, known_version: int, known_size: int) -> directory_pb2.GetDirectoryResponse:
        self.asked.append((known_version, known_size))
        response = await self.world.directory.directory_response(known_version, known_size)
        if self.tampers:
            response.signature = SigningKey.generate().sign("directory", response.directory)
        return response

    async def cosign(self, note: bytes) -> None:
        self.cosigned.append(note)


@pytest.fixture
def gateway(world: World) -> Gateway:
    return Gateway(world)


def standing_of(node: NodeHouse, gateway: Gateway) -> Standing:
    party = gateway.world.secrets.parties[CSC]
    follower = Follower(gateway.world.secrets.anchors, ORIGIN, own=party.statement())
    points = PinnedPoints(
        agency=CSC, directory=lambda: follower.directory, engine=node.engine, journal=node.journal, clock=node.clock
    )
    return Standing(
        agency=CSC,
        follower=follower,
        gateway=gateway,
        engine=node.engine,
        journal=node.journal,
        key=party.signing,
        clock=node.clock,
        on_verified=points.follow,
    )


async def test_a_verified_directory_is_kept_recorded_and_cosigned(node: NodeHouse, gateway: Gateway) -> None:
    standing = standing_of(node, gateway)
    assert standing.directory().version == 0
    assert await standing.refresh()
    assert standing.directory().version == gateway.world.directory.current().version
    (body,) = await node.entries(EntryKind.DIRECTORY_ACCEPTED)
    assert body["version"] == standing.directory().version

    name, key = str(Party(PartyKind.NODE, CSC)), gateway.world.secrets.parties[CSC].signing.verify_key
    (note,) = gateway.cosigned
    assert list(verify_cosignatures(note, {name: key})) == [name]
    assert not await standing.refresh()
    assert len(gateway.cosigned) == 1  # the same head is not cosigned twice


async def test_a_restart_goes_back_behind_nothing(node: NodeHouse, gateway: Gateway) -> None:
    first = standing_of(node, gateway)
    await first.refresh()
    again = standing_of(node, gateway)
    await again.load()
    assert again.directory().version == first.directory().version
    assert not await again.refresh()
    version, size = gateway.asked[-1]
    assert version == first.directory().version
    assert size > 0
    await gateway.world.desk.revoke(FARAWAY, reason_code="LEFT", operator="olga")
    assert await again.refresh()


async def test_what_does_not_verify_changes_nothing_and_raises_the_alarm(node: NodeHouse, gateway: Gateway) -> None:
    standing = standing_of(node, gateway)
    await standing.refresh()
    before = standing.directory()
    await gateway.world.desk.revoke(FARAWAY, reason_code="LEFT", operator="olga")
    gateway.tampers = True
    with pytest.raises(WardgateError) as caught:
        await standing.refresh()
    assert caught.value.code is ErrorCode.DIRECTORY_REJECTED
    assert standing.directory() is before
    (alarm,) = await node.entries(EntryKind.ALARM_RAISED)
    assert (alarm["alarm"], alarm["error"]) == ("GATEWAY_NOT_BELIEVED", "DIRECTORY_REJECTED")
    gateway.tampers = False
    assert await standing.refresh()


async def test_a_gateway_that_is_only_away_raises_no_alarm(
    node: NodeHouse, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(known_version: int, known_size: int) -> directory_pb2.GetDirectoryResponse:
        raise WardgateError(ErrorCode.PEER_UNAVAILABLE, f"{known_version} {known_size}")

    monkeypatch.setattr(gateway, "directory", away)
    with pytest.raises(WardgateError):
        await standing_of(node, gateway).refresh()
    assert await node.entries(EntryKind.ALARM_RAISED) == []


async def test_what_was_kept_and_tampered_with_is_not_believed(node: NodeHouse, gateway: Gateway) -> None:
    await standing_of(node, gateway).refresh()
    async with node.engine.begin() as connection:
        changed = text("UPDATE trusted_state SET content = :content WHERE name = 'gateway-directory-signature'")
        await connection.execute(changed, {"content": bytes(64)})
    with pytest.raises(WardgateError) as caught:
        await standing_of(node, gateway).load()
    assert caught.value.code is ErrorCode.DIRECTORY_REJECTED


async def test_a_receipt_proves_the_admission_of_this_very_query(node: NodeHouse, gateway: Gateway) -> None:
    world, standing = gateway.world, standing_of(node, gateway)
    await standing.refresh()
    composed, other = world.composed(), world.composed()
    await world.put(composed)
    await world.put(other)
    query_id = composed.header.query_id

    async def fetch(known_size: int) -> ledger_pb2.InclusionProof:
        return await world.exchange.acknowledge(CSC, query_id, [], close=True, known_size=known_size)

    receipt = await standing.receipt(query_id, fetch)
    assert (receipt["kind"], receipt["verified"]) == ("query_admitted", True)
    with pytest.raises(WardgateError) as caught:
        await standing.receipt(other.header.query_id, fetch)
    assert caught.value.code is ErrorCode.LEDGER_INVALID
    assert len(await node.entries(EntryKind.ALARM_RAISED)) == 1


async def test_a_receipt_that_is_not_in_the_ledger_is_not_believed(node: NodeHouse, gateway: Gateway) -> None:
    world, standing = gateway.world, standing_of(node, gateway)
    await standing.refresh()
    composed = world.composed()
    await world.put(composed)
    index = (await world.journal.find(kind=EntryKind.QUERY_ADMITTED))[0]

    async def forged(known_size: int) -> ledger_pb2.InclusionProof:
        proof = await inclusion_proof(world.journal, index, known_size)
        proof.entry = proof.entry.replace(b"permit", b"accept")
        return proof

    with pytest.raises(WardgateError) as caught:
        await standing.receipt(composed.header.query_id, forged)
    assert caught.value.code in {ErrorCode.LEDGER_INVALID, ErrorCode.LEDGER_FORKED}
    assert len(await node.entries(EntryKind.ALARM_RAISED)) == 1
