"""The one place where an engine's answer becomes a decision, and where everything unexpected becomes deny.

No result, a wrong shape, an unknown effect, reason or obligation, a time-out, an engine that failed, a stale bundle, an
input the schema refused: each ends here as a denial with its own reason code, so that nothing is let out. Whether such
a denial is a decision is another matter: an engine that was away or late has decided nothing
(`federation.policy.engine.Failure.is_passing`), and only a result denies for good. Pure.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from federation.canonical import JsonObject, to_canonical
from federation.policy.checks import (
    Asked,
    Inadmissible,
    check_older,
    check_person,
    check_records,
    check_statements,
    check_targets,
)
from federation.policy.engine import UNDEFINED, EntryPoint, Failure, RawDecision
from federation.policy.results import (
    ANYBODY,
    MAX_NAME_CHARS,
    NOBODY,
    STRICT,
    Audience,
    Code,
    Enquiry,
    Existence,
    Lifetime,
    Obligation,
    Person,
    Reason,
    RecordDecision,
    Severity,
    TargetDecision,
)
from federation.vocabulary import Effect, EnquiryOutcome, Tier

MAX_RESULT_BYTES: Final = 2 * 1024 * 1024
"""500 records with their reasons are about 400 KiB."""

_FAILURES: Final = frozenset(Failure)


@dataclass(frozen=True, slots=True, config=STRICT)
class Decision:
    """What every entry point says.

    Attributes:
        effect: Permit or deny; of a permit, parts may still be denied.
        reasons: Why, from the bundle's catalogue.
        obligations: What must also be done for it to stand.
        expires_in_s: Seconds for which it stands.
    """

    effect: Literal[Effect.PERMIT, Effect.DENY]
    reasons: tuple[Reason, ...]
    obligations: tuple[Obligation, ...]
    expires_in_s: Lifetime

    @property
    def permitted(self) -> bool:
        """Whether anything may go ahead."""
        return self.effect is Effect.PERMIT

    @property
    def failure(self) -> Failure | None:
        """Why this is a denial that no policy made; None when a policy decided."""
        return next((Failure(reason.code) for reason in self.reasons if reason.code in _FAILURES), None)

    @staticmethod
    def from_raw(raw: RawDecision, asked: Asked) -> "tuple[Decision, bytes]":
        """Judge an engine's answer.

        Args:
            raw: What the engine gave.
            asked: What it was asked, and what an admissible answer to that looks like.

        Returns:
            The decision, of the class that belongs to the entry point, and the canonical JSON of the value it was
            read from (`null` when there was none that canonical JSON can carry).
        """
        canonical = b"null"
        try:
            value = _value_of(raw, asked)
            canonical = _canonical(value)
            return _admit(canonical, asked), canonical
        except Inadmissible as refused:
            return denial(refused.failure, asked), canonical


@dataclass(frozen=True, slots=True, config=STRICT)
class QueryDecision(Decision):
    """What every entry point about a query says as well.

    Attributes:
        processing: Conditions of data protection law relied on: by the requester, or at a node by the responder.
        enquiry: Who may learn that the question was asked.
    """

    processing: tuple[Code, ...]
    enquiry: Enquiry


@dataclass(frozen=True, slots=True, config=STRICT)
class RequesterDecision(QueryDecision):
    """Whether this user may put this query at all."""


@dataclass(frozen=True, slots=True, config=STRICT)
class GatewayDecision(QueryDecision):
    """What each responder may be asked, in the order of the input's targets."""

    targets: tuple[TargetDecision, ...]


@dataclass(frozen=True, slots=True, config=STRICT)
class NodeDecision(QueryDecision):
    """What may be released, in the order of the input's records.

    Attributes:
        records: One decision for each record.
        existence: Hidden: the answer must look exactly like nothing held.
        older: Something that lies before the purpose's default period would be released were it inside.
        person: Who decides what is referred, and whether a person answers whatever is held.
        absence_confirmed: A person has answered, and nothing within the question is held: that may be said.
    """

    records: tuple[RecordDecision, ...]
    existence: Existence
    older: bool
    person: Person
    absence_confirmed: bool


@dataclass(frozen=True, slots=True, config=STRICT)
class AuditDecision(Decision):
    """What an auditor may see.

    Attributes:
        parts: Names of the parts of entries that may be shown; none when denied.
    """

    parts: tuple[Code, ...]


@dataclass(frozen=True, slots=True, config=STRICT)
class TeamDecision(Decision):
    """Whether a lead may do this to a team or a case grant."""


_ADAPTERS: Final[Mapping[EntryPoint, TypeAdapter[Decision]]] = {
    EntryPoint.REQUESTER: TypeAdapter(RequesterDecision),
    EntryPoint.GATEWAY: TypeAdapter(GatewayDecision),
    EntryPoint.NODE: TypeAdapter(NodeDecision),
    EntryPoint.AUDIT: TypeAdapter(AuditDecision),
    EntryPoint.TEAM: TypeAdapter(TeamDecision),
}


