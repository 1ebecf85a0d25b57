"""The pages about purposes: an overview, and one for each that says in sentences what it lets whom learn."""

from collections.abc import Iterator
from typing import Any, Final

from tools import docs_privacy
from tools.docs_reference import page, table
from tools.policy_words import (
    FAMILY,
    NOT_ADVICE,
    RELATIONS,
    SOURCE,
    TIERS,
    PolicyDocs,
    Row,
    areas,
    bullets,
    codes,
    further_part,
    in_force,
    lasting,
    listed,
    unsaid,
    verified,
    verified_sentence,
)

TOLD: Final = frozenset(
    [
        "title",
        "statute",
        "source",
        "verified",
        "provisions",
        "invokers",
        "responder_classes",
        "agreements_any",
        "responder_agreements_any",
        "area_rule",
        "urgencies",
        "requires",
        "beyond_default",
        "case_roles",
        "categories",
        "relations",
        "human_decision_from",
        "protected_fields",
        "break_glass",
        "ttl_s",
        "clock",
        "obligations",
        "processing",
        "enquiry",
        "directions",
        "redact_tags",
        "human_decision_shields",
        "default_period_years",
        "compelled",
        "justification",
        "caution",
    ]
)
"""Columns that a page tells in sentences."""
REQUIREMENT: Final = ("attestations_all", "attestations_any", "approvals", "family_informed")
CELL: Final = ("default_tier", "highest_tier", "provisions", "limbs", "shown_as", "obligations")


def overview(docs: PolicyDocs) -> Iterator[str]:
    """Every purpose in a row, and those that are never permitted."""
    yield NOT_ADVICE
    yield "Tier T0 says that somebody holds such a record, T1 is a summary, T2 is detail."
    rows = [
        (f"[`{code}`](purposes/{code}.md)", row["title"], row["statute"], _highest(row), verified(row))
        for code, row in docs.data["purposes"].items()
    ]
    yield table(("Purpose", "What for", "Statute", "At most", "Verified"), rows)
    yield "## Never permitted"
    yield "Whoever cites one of these is refused and reported, whatever else holds."
    never = [(f"`{code}`", row["title"], row["legal_basis"]) for code, row in docs.data["never_permitted"].items()]
    yield table(("Use", "What it is", "Legal basis"), never)


def purpose_pages(docs: PolicyDocs) -> dict[str, str]:
    """A page for each purpose, by its path below `docs/`."""
    return {
        f"policy/purposes/{code}.md": page(f"{code}: {row['title']}", SOURCE, *_purpose(docs, code, row))
        for code, row in docs.data["purposes"].items()
    }


def _highest(row: Row) -> str:
    return str(max(cell["highest_tier"] for cell in row["categories"].values()))


def _purpose(docs: PolicyDocs, code: str, row: Row) -> Iterator[str]:
    yield NOT_ADVICE
    yield f"Law: {row['statute']}. Source: {row['source']}. {verified_sentence(row)}"
    yield "## Who may ask"
    yield bullets(_invokers(docs, row))
    yield bullets(_position(docs, row))
    yield "## On what attestation, with whose approval"
    yield bullets(_requirement(docs, row["requires"]) or ["Nothing has to be attested or approved."])
    yield bullets([*_manner(docs, row), *docs_privacy.manner(row)])
    yield "## What is given"
    yield _conditions(docs, row)
    yield table(("Category", "By default", "At most", "Only"), list(_cells(docs, row)))
    yield bullets([*_people(row), *docs_privacy.taken_out(row), *_period(row)])
    if row["caution"]:
        yield "## What an answer does not mean"
        yield row["caution"]
    yield "## Who may learn that the question was asked"
    yield bullets(docs_privacy.enquiry(row))
    yield "## On which conditions of data protection law"
    yield bullets(docs_privacy.conditions(docs, row))
    yield "## For how long"
    yield " ".join(_time(row))
    yield from _obligations(docs, row)
    yield "## The law, where and since when"
    yield table(("Provision", "Areas", "In force", "Source", "Verified"), list(_law(docs, row)))
    yield "Outside these areas and days the purpose, or the category that names the provision, is refused."
    yield "## What is never given"
    yield bullets(_never(docs, code, row))
    yield from further_part(row, TOLD)


def _invokers(docs: PolicyDocs, row: Row) -> Iterator[str]:
    for invoker in row["invokers"]:
        kinds = invoker["agency_kinds"]
        where = "agencies of any kind" if "*" in kinds else docs.titles("agency_kinds", kinds)
        by_tier: dict[str, list[str]] = {}
        for role, tier in invoker["roles"].items():
            by_tier.setdefault(tier, []).append(role)
        for tier, roles in sorted(by_tier.items()):
            yield (
                f"{docs.titles('roles', roles)}, up to tier {TIERS[tier]}: in {where}, where the agency's legal class "
                f"is {listed([f'`{name}`' for name in invoker['legal_classes']], 'or')}."
            )


