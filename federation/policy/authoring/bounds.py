"""What holds a tier down: every bound that the bundle's data sets on what was asked, read to explain a decision. Pure.

The engine decides. What stands here is only ever compared with its answer, and where the two do not add up the
explanation says that another rule had a hand in it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from federation.policy.results import RecordDecision
from federation.vocabulary import Tier

CONDITIONS_NOT_MET: Final = "TIER_NEEDS_CONDITIONS"
"""The reason by which policy says that the purpose's default tier applied for want of its further conditions."""

OTHER: Final = "another rule"

Json = Any


@dataclass(frozen=True, slots=True)
class Bound:
    """One thing that limits a tier.

    Attributes:
        name: What limits: `asked`, `purpose by default`, `purpose at most`, `role`, `category`, `gateway`, `overlay`,
            `relation`, `flag CODE`, `what could not be read`, or `another rule`.
        tier: The most it leaves.
        decisive: Whether the tier that was given is exactly that.
    """

    name: str
    tier: Tier
    decisive: bool


def of_category(
    reference: Json, document: Json, category: str, given: Tier, reasons: Iterable[str]
) -> tuple[Bound, ...]:
    """What limits a category of a query.

    Args:
        reference: The bundle's data.
        document: The input that was decided on.
        category: Its name.
        given: The tier the engine gave.
        reasons: Codes of the reasons given about the query as a whole.
    """
    return _judged(_of_query(reference, document, category, set(reasons)), given)


def of_record(
    reference: Json, document: Json, record: Json, decided: RecordDecision, reasons: Iterable[str]
) -> tuple[Bound, ...]:
    """What limits one record at the responder: all that limits its category, and what this node adds."""
    category = str(record["category"])
    found = [
        *_of_query(reference, document, category, set(reasons)),
        *_named("category", [reference["categories"].get(category, {}).get("highest_tier")]),
        *_named("gateway", _tiers_for(document["gateway"]["categories"], "name", category)),
        *_named("overlay", _tiers_for(document["overlay"]["tier_caps"], "category", category)),
        *_named("relation", [_purpose(reference, document).get("relations", {}).get(record["relation"])]),
        *_of_flags(reference, document, record),
        *_named("what could not be read", [Tier.T0] if record["unreadable"] else []),
    ]
    return _judged(found, decided.tier)


def flags_reaching(reference: Json, document: Json, record: Json) -> list[str]:
    """Flags the record carries, and those of the child's other records that reach every record: unknown ones do."""
    everywhere = {flag for item in document["records"] for flag in item["flags"] if _reach(reference, flag) == "child"}
    return sorted({*record["flags"], *everywhere})


def _reach(reference: Json, flag: str) -> str:
    return str(reference["flags"].get(flag, {}).get("reach", "child"))


def _purpose(reference: Json, document: Json) -> Mapping[str, Json]:
    row: Mapping[str, Json] = reference["purposes"].get(document["query"]["purpose"], {})
    return row


def _of_query(reference: Json, document: Json, category: str, reasons: set[str]) -> Iterator[tuple[str, Tier]]:
    row = _purpose(reference, document)
    asked = [item["tier"] for item in document["query"]["categories"] if item["name"] == category]
    yield from _named("asked", asked)
    cell = row.get("categories", {}).get(category)
    if cell is not None:
        by_default = CONDITIONS_NOT_MET in reasons and cell["highest_tier"] > cell["default_tier"]
        column, name = ("default_tier", "by default") if by_default else ("highest_tier", "at most")
        yield from _named(f"purpose {name}", [cell[column]])
    agency, role = document["requester"]["agency"], document["requester"]["user"]["role"]
    mine = [
        invoker["roles"].get(role)
        for invoker in row.get("invokers", [])
        if agency["legal_class"] in invoker["legal_classes"] and {"*", agency["kind"]} & set(invoker["agency_kinds"])
    ]
    known = [tier for tier in mine if tier is not None]
    yield from _named("role", [max(known)] if known else [])


def _of_flags(reference: Json, document: Json, record: Json) -> Iterator[tuple[str, Tier]]:
    for flag in flags_reaching(reference, document, record):
        cap = reference["flags"].get(flag, {}).get("cap")
        if cap is not None and document["query"]["purpose"] not in cap["except_purposes"]:
            yield from _named(f"flag {flag}", [cap["tier"]])


def _tiers_for(rows: Iterable[Json], key: str, category: str) -> list[str]:
    return [str(row["tier"]) for row in rows if row[key] == category]


def _named(name: str, tiers: Iterable[str | None]) -> Iterator[tuple[str, Tier]]:
    """Nothing where a bound is not set: a cap that leaves everything is not one."""
    yield from ((name, Tier(tier)) for tier in tiers if tier is not None)


def _judged(found: Iterable[tuple[str, Tier]], given: Tier) -> tuple[Bound, ...]:
    bounds = [Bound(name, tier, decisive=tier is given) for name, tier in found]
    if not any(bound.decisive for bound in bounds) or min(bound.tier.value for bound in bounds) != given.value:
        bounds.append(Bound(OTHER, given, decisive=True))
    return tuple(bounds)
