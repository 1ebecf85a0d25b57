"""What the pages about policy share: the bundle's data and rules, read once, and how codes become words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from federation.policy.authoring.comparators import shown
from federation.policy.authoring.rules import RuleNote, rule_notes
from federation.policy.authoring.source import PolicySource

Row = Mapping[str, Any]
Rows = Mapping[str, Any]

NOT_ADVICE: Final = (
    "Not legal advice. A row that is not verified rests on background knowledge and must be checked by a lawyer or an "
    "information-governance lead before real use."
)
SOURCE: Final = "`policies/reference`"
TIERS: Final = {"T0": "T0 (existence)", "T1": "T1 (summary)", "T2": "T2 (detail)"}
RELATIONS: Final = {
    "subject": "the child",
    "household": "others of the household",
    "parent": "parents",
    "other": "anybody else",
    "alleged_perpetrator": "an alleged perpetrator",
}
FAMILY: Final = {
    "yes": "the family knows",
    "no": "the family does not know",
    "unsafe": "telling it is unsafe",
    "not_practicable": "telling it is not practicable",
}
NEVER: Final = "9999-12-31"
UNITS_S: Final = (("days", 86_400), ("hours", 3_600), ("minutes", 60))


@dataclass(frozen=True, slots=True)
class PolicyDocs:
    """The bundle that the pages are about.

    Attributes:
        data: Reference data, by document.
        notes: What the rules say of themselves.
    """

    data: Mapping[str, Rows]
    notes: tuple[RuleNote, ...]

    @classmethod
    def read(cls, root: Path) -> Self:
        """Read the sources of a checkout."""
        source = PolicySource(root / "policies")
        return cls(source.reference(), tuple(rule_notes(source.rego(tests=False))))

    def title(self, document: str, code: str) -> str:
        """A row's title with its code."""
        row = self.data[document].get(code, {})
        return f"{row.get('title', code)} (`{code}`)"

    def titles(self, document: str, names: Iterable[str], last: str = "and") -> str:
        """Several, in one sentence."""
        return listed([self.title(document, code) for code in names], last)


def codes(values: Iterable[str]) -> str:
    """Codes in a table's cell."""
    return ", ".join(f"`{value}`" for value in values) or "-"


def listed(items: Sequence[str], last: str = "and") -> str:
    """Items as a sentence lists them."""
    if len(items) < 2:  # noqa: PLR2004 - one item needs no conjunction
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def bullets(items: Iterable[str]) -> str:
    """A list, one line each."""
    return "\n".join(f"* {item}" for item in items)


def verified(row: Row) -> str:
    """Whether anybody has checked it, in a table's cell."""
    return "yes" if row.get("verified") else "no"


def verified_sentence(row: Row) -> str:
    """The same as a sentence."""
    if row.get("verified"):
        return "A lawyer or an information-governance lead has verified this row."
    return "**Nobody has verified this row yet.**"


def lasting(seconds: int) -> str:
    """A time in the largest unit that divides it."""
    for unit, length in UNITS_S:
        if seconds % length == 0:
            return f"{seconds // length:,} {unit}"
    return f"{seconds:,} seconds"


def in_force(row: Row) -> str:
    """Since when, and until when, a row is in force."""
    if row["effective_from"] == NEVER:
        return "not in force"
    until = f" to {row['effective_to']}" if row["effective_to"] else ""
    return f"from {row['effective_from']}{until}"


def areas(row: Row) -> str:
    """Where a row is in force."""
    return "everywhere" if "*" in row["areas"] else codes(row["areas"])


def further(row: Row, known: Iterable[str]) -> list[tuple[str, str]]:
    """Columns that these pages do not tell in sentences, so that none goes unsaid."""
    return [(f"`{name}`", shown(value)) for name, value in row.items() if name not in set(known)]


def unsaid(row: Row, known: Iterable[str]) -> list[str]:
    """Inner columns that no sentence tells, where they say anything."""
    return [f"`{name}`: {shown(value)}" for name, value in row.items() if name not in set(known) and value]


def further_part(row: Row, known: Iterable[str], heads: Sequence[str] = ("Column", "Value")) -> list[str]:
    """Those columns as a part of a page; nothing where there are none."""
    from tools.docs_reference import table

    rows = further(row, known)
    return ["## Further columns", table(heads, rows)] if rows else []
