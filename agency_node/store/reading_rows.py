"""Rows of the tables that readings leave behind, apart from the database that keeps them. Pure."""

from dataclasses import dataclass
from typing import Final

from federation.vocabulary import ReadingState

ANY_CATEGORY: Final = "*"
"""Stands for categories where a dataset's rows may be of any."""


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """How a dataset stands; see `agency_node.store.tables.DatasetState`. Fresh: never read."""

    source_id: str
    dataset: str
    categories: str = "[]"
    identifies: bool = False
    state: ReadingState = ReadingState.FAILING
    fault: str = ""
    detail: str = ""
    tried_at: int = 0
    sound_at: int = 0
    as_at: int = 0
    counts: str = ""
    baseline: str = ""
    accepted_at: int = 0
    acceptance: bytes = b""


@dataclass(frozen=True, slots=True)
class RejectRow:
    """A row that could not be read; see `agency_node.store.tables.Reject`."""

    reject_id: str
    source_id: str
    dataset: str
    reason: str
    kind: str
    is_attributed: bool
    has_flags: bool
    first_at: int
    seen_at: int
    content: bytes
    dismissed_at: int = 0
    dismissal: bytes = b""
