"""The gateway's ledger as others check it: checkpoints out, cosignatures in."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import select

from federation.directory import DirectoryDocument, KeyStatement, TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.keyfiles import read_verify_key
from federation.ledger.checkpoint import WitnessKey
from federation.ledger.journal import Journal
from federation.store import open_engine, reading, store_errors
from federation.transport.identity import Party, PartyKind
from federation.wire.v1 import ledger_pb2 as wire
from gateway.directory import DIRECTORY
from gateway.proofs import checkpoint_update
from gateway.settings import GatewaySettings
from keys.signing import VerifyKey

_NEWEST: Final = select(DIRECTORY.c.content).order_by(DIRECTORY.c.version.desc()).limit(1)


async def known_witnesses(settings: GatewaySettings) -> list[WitnessKey]:
    """The keys of all who may cosign, read from the gateway's store beside it: its agencies and the trustee.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`, `SETTINGS_INVALID`; `MESSAGE_*`: the directory was tampered with.
    """
    engine = open_engine(settings.store_url)
    try:
        async with store_errors("directory"), reading(engine).connect() as connection:
            content = (await connection.execute(_NEWEST)).scalar_one_or_none()
    finally:
        await engine.dispose()
    agencies = DirectoryDocument.parse(content).agencies if content else []
    statements = [KeyStatement.parse(entry.statements[-1].statement) for entry in agencies]
    found = [WitnessKey(str(Party(PartyKind.NODE, item.agency)), VerifyKey(item.signing_key)) for item in statements]
    trustee = WitnessKey(str(settings.trustee.party), read_verify_key(settings.trustee.verify_key_file))
    return [*found, trustee]


class Witnesses:
    """Serves checkpoints and keeps what witnesses say of them."""

    def __init__(self, journal: Journal, directory: Callable[[], TrustedDirectory]) -> None:
        self._journal = journal
        self._directory = directory

    async def checkpoint(self, known_size: int) -> wire.CheckpointUpdate:
        """The current checkpoint, consistent with the caller's."""
        return await checkpoint_update(self._journal, known_size)

    async def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """Proof that the tree of `new_size` entries extends the one of `old_size`.

        Raises:
            WardgateError: `LEDGER_FORKED`: this ledger was never that large.
        """
        return await self._journal.consistency(old_size, new_size)

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
