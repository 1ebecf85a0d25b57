"""What a party believes of a new directory: keys grow from the old ones, and one version is one directory."""

import pytest

from federation.directory import DirectoryDocument, KeyStatement, SignedStatement, TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from keys import domains
from keys.digest import sha256
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
