"""An explanation as people read it, and as programs do. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from federation.policy.authoring.explaining import Explained
from federation.policy.authoring.explanation import ObligationWhy, PartWhy, ReasonWhy, TierWhy
from federation.policy.authoring.rules import RuleNote

BY_THE_PROGRAM: Final = "given by the program: no policy decided"
NOT_ADVICE: Final = "Not legal advice: law that is not marked as verified must be checked by a lawyer."


def content(explained: Explained) -> dict[str, Any]:
    """For programs."""
    engine = explained.engine
    held = [asdict(note) for note in explained.held] if explained.held is not None else None
    return {
        "bundle": {"revision": explained.bundle.revision, "digest": explained.bundle.digest},
        "engine": {"name": engine.name, "version": engine.version},
        "decision": asdict(explained.explanation),
        "rules_that_held": held,
    }


def lines(explained: Explained) -> Iterator[str]:
    """For people."""
    found = explained.explanation
    yield f"{found.entry_point}: {found.effect}"
    yield f"  bundle of {explained.bundle}; engine {explained.engine.name}"
    if found.detail:
        yield f"  the input: {found.detail}"
    yield from _further(found.further)
    yield from _reasons(found.reasons, "")
    yield from _obligations(found.obligations, "")
    for part in found.parts:
        yield ""
        yield from _part(part)
    if explained.held is not None:
        yield ""
        yield "Rules that held, by OPA's own trace"
        yield from (f"  {note.place} {note.title}" for note in explained.held if not note.is_package)
    yield ""
    yield NOT_ADVICE


def _part(part: PartWhy) -> Iterator[str]:
    yield f"{part.name}: {part.effect}"
    for tier in part.tiers:
        yield f"  {tier.category} at {tier.tier}: {_bounds(tier)}"
    if part.released:
        yield f"  released: {', '.join(part.released)}"
    yield from (f"  not released: {item.field}, {item.why}" for item in part.kept)
    yield from _further(part.further)
    yield from _reasons(part.reasons, "  ")
    yield from _obligations(part.obligations, "  ")


def _further(said: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"  {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in sorted(said.items()))


def _bounds(tier: TierWhy) -> str:
    decisive = " and ".join(bound.name for bound in tier.bounds if bound.decisive)
    others = ", ".join(f"{bound.name} {bound.tier}" for bound in tier.bounds if not bound.decisive)
    return f"no more because of {decisive}" + (f" ({others} would allow more)" if others else "")


def _reasons(reasons: Iterable[ReasonWhy], indent: str) -> Iterator[str]:
    for reason in reasons:
        yield f"{indent}reason {reason.code} ({reason.severity}, for {_readers(reason.audience)})"
        yield f"{indent}  the user reads: {reason.user or '(nothing)'}"
        yield f"{indent}  the auditor reads: {reason.auditor}"
        yield f"{indent}  law: {reason.legal_basis}"
        yield from (f"{indent}  rule: {_rule(note)}" for note in reason.rules)
        yield from (f"{indent}  named at: {place}" for place in reason.places)
        if not reason.rules and not reason.places:
            yield f"{indent}  {BY_THE_PROGRAM}"


def _readers(audience: str) -> str:
    return {"both": "user and auditor", "auditor": "the auditor alone", "user": "the user alone"}[audience]


def _rule(note: RuleNote) -> str:
    return f"{note.title} ({note.place}). {note.description} [{note.legal_basis}]"


def _obligations(obligations: Iterable[ObligationWhy], indent: str) -> Iterator[str]:
    for item in obligations:
        duty = "must" if item.mandatory else "should"
        params = f" {json.dumps(item.params, ensure_ascii=False)}" if item.params else ""
        yield f"{indent}obligation {item.id} ({item.type}; {duty} be met){params}"
        yield f"{indent}  {item.text}"