def _position(docs: PolicyDocs, row: Row) -> Iterator[str]:
    own = row["area_rule"] == "own"
    yield "The requester's agency must work in the area that is asked about." if own else "Any area may be asked about."
    parts = [f"`{role}`" for role in row["case_roles"] if role]
    if "" not in row["case_roles"]:
        yield f"The user must have a part in the child's case: {listed(parts, 'or')}."
    if row["agreements_any"]:
        yield f"The requester must be party to {_any(docs, 'agreements', row['agreements_any'])}."
    if row["responder_agreements_any"]:
        yield f"A responder must be party to {_any(docs, 'agreements', row['responder_agreements_any'])}."
    if row["responder_classes"]:
        classes = listed([f"`{name}`" for name in row["responder_classes"]], "or")
        yield f"Only responders of legal class {classes} are asked."


def _any(docs: PolicyDocs, document: str, names: list[str]) -> str:
    found = listed([docs.title(document, name) for name in names], "or")
    return found if len(names) == 1 else f"one of {found}"


def _requirement(docs: PolicyDocs, needed: Row) -> list[str]:
    found = [f"The user attests: {_attestation(docs, code)}" for code in needed["attestations_all"]]
    if needed["attestations_any"]:
        choice = [_attestation(docs, code) for code in needed["attestations_any"]]
        found.append(f"The user attests at least one of: {' / '.join(choice)}")
    for approval in needed["approvals"]:
        text = (
            f"Approval of kind `{approval['kind']}` by somebody else: {docs.titles('roles', approval['roles'], 'or')}."
        )
        if approval["waived_for_roles"]:
            text += f" Not needed where the user is {docs.titles('roles', approval['waived_for_roles'], 'or')}."
        found.append(text)
    if len(needed["family_informed"]) < len(FAMILY):
        positions = listed([FAMILY.get(item, item) for item in needed["family_informed"]], "or")
        found.append(f"On record is that {positions}.")
    return found + unsaid(needed, REQUIREMENT)


def _attestation(docs: PolicyDocs, code: str) -> str:
    row = docs.data["attestations"].get(code, {"text": code, "legal_basis": "-"})
    checked = "" if row.get("verified") else "; not verified"
    return f"“{row['text']}” (`{code}`; {row['legal_basis']}{checked})"


def _manner(docs: PolicyDocs, row: Row) -> Iterator[str]:
    yield f"Urgency: {listed(row['urgencies'], 'or')}."
    yield {
        "always": "A reason in words is always needed; it stays sealed to the auditors.",
        "for_detail": "A reason in words is needed for detail, for break-glass and for whatever lifts a shield.",
    }.get(row["justification"], f"Justification: {row['justification']}.")
    glass = row["break_glass"]
    reasons = docs.data["break_glass"]
    texts = [f"{reasons.get(code, {}).get('text', code)} (`{code}`)" for code in glass["codes"]]
    yield {
        "never": "Break-glass is not possible.",
        "optional": f"Break-glass is possible, and reviewed afterwards, for: {listed(texts, 'or')}.",
        "required": f"Break-glass only, reviewed afterwards, for: {listed(texts, 'or')}.",
    }.get(glass["use"], f"Break-glass: {glass['use']}.")


def _period(row: Row) -> Iterator[str]:
    if any(cell["limbs"] for cell in row["categories"].values()):
        yield "Where the statute says when, in limbs, the period that was typed decides nothing."
    years = f"the last {row['default_period_years']} years"
    yield f"A question that names no start covers {years}: what falls into them, and what began earlier and reaches in."
    yield "That there is something older is said where it could be told of, whatever period was asked about."


def _conditions(docs: PolicyDocs, row: Row) -> str:
    further = _requirement(docs, row["beyond_default"])
    if not further:
        return "Nothing beyond the above is needed for what is given at most; the role's tier still bounds it."
    return "What is given at most needs, beyond the above:\n\n" + bullets(further)


def _cells(docs: PolicyDocs, row: Row) -> Iterator[tuple[str, str, str, str]]:
    for name, cell in row["categories"].items():
        only = [_limb(docs, limb) for limb in cell["limbs"]]
        only += [f"shown as “{docs.title('shown_names', cell['shown_as'])}”"] if cell["shown_as"] else []
        only += [f"where in force: {codes(cell['provisions'])}"] if cell["provisions"] else []
        needs = docs.data["categories"].get(name, {}).get("needs_any_attestation", [])
        only += [f"with one of {codes(needs)} attested"] if needs else []
        only += unsaid(cell, CELL)
        yield docs.title("categories", name), cell["default_tier"], cell["highest_tier"], "; ".join(only) or "-"


