"""Small faults put into the rules of the bundle, to see whether a test notices. Pure.

All faults of a file are woven into one text, each in a copy of its rule that holds only where `data.mutant` is its
number, so that one compiled bundle is every faulty bundle: a fault then costs an evaluation, not a compilation.
"""

import base64
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

Ast = Mapping[str, Any]
Span = tuple[int, int]


class Fault(StrEnum):
    """What is done to a rule."""

    RULE_REMOVED = "rule removed"
    CONDITION_REMOVED = "condition removed"
    CONDITION_NEGATED = "condition negated"
    COMPARISON_MOVED = "comparison moved"
    OPERATOR_SWAPPED = "operator swapped"
    DEFAULT_CHANGED = "default changed"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault.

    Attributes:
        number: From 1; what `data.mutant` has to be for the fault to be there.
        package: Of the rule, without `data`.
        key: Names the fault whatever its line: file, rule, kind of fault, what it was done to.
        fault: Its kind.
        place: File and line.
        span: Where in the source the fault is, in bytes.
        text: What stands there instead.
        rule: Where its rule is, in bytes.
    """

    number: int
    package: str
    key: str
    fault: Fault
    place: str
    span: Span
    text: bytes
    rule: Span

    @property
    def file(self) -> str:
        """The file it is in."""
        return self.place.rsplit(":", 1)[0]

    @property
    def woven(self) -> bool:
        """Whether it can be told from the others by `data.mutant`; a default cannot: it has no condition."""
        return self.fault is not Fault.DEFAULT_CHANGED


@dataclass(frozen=True, slots=True)
class Woven:
    """A source with its faults.

    Attributes:
        text: The new source.
        rows: Lines of the new source that hold each fault's copy of its rule, both included, from 1.
    """

    text: bytes
    rows: Mapping[int, range]


class UnknownForm(Exception):  # noqa: N818 - says what was met
    """A rule is written in a way that is not understood here; its faults would go untried."""


_SWAPS: Final[Mapping[bytes, tuple[Fault, bytes]]] = {
    b"<": (Fault.COMPARISON_MOVED, b"<="),
    b"<=": (Fault.COMPARISON_MOVED, b"<"),
    b">": (Fault.COMPARISON_MOVED, b">="),
    b">=": (Fault.COMPARISON_MOVED, b">"),
    b"+": (Fault.OPERATOR_SWAPPED, b"-"),
    b"-": (Fault.OPERATOR_SWAPPED, b"+"),
    b"|": (Fault.OPERATOR_SWAPPED, b"&"),
    b"&": (Fault.OPERATOR_SWAPPED, b"|"),
    b"min": (Fault.OPERATOR_SWAPPED, b"max"),
    b"max": (Fault.OPERATOR_SWAPPED, b"min"),
}
"""`==` and `!=` are not here: moved, they are the condition negated."""
_TOKENS: Final = re.compile(rb'"(?:\\.|[^"\\])*"|`[^`]*`|#[^\n]*|[\[({]|[\])}]|\b(?:if|else)\b')


def find_mutants(name: str, source: bytes, module: Ast, first: int) -> list[Mutant]:
    """Every fault of one file, in the order of the file.

    Args:
        name: Of the file.
        source: Its text.
        module: The same as OPA parses it, with locations.
        first: Number of the first fault.

    Raises:
        UnknownForm: A rule has an `else`.
    """
    starts = _line_starts(source)
    package = ".".join(term["value"] for term in module["package"]["path"][1:])
    found: list[Mutant] = []
    seen: Counter[str] = Counter()
    for rule in module["rules"]:
        for fault, span, text in _faults(rule, source, starts):
            key = f"{name} {_rule_name(rule)}: {fault}: {_one_line(source[slice(*span)])}"
            seen[key] += 1
            found.append(
                Mutant(
                    number=first + len(found),
                    package=package,
                    key=key if seen[key] == 1 else f"{key} ({seen[key]})",
                    fault=fault,
                    place=f"{name}:{bisect_right(starts, span[0])}",
                    span=span,
                    text=text,
                    rule=_span(rule, starts),
                )
            )
    return found


def weave(source: bytes, mutants: list[Mutant]) -> Woven:
    """One text that holds the source and every fault."""
    rows: dict[int, range] = {}
    parts: list[bytes] = []
    end = 0
    by_rule: dict[Span, list[Mutant]] = {}
    for mutant in mutants:
        by_rule.setdefault(mutant.rule, []).append(mutant)
    for span, faults in sorted(by_rule.items()):
        numbers = b", ".join(b"%d" % fault.number for fault in faults)
        parts += [source[end : span[0]], _guarded(source[slice(*span)], b"not data.mutant in {%s}" % numbers)]
        for fault in faults:
            if fault.fault is Fault.RULE_REMOVED:
                continue
            copy = _guarded(_changed_rule(source, fault), b"data.mutant == %d" % fault.number)
            parts.append(b"\n\n")
            row = sum(part.count(b"\n") for part in parts) + 1
            rows[fault.number] = range(row, row + copy.count(b"\n") + 1)
            parts.append(copy)
        end = span[1]
    return Woven(b"".join([*parts, source[end:]]), rows)


def changed_source(source: bytes, mutant: Mutant) -> bytes:
    """The source with one fault and nothing else."""
    start, end = mutant.span
    return source[:start] + mutant.text + source[end:]


def _changed_rule(source: bytes, mutant: Mutant) -> bytes:
    start, end = mutant.rule
    shifted = replace(mutant, span=(mutant.span[0] - start, mutant.span[1] - start))
    return changed_source(source[start:end], shifted)


def _guarded(rule: bytes, guard: bytes) -> bytes:
    """The rule with one more condition."""
    place = _keyword(rule)
    if place is None:
        return rule + b" if " + guard
    body = rule[place:].lstrip()
    if body.startswith(b"{"):
        return rule[:place] + b" {\n\t" + guard + body[1:]
    return rule[:place] + b" {\n\t" + guard + b"\n\t" + body + b"\n}"


def _keyword(rule: bytes) -> int | None:
    """Where the rule's own `if` ends; None when it has none."""
    depth = 0
    found = None
    for token in _TOKENS.finditer(rule):
        text = token.group()
        depth += (text in b"[({") - (text in b"])}")
        if text == b"if" and depth == 0 and found is None:
            found = token.end()
    return found


