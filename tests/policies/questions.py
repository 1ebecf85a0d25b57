"""A question for every purpose of the data, against which nothing stands; made from the purpose's own row.

What a row does not speak of is as in the golden inputs: a new column of the input needs nothing here unless a purpose
makes a demand of it. A test holds that every purpose is reached.
"""

import copy
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from federation.policy.engine import EntryPoint
from tests.policies.inputs import EMPTY_OVERLAY, GOLDEN, REFERENCE, TIERS, Json, golden_input, type_of
from tests.policies.sampling import as_date

TODAY = dt.date(2026, 11, 22)
AREA = "testshire"
PURPOSES = tuple(sorted(REFERENCE["purposes"]))


@dataclass(frozen=True)
class Setting:
    """When and where a question is put.

    Attributes:
        day: In England.
        area: Asked about, and served by all concerned.
    """

    day: dt.date = TODAY
    area: str = AREA


def in_force(row: Json, setting: Setting) -> bool:
    """Whether a row of the data applies; both its days count."""
    last = row["effective_to"] or "9999-12-31"
    return bool({"*", setting.area} & set(row["areas"])) and row["effective_from"] <= setting.day.isoformat() <= last


def provision_in_force(name: str, setting: Setting) -> bool:
    """Whether a provision of law applies."""
    return any(in_force(row, setting) for row in REFERENCE["provisions"][name]["rows"])


def purpose_in_force(purpose: str, setting: Setting) -> bool:
    """Whether everything a purpose stands on is law."""
    return all(provision_in_force(name, setting) for name in REFERENCE["purposes"][purpose]["provisions"])


def _base(entry: EntryPoint, purpose: str) -> Json:
    """A golden input that permits; one of the purpose itself if there is one."""
    ranked = sorted(
        (item["result"]["effect"] != "permit", item["input"].get("query", {}).get("purpose") != purpose, name)
        for name, item in GOLDEN.items()
        if item["entry_point"] == entry.value
    )
    return golden_input(ranked[0][-1])


def question(entry: EntryPoint, purpose: str, rng: Random, setting: Setting | None = None) -> Json:
    """A question for a purpose, at any of the three entry points that take one."""
    setting = setting or Setting()
    row = REFERENCE["purposes"][purpose]
    document = _base(entry, purpose)
    _at(document, setting)
    invoker = rng.choice([item for item in row["invokers"] if _pairs(item)])
    _ask(document, purpose, row, rng)
    _by(document, row, invoker, rng, setting)
    if entry is EntryPoint.REQUESTER:
        _of_user(document, purpose, row)
    elif entry is EntryPoint.GATEWAY:
        document["targets"] = _responders(row, document, rng, setting)
    else:
        _answered(document, _responders(row, document, rng, setting)[0], rng)
    return document


def _at(document: Json, setting: Setting) -> None:
    noon = dt.datetime.combine(setting.day, dt.time(12), dt.UTC)
    now = max(0, int(noon.timestamp())) + 10
    document["time"] = {"epoch_s": now, "date": as_date(setting.day)}
    document["query"] |= {"issued_at": now - 5, "expires_at": now + 86_400, "area": setting.area}
    document["query"]["period"] = {
        "from": as_date(setting.day.replace(year=setting.day.year - 2, day=1)),
        "to": as_date(setting.day),
    }


def _ask(document: Json, purpose: str, row: Json, rng: Random) -> None:
    query = document["query"]
    generous = rng.random() < 0.5
    needs = [row["requires"], *([row["beyond_default"]] if generous else [])]
    causes = [code for name in row["categories"] for code in _causes(name)]
    attestations = [code for need in needs for code in need["attestations_all"]]
    attestations += [need["attestations_any"][0] for need in needs if need["attestations_any"]]
    attestations += causes if generous else []
    query["purpose"] = purpose
    query["attestations"] = list(dict.fromkeys(attestations))
    query["approvals"] = [
        {"kind": approval["kind"], "role": approval["roles"][0], "user_ref": "b" * 32}
        for need in needs
        for approval in need["approvals"]
    ]
    query["approvals"].append({"kind": "co_signature", "role": "team_manager", "user_ref": "b" * 32})
    positions = set.intersection(*(set(need["family_informed"]) for need in needs))
    query["family_informed"] = rng.choice(sorted(positions or row["requires"]["family_informed"]))
    query["urgency"] = rng.choice(row["urgencies"])
    query["break_glass"] = row["break_glass"]["codes"][0] if row["break_glass"]["use"] == "required" else ""
    names = rng.sample(sorted(row["categories"]), min(len(row["categories"]), rng.randint(2, 8)))
    query["categories"] = [{"name": name, "tier": rng.choice(TIERS)} for name in names]


def _causes(category: str) -> list[str]:
    return list(REFERENCE["categories"][category]["needs_any_attestation"][:1])


def _by(document: Json, row: Json, invoker: Json, rng: Random, setting: Setting) -> None:
    kind, role = rng.choice(_pairs(invoker))
    agreements = _agreements(row["agreements_any"], setting)
    agency = agency_of("the-requester", kind, rng.choice(invoker["legal_classes"]), agreements, setting)
    document["requester"]["agency"] |= agency
    document["requester"]["user"]["role"] = role
    document["case_grant"] = None


