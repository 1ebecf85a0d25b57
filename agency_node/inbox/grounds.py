"""On what a person of this agency may rest a decision: the grounds of the bundle. Pure."""

from collections.abc import Iterable

from agency_node.answering.consideration import HumanDecision
from federation.errors import ErrorCode, WardgateError
from federation.policy.catalogue import Catalogue


def titled(codes: Iterable[str], catalogue: Catalogue) -> dict[str, str]:
    """Grounds with the titles that the bundle gives them."""
    return {code: catalogue.review_reasons[code].title for code in codes}


def grounds_of(decision: HumanDecision, purpose: str, catalogue: Catalogue) -> tuple[str, ...]:
    """Codes that carry this decision under a purpose: where disclosure is a duty, those alone that stand against it."""
    is_compelled = _is_compelled(purpose, catalogue)
    return tuple(
        code
        for code, row in sorted(catalogue.review_reasons.items())
        if decision in row.decisions and (row.under_compulsion or not is_compelled)
    )


def ground_for(ground: str, decision: HumanDecision, purpose: str, catalogue: Catalogue) -> str:
    """The ground on which a decision rests: the one that was named, or for a release the only one that there is.

    Raises:
        WardgateError: `GROUND_UNKNOWN`, saying which there are.
    """
    known = grounds_of(decision, purpose, catalogue)
    if ground in known:
        return ground
    if not ground and decision == "release" and len(known) == 1:
        return known[0]
    raise WardgateError(
        ErrorCode.GROUND_UNKNOWN, told=f"grounds to {decision} under {purpose}: {', '.join(known) or 'none'}"
    )


def _is_compelled(purpose: str, catalogue: Catalogue) -> bool:
    compelled = catalogue.purposes.get(purpose, {}).get("compelled")
    return isinstance(compelled, dict) and compelled.get("applies") is True
