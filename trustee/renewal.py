"""The trustee keeps its certificate in date: it asks the gateway's authority when two thirds of its life are over."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from federation.events import Event
from federation.telemetry import EventLog
from federation.transport.channel import RotatingChannel
from federation.transport.failures import call_errors
from federation.transport.identity import Party
from federation.wire.v1 import enrolment_pb2 as wire
from federation.wire.v1 import enrolment_pb2_grpc
from keys.certificates import needs_renewal, serial_of
from keys.keyring import Keyring
from trustee.key_material import TLS, certificate_request, install_certificate

CHECK_INTERVAL_S: Final = 30.0

_log = EventLog(__name__)


class Renewal:
    """Renews the certificate in the keyring, from which server and channels take it by themselves."""

    def __init__(self, *, keyring: Keyring, channel: RotatingChannel, party: Party, clock: Callable[[], float]) -> None:
        self._keyring = keyring
        self._channel = channel
        self._party = party
        self._clock = clock

    async def once(self) -> bool:
        """Renew if it is time; whether it was.

        Raises:
            WardgateError: `PEER_UNAVAILABLE`, what the gateway refused, or `KEYRING_REJECTED`.
        """
        if not needs_renewal(self._keyring.published(TLS), datetime.fromtimestamp(self._clock(), UTC)):
            return False
        request = wire.RenewRequest(certificate_request=certificate_request(self._keyring, self._party))
        async with call_errors(self._channel.server):
            response: wire.RenewResponse = await enrolment_pb2_grpc.CertificateServiceStub(self._channel).Renew(request)
        install_certificate(self._keyring, chain=response.certificate_chain, roots=response.trust_bundle)
        _log.event(Event.CERTIFICATE_RENEWED, serial=serial_of(response.certificate_chain))
        return True

    async def run(self) -> None:
        """Renew in time until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(CHECK_INTERVAL_S)
