"""An agency's own word on how it is described: its signature over the description's canonical bytes. Pure.

Kind, legal class, areas and agreements decide who learns what, so nobody describes an agency but itself. The signature
is by a key of the agency's chain. What a follower has seen may be signed by any key of it, because a new key does not
change what an agency is; what it has not seen must be signed by the key that it saw last, or by a later one, so that a
key that was given up describes nobody anew.
"""

from collections.abc import Sequence

from federation.errors import ErrorCode, WardgateError
from keys import domains
from keys.errors import SignatureRejected
from keys.signing import SigningKey, VerifyKey


def sign_description(content: bytes, key: SigningKey) -> bytes:
    """An agency's signature over its description's canonical bytes."""
    return key.sign(domains.DESCRIPTION, content)


def verify_description(content: bytes, signature: bytes, *, agency: str, keys: Sequence[VerifyKey]) -> None:
    """Verify that one of an agency's keys signed its description; the newest is the likeliest.

    Args:
        content: The description's canonical bytes.
        signature: Ed25519, over them.
        agency: Whose it is, for the error.
        keys: The agency's keys that may have signed it, oldest first.

    Raises:
        WardgateError: `DIRECTORY_REJECTED`.
    """
    if not any(_has_signed(key, signature, content) for key in reversed(keys)):
        raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"the description of {agency} is not signed by it")


def _has_signed(key: VerifyKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, domains.DESCRIPTION, content)
    except SignatureRejected:
        return False
    return True
