"""An account of one child, made of rows and ledger entries that were read.

Policy says which parts of an entry the person who asked may see; what is under no part that is given is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Row

from agency_node.store.accounts import About
from federation.canonical import JsonObject
from federation.ledger.entry import Entry, EntryKind
from federation.vocabulary import Effect

HEADER: Final = "header"
RESULT: Final = "result"
PARTS: Final[Mapping[str, str]] = {
    "reasons": "reasons",
    "obligations": "obligations",
    "versions": "bundle",
    RESULT: "processing",
}
"""Part of an entry to the member of its decision that belongs to it."""

_OF_LOOKS: Final = frozenset({EntryKind.VIEWED, EntryKind.DISCLOSURES_ACCOUNTED})
_DECISION_HEADS: Final = ("decision_id", "effect", "decided_at")


@dataclass(frozen=True, slots=True)
class Sources:
    """What an account is made of.

    Attributes:
        about: The store's rows.
        entries: The ledger's, by query.
        told: What each decision of this node released, by decision id.
        people: Ids of this node's people by their opaque reference.
        looks: Earlier accounts of the child.
    """

    about: About
    entries: Mapping[str, Sequence[Entry]]
    told: Mapping[str, Sequence[JsonObject]] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)
    looks: Sequence[Entry] = ()


def actors_in(sources: Sources) -> frozenset[str]:
    """References of everybody of this agency who asked, decided or saw something about the child.

    Whoever accounted for it before may do so again.
    """
    entries = [entry for found in sources.entries.values() for entry in found]
    by = {str(entry.actor).removeprefix("user:") for entry in entries}
    named = {str(entry.body["user_ref"]) for entry in entries if "user_ref" in entry.body}
    return frozenset((by | named) & sources.people.keys())


def account_of(sources: Sources, parts: Sequence[str]) -> JsonObject:
    """The account, as far as `parts` lets it be seen."""
    about = sources.about
    return {
        "asked_us": [_task(row, sources, parts) for row in about.tasks],
        "we_asked": [_question(row, sources, parts) for row in about.asked],
        "accounted_before": [_look(entry, sources) for entry in sources.looks] if HEADER in parts else [],
        "not_attributable": {"questions": about.nameless_questions, "tasks": about.nameless_tasks},
    }


def _task(row: Row[*tuple[Any, ...]], sources: Sources, parts: Sequence[str]) -> JsonObject:
    """A question of another agency: who asked, what was told, who of us decided and looked."""
    entries = sources.entries.get(row.query_id, ())
    shown: JsonObject = {}
    if HEADER in parts:
        shown |= {
            "query_id": row.query_id,
            "task_id": row.task_id,
            "at": row.arrived_at,
            "requester": row.requester,
            "user_ref": row.user_ref,
            "break_glass": row.break_glass,
            "state": row.state,
            **_first(entries, (EntryKind.ANSWERED, EntryKind.REFERRAL_OPENED), ("role", "purpose")),
            **_first(entries, (EntryKind.ANSWERED,), ("outcome", "answer_sha256")),
            "decided_by": [_decided(entry, sources) for entry in _of(entries, EntryKind.REFERRAL_DECIDED)],
        }
    shown["decisions"] = [
        _decision(body, sources, parts)
        for entry in _of(entries, EntryKind.ANSWERED, EntryKind.REFERRAL_OPENED)
        for body in (entry.body["decision"], *entry.body["further_decisions"])
    ]
    return shown | _looked(entries, sources, parts)


def _question(row: Row[*tuple[Any, ...]], sources: Sources, parts: Sequence[str]) -> JsonObject:
    """A question of this agency's own people, refused or not."""
    entries = sources.entries.get(row.query_id, ())
    asked = _of(entries, EntryKind.QUERY_ASKED, EntryKind.QUERY_REFUSED)
    shown: JsonObject = {}
    if HEADER in parts:
        shown |= {
            "query_id": row.query_id,
            "at": row.asked_at,
            "user": row.user_id,
            **_first(asked, (EntryKind.QUERY_ASKED, EntryKind.QUERY_REFUSED), ("user_ref", "role")),
            "purpose": row.purpose,
            "effect": row.effect,
            "state": row.state,
            "targets": sources.about.targets.get(row.query_id, {}),
            "opened": [entry.body["responder"] for entry in _of(entries, EntryKind.ANSWER_OPENED)],
        }
    shown["decisions"] = [_decision(entry.body["decision"], sources, parts) for entry in asked]
    return shown | _looked(entries, sources, parts)


def _decision(body: Mapping[str, Any], sources: Sources, parts: Sequence[str]) -> JsonObject:
    shown = {member: body[member] for name, member in PARTS.items() if name in parts and name != RESULT}
    if HEADER in parts:
        shown |= {name: body[name] for name in _DECISION_HEADS}
    if RESULT in parts:
        shown |= {"processing": body["processing"], "told": list(sources.told.get(body["decision_id"], ()))}
    return shown


def released(result: Mapping[str, Any], document: Mapping[str, Any]) -> list[JsonObject]:
    """What a decision of this node lets out, by its result and its input: category, tier and fields of each record."""
    if result.get("effect") != Effect.PERMIT:
        return []
    held = {record["ref"]: record for record in document.get("records", [])}
    return [
        {
            "record": item["ref"],
            "category": held.get(item["ref"], {}).get("category", ""),
            "shown_as": item["shown_as"],
            "tier": item["tier"],
            "fields": item["fields"],
        }
        for item in result.get("records", [])
        if item["effect"] == Effect.PERMIT
    ]


def _decided(entry: Entry, sources: Sources) -> JsonObject:
    ref = str(entry.actor).removeprefix("user:")
    return {
        "at": entry.at,
        "user_ref": ref,
        "user": sources.people.get(ref, ""),
        "decision": entry.body["decision"],
        "ground": entry.body["ground"],
    }


def _looked(entries: Sequence[Entry], sources: Sources, parts: Sequence[str]) -> JsonObject:
    if HEADER not in parts:
        return {}
    return {"looked": [_look(entry, sources) for entry in entries if entry.kind in _OF_LOOKS]}


def _look(entry: Entry, sources: Sources) -> JsonObject:
    ref = str(entry.body["user_ref"])
    named = {name: entry.body[name] for name in ("what", "why", "reason") if name in entry.body}
    return {"at": entry.at, "user_ref": ref, "user": sources.people.get(ref, ""), **named}


def _of(entries: Iterable[Entry], *kinds: EntryKind) -> list[Entry]:
    return [entry for entry in entries if entry.kind in kinds]


def _first(entries: Iterable[Entry], kinds: tuple[EntryKind, ...], names: tuple[str, ...]) -> JsonObject:
    for entry in _of(entries, *kinds):
        return {name: entry.body[name] for name in names if name in entry.body}
    return {}
