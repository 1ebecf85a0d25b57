"""One way in which a party's certificate comes into use, stays in date, and comes back after it ran out.

Whatever arrives (the first certificate, a renewal, one that was claimed anew, one that an operator installs) passes
`check_issued`: for our key, our name, issued by a trusted authority, in date. One that is not leaves what was there in
place. `Renewal` renews when two thirds of a certificate's life are over, over itself; one that ran out while the party
was off cannot be renewed over itself, and the party's signing key speaks for it at the enrolment port (ADR 10).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from federation.certificate_claim import make_claim
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.telemetry import EventLog
from federation.transport.channel import RotatingChannel, enrolment_channel
from federation.transport.failures import call_errors
from federation.transport.identity import Party, PartyKind
from federation.wire.v1 import enrolment_pb2 as wire
from federation.wire.v1 import enrolment_pb2_grpc
from keys.certificates import needs_renewal, not_after, serial_of, share_an_authority, verify_issued
from keys.errors import CertificateRejected, EncodingRejected, KeyringRejected
from keys.keyring import Keyring
from keys.signing import SigningKey
from keys.tls_key import PrivateKey, make_request

TLS: Final = "tls"
"""Name in a keyring: the secret is the TLS key, the public part its certificate chain."""
ROOTS: Final = "roots"
"""Public name in a keyring: the authorities trusted."""

CALL_S: Final = 10.0
CHECK_INTERVAL_S: Final = 30.0
"""A certificate lives for hours."""

_SERVING: Final = frozenset({PartyKind.TRUSTEE, PartyKind.GATEWAY})
"""Parties that others find by their name in the certificate; a node serves nobody under this one."""

_log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class Issued:
    """What a certificate authority gave: the chain, own certificate first, and the authorities trusted; PEM."""

    chain: bytes
    roots: bytes


def certificate_request(keyring: Keyring, party: Party) -> bytes:
    """A request (PEM) for the certificate of the TLS key.

    Raises:
        WardgateError: `KEYRING_REJECTED`: the TLS key is missing or damaged.
    """
    return make_request(_tls_key(keyring), party.uri)


def check_issued(issued: Issued, private_key: PrivateKey, party: Party, *, now: float) -> None:
    """Check a certificate before it is put into use.

    Raises:
        WardgateError: `KEYRING_REJECTED`: not issued by an authority that comes with it, of another key, of another
            party, without the name under which this party serves, or not valid at `now` (seconds since the epoch).
    """
    try:
        verify_issued(
            issued.chain,
            authorities_pem=issued.roots,
            private_key=private_key,
            identity=party.uri,
            now=datetime.fromtimestamp(now, UTC),
            server_name=party.dns_name if party.kind in _SERVING else "",
        )
    except CertificateRejected as error:
        raise WardgateError(ErrorCode.KEYRING_REJECTED, str(error)) from error


def install(keyring: Keyring, issued: Issued, party: Party, *, now: float, known_roots: bytes | None) -> None:
    """Put a certificate into use; one that is refused leaves the one before in place.

    Args:
        keyring: Where it goes, and where its key is.
        issued: What came.
        party: Whose certificate it must be.
        now: Seconds since the epoch.
        known_roots: Authorities trusted until now, of which one must be among those that came, so that nobody changes
            them all at once from afar; None where a person gives both at this machine.

    Raises:
        WardgateError: `KEYRING_REJECTED`: see `check_issued`, or none of the authorities was trusted before.
    """
    check_issued(issued, _tls_key(keyring), party, now=now)
    try:
        if known_roots is not None and not share_an_authority(issued.roots, known_roots):
            raise WardgateError(ErrorCode.KEYRING_REJECTED, "none of the authorities was trusted before")
        keyring.publish(ROOTS, issued.roots)
        keyring.publish(TLS, issued.chain)
    except (KeyringRejected, CertificateRejected) as error:
        raise WardgateError(ErrorCode.KEYRING_REJECTED, str(error)) from error


def check_installed(keyring: Keyring, party: Party, *, now: float) -> str:
    """What there is to say of the certificate in a keyring: a sentence, which begins with `warning:` where it ran out.

    One that ran out is no reason not to start: a running service is certified anew.

    Raises:
        WardgateError: `KEYRING_REJECTED`: there is none, or it could not be used even in its time.
    """
    try:
        issued = Issued(keyring.published(TLS), keyring.published(ROOTS))
        expiry = not_after(issued.chain).timestamp()
    except (KeyringRejected, CertificateRejected) as error:
        raise WardgateError(ErrorCode.KEYRING_REJECTED, str(error)) from error
    check_issued(issued, _tls_key(keyring), party, now=expiry)
    return expiry_sentence(expiry, now)


def expiry_sentence(expires_at: float, now: float) -> str:
    """Until when a certificate is good, in words. Both in seconds since the epoch."""
    moment = in_words(expires_at)
    if now > expires_at:
        return f"warning: the certificate ran out on {moment}; the running service claims a new one by its signing key"
    return f"certificate: valid until {moment}"


def in_words(at: float) -> str:
    """A moment, seconds since the epoch, as operators read it."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def is_in_date(chain: bytes, now: float) -> bool:
    """Whether a certificate is good at `now`, seconds since the epoch: the health component `certificate`."""
    return now <= not_after(chain).timestamp()


