"""A follower of the gateway without a store: moves on only to what it verified."""

from federation.directory import TrustedDirectory
from federation.following.follower import View
from federation.ledger.checkpoint import SignedCheckpoint
from federation.ledger.entry import Entry
from federation.wire.v1 import directory_pb2, ledger_pb2


class Following:
    """One view, which each step replaces."""

    def __init__(self, view: View) -> None:
        self.view = view

    @property
    def directory(self) -> TrustedDirectory:
        return self.view.directory

    @property
    def checkpoint(self) -> SignedCheckpoint | None:
        return self.view.head

    @property
    def known_size(self) -> int:
        return self.view.known_size

    def accept_directory(self, response: directory_pb2.GetDirectoryResponse) -> bool:
        """Whether the directory is newer."""
        before = self.directory.version
        self.view = self.view.with_directory(response)
        return self.directory.version != before

    def accept_head(self, update: ledger_pb2.CheckpointUpdate) -> None:
        self.view = self.view.with_head(update)

    def accept_inclusion(self, proof: ledger_pb2.InclusionProof) -> Entry:
        self.view, entry = self.view.with_entry(proof)
        return entry
