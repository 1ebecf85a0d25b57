"""What a party believes of the gateway: directory and ledger head, each only ever moving forward. No I/O.

A `Follower` is a state machine: bytes in, a verified state out, or an error. Every checkpoint must extend the one
before (consistency proof), every directory must stand in the ledger (inclusion proof), so a gateway that swaps a key,
shows two parties two directories or rewrites its history is caught by whoever follows it.
"""

from federation.directory import Anchors, KeyStatement, TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.ledger.checkpoint import NoteKey, SignedCheckpoint, verify_checkpoint
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.tree import leaf_hash, verify_consistency, verify_inclusion
from federation.wire.v1 import directory_pb2, ledger_pb2


class Follower:
    """One party's verified view of one gateway.

    Args:
        anchors: What was given out of band.
        origin: Name of the gateway's ledger.
        own: This party's own key statement, which must stand unchanged in the directory; None for one without.
    """

    def __init__(self, anchors: Anchors, origin: str, own: KeyStatement | None = None) -> None:
        self._key = NoteKey(origin, anchors.gateway_key)
        self._own = own
        self.directory = TrustedDirectory.empty(anchors)
        self.checkpoint: SignedCheckpoint | None = None

    @property
    def known_size(self) -> int:
        """Size of the last verified checkpoint; 0 for none: what a request for the next one must name."""
        return self.checkpoint.size if self.checkpoint else 0

    def restore(self, *, checkpoint: bytes, directory: bytes, signature: bytes, entry: bytes) -> None:
        """Take up what this party itself verified and kept before a restart.

        Raises:
            WardgateError: `LEDGER_INVALID` or `DIRECTORY_REJECTED`: what was kept was tampered with.
        """
        self.checkpoint = verify_checkpoint(checkpoint, self._key)
        if directory:
            body = Entry.parse(entry).body
            self.directory = self.directory.advance(directory, signature, entry=body, own=self._own)

    def accept_head(self, update: ledger_pb2.CheckpointUpdate) -> SignedCheckpoint:
        """Advance to a newer checkpoint.

        Raises:
            WardgateError: `LEDGER_FORKED` when it does not extend the last one, `LEDGER_INVALID` when it is malformed.
        """
        head = verify_checkpoint(update.checkpoint, self._key)
        known = self.checkpoint
        if known is not None and known.size > 0:
            if head.size < known.size:
                raise WardgateError(ErrorCode.LEDGER_FORKED, f"the ledger shrank from {known.size} to {head.size}")
            verify_consistency(known.size, head.size, known.root, head.root, list(update.consistency))
        self.checkpoint = head
        return head

    def accept_inclusion(self, proof: ledger_pb2.InclusionProof) -> Entry:
        """Advance to the proof's checkpoint and return the entry it proves.

        Raises:
            WardgateError: `LEDGER_FORKED` or `LEDGER_INVALID`.
        """
        head = self.accept_head(proof.head)
        verify_inclusion(leaf_hash(proof.entry), proof.index, head.size, list(proof.path), head.root)
        return Entry.parse(proof.entry)

    def accept_directory(self, response: directory_pb2.GetDirectoryResponse) -> bool:
        """Advance to a newer directory; false when it is unchanged.

        Raises:
            WardgateError: `DIRECTORY_REJECTED`, `LEDGER_FORKED`, `LEDGER_INVALID` or `MESSAGE_*`.
        """
        if response.unchanged:
            self.accept_head(response.head)
            return False
        entry = self.accept_inclusion(response.inclusion)
        if entry.kind is not EntryKind.DIRECTORY_PUBLISHED:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, "the entry does not publish a directory")
        before = self.directory.version
        self.directory = self.directory.advance(response.directory, response.signature, entry=entry.body, own=self._own)
        return self.directory.version != before
