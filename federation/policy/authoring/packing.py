"""Archives whose bytes depend on nothing but the files in them. Pure."""

import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz of files by name: fixed owner, mode and time, stored without compression."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return b"".join(_stored_gzip(raw.getvalue()))


def unpack(archive: bytes) -> dict[str, bytes]:
    """The plain files of a tar.gz by name."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
        found = {member.name: opened.extractfile(member) for member in opened.getmembers()}
        return {name: file.read() for name, file in found.items() if file is not None}


def _stored_gzip(content: bytes) -> Iterator[bytes]:
    # Compressors differ between libraries and versions; stored blocks (RFC 1951 section 3.2.4) cannot.
    yield b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    for start in range(0, len(content), 0xFFFF):
        block = content[start : start + 0xFFFF]
        last = start + 0xFFFF >= len(content)
        yield bytes([last]) + len(block).to_bytes(2, "little") + (0xFFFF ^ len(block)).to_bytes(2, "little") + block
    yield zlib.crc32(content).to_bytes(4, "little") + (len(content) & 0xFFFFFFFF).to_bytes(4, "little")