def _limb(docs: PolicyDocs, limb: Row) -> str:
    """One limb of the statute: what it speaks of, when, and where it must be law."""
    years = limb["look_back_years"]
    when = f"within the last {years} years" if years else "today"
    kinds = f", of type {codes(limb['types'])}" if limb["types"] else ""
    law = f", where in force: {codes(limb['provisions'])}" if limb["provisions"] else ""
    code = limb["reason_code"]
    text = docs.data["reasons"].get(code, {"auditor": code})["auditor"].rstrip(".")
    return f"{when}{kinds}{law} ([{text}](../reasons/{code}.md))"


def _people(row: Row) -> Iterator[str]:
    reached = [f"{RELATIONS.get(name, name)} up to {TIERS[tier]}" for name, tier in row["relations"].items()]
    yield f"About {listed(reached)}."
    start = row["human_decision_from"]
    if row["compelled"]["applies"]:
        people = {1: "one person", 2: "two people"}[row["compelled"]["people"]]
        yield (
            f"Disclosure is compelled: {people} at every responder answer, whatever is held. Until then each looks "
            "alike, and “nothing held” is a person's word. Detriment to the child is no ground to refuse."
        )
    elif start:
        yield f"From tier {TIERS[start]} on a person at the responder considers relevance and detriment and decides."
    else:
        yield "No human decision is asked for by the purpose itself; a category, a flag or an overlay may ask for one."
    if row["protected_fields"]:
        yield f"Protected fields that this purpose gives: {codes(row['protected_fields'])}."


def _time(row: Row) -> Iterator[str]:
    yield f"A permission lasts {lasting(row['ttl_s'])}, and never longer than its query; then it is justified again."
    clock: dict[str, Any] = row["clock"]
    if clock["name"]:
        limit = f"{clock['limit']} {clock['unit'].replace('_', ' ')}"
        yield f"Statutory clock `{clock['name']}`: {limit} from `{clock['from']}`."
    else:
        yield "No statutory clock runs."


def _obligations(docs: PolicyDocs, row: Row) -> Iterator[str]:
    names = [item["id"] for item in row["obligations"]]
    names += [name for cell in row["categories"].values() for name in cell["obligations"]]
    if names:
        yield "## What must also be done"
        texts = docs.data["obligations"]
        yield bullets(f"{texts.get(name, {}).get('text', name)} (`{name}`)" for name in dict.fromkeys(names))


def _law(docs: PolicyDocs, row: Row) -> Iterator[tuple[str, str, str, str, str]]:
    cells = row["categories"].values()
    names = [*row["provisions"], *(name for cell in cells for name in cell["provisions"])]
    names += [name for cell in cells for limb in cell["limbs"] for name in limb["provisions"]]
    for name in dict.fromkeys(names):
        provision = docs.data["provisions"].get(name, {"title": name, "rows": []})
        for item in provision["rows"]:
            title = f"{provision['title']} (`{name}`)"
            yield title, areas(item), in_force(item), item["source"], verified(item)


def _never(docs: PolicyDocs, code: str, row: Row) -> Iterator[str]:
    missing = [name for name in docs.data["categories"] if name not in row["categories"]]
    if missing:
        yield f"Records of these categories: {docs.titles('categories', missing)}."
    below = [name for name, cell in row["categories"].items() if cell["highest_tier"] < "T2"]
    if below:
        yield f"Detail (tier T2) of: {docs.titles('categories', below)}."
    strangers = [text for name, text in RELATIONS.items() if name not in row["relations"]]
    if strangers:
        yield f"Records about {listed(strangers, 'or')}."
    protected = {
        field
        for name in row["categories"]
        for field, item in docs.data["categories"].get(name, {"fields": {}})["fields"].items()
        if item["protected"] and field not in row["protected_fields"]
    }
    if protected:
        yield f"The protected fields {codes(sorted(protected))}."
    withheld = [
        flag
        for flag, item in docs.data["flags"].items()
        if item["withhold"]["applies"] and code not in item["withhold"]["except_purposes"]
    ]
    if withheld:
        links = listed([f"[`{flag}`](../flags/{flag}.md)" for flag in withheld], "or")
        yield f"Records that carry {links}, save for the exceptions those flags name."
    yield "Any field that its category does not list, and anything an agency's own overlay takes out."
