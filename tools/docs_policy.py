"""The policy guide: what the bundle's reference data and the rules' own annotations say, as pages for people."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tools.docs_reference import page, table
from tools.reference_data import reference_documents

Rows = Mapping[str, Any]

NOT_ADVICE: Final = (
    "Not legal advice. A row that is not verified rests on background knowledge and must be checked by a lawyer or an "
    "information-governance lead before real use."
)
SOURCE: Final = "`policies/reference`"


def policy_pages(root: Path) -> dict[str, str]:
    """Every page by its path below `docs/`."""
    data: dict[str, Rows] = reference_documents(root / "policies" / "reference")
    makers: dict[str, tuple[str, Callable[[dict[str, Rows]], Iterator[str]]]] = {
        "purposes": ("Purposes", _purposes),
        "categories": ("Categories and their fields", _categories),
        "flags": ("Handling flags", _flags),
        "reasons": ("Reasons", _reasons),
        "obligations": ("Obligations", _obligations),
        "law": ("Provisions and when they are in force", _law),
        "words": ("Roles, attestations and other words", _words),
    }
    pages = {f"policy/{name}.md": page(title, SOURCE, *make(data)) for name, (title, make) in makers.items()}
    pages["policy/rules.md"] = page("Rules and their legal basis", "`policies/wardgate`", *_rules(root))
    links = [f"* [{title}]({name}.md)" for name, (title, _) in makers.items()]
    pages["policy/README.md"] = page(
        "Policy reference",
        SOURCE,
        "What the shipped bundle says. [The policy guide](../policy-guide.md) tells how it is used and changed.",
        NOT_ADVICE,
        "\n".join([*links, "* [Rules and their legal basis](rules.md)"]),
    )
    return pages


def _codes(values: list[str]) -> str:
    return ", ".join(f"`{value}`" for value in values) or "-"


def _verified(row: Mapping[str, Any]) -> str:
    return "yes" if row.get("verified") else "no"


def _purposes(data: dict[str, Rows]) -> Iterator[str]:
    yield NOT_ADVICE
    yield "Tier T0 says that somebody holds such a record, T1 is a summary, T2 is detail."
    for code, row in data["purposes"].items():
        yield f"## {code}"
        yield f"**{row['title']}.** {row['statute']}. Verified: {_verified(row)}."
        yield table(("", ""), _facts(row))
        roles = [
            (f"`{role}`", tier, _codes(invoker["agency_kinds"]), _codes(invoker["legal_classes"]))
            for invoker in row["invokers"]
            for role, tier in invoker["roles"].items()
        ]
        yield "Who may ask, and up to which tier:"
        yield table(("Role", "Tier", "In an agency of kind", "Of legal class"), roles)
        cells = [
            (f"`{name}`", cell["default_tier"], cell["highest_tier"], _narrowing(cell))
            for name, cell in row["categories"].items()
        ]
        yield "What may be asked about the child:"
        yield table(("Category", "By default", "At most", "Only"), cells)


def _facts(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    requires = row["requires"]
    yield "Attestations, all of", _codes(requires["attestations_all"])
    yield "Attestations, one of", _codes(requires["attestations_any"])
    approvals = [f"{item['kind']} by {_codes(item['roles'])}" for item in requires["approvals"]]
    yield "Approval by somebody else", "; ".join(approvals) or "-"
    yield "Agreements, one of", _codes(row["agreements_any"])
    yield "Areas", "the requester's own" if row["area_rule"] == "own" else row["area_rule"]
    yield "Provisions in force", _codes(row["provisions"])
    yield "Break-glass", f"{row['break_glass']['use']}: {_codes(row['break_glass']['codes'])}"
    yield "People other than the child, up to", ", ".join(f"{name} {tier}" for name, tier in row["relations"].items())
    yield "A human decides from tier", row["human_decision_from"] or "-"


def _narrowing(cell: Mapping[str, Any]) -> str:
    parts = ["ongoing"] if cell["current_only"] else []
    parts += [f"the last {cell['look_back_years']} years"] if cell["look_back_years"] else []
    parts += [f"where in force: {_codes(cell['provisions'])}"] if cell["provisions"] else []
    return ", ".join(parts) or "-"


def _categories(data: dict[str, Rows]) -> Iterator[str]:
    yield "A field is disclosed from its tier on, unless a flag, a purpose or the agency's overlay takes it out."
    for name, row in data["categories"].items():
        yield f"## {name}"
        yield (
            f"{row['title']}. At most {row['highest_tier']}. Held by: {_codes(row['agency_kinds'])}. "
            f"Released by a human only: {'yes' if row['human_release'] else 'no'}. Source: {row['source']}."
        )
        fields = [(f"`{field}`", item["tier"], item["title"]) for field, item in row["fields"].items()]
        yield table(("Field", "From tier", "What it is"), fields)


def _flags(data: dict[str, Rows]) -> Iterator[str]:
    yield NOT_ADVICE
    yield "Of several flags the one with the lowest precedence number speaks first; every flag may only narrow."
    rows = [
        (
            f"`{code}`",
            row["title"],
            str(row["precedence"]),
            row["reach"],
            f"{row['cap']['tier']} except {_codes(row['cap']['except_purposes'])}",
            _withholds(row["withhold"]),
            _refers(row["refer"]),
            _codes(row["redact"]["tags"] + row["redact"]["fields"]),
            row["source"],
        )
        for code, row in sorted(data["flags"].items(), key=lambda item: int(item[1]["precedence"]))
    ]
    heads = ("Flag", "Meaning", "Precedence", "Reach", "Caps at", "Withholds", "Refers to a human", "Redacts", "Source")
    yield table(heads, rows)


def _withholds(row: Mapping[str, Any]) -> str:
    if not row["applies"]:
        return "-"
    return f"yes, except {_codes(row['except_purposes'])}" if row["except_purposes"] else "yes"


def _refers(row: Mapping[str, Any]) -> str:
    if not row["applies"]:
        return "-"
    return "yes, unseen by the requester" if row["shields"] else "yes"


def _reasons(data: dict[str, Rows]) -> Iterator[str]:
    yield "Codes are stable. What a user reads never says whether a record exists."
    rows = [
        (f"`{code}`", row["severity"], row["user"] or "(not shown)", row["auditor"], row["legal_basis"])
        for code, row in data["reasons"].items()
    ]
    yield table(("Code", "Severity", "The user reads", "The auditor reads", "Legal basis"), rows)


def _obligations(data: dict[str, Rows]) -> Iterator[str]:
    yield "What must also be done for a decision to stand. A party that cannot carry one out denies."
    rows = [
        (f"`{code}`", row["type"], "yes" if row["mandatory"] else "no", ", ".join(row["bearers"]), row["text"])
        for code, row in data["obligations"].items()
    ]
    yield table(("Obligation", "Type", "Mandatory", "Borne by", "What to do"), rows)


def _law(data: dict[str, Rows]) -> Iterator[str]:
    yield NOT_ADVICE
    yield (
        "The law differs by date and area: the same request is decided differently, and rightly so, on two dates or in "
        "two areas. `*` is every area; 9999-12-31 stands for a provision that is not in force."
    )
    for group in ("provisions", "agreements"):
        rows = [
            (f"`{code}`", row["title"], _codes(item["areas"]), item["effective_from"], item["source"], _verified(item))
            for code, row in data[group].items()
            for item in row["rows"]
        ]
        yield f"## {group.capitalize()}"
        yield table(("Code", "What", "Areas", "From", "Source", "Verified"), rows)


def _words(data: dict[str, Rows]) -> Iterator[str]:
    tables: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
        ("Attestations", "attestations", (("text", "What the user states"), ("legal_basis", "Legal basis"))),
        ("Break-glass reasons", "break_glass", (("text", "Reason"), ("legal_basis", "Legal basis"))),
        ("Never permitted", "never_permitted", (("title", "Use"), ("legal_basis", "Legal basis"))),
        ("Handling codes", "handling_codes", (("title", "Meaning"), ("effect", "Effect"), ("source", "Source"))),
        ("Agency kinds", "agency_kinds", (("title", "What it is"),)),
    )
    for title, group, columns in tables:
        rows = [
            (f"`{code}`" if code else "(none)", *(str(row[key]) for key, _ in columns))
            for code, row in data[group].items()
        ]
        yield f"## {title}"
        yield table(("Code", *(head for _, head in columns)), rows)
    yield "## Roles"
    roles = [(f"`{code}`", row["title"], _codes(row["agency_kinds"])) for code, row in data["roles"].items()]
    yield table(("Role", "Who", "In an agency of kind"), roles)
    yield "## Limits on asking"
    limits = [(f"`{code}`", f"{row['alert']:,}", f"{row['refuse']:,}") for code, row in data["limits"].items()]
    yield table(("Counter", "Alert above", "Refuse above"), limits)


ANNOTATION: Final = re.compile(r"^# METADATA\n((?:#.*\n)+)([a-z_]\S*(?: contains)?)?", re.MULTILINE)
KEY: Final = re.compile(r"^#\s+(title|legal_basis|reason_code): (.+)$", re.MULTILINE)


def _rules(root: Path) -> Iterator[str]:
    yield "Every annotated rule, by file, as its `# METADATA` block says."
    base = root / "policies" / "wardgate"
    for path in sorted(base.rglob("*.rego")):
        if path.name.endswith("_test.rego"):
            continue
        found = [dict(KEY.findall(block)) for block, _ in ANNOTATION.findall(path.read_text(encoding="utf-8"))]
        rows = [
            (item.get("title", "-"), item.get("reason_code", "-").replace("NONE", "-"), item.get("legal_basis", "-"))
            for item in found
            if "legal_basis" in item
        ]
        if rows:
            yield f"## `{path.relative_to(base.parent).as_posix()}`"
            yield table(("Rule", "Reason", "Legal basis"), rows)
