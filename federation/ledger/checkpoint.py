"""Tree heads that somebody has signed: C2SP `tlog-checkpoint` in a `signed-note`, and cosignatures. No I/O.

    wardgate/gateway/main            origin
    20852163                         tree size
    CsUYapGGPo4dkMgIAUqom/X...=      root, base64

    — wardgate/gateway/main Az3grlgtz...=

Sources: c2sp.org/tlog-checkpoint, c2sp.org/signed-note (Ed25519, type 0x01), c2sp.org/tlog-cosignature (Ed25519
cosignature/v1, type 0x04). Unknown signatures are ignored, as the format demands; one by a known key that does not
verify rejects the note.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from federation.errors import ErrorCode, WardgateError
from federation.ledger.tree import HASH_BYTES
from keys.digest import sha256
from keys.errors import EncodingRejected, SignatureRejected
from keys.signing import SIGNATURE_BYTES, VERIFY_KEY_BYTES, SigningKey, VerifyKey

MAX_NOTE_BYTES: Final = 64 * 1024
MAX_SIGNATURES: Final = 128
"""signed-note asks for at least 16; a region has some tens of nodes, each of them a witness."""

MAX_ORIGIN_CHARS: Final = 128

_NOTE_TYPE: Final = 0x01
_COSIGNATURE_TYPE: Final = 0x04
_KEY_ID_BYTES: Final = 4
_TIMESTAMP_BYTES: Final = 8
_MAX_SIZE: Final = 2**63 - 1
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_ORIGIN: Final = re.compile(r"[!-*,-~]{1,128}")  # printable ASCII without space and plus
_BODY_LINES: Final = 3
_DASH: Final = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head.

    Attributes:
        origin: Name of the ledger, unique in the federation.
        size: Number of entries.
        root: Root of the tree, 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not _ORIGIN.fullmatch(self.origin) or self.origin.startswith("cosignature/"):
            raise _rejected("the origin is not a plain name")
        if not 0 <= self.size <= _MAX_SIZE or len(self.root) != HASH_BYTES:
            raise _rejected("size or root is out of range")

    def text(self) -> bytes:
        """The note's text, which is what gets signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()

    @classmethod
    def of_text(cls, text: bytes) -> Self:
        """Read a note's text. Extension lines, which nobody can audit, are refused.

        Raises:
            WardgateError: `LEDGER_INVALID`.
        """
        lines = text.decode(errors="replace").split("\n")  # a replaced character is in no origin
        if len(lines) != _BODY_LINES + 1 or lines[-1] or not _SIZE.fullmatch(lines[1]):
            raise _rejected("a checkpoint has three lines: origin, size, root")
        return cls(lines[0], int(lines[1]), _unbase64(lines[2], "root"))


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A tree head with the note that carries it."""

    checkpoint: Checkpoint
    note: bytes

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.checkpoint.size

    @property
    def root(self) -> bytes:
        """Root of the tree, 32 bytes."""
        return self.checkpoint.root


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key with the name it signs notes under: `ledger.pub` holds its text form (a signed-note *vkey*)."""

    name: str
    key: VerifyKey

    def text(self) -> str:
        """`name+key id+base64(type || key)`."""
        return _vkey(self.name, _NOTE_TYPE, self.key)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form.

        Raises:
            WardgateError: `LEDGER_INVALID`.
        """
        return cls(*_of_vkey(text, _NOTE_TYPE))


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's public key with the name it cosigns under, as a *vkey* of type 0x04 (c2sp.org/tlog-cosignature)."""

    name: str
    key: VerifyKey

    def text(self) -> str:
        """`name+key id+base64(type || key)`."""
        return _vkey(self.name, _COSIGNATURE_TYPE, self.key)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form.

        Raises:
            WardgateError: `LEDGER_INVALID`.
        """
        return cls(*_of_vkey(text, _COSIGNATURE_TYPE))


@dataclass(frozen=True, slots=True)
class _Note:
    text: bytes
    signatures: tuple[tuple[str, bytes], ...]
    """Name and decoded signature, key id first."""


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> SignedCheckpoint:
    """Sign a tree head under its origin's name."""
    name, text = checkpoint.origin, checkpoint.text()
    signature = _key_id(name, _NOTE_TYPE, key.verify_key) + key.sign_raw(text)
    return SignedCheckpoint(checkpoint, text + b"\n" + _line(name, signature))


def verify_checkpoint(note: bytes, key: NoteKey, *, origin: str | None = None) -> SignedCheckpoint:
    """Read a checkpoint that must be signed by `key`.

    Args:
        note: The whole note.
        key: Name and key of its signer.
        origin: Where the origin line differs from the key's name; our ledgers sign under their origin.

    Raises:
        WardgateError: `LEDGER_INVALID`: malformed, of another origin, or not signed by this key.
    """
    parsed = _parse(note)
    checkpoint = Checkpoint.of_text(parsed.text)
    if checkpoint.origin != (key.name if origin is None else origin):
        raise _rejected(f"the checkpoint is of {checkpoint.origin}")
    signatures = _by(parsed, key.name, _key_id(key.name, _NOTE_TYPE, key.key), SIGNATURE_BYTES)
    for signature in signatures:
        _verify(key.key, signature, parsed.text)
    if not signatures:
        raise _rejected("the checkpoint is not signed by its ledger's key")
    return SignedCheckpoint(checkpoint, note)


