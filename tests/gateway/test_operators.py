"""Who acts as an operator: a name of the settings, by that name's own key. Two names are two people."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from federation.certificate_claim import FRESH_S, make_claim
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.transport.identity import Party, PartyKind, Peer
from gateway.applying import Progress
from gateway.operators import OPERATOR_LIFE, Operators
from keys.certificates import identity_of, key_digest_of, not_after, serial_of
from keys.signing import SigningKey
from keys.tls_key import PrivateKey, make_request
from tests.support.gateway_world import APPROVER, INVITER, SCHOOL, World
from tests.support.pki import TRUSTEE
from tests.support.two_agencies import Party as Agency

NEW = "testshire-clinic"
OLGA, PIET = (Party(PartyKind.OPERATOR, name) for name in (INVITER, APPROVER))


def claimed(
    world: World, party: Party, key: SigningKey, *, at: float = 0, about: bytes = b""
) -> tuple[bytes, bytes, bytes]:
    """What a command sends that claims a certificate."""
    request = make_request(PrivateKey.generate(), party.uri)
    claim, signature = make_claim(party, about or request, key=key, now=at or world.clock())
    return claim, signature, request


def key_of(world: World, party: Party) -> SigningKey:
    return world.secrets.operators[party.id]


def peer_with(certificate: bytes) -> Peer:
    """How the gateway sees whoever calls with a certificate."""
    party = Party.parse(identity_of(certificate))
    return Peer(party, serial_of(certificate), key_digest_of(certificate), int(not_after(certificate).timestamp()))


async def refusal(world: World, *sent: bytes) -> WardgateError:
    before = len(await world.entries())
    with pytest.raises(WardgateError) as caught:
        await world.desk.recertify(*sent)
    assert len(await world.entries()) == before
    return caught.value


async def test_an_operator_s_own_key_claims_a_certificate_for_one_command(world: World) -> None:
    certificate = await world.desk.recertify(*claimed(world, OLGA, key_of(world, OLGA)))

    assert identity_of(certificate) == OLGA.uri
    assert not_after(certificate).timestamp() == int(world.clock()) + OPERATOR_LIFE.total_seconds()
    assert timedelta(minutes=10) == OPERATOR_LIFE
    entry = (await world.entries())[-1]
    assert (entry.kind, entry.actor) == (EntryKind.CERTIFICATE_ISSUED, OLGA.uri)
    assert entry.body == {"operator": INVITER, "serial": serial_of(certificate)}
    assert world.desk.operators.acting(peer_with(certificate)) == INVITER


async def test_a_name_that_is_typed_is_worth_nothing_without_its_key(world: World) -> None:
    for key in (key_of(world, PIET), SigningKey.generate(), world.secrets.signing, world.secrets.trustee_signing):
        error = await refusal(world, *claimed(world, OLGA, key))
        assert error.code is ErrorCode.CLAIM_REFUSED
    await world.desk.recertify(*claimed(world, PIET, key_of(world, PIET)))


async def test_a_stranger_does_not_learn_who_is_an_operator(world: World) -> None:
    """One answer, and the same work, for a name that nobody has and for a wrong key."""
    stranger, nobody = SigningKey.generate(), Party(PartyKind.OPERATOR, "nobody-here")
    known, unknown = [await refusal(world, *claimed(world, party, stranger)) for party in (OLGA, nobody)]

    assert known.code is unknown.code is ErrorCode.CLAIM_REFUSED
    assert (known.told, unknown.told) == ("", "")
    causes = [error.__cause__ for error in (known, unknown)]
    assert [cause.code for cause in causes if isinstance(cause, WardgateError)] == [ErrorCode.SIGNATURE_REJECTED] * 2


async def test_a_node_s_key_makes_no_operator_and_an_operator_s_no_node(world: World) -> None:
    school, own = world.secrets.parties[SCHOOL].signing, key_of(world, OLGA)
    for party, key in (
        (Party(PartyKind.OPERATOR, SCHOOL), school),
        (OLGA, school),
        (Party(PartyKind.NODE, SCHOOL), own),
        (Party(PartyKind.NODE, INVITER), own),
        (TRUSTEE, own),
        (Party(PartyKind.OPERATOR, TRUSTEE.id), world.secrets.trustee_signing),
        (Party(PartyKind.GATEWAY, "main"), own),
        (Party(PartyKind.LOCAL, INVITER), own),
    ):
        assert (await refusal(world, *claimed(world, party, key))).code is ErrorCode.CLAIM_REFUSED
    certificate = await world.desk.recertify(*claimed(world, Party(PartyKind.NODE, SCHOOL), school))
    assert identity_of(certificate) == f"wardgate://node/{SCHOOL}"
    with pytest.raises(WardgateError) as caught:
        world.desk.operators.acting(peer_with(certificate))
    assert caught.value.code is ErrorCode.NOT_AUTHORISED


async def test_an_operator_s_claim_is_used_once(world: World) -> None:
    claim = claimed(world, OLGA, key_of(world, OLGA))
    await world.desk.recertify(*claim)
    assert (await refusal(world, *claim)).code is ErrorCode.REPLAYED


async def test_an_operator_s_claim_is_for_one_request_and_for_now(world: World) -> None:
    own, other = key_of(world, OLGA), make_request(PrivateKey.generate(), OLGA.uri)
    assert (await refusal(world, *claimed(world, OLGA, own, about=other))).code is ErrorCode.CLAIM_REFUSED
    for away_s in (FRESH_S, -FRESH_S):
        await world.desk.recertify(*claimed(world, OLGA, own, at=world.clock() + away_s))
        beyond = claimed(world, OLGA, own, at=world.clock() + away_s + (1 if away_s > 0 else -1))
        assert (await refusal(world, *beyond)).code is ErrorCode.CLAIM_REFUSED


async def test_a_request_for_another_operator_s_name_is_not_certified(world: World) -> None:
    request = make_request(PrivateKey.generate(), PIET.uri)
    claim, signature = make_claim(OLGA, request, key=key_of(world, OLGA), now=world.clock())
    assert (await refusal(world, claim, signature, request)).code is ErrorCode.ENROLMENT_REFUSED


@pytest.mark.parametrize("changed", ["removed", "another key", "nothing"])
async def test_after_a_restart_no_certificate_of_before_counts(world: World, changed: str) -> None:
    """Settings are read at the start, so that whoever was taken out of them, or given another key, is out at once."""
    certificate = await world.desk.recertify(*claimed(world, OLGA, key_of(world, OLGA)))
    keys = {name: key.verify_key for name, key in world.secrets.operators.items()}
    if changed == "removed":
        del keys[INVITER]
    if changed == "another key":
        keys[INVITER] = SigningKey.generate().verify_key

    restarted = Operators(keys, world.clock)

    assert world.desk.operators.acting(peer_with(certificate)) == INVITER
    with pytest.raises(WardgateError) as caught:
        restarted.acting(peer_with(certificate))
    assert caught.value.code is ErrorCode.NOT_AUTHORISED


async def test_a_certificate_that_nobody_claimed_makes_no_operator(world: World) -> None:
    """Not even one that the gateway's own authority issued."""
    request = make_request(PrivateKey.generate(), OLGA.uri)
    now = not_after(await world.desk.recertify(*claimed(world, OLGA, key_of(world, OLGA)))) - OPERATOR_LIFE
    made = world.secrets.authority.issue(request, identity=OLGA.uri, lifetime=OPERATOR_LIFE, now=now)
    with pytest.raises(WardgateError) as caught:
        world.desk.operators.acting(peer_with(made))
    assert caught.value.code is ErrorCode.NOT_AUTHORISED


