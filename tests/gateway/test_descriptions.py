"""How agencies are described at the gateway: as they sign it, and as an operator accepts it."""

from dataclasses import replace
from typing import Any

import pytest

from federation.directory import AgencyDescriptor, AgencyEntry
from federation.errors import ErrorCode, WardgateError
from federation.following.follower import View
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from federation.seen import Seen
from federation.transport.identity import Party as Identity
from federation.transport.identity import PartyKind, Peer, bind_peer
from federation.wire.v1 import admin_pb2, enrolment_pb2
from gateway.applying import Application, Progress
from gateway.description_words import description_digest, waiting
from gateway.descriptions import PROPOSED_EVERY_S, SignedDescription, differences
from gateway.enrolment import ENROLMENT
from gateway.servicers.description import DescriptionServicer
from gateway.servicers.enrolment import AdminServicer
from keys.digest import sha256
from keys.signing import SigningKey
from tests.support.following import Following
from tests.support.gateway_world import ORIGIN, POLICE, SCHOOL, Secrets, World, a_world, described, signed_description
from tests.support.two_agencies import Clock, Party

NEW = "testshire-clinic"


async def refused(call: object, code: ErrorCode = ErrorCode.DESCRIPTION_REJECTED, *, told: str = "") -> None:
    with pytest.raises(WardgateError) as caught:
        await call  # type: ignore[misc]  # a coroutine
    assert caught.value.code is code
    assert told in caught.value.told


def wider(world: World, agency: str = SCHOOL) -> AgencyDescriptor:
    """As an agency is described, in one more area."""
    return described(world.secrets.parties[agency]).model_copy(update={"areas": ["testshire", "farshire"]})


def proposal(world: World, description: AgencyDescriptor, agency: str = SCHOOL) -> SignedDescription:
    return signed_description(world.secrets.parties[agency], description)


# -- at enrolment ------------------------------------------------------------------------------------------------------


@pytest.fixture
def party(world: World) -> Party:
    world.secrets.parties[NEW] = Party(NEW, "community_health")
    return world.secrets.parties[NEW]


async def test_what_was_invited_and_signed_is_what_the_directory_shows_with_the_signature(
    world: World, party: Party
) -> None:
    await world.enrol(NEW)
    listed = world.directory.current().agency(NEW)
    assert (listed.descriptor, listed.describes_itself) == (described(party), True)
    follower = Following(View.first(world.secrets.anchors, ORIGIN, own=lambda: party.own(described(party))))
    assert follower.accept_directory(await world.directory.directory_response(0, 0))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"areas": ["testshire", "farshire"]}, "areas"),
        ({"kind": "childrens_services", "declared_caseload": 7}, "kind, declared_caseload"),
        ({"id": "testshire-clinic2"}, "id"),
    ],
)
async def test_an_application_with_another_description_than_was_invited_is_refused_and_says_what_differs(
    world: World, party: Party, change: dict[str, Any], told: str
) -> None:
    token = await world.desk.invite(world.descriptor(NEW), valid_s=3_600, operator="olga")
    other = described(party).model_copy(update=change)
    await refused(world.apply(token, party, description=other), told=told)
    (row,) = [row for row in await world.desk.enrolments() if row.agency == NEW]
    assert row.progress == Progress.INVITED, "the token is not used up"
    assert (await world.apply(token, party)).progress is Progress.AWAITING_APPROVAL


@pytest.mark.parametrize("signature", [b"", bytes(64)])
async def test_an_application_whose_description_its_key_did_not_sign_is_refused(
    world: World, party: Party, signature: bytes
) -> None:
    token = await world.desk.invite(world.descriptor(NEW), valid_s=3_600, operator="olga")
    signed = signed_description(party)
    stranger = Party(NEW, "community_health")
    for wrong in (signed._replace(signature=signature), signed_description(stranger)):
        applying = world.desk.enrol(Application(token, b"x", party.signed(), wrong))
        await refused(applying, told="not signed")


async def test_who_applied_before_agencies_signed_descriptions_is_invited_anew(world: World, party: Party) -> None:
    token = await world.desk.invite(world.descriptor(NEW), valid_s=3_600, operator="olga")
    await world.apply(token, party)
    await world.journal.record(
        [], lambda connection: connection.execute(ENROLMENT.update().values(description_signature=b""))
    )
    approving = world.desk.approve(NEW, key_fingerprint=party.signing.verify_key.fingerprint, operator="piet")
    await refused(approving, ErrorCode.ENROLMENT_REFUSED)
    assert not world.desk.is_listed(NEW)