def cosign_checkpoint(signed: SignedCheckpoint, *, name: str, key: SigningKey, at: int) -> bytes:
    """A witness's signature line (`cosignature/v1`) over a checkpoint that it has found consistent.

    Args:
        signed: The checkpoint.
        name: The witness's name.
        key: The witness's key.
        at: Whole seconds since the epoch.
    """
    if not _ORIGIN.fullmatch(name):
        raise _rejected("the witness's name is not a plain name")
    signature = key.sign_raw(_cosigned(signed.checkpoint.text(), at))
    return _line(
        name, _key_id(name, _COSIGNATURE_TYPE, key.verify_key) + at.to_bytes(_TIMESTAMP_BYTES, "big") + signature
    )


def with_cosignatures(note: bytes, *lines: bytes) -> bytes:
    """The note with witnesses' signature lines appended."""
    return note + b"".join(lines)


def without_cosignatures(note: bytes, key: NoteKey) -> bytes:
    """The note with the signature of its ledger alone: short, whatever else somebody wrote under it.

    Raises:
        WardgateError: `LEDGER_INVALID`: not a checkpoint signed by `key`.
    """
    verify_checkpoint(note, key)
    key_id = _key_id(key.name, _NOTE_TYPE, key.key)
    parsed = _parse(note)
    signature = _by(parsed, key.name, key_id, SIGNATURE_BYTES)[0]
    return parsed.text + b"\n" + _line(key.name, key_id + signature)


def verify_cosignatures(note: bytes, witnesses: Mapping[str, VerifyKey]) -> dict[str, int]:
    """Which of the known witnesses have cosigned a checkpoint, and when (seconds since the epoch).

    Raises:
        WardgateError: `LEDGER_INVALID`: malformed, or a line under a known key does not verify.
    """
    parsed = _parse(note)
    found: dict[str, int] = {}
    for name, key in witnesses.items():
        key_id = _key_id(name, _COSIGNATURE_TYPE, key)
        for stamped in _by(parsed, name, key_id, _TIMESTAMP_BYTES + SIGNATURE_BYTES):
            at = int.from_bytes(stamped[:_TIMESTAMP_BYTES], "big")
            _verify(key, stamped[_TIMESTAMP_BYTES:], _cosigned(parsed.text, at))
            found[name] = max(at, found.get(name, 0))
    return found


def cosignature_line(note: bytes, name: str) -> bytes:
    """The last signature line under `name`, as it stands in the note.

    Raises:
        WardgateError: `LEDGER_INVALID`: malformed, or there is none.
    """
    lines = [_line(signer, value) for signer, value in _parse(note).signatures if signer == name]
    if not lines:
        raise _rejected(f"no signature by {name}")
    return lines[-1]


def _cosigned(text: bytes, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n".encode() + text


def _key_id(name: str, kind: int, key: VerifyKey) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([kind]) + bytes(key))[:_KEY_ID_BYTES]


def _vkey(name: str, kind: int, key: VerifyKey) -> str:
    return f"{name}+{_key_id(name, kind, key).hex()}+{base64.b64encode(bytes([kind]) + bytes(key)).decode()}"


def _of_vkey(text: str, kind: int) -> tuple[str, VerifyKey]:
    parts = text.strip().split("+", 2)
    if len(parts) != 3 or not _ORIGIN.fullmatch(parts[0]):  # noqa: PLR2004 - name, id, key
        raise _rejected("a public key is written name+id+key")
    name, key_id, encoded = parts
    material = _unbase64(encoded, "public key")
    if len(material) != 1 + VERIFY_KEY_BYTES or material[0] != kind:
        raise _rejected(f"the public key is not an Ed25519 key of type {kind}")
    try:
        key = VerifyKey(material[1:])
    except EncodingRejected as error:
        raise _rejected("the public key is not an Ed25519 key") from error
    if _key_id(name, kind, key).hex() != key_id:
        raise _rejected("the public key's id does not belong to it")
    return name, key


def _line(name: str, signature: bytes) -> bytes:
    return f"{_DASH}{name} {base64.b64encode(signature).decode()}\n".encode()


def _by(note: _Note, name: str, key_id: bytes, length: int) -> list[bytes]:
    found = [value[_KEY_ID_BYTES:] for signer, value in note.signatures if (signer, value[:4]) == (name, key_id)]
    if any(len(signature) != length for signature in found):
        raise _rejected(f"a signature by {name} has the wrong length")
    return found


def _verify(key: VerifyKey, signature: bytes, text: bytes) -> None:
    try:
        key.verify_raw(signature, text)
    except SignatureRejected as error:
        raise _rejected("a signature under a known key does not verify") from error


def _parse(note: bytes) -> _Note:
    if len(note) > MAX_NOTE_BYTES:
        raise _rejected("the note is too long")
    try:
        content = note.decode()
    except UnicodeDecodeError as error:
        raise _rejected("the note is not UTF-8") from error
    text, separator, signatures = content.rpartition("\n\n")
    if not separator or not signatures.endswith("\n") or any(char < " " and char != "\n" for char in content):
        raise _rejected("the note has no signatures, or control characters")
    lines = signatures[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise _rejected("the note has too many signatures")
    return _Note((text + "\n").encode(), tuple(_signature(line) for line in lines))


def _signature(line: str) -> tuple[str, bytes]:
    name, separator, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not name or not separator:
        raise _rejected("a signature line is malformed")
    value = _unbase64(encoded, "signature")
    if len(value) <= _KEY_ID_BYTES:
        raise _rejected("a signature is too short")
    return name, value


def _unbase64(text: str, what: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _rejected(f"the {what} is not base64") from error
    if base64.b64encode(found).decode() != text:
        raise _rejected(f"the {what} is not canonical base64")
    return found


def _rejected(detail: str) -> WardgateError:
    return WardgateError(ErrorCode.LEDGER_INVALID, detail)
