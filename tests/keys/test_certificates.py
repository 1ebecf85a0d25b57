"""Certificates as a peer meets them: issued, read, checked and used in a real TLS handshake."""

import ssl
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.certificates import (
    MAX_LIFETIME,
    PARTIES,
    CertificateAuthority,
    Identity,
    PrivateKey,
    identity_of,
    key_digest_of,
    make_request,
    needs_renewal,
    not_after,
    public_key_of,
    serial_of,
    verify_issued,
)
from keys.digest import sha256
from keys.errors import CertificateRejected, EncodingRejected
from keys.secret import Secret

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
NODE = "wardgate://node/camden-csc"
AUTHORITY = CertificateAuthority.create("Test federation", now=NOW)
KEY = PrivateKey.generate()
REQUEST = x509.load_pem_x509_csr(make_request(KEY, NODE)).public_bytes(serialization.Encoding.DER)
SIGNED_REQUEST = x509.load_der_x509_csr(REQUEST).tbs_certrequest_bytes
CERTIFICATE = AUTHORITY.issue(make_request(KEY, NODE), identity=NODE, lifetime=timedelta(hours=24), now=NOW)


def issue(request: bytes | None = None, **changes: object) -> bytes:
    terms: dict[str, object] = {"identity": NODE, "lifetime": timedelta(hours=1), "now": NOW} | changes
    return AUTHORITY.issue(make_request(KEY, NODE) if request is None else request, **terms)  # type: ignore[arg-type]  # each test names what it changes


def parsed(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def alternative_names(pem: bytes) -> list[object]:
    names = parsed(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [name.value for name in names.value]


def request_with(
    names: list[x509.GeneralName], key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM)


def certificate_with(names: list[x509.GeneralName]) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.public_key(), 7, NOW, NOW + MAX_LIFETIME)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def damaged(der: bytes, signed: bytes, place: int, change: int) -> bytes:
    """One byte changed in the signed part. Outside it, in the coding of the signature, is some harmless freedom."""
    altered = bytearray(der)
    altered[der.index(signed) + place % len(signed)] ^= change
    return bytes(altered)


def armoured(label: str, der: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n{b64encode(der).decode()}\n-----END {label}-----\n".encode()


def uri(value: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(value)


# identities


@given(st.sampled_from(sorted(PARTIES)), st.from_regex(r"[a-z][a-z0-9-]{1,62}", fullmatch=True))
def test_identity_round_trips(party: str, name: str) -> None:
    identity = Identity.parse(f"wardgate://{party}/{name}")
    assert identity == Identity(party, name)
    assert str(identity) == f"wardgate://{party}/{name}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wardgate://node/",
        "wardgate://node/a",
        "wardgate://node/" + "a" * 64,
        "wardgate://node/Camden",
        "wardgate://node/1a",
        "wardgate://node/a/b",
        "wardgate://auditor/alice",
        "wardgate://NODE/camden",
        "spiffe://node/camden",
        "wardgate://node/camden\n",
        "wardgate://node/camden?x",
        "wardgate:///node/camden",
    ],
)
def test_other_identities_are_refused(text: str) -> None:
    with pytest.raises(CertificateRejected):
        Identity.parse(text)
    with pytest.raises(CertificateRejected):
        make_request(KEY, text)
    with pytest.raises(CertificateRejected):
        issue(identity=text)


# what is issued


def test_certificate_says_what_was_approved() -> None:
    assert identity_of(CERTIFICATE) == NODE
    assert alternative_names(CERTIFICATE) == [NODE]
    assert public_key_of(CERTIFICATE) == KEY.public
    assert key_digest_of(CERTIFICATE) == sha256(KEY.public).hex()
    assert not_after(CERTIFICATE) == NOW + timedelta(hours=24)
    assert int(serial_of(CERTIFICATE), 16) == parsed(CERTIFICATE).serial_number
    assert serial_of(CERTIFICATE) != serial_of(issue())


def test_certificate_has_the_least_rights() -> None:
    extensions = parsed(CERTIFICATE).extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize(("dns", "ips"), [(["gateway.local"], []), ([], ["127.0.0.1"])])
def test_only_certificates_with_server_names_are_good_for_servers(dns: list[str], ips: list[str]) -> None:
    usages = parsed(issue(dns=dns, ips=ips)).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]


