"""The trustee's keys on disk: a seed for each epoch, the signing key, the TLS key and the request for its certificate.

Files of the keyring (`keys.keyring`): `pseudonym-seed-1.key`, `pseudonym-seed-2.key`, ... (once a seed is destroyed,
nobody can make a pseudonym of its epoch again), `signing.key`, `tls.key`; public, from whoever issues certificates:
`tls.pem` and `roots.pem`.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federation.errors import ErrorCode, WardgateError
from federation.renewal import TLS
from keys.errors import EncodingRejected, KeyringRejected
from keys.keyring import Keyring
from keys.pseudonym import HolderKeys
from keys.secret import Secret
from keys.signing import SigningKey
from keys.tls_key import PrivateKey

SIGNING: Final = "signing"

_SEED: Final = re.compile(r"pseudonym-seed-([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """What the trustee works with."""

    holder: HolderKeys
    signing_key: SigningKey


def seed_name(epoch: int) -> str:
    """Name of an epoch's seed in the keyring."""
    return f"pseudonym-seed-{epoch}"


def missing_keys(directory: Path) -> list[str]:
    """Names of the secrets that `create_keys` would make, without making anything.

    Raises:
        WardgateError: `KEYRING_REJECTED`: there is a keyring, and it is not kept safely.
    """
    wanted = [seed_name(1), SIGNING, TLS]
    if not directory.exists():
        return wanted
    keyring = open_keyring(directory)
    has_seed = any(_SEED.fullmatch(name) for name in keyring.names())
    return [name for name in wanted if not (has_seed if name == seed_name(1) else keyring.exists(name))]


def create_keys(directory: Path) -> list[str]:
    """Make the secrets that are missing; nothing that exists is replaced.

    Returns:
        Names of what was made.

    Raises:
        WardgateError: `KEYRING_REJECTED`.
    """
    made = missing_keys(directory)
    keyring = open_keyring(directory)
    make = {SIGNING: lambda: SigningKey.generate().secret, TLS: lambda: PrivateKey.generate().pem}
    try:
        for name in made:
            keyring.create(name, make.get(name, Secret.random)())
    except KeyringRejected as error:
        raise WardgateError(ErrorCode.KEYRING_REJECTED, str(error)) from error
    return made


def open_keyring(directory: Path) -> Keyring:
    """The keyring, made if it does not exist.

    Raises:
        WardgateError: `KEYRING_REJECTED`: it is not kept safely.
    """
    try:
        return Keyring(directory)
    except (KeyringRejected, OSError) as error:
        raise WardgateError(ErrorCode.KEYRING_REJECTED, "the folder cannot be used or is open to others") from error


def open_existing_keyring(directory: Path) -> Keyring:
    """The keyring of a trustee that has been set up.

    Raises:
        WardgateError: `KEYRING_REJECTED`: there is none, or it is not kept safely.
    """
    if not directory.is_dir():
        raise WardgateError(ErrorCode.KEYRING_REJECTED, "there is no keyring; make one with `keys-init`")
    return open_keyring(directory)


def load_keys(keyring: Keyring) -> KeyMaterial:
    """The keys of every epoch in use, and the signing key.

    Raises:
        WardgateError: `KEYRING_REJECTED`: something is missing, damaged or not kept safely.
    """
    try:
        found = (_SEED.fullmatch(name) for name in keyring.names())
        seeds = {int(match[1]): keyring.load(match[0]) for match in found if match}
        signing_key = SigningKey.from_secret(keyring.load(SIGNING))
        holder = HolderKeys("trustee", seeds)
        for epoch in holder.epochs:
            holder.key("probe", epoch)  # a seed of the wrong length shows here, not at the first query
    except (KeyringRejected, EncodingRejected) as error:
        raise WardgateError(ErrorCode.KEYRING_REJECTED, str(error)) from error
    if not holder.epochs:
        raise WardgateError(ErrorCode.KEYRING_REJECTED, "no seed of any epoch; make one with `keys-init`")
    return KeyMaterial(holder, signing_key)
