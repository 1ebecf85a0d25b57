"""What gateway and trustee saw of one query: read from their own ledgers and stores, shown as it stands there."""

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from agency_node.settings import NodeSettings
from federation.ledger.checkpoint import NoteKey
from federation.ledger.entry import EntryKind
from federation.ledger.export import KEY_FILE
from federation.ledger.reader import Criteria, Reader
from federation.ledger.verify import Verified, verify_database
from federation.store import open_engine
from gateway.settings import GatewaySettings
from gateway.store.tables import QueryRow, table
from sandbox.folder import SandboxFolder
from trustee.settings import TrusteeSettings

LONG: Final = 96


@dataclass(frozen=True, slots=True)
class Views:
    """One query as the two in the middle saw it.

    Attributes:
        header: The query's header at the gateway.
        gateway: Entries of the gateway's ledger about it.
        trustee: Entries of the trustee's ledger about it.
    """

    header: dict[str, Any]
    gateway: list[dict[str, Any]]
    trustee: list[dict[str, Any]]


async def views_of(folder: SandboxFolder, query_id: str) -> Views:
    """Read what gateway and trustee hold about a query."""
    header, gateway = await _gateway(GatewaySettings.load(folder.gateway_config), query_id)
    digest = next(entry["body"]["query_sha256"] for entry in gateway)
    return Views(header, gateway, await _trustee(TrusteeSettings.load(folder.trustee_config), digest))


async def _gateway(settings: GatewaySettings, query_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    engine = open_engine(settings.store_url)
    try:
        found = await Reader(engine).search(Criteria(query_id=query_id))
        queries = table(QueryRow)
        async with engine.connect() as connection:
            row = (await connection.execute(select(queries.c.header).where(queries.c.query_id == query_id))).one()
    finally:
        await engine.dispose()
    return json.loads(row.header), [json.loads(entry.content) for entry in found]


async def _trustee(settings: TrusteeSettings, digest: str) -> list[dict[str, Any]]:
    engine = open_engine(settings.database)
    try:
        found = await Reader(engine).search(Criteria(kind=EntryKind.TICKET_TRANSLATED))
    finally:
        await engine.dispose()
    entries = [json.loads(entry.content) for entry in found]
    return [entry for entry in entries if entry["body"].get("query_sha256") == digest]


def shortened(value: object) -> object:
    """The same JSON with long strings cut in the middle, so that it fits a screen."""
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in value]
    if isinstance(value, str) and len(value) > LONG:
        return f"{value[:20]}… ({len(value)} characters)"
    return value


def verify_ledgers(folder: SandboxFolder) -> dict[str, Verified]:
    """Verify the ledger of gateway, trustee and every node, each against its own public key.

    Raises:
        WardgateError: `LEDGER_INVALID`, naming the first bad index.
    """
    databases = {
        "gateway": GatewaySettings.load(folder.gateway_config).store_url,
        "trustee": TrusteeSettings.load(folder.trustee_config).database,
        **{
            agency: NodeSettings.load(folder.node_config(agency)).store_url
            for agency in folder.read_state()["agencies"]
        },
    }
    return {service: _verify(folder, service, url) for service, url in databases.items() if url.startswith("sqlite")}


def _verify(folder: SandboxFolder, service: str, url: str) -> Verified:
    from pathlib import Path

    from sqlalchemy.engine import make_url

    key = NoteKey.parse((folder.service_data(service) / KEY_FILE).read_text())
    return verify_database(Path(make_url(url).database or ""), key)
