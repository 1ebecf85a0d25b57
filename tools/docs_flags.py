"""The pages about handling flags: an overview, and one for each that says what it does to a record."""

from collections.abc import Iterator
from typing import Final

from tools import docs_privacy
from tools.docs_reference import page, table
from tools.policy_words import (
    NOT_ADVICE,
    SOURCE,
    TIERS,
    PolicyDocs,
    Row,
    areas,
    bullets,
    codes,
    further_part,
    in_force,
    listed,
    unsaid,
    verified_sentence,
)

TOLD: Final = frozenset(
    [
        "title",
        "reason_code",
        "precedence",
        "reach",
        "withhold",
        "refer",
        "cap",
        "redact",
        "needs",
        "decided_by",
        "obligations",
        "users",
        "enquiry",
        "areas",
        "effective_from",
        "effective_to",
        "source",
        "verified",
    ]
)
INNER: Final = {
    "withhold": (
        "applies",
        "except_purposes",
        "except_agreements",
        "responder_kinds",
        "elsewhere",
        "yields_to_compulsion",
    ),
    "refer": ("applies", "except_purposes", "shields", "open_purposes", "lifted_by"),
    "cap": ("tier", "except_purposes"),
    "redact": ("tags", "fields", "shows"),
    "decided_by": ("people", "roles"),
}
LIFTS: Final = {"break_glass": "break-glass", "second_person": "a second person's approval"}
NEEDS: Final = {
    "handling_code": "Without a handling code the record is withheld.",
    "context": "Without the person's relation to the child, and their contact, a human decides.",
}


def overview(docs: PolicyDocs) -> Iterator[str]:
    """Every flag in a row, by precedence."""
    yield NOT_ADVICE
    yield "Of several flags the one with the lowest precedence number speaks first; every flag may only narrow."
    rows = [
        (f"[`{code}`](flags/{code}.md)", row["title"], str(row["precedence"]), row["reach"], listed(_short(row), "and"))
        for code, row in sorted(docs.data["flags"].items(), key=lambda item: (int(item[1]["precedence"]), item[0]))
    ]
    yield table(("Flag", "Meaning", "Precedence", "Reach", "Effect"), rows)
    yield (
        "A flag that the bundle does not know withholds every record of the child, as nobody knows how far it reaches; "
        "one that is not in force withholds what it reaches."
    )


def flag_pages(docs: PolicyDocs) -> dict[str, str]:
    """A page for each flag, by its path below `docs/`."""
    return {
        f"policy/flags/{code}.md": page(f"{code}: {row['title']}", SOURCE, *_flag(docs, row))
        for code, row in docs.data["flags"].items()
    }


def _short(row: Row) -> list[str]:
    found = ["withholds"] if row["withhold"]["applies"] else []
    found += ["refers to a human, unseen"] if row["refer"]["applies"] and row["refer"]["shields"] else []
    found += ["refers to a human"] if row["refer"]["applies"] and not row["refer"]["shields"] else []
    found += [f"caps at {row['cap']['tier']}"] if row["cap"]["tier"] != "T2" else []
    found += ["redacts"] if row["redact"]["tags"] or row["redact"]["fields"] else []
    found += [f"needs {name.replace('_', ' ')}" for name, needed in row["needs"].items() if needed]
    return found or ["lays down obligations" if row["obligations"] else "none"]


def _flag(docs: PolicyDocs, row: Row) -> Iterator[str]:
    yield NOT_ADVICE
    yield f"Law: {row['source']}. {verified_sentence(row)} In force {in_force(row)}, {areas(row)}."
    reach = "every record of the child" if row["reach"] == "child" else "the record that carries it"
    yield f"It acts on {reach}, and speaks with precedence {row['precedence']} (the lowest number first)."
    yield "## What it does"
    yield bullets(_effects(docs, row) or ["It changes neither effect nor fields."])
    if row["obligations"]:
        yield "## What must also be done"
        rows = docs.data["obligations"]
        yield bullets(f"{rows.get(name, {}).get('text', name)} (`{name}`)" for name in row["obligations"])
    yield "## What people see"
    reason = docs.data["reasons"].get(row["reason_code"], {"user": "", "auditor": row["reason_code"]})
    seen = f"“{reason['user']}”" if reason["user"] else "nothing of this flag"
    yield bullets(
        [
            f"The requester's user: {seen}.{_hidden(row)}",
            f"The auditor: “{reason['auditor']}”",
            f"Reason: [`{row['reason_code']}`](../reasons/{row['reason_code']}.md).",
        ]
    )
    yield from further_part(row, TOLD)


