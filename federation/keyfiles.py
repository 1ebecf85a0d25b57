"""Public halves of keys as files: how parties introduce themselves to each other out of band."""

import base64
from pathlib import Path

from federation.errors import ErrorCode, WardgateError
from keys.envelope import check_public
from keys.errors import KeysError
from keys.signing import VerifyKey


def write_public(path: Path, content: bytes) -> None:
    """Write public material in the place of what was there, readable by all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_bytes(content)
    scratch.replace(path)


def read_verify_key(path: Path) -> VerifyKey:
    """A verify key from its file, 64 hexadecimal characters.

    Raises:
        WardgateError: `SETTINGS_INVALID`.
    """
    try:
        return VerifyKey.from_hex(path.read_text().strip())
    except (OSError, ValueError, KeysError) as error:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{path.name}: not a verify key") from error


def read_audit_key(path: Path) -> bytes:
    """The audit key's public half from its file, base64: a key that something can be sealed to.

    Raises:
        WardgateError: `SETTINGS_INVALID`.
    """
    try:
        found = base64.b64decode(path.read_text().strip(), validate=True)
        check_public(found)
    except (OSError, ValueError, KeysError) as error:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{path.name}: not an audit key") from error
    return found
