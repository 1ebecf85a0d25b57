"""What rules say of themselves: the `# METADATA` blocks of a bundle's Rego, read without OPA. Pure.

OPA reads such a block as YAML. The bundle uses plain keys, folded texts (`>-`) and one inner mapping (`custom`), and so
does this reader; a test holds what it finds equal to what `opa inspect` finds.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

NO_REASON: Final = "NONE"
OF_A_ROW: Final = frozenset({"FLAG_*", "LIMB_*"})
"""Reasons that a row of reference data names: a handling flag's, or a limb's of a statute."""
"""Stands for the reason code of whichever handling flag acted."""

MARKER: Final = "# METADATA"
HEAD: Final = re.compile(r"^(?:default )?([A-Za-z_]\w*)")
PACKAGE: Final = re.compile(r"^package\s+([\w.]+)", re.MULTILINE)
KEY: Final = re.compile(r"^#( +)([a-z_]+):(?: (.*))?$")
SCOPE_OF_A_PACKAGE: Final = "package"
FOLDED: Final = frozenset({">", ">-"})


@dataclass(frozen=True, slots=True)
class RuleNote:
    """What one package or rule says of itself.

    Attributes:
        file: Path below the bundle's root.
        row: Line on which the package or rule stands, from 1.
        package: Dotted name without `data`.
        head: Name of the rule; `package` for a package.
        title: A few words.
        description: A sentence or more.
        legal_basis: The law it stands on.
        reason_code: The reason it gives; `NONE` for none, `FLAG_*` or `LIMB_*` for that of the row concerned.
        entrypoint: Whether programs ask for it.
    """

    file: str
    row: int
    package: str
    head: str
    title: str
    description: str
    legal_basis: str
    reason_code: str
    entrypoint: bool

    @property
    def place(self) -> str:
        """Where it stands, as editors take it."""
        return f"{self.file}:{self.row}"

    @property
    def is_package(self) -> bool:
        """Whether it describes a package rather than a rule."""
        return self.head == SCOPE_OF_A_PACKAGE


def rule_notes(files: Mapping[str, bytes]) -> list[RuleNote]:
    """Every note of a bundle's rules, by file and line. Tests and whatever is no Rego are left out."""
    return [
        note
        for name, content in sorted(files.items())
        if name.endswith(".rego") and not name.endswith("_test.rego")
        for note in notes_of(name, content.decode())
    ]


def notes_of(file: str, text: str) -> Iterator[RuleNote]:
    """The notes of one file."""
    found = PACKAGE.search(text)
    package = found[1] if found else ""
    lines = text.splitlines()
    for start, line in enumerate(lines):
        if line == MARKER:
            end = _end_of_comment(lines, start)
            values = _values(lines[start + 1 : end])
            head = HEAD.match(lines[end]) if end < len(lines) else None
            yield RuleNote(
                file=file,
                row=end + 1,
                package=package,
                head=head[1] if head else "",
                title=values.get("title", ""),
                description=values.get("description", ""),
                legal_basis=values.get("legal_basis", ""),
                reason_code=values.get("reason_code", ""),
                entrypoint=values.get("entrypoint") == "true",
            )


def giving(notes: Iterable[RuleNote], code: str, package: str = "") -> list[RuleNote]:
    """The notes that name a reason, of one package and the libraries it stands on; of all where none is named."""
    return [
        note
        for note in notes
        if note.reason_code == code and (not package or note.package == package or ".lib." in note.package)
    ]


def _end_of_comment(lines: Sequence[str], start: int) -> int:
    end = start
    while end < len(lines) and lines[end].startswith("#"):
        end += 1
    return end


def _values(block: Sequence[str]) -> dict[str, str]:
    """Keys of any depth to their texts; a folded text is one line."""
    found: dict[str, str] = {}
    key, depth, holds_keys = "", 0, True
    for line in block:
        matched = KEY.match(line)
        if matched and (holds_keys or len(matched[1]) <= depth):
            key, depth, value = matched[2], len(matched[1]), matched[3] or ""
            holds_keys = value == ""
            found[key] = "" if value in FOLDED else _unquoted(value)
        elif key:
            found[key] = f"{found[key]} {line.removeprefix('#').strip()}".strip()
    return found


def _unquoted(value: str) -> str:
    quoted = re.fullmatch(r"\"(.*)\"|'(.*)'", value.strip())
    return (quoted[1] or quoted[2] or "") if quoted else value.strip()


def of_a_row(code: str) -> str:
    """How notes name a reason that a row of reference data gives, a flag's or a limb's; empty for any other."""
    return next((pattern for pattern in sorted(OF_A_ROW) if code.startswith(pattern.removesuffix("*"))), "")
