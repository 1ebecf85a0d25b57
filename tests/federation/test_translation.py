"""A translated point: each holder's proof against what it published, and the trustee's word for where it belongs."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import ErrorCode, WardgateError
from federation.translation import Route, Statement, Step, take_step, verify_step
from keys import domains, oprf
from keys.digest import sha256
from keys.pseudonym import HolderKeys, Role
from keys.signing import SigningKey
from tests.support.two_agencies import REQUESTER, RESPONDER, Federation

FEDERATION = Federation()
ROUTE = Route(FEDERATION.directory.agency(REQUESTER), 1, FEDERATION.directory.agency(RESPONDER), 1)
HOLDERS: dict[Role, HolderKeys] = {"gateway": FEDERATION.gateway, "trustee": FEDERATION.trustee}
TRUSTEE = FEDERATION.trustee_key
SAID = Statement(sha256(b"query"), REQUESTER, RESPONDER, 1, oprf.blind(b"child")[1])


def rejected(holder: Role, route: Route, element: bytes, step: Step) -> ErrorCode:
    with pytest.raises(WardgateError) as caught:
        verify_step(holder, route, element, step)
    return caught.value.code


@settings(max_examples=30)
@given(child=st.binary(max_size=40), other=st.binary(max_size=40))
def test_a_step_proves_itself_for_its_own_holder_point_and_direction_alone(child: bytes, other: bytes) -> None:
    element, elsewhere = oprf.blind(child)[1], oprf.blind(other)[1]
    back = Route(ROUTE.responder, 1, ROUTE.requester, 1)
    for holder, stranger in (("gateway", "trustee"), ("trustee", "gateway")):
        step = take_step(HOLDERS[holder], ROUTE, element)  # type: ignore[index]  # both are roles
        verify_step(holder, ROUTE, element, step)  # type: ignore[arg-type]
        assert rejected(stranger, ROUTE, element, step) is ErrorCode.PROOF_REJECTED  # type: ignore[arg-type]
        assert rejected(holder, ROUTE, elsewhere, step) is ErrorCode.PROOF_REJECTED  # type: ignore[arg-type]
        assert rejected(holder, back, element, step) is ErrorCode.PROOF_REJECTED  # type: ignore[arg-type]


@settings(max_examples=60)
@given(field=st.sampled_from(["element", "proof"]), at=st.integers(0, 511), cut=st.integers(0, 64))
def test_no_bit_of_a_step_can_be_flipped_and_nothing_cut(field: str, at: int, cut: int) -> None:
    element = SAID.element
    step = take_step(FEDERATION.gateway, ROUTE, element)
    value = bytearray(getattr(step, field))
    value[at // 8 % len(value)] ^= 1 << at % 8
    assert rejected("gateway", ROUTE, element, dataclasses.replace(step, **{field: bytes(value)})) is (
        ErrorCode.PROOF_REJECTED
    )
    short = bytes(value)[:cut] if cut < len(value) else bytes(value) + b"\0"
    assert rejected("gateway", ROUTE, element, dataclasses.replace(step, **{field: short})) is ErrorCode.PROOF_REJECTED


def test_an_epoch_that_is_not_published_has_no_points_to_prove_against() -> None:
    for route in (dataclasses.replace(ROUTE, epoch=2), dataclasses.replace(ROUTE, responder_epoch=2)):
        step = take_step(FEDERATION.gateway, route, SAID.element)
        assert rejected("gateway", route, SAID.element, step) is ErrorCode.EPOCH_UNKNOWN


@pytest.mark.parametrize("element", [b"", bytes(32), b"\xff" * 32, SAID.element * 2])
def test_what_is_no_point_is_not_multiplied(element: bytes) -> None:
    with pytest.raises(WardgateError) as caught:
        take_step(FEDERATION.gateway, ROUTE, element)
    assert caught.value.code is ErrorCode.MESSAGE_MALFORMED


@pytest.mark.parametrize(
    "change",
    [
        {"query_sha256": sha256(b"other")},
        {"requester": RESPONDER},
        {"responder": REQUESTER},
        {"responder_epoch": 2},
        {"element": oprf.blind(b"child")[1]},
        {"requester": REQUESTER + RESPONDER, "responder": ""},
    ],
)
def test_the_trustees_word_is_for_one_point_at_one_place(change: dict[str, Any]) -> None:
    signature = SAID.sign(TRUSTEE)
    SAID.verify(TRUSTEE.verify_key, signature)
    with pytest.raises(WardgateError) as caught:
        dataclasses.replace(SAID, **change).verify(TRUSTEE.verify_key, signature)
    assert caught.value.code is ErrorCode.SIGNATURE_REJECTED


def test_the_trustees_word_is_of_its_own_domain_and_the_same_every_time() -> None:
    assert SAID.sign(TRUSTEE) == SAID.sign(TRUSTEE)
    for domain in (domains.POINTS, domains.TICKET, domains.QUERY, domains.ADMISSION):
        with pytest.raises(WardgateError):
            SAID.verify(TRUSTEE.verify_key, TRUSTEE.sign(domain, *SAID._parts()))
    with pytest.raises(WardgateError):
        SAID.verify(TRUSTEE.verify_key, SAID.sign(SigningKey.generate()))
