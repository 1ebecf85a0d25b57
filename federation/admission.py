"""What the gateway decided of a query, signed: the requester and each target can hold it to its word.

Whatever a decision says to the person who asked (in a picture, an admission, an answer) is made here and nowhere else,
by `reasons_given` and `obligations_given`: what is meant for auditors, or is not to be told, stays in the record of the
decision at the party that made it.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from federation import limits
from federation.document import AgencyName, Code, Document, Hex32, Instant, Uuid
from federation.errors import ErrorCode, WardgateError
from federation.policy.catalogue import Catalogue
from federation.policy.results import MAX_ENQUIRY_DELAY_S, Audience, Obligation, Reason, Severity
from federation.query import CategoryAsked, verify_signed
from federation.team import CaseGrantGiven
from federation.vocabulary import EnquiryOutcome
from keys import domains
from keys.digest import sha256
from keys.signing import VerifyKey


class ReasonGiven(Document):
    """A reason of the bundle's catalogue that the person who asked may read. One for auditors alone cannot be made.

    So a document of another party that carries one is refused as malformed, whoever signed it.
    """

    code: Code
    audience: Audience
    severity: Severity

    @field_validator("audience")
    @classmethod
    def _is_for_the_user(cls, value: Audience) -> Audience:
        if value is Audience.AUDITOR:
            raise ValueError("meant for auditors alone")
        return value


class ObligationGiven(Document):
    """What must also be done for a decision to stand, as whoever asked is told of it."""

    id: Code
    type: Code
    mandatory: bool
    params: dict[str, str | int | bool | list[str]]


def reasons_given(reasons: Iterable[Reason]) -> list[ReasonGiven]:
    """A decision's reasons as they are told, in the order given: those meant for auditors alone are left out."""
    return [
        ReasonGiven(code=reason.code, audience=reason.audience, severity=reason.severity)
        for reason in reasons
        if reason.audience is not Audience.AUDITOR
    ]


def obligations_given(obligations: Iterable[Obligation], catalogue: Catalogue) -> list[ObligationGiven]:
    """A decision's obligations as they are told, in the order given.

    Args:
        obligations: As policy laid them down.
        catalogue: Of the bundle that did: what it does not say is told (`told`) is left out.
    """
    return [
        ObligationGiven(id=item.id, type=item.type, mandatory=item.mandatory, params=dict(item.params))
        for item in obligations
        if (row := catalogue.obligations.get(item.id)) is not None and row.told
    ]


def reasons_kept(stored: Iterable[Mapping[str, Any]]) -> list[ReasonGiven]:
    """Reasons read from this party's own store: an earlier version kept those for auditors with the others."""
    told = [item for item in stored if item.get("audience") != Audience.AUDITOR]
    return [ReasonGiven.model_validate(item, strict=False) for item in told]


class EnquiryGiven(Document):
    """Who may learn that the question was asked: after `after_s` seconds, or nobody."""

    outcome: EnquiryOutcome
    after_s: Annotated[int, Field(ge=0, le=MAX_ENQUIRY_DELAY_S)]
    audience: list[Code]


class TargetDecision(Document):
    """The gateway's decision for one responder. The responder may only narrow it."""

    v: Literal[1] = 1
    responder: AgencyName
    effect: Literal["permit", "deny"]
    categories: Annotated[list[CategoryAsked], Field(max_length=limits.MAX_CATEGORIES)]
    reasons: list[ReasonGiven]
    obligations: list[ObligationGiven]


class AdmissionRecord(Document):
    """The decision as a whole; `decisions` maps each responder to the SHA-256 of its `TargetDecision`.

    Attributes:
        processing: Conditions of data protection law on which the requester relies.
        enquiry: Who may learn that the question was asked.
        case_grant: What the case grant that the query names said of its user at that moment; None where none is named.
    """

    v: Literal[1] = 1
    query_sha256: Hex32
    query_id: Uuid
    decision_id: Uuid
    bundle_digest: Hex32
    decided_at: Instant
    effect: Literal["permit", "deny"]
    reasons: list[ReasonGiven]
    obligations: list[ObligationGiven]
    processing: list[Code]
    enquiry: EnquiryGiven
    decisions: dict[AgencyName, Hex32]
    case_grant: CaseGrantGiven | None = None


def verify_admission(
    admission: bytes, signature: bytes, *, query_sha256: bytes, gateway_key: VerifyKey
) -> AdmissionRecord:
    """Check that the gateway admitted exactly this query.

    Raises:
        WardgateError: `MESSAGE_*`, `SIGNATURE_REJECTED`.
    """
    found = AdmissionRecord.parse(admission)
    verify_signed(gateway_key, signature, domains.ADMISSION, admission)
    if found.query_sha256 != query_sha256:
        raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "admission of another query")
    return found


def verify_decision(admission: AdmissionRecord, responder: str, decision: bytes) -> TargetDecision:
    """Check that one target's decision is the one the admission names.

    Raises:
        WardgateError: `MESSAGE_*`, `SIGNATURE_REJECTED`.
    """
    found = TargetDecision.parse(decision)
    if found.responder != responder or admission.decisions.get(responder) != sha256(decision):
        raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "decision is not the one admitted")
    return found