# -- anew --------------------------------------------------------------------------------------------------------------


async def test_a_new_description_is_the_agencys_word_and_the_operators_act(world: World) -> None:
    new, version = wider(world), world.directory.current().version
    assert not await world.descriptions.propose(SCHOOL, proposal(world, new))
    assert world.directory.current().version == version, "nothing changes before the operator accepts"
    (item,) = await world.descriptions.waiting()
    assert (item.agency, item.listed, item.proposed) == (
        SCHOOL,
        described(world.secrets.parties[SCHOOL]).canonical(),
        new.canonical(),
    )
    digest = sha256(new.canonical())
    assert await world.descriptions.accept(SCHOOL, digest=digest, operator="olga") == version + 1
    assert world.directory.current().agency(SCHOOL).descriptor == new
    assert await world.descriptions.waiting() == []
    assert await world.descriptions.propose(SCHOOL, proposal(world, new)), "it is listed now"
    proposed, accepted, published = (await world.entries())[-3:]
    assert (proposed.kind, proposed.body["description_sha256"]) == (EntryKind.DESCRIPTION_PROPOSED, digest.hex())
    assert (accepted.kind, accepted.actor) == (EntryKind.DESCRIPTION_ACCEPTED, "wardgate://operator/olga")
    assert published.body["change"] == f"described {SCHOOL}"


async def test_a_proposal_is_written_once_and_a_newer_one_takes_its_place(world: World) -> None:
    first = wider(world)
    for _ in range(2):
        await world.descriptions.propose(SCHOOL, proposal(world, first))
    assert len(await world.entries(EntryKind.DESCRIPTION_PROPOSED)) == 1
    second = first.model_copy(update={"name": "Another"})
    world.clock.now += PROPOSED_EVERY_S - 1
    await refused(world.descriptions.propose(SCHOOL, proposal(world, second)), told="less than 60 s ago")
    world.clock.now += 1
    await world.descriptions.propose(SCHOOL, proposal(world, second))
    await refused(world.descriptions.accept(SCHOOL, digest=sha256(first.canonical()), operator="olga"))
    await world.descriptions.accept(SCHOOL, digest=sha256(second.canonical()), operator="olga")
    await refused(world.descriptions.accept(SCHOOL, digest=sha256(second.canonical()), operator="olga"))


async def test_only_the_agency_itself_proposes_how_it_is_described(world: World) -> None:
    new = wider(world)
    others = proposal(world, new, POLICE)
    await refused(world.descriptions.propose(SCHOOL, others), told="not signed")
    await refused(world.descriptions.propose(POLICE, others), told="another agency")
    stranger = SignedDescription(new.canonical(), SigningKey.generate().sign("description", new.canonical()))
    await refused(world.descriptions.propose(SCHOOL, stranger), told="not signed")
    loose = b" " + new.canonical()
    key = world.secrets.parties[SCHOOL].signing
    await refused(
        world.descriptions.propose(SCHOOL, SignedDescription(loose, key.sign("description", loose))), told="canonical"
    )
    await refused(world.descriptions.propose(SCHOOL, SignedDescription(b"{}", b"")), ErrorCode.MESSAGE_MALFORMED)
    await refused(world.descriptions.propose(NEW, proposal(world, new)), ErrorCode.AGENCY_UNKNOWN)
    await refused(world.descriptions.accept(NEW, digest=b"", operator="olga"))
    assert await world.descriptions.waiting() == []


async def test_what_a_revoked_agency_proposed_waits_for_nobody(world: World) -> None:
    new = wider(world)
    await world.descriptions.propose(SCHOOL, proposal(world, new))
    await world.desk.revoke(SCHOOL, reason_code="LEFT", operator="olga")
    assert await world.descriptions.waiting() == []
    accepting = world.descriptions.accept(SCHOOL, digest=sha256(new.canonical()), operator="olga")
    await refused(accepting, ErrorCode.AGENCY_UNKNOWN)


