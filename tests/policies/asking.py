"""A valid query of any purpose, built from the bundle's own data: each test then changes one thing about it."""

from collections.abc import Iterator
from typing import Any

from tests.policies.inputs import REFERENCE, TIERS, Json, date, type_of

NOW = 1_795_341_600
TODAY = date(2026, 11, 22)
"""22 November 2026, 10:00 in England: uncommenced law is in force in the invented area alone."""
APPROVER, USER = "b" * 32, "a" * 32
ALL_AGREEMENTS = sorted(REFERENCE["agreements"])


def agency(name: str, kind: str, legal_class: str = "S11_1", **changes: Any) -> Json:
    """An agency of the invented area, party to every agreement; an arranged provider inside its contract."""
    arranged = legal_class == "ARRANGED_PROVIDER"
    return {
        "id": name,
        "kind": kind,
        "legal_class": legal_class,
        "areas": ["testshire"],
        "arranged_by": "testshire-csc" if arranged else "",
        "contract_from": date(2026, 4, 1) if arranged else None,
        "contract_to": date(2027, 3, 31) if arranged else None,
        "agreements": list(ALL_AGREEMENTS),
        **changes,
    }


def invocations(purpose: str) -> Iterator[tuple[str, str, str]]:
    """Every agency kind, legal class and role that may invoke a purpose."""
    kinds = sorted(REFERENCE["agency_kinds"])
    for invoker in REFERENCE["purposes"][purpose]["invokers"]:
        for kind in kinds if "*" in invoker["agency_kinds"] else invoker["agency_kinds"]:
            for role in invoker["roles"]:
                homes = REFERENCE["roles"][role]["agency_kinds"]
                if "*" in homes or kind in homes:
                    yield from ((kind, legal_class, role) for legal_class in invoker["legal_classes"])


def approvals(purpose: str, role: str) -> list[Json]:
    """Every approval the purpose asks for, by default and beyond it, with a signature beside the user's own."""
    row = REFERENCE["purposes"][purpose]
    needed = row["requires"]["approvals"] + row["beyond_default"]["approvals"]
    given = [{"kind": item["kind"], "role": item["roles"][0], "user_ref": APPROVER} for item in needed]
    signed = [{"kind": "co_signature", "role": "team_manager", "user_ref": APPROVER}]
    return given + (signed if REFERENCE["roles"][role]["supervised"] else [])


def attestations(purpose: str) -> list[str]:
    """What must be attested, by default and beyond it; of each any-of list the first."""
    row = REFERENCE["purposes"][purpose]
    found: list[str] = []
    for part in (row["requires"], row["beyond_default"]):
        found += part["attestations_all"] + part["attestations_any"][:1]
    return sorted(set(found))


def query(purpose: str, role: str, *, most: int = 64) -> Json:
    """A query for everything the purpose reaches, each at its highest tier."""
    row = REFERENCE["purposes"][purpose]
    families = [set(row["requires"]["family_informed"]), set(row["beyond_default"]["family_informed"])]
    required = row["break_glass"]["use"] == "required"
    return {
        "id": "3f0c2a54-0000-4000-8000-000000000001",
        "purpose": purpose,
        "direction": "request",
        "urgency": row["urgencies"][0],
        "area": "testshire",
        "categories": [
            {"name": name, "tier": row["categories"][name]["highest_tier"]} for name in plain_categories(purpose)[:most]
        ],
        "period": {"from": date(2024, 11, 22), "to": TODAY},
        "attestations": attestations(purpose),
        "approvals": approvals(purpose, role),
        "family_informed": max(families[0] & families[1]),
        "break_glass": row["break_glass"]["codes"][0] if required else "",
        "justified": True,
        "issued_at": NOW - 5,
        "expires_at": NOW + 86_400,
        "identifier_state": "present",
    }


def plain_categories(purpose: str) -> list[str]:
    """Categories that a query may ask for without consent or cause, and that are in force in the invented area."""
    cells = REFERENCE["purposes"][purpose]["categories"]
    return [
        name
        for name, cell in cells.items()
        if not cell["provisions"] and not REFERENCE["categories"][name]["needs_any_attestation"]
    ]


