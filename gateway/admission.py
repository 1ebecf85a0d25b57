"""From a verified query to what policy decided of it, per target. Pure: assembles the input, encodes the result.

Python re-implements no rule. What policy did not permit, or permitted without a category, is denied.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from federation.admission import AdmissionRecord, EnquiryGiven, TargetDecision, obligations_given, reasons_given
from federation.canonical import JsonObject
from federation.counters import CounterView
from federation.directory import AgencyDescriptor
from federation.policy.catalogue import Catalogue
from federation.policy.decision import GatewayDecision
from federation.policy_input import agency_input, policy_time, query_input, requester_input
from federation.query import CategoryAsked, QueryHeader, VerifiedQuery
from federation.team import CaseGrantGiven, case_grant_input
from federation.vocabulary import Effect
from keys import domains
from keys.digest import sha256
from keys.signing import SigningKey


def gateway_input(
    header: QueryHeader,
    *,
    requester: AgencyDescriptor,
    targets: Sequence[AgencyDescriptor],
    counters: CounterView,
    case_grant: CaseGrantGiven | None,
    now: float,
) -> JsonObject:
    """The input of `wardgate/gateway/decision`, targets in the order given."""
    return {
        "time": policy_time(now),
        "query": query_input(header),
        "requester": requester_input(requester, user_ref=header.user_ref, role=header.role),
        "counters": counters.as_input(),
        "case_grant": case_grant_input(case_grant),
        "targets": [agency_input(target) for target in targets],
    }


@dataclass(frozen=True, slots=True)
class Admitted:
    """A signed admission with every target's decision, and the responders that may be asked."""

    record: AdmissionRecord
    content: bytes
    signature: bytes
    decisions: list[tuple[str, bytes]]
    permitted: list[str]


def admit(
    query: VerifiedQuery,
    decision: GatewayDecision,
    *,
    decision_id: str,
    bundle_digest: bytes,
    now: float,
    key: SigningKey,
    case_grant: CaseGrantGiven | None,
    catalogue: Catalogue,
) -> Admitted:
    """Encode and sign what may be told of a decision to the requester and the targets."""
    overall_permit = decision.effect is Effect.PERMIT
    documents = []
    for target in decision.targets:
        permitted = overall_permit and target.effect is Effect.PERMIT and bool(target.categories)
        documents.append(
            TargetDecision(
                responder=target.agency,
                effect="permit" if permitted else "deny",
                categories=[CategoryAsked(name=item.name, tier=item.tier) for item in target.categories]
                if permitted
                else [],
                reasons=reasons_given(target.reasons),
                obligations=obligations_given(target.obligations, catalogue) if permitted else [],
            )
        )
    decisions = [(document.responder, document.canonical()) for document in documents]
    permitted_responders = [document.responder for document in documents if document.effect == "permit"]
    record = AdmissionRecord(
        query_sha256=query.digest,
        query_id=query.header.query_id,
        decision_id=decision_id,
        bundle_digest=bundle_digest,
        decided_at=int(now),
        effect="permit" if permitted_responders else "deny",
        reasons=reasons_given(decision.reasons),
        obligations=obligations_given(decision.obligations, catalogue),
        processing=list(decision.processing),
        enquiry=EnquiryGiven(
            outcome=decision.enquiry.outcome,
            after_s=decision.enquiry.after_s,
            audience=list(decision.enquiry.audience),
        ),
        decisions={responder: sha256(content) for responder, content in decisions},
        case_grant=case_grant,
    )
    content = record.canonical()
    return Admitted(record, content, key.sign(domains.ADMISSION, content), decisions, permitted_responders)