def test_what_the_request_asks_besides_is_not_copied() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    greedy = request_with([uri(NODE), x509.DNSName("gateway.local"), x509.RFC822Name("root@example.org")], key)
    assert alternative_names(issue(greedy)) == [NODE]
    assert len(alternative_names(issue(greedy, dns=["a.b"], ips=["::1"]))) == 3


def test_request_without_names_gets_the_approved_identity() -> None:
    assert identity_of(issue(request_with([], ec.generate_private_key(ec.SECP256R1())))) == NODE


@pytest.mark.parametrize(
    "asked", [["wardgate://node/other"], ["wardgate://gateway/main"], [NODE, "wardgate://gateway/main"], [NODE, NODE]]
)
def test_request_for_another_identity_is_refused(asked: list[str]) -> None:
    request = request_with([uri(one) for one in asked], ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(CertificateRejected, match="another identity"):
        issue(request)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-384", "Ed25519", "RSA"],
)
def test_request_for_another_kind_of_key_is_refused(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey,
) -> None:
    with pytest.raises(CertificateRejected, match="P-256"):
        issue(request_with([uri(NODE)], key))


def test_request_that_its_own_key_did_not_sign_is_refused() -> None:
    request = x509.load_pem_x509_csr(make_request(KEY, NODE))
    altered = bytearray(request.public_bytes(serialization.Encoding.DER))
    altered[-1] ^= 1
    pem = x509.load_der_x509_csr(bytes(altered)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(CertificateRejected, match="its own key"):
        issue(pem)


@pytest.mark.parametrize("request_pem", [b"", b"not PEM", CERTIFICATE, AUTHORITY.pem, make_request(KEY, NODE)[:200]])
def test_malformed_request_is_refused(request_pem: bytes) -> None:
    with pytest.raises(CertificateRejected, match="malformed"):
        issue(request_pem)


@settings(max_examples=200)
@given(place=st.integers(0, 10_000), change=st.integers(1, 255))
def test_request_damaged_in_what_is_signed_is_refused(place: int, change: int) -> None:
    with pytest.raises(CertificateRejected):
        issue(armoured("CERTIFICATE REQUEST", damaged(REQUEST, SIGNED_REQUEST, place, change)))


@pytest.mark.parametrize(
    "host", ["", "UPPER.local", "a b", "-a", "a-", "a..b", "*.local", "a" * 64, "a." * 127 + "a", "a\n"]
)
def test_malformed_host_names_are_refused(host: str) -> None:
    with pytest.raises(CertificateRejected, match="host name"):
        issue(dns=[host])


@pytest.mark.parametrize("host", ["a", "localhost", "main.gateway.wardgate", "a" * 63, "xn--caf-dma.example"])
def test_host_names_are_accepted(host: str) -> None:
    assert host in alternative_names(issue(dns=[host]))


@pytest.mark.parametrize("address", ["", "127.0.0.256", "localhost", "10.0.0.0/8", "::g"])
def test_malformed_addresses_are_refused(address: str) -> None:
    with pytest.raises(CertificateRejected, match="IP address"):
        issue(ips=[address])


# times


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(seconds=-1), MAX_LIFETIME + timedelta(seconds=1)])
def test_lifetime_is_positive_and_at_most_a_day(lifetime: timedelta) -> None:
    with pytest.raises(CertificateRejected, match="lifetime"):
        issue(lifetime=lifetime)


def test_certificate_never_outlives_its_authority() -> None:
    short = CertificateAuthority.create("short", now=NOW, lifetime=timedelta(hours=1))
    request = make_request(KEY, NODE)
    short.issue(request, identity=NODE, lifetime=timedelta(hours=1), now=NOW)
    with pytest.raises(CertificateRejected, match="outlive"):
        short.issue(request, identity=NODE, lifetime=timedelta(hours=1, seconds=1), now=NOW)


@pytest.mark.parametrize(
    ("lifetime", "early"),
    [(timedelta(hours=24), timedelta(minutes=5)), (timedelta(seconds=30), timedelta(seconds=3))],
)
def test_certificate_begins_a_little_early(lifetime: timedelta, early: timedelta) -> None:
    assert parsed(issue(lifetime=lifetime)).not_valid_before_utc == NOW - early


def test_renewal_is_due_at_two_thirds_of_life() -> None:
    begin, end = parsed(CERTIFICATE).not_valid_before_utc, not_after(CERTIFICATE)
    due = begin + (end - begin) * 2 / 3
    assert not needs_renewal(CERTIFICATE, begin)
    assert not needs_renewal(CERTIFICATE, due - timedelta(seconds=1))
    assert needs_renewal(CERTIFICATE, due)
    assert needs_renewal(CERTIFICATE, end + timedelta(days=1))


