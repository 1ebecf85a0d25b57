"""Public halves of keys as files: how parties introduce themselves to each other out of band."""

import base64
import binascii
from pathlib import Path

from federation.errors import ErrorCode, WardgateError
from keys.errors import KeysError
from keys.signing import VerifyKey


def write_public(path: Path, content: bytes) -> None:
    """Write public material in the place of what was there, readable by all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_bytes(content)
    scratch.replace(path)


def write_verify_key(path: Path, key: VerifyKey) -> None:
    """Write a verify key as other people's tools read it: SubjectPublicKeyInfo in PEM (RFC 8410)."""
    write_public(path, key.pem)


def read_verify_key(path: Path) -> VerifyKey:
    """A verify key from its file: PEM, or the 64 hexadecimal characters that older versions wrote.

    Raises:
        WardgateError: `SETTINGS_INVALID`.
    """
    try:
        content = path.read_bytes()
        return VerifyKey.from_pem(content) if b"-----" in content else VerifyKey.from_hex(content.decode().strip())
    except (OSError, ValueError, KeysError) as error:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{path.name}: not a verify key") from error


def read_audit_key(path: Path) -> bytes:
    """The audit key's public half from its file, base64.

    Raises:
        WardgateError: `SETTINGS_INVALID`.
    """
    try:
        return base64.b64decode(path.read_text().strip(), validate=True)
    except (OSError, binascii.Error) as error:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{path.name}: not an audit key") from error
