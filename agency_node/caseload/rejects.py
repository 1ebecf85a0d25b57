"""Rows that could not be read, as the node keeps them: encrypted, each under one id at every reading. Pure."""

import json
from dataclasses import dataclass
from typing import Any, Final, Self

from agency_node.sources.source import Rejected, RejectionKind, RejectionReason
from agency_node.store.reading_rows import RejectRow
from agency_node.vault import Kind, Vault
from federation.canonical import JsonObject, from_json, to_canonical

MAX_CONTENT_CHARS: Final = 65_536
"""A longer row is cut: its beginning and its place are enough to find it."""
_MAX_BYTES: Final = 1024 * 1024

_HIDES_A_ROW: Final = frozenset({RejectionKind.UNREADABLE, RejectionKind.UNIDENTIFIED, RejectionKind.UNCLAIMED})


def may_be_anybodys(reject: Rejected | RejectRow) -> bool:
    """Whether a row that could not be read may be that of somebody or something missing."""
    kind = reject.counted_as if isinstance(reject, Rejected) else RejectionKind(reject.kind)
    return kind in _HIDES_A_ROW and not reject.is_attributed


@dataclass(frozen=True, slots=True, repr=False)
class RejectContent:
    """Where a row stood and what stood in it.

    Attributes:
        line: Of the last reading that met it first; a row may move.
        row: Personal data.
    """

    file: str
    line: int
    lines: int
    column: str
    row: str

    def __repr__(self) -> str:
        return f"RejectContent({self.file}:{self.line})"

    def encode(self) -> bytes:
        """As the payload to encrypt."""
        return to_canonical(
            {
                "v": 1,
                "file": self.file,
                "line": self.line,
                "lines": self.lines,
                "column": self.column,
                "row": self.row,
            }
        )

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a decrypted payload back."""
        found: dict[str, Any] = from_json(payload, max_bytes=_MAX_BYTES, what="reject")
        found.pop("v")
        return cls(**found)

    def place(self) -> JsonObject:
        """Where it stood, without its content."""
        return {"file": self.file, "line": self.line, "lines": self.lines, "column": self.column}


def reject_row(rejected: Rejected, source_id: str, vault: Vault, *, at: int, occurrence: int = 1) -> RejectRow:
    """A row to keep.

    Args:
        rejected: What the source said.
        source_id: The source.
        vault: The node's data key.
        at: Seconds since the epoch of the reading.
        occurrence: Which of several rows that cannot be told apart, from 1.
    """
    content = RejectContent(
        rejected.file, rejected.line, rejected.lines, rejected.column, rejected.content[:MAX_CONTENT_CHARS]
    )
    # A row is the same row wherever it stands; one of which nothing is known is told by its place.
    what = rejected.identity or rejected.content or f"{rejected.file}:{rejected.line}"
    if occurrence > 1:
        what += f"\0{occurrence}"
    named = f"{source_id}\0{rejected.dataset}\0{rejected.reason}\0{rejected.column}\0{what}"
    reject_id = vault.content_digest(named.encode(errors="surrogatepass"))
    return RejectRow(
        reject_id=reject_id,
        source_id=source_id,
        dataset=rejected.dataset,
        reason=rejected.reason.value,
        kind=rejected.counted_as.value,
        is_attributed=rejected.is_attributed,
        has_flags=rejected.has_flags,
        first_at=at,
        seen_at=at,
        content=vault.seal(Kind.REJECT, reject_id, content.encode()),
    )


def flag_disappeared(
    *, source_id: str, dataset: str, number: str, source_ref: str, flag: str, vault: Vault, at: int
) -> RejectRow:
    """A flag that its source does not have any more, as something for a person to confirm.

    Args:
        source_id: The source.
        dataset: The record's dataset; empty for a flag of the child as such.
        number: The child's NHS number.
        source_ref: The record's id in its source; empty for a flag of the child as such.
        flag: The flag.
        vault: The node's data key.
        at: Seconds since the epoch of the reading.
    """
    rejected = Rejected(
        dataset=dataset,
        line=0,
        reason=RejectionReason.FLAG_DISAPPEARED,
        column=flag,
        kind=RejectionKind.FIELD,
        is_attributed=True,
        has_flags=True,
        content=json.dumps({"child": number, "record": source_ref, "flag": flag}, sort_keys=True),
    )
    return reject_row(rejected, source_id, vault, at=at)
