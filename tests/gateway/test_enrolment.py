"""How agencies get in and out: token, keys, approval, certificate, renewal, revocation."""

import asyncio
from typing import Any

import pytest

from federation.certificate_claim import FRESH_S, make_claim
from federation.directory import SignedStatement
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from federation.transport.identity import Party as Identity
from federation.transport.identity import PartyKind
from federation.wire.v1 import enrolment_pb2
from gateway.applying import Progress
from gateway.servicers.enrolment import EnrolmentServicer
from keys import domains
from keys.certificates import identity_of
from keys.signing import SigningKey
from keys.tls_key import PrivateKey, make_request
from tests.support.gateway_world import FARAWAY, POLICE, SCHOOL, Secrets, World, a_world, signed_description
from tests.support.pki import TRUSTEE
from tests.support.two_agencies import Clock, Party

NEW = "testshire-clinic"


def newcomer() -> Party:
    return Party(NEW, "community_health")


@pytest.fixture
def party(world: World) -> Party:
    world.secrets.parties[NEW] = newcomer()
    return world.secrets.parties[NEW]


async def invited(world: World) -> str:
    return await world.desk.invite(world.descriptor(NEW), valid_s=3_600, operator="olga")


async def refused(call: object, code: ErrorCode = ErrorCode.ENROLMENT_REFUSED) -> None:
    with pytest.raises(WardgateError) as caught:
        await call  # type: ignore[misc]  # a coroutine
    assert caught.value.code is code


def fingerprint(party: Party) -> str:
    return party.signing.verify_key.fingerprint


async def test_token_and_approval_together_let_an_agency_in(world: World, party: Party) -> None:
    before = world.directory.current().version
    token = await invited(world)
    assert (await world.apply(token, party)).progress is Progress.AWAITING_APPROVAL
    assert not world.desk.is_listed(NEW)
    version = await world.desk.approve(NEW, key_fingerprint=fingerprint(party), operator="piet")

    enrolled = await world.apply(token, party)
    assert enrolled.progress is Progress.APPROVED
    assert identity_of(enrolled.certificate) == f"wardgate://node/{NEW}"
    assert version == world.directory.current().version == before + 1
    kinds = [entry.kind for entry in (await world.entries())[-5:]]
    assert kinds == [
        EntryKind.AGENCY_INVITED,
        EntryKind.ENROLMENT_REQUESTED,
        EntryKind.AGENCY_ENROLLED,
        EntryKind.CERTIFICATE_ISSUED,
        EntryKind.DIRECTORY_PUBLISHED,
    ]


async def test_of_the_token_only_a_hash_is_kept(world: World, party: Party) -> None:
    token = await invited(world)
    await world.apply(token, party)
    for column in ("token_sha256", "descriptor", "invited_by"):
        assert token not in str(await world.column("enrolment", column))
    assert not any(token in entry.content.decode() for entry in await world.entries())