async def test_what_has_run_out_is_remembered_no_longer(world: World) -> None:
    old = await world.desk.recertify(*claimed(world, OLGA, key_of(world, OLGA)))
    world.clock.now += OPERATOR_LIFE.total_seconds() + 1
    new = await world.desk.recertify(*claimed(world, OLGA, key_of(world, OLGA)))
    assert world.desk.operators.acting(peer_with(new)) == INVITER
    with pytest.raises(WardgateError):
        world.desk.operators.acting(peer_with(old))


# -- two people --------------------------------------------------------------------------------------------------------


@pytest.fixture
def clinic(world: World) -> Agency:
    world.secrets.parties[NEW] = Agency(NEW, "community_health")
    return world.secrets.parties[NEW]


def fingerprint(agency: Agency) -> str:
    return agency.signing.verify_key.fingerprint


async def applied(world: World, clinic: Agency, by: str) -> None:
    token = await world.desk.invite(world.descriptor(NEW), valid_s=3_600, operator=by)
    await world.apply(token, clinic)


@pytest.mark.parametrize(("inviter", "approver"), [(INVITER, APPROVER), (APPROVER, INVITER)])
async def test_whoever_invited_an_agency_does_not_approve_it(
    world: World, clinic: Agency, inviter: str, approver: str
) -> None:
    await applied(world, clinic, inviter)
    with pytest.raises(WardgateError) as caught:
        await world.desk.approve(NEW, key_fingerprint=fingerprint(clinic), operator=inviter)
    assert caught.value.code is ErrorCode.SECOND_OPERATOR_NEEDED
    assert not world.desk.is_listed(NEW)

    await world.desk.approve(NEW, key_fingerprint=fingerprint(clinic), operator=approver)

    assert world.desk.is_listed(NEW)
    acts = [entry for entry in await world.entries() if entry.body.get("agency") == NEW]
    assert {entry.kind: entry.actor for entry in acts if entry.kind is not EntryKind.ENROLMENT_REQUESTED} == {
        EntryKind.AGENCY_INVITED: f"wardgate://operator/{inviter}",
        EntryKind.AGENCY_ENROLLED: f"wardgate://operator/{approver}",
        EntryKind.CERTIFICATE_ISSUED: f"wardgate://operator/{approver}",
    }


async def test_what_narrows_needs_one_operator(world: World, clinic: Agency) -> None:
    await applied(world, clinic, INVITER)
    await world.desk.reject(NEW, reason="nobody answers", operator=INVITER)
    await world.desk.revoke(SCHOOL, reason_code="LEFT", operator=INVITER)
    assert not world.desk.is_listed(SCHOOL)


async def test_an_approval_is_of_the_invitation_that_was_looked_at(
    world: World, clinic: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one operator approves, the other rejects and invites anew: that is another invitation, and another's."""
    await applied(world, clinic, INVITER)
    asked, go_on, points = asyncio.Event(), asyncio.Event(), world.trustee.points

    async def slow_points(scope: str, epochs: Sequence[int] = ()) -> tuple[bytes, bytes]:
        asked.set()
        await go_on.wait()
        return await points(scope, epochs)

    monkeypatch.setattr(world.trustee, "points", slow_points)
    approving = asyncio.create_task(world.desk.approve(NEW, key_fingerprint=fingerprint(clinic), operator=APPROVER))
    await asked.wait()
    await world.desk.reject(NEW, reason="another one came", operator=APPROVER)
    await applied(world, Agency(NEW, "community_health"), APPROVER)
    go_on.set()

    with pytest.raises(WardgateError) as caught:
        await approving
    assert caught.value.code is ErrorCode.ENROLMENT_REFUSED
    (row,) = [row for row in await world.desk.enrolments() if row.agency == NEW]
    assert (row.progress, row.invited_by, row.certificate) == (Progress.AWAITING_APPROVAL, APPROVER, b"")