def denial(failure: Failure, asked: Asked) -> Decision:
    """The denial of everything that was asked, for a reason no policy gave."""
    reasons = (Reason(code=failure.value, audience=Audience.BOTH, severity=Severity.DENIAL),)
    match asked.entry_point:
        case EntryPoint.REQUESTER:
            return RequesterDecision(Effect.DENY, reasons, (), 0, (), NOBODY)
        case EntryPoint.AUDIT:
            return AuditDecision(Effect.DENY, reasons, (), 0, parts=())
        case EntryPoint.TEAM:
            return TeamDecision(Effect.DENY, reasons, (), 0)
        case EntryPoint.GATEWAY:
            return GatewayDecision(Effect.DENY, reasons, (), 0, (), NOBODY, targets=_denied_targets(asked, reasons))
        case EntryPoint.NODE:
            records = _withheld_records(asked, reasons)
            return NodeDecision(
                Effect.DENY,
                reasons,
                (),
                0,
                (),
                NOBODY,
                records=records,
                existence=Existence.HIDDEN,
                older=False,
                person=ANYBODY,
                absence_confirmed=False,
            )


def _denied_targets(asked: Asked, reasons: tuple[Reason, ...]) -> tuple[TargetDecision, ...]:
    return tuple(
        TargetDecision(agency=name, effect=Effect.DENY, categories=(), reasons=reasons, obligations=())
        for name in _names(asked.input, "targets", "id")
    )


def _withheld_records(asked: Asked, reasons: tuple[Reason, ...]) -> tuple[RecordDecision, ...]:
    return tuple(
        RecordDecision(
            ref=name,
            effect=Effect.WITHHOLD,
            tier=Tier.T0,
            fields=(),
            grounds=(),
            redactions=(),
            enquiry=EnquiryOutcome.NEVER,
            reasons=reasons,
            obligations=(),
            shown_as="",
        )
        for name in _names(asked.input, "records", "ref")
    )


def _names(document: JsonObject, part: str, key: str) -> list[str]:
    """Names of the parts of an input that may itself have been refused: what has no usable name is left out."""
    parts = document.get(part)
    if not isinstance(parts, list):
        return []
    names = (item.get(key) for item in parts if isinstance(item, dict))
    return [name for name in names if isinstance(name, str) and name.isprintable() and 0 < len(name) <= MAX_NAME_CHARS]


def _value_of(raw: RawDecision, asked: Asked) -> JsonObject:
    if raw.failure is not None:
        raise Inadmissible(raw.failure)
    if raw.bundle != asked.bundle:
        raise Inadmissible(Failure.STALE_BUNDLE)
    if raw.value is UNDEFINED:
        raise Inadmissible(Failure.UNDEFINED)
    if not isinstance(raw.value, dict):
        raise Inadmissible(Failure.BAD_RESULT)
    return raw.value


def _canonical(value: JsonObject) -> bytes:
    try:
        canonical = to_canonical(value)
    except (ValueError, RecursionError, TypeError, AttributeError) as error:
        raise Inadmissible(Failure.BAD_RESULT) from error
    if len(canonical) > MAX_RESULT_BYTES:
        raise Inadmissible(Failure.BAD_RESULT)
    return canonical


def _admit(canonical: bytes, asked: Asked) -> Decision:
    try:
        decision = _ADAPTERS[asked.entry_point].validate_json(canonical)
    except ValidationError as error:
        raise Inadmissible(Failure.BAD_RESULT) from error
    check_statements(decision, asked)
    match decision:
        case GatewayDecision():
            return _admit_targets(decision, asked)
        case NodeDecision():
            return _admit_records(decision, asked)
        case AuditDecision() if decision.parts and not decision.permitted:
            raise Inadmissible(Failure.BAD_RESULT)
    return decision


def _admit_targets(decision: GatewayDecision, asked: Asked) -> GatewayDecision:
    if not decision.permitted and not decision.targets:
        # A refusal of the input as a whole names no targets; each is refused for the same reasons.
        return replace(decision, targets=_denied_targets(asked, decision.reasons))
    for target in decision.targets:
        check_statements(target, asked)
    check_targets(decision.effect, decision.targets, asked.input)
    return decision


def _admit_records(decision: NodeDecision, asked: Asked) -> NodeDecision:
    if not decision.permitted and not decision.records:
        withheld = _withheld_records(asked, decision.reasons)
        return replace(
            decision,
            existence=Existence.HIDDEN,
            older=False,
            records=withheld,
            person=ANYBODY,
            absence_confirmed=False,
        )
    for record in decision.records:
        check_statements(record, asked)
    check_records(decision.effect, decision.existence, decision.records, asked.input)
    check_older(decision.effect, older=decision.older, document=asked.input)
    check_person(decision.effect, decision.person, decision.records, absence_confirmed=decision.absence_confirmed)
    return decision
