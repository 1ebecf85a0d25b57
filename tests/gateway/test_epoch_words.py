"""Every step that can be next is said in words, with the command and who runs it."""

import pytest

from federation.wire.v1 import admin_pb2
from gateway.epoch_words import shown, turned
from gateway.epochs import Standing, Step
from gateway.servicers.epochs import message

NOW = {
    Step.NONE: Standing("uclh", (2,), (2,), (2,), 2, attached=True),
    Step.OPEN_AT_GATEWAY: Standing("uclh", (1,), (1,), (1, 2), 1, attached=True),
    Step.WAIT_FOR_CASELOAD: Standing("uclh", (1, 2), (1, 2), (1, 2), 1, attached=True),
    Step.RETIRE_AT_GATEWAY: Standing("uclh", (1, 2), (1, 2), (1, 2), 2, attached=True),
    Step.RETIRE_AT_TRUSTEE: Standing("uclh", (2,), (2,), (1, 2), 2, attached=True),
    Step.ASK_TRUSTEE: Standing("uclh", (1,), (1,), None, 1, attached=True),
    Step.MEND_TRUSTEE: Standing("uclh", (1,), (1,), (), 1, attached=True),
}
COMMANDS = {
    Step.NONE: "`wardgate trustee epoch-open uclh --yes`",
    Step.OPEN_AT_GATEWAY: "opened epoch 2: the gateway's operator runs `wardgate gateway epoch-open --agency uclh`",
    Step.WAIT_FOR_CASELOAD: "`wardgate gateway epochs` shows that the caseload has left epoch 1: its node moves it",
    Step.RETIRE_AT_GATEWAY: "`wardgate gateway epoch-retire --agency uclh`",
    Step.RETIRE_AT_TRUSTEE: "epoch 1 no more: the trustee's operator runs `wardgate trustee epoch-retire uclh --yes`",
    Step.ASK_TRUSTEE: "the trustee does not answer",
    Step.MEND_TRUSTEE: "`wardgate trustee status`",
}


@pytest.mark.parametrize("step", list(Step))
def test_each_step_is_said_with_its_command(step: Step) -> None:
    found = shown(message(NOW[step]))
    assert (NOW[step].step, found["step"]) == (step, step.value)
    assert COMMANDS[step] in str(found["next"])


def test_what_is_not_known_is_not_said_to_be_none() -> None:
    unknown = Standing("uclh", (1, 2), (1, 2), None, 0, attached=False)
    assert (shown(message(unknown))["trustee_now"], shown(message(unknown))["caseload_from"]) == (None, None)
    assert shown(message(NOW[Step.MEND_TRUSTEE]))["trustee_now"] == []


@pytest.mark.parametrize(
    ("attached", "caseload", "words"),
    [(False, 1, "is not attached"), (True, 0, "has not said where it is"), (True, 1, "moves it, by itself")],
)
def test_why_one_waits_is_said(*, attached: bool, caseload: int, words: str) -> None:
    waiting = Standing("uclh", (1, 2), (1, 2), (1, 2), caseload, attached=attached)
    assert words in str(shown(message(waiting))["next"])


def test_a_new_seed_is_to_be_backed_up_and_an_old_one_is_not() -> None:
    epochs = message(NOW[Step.WAIT_FOR_CASELOAD])
    opened = turned(admin_pb2.OpenEpochResponse(epochs=epochs, directory_version=7, changed=True))
    again = turned(admin_pb2.OpenEpochResponse(epochs=epochs, directory_version=7, changed=False))
    retired = turned(admin_pb2.RetireEpochResponse(epochs=epochs, directory_version=8, changed=True))
    assert [str(said["next"]).startswith("back up") for said in (opened, again, retired)] == [True, False, False]
    assert (opened["changed"], opened["directory_version"]) == (True, 7)
