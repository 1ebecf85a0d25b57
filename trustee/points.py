"""Points: whether they are valid encodings, and the trustee's signed statement of its own public ones. No I/O."""

from collections.abc import Sequence

from federation.directory import PointsStatement, PublicPoint
from federation.errors import ErrorCode, WardgateError
from keys import domains
from keys.errors import EncodingRejected
from keys.group import check_element, split
from keys.pseudonym import HolderKeys
from keys.signing import SigningKey


def check_points(elements: bytes) -> None:
    """Refuse concatenated elements of which one is not canonical or is the identity, before anything is recorded.

    Raises:
        WardgateError: `MESSAGE_MALFORMED`.
    """
    try:
        for element in split(elements):
            check_element(element)
    except EncodingRejected as error:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "an element is not a valid point") from error


def state_points(
    keys: HolderKeys, signing_key: SigningKey, *, scope: str, epochs: Sequence[int], issued_at: int
) -> tuple[bytes, bytes]:
    """The signed statement of the trustee's public points of a scope: its bytes and their signature.

    Args:
        keys: The trustee's keys, from whose seeds alone the points follow.
        signing_key: The trustee's, whose public half every party pins.
        scope: An agency, enrolled or about to be.
        epochs: Those in use, oldest first.
        issued_at: Seconds since the epoch.

    Raises:
        WardgateError: `MESSAGE_MALFORMED`: the scope is not an agency id.
    """
    try:
        points = [PublicPoint(epoch=epoch, public=keys.key(scope, epoch).public) for epoch in epochs]
    except EncodingRejected as error:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "the scope is not an agency id") from error
    statement = PointsStatement(holder="trustee", scope=scope, epochs=points, issued_at=issued_at).canonical()
    return statement, signing_key.sign(domains.POINTS, statement)
