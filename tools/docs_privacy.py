"""What pages about policy say of data protection law, and of who may learn that a question was asked."""

from collections.abc import Iterator, Mapping
from typing import Final

from tools.policy_words import PolicyDocs, Row, listed

AUDIENCE: Final = {"child": "the child", "parents": "the parents", "lead_professional": "the lead professional"}
DIRECTION: Final = {
    "request": "on request",
    "proactive": "of the holder's own motion (nothing on the wire carries that yet)",
}
FLAG_ENQUIRY: Final = {
    "notify": "Whoever may learn of the question may learn of it at once.",
    "delay": "Nobody learns that the question was asked before the delay is over.",
    "never": "Neither child nor family learns through this system that the question was asked.",
}
USERS: Final = {
    "barred": "Users whom the record names are refused, their colleagues not. Where it names nobody, a person decides.",
    "permitted": "Only users whom the record names may see it. Where it names nobody, a person decides.",
}


def conditions(docs: PolicyDocs, row: Row) -> Iterator[str]:
    """The conditions of data protection law that whoever processes under a purpose relies on."""
    processing: Mapping[str, Row] = row["processing"]
    yield f"Everybody not named below: {_conditions(docs, processing['by_default'])}."
    for kind, names in processing["by_kind"].items():
        yield f"{docs.title('agency_kinds', kind)}: {_conditions(docs, names)}."


def _conditions(docs: PolicyDocs, names: Row) -> str:
    rows = docs.data["processing_conditions"]
    texts = [f"{rows.get(name, {}).get('provision', name)} (`{name}`)" for name in names]
    return listed(texts)


def enquiry(row: Row) -> Iterator[str]:
    """Who may learn that a question was asked, and when."""
    told = row["enquiry"]
    who = listed([AUDIENCE.get(name, name) for name in told["audience"]])
    yield {
        "notify": f"At once: {who}.",
        "delay": f"After {told['after_days']} days: {who}.",
        "never": "Nobody outside the agencies, through this system.",
    }.get(told["outcome"], f"`{told['outcome']}`.")
    yield "The family's position and handling flags may make it stricter, never looser."


def manner(row: Row) -> Iterator[str]:
    """In which directions a purpose can be used."""
    yield f"It can be used {listed([DIRECTION.get(name, name) for name in row['directions']], 'or')}."


def taken_out(row: Row) -> Iterator[str]:
    """What a purpose takes out or hides whatever a record's flags are."""
    if row["redact_tags"]:
        tags = listed([f"`{tag}`" for tag in row["redact_tags"]], "or")
        yield f"Fields tagged {tags} are taken out of every record."
    if row["human_decision_shields"]:
        yield "While a person decides, the answer shows nothing of what is held."


def flag_effects(row: Row) -> Iterator[str]:
    """What a flag does to users, and to who may learn of the question."""
    if row["users"]:
        yield USERS.get(row["users"], f"Users: `{row['users']}`.")
    if row["enquiry"]:
        yield FLAG_ENQUIRY.get(row["enquiry"], f"Who may learn of the question: `{row['enquiry']}`.")
