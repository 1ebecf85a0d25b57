"""What the gateway decided of a query, signed: the requester and each target can hold it to its word."""

from typing import Annotated, Literal

from pydantic import Field

from federation import limits
from federation.document import AgencyName, Code, Document, Hex32, Instant, Uuid
from federation.errors import ErrorCode, WardgateError
from federation.policy.results import MAX_ENQUIRY_DELAY_S, Audience, Severity
from federation.query import CategoryAsked, verify_signed
from federation.team import CaseGrantGiven
from federation.vocabulary import EnquiryOutcome
from keys import domains
from keys.digest import sha256
from keys.signing import VerifyKey


class ReasonGiven(Document):
    """A reason of the bundle's catalogue."""

    code: Code
    audience: Audience
    severity: Severity


class ObligationGiven(Document):
    """What must also be done for a decision to stand."""

    id: Code
    type: Code
    mandatory: bool
    params: dict[str, str | int | bool | list[str]]


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
