"""The region that is measured: one agency that asks, those that are asked, and one whose caseload is read.

Areas lie inside each other: who asks in `bench-5` asks the first five responders, in `bench-20` the first twenty. Every
responder knows two children in three, with three records each.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from agency_node.sources.dates import ENGLAND
from sandbox.generator.dice import Dice
from sandbox.generator.identifiers import nhs_numbers
from sandbox.region import Region
from sandbox.toml_file import validate

ASKER: Final = "asker"
INDEXER: Final = "indexer"
SEED: Final = 1_989
CHILDREN: Final = 30
USERS: Final = 60
"""Policy looks closer at a person who asks more than a hundred times a day: the questions go round."""

DEADLINE_S: Final = 120
"""A saturated machine is slow; a query that runs into its deadline would be measured as a quick one."""

Kind = tuple[str, str, Mapping[str, Mapping[str, str | int | bool]]]

_DAY: Final = "2026-05-01"
KINDS: Final[Sequence[Kind]] = (
    (
        "police",
        "S11_1",
        {
            "police_known": {"known_in_12_months": True, "last_contact_date": _DAY, "officer_contact": "01632 960201"},
            "police_incident": {"incident_date": _DAY, "incident_type": "domestic", "incident_line": "Child present."},
            "domestic_abuse": {"incident_count": 2, "last_incident_date": _DAY, "op_encompass_sent": True},
        },
    ),
    (
        "school",
        "S16E_EDU",
        {
            "enrolment": {"school_name": "Bench Primary", "on_roll_date": _DAY, "dsl_name": "Sam Okoro"},
            "attendance": {"attendance_percent": 81, "unauthorised_percent": 12, "code_pattern": "Mondays"},
            "safeguarding_log": {"on_log": True, "last_entry_date": _DAY, "entry_text": "Bruise on the left arm."},
        },
    ),
    (
        "gp",
        "S11_1",
        {
            "gp_registration": {"practice_name": "Bench Surgery", "last_seen_date": _DAY, "wnb_count_12m": 3},
            "attendance_health": {"attendance_date": _DAY, "setting": "walk-in", "left_before_seen": False},
            "injury": {"injury_coded": True, "injury_date": _DAY, "explanation_given": "Fell."},
        },
    ),
    (
        "youth_justice",
        "S11_1",
        {
            "youth_justice": {"order_type": "YRO", "risk_level": "medium", "worker_name": "Lee Hart"},
        },
    ),
)  # fmt: skip

QUESTION: Final[Mapping[str, Any]] = {
    "purpose": "FRONT_DOOR",
    "categories": [f"{category}:T1" for _, _, held in KINDS for category in held],
    "attestations": ["threshold_decision_needed", "partner_most_relevant"],
    "family_informed": "unsafe",
    "urgency": "routine",
    "justification": "Bruise reported by the school.",
}
"""What every question says, besides who asks, about whom, and where."""


def area_of(targets: int) -> str:
    """The area in which so many agencies are asked."""
    return f"bench-{targets}"


def responder(number: int) -> str:
    """Id of the agency of this number, from 1 on."""
    return f"responder-{number:03d}"


def user(number: int) -> str:
    """Id of the person of this number, from 0 on."""
    return f"user-{number % USERS:02d}"


def children(count: int = CHILDREN, purpose: str = "children") -> list[str]:
    """NHS numbers of the range that is never issued; always the same."""
    return [number.canonical() for number in islice(nhs_numbers(Dice(SEED, purpose)), count)]


def bench_region(targets: Sequence[int], *, indexed: int, quantum_ms: int = 0) -> Region:
    """The region.

    Args:
        targets: How many agencies are asked, for each area there is.
        indexed: Children on the caseload of `INDEXER`.
        quantum_ms: Answers leave on multiples of this.
    """
    today = dt.datetime.now(ENGLAND).date()
    areas = [area_of(number) for number in sorted(targets)]
    known = children()
    agencies = [
        _agency(ASKER, "childrens_services", "S11_1", areas, known)
        | {"users": [_user(number) for number in range(USERS)]},
        _agency(INDEXER, "childrens_services", "S11_1", ["bench-index"], children(indexed, "indexed")),
        *(_responder(number, targets, known) for number in range(1, max(targets) + 1)),
    ]
    raw = {
        "format": 1,
        "name": "Bench",
        "seed": SEED,
        "today": today,
        "folder": Path(__file__).parent,
        "population": {"children": 0, "families": "none"},
        "nodes": {"quantum_ms": quantum_ms, "times": {"routine_deadline_s": DEADLINE_S}},
        "agencies": agencies,
    }
    return validate(Region, raw, name="bench", context={"today": today})


def _agency(agency: str, kind: str, legal_class: str, areas: Sequence[str], known: Sequence[str]) -> dict[str, Any]:
    return {
        "id": agency,
        "name": agency.replace("-", " ").title(),
        "kind": kind,
        "legal_class": legal_class,
        "areas": list(areas),
        "agreements": ["mash"],
        "declared_caseload": max(1_000, len(known)),
        "sources": [{"name": "records", "kind": "literal"}],
        "children": [{"nhs_number": number} for number in known],
    }


def _responder(number: int, targets: Sequence[int], known: Sequence[str]) -> dict[str, Any]:
    kind, legal_class, held = KINDS[number % len(KINDS)]
    areas = [area_of(size) for size in sorted(targets) if number <= size]
    here = [child for position, child in enumerate(known) if (position + number) % 3]
    records = [
        {"nhs_number": child, "category": category, "type": category, "date": "today-60d", "fields": fields}
        for child in here
        for category, fields in held.items()
    ]
    return _agency(responder(number), kind, legal_class, areas, here) | {"records": records}


def _user(number: int) -> dict[str, Any]:
    return {
        "id": user(number),
        "name": f"Person {number}",
        "role": "mash_manager",
        "case_role": "duty",
        "grants": ["FRONT_DOOR"],
        "training_expires": "today+200d",
    }
