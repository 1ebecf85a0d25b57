"""How an agency that lost its keys gets new ones, at the gateway: whose word it takes, and what stops at once."""

from typing import Any

import pytest

from federation.certificate_claim import make_claim
from federation.directory import KeyStatement, SignedStatement
from federation.errors import ErrorCode, WardgateError
from federation.key_statement import state_keys
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from federation.transport.certificates import Credentials
from federation.transport.identity import Party as Identity
from federation.transport.identity import PartyKind, Peer
from federation.wire.v1 import admin_pb2, enrolment_pb2
from gateway.applying import Progress
from gateway.servicers.enrolment import AdminServicer, EnrolmentServicer
from keys.certificates import identity_of
from keys.signing import SigningKey, VerifyKey
from keys.tls_key import PrivateKey, make_request
from tests.support.gateway_world import (
    FARAWAY,
    POLICE,
    SCHOOL,
    Secrets,
    World,
    a_world,
    described,
    signed_description,
)
from tests.support.pki import peer_with
from tests.support.two_agencies import Clock, Party

NODE = Identity(PartyKind.NODE, SCHOOL)


async def refused(call: object, code: ErrorCode = ErrorCode.ENROLMENT_REFUSED) -> None:
    with pytest.raises(WardgateError) as caught:
        await call  # type: ignore[misc]  # a coroutine
    assert caught.value.code is code


def anew(world: World, agency: str = SCHOOL) -> Party:
    """The agency with keys that it made after it lost its own."""
    old = world.secrets.parties[agency]
    return Party(agency, old.kind, old.legal_class)


def stated(new: Party, lost: KeyStatement, *, predecessor: SigningKey | None = None) -> SignedStatement:
    """The new keys' statement: of a reset, or of a succession where the predecessor signs it."""
    return state_keys(
        new.agency,
        new.signing,
        new.sealing.public,
        version=lost.version + 1,
        sealing_epoch=lost.version + 1,
        predecessor=predecessor,
        lost=None if predecessor else VerifyKey(lost.signing_key),
        issued_at=int(lost.issued_at) + 1,
    )


async def invited(world: World, agency: str = SCHOOL) -> str:
    invitation = await world.resets.invite(world.descriptor(agency), valid_s=3_600, operator="olga")
    lost = world.directory.current().agency(agency).keys
    assert invitation.replaces == f"{lost.version}:{lost.signing_key.hex()}"
    return invitation.token


async def reset(world: World, agency: str = SCHOOL) -> Party:
    """All the way: invited, applied, approved."""
    new, lost = anew(world, agency), world.directory.current().agency(agency).keys
    token = await invited(world, agency)
    await world.apply(token, new, stated=stated(new, lost))
    await world.resets.approve(agency, key_fingerprint=new.signing.verify_key.fingerprint, operator="piet")
    return new


async def test_new_keys_stand_at_the_end_of_the_chain_and_the_token_fetches_the_certificate(world: World) -> None:
    new, lost = anew(world), world.directory.current().agency(SCHOOL)
    token, statement = await invited(world), stated(new, lost.keys)
    assert (await world.apply(token, new, stated=statement)).progress is Progress.AWAITING_APPROVAL
    assert (await world.apply(token, new, stated=statement)).progress is Progress.AWAITING_APPROVAL
    assert world.directory.current().agency(SCHOOL) == lost, "nothing changes before the approval"
    version = await world.resets.approve(SCHOOL, key_fingerprint=new.signing.verify_key.fingerprint, operator="piet")
    listed = world.directory.current().agency(SCHOOL)
    assert (version, listed.verify_key) == (world.directory.current().version, new.signing.verify_key)
    assert (listed.chain[0], len(listed.chain), listed.resets) == (lost.chain[0], 2, listed.chain[1:])
    assert (listed.descriptor, listed.describes_itself) == (lost.descriptor, True)
    assert listed.gateway_points == lost.gateway_points
    enrolled = await world.apply(token, new, stated=statement)
    assert (enrolled.progress, identity_of(enrolled.certificate)) == (Progress.APPROVED, NODE.uri)
    assert await world.resets.all() == []
    entries = await world.entries()
    assert [entry.kind for entry in entries[-4:]] == [
        EntryKind.DENY_LIST_PUBLISHED,
        EntryKind.KEYS_RESET,
        EntryKind.CERTIFICATE_ISSUED,
        EntryKind.DIRECTORY_PUBLISHED,
    ]
    assert entries[-3].body["replaces"] == lost.verify_key.fingerprint


