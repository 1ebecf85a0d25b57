"""What a node does by itself for as long as it runs. Each is supervised: one that fails is started again."""

import asyncio
from typing import Final

from agency_node.asking.pursuit import Pursuits
from agency_node.asking.reports import Reports
from agency_node.foundation import Foundation
from agency_node.link.holding import Link
from federation.transport.certificates import HeldCertificates

DIRECTORY_REFRESH_S: Final = 2.0
"""How soon a newly enrolled or revoked agency is known here."""

ENROLMENT_POLL_S: Final = 0.1
LOCAL_RENEWAL_S: Final = 6 * 3600.0


async def until_enrolled(base: Foundation) -> None:
    """Wait until the directory lists this agency."""
    while not base.is_enrolled:  # noqa: ASYNC110 - the directory is followed elsewhere and gives no event
        await asyncio.sleep(ENROLMENT_POLL_S)


async def follow_directory(base: Foundation) -> None:
    """Keep the trusted directory and the gateway's checkpoint current; cosign."""
    await base.following.gateway.run(DIRECTORY_REFRESH_S)


async def take_up_queries(base: Foundation, pursuits: Pursuits) -> None:
    """Go on with every query that is open and that nobody follows, after a start and from then on."""
    await until_enrolled(base)
    await pursuits.watch()


async def send_reports(base: Foundation, reports: Reports) -> None:
    """Send notices of misuse that was refused here until the gateway has them."""
    await until_enrolled(base)
    await reports.run()


async def hold_link(base: Foundation, link: Link) -> None:
    """Keep the link to the gateway up."""
    await until_enrolled(base)
    await link.run()


async def renew_local_certificate(base: Foundation, certificates: HeldCertificates) -> None:
    """Keep the local port's certificate fresh."""
    while True:
        await asyncio.sleep(LOCAL_RENEWAL_S)
        party = base.settings.local_party
        certificates.replace(base.keychain.local_credentials(party, serves=True, now=base.clock()))
