"""Where services ask policy: schema, engine, judgement and record, in that order, for every decision.

A `PolicyPoint` is made once by a service's composition root. It never raises because of a policy, an input or an
engine: what cannot be permitted comes back as a denial with its record, to be written down like any other. Where the
engine gave no result (`Evaluated.is_undecided`) that denial only keeps everything in: nobody decided, and who can wait
asks again.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, Self, TypeVar, overload

from federation.canonical import JsonObject, to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.limits import MAX_CLOCK_SKEW_S
from federation.policy.bundle import VerifiedBundle
from federation.policy.catalogue import Catalogue
from federation.policy.checks import Asked
from federation.policy.decision import (
    AuditDecision,
    Decision,
    GatewayDecision,
    NodeDecision,
    QueryDecision,
    RequesterDecision,
    TeamDecision,
)
from federation.policy.engine import Activation, EntryPoint, Failure, Health, PolicyEngine, RawDecision
from federation.policy.failing import FailedClosed, FailingClosed
from federation.policy.record import DecisionRecord, Occasion
from federation.policy.schema import InputSchemas
from keys.digest import sha256

MAX_BUNDLE_AGE_S: Final = 400 * 24 * 3600
"""A year and a month since it was signed: statutory guidance is revised yearly, and so is the review of policy."""

AnyDecision_co = TypeVar("AnyDecision_co", bound=Decision, covariant=True)


@dataclass(frozen=True, slots=True)
class Evaluated(Generic[AnyDecision_co]):
    """A decision with what proves it.

    Attributes:
        decision: What to act on, once `record` is durable in the ledger.
        record: For the ledger.
        input_json: The canonical input, to be kept encrypted for replay; empty when the input could not be carried.
        result_json: The canonical result, whose digest is in the record.
    """

    decision: AnyDecision_co
    record: DecisionRecord
    input_json: bytes = field(repr=False)
    result_json: bytes = field(repr=False)

    @property
    def is_undecided(self) -> bool:
        """Whether the engine gave no result at all: the denial then stands for no decision of anybody's."""
        failure = self.decision.failure
        return failure is not None and failure.is_passing

    def decided(self) -> Self:
        """This, where there is a result, or a failure that asking again would not mend.

        Raises:
            WardgateError: `POLICY_UNAVAILABLE`: the engine is away, late or full. Nothing may leave, nothing may be
                recorded as refused, and the same may be asked again.
        """
        if self.is_undecided:
            raise WardgateError(ErrorCode.POLICY_UNAVAILABLE, f"{self.decision.failure} {self.record.detail}")
        return self


@dataclass(frozen=True, slots=True)
class _Active:
    """A bundle, read once."""

    bundle: VerifiedBundle
    catalogue: Catalogue
    schemas: InputSchemas