def _hidden(row: Row) -> str:
    """What the requester cannot tell apart."""
    hides = [
        *(["Withheld"] if row["withhold"]["applies"] or row["needs"]["attestations_any"] else []),
        *(["Until a person has released it, it"] if row["refer"]["shields"] else []),
    ]
    return f" {hides[0]} looks exactly like nothing held." if hides else ""


def _effects(docs: PolicyDocs, row: Row) -> list[str]:
    return [
        *_withholding(docs, row["withhold"]),
        *_referral(row["refer"]),
        *_deciders(row["decided_by"]),
        *_cap(row["cap"]),
        *_redaction(row["redact"]),
        *(item for name, known in INNER.items() for item in unsaid(row[name], known)),
        *docs_privacy.flag_effects(row),
        *_attested(row["needs"]["attestations_any"]),
        *(
            NEEDS.get(name, f"Needs {name.replace('_', ' ')}.")
            for name, needed in row["needs"].items()
            if needed is True
        ),
    ]


def _withholding(docs: PolicyDocs, row: Row) -> Iterator[str]:
    if not row["applies"]:
        return
    kinds = row["responder_kinds"]
    where = "" if "*" in kinds else f" at {docs.titles('agency_kinds', kinds)}"
    agreements = docs.titles("agreements", row["except_agreements"])
    party = f" It spares requesters who are party to {agreements}." if agreements else ""
    elsewhere = ""
    if row["elsewhere"]:
        elsewhere = (
            " It also withholds at a responder that serves none of the requester's areas: an answer would tell where."
        )
    person = " Where an answer is compelled, a person decides instead." if row["yields_to_compulsion"] else ""
    yield f"It withholds{where}.{elsewhere}{_except(row)}{party}{person}"


def _attested(codes_any: list[str]) -> Iterator[str]:
    if codes_any:
        yield f"Without one of the attestations {codes(codes_any)} the record is withheld."


def _referral(row: Row) -> Iterator[str]:
    if not row["applies"]:
        return
    unseen = " Until then the answer shows nothing of it." if row["shields"] else ""
    yield f"A person at the responder decides.{unseen}{_except(row)}"
    if row["open_purposes"]:
        links = [f"[`{code}`](../purposes/{code}.md)" for code in row["open_purposes"]]
        yield (
            f"Under {listed(links)} the referral shows: whoever asks learns that somebody there knows the child, and a "
            "person decides while the query lives."
        )
    if row["lifted_by"]:
        given = listed([LIFTS.get(name, f"`{name}`") for name in row["lifted_by"]])
        yield f"Nobody need decide where {given} were given with the question."


def _deciders(row: Row) -> Iterator[str]:
    if row["people"] > 1:
        people = f"{row['people']} different people must agree before anything leaves"
        yield f"{people}; one who withholds is enough to keep it."
    if row["roles"]:
        yield f"Only people with {codes(row['roles'])} decide."


def _cap(row: Row) -> Iterator[str]:
    if row["tier"] != "T2":
        yield f"It leaves no more than tier {TIERS[row['tier']]}.{_except(row)}"


def _redaction(row: Row) -> Iterator[str]:
    parts = [f"fields tagged {codes(row['tags'])}"] if row["tags"] else []
    parts += [f"the fields {codes(row['fields'])}"] if row["fields"] else []
    if parts:
        mark = "" if row["shows"] else " It is not told that anything was taken out: the mark would tell what it hides."
        yield f"It takes out {listed(parts)}.{mark}"


def _except(row: Row) -> str:
    links = [f"[`{code}`](../purposes/{code}.md)" for code in row["except_purposes"]]
    return f" It spares queries for {listed(links, 'or')}." if links else ""
