"""An agency's description is its own: no field of it can be changed by anybody else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.description import sign_description, verify_description
from federation.directory import AgencyDescriptor, Own, TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.register import LIFE_S, Member, Register
from federation.seen import Described, Seen
from keys import domains
from keys.digest import sha256
from keys.signing import SigningKey
from tests.support.region import Region
from tests.support.signers import NOW
from tests.support.two_agencies import RESPONDER, Federation

REGION = Region.of("camden-csc", "uclh")
LISTED = REGION.trusted()

OTHERS = {
    "id": st.just("met-police"),
    "name": st.text("abc", min_size=1, max_size=8),
    "kind": st.sampled_from(["childrens_services", "police"]),
    "legal_class": st.sampled_from(["S16E_EDU", "ARRANGED_PROVIDER", "NONE"]),
    "areas": st.lists(st.sampled_from(["camden", "barnet", "enfield"]), min_size=1, max_size=3),
    "arranged_by": st.just("camden-csc"),
    "contract_from": st.dates().map(str).filter(lambda day: "1000" < day < "2999"),
    "contract_to": st.dates().map(str).filter(lambda day: "1000" < day < "2999"),
    "agreements": st.lists(st.sampled_from(["mash", "other"]), max_size=2),
    "declared_caseload": st.integers(0, 5_000_000),
}


def test_every_field_of_a_description_is_tried() -> None:
    assert set(OTHERS) == set(AgencyDescriptor.model_fields)


@given(data=st.data(), name=st.sampled_from(sorted(OTHERS)))
def test_no_field_can_be_changed_without_the_agency(data: st.DataObject, name: str) -> None:
    member = REGION.members["uclh"]
    before = member.descriptor()
    signature = sign_description(before.canonical(), member.chain[-1])
    changed = AgencyDescriptor.model_validate({**before.model_dump(), name: data.draw(OTHERS[name])})
    keys = [key.verify_key for key in member.chain]
    if changed == before:
        verify_description(changed.canonical(), signature, agency="uclh", keys=keys)
        return
    with pytest.raises(WardgateError) as caught:
        verify_description(changed.canonical(), signature, agency="uclh", keys=keys)
    assert caught.value.code is ErrorCode.DIRECTORY_REJECTED


def test_a_signature_over_something_else_is_none() -> None:
    member = REGION.members["uclh"]
    content = member.descriptor().canonical()
    signature = member.chain[-1].sign(domains.QUERY, content)
    with pytest.raises(WardgateError, match="not signed by it"):
        verify_description(content, signature, agency="uclh", keys=[member.chain[-1].verify_key])


# -- what was seen -----------------------------------------------------------------------------------------------------

ONE, OTHER = sha256(b"one"), sha256(b"other")


@pytest.mark.parametrize(
    ("known", "taken"),
    [
        ({}, True),
        ({"uclh": Described(ONE, is_signed=False)}, True),
        ({"uclh": Described(OTHER, is_signed=False)}, False),
        ({"uclh": Described(ONE, is_signed=True)}, False),
        ({"camden-csc": Described(ONE, is_signed=False)}, False),
    ],
    ids=["nothing was ever seen", "as it was seen", "another", "it was signed", "others were seen"],
)
def test_a_description_without_a_signature_is_taken_only_as_of_before(
    known: dict[str, Described], *, taken: bool
) -> None:
    seen = Seen(descriptions=known)
    if taken:
        seen.check_unsigned("uclh", ONE)
        return
    with pytest.raises(WardgateError) as caught:
        seen.check_unsigned("uclh", ONE)
    assert caught.value.code is ErrorCode.DIRECTORY_REJECTED


def test_what_was_seen_of_descriptions_is_kept_and_older_stores_have_none() -> None:
    seen = LISTED.seen
    assert seen.descriptions["uclh"] == Described(REGION.members["uclh"].digest, is_signed=True)
    assert Seen.of(seen.content()) == seen
    older = seen.content().replace(b'"descriptions":', b'"left":')
    with pytest.raises(WardgateError):
        Seen.of(older)
    bare = Seen(seen.chains, seen.points, seen.auditors).content()
    assert Seen.of(bare.replace(b'"descriptions":[],', b"")).descriptions == {}


# -- one's own ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signed", "before", "shown", "believed"),
    [
        ((ONE,), None, Described(ONE, is_signed=True), True),
        ((OTHER,), None, Described(ONE, is_signed=True), False),
        ((), None, Described(ONE, is_signed=True), False),
        ((ONE, OTHER), Described(ONE, is_signed=True), Described(OTHER, is_signed=True), True),
        ((ONE, OTHER), Described(ONE, is_signed=True), Described(ONE, is_signed=True), True),
        ((ONE, OTHER), Described(OTHER, is_signed=True), Described(ONE, is_signed=True), False),
        ((ONE, OTHER, ONE), Described(OTHER, is_signed=True), Described(ONE, is_signed=True), True),
        ((), None, Described(ONE, is_signed=False), True),
        ((ONE,), None, Described(ONE, is_signed=False), False),
        ((ONE,), Described(ONE, is_signed=False), Described(ONE, is_signed=False), True),
        (None, None, Described(OTHER, is_signed=True), True),
    ],
)
def test_a_party_is_described_as_it_signed_and_never_as_it_signed_before_that(
    signed: tuple[bytes, ...] | None, before: Described | None, shown: Described, *, believed: bool
) -> None:
    own = Own(LISTED.agency("uclh").keys, signed)
    if believed:
        own.check_described(shown, before)
        return
    with pytest.raises(WardgateError) as caught:
        own.check_described(shown, before)
    assert caught.value.code is ErrorCode.DIRECTORY_REJECTED


def test_a_directory_is_refused_whole_where_one_description_is_not_its_agencys() -> None:
    federation = Federation()
    federation.parties[RESPONDER].kind = "childrens_services"
    assert federation.publish().agency(RESPONDER).descriptor.kind == "childrens_services"
    before = federation.directory
    stranger, party = SigningKey.generate(), federation.parties[RESPONDER]
    party.kind, own = "police", party.signing
    party.signing = stranger
    with pytest.raises(WardgateError) as caught:
        federation.publish()
    assert caught.value.code is ErrorCode.DIRECTORY_REJECTED
    assert federation.directory is before
    party.signing = own


# -- who is believed ---------------------------------------------------------------------------------------------------


def listed_unsigned() -> TrustedDirectory:
    region = Region.of("uclh")
    region.members["uclh"].describes_itself = False
    return region.trusted()


@pytest.mark.parametrize(("approved_by", "believed"), [([], True), (["amara", "idris"], False)])
def test_an_unsigned_description_is_believed_of_members_of_before_the_register_alone(
    approved_by: list[str], *, believed: bool
) -> None:
    agency = listed_unsigned().agency("uclh")
    member: Any = Member(
        agency="uclh",
        statement=agency.chain[-1],
        description=sha256(agency.descriptor.canonical()),
        caseload=7,
        approved_by=approved_by,
        approved_at=NOW,
    )
    register = Register(1, b"", NOW + LIFE_S, NOW + 100, {"uclh": member})
    assert register.believes(agency, NOW) is believed
    assert register.believes(agency, NOW + 100) is False, "nor of them for longer than they are believed at all"
