"""Stating keys: an agency's or the auditors' statement of its keys of one version, signed. Pure."""

from federation.directory import KeyStatement, SignedStatement
from keys import domains
from keys.signing import SigningKey, VerifyKey


def state_keys(
    name: str,
    key: SigningKey,
    sealing_key: bytes,
    *,
    version: int = 1,
    sealing_epoch: int = 1,
    predecessor: SigningKey | None = None,
    lost: VerifyKey | None = None,
    issued_at: int,
) -> SignedStatement:
    """Sign a key statement with the key it states and, from version 2, with the key before it, unless that is lost.

    Args:
        name: The agency, or `federation.directory.AUDITORS`.
        key: The signing key stated.
        sealing_key: The public key to seal to (`keys.envelope`).
        version: From 1.
        sealing_epoch: Which sealing key of this party it is.
        predecessor: The signing key of the version before.
        lost: In its place, where it is lost: what is known of it.
        issued_at: Seconds since the epoch.
    """
    before = predecessor.verify_key if predecessor else lost
    statement = KeyStatement(
        agency=name,
        version=version,
        signing_key=bytes(key.verify_key),
        sealing_key=sealing_key,
        sealing_epoch=sealing_epoch,
        predecessor=bytes(before) if before else "",
        issued_at=issued_at,
        reset=lost is not None,
    ).canonical()
    return SignedStatement(
        statement=statement,
        signature=key.sign(domains.KEY_STATEMENT, statement),
        predecessor_signature=predecessor.sign(domains.KEY_STATEMENT, statement) if predecessor else "",
    )
