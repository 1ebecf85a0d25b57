"""A node's keys: the first ones, and those it makes after it lost them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from agency_node.answering.task import open_question, verify_task
from agency_node.cli import node_app
from agency_node.keychain import Replaced, create_keychain, load_keychain, signed_statement
from federation.directory import verify_chain, verify_statement
from federation.errors import ErrorCode, WardgateError
from keys.envelope import SealingKey
from keys.keyring import Keyring
from keys.signing import SigningKey
from tests.support.node_house import number
from tests.support.two_agencies import NOW, RESPONDER, Federation


def test_new_keys_say_which_they_replace_and_that_those_are_lost(tmp_path: Path) -> None:
    first, second = Keyring(tmp_path / "first"), Keyring(tmp_path / "second")
    create_keychain(first, agency=RESPONDER, now=NOW)
    lost = load_keychain(first).statement
    assert (lost.version, lost.sealing_epoch, lost.reset, lost.predecessor) == (1, 1, False, "")
    replaces = Replaced.parse(f"{lost.version}:{lost.signing_key.hex()}")
    create_keychain(second, agency=RESPONDER, now=NOW + 1, replaces=replaces)
    keychain = load_keychain(second)
    stated = keychain.statement
    assert (stated.version, stated.sealing_epoch, stated.reset, stated.predecessor) == (2, 2, True, lost.signing_key)
    assert set(keychain.sealing_keys) == {2}
    assert verify_chain([signed_statement(first), signed_statement(second)], agency=RESPONDER)[-1] == stated
    with pytest.raises(WardgateError) as caught:
        verify_statement(signed_statement(second), agency=RESPONDER, previous=None)
    assert caught.value.code is ErrorCode.DIRECTORY_REJECTED


@pytest.mark.parametrize("text", ["", "1", "1:", "x:" + "a" * 64, "1:abc", ":" + "a" * 64])
def test_what_is_replaced_is_a_version_and_a_key(text: str) -> None:
    with pytest.raises(WardgateError) as caught:
        Replaced.parse(text)
    assert caught.value.code is ErrorCode.SETTINGS_INVALID


@pytest.mark.parametrize("version", [0, -1])
def test_versions_begin_at_one(version: int) -> None:
    with pytest.raises(WardgateError) as caught:
        Replaced.parse(f"{version}:{SigningKey.generate().verify_key.hex}")
    assert caught.value.code is ErrorCode.SETTINGS_INVALID


def test_keys_that_exist_are_not_replaced_by_the_command_that_makes_new_ones(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "keyring")
    create_keychain(keyring, agency=RESPONDER, now=NOW)
    before = load_keychain(keyring).statement
    result = CliRunner().invoke(node_app, ["keys-init", "--config", "missing", "--replaces", "1:ab", "--yes"])
    assert result.exit_code != 0
    assert load_keychain(keyring).statement == before


def test_a_question_that_was_sealed_to_lost_keys_does_not_open_and_is_no_nothing_held() -> None:
    """The worker says upward that it could not use the task: see `test_worker`."""
    federation = Federation()
    put = federation.ask(number(0))
    task = verify_task(put.task, directory=federation.directory, responder=RESPONDER, now=NOW)
    with pytest.raises(WardgateError) as caught:
        open_question(task, keys={2: SealingKey.generate()}, responder=RESPONDER)
    assert caught.value.code is ErrorCode.ENVELOPE_REJECTED
