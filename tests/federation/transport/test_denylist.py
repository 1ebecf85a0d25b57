from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.canonical import to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.transport.denylist import DenyEntry, DenyList, NoDenyList, SignedDenyList
from federation.transport.identity import Peer
from keys import domains
from keys.signing import SigningKey
from tests.support.pki import BARNET, CAMDEN

KEY = SigningKey.generate()
PEER = Peer(CAMDEN, "a1b2", "c" * 64, 2_000_000_000, 1_900_000_000)
OTHER = Peer(BARNET, "a1b3", "d" * 64, 2_000_000_000)


def signed(version: int, *entries: DenyEntry, key: SigningKey = KEY) -> SignedDenyList:
    return SignedDenyList.issue(key, version=version, issued_at=1_800_000_000, entries=entries)


def in_force(*entries: DenyEntry) -> DenyList:
    denials = DenyList(KEY.verify_key)
    denials.adopt(signed(1, *entries))
    return denials


def entry(*, identity: str = "", serial: str = "", spki_sha256: str = "") -> DenyEntry:
    return DenyEntry(identity=identity, serial=serial, spki_sha256=spki_sha256, reason_code="key_compromise")


@pytest.mark.parametrize(
    "denial",
    [
        entry(identity=CAMDEN.uri),
        entry(serial=PEER.serial),
        entry(spki_sha256=PEER.spki_sha256),
        entry(identity=CAMDEN.uri, serial=PEER.serial, spki_sha256=PEER.spki_sha256),
    ],
)
def test_an_entry_denies_whoever_has_all_it_names(denial: DenyEntry) -> None:
    denials = in_force(denial)

    assert denials.is_denied(PEER)
    assert not denials.is_denied(OTHER)
    with pytest.raises(WardgateError) as refused:
        denials.check(PEER)
    assert refused.value.code is ErrorCode.CERTIFICATE_REVOKED
    denials.check(OTHER)


@pytest.mark.parametrize(
    "denial",
    [
        entry(identity=CAMDEN.uri, serial="a1b4"),
        entry(identity=CAMDEN.uri, spki_sha256="e" * 64),
        entry(identity=BARNET.uri, serial=PEER.serial),
    ],
)
def test_an_entry_spares_whoever_differs_in_one_thing_it_names(denial: DenyEntry) -> None:
    assert not in_force(denial).is_denied(PEER)


def test_an_entry_that_names_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="denies nothing"):
        entry()


def test_without_a_list_nobody_is_served() -> None:
    with pytest.raises(WardgateError) as refused:
        DenyList(KEY.verify_key).check(PEER)

    assert refused.value.code is ErrorCode.REVOCATION_UNKNOWN


def test_an_empty_list_lets_all_be_served() -> None:
    in_force().check(PEER)


def test_a_port_without_deny_list_serves_all() -> None:
    NoDenyList().check(PEER)


def test_a_newer_list_replaces_the_old_one_whole() -> None:
    denials = in_force(entry(identity=CAMDEN.uri))

    assert denials.adopt(signed(3, entry(identity=BARNET.uri)))

    assert denials.version == 3
    assert not denials.is_denied(PEER)
    assert denials.is_denied(OTHER)


def test_the_same_list_again_changes_nothing() -> None:
    denials = in_force(entry(identity=CAMDEN.uri))

    assert not denials.adopt(signed(1, entry(identity=CAMDEN.uri)))


@pytest.mark.parametrize("version", [1, 4])
def test_an_older_or_a_forked_list_is_refused_and_the_one_in_force_stays(version: int) -> None:
    denials = in_force()
    denials.adopt(signed(4, entry(identity=CAMDEN.uri)))

    with pytest.raises(WardgateError) as refused:
        denials.adopt(signed(version, entry(identity=BARNET.uri)))

    assert refused.value.code is ErrorCode.DIRECTORY_REJECTED
    assert denials.is_denied(PEER)
    assert not denials.is_denied(OTHER)


def test_another_signer_is_refused() -> None:
    with pytest.raises(WardgateError) as refused:
        in_force().adopt(signed(2, key=SigningKey.generate()))

    assert refused.value.code is ErrorCode.SIGNATURE_REJECTED


def test_a_signature_of_another_domain_is_refused() -> None:
    document = signed(2).document

    with pytest.raises(WardgateError) as refused:
        in_force().adopt(SignedDenyList(document, KEY.sign(domains.DIRECTORY, document)))

    assert refused.value.code is ErrorCode.SIGNATURE_REJECTED


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_any_altered_byte_is_refused(place: int, change: int) -> None:
    good = signed(2, entry(identity=CAMDEN.uri))
    altered = bytearray(good.document)
    altered[place % len(altered)] ^= change

    with pytest.raises(WardgateError):
        in_force().adopt(SignedDenyList(bytes(altered), good.signature))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"entries": [{"identity": "", "serial": "", "spki_sha256": "", "reason_code": "x"}]},
        {"entries": [{"identity": CAMDEN.uri, "serial": "0A", "spki_sha256": "", "reason_code": "x"}]},
        {"entries": [{"identity": "node/camden-csc", "serial": "", "spki_sha256": "", "reason_code": "x"}]},
        {"extra": 1},
    ],
)
def test_a_list_of_another_form_is_refused(change: dict[str, object]) -> None:
    document = to_canonical({"v": 1, "version": 2, "issued_at": 1, "entries": []} | change)

    with pytest.raises(WardgateError) as refused:
        in_force().adopt(SignedDenyList(document, KEY.sign(domains.DENY_LIST, document)))

    assert refused.value.code is ErrorCode.MESSAGE_MALFORMED


@pytest.mark.parametrize(("before", "denied"), [(1_900_000_000, False), (1_900_000_001, True)])
def test_certificates_of_a_party_that_begin_before_a_time_are_denied_and_the_party_is_not(
    before: int, *, denied: bool
) -> None:
    key = SigningKey.generate()
    entry = DenyEntry(identity=CAMDEN.uri, before=before, reason_code="KEYS_RESET")
    found = DenyList(key.verify_key)
    found.adopt(SignedDenyList.issue(key, version=1, issued_at=1, entries=[entry]))
    assert found.is_denied(PEER) is denied
    assert found.is_denied(replace(PEER, begins_at=0)), "nobody looked when it begins"
    assert not found.is_denied(OTHER)
    assert found.denied_agencies() == frozenset()
