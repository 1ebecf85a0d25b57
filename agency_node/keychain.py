"""The node's keys: what they are called in its keyring, how they are made, what they certify.

The local authority certifies this agency's own tools for minutes at a time: whoever can read the keyring may use the
node's local port, and nobody else.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Self

from federation.directory import KeyStatement, SignedStatement
from federation.errors import ErrorCode, WardgateError
from federation.key_statement import state_keys
from federation.renewal import TLS
from federation.transport.certificates import Credentials
from federation.transport.identity import Party
from keys.authority import CertificateAuthority
from keys.envelope import SealingKey
from keys.errors import KeysError
from keys.keyring import Keyring
from keys.secret import Secret
from keys.signing import SigningKey, VerifyKey
from keys.tls_key import PrivateKey, make_request

SIGNING: Final = "signing"
SEALING: Final = "sealing-1"
DATA: Final = "data"
STATEMENT: Final = "key-statement"
LOCAL_AUTHORITY: Final = "local-authority"
LOCAL_LIFE: Final = timedelta(hours=24)
TOOL_LIFE: Final = timedelta(minutes=10)
FIRST: Final = 1


@dataclass(frozen=True, slots=True)
class NodeKeychain:
    """Everything the node holds."""

    signing_key: SigningKey
    sealing_keys: dict[int, SealingKey]
    data_key: Secret
    local_authority: CertificateAuthority
    statement: KeyStatement

    def local_credentials(self, party: Party, *, serves: bool, now: float) -> Credentials:
        """A certificate for the local port, or for one command that calls it."""
        key = PrivateKey.generate()
        certificate = self.local_authority.issue(
            make_request(key, party.uri),
            identity=party.uri,
            lifetime=LOCAL_LIFE if serves else TOOL_LIFE,
            now=datetime.fromtimestamp(now, UTC),
            dns=[party.dns_name] if serves else [],
        )
        return Credentials(private_key=key.pem, chain=certificate, roots=self.local_authority.pem)


class Replaced(NamedTuple):
    """The keys that an agency has lost: the version of their statement, and their signing key's public half."""

    version: int
    key: VerifyKey

    @classmethod
    def parse(cls, text: str) -> Self:
        """As the gateway's operator hands it over: `VERSION:KEY`.

        Raises:
            WardgateError: `SETTINGS_INVALID`.
        """
        version, _, key = text.partition(":")
        try:
            found = cls(int(version), VerifyKey.from_hex(key))
        except (ValueError, KeysError) as error:
            raise WardgateError(ErrorCode.SETTINGS_INVALID, "what is replaced is VERSION:KEY") from error
        if found.version < FIRST:
            raise WardgateError(ErrorCode.SETTINGS_INVALID, "versions begin at 1")
        return found


def create_keychain(keyring: Keyring, *, agency: str, now: int, replaces: Replaced | None = None) -> None:
    """Make all keys of a new node and its first key statement.

    Args:
        keyring: An empty one.
        agency: This agency.
        now: Seconds since the epoch.
        replaces: The keys that it has lost, for a reset.

    Raises:
        KeyringRejected: There are keys already.
    """
    version = replaces.version + 1 if replaces else FIRST
    signing, sealing = SigningKey.generate(), SealingKey.generate()
    authority = CertificateAuthority.create(f"Wardgate local {agency}"[:64])
    keyring.create(SIGNING, signing.secret)
    keyring.create(SEALING, sealing.secret)
    keyring.create(DATA, Secret.random())
    keyring.create(TLS, PrivateKey.generate().pem)
    keyring.create(LOCAL_AUTHORITY, authority.private_key.pem)
    keyring.publish(LOCAL_AUTHORITY, authority.pem)
    signed = state_keys(
        agency,
        signing,
        sealing.public,
        version=version,
        sealing_epoch=version,
        lost=replaces.key if replaces else None,
        issued_at=now,
    )
    keyring.publish(STATEMENT, signed.canonical())


def load_keychain(keyring: Keyring) -> NodeKeychain:
    """Read all keys.

    Raises:
        KeyringRejected: One is missing or not kept safely.
    """
    statement = KeyStatement.parse(signed_statement(keyring).statement)
    return NodeKeychain(
        signing_key=SigningKey.from_secret(keyring.load(SIGNING)),
        sealing_keys={statement.sealing_epoch: SealingKey.from_secret(keyring.load(SEALING))},
        data_key=keyring.load(DATA),
        local_authority=CertificateAuthority.from_secret(
            keyring.load(LOCAL_AUTHORITY), keyring.published(LOCAL_AUTHORITY)
        ),
        statement=statement,
    )


def signed_statement(keyring: Keyring) -> SignedStatement:
    """The node's key statement as it was signed."""
    return SignedStatement.parse(keyring.published(STATEMENT))
