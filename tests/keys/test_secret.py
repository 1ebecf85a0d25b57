import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.secret import Secret


@given(st.binary(min_size=4))
def test_text_forms_never_hold_the_value(value: bytes) -> None:
    secret = Secret(value)
    for text in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r}",
        " ".join(map(str, [secret])),
        repr([secret]),
        repr({"k": secret}),
    ):
        assert "Secret(**)" in text
        assert value.hex() not in text
        assert repr(value) not in text


def test_equal_secrets_are_equal_and_others_are_not() -> None:
    assert Secret(b"same") == Secret(b"same")
    assert Secret(b"same") != Secret(b"samf")
    assert Secret(b"same") != Secret(b"same longer")
    assert Secret(b"same") != b"same"


def test_value_comes_out_only_through_reveal() -> None:
    assert Secret(b"value").reveal() == b"value"
    with pytest.raises(TypeError):
        bytes(Secret(b"value"))  # type: ignore[call-overload]  # what it refuses is what is tested


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_cannot_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret(b"value"), protocol)


def test_cannot_be_copied_or_hashed() -> None:
    with pytest.raises(TypeError):
        copy.copy(Secret(b"value"))
    with pytest.raises(TypeError):
        copy.deepcopy([Secret(b"value")])
    with pytest.raises(TypeError, match="unhashable"):
        hash(Secret(b"value"))


@pytest.mark.parametrize("wrong", [32, "text", [1, 2, 3], None, bytearray(b"mutable")])
def test_is_made_of_bytes_only(wrong: object) -> None:
    with pytest.raises(TypeError, match="made of bytes"):
        Secret(wrong)  # type: ignore[arg-type]  # what it refuses is what is tested


def test_random_secrets_have_the_size_asked_for_and_differ() -> None:
    assert len(Secret.random().reveal()) == 32
    assert len(Secret.random(96).reveal()) == 96
    assert Secret.random() != Secret.random()