async def test_the_old_certificates_are_refused_from_the_approval_on_and_the_new_one_is_not(world: World) -> None:
    old = (await enrolment(world)).certificate
    renewed_key, now = PrivateKey.generate(), world.clock
    now.now += 60
    renewed = world.desk.renew(NODE, make_request(renewed_key, NODE.uri))
    now.now += 60
    await reset(world)
    new = (await enrolment(world)).certificate
    check = world.directory._deny_list.check
    for certificate in (old, renewed):
        with pytest.raises(WardgateError) as caught:
            check(peer_of(certificate))
        assert caught.value.code is ErrorCode.CERTIFICATE_REVOKED
    check(peer_of(new))
    check(peer_of((await enrolment(world, POLICE)).certificate, Identity(PartyKind.NODE, POLICE)))
    assert not world.directory.is_denied(SCHOOL), "the agency is no less a member"


async def enrolment(world: World, agency: str = SCHOOL) -> Any:
    (row,) = [row for row in await world.desk.enrolments() if row.agency == agency]
    return row


def peer_of(certificate: bytes, party: Identity = NODE) -> Peer:
    return peer_with(Credentials(certificate, PrivateKey.generate().pem, b""), party)


async def test_the_old_key_speaks_for_the_agency_no_more(world: World) -> None:
    old = world.secrets.parties[SCHOOL].signing
    new = await reset(world)
    request = make_request(PrivateKey.generate(), NODE.uri)
    claim, signature = make_claim(NODE, request, key=old, now=world.clock())
    await refused(world.desk.recertify(claim, signature, request), ErrorCode.CLAIM_REFUSED)
    claim, signature = make_claim(NODE, request, key=new.signing, now=world.clock())
    assert identity_of(await world.desk.recertify(claim, signature, request)) == NODE.uri
    stream = world.stream(world.composed(requester=SCHOOL, targets=[POLICE], key=old), requester=SCHOOL)
    await refused(stream.opening(), ErrorCode.SIGNATURE_REJECTED)


@pytest.mark.parametrize("what", ["a succession", "a first statement", "of another version", "of another key"])
async def test_only_a_statement_that_says_which_keys_are_lost_is_taken(world: World, what: str) -> None:
    token, new, lost = await invited(world), anew(world), world.directory.current().agency(SCHOOL).keys
    statement, code = {
        "a succession": (
            stated(new, lost, predecessor=world.secrets.parties[SCHOOL].signing),
            ErrorCode.ENROLMENT_REFUSED,
        ),
        "a first statement": (new.signed(), ErrorCode.DIRECTORY_REJECTED),
        "of another version": (
            stated(new, lost.model_copy(update={"version": 2})),
            ErrorCode.DIRECTORY_REJECTED,
        ),
        "of another key": (
            stated(new, lost.model_copy(update={"signing_key": bytes(new.signing.verify_key)})),
            ErrorCode.DIRECTORY_REJECTED,
        ),
    }[what]
    await refused(world.apply(token, new, stated=statement), code)
    (row,) = await world.resets.all()
    assert row.progress == Progress.INVITED


async def test_a_first_statement_that_resets_something_is_no_first_statement(world: World) -> None:
    await world.desk.revoke(FARAWAY, reason_code="LEFT", operator="olga")
    new = Party("testshire-clinic", "community_health")
    world.secrets.parties[new.agency] = new
    token = await world.desk.invite(described(new), valid_s=3_600, operator="olga")
    lying = stated(new, new.statement().model_copy(update={"version": 0 + 1}))
    await refused(world.apply(token, new, stated=lying), ErrorCode.DIRECTORY_REJECTED)


async def test_another_key_is_not_approved_and_what_was_rejected_leaves_everything_as_it_was(world: World) -> None:
    new, lost = anew(world), world.directory.current().agency(SCHOOL)
    await refused(world.resets.approve(SCHOOL, key_fingerprint="", operator="piet"))
    token = await invited(world)
    await refused(world.resets.approve(SCHOOL, key_fingerprint="", operator="piet"))
    statement = stated(new, lost.keys)
    await world.apply(token, new, stated=statement)
    await refused(world.resets.approve(SCHOOL, key_fingerprint=lost.verify_key.fingerprint, operator="piet"))
    await refused(world.resets.invite(world.descriptor(SCHOOL), valid_s=60, operator="olga"))
    await world.resets.reject(SCHOOL, reason="nobody rang", operator="olga")
    assert (await world.apply(token, new, stated=statement)).progress is Progress.REJECTED
    await refused(world.resets.reject(SCHOOL, reason="again", operator="olga"))
    assert world.directory.current().agency(SCHOOL) == lost
    assert identity_of(world.desk.renew(NODE, make_request(PrivateKey.generate(), NODE.uri))) == NODE.uri
    assert (await invited(world)) != token, "it can be invited anew"


