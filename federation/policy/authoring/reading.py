"""Faults that a reader of Rego finds without compiling it: notes or twins that are missing, files misplaced. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from federation.policy.authoring.rules import NO_REASON, OF_A_ROW, PACKAGE, notes_of, rule_notes

RULE: Final = re.compile(r"^(?:default )?([A-Za-z_]\w*)(?=[\s(\[:])", re.MULTILINE)
NO_RULES: Final = frozenset({"package", "import"})


def faults_of_notes(files: Mapping[str, bytes]) -> Iterator[str]:
    """Public rules and packages without a note, and notes that do not say all they must."""
    for name, content in sorted(files.items()):
        if not name.endswith(".rego"):
            continue
        notes = list(notes_of(name, content.decode()))
        described = {note.head for note in notes}
        public = {rule for rule in RULE.findall(content.decode()) if not rule.startswith("_")} - NO_RULES
        yield from (f"{name}: rule {rule} has no note" for rule in sorted(public - described))
        for note in notes:
            parts = ("title", "description", "legal_basis", "reason_code")
            missing = [part for part in parts if not getattr(note, part)]
            if missing:
                yield f"{note.place}: the note lacks {', '.join(missing)}"
    yield from _packages(files)


def _packages(files: Mapping[str, bytes]) -> Iterator[str]:
    described = {note.package for note in rule_notes(files) if note.is_package}
    yield from (f"{name}: package {name} has no note" for name in sorted(_package_names(files) - described))


def _package_names(files: Mapping[str, bytes]) -> set[str]:
    return {
        found[1]
        for name, content in files.items()
        if name.endswith(".rego") and not name.endswith("_test.rego") and (found := PACKAGE.search(content.decode()))
    }


def faults_of_twins(files: Mapping[str, bytes]) -> Iterator[str]:
    """Files without tests beside them, and files that do not lie where their package says."""
    for name, content in sorted(files.items()):
        if not name.endswith(".rego"):
            continue
        found = PACKAGE.search(content.decode())
        package = found[1].removesuffix("_test").split(".") if found else []
        folder = name.removesuffix(".rego").removesuffix("_test").split("/")
        if package not in (folder, folder[:-1]):
            yield f"{name}: its package {'.'.join(package) or '(none)'} belongs elsewhere"
        if not name.endswith("_test.rego"):
            twin = files.get(name.replace(".rego", "_test.rego"), b"").decode()
            if "\ntest_" not in twin:
                yield f"{name}: no twin with tests"


def reasons_given(files: Mapping[str, bytes]) -> set[str]:
    """Reason codes that the notes of rules name."""
    return {note.reason_code for note in rule_notes(files)} - {NO_REASON, ""} - OF_A_ROW


def places_naming(files: Mapping[str, bytes], code: str) -> list[str]:
    """`file:line` wherever a rule names a code itself; comments are not rules."""
    return [
        f"{name}:{row}"
        for name, content in sorted(files.items())
        if name.endswith(".rego") and not name.endswith("_test.rego")
        for row, line in enumerate(content.decode().splitlines(), 1)
        if f'"{code}"' in line and not line.startswith("#")
    ]


def ranges(rows: Sequence[int]) -> str:
    """Line numbers as people write them: `3, 7 to 9`."""
    parts = []
    for _, group in groupby(enumerate(sorted(rows)), key=lambda item: item[1] - item[0]):
        run = [row for _, row in group]
        parts.append(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}")
    return ", ".join(parts)
