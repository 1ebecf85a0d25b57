"""What a party believes of the gateway: directory and ledger head, each only ever moving forward. No I/O.

Every checkpoint must extend the one before (consistency proof), every directory must stand in the ledger (inclusion
proof), so a gateway that swaps a key, shows two parties two directories or rewrites its history is caught by whoever
follows it. A step returns a new state only after everything in it was verified; the state before is never changed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from federation.directory import Anchors, DirectoryDocument, Own, TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.ledger.checkpoint import NoteKey, SignedCheckpoint, verify_checkpoint
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.witness import advance, included
from federation.seen import Seen
from federation.wire.v1 import directory_pb2, ledger_pb2


@dataclass(frozen=True, slots=True)
class Kept:
    """What a party verified and kept before a restart.

    Attributes:
        checkpoint: The gateway's last verified checkpoint; empty for none.
        directory: The directory's bytes, with the gateway's `signature` and the ledger `entry` that published it; empty
            for none.
        seen: What was seen of keys; empty where the store is older than that memory.
    """

    checkpoint: bytes = b""
    directory: bytes = b""
    signature: bytes = b""
    entry: bytes = b""
    seen: bytes = b""


@dataclass(frozen=True, slots=True)
class View:
    """One party's verified view of one gateway.

    Attributes:
        key: Name and key of the gateway's ledger.
        own: What this party says of itself now, which the directory must not contradict; None for one that is never
            listed.
        head: The last verified checkpoint; None before the first.
    """

    key: NoteKey
    directory: TrustedDirectory
    own: Callable[[], Own] | None = None
    head: SignedCheckpoint | None = None

    @classmethod
    def first(cls, anchors: Anchors, origin: str, own: Callable[[], Own] | None = None) -> "View":
        """Before anything was seen: only what was given out of band."""
        return cls(NoteKey(origin, anchors.gateway_key), TrustedDirectory.empty(anchors), own)

    @property
    def known_size(self) -> int:
        """Size of the last verified checkpoint; 0 for none: what a request for the next one must name."""
        return self.head.size if self.head else 0

    def restored(self, kept: Kept) -> "View":
        """Take up what this party itself verified and kept.

        Raises:
            WardgateError: `LEDGER_INVALID`, `DIRECTORY_REJECTED`, `POINTS_REPLACED` or `MESSAGE_*`: what was kept was
                tampered with.
        """
        directory = TrustedDirectory.empty(self.directory.anchors, Seen.of(kept.seen) if kept.seen else None)
        if kept.directory and not is_outdated(kept.directory):
            body = Entry.parse(kept.entry).body
            own = self._own()
            known = None if own is None else replace(own, descriptions=None)
            directory = directory.advance(kept.directory, kept.signature, entry=body, own=known)
        head = verify_checkpoint(kept.checkpoint, self.key) if kept.checkpoint else None
        return replace(self, directory=directory, head=head)

    def with_head(self, update: ledger_pb2.CheckpointUpdate) -> "View":
        """Verify a newer checkpoint.

        Raises:
            WardgateError: `LEDGER_FORKED` when it does not extend the last one, `LEDGER_INVALID` when it is malformed.
        """
        if self.head is not None and update.checkpoint == self.head.note:
            return self
        return replace(self, head=advance(self.head, update.checkpoint, list(update.consistency), self.key))

    def with_entry(self, proof: ledger_pb2.InclusionProof) -> "tuple[View, Entry]":
        """Verify that an entry stands in the ledger, and the newer checkpoint that proves it.

        Raises:
            WardgateError: `LEDGER_FORKED` or `LEDGER_INVALID`.
        """
        view = self.with_head(proof.head)
        if view.head is None:
            raise WardgateError(ErrorCode.LEDGER_INVALID, "no checkpoint")
        return view, included(proof.entry, proof.index, list(proof.path), view.head)

    def with_receipt(self, query_id: str, proof: ledger_pb2.InclusionProof) -> "tuple[View, Entry]":
        """Verify that an entry about this very query stands in the ledger.

        Raises:
            WardgateError: `LEDGER_FORKED` or `LEDGER_INVALID`.
        """
        view, entry = self.with_entry(proof)
        if entry.query_id != query_id:
            raise WardgateError(ErrorCode.LEDGER_INVALID, "receipt of another query")
        return view, entry

    def with_directory(self, response: directory_pb2.GetDirectoryResponse) -> "View":
        """Verify a newer directory; where it is unchanged, the newer checkpoint alone.

        Raises:
            WardgateError: `DIRECTORY_REJECTED`, `POINTS_REPLACED`, `LEDGER_FORKED`, `LEDGER_INVALID` or `MESSAGE_*`.
        """
        if response.unchanged:
            return self.with_head(response.head)
        view, entry = self.with_entry(response.inclusion)
        if entry.kind is not EntryKind.DIRECTORY_PUBLISHED:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, "the entry does not publish a directory")
        newer = view.directory.advance(response.directory, response.signature, entry=entry.body, own=self._own())
        return replace(view, directory=newer)

    def _own(self) -> Own | None:
        return None if self.own is None else self.own()


def is_outdated(directory: bytes) -> bool:
    """Whether a kept directory is of the version before the auditors stated their keys: it is fetched again."""
    return DirectoryDocument.parse(directory).v == 1
