"""Which service a settings file is of: where its ledger is, and who it is when a ledger is recovered."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from agency_node import recovering as node_recovering
from agency_node.settings import NodeSettings
from federation.errors import ErrorCode, WardgateError
from federation.keyfiles import read_verify_key
from federation.ledger.checkpoint import WitnessKey
from federation.ledger.place import LedgerPlace, service_ledger
from federation.recovery.documents import refused
from federation.recovery.follower import PartyAtHand
from federation.recovery.keeper import Keeper
from federation.settings import ServiceSettings
from gateway import recovering as gateway_recovering
from gateway.settings import GatewaySettings
from gateway.witnesses import known_witnesses
from trustee import recovering as trustee_recovering
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


def at_hand_of(config: Path) -> PartyAtHand:
    """The party whose settings a file holds.

    Raises:
        WardgateError: `SETTINGS_INVALID`, `KEYRING_REJECTED`.
    """
    match _settings(config):
        case GatewaySettings() as gateway:
            return gateway_recovering.at_hand(gateway)
        case TrusteeSettings() as trustee:
            return trustee_recovering.at_hand(trustee)
        case NodeSettings() as node:
            return node_recovering.at_hand(node)
        case other:
            raise TypeError(type(other).__name__)


def keeper_of(config: Path) -> Keeper:
    """The keeper of a ledger that others follow, by its settings.

    Raises:
        WardgateError: `RECOVERY_REFUSED`: nobody follows a node's ledger; `SETTINGS_INVALID`, `KEYRING_REJECTED`.
    """
    match _settings(config):
        case GatewaySettings() as gateway:
            return gateway_recovering.keeper(gateway)
        case TrusteeSettings() as trustee:
            return trustee_recovering.keeper(trustee)
        case _:
            raise refused("a node's ledger is followed by nobody: see docs/operations.md, *Backup and restore*")


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
