"""Points: valid encodings pass, anything else does not."""

import pytest

from federation.errors import ErrorCode, WardgateError
from tests.support.signers import some_elements
from trustee.points import check_points


def test_valid_points_pass_and_identity_noise_and_fragments_do_not() -> None:
    good = some_elements(3)
    check_points(good)
    for bad in (b"", good[:-1], good + bytes(32), b"\xff" * 32 + good):
        with pytest.raises(WardgateError) as caught:
            check_points(bad)
        assert caught.value.code is ErrorCode.MESSAGE_MALFORMED