def _faults(rule: Ast, source: bytes, starts: list[int]) -> Iterator[tuple[Fault, Span, bytes]]:
    if rule.get("else"):
        raise UnknownForm(f"{_rule_name(rule)} has an else: write it as rules of their own")
    if rule.get("default"):
        yield from _default_faults(rule, source, starts)
        return
    yield Fault.RULE_REMOVED, _head_span(rule, starts), b""
    for expression in _conditions(rule):
        yield from _condition_faults(expression, starts)
    for operator in _operators([rule["head"], rule.get("body", [])]):
        start, end = _span(operator, starts)
        if swap := _SWAPS.get(source[start:end]):
            yield swap[0], (start, end), swap[1]


def _default_faults(rule: Ast, source: bytes, starts: list[int]) -> Iterator[tuple[Fault, Span, bytes]]:
    value = rule["head"]["value"]
    span = _span(value, starts)
    if value["type"] == "boolean":
        yield Fault.DEFAULT_CHANGED, span, b"false" if value["value"] else b"true"
        return
    start = source.rindex(b"default", 0, span[0])
    yield Fault.DEFAULT_CHANGED, (start, span[1]), b""


def _condition_faults(expression: Ast, starts: list[int]) -> Iterator[tuple[Fault, Span, bytes]]:
    span = _span(expression, starts)
    text = _text(expression)
    yield Fault.CONDITION_REMOVED, span, b"true"
    if expression.get("negated"):
        yield Fault.CONDITION_NEGATED, span, text.removeprefix(b"not").lstrip()
    elif isinstance(expression["terms"], list | dict) and "domain" not in expression["terms"]:
        yield Fault.CONDITION_NEGATED, span, b"not " + text


def _conditions(node: Any) -> Iterator[Ast]:  # noqa: ANN401 - any part of the tree
    """Expressions that are conditions: neither declarations nor assignments. Inner ones included."""
    if isinstance(node, list):
        for item in node:
            yield from _conditions(item)
    elif isinstance(node, dict):
        if "index" in node and "terms" in node and _is_condition(node):
            yield node
        for key, inner in node.items():
            if key not in {"location", "annotations"}:
                yield from _conditions(inner)


def _is_condition(expression: Ast) -> bool:
    terms = expression["terms"]
    if isinstance(terms, dict):
        generated = terms.get("type") == "boolean" and terms.get("value") is True and _text(expression) != b"true"
        return "symbols" not in terms and not generated
    return _callee(terms[0]) not in {"assign", "eq"}


def _callee(term: Ast) -> str:
    return ".".join(str(step["value"]) for step in term["value"]) if term["type"] == "ref" else ""


def _operators(node: Any) -> Iterator[Ast]:  # noqa: ANN401 - any part of the tree
    """The names of what is called, of conditions and inside terms."""
    if isinstance(node, list):
        for item in node:
            yield from _operators(item)
    elif isinstance(node, dict):
        called = node["value"] if node.get("type") == "call" else node.get("terms")
        if isinstance(called, list) and called and called[0].get("type") == "ref":
            yield called[0]
        for key, inner in node.items():
            if key not in {"location", "annotations"}:
                yield from _operators(inner)


def _line_starts(source: bytes) -> list[int]:
    return [0, *(match.end() for match in re.finditer(rb"\n", source))]


def _text(node: Ast) -> bytes:
    return base64.b64decode(node["location"]["text"])


def _span(node: Ast, starts: list[int]) -> Span:
    where = node["location"]
    start = starts[where["row"] - 1] + where["col"] - 1
    return start, start + len(_text(node))


def _head_span(rule: Ast, starts: list[int]) -> Span:
    return _span(rule["head"], starts)


def _rule_name(rule: Ast) -> str:
    ref = rule["head"]["ref"]
    return str(ref[0]["value"])


def _one_line(text: bytes) -> str:
    return " ".join(text.decode().split())
