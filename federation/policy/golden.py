"""Golden decisions: answers a bundle must give before it may go live, shipped and signed within it.

`golden.json` is a list of `{"name", "entry_point", "input", "result"}`. A bundle without any is refused: nothing
would stand between a mistake in building it and the children it decides about.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from federation.canonical import to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.policy.bundle import VerifiedBundle
from federation.policy.catalogue import Catalogue
from federation.policy.checks import Asked
from federation.policy.decision import Decision
from federation.policy.engine import EntryPoint, RawDecision
from federation.policy.schema import InputSchemas

GOLDEN: Final = "golden.json"
GOLDEN_DEADLINE_S: Final = 30.0
"""Nobody waits for these, and the machine may be starting many things at once."""


class GoldenDecision(BaseModel):
    """One question and the answer it must get."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    entry_point: EntryPoint
    input: dict[str, Any]
    result: dict[str, Any]


_LIST: Final = TypeAdapter(Annotated[list[GoldenDecision], Field(min_length=1)])


def golden_decisions(bundle: VerifiedBundle) -> list[GoldenDecision]:
    """The golden decisions of a bundle.

    Raises:
        WardgateError: `BUNDLE_REJECTED`: there are none, or they cannot be read.
    """
    try:
        return _LIST.validate_json(bundle.file(GOLDEN))
    except ValidationError as error:
        raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"{GOLDEN}: {error.error_count()} faults") from error


async def check_golden(bundle: VerifiedBundle, evaluate: Callable[[EntryPoint, bytes], Awaitable[RawDecision]]) -> int:
    """Recompute every golden decision with an engine that does not serve yet.

    Each must come out equal, and must be a decision `Decision.from_raw` accepts: a bundle whose answers this
    version of the program would refuse is of no use to it.

    Returns:
        How many there were.

    Raises:
        WardgateError: `BUNDLE_REJECTED`, naming the first that differs.
    """
    catalogue, schemas = Catalogue.read(bundle), InputSchemas.read(bundle)
    decisions = golden_decisions(bundle)
    for golden in decisions:
        if schemas.fault(golden.entry_point, golden.input) is not None:
            raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"golden decision {golden.name}: input against its schema")
        raw = await evaluate(golden.entry_point, to_canonical(golden.input))
        asked = Asked(golden.entry_point, golden.input, bundle.id, catalogue, catalogue.obligation_types)
        decision, result_json = Decision.from_raw(raw, asked)
        if decision.failure is not None:
            raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"golden decision {golden.name}: {decision.failure}")
        if result_json != to_canonical(golden.result):
            raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"golden decision {golden.name} differs")
    return len(decisions)
