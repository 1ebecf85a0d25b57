"""Which points of a ticket are translated: those asked for, in that order, and no ticket that reuses a point."""

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.query import Ticket
from tests.support.signers import Signer, some_elements
from trustee.ticket import choose_points

TARGETS = ["met-police", "st-marys-school", "uclh"]


def ticket(responders: list[str] = TARGETS, elements: bytes | None = None) -> Ticket:
    return Ticket.parse(Signer("camden-csc").ticket(responders, elements=elements).ticket)


def test_points_come_in_the_order_asked_with_their_positions() -> None:
    found = ticket()
    chosen = choose_points(found, ["uclh", "met-police"])
    assert chosen.points == (found.points[2], found.points[0])
    assert chosen.mask == 0b101


@pytest.mark.parametrize(
    ("responders", "code"),
    [
        ([], ErrorCode.MESSAGE_MALFORMED),
        (["uclh", "uclh"], ErrorCode.MESSAGE_MALFORMED),
        (["great-ormond-street"], ErrorCode.TARGET_UNKNOWN),
        (["uclh", "Uclh"], ErrorCode.TARGET_UNKNOWN),
        ([f"agency-{number}" for number in range(201)], ErrorCode.MESSAGE_MALFORMED),
    ],
)
def test_responders_that_are_not_a_choice_of_the_ticket_s_are_refused(responders: list[str], code: ErrorCode) -> None:
    with pytest.raises(WardgateError) as caught:
        choose_points(ticket(), responders)
    assert caught.value.code is code


def test_a_ticket_that_names_a_responder_twice_is_refused() -> None:
    with pytest.raises(WardgateError) as caught:
        choose_points(ticket(["uclh", "uclh"]), ["uclh"])
    assert caught.value.code is ErrorCode.MESSAGE_MALFORMED


def test_a_ticket_whose_targets_share_a_blinded_point_is_refused() -> None:
    with pytest.raises(WardgateError) as caught:
        choose_points(ticket(["uclh", "met-police"], some_elements(1) * 2), ["uclh"])
    assert caught.value.code is ErrorCode.MESSAGE_MALFORMED
