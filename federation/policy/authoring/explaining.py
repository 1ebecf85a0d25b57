"""`wardgate policy explain` from the input that is named to the explanation, with OPA's own trace where wanted."""

import asyncio
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federation.canonical import JsonObject
from federation.errors import ErrorCode, WardgateError
from federation.policy.authoring.deciding import deciding
from federation.policy.authoring.explainer import Explainer
from federation.policy.authoring.explanation import Explanation
from federation.policy.authoring.opa import Opa
from federation.policy.authoring.opened import OpenedBundle
from federation.policy.authoring.rules import RuleNote
from federation.policy.bundle import OPA_BUNDLE, BundleId
from federation.policy.engine import EngineIdentity, EntryPoint
from federation.policy.golden import golden_decisions

EXIT: Final = re.compile(r"^(\S+\.rego):(\d+)[ |]+Exit data\.([\w.]+)", re.MULTILINE)
"""A line of OPA's trace on which a rule ends with a value."""


@dataclass(frozen=True, slots=True)
class Question:
    """An input with the entry point it is for."""

    entry_point: EntryPoint
    document: JsonObject


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation with what it was made from.

    Attributes:
        bundle: Which bundle decided.
        engine: Which engine.
        explanation: Of the decision.
        held: Rules that OPA found to hold; None where no trace was asked for.
    """

    bundle: BundleId
    engine: EngineIdentity
    explanation: Explanation
    held: tuple[RuleNote, ...] | None


def question_of(document: JsonObject, entry: EntryPoint | None) -> Question:
    """What is asked: a golden decision names its entry point, a bare input needs one named.

    Raises:
        WardgateError: `MESSAGE_MALFORMED`: the entry point is missing, or there are two.
    """
    if isinstance(document.get("entry_point"), str) and isinstance(document.get("input"), dict):
        named = {str(point): point for point in EntryPoint}.get(document["entry_point"])
        if named is None or entry not in {None, named}:
            raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "entry_point is unknown, or not the one named by --entry")
        return Question(named, document["input"])
    if entry is None:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "a bare input needs --entry")
    return Question(entry, document)


def golden_question(opened: OpenedBundle, name: str) -> Question:
    """A golden decision of the bundle by its name.

    Raises:
        WardgateError: `MESSAGE_MALFORMED`: there is none of that name.
    """
    decisions = {golden.name: golden for golden in golden_decisions(opened.bundle)}
    if name not in decisions:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, f"no such golden decision; there are {', '.join(decisions)}")
    return Question(decisions[name].entry_point, decisions[name].input)


def explain(opened: OpenedBundle, question: Question, trace: Opa | None) -> Explained:
    """Decide, and explain what was decided.

    Args:
        opened: The bundle to ask.
        question: What to ask.
        trace: OPA, where its own trace is wanted beside the explanation.

    Raises:
        WardgateError: `BUNDLE_REJECTED`, or of OPA `POLICY_SOURCE_INVALID`.
    """
    return asyncio.run(_explain(opened, question, trace))


async def _explain(opened: OpenedBundle, question: Question, trace: Opa | None) -> Explained:
    async with deciding(opened) as decider:
        decided = await decider.decide(question.entry_point, question.document)
    explainer = Explainer(opened.reference, opened.rules, opened.notes, question.entry_point.value, question.document)
    explanation = explainer.explain(decided.decision, decided.value, decided.detail)
    held = rules_that_held(opened, question, trace) if trace is not None else None
    return Explained(opened.bundle.id, decided.engine, explanation, held)


def rules_that_held(opened: OpenedBundle, question: Question, opa: Opa) -> tuple[RuleNote, ...]:
    """The rules with notes that OPA left with a value: those whose conditions all held, for some record or target.

    Raises:
        WardgateError: `POLICY_SOURCE_INVALID`: OPA could not evaluate.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "bundle.tar.gz").write_bytes(opened.bundle.file(OPA_BUNDLE))
        (folder / "input.json").write_text(json.dumps(question.document), encoding="utf-8")
        where = ("--bundle", "bundle.tar.gz", "--input", "input.json", "--explain", "full", "--format", "pretty")
        trace = opa.run("eval", *where, f"data.{question.entry_point.value.replace('/', '.')}", folder=folder)
    # The name tells the rule itself from a query inside it, such as the one under a `not`.
    held = {(file, int(row), rule) for file, row, rule in EXIT.findall(trace)}
    return tuple(note for note in opened.notes if (note.file, note.row, f"{note.package}.{note.head}") in held)
