"""Who watches the gateway's ledger, and with which keys."""

from typing import Final

from sqlalchemy import select

from federation.directory import DirectoryDocument, KeyStatement, TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.keyfiles import read_verify_key
from federation.ledger.checkpoint import WitnessKey
from federation.store import open_engine, reading, store_errors
from federation.transport.identity import Party, PartyKind
from gateway.directory import DIRECTORY
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


def key_of(witness: Party, directory: TrustedDirectory) -> VerifyKey:
    """The key of one that watches the gateway's ledger.

    Raises:
        WardgateError: `NOT_AUTHORISED`, `AGENCY_UNKNOWN`.
    """
    match witness.kind:
        case PartyKind.NODE:
            return directory.agency(witness.id).verify_key
        case PartyKind.TRUSTEE:
            return directory.anchors.trustee_key
        case _:
            raise WardgateError(ErrorCode.NOT_AUTHORISED, f"{witness} is no witness")
