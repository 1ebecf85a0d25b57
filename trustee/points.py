"""Points: whether they are valid encodings. No I/O."""

from federation.errors import ErrorCode, WardgateError
from keys.errors import EncodingRejected
from keys.group import check_element, split


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
