"""The pages about reasons: an overview, and one for each with what each side sees and what to do."""

from collections.abc import Iterator
from typing import Final

from federation.policy.authoring.rules import RuleNote, giving, of_a_row
from tools.docs_reference import page, table
from tools.policy_words import SOURCE, PolicyDocs, Row, bullets, further_part

TOLD: Final = frozenset(["audience", "severity", "order", "origin", "legal_basis", "user", "auditor", "remedy"])
READERS: Final = {"both": "the user and the auditor", "auditor": "the auditor alone", "user": "the user alone"}
EFFECTS: Final = {
    "denial": "It stands against what was asked: that part is not given.",
    "warning": "It does not stand against what was asked; something was lowered, left out, or looks unusual.",
    "info": "It explains, and stands against nothing.",
}


def overview(docs: PolicyDocs) -> Iterator[str]:
    """Every reason in a row."""
    yield "Codes are stable. What a user reads never says whether a record exists."
    rows = [
        (f"[`{code}`](reasons/{code}.md)", row["severity"], row["user"] or "(not shown)", row["legal_basis"])
        for code, row in docs.data["reasons"].items()
    ]
    yield table(("Reason", "Severity", "The user reads", "Legal basis"), rows)


def reason_pages(docs: PolicyDocs) -> dict[str, str]:
    """A page for each reason, by its path below `docs/`."""
    return {
        f"policy/reasons/{code}.md": page(code, f"{SOURCE} and `policies/wardgate`", *_reason(docs, code, row))
        for code, row in docs.data["reasons"].items()
    }


def _reason(docs: PolicyDocs, code: str, row: Row) -> Iterator[str]:
    yield f"{EFFECTS[row['severity']]} Read by {READERS[row['audience']]}. Law: {row['legal_basis']}."
    yield "## What the user sees"
    yield row["user"] or "Nothing: this reason is not shown to users, in any form."
    yield "## What the auditor sees"
    yield row["auditor"]
    yield "## What to do"
    yield row["remedy"]
    yield "## What gives it"
    yield bullets(_givers(docs, code, row))
    yield from further_part(row, TOLD)


def _givers(docs: PolicyDocs, code: str, row: Row) -> Iterator[str]:
    if row["origin"] == "engine":
        yield "The program itself, where no policy decided: nothing is permitted then."
    for note in giving(docs.notes, code):
        yield _rule(note)
    flags = [name for name, item in docs.data["flags"].items() if item["reason_code"] == code]
    for name in flags:
        yield f"The handling flag [`{name}`](../flags/{name}.md), through these rules:"
    limbs = [
        (purpose, category)
        for purpose, item in docs.data["purposes"].items()
        for category, cell in item["categories"].items()
        if any(limb["reason_code"] == code for limb in cell["limbs"])
    ]
    for purpose, category in limbs:
        yield f"A limb of [`{purpose}`](../purposes/{purpose}.md) that asks about `{category}`, through these rules:"
    if of_a_row(code):
        yield from (_rule(note) for note in giving(docs.notes, of_a_row(code)))
    if row["origin"] == "policy" and not of_a_row(code) and not giving(docs.notes, code):
        yield "A rule that stands for a refusal as a whole and has no note of its own."


def _rule(note: RuleNote) -> str:
    anchor = "".join(letter for letter in note.file if letter.isalnum() or letter in "_-")
    return f"{note.title}, in [`{note.file}`](../rules.md#{anchor}): {note.description} ({note.legal_basis})"