async def claim_certificate(
    party: Party,
    request: bytes,
    *,
    signing_key: SigningKey,
    server: Party,
    address: str,
    roots: bytes,
    now: float,
) -> Issued:
    """Claim a certificate at the gateway's enrolment port; whoever uses it checks it first (`check_issued`).

    Args:
        party: Who claims it.
        request: The certificate request, PEM.
        signing_key: The key that the gateway knows the party by.
        server: Who must answer.
        address: host:port of the enrolment port.
        roots: Authorities of which one must have certified the server, PEM.
        now: Seconds since the epoch.

    Raises:
        WardgateError: `PEER_UNAVAILABLE`, `CLAIM_REFUSED`, `REPLAYED`.
    """
    claim, signature = make_claim(party, request, key=signing_key, now=now)
    message = wire.RecertifyRequest(claim=claim, claim_signature=signature, certificate_request=request)
    async with enrolment_channel(address, server, roots) as channel, call_errors(server):
        stub = enrolment_pb2_grpc.EnrolmentServiceStub(channel)
        response: wire.RecertifyResponse = await stub.Recertify(message, timeout=CALL_S)
    return Issued(response.certificate_chain, response.trust_bundle)


class Renewal:
    """Keeps the certificate in a keyring in date; server and channels take it from there by themselves.

    Args:
        keyring: Where it is.
        party: Whose.
        signing_key: Speaks for the party once the certificate has run out.
        channel: To the gateway, over the certificate that is to be renewed.
        enrolment_address: host:port of the gateway's enrolment port.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        keyring: Keyring,
        party: Party,
        signing_key: SigningKey,
        channel: RotatingChannel,
        enrolment_address: str,
        clock: Callable[[], float],
    ) -> None:
        self._keyring: Final = keyring
        self._party: Final = party
        self._signing_key: Final = signing_key
        self._channel: Final = channel
        self._enrolment_address: Final = enrolment_address
        self._clock: Final = clock
        self._has_told = False

    async def once(self) -> bool:
        """Renew if it is time; whether it was.

        Raises:
            WardgateError: `PEER_UNAVAILABLE`, `CERTIFICATE_REVOKED`, `CLAIM_REFUSED` (off for too long),
                `KEYRING_REJECTED` (what came is no certificate of ours); the one before stays.
        """
        now, chain = self._clock(), self._keyring.published(TLS)
        if not needs_renewal(chain, datetime.fromtimestamp(now, UTC)):
            return False
        known_roots = self._keyring.published(ROOTS)
        if is_in_date(chain, now):
            issued = await self._renewed()
        else:
            self._tell(chain)
            issued = await self._recertified(known_roots, now)
        install(self._keyring, issued, self._party, now=self._clock(), known_roots=known_roots)
        self._has_told = False
        _log.event(Event.CERTIFICATE_RENEWED, party=str(self._party), serial=serial_of(issued.chain))
        return True

    async def run(self) -> None:
        """Renew in time until cancelled; for a supervised background task, which tries again what fails."""
        while True:
            await self.once()
            await asyncio.sleep(CHECK_INTERVAL_S)

    def _tell(self, chain: bytes) -> None:
        """Say once, not with each attempt, that the certificate ran out."""
        if not self._has_told:
            self._has_told = True
            _log.event(Event.CERTIFICATE_EXPIRED, party=str(self._party), serial=serial_of(chain))

    async def _renewed(self) -> Issued:
        request = wire.RenewRequest(certificate_request=certificate_request(self._keyring, self._party))
        async with call_errors(self._channel.server):
            stub = enrolment_pb2_grpc.CertificateServiceStub(self._channel)
            response: wire.RenewResponse = await stub.Renew(request, timeout=CALL_S)
        return Issued(response.certificate_chain, response.trust_bundle)

    async def _recertified(self, known_roots: bytes, now: float) -> Issued:
        request = certificate_request(self._keyring, self._party)
        return await claim_certificate(
            self._party,
            request,
            signing_key=self._signing_key,
            server=self._channel.server,
            address=self._enrolment_address,
            roots=known_roots,
            now=now,
        )


def _tls_key(keyring: Keyring) -> PrivateKey:
    try:
        return PrivateKey(keyring.load(TLS))
    except (KeyringRejected, EncodingRejected) as error:
        raise WardgateError(ErrorCode.KEYRING_REJECTED, "the TLS key is missing or damaged") from error
