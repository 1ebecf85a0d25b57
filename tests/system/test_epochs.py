"""Epochs turned by command, at both holders, in a region of real processes that is asked all the time."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from agency_node.settings import NodeSettings
from federation.ledger.entry import EntryKind
from federation.transport.failures import from_rpc_error
from federation.transport.identity import Party, PartyKind
from tests.support.box import KNOWN, NOBODY, Box, Finished, box, until
from tests.support.member import Member
from tests.system.test_faults import WHOLE

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(180)]

TARGET, ASKER, OFF = "small-police", "small-csc", "small-school"
TURNED = (TARGET, ASKER)


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with box(tmp_path_factory.mktemp("epochs")) as up:
        yield up


def at_gateway(region: Box, *command: str) -> Finished:
    return region.operate(*command)


def at_trustee(region: Box, command: str, agency: str) -> Finished:
    config = str(region.folder.trustee_config)
    return region.wardgate("trustee", command, agency, "--config", config, "--yes", "--json")


def code_of(failed: Finished) -> str:
    assert failed.code != 0
    return str(json.loads(failed.err)["error"]["code"])


def standing(region: Box, agency: str) -> Any:
    (found,) = at_gateway(region, "epochs", "--agency", agency).json["epochs"]
    return found


def steps(region: Box, step: str) -> None:
    """Wait until this is the next step of every agency whose epoch is turned."""

    def there() -> bool:
        found = {row["agency"]: row["step"] for row in at_gateway(region, "epochs").json["epochs"]}
        return all(found[agency] == step for agency in TURNED)

    until(there, wait_s=30, pause_s=0.3)


def outcomes(picture: Any) -> dict[str, str]:
    return {target["agency"]: target["outcome"] or target["state"] for target in picture["targets"]}


def refused_under_the_first_epoch(region: Box) -> str:
    """The code with which a question is refused that the asker signed under its first epoch, as if nothing had been
    retired."""
    member = Member(
        NodeSettings.load(region.folder.node_config(ASKER)), region.folder.service_data("gateway") / "gateway.db"
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        asyncio.run(member.put(member.junk([TARGET])))
    return str(from_rpc_error(caught.value, Party(PartyKind.GATEWAY, "main")).code)


class Asking(threading.Thread):
    """Asks about a known child all the time, and keeps what each agency answered."""

    def __init__(self, region: Box) -> None:
        super().__init__(name="asking")
        self._region = region
        self._over = threading.Event()
        self.answers: list[dict[str, str]] = []
        self.failures: list[str] = []

    def run(self) -> None:
        while not self._over.is_set():
            try:
                self.answers.append(outcomes(self._region.ask(KNOWN)))
            except Exception as error:  # noqa: BLE001 - whatever it is, the test names it
                self.failures.append(repr(error))

    def stop(self) -> None:
        self._over.set()
        self.join(timeout=60)


@contextmanager
def asked_meanwhile(region: Box) -> Iterator[Asking]:
    asking = Asking(region)
    asking.start()
    try:
        yield asking
    finally:
        asking.stop()


def test_epochs_are_turned_at_both_holders_and_nobody_is_said_to_be_unknown(region: Box) -> None:
    """A target's, and the requester's own. Every other agency answers throughout as if nothing happened."""
    assert outcomes(region.ask(KNOWN)) == WHOLE

    with asked_meanwhile(region) as asking:
        for agency in TURNED:
            opened = at_trustee(region, "epoch-open", agency).json
            assert (opened["newest"], f"epoch-open --agency {agency}" in opened["next"]) == (2, True)
        steps(region, "open_at_gateway")
        for agency in TURNED:
            done = at_gateway(region, "epoch-open", "--agency", agency).json
            assert (done["changed"], done["gateway"], done["trustee_in_directory"]) == (True, [1, 2], [1, 2])
        steps(region, "retire_at_gateway")
        assert outcomes(region.ask(KNOWN)) == WHOLE

        assert code_of(at_trustee(region, "epoch-retire", TARGET)) == "EPOCH_IN_USE"
        for agency in TURNED:
            retired = at_gateway(region, "epoch-retire", "--agency", agency).json
            assert (retired["changed"], retired["gateway"], retired["step"]) == (True, [2], "retire_at_trustee")
            assert f"wardgate trustee epoch-retire {agency}" in retired["next"]
        for agency in TURNED:
            until(lambda name=agency: at_trustee(region, "epoch-retire", name).code == 0, wait_s=30, pause_s=0.3)
        steps(region, "none")

    assert outcomes(region.ask(KNOWN)) == WHOLE
    assert set(outcomes(region.ask(NOBODY)).values()) == {"nothing_held"}
    assert refused_under_the_first_epoch(region) == "EPOCH_UNKNOWN"
    assert (asking.failures, len(asking.answers) > 3) == ([], True)
    for answers in asking.answers:
        assert answers[TARGET] in {"records", "error", "rejected"}, "a known child is never said to be unknown"
        assert answers == {**WHOLE, TARGET: answers[TARGET]}
    rotated = [entry["body"] for entry in region.entries("gateway", kind=EntryKind.EPOCH_ROTATED)]
    for agency in TURNED:
        own = [body for body in rotated if body["scope"] == agency]
        assert [(body["oldest"], body["newest"], body.get("forced")) for body in own] == [(1, 2, None), (2, 2, False)]


def test_a_caseload_that_cannot_move_keeps_its_epoch_unless_an_operator_insists(region: Box) -> None:
    """The node is off."""
    region.kill(OFF)
    assert code_of(at_gateway(region, "epoch-open", "--agency", OFF)) == "EPOCH_NOT_OPENED"
    at_trustee(region, "epoch-open", OFF)
    until(lambda: standing(region, OFF)["step"] == "open_at_gateway", wait_s=30, pause_s=0.3)
    opened = at_gateway(region, "epoch-open", "--agency", OFF).json
    assert (opened["gateway"], opened["attached"], opened["step"]) == ([1, 2], False, "wait_for_caseload")
    assert code_of(at_gateway(region, "epoch-retire", "--agency", OFF)) == "CASELOAD_NOT_MOVED"

    assert at_gateway(region, "epoch-retire", "--agency", OFF, "--force").json["changed"]

    (*_, last) = region.entries("gateway", kind=EntryKind.EPOCH_ROTATED)
    assert (last["body"]["scope"], last["body"]["forced"]) == (OFF, True)
    region.restart(OFF)
    until(lambda: outcomes(region.ask(KNOWN)) == WHOLE, wait_s=60, pause_s=0.5)
