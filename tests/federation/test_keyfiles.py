"""Public keys in files: taken if they are what they are meant for."""

from pathlib import Path

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.keyfiles import read_auditors, read_verify_key, write_auditors
from tests.support.auditors import Auditors


def test_the_auditors_statements_are_read_as_they_were_written(tmp_path: Path) -> None:
    auditors = Auditors()
    auditors.succeed()
    write_auditors(tmp_path / "audit-keys.json", auditors.statements)
    assert read_auditors(tmp_path / "audit-keys.json") == auditors.statements


@pytest.mark.parametrize("content", ["", "nonsense", "{}", '{"v":1,"statements":[]}'])
def test_what_states_no_key_is_a_mistake_of_settings(tmp_path: Path, content: str) -> None:
    (tmp_path / "audit-keys.json").write_text(content)
    with pytest.raises(WardgateError) as caught:
        read_auditors(tmp_path / "audit-keys.json")
    assert caught.value.code is ErrorCode.SETTINGS_INVALID


@pytest.mark.parametrize("read", [read_auditors, read_verify_key])
def test_a_path_with_a_nul_is_a_mistake_of_settings(tmp_path: Path, read: object) -> None:
    assert callable(read)
    with pytest.raises(WardgateError) as caught:
        read(tmp_path / "a\0b")
    assert caught.value.code is ErrorCode.SETTINGS_INVALID
