"""What a policy engine is to the rest of Wardgate, and what it may say.

An engine never raises because of a policy, an input or its own death: `decide` always gives a `RawDecision`, and only
`federation.policy.decision.Decision.from_raw` turns that into something a caller acts on.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, Literal, Protocol

from federation.canonical import JsonValue
from federation.policy.bundle import BundleId, VerifiedBundle

WAIT_S: Final = 10.0
"""Longest wait for one decision, where the caller has no earlier deadline of its own."""

EVALUATION_S: Final = 2.0
"""Longest that an engine works on one decision, from when it takes the decision up. It needs some milliseconds."""


class EntryPoint(StrEnum):
    """The decision points of a bundle (`docs/policy-guide.md`); the value is the rule's path."""

    REQUESTER = "wardgate/requester/decision"
    GATEWAY = "wardgate/gateway/decision"
    NODE = "wardgate/node/decision"
    AUDIT = "wardgate/audit/decision"
    TEAM = "wardgate/team/decision"


class Failure(StrEnum):
    """Why nothing can be permitted although no policy said so. Each is a reason code of the bundle's catalogue."""

    UNAVAILABLE = "PDP_UNAVAILABLE"
    TIMEOUT = "PDP_TIMEOUT"
    UNDEFINED = "PDP_UNDEFINED"
    BAD_RESULT = "PDP_BAD_RESULT"
    UNKNOWN_OBLIGATION = "PDP_UNKNOWN_OBLIGATION"
    STALE_BUNDLE = "PDP_STALE_BUNDLE"
    INPUT_REJECTED = "INPUT_REJECTED"

    @property
    def is_passing(self) -> bool:
        """Whether the engine gave no result, because it is away, late or full: no decision, which is not a denial.

        Everything else is about a result, a bundle or an input, and stays as it is however often it is asked for.
        """
        return self in {Failure.UNAVAILABLE, Failure.TIMEOUT}


class Undefined(Enum):
    """The one value that stands for "the rule has no value"; JSON's null is a value."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Undefined.UNDEFINED


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """What computed a decision, as far as a replay needs to know.

    Attributes:
        name: `opa-wasm` or `opa-server`.
        version: Versions of everything that can change a result.
        strict: Whether an error of a built-in ends the evaluation. WebAssembly has no such mode: there it is undefined.
    """

    name: str
    version: str
    strict: bool


@dataclass(frozen=True, slots=True)
class RawDecision:
    """What an engine gave back, unjudged.

    Attributes:
        engine: What computed it.
        bundle: What it was computed with; None when the engine could not say.
        value: The rule's value as JSON, `UNDEFINED` when it has none or when `failure` is set.
        failure: Why there is no value to look at.
        detail: For the log: names and numbers only, never a text of the engine (those quote input values).
        evaluation_us: Time the evaluation took, whole microseconds.
    """

    engine: EngineIdentity
    bundle: BundleId | None
    value: JsonValue | Literal[Undefined.UNDEFINED] = UNDEFINED
    failure: Failure | None = None
    detail: str = ""
    evaluation_us: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """Whether an engine can decide at this moment.

    Attributes:
        ready: It has a bundle and answers.
        engine: What it is.
        bundle: What it decides with.
        detail: Why it is not ready; names and numbers only.
    """

    ready: bool
    engine: EngineIdentity
    bundle: BundleId | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Activation:
    """A swap that happened.

    Attributes:
        engine: The engine that now serves `bundle`.
        bundle: What is served.
        previous: What was served before; None at start-up.
        golden: How many golden decisions were recomputed and found equal.
    """

    engine: EngineIdentity
    bundle: BundleId
    previous: BundleId | None
    golden: int


class PolicyEngine(Protocol):
    """Decides. Implementations: `WasmEngine` in the process, `ServerEngine` over a real OPA."""

    @property
    def identity(self) -> EngineIdentity:
        """What the engine is, with the versions of what it runs on."""
        ...

    async def activate(self, bundle: VerifiedBundle) -> Activation:
        """Make `bundle` the one that decides: golden decisions first, then an atomic swap.

        Raises:
            WardgateError: `BUNDLE_REJECTED` or `POLICY_UNAVAILABLE`; what served before still serves.
        """
        ...

    async def decide(self, entry_point: EntryPoint, input_json: bytes, *, deadline_s: float) -> RawDecision:
        """Evaluate one entry point.

        Args:
            entry_point: The rule.
            input_json: The input, canonical JSON: made once, hashed, evaluated and kept as these bytes.
            deadline_s: Seconds from now after which the answer is no longer wanted: the caller's own deadline. Waiting
                for a place counts towards this one alone, work on the decision towards the engine's own limit as well.
        """
        ...

    async def health(self) -> Health:
        """Whether a decision would be possible now."""
        ...

    async def aclose(self) -> None:
        """Give everything back. A closed engine answers every `decide` with `Failure.UNAVAILABLE`."""
        ...