def responder_kind(purpose: str) -> str:
    """A kind of agency that keeps the first category the purpose reaches."""
    return str(REFERENCE["categories"][plain_categories(purpose)[0]]["agency_kinds"][0])


def responder_class(purpose: str) -> str:
    """A legal class that the purpose binds."""
    return next(iter(REFERENCE["purposes"][purpose]["responder_classes"]), "S11_1")


def case_grant(kind: str, role: str) -> Json:
    """A case grant that holds, for whoever asks under one alone; none for everybody else."""
    if not (REFERENCE["roles"][role]["under_grant"] or REFERENCE["agency_kinds"][kind]["under_grant"]):
        return None
    return {
        "id": "5d2c1b7e-0000-4000-8000-000000000001",
        "area": "testshire",
        "professions": sorted(REFERENCE["professions"]),
        "member": True,
        "closed": False,
        "expires_at": NOW + 3600,
    }


def question(purpose: str, invocation: tuple[str, str, str] | None = None, *, most: int = 64) -> Json:
    """What every entry point about a query reads; by the first who may invoke it unless another is given."""
    kind, legal_class, role = invocation or next(invocations(purpose))
    return {
        "time": {"epoch_s": NOW, "date": TODAY},
        "query": query(purpose, role, most=most),
        "requester": {"agency": agency("asker", kind, legal_class), "user": {"ref": USER, "role": role}},
        "counters": {"user_queries_day": 3, "agency_queries_hour": 20, "break_glass_day": 0},
        "case_grant": case_grant(kind, role),
    }


def gateway_input(purpose: str, invocation: tuple[str, str, str] | None = None, *, most: int = 64) -> Json:
    """The gateway's input with one target that keeps what is asked for."""
    target = agency("asked", responder_kind(purpose), responder_class(purpose))
    return {**question(purpose, invocation, most=most), "targets": [target]}


def requester_input(purpose: str, invocation: tuple[str, str, str] | None = None) -> Json:
    """The requester's input, by a user against whom nothing stands."""
    asked = question(purpose, invocation)
    user = {
        **asked["requester"]["user"],
        "grants": [purpose],
        "training_expires": TODAY,
        "employment_ends": TODAY,
        "conflicted": False,
        "supervised": False,
        "case_role": REFERENCE["purposes"][purpose]["case_roles"][0],
    }
    return {**asked, "user": user}


def record(category: str, ref: str = "r1", **changes: Any) -> Json:
    """A record about the child with every field of its category, dated within the period."""
    return {
        "ref": ref,
        "category": category,
        "type": type_of(category),
        "date": date(2026, 5, 1),
        "started_on": None,
        "ended_on": None,
        "unreadable": [],
        "flags": [],
        "fields": list(REFERENCE["categories"][category]["fields"]),
        "assertion": "fact",
        "relation": "subject",
        "contact_level": "lives_with",
        "handling_code": "",
        "barred_users": [],
        "permitted_users": [],
        **changes,
    }


def node_input(purpose: str, category: str, **changes: Any) -> Json:
    """The input of a responder that keeps one category and holds one record of it."""
    kind = REFERENCE["categories"][category]["agency_kinds"][0]
    asked = question(purpose)
    asked["query"]["categories"] = [{"name": category, "tier": "T2"}]
    overlay: dict[str, list[Json]] = {
        name: []
        for name in (
            *("purposes_never", "purposes_refer", "roles_never", "categories_never", "categories_refer"),
            *("flags_never", "types_never", "fields_never", "tier_caps"),
        )
    }
    return {
        **asked,
        "responder": agency("asked", kind, responder_class(purpose)),
        "gateway": {"categories": [{"name": category, "tier": TIERS[-1]}], "obligations": []},
        "overlay": overlay,
        "records": [record(category, **changes)],
        "child_flags": [],
        "review": [],
    }