async def test_a_proposal_outlives_a_restart(store_url: str, policy: PolicyPoint) -> None:
    secrets, clock = Secrets(), Clock()
    async with a_world(store_url, policy, secrets=secrets, clock=clock) as before:
        new = wider(before)
        await before.descriptions.propose(SCHOOL, proposal(before, new))
    async with a_world(store_url, policy, secrets=secrets, clock=clock, enrol=[]) as after:
        await after.descriptions.accept(SCHOOL, digest=sha256(new.canonical()), operator="olga")
        assert after.directory.current().agency(SCHOOL).descriptor == new
    async with a_world(store_url, policy, secrets=secrets, clock=clock, enrol=[]) as again:
        assert again.directory.current().agency(SCHOOL).descriptor == new


async def test_what_an_operator_is_shown_names_every_field_that_would_change(world: World) -> None:
    identity = Identity(PartyKind.NODE, SCHOOL)
    bind_peer(Peer(identity, "", "", 0))
    agency: Any = DescriptionServicer(world.descriptions)
    signed = proposal(world, wider(world))
    request = enrolment_pb2.ProposeRequest(description=signed.content, signature=signed.signature)
    assert not (await agency.Propose(request, None)).listed

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
    shown = (await admin.ListDescriptions(admin_pb2.ListDescriptionsRequest(), None)).descriptions
    (row,) = [waiting(item) for item in shown]
    assert row["changes"] == {"areas": {"from": ["testshire"], "to": ["testshire", "farshire"]}}
    digest = description_digest(row["description_sha256"])
    accept = admin_pb2.AcceptDescriptionRequest(agency=SCHOOL, description_sha256=digest)
    done = await admin.AcceptDescription(accept, None)
    assert done.directory_version == world.directory.current().version

    for operator, call in (("mallory", admin.ListDescriptions), ("mallory", admin.AcceptDescription)):
        bind_peer(Peer(Identity(PartyKind.OPERATOR, operator), "", "", 0))
        await refused(call(accept, None), ErrorCode.NOT_AUTHORISED)


def test_a_digest_that_is_none_is_said_to_be_that() -> None:
    with pytest.raises(WardgateError) as caught:
        description_digest("no digest")
    assert caught.value.code is ErrorCode.MESSAGE_MALFORMED


def test_differences_are_named_in_the_order_of_the_description() -> None:
    one = Party(SCHOOL, "school", "S16E_EDU").descriptor()
    assert differences(one, one) == []
    other = one.model_copy(update={"declared_caseload": 1, "name": "x"})
    assert differences(one, other) == ["name", "declared_caseload"]


# -- a region of before ------------------------------------------------------------------------------------------------


async def test_a_region_of_before_comes_up_and_its_agencies_sign_one_after_the_other(
    store_url: str, policy: PolicyPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets, clock = Secrets(), Clock()

    def unsigned(entries: list[AgencyEntry]) -> list[AgencyEntry]:
        return [entry.model_copy(update={"description_signature": ""}) for entry in entries]

    async with a_world(store_url, policy, secrets=secrets, clock=clock) as before:
        with monkeypatch.context() as older:  # a gateway that does not know yet that descriptions are signed
            older.setattr(Seen, "check_unsigned", lambda *_: None)
            await before.directory.publish(unsigned, change="as before", entries=[])
    async with a_world(store_url, policy, secrets=secrets, clock=clock, enrol=[]) as world:
        listed = world.directory.current()
        assert not any(agency.describes_itself for agency in listed.agencies.values())
        party = secrets.parties[SCHOOL]
        own = party.own(described(party))
        follower = Following(View.first(secrets.anchors, ORIGIN, own=lambda: replace(own, descriptions=signed)))
        signed: tuple[bytes, ...] = ()
        assert follower.accept_directory(await world.directory.directory_response(0, 0))

        same = described(party)
        signed = (sha256(same.canonical()),)
        assert not await world.descriptions.propose(SCHOOL, proposal(world, same)), "it is listed, and not signed"
        await world.descriptions.accept(SCHOOL, digest=signed[0], operator="olga")
        response = await world.directory.directory_response(follower.directory.version, follower.known_size)
        assert follower.accept_directory(response)
        assert [name for name, agency in follower.directory.agencies.items() if agency.describes_itself] == [SCHOOL]

        with pytest.raises(WardgateError) as caught:
            await world.directory.publish(unsigned, change="and back", entries=[])
        assert caught.value.code is ErrorCode.DIRECTORY_REJECTED, "what was signed stays signed"
