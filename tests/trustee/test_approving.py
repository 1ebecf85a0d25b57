"""What people are asked to approve, and what they cannot."""

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.register import Register, SignedApproval, next_register
from tests.support.approvals import People
from tests.support.region import Region
from tests.support.signers import NOW
from trustee.approving import PendingFile, pending_of, sign_approval


def registered(region: Region, people: People, *, first: dict[str, int] | None = None) -> Register:
    """A register in which two people approved everybody, or of before with these caseloads."""
    listed = region.trusted()
    given = [
        signed.verify(people.approvers) for agency in listed.agencies.values() for signed in people.approve(agency)
    ]
    document = next_register(
        Register(), listed, approvals=[] if first else given, denied=[], first_caseloads=first or {}, now=NOW
    )
    return Register(
        1,
        b"",
        document.expires_at,
        document.unendorsed_until,
        {member.agency: member for member in document.members},
    )


def approve(pending: PendingFile, region: Region, agency: str, *, is_reset: bool = False) -> SignedApproval:
    people = People()
    return sign_approval(
        pending,
        agency,
        fingerprint=region.members[agency].chain[-1].verify_key.fingerprint,
        caseload=7,
        compared="read out over the telephone",
        approver="amara",
        key=people.keys["amara"],
        at=NOW,
        is_reset=is_reset,
    )


def test_who_has_not_signed_its_description_is_pending_and_cannot_be_approved() -> None:
    region, people = Region.of("camden-csc", "uclh"), People()
    region.members["uclh"].describes_itself = False
    register = registered(region, people, first={"camden-csc": 1, "uclh": 1})
    pending = PendingFile(pending=pending_of(region.trusted(), register, [], NOW))
    assert {item.agency: item.signed for item in pending.pending} == {"camden-csc": True, "uclh": False}
    approve(pending, region, "camden-csc")
    with pytest.raises(WardgateError) as caught:
        approve(pending, region, "uclh")
    assert caught.value.code is ErrorCode.APPROVAL_REFUSED


def test_a_description_that_its_agency_signed_anew_is_pending_until_two_approve_it() -> None:
    region, people = Region.of("camden-csc", "uclh"), People()
    register = registered(region, people)
    assert pending_of(region.trusted(), register, [], NOW) == []
    region.members["uclh"].areas = ["barnet"]
    listed = region.trusted()
    assert not register.believes(listed.agency("uclh"), NOW)
    (item,) = pending_of(listed, register, [], NOW)
    assert (item.agency, item.areas, item.signed, item.approved_by) == ("uclh", ["barnet"], True, [])


def test_a_reset_is_pending_and_says_which_keys_it_replaces_until_it_is_approved() -> None:
    region, people = Region.of("camden-csc", "uclh"), People()
    register = registered(region, people)
    lost = region.members["uclh"].chain[0].verify_key
    region.members["uclh"].reset_keys()
    listed = region.trusted()
    (item,) = pending_of(listed, register, [], NOW)
    new = region.members["uclh"].chain[1].verify_key
    assert (item.agency, item.fingerprint, item.resets) == ("uclh", new.fingerprint, lost.fingerprint)
    pending = PendingFile(pending=[item])
    assert approve(pending, region, "uclh", is_reset=True).approver == "amara"
    with pytest.raises(WardgateError, match="would replace keys") as caught:
        approve(pending, region, "uclh")
    assert caught.value.code is ErrorCode.APPROVAL_REFUSED
    approved = registered(region, people)
    assert pending_of(region.trusted(), approved, [], NOW) == []
    region.members["uclh"].areas = ["barnet"]
    (item,) = pending_of(region.trusted(), approved, [], NOW)
    assert item.resets == "", "it is described otherwise, under keys that were approved"


def test_a_newcomer_resets_nothing() -> None:
    region = Region.of("uclh")
    (item,) = pending_of(region.trusted(), Register(), [], NOW)
    assert item.resets == ""
    with pytest.raises(WardgateError, match="replaces no keys"):
        approve(PendingFile(pending=[item]), region, "uclh", is_reset=True)
