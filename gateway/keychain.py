"""The gateway's keys: what they are called in its keyring, how they are made, what they issue.

The certificate authority lives here too: whoever can read this keyring is the gateway.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from federation.errors import ErrorCode, WardgateError
from federation.renewal import in_words, is_in_date
from federation.transport.certificates import Credentials
from federation.transport.identity import Party
from keys.authority import CertificateAuthority
from keys.certificates import not_after
from keys.errors import EncodingRejected, KeyringRejected
from keys.holder import HolderKeys
from keys.keyring import Keyring
from keys.record_cipher import RecordCipher
from keys.secret import Secret
from keys.signing import SigningKey, VerifyKey
from keys.tls_key import PrivateKey, make_request

AUTHORITY: Final = "certificate-authority"
SIGNING: Final = "signing"
DATA: Final = "data"
SEED: Final = "pseudonym-seed-"
LOOK_LIFE: Final = timedelta(minutes=10)
"""One look's worth."""


@dataclass(frozen=True, slots=True)
class GatewayKeychain:
    """Everything the gateway holds."""

    authority: CertificateAuthority
    signing_key: SigningKey
    holder_keys: HolderKeys
    cipher: RecordCipher

    @property
    def verify_key(self) -> VerifyKey:
        """What every party pins."""
        return self.signing_key.verify_key

    def authority_sentence(self, now: float) -> str:
        """Until when the certificate authority is good, in words; `now` in seconds since the epoch."""
        moment = in_words(not_after(self.authority.pem).timestamp())
        if not is_in_date(self.authority.pem, now):
            return f"warning: the certificate authority ran out on {moment}; nobody accepts what it certifies"
        return f"certificate authority: valid until {moment}"

    def own_credentials(self, party: Party, *, life: timedelta, addresses: list[str], now: float) -> Credentials:
        """A fresh certificate of the gateway's own, for its ports and for its channel to the trustee."""
        return self._credentials(party, life=life, now=now, dns=[party.dns_name], ips=addresses)

    def health_credentials(self, party: Party, *, now: float) -> Credentials:
        """A certificate for a program of the gateway's own machine that asks the running gateway for its health.

        It asks as the gateway itself, which may ask for nothing else.
        """
        return self._credentials(party, life=LOOK_LIFE, now=now, dns=[], ips=[])

    def certify(self, request: bytes, party: Party, *, life: timedelta, addresses: list[str], now: float) -> bytes:
        """Issue the certificate of another party that serves, from its request (PEM).

        Raises:
            CertificateRejected: The request is not acceptable.
        """
        return self.authority.issue(
            request,
            identity=party.uri,
            lifetime=life,
            now=datetime.fromtimestamp(now, UTC),
            dns=[party.dns_name],
            ips=addresses,
        )

    def _credentials(self, party: Party, *, life: timedelta, now: float, dns: list[str], ips: list[str]) -> Credentials:
        key = PrivateKey.generate()
        certificate = self.authority.issue(
            make_request(key, party.uri),
            identity=party.uri,
            lifetime=life,
            now=datetime.fromtimestamp(now, UTC),
            dns=dns,
            ips=ips,
        )
        return Credentials(private_key=key.pem, chain=certificate, roots=self.authority.pem)


def create_keychain(keyring: Keyring) -> None:
    """Make all keys of a new gateway.

    Raises:
        KeyringRejected: There are keys already.
    """
    authority = CertificateAuthority.create("Wardgate federation")
    keyring.create(AUTHORITY, authority.private_key.pem)
    keyring.publish(AUTHORITY, authority.pem)
    keyring.create(SIGNING, SigningKey.generate().secret)
    keyring.create(DATA, Secret.random())
    keyring.create(f"{SEED}1", Secret.random())


def load_keychain(keyring: Keyring) -> GatewayKeychain:
    """Read all keys.

    Raises:
        KeyringRejected: One is missing or not kept safely.
    """
    seeds = {int(name.removeprefix(SEED)): keyring.load(name) for name in keyring.names() if name.startswith(SEED)}
    return GatewayKeychain(
        authority=CertificateAuthority.from_secret(keyring.load(AUTHORITY), keyring.published(AUTHORITY)),
        signing_key=SigningKey.from_secret(keyring.load(SIGNING)),
        holder_keys=HolderKeys("gateway", seeds),
        cipher=RecordCipher(keyring.load(DATA)),
    )


def hold_seed(keyring: Keyring, keys: HolderKeys, epoch: int, *, is_published: bool) -> None:
    """Have the gateway hold the seed of an epoch: the one that the keyring has, or a new one that nobody has used.

    It is durable when this returns. A seed that was used and is gone is never made anew: it would give other points.

    Args:
        keyring: Where seeds are kept.
        keys: Those in use in this process.
        epoch: Which.
        is_published: Whether a directory names a point of this epoch.

    Raises:
        WardgateError: `KEYRING_REJECTED`: the seed was used and is gone, another one is in use, or the keyring cannot
            be read or written.
    """
    name, was_used = f"{SEED}{epoch}", is_published or epoch in keys.epochs
    try:
        if not keyring.exists(name):
            if was_used:
                raise WardgateError(ErrorCode.KEYRING_REJECTED, f"there is no {name} in the keyring, and it was used")
            keyring.create(name, Secret.random())
        keys.add(epoch, keyring.load(name))
    except EncodingRejected as error:
        detail = f"{name} in the keyring is another than the one in use"
        raise WardgateError(ErrorCode.KEYRING_REJECTED, detail) from error
    except KeyringRejected as error:
        raise WardgateError(ErrorCode.KEYRING_REJECTED, str(error)) from error