class PolicyPoint:
    """A policy decision point over one engine.

    Args:
        engine: Whatever decides. It must have, or be given through `activate`, the same bundle.
        bundle: The bundle decisions are expected from.
        clock: Seconds since the epoch.
        understood: Types of obligation the service can carry out; a decision that lays down another is a denial. None
            stands for every type of the bundle's catalogue, for those who only look at decisions (replay, impact).
        max_bundle_age_s: Seconds after its signature at which a bundle is stale; None for never.
        occasion: Why decisions are computed here.
        new_id: Makes decision ids.
        failing: Remembers what fails closed; points of one service share one.

    Raises:
        WardgateError: `BUNDLE_REJECTED`: the bundle's catalogue or schemas cannot be used.
    """

    def __init__(
        self,
        engine: PolicyEngine,
        bundle: VerifiedBundle,
        clock: Callable[[], float],
        *,
        understood: frozenset[str] | None = None,
        max_bundle_age_s: int | None = MAX_BUNDLE_AGE_S,
        occasion: Occasion = Occasion.LIVE,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        failing: FailingClosed | None = None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._understood = understood
        self._max_bundle_age_s = max_bundle_age_s
        self._occasion = occasion
        self._new_id = new_id
        self._failing = failing or FailingClosed(clock)
        self._active = _read(bundle)

    @property
    def bundle(self) -> VerifiedBundle:
        """The bundle in force."""
        return self._active.bundle

    @property
    def catalogue(self) -> Catalogue:
        """The words of the bundle in force."""
        return self._active.catalogue

    async def activate(self, bundle: VerifiedBundle | None = None) -> Activation:
        """Put a bundle in force: the one given at construction, or a newer one.

        Nothing runs between the engine's swap and this one's, so no decision meets one bundle's engine with another's
        schemas.

        Raises:
            WardgateError: `BUNDLE_REJECTED` or `POLICY_UNAVAILABLE`; what was in force stays in force.
        """
        following = _read(bundle) if bundle is not None else self._active
        activation = await self._engine.activate(following.bundle)
        self._active = following
        return activation

    async def health(self) -> Health:
        """Whether decisions are possible now."""
        return await self._engine.health()

    @overload
    async def decide(
        self,
        entry_point: Literal[EntryPoint.REQUESTER],
        document: JsonObject,
        deadline_s: float,
        parent_id: str = "",
        trace_id: str = "",
    ) -> Evaluated[RequesterDecision]: ...
    @overload
    async def decide(
        self,
        entry_point: Literal[EntryPoint.GATEWAY],
        document: JsonObject,
        deadline_s: float,
        parent_id: str = "",
        trace_id: str = "",
    ) -> Evaluated[GatewayDecision]: ...
    @overload
    async def decide(
        self,
        entry_point: Literal[EntryPoint.NODE],
        document: JsonObject,
        deadline_s: float,
        parent_id: str = "",
        trace_id: str = "",
    ) -> Evaluated[NodeDecision]: ...
    @overload
    async def decide(
        self,
        entry_point: Literal[EntryPoint.AUDIT],
        document: JsonObject,
        deadline_s: float,
        parent_id: str = "",
        trace_id: str = "",
    ) -> Evaluated[AuditDecision]: ...
    @overload
    async def decide(
        self,
        entry_point: Literal[EntryPoint.TEAM],
        document: JsonObject,
        deadline_s: float,
        parent_id: str = "",
        trace_id: str = "",
    ) -> Evaluated[TeamDecision]: ...
    @overload
    async def decide(
        self, entry_point: EntryPoint, document: JsonObject, deadline_s: float, parent_id: str = "", trace_id: str = ""
    ) -> Evaluated[Decision]: ...

    async def decide(
        self, entry_point: EntryPoint, document: JsonObject, deadline_s: float, parent_id: str = "", trace_id: str = ""
    ) -> Evaluated[Decision]:
        """Ask policy. A service asks for `.decided()` of the answer, so that no decision is not taken for a denial.

        Args:
            entry_point: Which decision.
            document: Its input.
            deadline_s: Seconds within which the decision is wanted: the caller's own remaining time. An engine may
                work on it for a shorter time (`federation.policy.engine.EVALUATION_S`).
            parent_id: The decision this one follows from.
            trace_id: The trace the call belongs to.
        """
        active, now = self._active, self._clock()
        understood = active.catalogue.obligation_types if self._understood is None else self._understood
        asked = Asked(entry_point, document, active.bundle.id, active.catalogue, understood)
        input_json = _canonical_input(document)
        refused = self._refusal(active, asked, input_json, now)
        raw = refused or await self._engine.decide(entry_point, input_json, deadline_s=deadline_s)
        decision, result_json = Decision.from_raw(raw, asked)
        record = DecisionRecord(
            id=self._new_id(),
            parent_id=parent_id,
            trace_id=trace_id,
            occasion=self._occasion,
            entry_point=entry_point,
            decided_at=int(now),
            bundle=active.bundle.id,
            data_sha256=active.bundle.data_sha256,
            engine=raw.engine,
            input_sha256=sha256(input_json).hex(),
            result_sha256=sha256(result_json).hex(),
            result=raw.value if isinstance(raw.value, dict) and result_json != b"null" else None,
            effect=decision.effect,
            failure=decision.failure,
            detail=raw.detail,
            reasons=decision.reasons,
            obligations=decision.obligations,
            processing=decision.processing if isinstance(decision, QueryDecision) else (),
            enquiry=decision.enquiry if isinstance(decision, QueryDecision) else None,
            evaluation_us=raw.evaluation_us,
        )
        self._watch(record, now)
        return Evaluated(decision, record, input_json, result_json)

    def _watch(self, record: DecisionRecord, now: float) -> None:
        if record.failure is None:
            self._failing.decided(record.entry_point)
            return
        found = FailedClosed(record.entry_point, record.failure, record.id, record.bundle.digest, record.detail, now)
        self._failing.failed(found)

    def _refusal(self, active: _Active, asked: Asked, input_json: bytes, now: float) -> RawDecision | None:
        """What keeps the engine from being asked at all."""
        if self._is_stale(active.bundle, now):
            failure, detail = Failure.STALE_BUNDLE, f"signed at {active.bundle.signed_at}"
        elif not input_json:
            failure, detail = Failure.INPUT_REJECTED, "not canonical JSON"
        elif fault := active.schemas.fault(asked.entry_point, asked.input):
            failure, detail = Failure.INPUT_REJECTED, fault
        else:
            return None
        return RawDecision(self._engine.identity, None, failure=failure, detail=detail)

    def _is_stale(self, bundle: VerifiedBundle, now: float) -> bool:
        age = now - bundle.signed_at
        return self._max_bundle_age_s is not None and not -MAX_CLOCK_SKEW_S <= age <= self._max_bundle_age_s


def _read(bundle: VerifiedBundle) -> _Active:
    return _Active(bundle, Catalogue.read(bundle), InputSchemas.read(bundle))


def _canonical_input(document: JsonObject) -> bytes:
    """The input's canonical bytes; empty when canonical JSON cannot carry it."""
    try:
        return to_canonical(document)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return b""
