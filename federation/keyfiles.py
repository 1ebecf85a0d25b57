"""Public halves of keys as files: how parties introduce themselves to each other out of band."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from federation.directory import SignedStatement
from federation.document import Document
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


class AuditorsFile(Document):
    """The auditors' key statements, oldest first, as they are handed to the gateway."""

    v: Literal[1] = 1
    statements: Annotated[list[SignedStatement], Field(min_length=1, max_length=64)]


def read_auditors(path: Path) -> list[SignedStatement]:
    """The auditors' key statements from their file; whoever uses them verifies them.

    Raises:
        WardgateError: `SETTINGS_INVALID`.
    """
    try:
        return list(AuditorsFile.parse(path.read_bytes()).statements)
    except (OSError, ValueError, WardgateError) as error:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{path.name}: not the auditors' key statements") from error


def write_auditors(path: Path, statements: Sequence[SignedStatement]) -> None:
    """Write the auditors' key statements in the place of what was there."""
    write_public(path, AuditorsFile(statements=list(statements)).canonical())
