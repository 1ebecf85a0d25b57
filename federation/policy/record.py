"""What a decision leaves behind: enough to compute it again, byte for byte, years later. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from federation.canonical import JsonObject
from federation.policy.bundle import BundleId
from federation.policy.engine import EngineIdentity, EntryPoint, Failure
from federation.policy.results import Enquiry, Obligation, Reason
from federation.vocabulary import Effect

VERSION: Final = 1


class Occasion(StrEnum):
    """Why a decision was computed. Only a live one may be acted on."""

    LIVE = "live"
    REPLAY = "replay"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One decision, for the ledger.

    Attributes:
        id: Its own id, a UUID.
        parent_id: The decision it follows from (the gateway's, at a node); empty when there is none.
        trace_id: Joins it to logs of the same call; empty outside a trace.
        occasion: Live, replay or shadow.
        entry_point: The rule.
        decided_at: Seconds since the epoch.
        bundle: The bundle that decided; also the one expected when none could.
        data_sha256: Digest of the bundle's reference data, hex.
        engine: What computed it.
        input_sha256: Digest of the canonical input, hex. The input itself is kept elsewhere, encrypted.
        result_sha256: Digest of the canonical result, hex.
        result: The canonical result as parsed JSON; None when the engine gave nothing that canonical JSON can carry.
        effect: What was decided, also where `result` could not be used.
        failure: Why no policy decided; None when one did.
        detail: What failed, in names and numbers.
        reasons: The reasons of the decision as a whole.
        obligations: The obligations of the decision as a whole.
        processing: Conditions of data protection law relied on; none in a denial or about a look at a ledger.
        enquiry: Who may learn of the question; None where the decision is about no query.
        evaluation_us: Microseconds in the engine.
    """

    id: str
    parent_id: str
    trace_id: str
    occasion: Occasion
    entry_point: EntryPoint
    decided_at: int
    bundle: BundleId
    data_sha256: str
    engine: EngineIdentity
    input_sha256: str
    result_sha256: str
    result: JsonObject | None = field(repr=False)
    effect: Effect
    failure: Failure | None
    detail: str
    reasons: tuple[Reason, ...]
    obligations: tuple[Obligation, ...]
    processing: tuple[str, ...]
    enquiry: Enquiry | None
    evaluation_us: int

    def body(self) -> JsonObject:
        """The record as the body of a ledger entry: strings, integers, lists and objects only.

        What there is not is left out: `result` where the engine gave none, `enquiry` where no query was decided on.
        """
        body = {
            "v": VERSION,
            "decision_id": self.id,
            "parent_id": self.parent_id,
            "trace_id": self.trace_id,
            "occasion": self.occasion.value,
            "entry_point": self.entry_point.value,
            "decided_at": self.decided_at,
            "bundle": {"revision": self.bundle.revision, "digest": self.bundle.digest},
            "data_sha256": self.data_sha256,
            "engine": {"name": self.engine.name, "version": self.engine.version, "strict": self.engine.strict},
            "input_sha256": self.input_sha256,
            "result_sha256": self.result_sha256,
            "effect": self.effect.value,
            "failure": self.failure.value if self.failure else "",
            "detail": self.detail,
            "reasons": [reason_body(reason) for reason in self.reasons],
            "obligations": [obligation_body(obligation) for obligation in self.obligations],
            "processing": list(self.processing),
            "evaluation_us": self.evaluation_us,
        }
        if self.result is not None:
            body["result"] = self.result
        if self.enquiry is not None:
            body["enquiry"] = enquiry_body(self.enquiry)
        return body


def reason_body(reason: Reason) -> JsonObject:
    """A reason as canonical JSON carries it."""
    return {"code": reason.code, "audience": reason.audience.value, "severity": reason.severity.value}


def enquiry_body(enquiry: Enquiry) -> JsonObject:
    """Who may learn of the question, as canonical JSON carries it."""
    return {"outcome": enquiry.outcome.value, "after_s": enquiry.after_s, "audience": list(enquiry.audience)}


def obligation_body(obligation: Obligation) -> JsonObject:
    """An obligation as canonical JSON carries it."""
    return {
        "id": obligation.id,
        "type": obligation.type,
        "mandatory": obligation.mandatory,
        "params": dict(obligation.params),
    }
