from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import ErrorCode, WardgateError
from federation.transport.identity import Party, PartyKind, current_peer, peer_of
from tests.support.pki import CAMDEN, GATEWAY, Pki


def certificate(*uris: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + timedelta(hours=1))
    if uris:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])
        builder = builder.add_extension(names, critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def auth_context(pem: bytes, *uris: str) -> Mapping[str, list[bytes]]:
    return {"x509_pem_cert": [pem], "peer_uri": [uri.encode() for uri in uris]}


@pytest.mark.parametrize("kind", ["node", "gateway", "trustee", "operator", "local"])
def test_each_kind_of_party_has_a_name_that_reads_back(kind: str) -> None:
    party = Party(PartyKind(kind), "camden-csc")

    assert Party.parse(f"wardgate://{kind}/camden-csc") == party
    assert party.uri == f"wardgate://{kind}/camden-csc"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "wardgate://node/",
        "wardgate://node/a",
        "wardgate://node/Camden",
        "wardgate://node/camden-csc/",
        "wardgate://node/camden-csc\n",
        "wardgate://node/camden%2dcsc",
        "wardgate://NODE/camden-csc",
        "wardgate://anonymous/caller",
        "wardgate://auditor/camden-csc",
        "Wardgate://node/camden-csc",
        "spiffe://node/camden-csc",
        "wardgate://user@node/camden-csc",
        "wardgate://node/camden-csc?x",
        "wardgate://node/" + "a" * 64,
    ],
)
def test_anything_but_the_exact_form_names_nobody(uri: str) -> None:
    with pytest.raises(WardgateError) as refused:
        Party.parse(uri)

    assert refused.value.code is ErrorCode.NOT_AUTHENTICATED


def test_the_longest_id_is_taken() -> None:
    assert Party.parse("wardgate://node/" + "a" * 63).id == "a" * 63


@given(st.text(max_size=80))
def test_no_text_parses_to_a_party_that_is_written_otherwise(text: str) -> None:
    try:
        party = Party.parse(text)
    except WardgateError:
        return

    assert party.uri == text


def test_a_servers_dns_name_spells_its_party() -> None:
    assert GATEWAY.dns_name == "main.gateway.wardgate.internal"
    assert CAMDEN.dns_name == "camden-csc.node.wardgate.internal"


def test_a_certificate_gives_party_serial_key_and_end() -> None:
    pem = Pki().credentials(CAMDEN).chain

    peer = peer_of(auth_context(pem, CAMDEN.uri))

    read = x509.load_pem_x509_certificate(pem)
    assert peer.party == CAMDEN
    assert peer.serial == f"{read.serial_number:x}"
    assert len(peer.spki_sha256) == 64
    assert peer.expires_at == int(read.not_valid_after_utc.timestamp())


def test_a_connection_without_certificate_names_nobody() -> None:
    with pytest.raises(WardgateError, match="NOT_AUTHENTICATED"):
        peer_of({"transport_security_type": [b"ssl"]})


def test_a_certificate_without_uri_names_nobody() -> None:
    with pytest.raises(WardgateError, match="0 URI names"):
        peer_of(auth_context(certificate()))


def test_a_certificate_with_two_uris_names_nobody() -> None:
    uris = ("wardgate://node/camden-csc", "wardgate://node/barnet-csc")

    with pytest.raises(WardgateError, match="2 URI names"):
        peer_of(auth_context(certificate(*uris), *uris))


def test_two_readings_that_differ_name_nobody() -> None:
    pem = certificate("wardgate://node/camden-csc", "wardgate://node/barnet-csc")
    other = certificate("wardgate://node/camden-csc")

    with pytest.raises(WardgateError, match="NOT_AUTHENTICATED"):
        peer_of(auth_context(pem, "wardgate://node/camden-csc"))
    with pytest.raises(WardgateError, match="differ"):
        peer_of(auth_context(other, "wardgate://node/barnet-csc"))


def test_outside_a_call_there_is_no_peer() -> None:
    with pytest.raises(WardgateError, match="NOT_AUTHENTICATED"):
        current_peer()
