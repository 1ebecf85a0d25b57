"""The gateway's ledger as others check it: checkpoints out, cosignatures in."""

from collections.abc import Callable

from federation.directory import TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.ledger.journal import Journal
from federation.transport.identity import Party, PartyKind
from federation.wire.v1 import ledger_pb2 as wire
from gateway.proofs import checkpoint_update
from keys.signing import VerifyKey


class Witnesses:
    """Serves checkpoints and keeps what witnesses say of them."""

    def __init__(self, journal: Journal, directory: Callable[[], TrustedDirectory]) -> None:
        self._journal = journal
        self._directory = directory

    async def checkpoint(self, known_size: int) -> wire.CheckpointUpdate:
        """The current checkpoint, consistent with the caller's."""
        return await checkpoint_update(self._journal, known_size)

    async def keep(self, witness: Party, cosigned: bytes) -> None:
        """Keep a witness's cosignature of one of our checkpoints.

        Raises:
            WardgateError: `NOT_AUTHORISED`, `AGENCY_UNKNOWN`, `LEDGER_INVALID` or `LEDGER_FORKED`.
        """
        await self._journal.add_cosignature(cosigned, str(witness), self._key_of(witness))

    def _key_of(self, witness: Party) -> VerifyKey:
        directory = self._directory()
        match witness.kind:
            case PartyKind.NODE:
                return directory.agency(witness.id).verify_key
            case PartyKind.TRUSTEE:
                return directory.anchors.trustee_key
            case _:
                raise WardgateError(ErrorCode.NOT_AUTHORISED, f"{witness} is no witness")
