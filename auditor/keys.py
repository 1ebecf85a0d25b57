"""The auditors' keys, which belong to no service: why a query was put is sealed to the newest of them.

Each version is a signing key and a sealing key. The signing key states both; a successor is signed by its predecessor
too, so that nobody who has not got the auditors' keyring can put another key in their place. Every party pins a verify
key that it was given out of band.
"""

from pathlib import Path
from typing import Final

from federation.directory import AUDITORS, KeyStatement, SignedStatement, verify_chain
from federation.errors import ErrorCode, WardgateError
from federation.key_statement import state_keys
from federation.keyfiles import read_auditors, write_auditors, write_verify_key
from keys.envelope import SealingKey
from keys.keyring import Keyring
from keys.signing import SigningKey

FIRST: Final = 1


def signing_name(version: int) -> str:
    """Name of the signing key of one version in the auditors' keyring."""
    return f"audit-signing-{version}"


def sealing_name(version: int) -> str:
    """Name of the sealing key of one version in the auditors' keyring."""
    return "audit" if version == FIRST else f"audit-{version}"  # the first had no signing key beside it once


def create_keys(keyring: Keyring, statements: Path, anchor: Path, *, now: int) -> KeyStatement:
    """Make the first keys, where there are none, and write what is handed round; what exists is never replaced.

    Args:
        keyring: The auditors' own.
        statements: File for the signed key statements: the gateway's.
        anchor: File for the verify key: everybody's.
        now: Seconds since the epoch.

    Returns:
        The newest statement.

    Raises:
        WardgateError: `SETTINGS_INVALID`: there are keys, but not the statements of them.
        KeyringRejected: The keyring cannot be used.
    """
    if keyring.exists(signing_name(FIRST)):
        return verify_chain(read_auditors(statements), agency=AUDITORS)[-1]
    key = SigningKey.generate()
    keyring.create(signing_name(FIRST), key.secret)
    if not keyring.exists(sealing_name(FIRST)):
        keyring.create(sealing_name(FIRST), SealingKey.generate().secret)
    sealing = SealingKey.from_secret(keyring.load(sealing_name(FIRST)))
    write_verify_key(anchor, key.verify_key)
    return _add(statements, [], state_keys(AUDITORS, key, sealing.public, issued_at=now))


def succeed_keys(keyring: Keyring, statements: Path, *, now: int) -> KeyStatement:
    """Make the next version of the keys, signed by those of today, and add its statement to the file.

    The keys of before stay in the keyring: what was sealed to them is opened with them.

    Raises:
        WardgateError: `SETTINGS_INVALID` or `DIRECTORY_REJECTED`: the statements are not of this keyring.
        KeyringRejected: The keyring cannot be used, or holds the next version already.
    """
    before = read_auditors(statements)
    newest = verify_chain(before, agency=AUDITORS)[-1]
    predecessor = SigningKey.from_secret(keyring.load(signing_name(newest.version)))
    if bytes(predecessor.verify_key) != newest.signing_key:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{statements.name}: not of this keyring")
    version, key, sealing = newest.version + 1, SigningKey.generate(), SealingKey.generate()
    keyring.create(signing_name(version), key.secret)
    keyring.create(sealing_name(version), sealing.secret)
    signed = state_keys(
        AUDITORS,
        key,
        sealing.public,
        version=version,
        sealing_epoch=version,
        predecessor=predecessor,
        issued_at=now,
    )
    return _add(statements, before, signed)


def _add(path: Path, before: list[SignedStatement], signed: SignedStatement) -> KeyStatement:
    write_auditors(path, [*before, signed])
    return KeyStatement.parse(signed.statement)
