"""Public keys in files: taken if they are what they are meant for."""

import base64
from pathlib import Path

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.keyfiles import read_audit_key
from keys.envelope import SealingKey


def test_an_audit_key_is_read(tmp_path: Path) -> None:
    public = SealingKey.generate().public
    (tmp_path / "audit.pub").write_text(base64.b64encode(public).decode() + "\n")
    assert read_audit_key(tmp_path / "audit.pub") == public


@pytest.mark.parametrize(
    "content",
    ["", "nonsense", base64.b64encode(b"short").decode(), base64.b64encode(bytes(1216)).decode()],
    ids=["empty", "not base64", "short", "not a key"],
)
def test_what_nothing_can_be_sealed_to_is_no_audit_key(tmp_path: Path, content: str) -> None:
    (tmp_path / "audit.pub").write_text(content)
    with pytest.raises(WardgateError) as caught:
        read_audit_key(tmp_path / "audit.pub")
    assert caught.value.code is ErrorCode.SETTINGS_INVALID


def test_a_path_with_a_nul_is_a_mistake_of_settings(tmp_path: Path) -> None:
    with pytest.raises(WardgateError) as caught:
        read_audit_key(tmp_path / "a\0b")
    assert caught.value.code is ErrorCode.SETTINGS_INVALID
