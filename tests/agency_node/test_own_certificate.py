"""`check-config` of a node says how its certificate stands, at each stage of its life."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agency_node.checking import own_certificate
from agency_node.keychain import create_keychain
from agency_node.settings import NodeSettings
from federation.errors import ErrorCode, WardgateError
from federation.renewal import ROOTS, TLS, certificate_request
from keys.keyring import Keyring
from tests.support.pki import BARNET, CAMDEN, Pki

NOW = datetime.now(UTC)


def test_every_stage_is_named(tmp_path: Path) -> None:
    settings = NodeSettings.model_construct(agency=CAMDEN.id, data_dir=tmp_path, keyring_dir=None)
    now = NOW.timestamp()
    assert own_certificate(settings, now).startswith("certificate: none, and no keys yet")
    assert not settings.keys_dir.exists(), "looking makes nothing"

    keyring, pki = Keyring(settings.keys_dir), Pki()
    create_keychain(keyring, agency=CAMDEN.id, now=int(now))
    assert own_certificate(settings, now).startswith("certificate: none yet")

    life = timedelta(hours=24)
    request = certificate_request(keyring, CAMDEN)
    keyring.publish(ROOTS, pki.authority.pem)
    keyring.publish(TLS, pki.authority.issue(request, identity=CAMDEN.uri, lifetime=life, now=NOW))
    end = f"{NOW + life:%Y-%m-%d %H:%M} UTC"
    assert own_certificate(settings, now) == f"certificate: valid until {end}"
    assert own_certificate(settings, now + 25 * 3600).startswith(f"warning: the certificate ran out on {end}")

    keyring.publish(TLS, pki.credentials(BARNET).chain)
    with pytest.raises(WardgateError) as caught:
        own_certificate(settings, now)
    assert caught.value.code is ErrorCode.KEYRING_REJECTED