def _pairs(invoker: Json) -> list[tuple[str, str]]:
    """Kinds and roles that may ask without a case grant: law for teams has days and areas of its own."""
    kinds = [kind for kind in REFERENCE["agency_kinds"] if {kind, "*"} & set(invoker["agency_kinds"])]
    return [
        (kind, role)
        for kind in kinds
        for role in invoker["roles"]
        if {kind, "*"} & set(REFERENCE["roles"][role]["agency_kinds"])
        and not REFERENCE["roles"][role]["under_grant"]
        and not REFERENCE["agency_kinds"][kind]["under_grant"]
    ]


def agency_of(name: str, kind: str, legal_class: str, agreements: list[str], setting: Setting) -> Json:
    """An agency whose class holds today."""
    arranged = legal_class == "ARRANGED_PROVIDER"
    return {
        "id": name,
        "kind": kind,
        "legal_class": legal_class,
        "areas": [setting.area],
        "arranged_by": "another-agency" if arranged else "",
        "contract_from": as_date(setting.day) if arranged else None,
        "contract_to": as_date(setting.day) if arranged else None,
        "agreements": agreements,
    }


def _agreements(names: list[str], setting: Setting) -> list[str]:
    rows: Mapping[str, Json] = REFERENCE["agreements"]
    return [name for name in names if any(in_force(row, setting) for row in rows[name]["rows"])][:1]


def _of_user(document: Json, purpose: str, row: Json) -> None:
    document["user"] |= {
        "ref": document["requester"]["user"]["ref"],
        "role": document["requester"]["user"]["role"],
        "grants": [purpose],
        "training_expires": document["time"]["date"],
        "employment_ends": document["time"]["date"],
        "conflicted": False,
        "supervised": False,
        "case_role": row["case_roles"][0],
    }


def _responders(row: Json, document: Json, rng: Random, setting: Setting) -> list[Json]:
    """Agencies that keep what is asked for, the first of them bound and party to what the purpose demands."""
    asked = [item["name"] for item in document["query"]["categories"]]
    classes = row["responder_classes"] or ["S11_1", "S16E_EDU", "NONE"]
    agreements = _agreements(row["responder_agreements_any"], setting)
    kinds = [rng.choice(REFERENCE["categories"][name]["agency_kinds"]) for name in asked[: rng.randint(1, 4)]]
    return [
        agency_of(f"responder-{number}", kind, rng.choice(classes), agreements, setting)
        for number, kind in enumerate(kinds)
    ]


def _answered(document: Json, responder: Json, rng: Random) -> None:
    document["responder"] |= responder
    document["overlay"] = copy.deepcopy({**document["overlay"], **EMPTY_OVERLAY})
    asked = document["query"]["categories"]
    kept = [item for item in asked if responder["kind"] in REFERENCE["categories"][item["name"]]["agency_kinds"]]
    document["gateway"] = {"categories": copy.deepcopy(kept), "obligations": []}
    names = [item["name"] for item in kept] * 3 + [item["name"] for item in asked]
    document["records"] = [
        record_of(f"r{number}", rng.choice(names), rng, document) for number in range(rng.randint(0, 6))
    ]
    document["review"] = [
        review_of(record["ref"], rng.choice(["release", "release", "withhold"]), document)
        for record in document["records"]
        if rng.random() < 0.2
    ]


def review_of(ref: str, decision: str, document: Json) -> Json:
    """What a person decided of a record, otherwise as a golden input has it, its times moved to the document's."""
    golden = [(item["input"]["time"], entry) for item in GOLDEN.values() for entry in item["input"].get("review", ())]
    then, entry = next((then, entry) for then, entry in golden if entry["decision"] == decision)
    passed = document["time"]["epoch_s"] - then["epoch_s"]
    moved = {name: value + passed for name, value in entry.items() if name.endswith("_at")}
    return {**entry, **moved, "ref": ref}


def record_of(ref: str, category: str, rng: Random, document: Json) -> Json:
    """A record's descriptor, within the period asked about, against which little stands."""
    template = next(item["input"]["records"][0] for item in GOLDEN.values() if item["input"].get("records"))
    fields = [*REFERENCE["categories"][category]["fields"], "unknown_field"]
    return copy.deepcopy(template) | {
        "ref": ref,
        "category": category,
        "type": rng.choice([type_of(category)] * 9 + ["unheard_of"]),
        "date": document["query"]["period"]["to"],
        "started_on": None,
        "ended_on": rng.choice([None, None, document["query"]["period"]["to"]]),
        "unreadable": [],
        "flags": [],
        "fields": rng.sample(fields, rng.randint(0, len(fields))),
        "relation": rng.choice(["subject"] * 7 + ["household", "parent", "other"]),
        "contact_level": rng.choice(["none", "supervised", "regular", "lives_with", "unknown"]),
        "assertion": rng.choice(["fact", "professional_opinion", "third_party_allegation"]),
        "handling_code": "",
    }
