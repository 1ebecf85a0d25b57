"""What a newer bundle changes, in words, widening first: data, rules, texts, and decisions on the same inputs."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opapywasm import OpaWasmPolicy

from federation.policy.authoring.change import ORDER, Change, Direction, Found
from federation.policy.authoring.comparators import shown
from federation.policy.authoring.compared_decisions import decisions
from federation.policy.authoring.compared_rows import DOCUMENTS, WHOLE
from federation.policy.authoring.opened import OpenedBundle
from federation.policy.authoring.rules import notes_of
from federation.policy.bundle import DATA, WASM, BundleId
from federation.policy.golden import GoldenDecision, golden_decisions
from federation.policy.schema import SCHEMAS, InputSchemas

logging.getLogger("opapywasm").setLevel(logging.ERROR)  # it reports the module's size as a warning


@dataclass(frozen=True, slots=True)
class Diff:
    """Every difference between two bundles, widening first.

    Attributes:
        old: The older bundle.
        new: The newer.
        changes: What is different.
    """

    old: BundleId
    new: BundleId
    changes: tuple[Change, ...]

    @property
    def widens(self) -> bool:
        """Whether anything is, or may be, permitted that was not."""
        return any(change.direction in {Direction.WIDENED, Direction.UNCLEAR} for change in self.changes)

    def content(self) -> dict[str, Any]:
        """For programs."""
        return {
            "old": {"revision": self.old.revision, "digest": self.old.digest},
            "new": {"revision": self.new.revision, "digest": self.new.digest},
            "widens": self.widens,
            "changes": [
                {"direction": change.direction.value, "subject": change.subject, "text": change.text}
                for change in self.changes
            ],
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"from {self.old} to {self.new}"
        for direction in ORDER:
            mine = [change for change in self.changes if change.direction is direction]
            if mine:
                yield ""
                yield f"{direction.value.capitalize()} ({len(mine)})"
                yield from (f"  {change.subject}: {change.text}" for change in mine)
        if not self.changes:
            yield "nothing differs"


def diff(old: OpenedBundle, new: OpenedBundle) -> Diff:
    """Compare two bundles.

    Raises:
        WardgateError: `BUNDLE_REJECTED`: the golden decisions or schemas of one cannot be read.
    """
    found = [
        *data_changes(old.reference, new.reference),
        *_rules(old.rules, new.rules),
        *_schemas(old, new),
        *_decisions(old, new),
    ]
    found.sort(key=lambda change: ORDER.index(change.direction))
    return Diff(old.bundle.id, new.bundle.id, tuple(found))


def data_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """Changes of reference data, document by document."""
    for name in [*old, *(name for name in new if name not in old)]:
        before, after = old.get(name, {}), new.get(name, {})
        if name in WHOLE:
            yield from (Change(direction, name, text) for direction, text in WHOLE[name](before, after))
            continue
        if name not in DOCUMENTS:
            if before != after:
                yield Change(Direction.UNCLEAR, name, "changed in a way that is not told apart here")
            continue
        called, compare = DOCUMENTS[name]
        for code in [*before, *(code for code in after if code not in before)]:
            mine = ({code: rows[code]} if code in rows else {} for rows in (before, after))
            for direction, text in compare(*mine):
                yield Change(direction, f"{called} {code or '(none)'}", text.removeprefix(f"{code}: "))


def _rules(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, b"").decode(), new.get(name, b"").decode()
        for sign, texts in (("new rule", (before, after)), ("rule gone", (after, before))):
            known = {(note.head, note.title) for note in notes_of(name, texts[0])}
            for note in notes_of(name, texts[1]):
                if (note.head, note.title) not in known:
                    yield Change(Direction.UNCLEAR, name, f"{sign}: {note.title}. {note.description}")
        if _code(before) != _code(after):
            yield Change(Direction.UNCLEAR, name, "rules changed; what they come to is seen in decisions alone")
        elif before != after:
            yield Change(Direction.OTHER, name, "comments or notes changed")


def _code(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _schemas(old: OpenedBundle, new: OpenedBundle) -> Iterator[Change]:
    for path in SCHEMAS.values():
        if old.bundle.file(path) != new.bundle.file(path):
            yield Change(Direction.OTHER, path, "inputs have another form")


def _decisions(old: OpenedBundle, new: OpenedBundle) -> Iterator[Change]:
    """Both bundles decide on every golden input of either."""
    before = {golden.name: golden for golden in golden_decisions(old.bundle)}
    after = {golden.name: golden for golden in golden_decisions(new.bundle)}
    with _policy(old) as older, _policy(new) as newer:
        sides = ((older, InputSchemas.read(old.bundle)), (newer, InputSchemas.read(new.bundle)))
        for name in [*before, *(name for name in after if name not in before)]:
            for direction, text in _decision(sides, before.get(name), after.get(name)):
                yield Change(direction, f"decision {name}", text)


Side = tuple[OpaWasmPolicy, InputSchemas]


def _decision(sides: tuple[Side, Side], before: GoldenDecision | None, after: GoldenDecision | None) -> Found:
    golden = before or after
    if golden is None:
        return
    if before is None or after is None:
        yield Direction.OTHER, f"is a golden decision of the {'older' if before else 'newer'} bundle only"
    if all(schemas.fault(golden.entry_point, golden.input) is None for _, schemas in sides):
        yield from _results([policy.evaluate(golden.input, golden.entry_point.value) for policy, _ in sides])
    elif before is not None and after is not None:
        # Inputs have another form now, so that no input fits both: the scene of that name is compared instead.
        yield Direction.OTHER, "is asked in another form"
        yield from decisions(before.result, after.result)
    else:
        yield Direction.UNCLEAR, "cannot be compared: one bundle refuses the input of the other"


def _results(results: list[Any]) -> Found:
    if all(isinstance(result, dict) for result in results):
        yield from decisions(*results)
    else:
        yield Direction.UNCLEAR, f"is undefined: {shown([type(result).__name__ for result in results])}"


def _policy(opened: OpenedBundle) -> OpaWasmPolicy:
    policy = OpaWasmPolicy.from_wasm_bytes(opened.bundle.file(WASM))
    policy.set_data(opened.bundle.file(DATA))
    return policy