def test_fresh_short_certificate_does_not_ask_for_renewal() -> None:
    assert not needs_renewal(issue(lifetime=timedelta(seconds=30)), NOW)


def test_times_have_a_zone() -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(ValueError, match="zone"):
        issue(now=naive)
    with pytest.raises(ValueError, match="zone"):
        CertificateAuthority.create("name", now=naive)
    elsewhere = NOW.astimezone(timezone(timedelta(hours=-7)))
    assert not_after(issue(now=elsewhere)) == NOW + timedelta(hours=1)


def test_authority_uses_the_systems_clock_when_none_is_given() -> None:
    before = datetime.now(UTC)
    authority = CertificateAuthority.create("now")
    begin = parsed(authority.pem).not_valid_before_utc
    assert before - timedelta(minutes=6) < begin < datetime.now(UTC)


# checking what was issued


def test_issued_certificate_is_accepted_under_any_trusted_authority() -> None:
    other = CertificateAuthority.create("other", now=NOW)
    for trusted in (AUTHORITY.pem, other.pem + AUTHORITY.pem, AUTHORITY.pem + other.pem):
        verify_issued(CERTIFICATE, authorities_pem=trusted, private_key=KEY, identity=NODE, now=NOW)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"authorities_pem": CertificateAuthority.create("Test federation", now=NOW).pem}, "trusted authority"),
        ({"authorities_pem": CERTIFICATE}, "trusted authority"),
        ({"authorities_pem": b"nothing"}, "malformed"),
        ({"private_key": PrivateKey.generate()}, "private key"),
        ({"identity": "wardgate://node/other"}, "another identity"),
        ({"now": NOW - timedelta(minutes=6)}, "not valid now"),
        ({"now": NOW + timedelta(hours=24, seconds=1)}, "not valid now"),
    ],
)
def test_certificate_that_is_not_ours_is_refused(changes: dict[str, object], reason: str) -> None:
    terms: dict[str, object] = {"authorities_pem": AUTHORITY.pem, "private_key": KEY, "identity": NODE, "now": NOW}
    with pytest.raises(CertificateRejected, match=reason):
        verify_issued(CERTIFICATE, **(terms | changes))  # type: ignore[arg-type]  # the table above gives the right types


@pytest.mark.parametrize(
    "names",
    [
        [],
        [x509.DNSName("node.local")],
        [uri(NODE), uri("wardgate://node/other")],
        [uri("https://example.org")],
        [uri(NODE + "/more")],
    ],
)
def test_certificates_without_exactly_one_good_uri_have_no_identity(names: list[x509.GeneralName]) -> None:
    with pytest.raises(CertificateRejected):
        identity_of(certificate_with(names))


@pytest.mark.parametrize("wrong", [b"", b"not PEM", CERTIFICATE[:300], make_request(KEY, NODE)])
def test_what_is_no_certificate_is_refused(wrong: bytes) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: identity_of(wrong),
        lambda: serial_of(wrong),
        lambda: key_digest_of(wrong),
        lambda: not_after(wrong),
        lambda: needs_renewal(wrong, NOW),
        lambda: CertificateAuthority(KEY, wrong),
    ]
    for refused in attempts:
        with pytest.raises(CertificateRejected):
            refused()


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # the library warns of what is refused here
@settings(max_examples=200)
@given(place=st.integers(0, 10_000), change=st.integers(1, 255))
def test_certificate_damaged_in_what_is_signed_is_refused(place: int, change: int) -> None:
    whole = parsed(CERTIFICATE)
    der = damaged(whole.public_bytes(serialization.Encoding.DER), whole.tbs_certificate_bytes, place, change)
    with pytest.raises(CertificateRejected):
        verify_issued(
            armoured("CERTIFICATE", der), authorities_pem=AUTHORITY.pem, private_key=KEY, identity=NODE, now=NOW
        )


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # the library warns of what is refused here
def test_serial_number_is_positive() -> None:
    whole = parsed(CERTIFICATE)
    number = whole.serial_number
    content = number.to_bytes(number.bit_length() // 8 + 1, "big")  # as DER codes a positive integer
    serial = bytes([2, len(content)]) + content
    der = whole.public_bytes(serialization.Encoding.DER)
    negative = der.replace(serial, bytes([2, len(content), 0x80]) + content[1:])
    zero = bytearray(der.replace(serial, b"\x02\x01\x00"))
    for sequence in (2, 6):  # where the lengths of certificate and signed part stand, two bytes each
        length = int.from_bytes(zero[sequence : sequence + 2], "big") - (len(content) - 1)
        zero[sequence : sequence + 2] = length.to_bytes(2, "big")
    for wrong in (negative, bytes(zero)):
        with pytest.raises(CertificateRejected, match="positive serial number"):
            serial_of(armoured("CERTIFICATE", wrong))


# keys


def test_private_key_survives_the_keyring() -> None:
    assert PrivateKey(Secret(KEY.pem.reveal())).public == KEY.public
    assert repr(KEY) == "PrivateKey(**)"


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"not PEM",
        CERTIFICATE,
        ec.generate_private_key(ec.SECP384R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        ),
    ],
    ids=["empty", "text", "certificate", "P-384", "Ed25519", "encrypted"],
)
def test_other_private_keys_are_refused(pem: bytes) -> None:
    with pytest.raises(EncodingRejected):
        PrivateKey(Secret(pem))


