"""Nothing that holds a secret shows it, however it is printed, and nothing that holds a key can be pickled."""

import copy
import pickle
from base64 import b64encode
from collections.abc import Callable

import pytest

from keys import errors
from keys.certificates import CertificateAuthority, PrivateKey
from keys.envelope import SealingKey
from keys.holder import HolderKey, HolderKeys, translation
from keys.nhs_number import NhsNumber
from keys.pseudonym import Pseudonym, blind_identifiers, unblind
from keys.record_cipher import RecordCipher
from keys.secret import Secret
from keys.signing import SigningKey

SEED = Secret(bytes(range(100, 132)))
SEALING = SealingKey.generate()
TLS = PrivateKey.generate()
AUTHORITY = CertificateAuthority.create("Test federation")
HOLDER, OTHER = (HolderKey(SEED, "trustee", name, 1) for name in ("agency-a", "agency-b"))
NUMBER = NhsNumber("9434765919")
PSEUDONYM = unblind(*blind_identifiers([NUMBER.identifier_input()]))[0]

HOLDERS_OF_SECRETS = [
    pytest.param(SEED, SEED.reveal(), id="Secret"),
    pytest.param(SigningKey(SEED), SEED.reveal(), id="SigningKey"),
    pytest.param(SEALING, SEALING.secret.reveal(), id="SealingKey"),
    pytest.param(RecordCipher(SEED), SEED.reveal(), id="RecordCipher"),
    pytest.param(TLS, TLS.pem.reveal()[40:80], id="PrivateKey"),
    pytest.param(AUTHORITY, AUTHORITY.private_key.pem.reveal()[40:80], id="CertificateAuthority"),
    pytest.param(HOLDER, HOLDER._scalar.reveal(), id="HolderKey"),
    pytest.param(HolderKeys("trustee", {1: SEED}), SEED.reveal(), id="HolderKeys"),
    pytest.param(translation(HOLDER, OTHER), translation(HOLDER, OTHER)._ratio.reveal(), id="Translation"),
]
PERSONAL = [
    pytest.param(NUMBER, NUMBER.canonical().encode(), id="NhsNumber"),
    pytest.param(PSEUDONYM, PSEUDONYM.reveal(), id="Pseudonym"),
]
WAYS_TO_PRINT: list[Callable[[object], str]] = [repr, str, "{}".format, "{!r}".format, lambda one: repr([{"key": one}])]


@pytest.mark.parametrize("show", WAYS_TO_PRINT)
@pytest.mark.parametrize(("holder", "hidden"), HOLDERS_OF_SECRETS + PERSONAL)
def test_text_forms_hide_it(holder: object, hidden: bytes, show: Callable[[object], str]) -> None:
    shown = show(holder)
    for form in (hidden.hex(), b64encode(hidden).decode(), repr(hidden), hidden.decode("latin-1")):
        assert form not in shown


@pytest.mark.parametrize("copied", [pickle.dumps, copy.deepcopy])
@pytest.mark.parametrize(("holder", "hidden"), HOLDERS_OF_SECRETS)
def test_keys_cannot_be_pickled_or_deep_copied(
    holder: object, hidden: bytes, copied: Callable[[object], object]
) -> None:
    with pytest.raises((TypeError, pickle.PicklingError)) as raised:
        copied(holder)
    assert hidden.hex() not in str(raised.value)


def test_wrong_arguments_are_not_repeated_in_errors() -> None:
    wrong = Secret(b"\xee" * 31)
    attempts: list[Callable[[], object]] = [
        lambda: SigningKey(wrong),
        lambda: SealingKey(wrong),
        lambda: RecordCipher(wrong),
        lambda: PrivateKey(wrong),
        lambda: HolderKey(wrong, "trustee", "agency-a", 1),
        lambda: unblind([wrong], PSEUDONYM.reveal()),
        lambda: Pseudonym(wrong.reveal()),
    ]
    for refused in attempts:
        with pytest.raises(errors.KeysError) as raised:
            refused()
        assert "ee" * 4 not in str(raised.value)
        assert "xee" not in str(raised.value)


def test_every_error_has_one_root() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert len(classes) == 9
    assert all(issubclass(one, errors.KeysError) for one in classes)
