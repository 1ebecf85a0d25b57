"""How a node gets, and keeps, its certificate: enrolment with a one-time token, then renewal by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from agency_node.keychain import ROOTS, TLS_CHAIN, NodeKeychain, signed_statement
from agency_node.settings import NodeSettings
from federation.certificate_claim import make_claim
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.telemetry import EventLog
from federation.transport.channel import RotatingChannel, enrolment_channel
from federation.transport.failures import call_errors
from federation.wire.v1 import enrolment_pb2 as wire
from federation.wire.v1 import enrolment_pb2_grpc
from keys.certificates import needs_renewal, not_after, verify_issued
from keys.errors import CertificateRejected
from keys.keyring import Keyring

POLL_S: Final = 1.0
CALL_S: Final = 10.0
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
                response: wire.EnrolResponse = await stub.Enrol(request, timeout=CALL_S)
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
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Renew the certificate when two thirds of its life are over; for a supervised background task.

    One that ran out while this node was off cannot be renewed over itself: the signing key speaks for this agency then.

    Raises:
        WardgateError: `PEER_UNAVAILABLE`, `CERTIFICATE_REVOKED`, `ENROLMENT_REFUSED` (off for too long) or
            `KEYRING_REJECTED` (what came is no certificate of ours); tried again by whoever supervises.
    """
    while True:
        now, chain = datetime.fromtimestamp(clock(), UTC), keyring.published(TLS_CHAIN)
        if needs_renewal(chain, now):
            response: wire.RenewResponse | wire.RecertifyResponse
            if now < not_after(chain):
                response = await _renewed(settings, keychain, channel)
            else:
                response = await _recertified(settings, keychain, clock())
            _install(settings, keyring, keychain, response, now)
            _log.event(Event.CERTIFICATE_RENEWED, agency=settings.agency)
        await sleep(RENEWAL_CHECK_S)


async def _renewed(settings: NodeSettings, keychain: NodeKeychain, channel: RotatingChannel) -> wire.RenewResponse:
    request = wire.RenewRequest(certificate_request=keychain.certificate_request(settings.party))
    async with call_errors(settings.gateway.party):
        response: wire.RenewResponse = await enrolment_pb2_grpc.CertificateServiceStub(channel).Renew(request)
    return response


async def _recertified(settings: NodeSettings, keychain: NodeKeychain, now: float) -> wire.RecertifyResponse:
    roots, request = settings.gateway.roots_file.read_bytes(), keychain.certificate_request(settings.party)
    claim, signature = make_claim(settings.agency, request, key=keychain.signing_key, now=now)
    message = wire.RecertifyRequest(claim=claim, claim_signature=signature, certificate_request=request)
    party, address = settings.gateway.party, settings.gateway.enrolment_address
    async with enrolment_channel(address, party, roots) as channel, call_errors(party):
        stub = enrolment_pb2_grpc.EnrolmentServiceStub(channel)
        response: wire.RecertifyResponse = await stub.Recertify(message, timeout=CALL_S)
    return response


def _install(
    settings: NodeSettings,
    keyring: Keyring,
    keychain: NodeKeychain,
    response: wire.RenewResponse | wire.RecertifyResponse,
    now: datetime,
) -> None:
    """Put a certificate into use that is ours and valid; another leaves the one before in place.

    Raises:
        WardgateError: `KEYRING_REJECTED`.
    """
    try:
        verify_issued(
            response.certificate_chain,
            authorities_pem=response.trust_bundle,
            private_key=keychain.tls_key,
            identity=settings.party.uri,
            now=now,
        )
    except CertificateRejected as error:
        raise WardgateError(ErrorCode.KEYRING_REJECTED, str(error)) from error
    keyring.publish(ROOTS, response.trust_bundle)
    keyring.publish(TLS_CHAIN, response.certificate_chain)
