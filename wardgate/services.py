"""Which service a settings file is of, and where that service's ledger is."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from agency_node.settings import NodeSettings
from federation.errors import ErrorCode, WardgateError
from federation.keyfiles import read_verify_key
from federation.ledger.checkpoint import WitnessKey
from federation.ledger.place import LedgerPlace, service_ledger
from federation.settings import ServiceSettings
from gateway.settings import GatewaySettings
from gateway.witnesses import known_witnesses
from trustee.settings import TrusteeSettings

SERVICES: tuple[type[ServiceSettings], ...] = (GatewaySettings, TrusteeSettings, NodeSettings)


def ledger_of(config: Path) -> LedgerPlace:
    """The ledger of the service whose settings a file holds.

    Raises:
        WardgateError: `SETTINGS_INVALID`: they are the settings of no service; `STORE_UNAVAILABLE`.
    """
    match _settings(config):
        case GatewaySettings() as gateway:
            return service_ledger(
                gateway.store_url,
                data_dir=gateway.data_dir,
                keys_dir=gateway.keys_dir,
                witnesses=lambda: asyncio.run(known_witnesses(gateway)),
            )
        case TrusteeSettings() as trustee:
            return service_ledger(
                trustee.database,
                data_dir=trustee.data_dir,
                keys_dir=trustee.keyring,
                witnesses=lambda: _trustees(trustee),
            )
        case NodeSettings() as node:
            return service_ledger(node.store_url, data_dir=node.data_dir, keys_dir=node.keys_dir, witnesses=list)
        case other:
            raise TypeError(type(other).__name__)


def _settings(config: Path) -> ServiceSettings:
    """Settings of one service are those of no other: unknown keys are refused."""
    reasons: list[str] = []
    for kind in SERVICES:
        try:
            return kind.load(config)
        except WardgateError as error:
            reasons.append(f"{kind.__name__}: {error.detail}")
    raise WardgateError(ErrorCode.SETTINGS_INVALID, "of no service; " + "; ".join(reasons))


def _trustees(settings: TrusteeSettings) -> Sequence[WitnessKey]:
    return [WitnessKey(str(settings.gateway.party), read_verify_key(settings.gateway.verify_key_file))]
