"""What auditors find where a query's header and its sealed note do not say the same."""

import pytest

from federation.audit_note import CLAIMED_AND_EMPTY, GIVEN_AND_DENIED, findings, open_note
from federation.errors import ErrorCode, WardgateError
from federation.query import AuditNote, QueryHeader, audit_context
from keys.digest import sha256
from keys.envelope import SealingKey, seal
from keys.padding import pad
from tests.support.node_house import number
from tests.support.two_agencies import REQUESTER, Federation

QUERY_ID = "0b0e5f0c-3a53-4b57-9b43-3d2f9a1c7e11"


@pytest.fixture(scope="module")
def federation() -> Federation:
    return Federation()


@pytest.fixture(scope="module")
def header(federation: Federation) -> QueryHeader:
    return federation.ask(number(0), query_id=QUERY_ID).composed.header


def a_note(justification: str, query_id: str = QUERY_ID) -> AuditNote:
    return AuditNote(
        query_id=query_id,
        requester=REQUESTER,
        user="a.khan",
        user_name="Amina Khan",
        justification=justification,
        pseudonym=b"p" * 32,
        epoch=1,
    )


@pytest.mark.parametrize(
    ("justified", "text", "found"),
    [
        (True, "Bruises.", []),
        (True, "", [CLAIMED_AND_EMPTY]),
        (True, " \n", [CLAIMED_AND_EMPTY]),
        (True, ".\u200b", [CLAIMED_AND_EMPTY]),
        (False, "", []),
        (False, " ", []),
        (False, "x", [GIVEN_AND_DENIED]),
    ],
)
def test_a_claim_that_the_sealed_text_contradicts_is_a_finding(
    header: QueryHeader, *, justified: bool, text: str, found: list[str]
) -> None:
    claimed = header.model_copy(update={"justified": justified})
    assert findings(claimed, a_note(text)) == found


def test_an_older_header_claims_no_justification(header: QueryHeader) -> None:
    older = header.model_dump(mode="json", exclude={"justified"})
    assert QueryHeader.model_validate(older, strict=False).justified is False


def sealed(federation: Federation, header: QueryHeader, note: AuditNote) -> tuple[bytes, QueryHeader]:
    context = audit_context(QUERY_ID, REQUESTER)
    envelope = seal(federation.audit.public, purpose="audit", context=context, plaintext=pad(note.canonical()))
    return envelope, header.model_copy(update={"audit_sha256": sha256(envelope)})


def test_the_auditors_key_opens_the_very_envelope_that_was_signed(federation: Federation, header: QueryHeader) -> None:
    envelope, signed = sealed(federation, header, a_note("Bruises."))
    assert open_note(envelope, signed, audit_key=federation.audit) == a_note("Bruises.")


def test_another_envelope_key_or_query_is_refused(federation: Federation, header: QueryHeader) -> None:
    envelope, signed = sealed(federation, header, a_note("Bruises."))
    other, of_other = sealed(federation, header, a_note("Bruises.", query_id=QUERY_ID[:-1] + "2"))
    for content, head, key, code in (
        (envelope, header, federation.audit, ErrorCode.SIGNATURE_REJECTED),
        (envelope, signed, SealingKey.generate(), ErrorCode.ENVELOPE_REJECTED),
        (other, of_other, federation.audit, ErrorCode.ENVELOPE_REJECTED),
    ):
        with pytest.raises(WardgateError) as caught:
            open_note(content, head, audit_key=key)
        assert caught.value.code is code
