"""How a node gets, and keeps, its certificate: enrolment with a one-time token, then renewal by itself."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from agency_node.keychain import ROOTS, TLS_CHAIN, NodeKeychain, signed_statement
from agency_node.settings import NodeSettings
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.telemetry import EventLog
from federation.transport.channel import RotatingChannel, enrolment_channel
from federation.transport.failures import call_errors
from federation.wire.v1 import enrolment_pb2 as wire
from federation.wire.v1 import enrolment_pb2_grpc
from keys.certificates import needs_renewal
from keys.keyring import Keyring

POLL_S: Final = 1.0
RENEWAL_CHECK_S: Final = 30.0

_log = EventLog(__name__)


async def enrol(settings: NodeSettings, keyring: Keyring, keychain: NodeKeychain, token: str, *, wait_s: float) -> bool:
    """Present a token with this node's keys and wait for the human approval.

    Returns:
        True when the certificate is in the keyring; false when approval is still awaited after `wait_s`.

    Raises:
        WardgateError: `ENROLMENT_REFUSED`, `PEER_UNAVAILABLE`.
    """
    roots = settings.gateway.roots_file.read_bytes()
    signed = signed_statement(keyring)
    request = wire.EnrolRequest(
        token=token,
        certificate_request=keychain.certificate_request(settings.party),
        key_statement=signed.statement,
        key_statement_signature=signed.signature,
    )
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    async with enrolment_channel(settings.gateway.enrolment_address, settings.gateway.party, roots) as channel:
        stub = enrolment_pb2_grpc.EnrolmentServiceStub(channel)
        while True:
            async with call_errors(settings.gateway.party):
                response: wire.EnrolResponse = await stub.Enrol(request, timeout=10.0)
            if response.state == wire.ENROLMENT_STATE_APPROVED:
                keyring.publish(ROOTS, response.trust_bundle)
                keyring.publish(TLS_CHAIN, response.certificate_chain)
                return True
            if response.state == wire.ENROLMENT_STATE_REJECTED:
                raise WardgateError(ErrorCode.ENROLMENT_REFUSED, settings.agency)
            if loop.time() >= until:
                return False
            await asyncio.sleep(POLL_S)


async def keep_certificate(
    settings: NodeSettings,
    keyring: Keyring,
    keychain: NodeKeychain,
    channel: RotatingChannel,
    *,
    clock: Callable[[], float],
) -> None:
    """Renew the certificate when two thirds of its life are over; for a supervised background task.

    Raises:
        WardgateError: `PEER_UNAVAILABLE` or `CERTIFICATE_REVOKED`; tried again by whoever supervises.
    """
    stub = enrolment_pb2_grpc.CertificateServiceStub(channel)
    while True:
        if needs_renewal(keyring.published(TLS_CHAIN), datetime.fromtimestamp(clock(), UTC)):
            async with call_errors(settings.gateway.party):
                response: wire.RenewResponse = await stub.Renew(
                    wire.RenewRequest(certificate_request=keychain.certificate_request(settings.party))
                )
            keyring.publish(ROOTS, response.trust_bundle)
            keyring.publish(TLS_CHAIN, response.certificate_chain)
            _log.event(Event.CERTIFICATE_RENEWED, agency=settings.agency)
        await asyncio.sleep(RENEWAL_CHECK_S)
