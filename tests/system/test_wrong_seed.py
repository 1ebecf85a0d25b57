"""A holder with the seed of another backup, as a real process: it does not serve, and nobody says "nothing held"."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.keychain import SEED
from gateway.settings import GatewaySettings
from keys.keyring import Keyring
from keys.secret import Secret
from tests.support.box import KNOWN, Box, box, until
from tests.system.test_faults import WHOLE
from trustee.key_material import seed_name
from trustee.settings import TrusteeSettings

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(300)]

HOLDERS = ("gateway", "trustee")


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A region whose keys each test breaks and puts right again."""
    with box(tmp_path_factory.mktemp("points")) as up:
        yield up


def outcomes(picture: Any) -> dict[str, str]:
    return {target["agency"]: target["outcome"] or target["state"] for target in picture["targets"]}


def keyring_of(region: Box, holder: str) -> tuple[Keyring, str]:
    if holder == "gateway":
        return Keyring(GatewaySettings.load(region.folder.gateway_config).keys_dir), f"{SEED}1"
    return Keyring(TrusteeSettings.load(region.folder.trustee_config).keyring), seed_name(1)


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_holder_with_the_seed_of_another_backup_does_not_serve(region: Box, holder: str) -> None:
    keyring, name = keyring_of(region, holder)
    right = keyring.load(name)
    region.kill(holder)
    keyring.replace(name, Secret.random())
    try:
        region.restart(holder)
        until(lambda: not region.process(holder).is_running())
        said = region.folder.log(f"{holder}.out").read_text()
        assert "KEYRING_REJECTED" in said
        assert f"small-csc: the {holder} seed of epoch 1 does not give the published point" in said
        picture = region.ask(KNOWN)
        assert set(outcomes(picture).values()) <= {"waiting", "unreachable"}
        assert picture["completeness"] == "incomplete"
    finally:
        keyring.replace(name, right)
        region.restart(holder)
        region.wait_up("gateway", *WHOLE, "small-csc")
    assert outcomes(region.ask(KNOWN)) == WHOLE
