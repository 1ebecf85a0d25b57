"""What a party believes of a new directory: keys grow from the old ones, and one version is one directory."""

import pytest

from federation.directory import (
    DirectoryDocument,
    KeyStatement,
    SignedStatement,
    TrustedDirectory,
    verify_chain,
    verify_statement,
)
from federation.errors import ErrorCode, WardgateError
from federation.key_statement import state_keys
from keys import domains
from keys.digest import sha256
from keys.signing import SigningKey
from tests.support.region import SEALING
from tests.support.two_agencies import NOW, RESPONDER, Federation, Party


def shown(federation: Federation, before: TrustedDirectory, document: DirectoryDocument) -> TrustedDirectory:
    """The directory after a party was shown this document, signed and entered in the ledger as it should be."""
    content = document.canonical()
    signature = federation.gateway_key.sign(domains.DIRECTORY, content)
    entry = {"directory_sha256": sha256(content).hex(), "version": document.version}
    return before.advance(content, signature, entry=entry)


async def test_an_agency_that_left_comes_back_with_its_own_keys() -> None:
    federation = Federation()
    federation.publish(RESPONDER)
    assert RESPONDER not in federation.directory.agencies

    back = federation.publish()

    assert back.agency(RESPONDER).verify_key == federation.parties[RESPONDER].signing.verify_key


@pytest.mark.parametrize("versions_away", [1, 2])
async def test_keys_cannot_be_replaced_by_leaving_an_agency_out_for_a_while(versions_away: int) -> None:
    federation = Federation()
    for _ in range(versions_away):
        federation.publish(RESPONDER)
    federation.parties = {**federation.parties, RESPONDER: Party(RESPONDER, "school", "S16E_EDU")}

    with pytest.raises(WardgateError, match="were replaced") as raised:
        federation.publish()

    assert raised.value.code is ErrorCode.DIRECTORY_REJECTED


async def test_a_second_directory_of_one_version_is_refused_and_the_same_one_is_not() -> None:
    federation = Federation()
    before = TrustedDirectory.empty(federation.directory.anchors)
    document = DirectoryDocument(version=1, issued_at=NOW, audit_keys=federation.auditors.statements, agencies=[])
    first = shown(federation, before, document)

    assert shown(federation, first, document) == first
    with pytest.raises(WardgateError, match="two directories") as raised:
        shown(federation, first, document.model_copy(update={"issued_at": NOW + 1}))

    assert raised.value.code is ErrorCode.DIRECTORY_REJECTED


OLD, NEW = SigningKey.generate(), SigningKey.generate()
FIRST = state_keys("uclh", OLD, SEALING.public, issued_at=NOW)


def reset(**changes: object) -> SignedStatement:
    """The second statement of a chain, whose first key is lost."""
    signed = state_keys("uclh", NEW, SEALING.public, version=2, lost=OLD.verify_key, issued_at=NOW)
    statement = KeyStatement.parse(signed.statement).model_copy(update=changes).canonical()
    return SignedStatement(statement=statement, signature=NEW.sign(domains.KEY_STATEMENT, statement))


def test_a_reset_names_the_key_that_is_lost_and_is_signed_by_the_new_one_alone() -> None:
    before = verify_chain([FIRST], agency="uclh")[-1]
    found = verify_statement(reset(), agency="uclh", previous=before)
    assert (found.reset, found.predecessor) == (True, before.signing_key)
    honest, by_old = reset(), OLD.sign(domains.KEY_STATEMENT, reset().statement)
    for wrong in (
        reset(version=3),
        reset(predecessor=bytes(NEW.verify_key)),
        reset(agency="met-police"),
        reset(reset=False),
        honest.model_copy(update={"signature": by_old}),
        honest.model_copy(update={"predecessor_signature": by_old}),
    ):
        with pytest.raises(WardgateError) as raised:
            verify_statement(wrong, agency="uclh", previous=before)
        assert raised.value.code is ErrorCode.DIRECTORY_REJECTED


def test_a_chain_does_not_begin_with_a_reset() -> None:
    with pytest.raises(WardgateError, match="resets nothing") as raised:
        verify_chain([reset(version=1, predecessor="")], agency="uclh")
    assert raised.value.code is ErrorCode.DIRECTORY_REJECTED


def test_statements_of_before_there_were_resets_are_read_as_they_are() -> None:
    old = FIRST.statement.replace(b'"reset":false,', b"")
    signed = SignedStatement(statement=old, signature=OLD.sign(domains.KEY_STATEMENT, old))
    assert not verify_chain([signed], agency="uclh")[-1].reset


@pytest.mark.parametrize("audit_key", [b"short", bytes(1216), b""])
def test_an_audit_key_that_nothing_can_be_sealed_to_is_refused(audit_key: bytes) -> None:
    federation = Federation()
    signing = federation.auditors.signing
    stated = KeyStatement.parse(federation.auditors.statements[0].statement)
    statement = stated.model_copy(update={"sealing_key": audit_key}).canonical()
    signed = SignedStatement(statement=statement, signature=signing.sign(domains.KEY_STATEMENT, statement))
    document = DirectoryDocument(version=1, issued_at=NOW, audit_keys=[signed], agencies=[])
    with pytest.raises(WardgateError) as raised:
        shown(federation, TrustedDirectory.empty(federation.directory.anchors), document)
    assert raised.value.code is ErrorCode.MESSAGE_MALFORMED
