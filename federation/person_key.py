"""The key of one person: made on a machine of their own, where it stays; others know it by name and verify key.

Whoever runs a service writes both into its settings after comparing the fingerprint that the person read out: that is
what certifies it. Two names under one key would be one person, and are refused.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from federation.document import AgencyName
from federation.settings import UnfitSettingError
from keys.errors import KeyringRejected, KeysError
from keys.keyring import Keyring
from keys.signing import SigningKey, VerifyKey

PERSON: Final = "person"
"""Name of the key in a person's own keyring."""


def _differ(people: dict[str, str]) -> dict[str, str]:
    if len(set(people.values())) != len(people):
        raise UnfitSettingError("two names have one key: that is one person")
    return people


def _is_key(text: str) -> str:
    try:
        return VerifyKey.from_hex(text).hex
    except KeysError:
        raise UnfitSettingError("not a verify key (64 hexadecimal characters)") from None


People = Annotated[
    dict[AgencyName, Annotated[str, AfterValidator(_is_key)]], Field(max_length=64), AfterValidator(_differ)
]
"""People by short name, each with their verify key in hexadecimal: a table of a service's settings."""


def verify_keys(people: Mapping[str, str]) -> dict[str, VerifyKey]:
    """The verify keys of people that stand in a service's settings, by name."""
    return {name: VerifyKey.from_hex(key) for name, key in people.items()}


def introduced(people: Mapping[str, str]) -> list[str]:
    """A line for each person, with the fingerprint that they have to have read out."""
    return [f"{name}: fingerprint {key.fingerprint}" for name, key in sorted(verify_keys(people).items())]


def make_person_key(folder: Path) -> VerifyKey:
    """Make one person's key, where there is none.

    Raises:
        KeyringRejected: The folder cannot be used.
    """
    keyring = Keyring(folder)
    if not keyring.exists(PERSON):
        keyring.create(PERSON, SigningKey.generate().secret)
    return load_person_key(folder).verify_key


def load_person_key(folder: Path) -> SigningKey:
    """One person's key.

    Raises:
        KeyringRejected: It is missing or not kept safely.
    """
    if not folder.is_dir():
        raise KeyringRejected(f"{folder} is no folder with a person's key")
    return SigningKey.from_secret(Keyring(folder).load(PERSON))
