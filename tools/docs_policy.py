"""The policy reference: what the bundle's reference data and the rules' own annotations say, as pages for people."""

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from federation.policy.authoring.rules import NO_REASON
from tools import docs_flags, docs_purposes, docs_reasons
from tools.docs_reference import page, table
from tools.policy_words import NOT_ADVICE, SOURCE, PolicyDocs, codes, verified


def policy_pages(root: Path) -> dict[str, str]:
    """Every page by its path below `docs/`."""
    docs = PolicyDocs.read(root)
    makers: dict[str, tuple[str, Callable[[PolicyDocs], Iterator[str]]]] = {
        "purposes": ("Purposes", docs_purposes.overview),
        "categories": ("Categories and their fields", _categories),
        "flags": ("Handling flags", docs_flags.overview),
        "reasons": ("Reasons", docs_reasons.overview),
        "obligations": ("Obligations", _obligations),
        "law": ("Provisions and when they are in force", _law),
        "teams": ("Teams and case grants", _teams),
        "words": ("Roles, attestations and other words", _words),
        "rules": ("Rules and their legal basis", _rules),
    }
    pages = {f"policy/{name}.md": page(title, _source(name), *make(docs)) for name, (title, make) in makers.items()}
    pages |= docs_purposes.purpose_pages(docs) | docs_flags.flag_pages(docs) | docs_reasons.reason_pages(docs)
    pages["policy/README.md"] = page(
        "Policy reference",
        SOURCE,
        "What the shipped bundle says. [The policy guide](../policy-guide.md) tells how it is used and changed.",
        NOT_ADVICE,
        "\n".join(f"* [{title}]({name}.md)" for name, (title, _) in makers.items()),
    )
    return pages


def _source(name: str) -> str:
    return "`policies/wardgate`" if name == "rules" else SOURCE


def _categories(docs: PolicyDocs) -> Iterator[str]:
    yield "A field is disclosed from its tier on, unless a flag, a purpose or the agency's overlay takes it out."
    for name, row in docs.data["categories"].items():
        yield f"## {name}"
        yield (
            f"{row['title']}. At most {row['highest_tier']}. Held by: {codes(row['agency_kinds'])}. "
            f"Released by a human only: {'yes' if row['human_release'] else 'no'}. "
            f"{'Goes on until it is ended' if row['lasts'] else 'An event of its day'}. "
            f"May be intelligence: {'yes' if row['intelligence'] else 'no'}. Source: {row['source']}."
        )
        fields = [(f"`{field}`", item["tier"], item["title"]) for field, item in row["fields"].items()]
        yield table(("Field", "From tier", "What it is"), fields)


def _obligations(docs: PolicyDocs) -> Iterator[str]:
    yield "What must also be done for a decision to stand. A party that cannot carry one out denies."
    rows = [
        (f"`{code}`", row["type"], "yes" if row["mandatory"] else "no", ", ".join(row["bearers"]), row["text"])
        for code, row in docs.data["obligations"].items()
    ]
    yield table(("Obligation", "Type", "Mandatory", "Borne by", "What to do"), rows)


def _law(docs: PolicyDocs) -> Iterator[str]:
    yield NOT_ADVICE
    yield (
        "The law differs by date and area: the same request is decided differently, and rightly so, on two dates or in "
        "two areas. `*` is every area; 9999-12-31 stands for a provision that is not in force."
    )
    for group in ("provisions", "agreements"):
        rows = [
            (f"`{code}`", row["title"], codes(item["areas"]), item["effective_from"], item["source"], verified(item))
            for code, row in docs.data[group].items()
            for item in row["rows"]
        ]
        yield f"## {group.capitalize()}"
        yield table(("Code", "What", "Areas", "From", "Source", "Verified"), rows)


def _teams(docs: PolicyDocs) -> Iterator[str]:
    yield NOT_ADVICE
    yield (
        "Who opens and changes a multi-agency child protection team, which professions its current members must "
        "cover before anybody asks under its case grants, and how long a grant may last. A grant opens nothing by "
        "itself: each member sees what purpose and role give. 9999-12-31 stands for a rule that is not in force."
    )
    for entry in docs.data["team_rules"].values():
        yield f"## {entry['title']}"
        yield f"{entry['statute']}."
        rows = [
            (
                ", ".join(row["areas"]),
                row["effective_from"],
                codes(row["professions"]),
                "; ".join(f"{codes(lead['roles'])} at {codes(lead['agency_kinds'])}" for lead in row["leads"]),
                f"{row['max_grant_s'] // 86_400} days",
                row["source"],
                verified(row),
            )
            for row in entry["rows"]
        ]
        yield table(("Areas", "From", "Professions", "Led by", "Longest grant", "Source", "Verified"), rows)
    yield "## Professions"
    professions = [
        (f"`{code}`", row["title"], codes(row["agency_kinds"])) for code, row in docs.data["professions"].items()
    ]
    yield table(("Profession", "Who", "Nominated by agencies of kind"), professions)
    bound = [f"`{code}` ({row['title']})" for code, row in docs.data["roles"].items() if row["under_grant"]]
    kinds = [f"`{code}` ({row['title']})" for code, row in docs.data["agency_kinds"].items() if row["under_grant"]]
    yield "## Who asks under a case grant alone"
    yield f"Roles: {', '.join(bound)}. Agencies of kind: {', '.join(kinds)}."


def _words(docs: PolicyDocs) -> Iterator[str]:
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
            for code, row in docs.data[group].items()
        ]
        yield f"## {title}"
        yield table(("Code", *(head for _, head in columns)), rows)
    yield "## Roles"
    roles = [(f"`{code}`", row["title"], codes(row["agency_kinds"])) for code, row in docs.data["roles"].items()]
    yield table(("Role", "Who", "In an agency of kind"), roles)
    yield "## Limits on asking"
    limits = [(f"`{code}`", f"{row['alert']:,}", f"{row['refuse']:,}") for code, row in docs.data["limits"].items()]
    yield table(("Counter", "Alert above", "Refuse above"), limits)


def _rules(docs: PolicyDocs) -> Iterator[str]:
    yield "Every annotated rule, by file, as its `# METADATA` block says."
    for file, notes in groupby(docs.notes, key=lambda note: note.file):
        rows = [
            (note.title, note.description, note.reason_code.replace(NO_REASON, "-"), note.legal_basis) for note in notes
        ]
        yield f"## `{file}`"
        yield table(("Rule", "What it does", "Reason", "Legal basis"), rows)