async def test_other_keys_under_the_same_token_or_too_late_are_refused(world: World) -> None:
    token, lost = await invited(world), world.directory.current().agency(SCHOOL).keys
    new, other = anew(world), anew(world)
    await world.apply(token, new, stated=stated(new, lost))
    await refused(world.apply(token, other, stated=stated(other, lost)))
    await world.resets.reject(SCHOOL, reason="", operator="olga")
    token = await invited(world)
    world.clock.now += 3_600
    await refused(world.apply(token, other, stated=stated(other, lost)))


async def test_nobody_is_reset_who_is_not_enrolled(world: World) -> None:
    await world.desk.revoke(FARAWAY, reason_code="LEFT", operator="olga")
    await refused(world.resets.invite(world.descriptor(FARAWAY), valid_s=60, operator="olga"), ErrorCode.AGENCY_UNKNOWN)
    new, lost = anew(world), world.directory.current().agency(SCHOOL).keys
    await world.apply(await invited(world), new, stated=stated(new, lost))
    await world.desk.revoke(SCHOOL, reason_code="LEFT", operator="olga")
    approving = world.resets.approve(SCHOOL, key_fingerprint=new.signing.verify_key.fingerprint, operator="piet")
    await refused(approving, ErrorCode.AGENCY_UNKNOWN)


async def test_an_agency_may_lose_its_keys_twice_and_a_restart_knows_it(store_url: str, policy: PolicyPoint) -> None:
    secrets, clock = Secrets(), Clock()
    async with a_world(store_url, policy, secrets=secrets, clock=clock) as before:
        await reset(before)
        clock.now += 60
    async with a_world(store_url, policy, secrets=secrets, clock=clock, enrol=[]) as after:
        last = await reset(after)
        listed = after.directory.current().agency(SCHOOL)
        assert (len(listed.chain), len(listed.resets), listed.keys.version) == (3, 2, 3)
        assert listed.verify_key == last.signing.verify_key
        after.directory._deny_list.check(peer_of((await enrolment(after)).certificate))


async def test_the_operators_commands_are_the_same_as_for_a_newcomer(world: World) -> None:
    await world.act_as("olga")
    admin: Any = AdminServicer(
        desk=world.desk,
        resets=world.resets,
        descriptions=world.descriptions,
        epochs=world.epochs,
        links=world.links,
        misuse=world.misuse,
        operators=world.desk.operators,
    )
    enrolling: Any = EnrolmentServicer(world.desk, world.resets, b"roots")
    invite = admin_pb2.InviteRequest(agency=world.descriptor(SCHOOL).canonical(), valid_s=60)
    await refused(admin.Invite(invite, None))
    invite.reset = True
    invitation = await admin.Invite(invite, None)
    lost = world.directory.current().agency(SCHOOL).keys
    assert invitation.replaces == f"1:{lost.signing_key.hex()}"

    new = anew(world)
    statement, description = stated(new, lost), signed_description(new)
    request = enrolment_pb2.EnrolRequest(
        token=invitation.token,
        certificate_request=make_request(PrivateKey.generate(), NODE.uri),
        key_statement=statement.statement,
        key_statement_signature=bytes(statement.signature),
        description=description.content,
        description_signature=description.signature,
    )
    assert (await enrolling.Enrol(request, None)).state == enrolment_pb2.ENROLMENT_STATE_AWAITING_APPROVAL
    rows = (await admin.ListEnrolments(admin_pb2.ListEnrolmentsRequest(), None)).enrolments
    fingerprint = new.signing.verify_key.fingerprint
    assert [(row.agency, row.key_fingerprint) for row in rows if row.reset] == [(SCHOOL, fingerprint)]
    assert len(rows) == 5
    approval = admin_pb2.ApproveRequest(agency=SCHOOL, key_fingerprint=fingerprint)
    await refused(admin.Approve(approval, None), ErrorCode.SECOND_OPERATOR_NEEDED)
    await world.act_as("piet")
    await admin.Approve(approval, None)
    assert (await enrolling.Enrol(request, None)).state == enrolment_pb2.ENROLMENT_STATE_APPROVED

    await admin.Invite(invite, None)
    await admin.Reject(admin_pb2.RejectRequest(agency=SCHOOL, reason="a mistake"), None)
    (row,) = await world.resets.all()
    assert row.progress == Progress.REJECTED
    await refused(admin.Reject(admin_pb2.RejectRequest(agency=SCHOOL, reason=""), None))