def test_authority_survives_the_keyring() -> None:
    again = CertificateAuthority.from_secret(AUTHORITY.private_key.pem, AUTHORITY.pem)
    certificate = again.issue(make_request(KEY, NODE), identity=NODE, lifetime=timedelta(hours=1), now=NOW)
    verify_issued(certificate, authorities_pem=AUTHORITY.pem, private_key=KEY, identity=NODE, now=NOW)
    assert repr(again) == "CertificateAuthority(CN=Test federation)"


def test_authority_needs_its_own_key_and_an_authoritys_certificate() -> None:
    with pytest.raises(CertificateRejected, match="belong together"):
        CertificateAuthority(PrivateKey.generate(), AUTHORITY.pem)
    with pytest.raises(CertificateRejected, match="belong together"):
        CertificateAuthority(KEY, CERTIFICATE)


def test_certificate_without_basic_constraints_is_no_authority() -> None:
    key = PrivateKey.generate()
    builder = x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.public_key(), 7, NOW, NOW + MAX_LIFETIME)
    pem = key.sign_certificate(builder).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(CertificateRejected, match="belong together"):
        CertificateAuthority(key, pem)


@pytest.mark.parametrize("name", ["", "a" * 65])
def test_name_of_an_authority_has_limits(name: str) -> None:
    with pytest.raises(CertificateRejected, match="64 characters"):
        CertificateAuthority.create(name)


# in use


def test_mutual_tls_handshake(tmp_path: Path) -> None:
    authority = CertificateAuthority.create("handshake")
    server = _context(tmp_path, authority, ssl.PROTOCOL_TLS_SERVER, "wardgate://gateway/main", "main.gateway.wardgate")
    client = _context(tmp_path, authority, ssl.PROTOCOL_TLS_CLIENT, NODE)
    server.verify_mode = ssl.CERT_REQUIRED
    seen = _shake_hands(client, server, "main.gateway.wardgate")
    assert identity_of(ssl.DER_cert_to_PEM_cert(seen).encode()) == NODE


def test_node_certificate_does_not_make_a_server(tmp_path: Path) -> None:
    authority = CertificateAuthority.create("handshake")
    server = _context(tmp_path, authority, ssl.PROTOCOL_TLS_SERVER, NODE)
    client = _context(tmp_path, authority, ssl.PROTOCOL_TLS_CLIENT, NODE)
    client.check_hostname = False
    with pytest.raises(ssl.SSLError, match="purpose"):
        _shake_hands(client, server, None)


def _context(folder: Path, authority: CertificateAuthority, protocol: int, identity: str, *dns: str) -> ssl.SSLContext:
    key = PrivateKey.generate()
    pem = authority.issue(
        make_request(key, identity), identity=identity, lifetime=MAX_LIFETIME, now=datetime.now(UTC), dns=dns
    )
    path = folder / f"{protocol}.pem"
    path.write_bytes(pem + key.pem.reveal())
    context = ssl.SSLContext(protocol)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_cert_chain(path)
    context.load_verify_locations(cadata=authority.pem.decode())
    return context


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str | None) -> bytes:
    """Handshake in memory; the client's certificate as the server saw it, in DER."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=host)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (here, there, here, there):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    found = there.getpeercert(binary_form=True)
    assert found is not None
    return found
