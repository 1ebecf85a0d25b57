"""The gateway's own certificate: it issues it itself, at each start and before the last one runs out."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from federation.renewal import CHECK_INTERVAL_S, Issued, check_issued
from federation.transport.certificates import Credentials, HeldCertificates
from gateway.keychain import GatewayKeychain
from gateway.settings import GatewaySettings
from keys.certificates import needs_renewal
from keys.tls_key import PrivateKey


def own_credentials(settings: GatewaySettings, keychain: GatewayKeychain, clock: Callable[[], float]) -> Credentials:
    """A fresh certificate of the gateway's own, which passes what every party's passes before it is used."""
    now = clock()
    fresh = keychain.own_credentials(
        settings.party, life=settings.certificate_life, addresses=settings.listen.addresses, now=now
    )
    check_issued(Issued(fresh.chain, fresh.roots), PrivateKey(fresh.private_key), settings.party, now=now)
    return fresh


async def renew_own(
    settings: GatewaySettings,
    keychain: GatewayKeychain,
    certificates: HeldCertificates,
    clock: Callable[[], float],
) -> None:
    """Replace it in time, until cancelled."""
    while True:
        await asyncio.sleep(CHECK_INTERVAL_S)
        if needs_renewal(certificates.current().chain, datetime.fromtimestamp(clock(), UTC)):
            certificates.replace(own_credentials(settings, keychain, clock))