async def test_a_token_is_used_once(world: World, party: Party) -> None:
    token = await invited(world)
    results = await asyncio.gather(*(world.apply(token, party), world.apply(token, newcomer())), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Enrolled", "WardgateError"]
    assert len(await world.entries(EntryKind.ENROLMENT_REQUESTED)) == 5


async def test_other_keys_under_the_same_token_are_refused(world: World, party: Party) -> None:
    token = await invited(world)
    await world.apply(token, party)
    await refused(world.apply(token, newcomer()))
    await world.desk.approve(NEW, key_fingerprint=fingerprint(party), operator="piet")
    await refused(world.apply(token, newcomer()))


async def test_an_unknown_token_is_refused(world: World, party: Party) -> None:
    await invited(world)
    for token in ("", "x", "y" * 200, "y" * 201):
        await refused(world.apply(token, party))


async def test_an_expired_token_is_refused(world: World, party: Party) -> None:
    token = await invited(world)
    world.clock.now += 3_600
    await refused(world.apply(token, party))
    world.clock.now -= 1
    assert (await world.apply(token, party)).progress is Progress.AWAITING_APPROVAL


async def test_a_key_statement_of_another_agency_is_refused(world: World, party: Party) -> None:
    token = await invited(world)
    await refused(world.apply(token, Party(SCHOOL, "school")), ErrorCode.DIRECTORY_REJECTED)
    stated = newcomer().signed().statement
    signed = SignedStatement(statement=stated, signature=party.signing.sign("key-statement", stated))
    await refused(world.apply(token, party, stated=signed), ErrorCode.DIRECTORY_REJECTED)


async def test_another_fingerprint_is_not_approved(world: World, party: Party) -> None:
    token = await invited(world)
    await refused(world.desk.approve(NEW, key_fingerprint=fingerprint(party), operator="piet"))
    await refused(world.desk.approve(NEW, key_fingerprint="", operator="piet"))
    await world.apply(token, party)
    await refused(world.desk.approve(NEW, key_fingerprint=fingerprint(newcomer()), operator="piet"))
    assert not world.desk.is_listed(NEW)
    await refused(world.desk.approve("nobody-here", key_fingerprint="", operator="piet"), ErrorCode.AGENCY_UNKNOWN)


async def test_without_the_trustees_points_nobody_is_approved(world: World, party: Party) -> None:
    token = await invited(world)
    await world.apply(token, party)
    world.trustee.down = True
    await refused(
        world.desk.approve(NEW, key_fingerprint=fingerprint(party), operator="piet"), ErrorCode.TRUSTEE_UNAVAILABLE
    )
    assert not world.desk.is_listed(NEW)
    world.trustee.down = False
    await world.desk.approve(NEW, key_fingerprint=fingerprint(party), operator="piet")


@pytest.mark.parametrize("asked", [f"wardgate://node/{POLICE}", "wardgate://gateway/main", "wardgate://operator/olga"])
async def test_a_request_for_another_identity_is_never_certified(world: World, party: Party, asked: str) -> None:
    token = await invited(world)
    await world.apply(token, party, identity=asked)
    await refused(world.desk.approve(NEW, key_fingerprint=fingerprint(party), operator="piet"))
    assert not world.desk.is_listed(NEW)


async def test_approving_twice_or_at_once_issues_one_certificate(world: World, party: Party) -> None:
    token = await invited(world)
    await world.apply(token, party)
    calls = [world.desk.approve(NEW, key_fingerprint=fingerprint(party), operator="piet") for _ in range(2)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [result.code for result in results if isinstance(result, WardgateError)] == [ErrorCode.ENROLMENT_REFUSED]
    enrolled = [entry for entry in await world.entries(EntryKind.AGENCY_ENROLLED) if entry.body["agency"] == NEW]
    assert len(enrolled) == 1


async def test_changes_of_the_directory_at_once_lose_none(world: World, party: Party) -> None:
    token = await invited(world)
    await world.apply(token, party)
    before = world.directory.current().version
    await asyncio.gather(
        world.desk.approve(NEW, key_fingerprint=fingerprint(party), operator="piet"),
        world.desk.revoke(FARAWAY, reason_code="LEFT", operator="olga"),
        world.desk.revoke(POLICE, reason_code="LEFT", operator="olga"),
    )
    assert world.directory.current().version == before + 3
    assert world.desk.is_listed(NEW)
    assert not world.desk.is_listed(FARAWAY)
    assert not world.desk.is_listed(POLICE)
    assert world.directory.is_denied(FARAWAY)
    assert world.directory.is_denied(POLICE)


async def test_a_rejected_application_stays_rejected_until_invited_anew(world: World, party: Party) -> None:
    token = await invited(world)
    await world.apply(token, party)
    await world.desk.reject(NEW, reason="wrong person on the phone", operator="olga")
    assert (await world.apply(token, party)).progress is Progress.REJECTED
    await refused(world.desk.approve(NEW, key_fingerprint=fingerprint(party), operator="piet"))
    await refused(world.desk.reject(NEW, reason="", operator="olga"))
    assert (await world.apply(await invited(world), newcomer())).progress is Progress.AWAITING_APPROVAL
    await refused(world.apply(token, party))
    await refused(world.desk.reject("nobody-here", reason="", operator="olga"), ErrorCode.AGENCY_UNKNOWN)


async def test_an_enrolled_agency_is_not_invited_again(world: World) -> None:
    await refused(world.desk.invite(world.descriptor(SCHOOL), valid_s=3_600, operator="olga"))


async def test_renewal_keeps_the_identity_and_is_for_the_listed_alone(world: World) -> None:
    school = Identity(PartyKind.NODE, SCHOOL)
    request = make_request(PrivateKey.generate(), f"wardgate://node/{SCHOOL}")
    certificate = world.desk.renew(school, request)
    assert identity_of(certificate) == f"wardgate://node/{SCHOOL}"
    await world.desk.record_renewal(school, certificate)
    assert (await world.entries())[-1].kind is EntryKind.CERTIFICATE_ISSUED
    with pytest.raises(WardgateError) as caught:
        world.desk.renew(school, make_request(PrivateKey.generate(), f"wardgate://node/{POLICE}"))
    assert caught.value.code is ErrorCode.ENROLMENT_REFUSED
    with pytest.raises(WardgateError) as caught:
        world.desk.renew(school, b"no request")
    assert caught.value.code is ErrorCode.ENROLMENT_REFUSED
    await world.desk.revoke(SCHOOL, reason_code="LEFT", operator="olga")
    with pytest.raises(WardgateError) as caught:
        world.desk.renew(school, request)
    assert caught.value.code is ErrorCode.AGENCY_UNKNOWN


def claimed(
    world: World,
    party: Identity = Identity(PartyKind.NODE, SCHOOL),  # noqa: B008 - it never changes
    *,
    about: bytes = b"",
    at: float | None = None,
    key: SigningKey | None = None,
) -> tuple[bytes, bytes, bytes]:
    """What a party sends whose certificate ran out."""
    request = make_request(PrivateKey.generate(), party.uri)
    is_node = party.kind is PartyKind.NODE
    own = key or (world.secrets.parties[party.id].signing if is_node else world.secrets.trustee_signing)
    claim, signature = make_claim(party, about or request, key=own, now=world.clock() if at is None else at)
    return claim, signature, request


async def test_an_agency_whose_certificate_ran_out_is_certified_anew_by_its_signing_key(world: World) -> None:
    world.clock.now += 3 * 24 * 3600
    certificate = await world.desk.recertify(*claimed(world))
    assert identity_of(certificate) == f"wardgate://node/{SCHOOL}"
    assert (await world.entries())[-1].kind is EntryKind.CERTIFICATE_ISSUED


@pytest.mark.parametrize("since_renewal_s", [0, 10 * 24 * 3600])
@pytest.mark.parametrize("too_long", [False, True])
async def test_an_agency_comes_back_within_a_month_of_its_newest_certificate(
    world: World, since_renewal_s: int, *, too_long: bool
) -> None:
    if since_renewal_s:
        world.clock.now += since_renewal_s
        await world.desk.recertify(*claimed(world))
    world.clock.now += (1 + 30) * 24 * 3600 + int(too_long)  # a certificate's life, and the month
    if too_long:
        await refused(world.desk.recertify(*claimed(world)), ErrorCode.CLAIM_REFUSED)
    else:
        await world.desk.recertify(*claimed(world))


async def test_only_the_listed_key_claims_a_certificate_for_this_request_and_now(world: World) -> None:
    claim, signature, request = claimed(world)
    other = make_request(PrivateKey.generate(), f"wardgate://node/{SCHOOL}")
    police = world.secrets.parties[POLICE].signing
    before = len(await world.entries())
    await refused(world.desk.recertify(claim, signature, other), ErrorCode.CLAIM_REFUSED)
    await refused(world.desk.recertify(*claimed(world, about=other)), ErrorCode.CLAIM_REFUSED)
    await refused(
        world.desk.recertify(claim, police.sign("certificate-claim", claim), request), ErrorCode.CLAIM_REFUSED
    )
    await refused(
        world.desk.recertify(claim, world.secrets.parties[SCHOOL].signing.sign("batch", claim), request),
        ErrorCode.CLAIM_REFUSED,
    )
    for away_s in (FRESH_S, -FRESH_S):
        await world.desk.recertify(*claimed(world, at=world.clock() + away_s))
        await refused(
            world.desk.recertify(*claimed(world, at=world.clock() + away_s + (1 if away_s > 0 else -1))),
            ErrorCode.CLAIM_REFUSED,
        )
    await refused(world.desk.recertify(b"{}", signature, request), ErrorCode.MESSAGE_MALFORMED)
    assert len(await world.entries()) == before + 2


async def test_a_revoked_agency_is_not_certified_anew(world: World) -> None:
    world.clock.now += 3 * 24 * 3600
    await world.desk.revoke(SCHOOL, reason_code="KEY_COMPROMISE", operator="olga")
    await refused(world.desk.recertify(*claimed(world)), ErrorCode.CLAIM_REFUSED)


async def test_a_claim_is_used_once_and_tells_a_stranger_nothing(world: World) -> None:
    claim = claimed(world)
    await world.desk.recertify(*claim)
    await refused(world.desk.recertify(*claim), ErrorCode.REPLAYED)
    assert len(await world.entries(EntryKind.CERTIFICATE_ISSUED)) == len(world.directory.current().agencies) + 1
    stranger = SigningKey.generate()
    for name in (SCHOOL, "nobody-here"):
        content, signature = make_claim(Identity(PartyKind.NODE, name), claim[2], key=stranger, now=world.clock())
        await refused(world.desk.recertify(content, signature, claim[2]), ErrorCode.CLAIM_REFUSED)


@pytest.mark.parametrize("away_s", [30 * 3600, 20 * 24 * 3600, 400 * 24 * 3600])
async def test_the_trustee_is_certified_anew_by_its_pinned_key_however_long_it_was_away(
    world: World, away_s: int
) -> None:
    world.clock.now += away_s
    certificate = await world.desk.recertify(*claimed(world, TRUSTEE))
    assert identity_of(certificate) == TRUSTEE.uri
    entry = (await world.entries())[-1]
    assert (entry.kind, entry.actor) == (EntryKind.CERTIFICATE_ISSUED, TRUSTEE.uri)
    agencies = await world.desk.enrolments()
    assert certificate not in {row.certificate for row in agencies}


async def test_nobody_but_the_pinned_key_claims_the_trustee_s_certificate(world: World) -> None:
    school = world.secrets.parties[SCHOOL].signing
    before = len(await world.entries())
    for key in (SigningKey.generate(), school, world.secrets.signing):
        await refused(world.desk.recertify(*claimed(world, TRUSTEE, key=key)), ErrorCode.CLAIM_REFUSED)
    another = Identity(PartyKind.TRUSTEE, "another")
    await refused(world.desk.recertify(*claimed(world, another)), ErrorCode.CLAIM_REFUSED)
    named_like_it = Identity(PartyKind.NODE, TRUSTEE.id)
    await refused(
        world.desk.recertify(*claimed(world, named_like_it, key=world.secrets.trustee_signing)), ErrorCode.CLAIM_REFUSED
    )
    claim, signature, _ = claimed(world, TRUSTEE)
    other = make_request(PrivateKey.generate(), TRUSTEE.uri)
    await refused(world.desk.recertify(claim, signature, other), ErrorCode.CLAIM_REFUSED)
    for kind in (PartyKind.GATEWAY, PartyKind.OPERATOR, PartyKind.LOCAL):
        party = Identity(kind, "main")
        await refused(
            world.desk.recertify(*claimed(world, party, key=world.secrets.trustee_signing)), ErrorCode.CLAIM_REFUSED
        )
    assert len(await world.entries()) == before


async def test_the_trustee_s_claim_is_used_once(world: World) -> None:
    claim = claimed(world, TRUSTEE)
    await world.desk.recertify(*claim)
    await refused(world.desk.recertify(*claim), ErrorCode.REPLAYED)


async def test_revocation_denies_and_delists_and_survives_a_restart(store_url: str, policy: PolicyPoint) -> None:
    secrets, clock = Secrets(), Clock()
    async with a_world(store_url, policy, secrets=secrets, clock=clock) as before:
        version = await before.desk.revoke(SCHOOL, reason_code="KEY_COMPROMISE", operator="olga")
        assert before.directory.deny_list_response(version - 1).deny_list
        assert not before.directory.deny_list_response(version).deny_list
        await refused(
            before.desk.revoke(SCHOOL, reason_code="LEFT", operator="olga"),
            ErrorCode.AGENCY_UNKNOWN,
        )
    async with a_world(store_url, policy, secrets=secrets, clock=clock, enrol=[]) as after:
        assert after.directory.is_denied(SCHOOL)
        assert not after.directory.is_denied(POLICE)
        assert not after.desk.is_listed(SCHOOL)
        (entry,) = await after.entries(EntryKind.AGENCY_REVOKED)
        assert entry.body == {"agency": SCHOOL, "reason": "KEY_COMPROMISE"}


@pytest.mark.parametrize("sealing_key", [b"short", bytes(1216), b"\xff" * 1216])
async def test_a_sealing_key_that_nothing_can_be_sealed_to_does_not_get_in(
    world: World, party: Party, sealing_key: bytes
) -> None:
    token = await invited(world)
    content = party.statement().model_copy(update={"sealing_key": sealing_key}).canonical()
    signed = SignedStatement(statement=content, signature=party.signing.sign(domains.KEY_STATEMENT, content))
    await refused(world.apply(token, party, stated=signed), ErrorCode.MESSAGE_MALFORMED)


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(65)])
async def test_a_signature_that_cannot_be_one_is_an_error_of_the_catalogue(
    world: World, party: Party, signature: bytes
) -> None:
    token = await invited(world)
    described = signed_description(party)
    request = enrolment_pb2.EnrolRequest(
        token=token,
        certificate_request=make_request(PrivateKey.generate(), f"wardgate://node/{party.agency}"),
        key_statement=party.signed().statement,
        key_statement_signature=signature,
        description=described.content,
        description_signature=described.signature,
    )
    servicer: Any = EnrolmentServicer(world.desk, world.resets, b"")
    await refused(servicer.Enrol(request, None), ErrorCode.MESSAGE_MALFORMED)
