"""What is to be done next about an agency's epochs, out of what three parties say."""

import pytest

from gateway.epochs import CaseloadEpochs, Standing, Step, opened

ONE, BOTH, NEW = (1,), (1, 2), (2,)


def standing(
    *,
    gateway: tuple[int, ...] = BOTH,
    trustee: tuple[int, ...] = BOTH,
    trustee_now: tuple[int, ...] | None = BOTH,
    caseload: int = 2,
    attached: bool = True,
) -> Standing:
    return Standing("uclh", gateway, trustee, trustee_now, caseload, attached)


@pytest.mark.parametrize(
    ("found", "step"),
    [
        (standing(gateway=ONE, trustee=ONE, trustee_now=ONE, caseload=1), Step.NONE),
        (standing(gateway=ONE, trustee=ONE, caseload=1), Step.OPEN_AT_GATEWAY),
        (standing(gateway=ONE, trustee=ONE, trustee_now=(1, 2, 3), caseload=0), Step.OPEN_AT_GATEWAY),
        (standing(caseload=1), Step.WAIT_FOR_CASELOAD),
        (standing(caseload=0), Step.WAIT_FOR_CASELOAD),
        (standing(attached=False), Step.WAIT_FOR_CASELOAD),
        (standing(), Step.RETIRE_AT_GATEWAY),
        (standing(gateway=NEW, trustee=NEW), Step.RETIRE_AT_TRUSTEE),
        (standing(gateway=NEW), Step.RETIRE_AT_TRUSTEE),
        (standing(gateway=NEW, trustee=NEW, trustee_now=(1, 2, 3)), Step.RETIRE_AT_TRUSTEE),
        (standing(gateway=NEW, trustee=NEW, trustee_now=NEW), Step.NONE),
        (standing(trustee_now=None), Step.ASK_TRUSTEE),
        (standing(trustee_now=NEW), Step.MEND_TRUSTEE),
        (standing(trustee_now=ONE), Step.MEND_TRUSTEE),
    ],
)
def test_the_next_step_follows_from_what_is_published_stated_and_moved(found: Standing, step: Step) -> None:
    assert found.step is step


def test_of_three_epochs_the_oldest_can_go_when_nobody_is_left_in_it() -> None:
    three = {"gateway": (1, 2, 3), "trustee": (1, 2, 3), "trustee_now": (1, 2, 3)}
    assert standing(**three, caseload=2).has_moved  # type: ignore[arg-type]  # by name
    assert not standing(**three, caseload=1).has_moved  # type: ignore[arg-type]  # by name


def test_an_agency_in_one_epoch_has_nowhere_moved() -> None:
    assert not standing(gateway=ONE, trustee=ONE, trustee_now=ONE, caseload=1).has_moved


@pytest.mark.parametrize(
    ("published", "stated", "after"),
    [(ONE, ONE, ONE), (ONE, BOTH, BOTH), (ONE, (1, 2, 3), (1, 2, 3)), (NEW, BOTH, NEW), (NEW, (1, 2, 3), (2, 3))],
)
def test_what_is_retired_at_the_gateway_is_not_opened_again(
    published: tuple[int, ...], stated: tuple[int, ...], after: tuple[int, ...]
) -> None:
    assert opened(published, stated) == after


def test_a_node_takes_back_what_it_said_by_saying_nothing() -> None:
    caseloads = CaseloadEpochs()
    assert caseloads.oldest("uclh") == 0
    caseloads.hear("uclh", 2)
    assert (caseloads.oldest("uclh"), caseloads.oldest("camden-csc")) == (2, 0)
    caseloads.hear("uclh", 0)
    assert caseloads.oldest("uclh") == 0
