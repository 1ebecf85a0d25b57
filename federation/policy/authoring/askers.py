"""Who can ask under which purpose, and the question each would put: inputs of the gateway for a whole bundle. Pure.

Nothing is decided here. A golden input of the bundle is the pattern, so that an input has whatever it must have besides
what is set below.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final

from federation.england import ENGLAND
from federation.limits import MAX_CATEGORIES, MAX_TARGETS
from federation.policy_input import policy_time

ARRANGED: Final = "ARRANGED_PROVIDER"
ANY: Final = "*"
MAX_AGREEMENTS: Final = 64
"""As many as an input may name."""

Json = Any


@dataclass(frozen=True, slots=True, order=True)
class Asker:
    """A role in a kind of agency that a purpose names among those who may invoke it."""

    purpose: str
    kind: str
    role: str
    legal_class: str


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and when is asked.

    Attributes:
        area: Code of an area.
        day: In England.
    """

    area: str
    day: date

    @property
    def noon(self) -> int:
        """Seconds since the epoch."""
        return int(datetime.combine(self.day, time(12), ENGLAND).timestamp())


def askers(reference: Mapping[str, Json]) -> list[Asker]:
    """Everybody whom any purpose names, in the order of the purposes."""
    found: dict[Asker, None] = {}
    for purpose, row in reference["purposes"].items():
        for invoker in row["invokers"]:
            legal_class = _plainest(invoker["legal_classes"])
            for role in invoker["roles"]:
                for kind in _kinds(reference, invoker["agency_kinds"], role):
                    found[Asker(purpose, kind, role, legal_class)] = None
    return list(found)


def _kinds(reference: Mapping[str, Json], named: Sequence[str], role: str) -> list[str]:
    """Kinds of agency that are named and have the role; a role the bundle does not hold is asked about all the same."""
    of_role = reference["roles"].get(role, {}).get("agency_kinds", [ANY])
    kinds = list(reference["agency_kinds"]) if ANY in named else named
    return [kind for kind in kinds if ANY in of_role or kind in of_role]


def _plainest(legal_classes: Sequence[str]) -> str:
    """One that needs no contract, where there is a choice."""
    return min(legal_classes, key=lambda name: name == ARRANGED)


def questions(
    reference: Mapping[str, Json], pattern: Json, asker: Asker, setting: Setting, *, further: bool
) -> Iterator[Json]:
    """The inputs by which an asker asks everybody for everything at the highest tier.

    Args:
        reference: The bundle's data.
        pattern: An input of the gateway to start from.
        asker: Who asks.
        setting: Where and when.
        further: Also meet what the purpose and the categories ask for beyond what asking at all takes.
    """
    row, names = reference["purposes"][asker.purpose], list(reference["categories"])
    targets = list(_targets(reference, row, setting.area))
    for start in range(0, len(names), MAX_CATEGORIES):
        for first in range(0, len(targets), MAX_TARGETS):
            asked = names[start : start + MAX_CATEGORIES]
            document = copy.deepcopy(pattern)
            document["time"] = policy_time(setting.noon)
            document["counters"] = dict.fromkeys(document["counters"], 0)
            document["requester"]["agency"] = _agency(reference, "asker", asker.kind, asker.legal_class, setting.area)
            document["requester"]["user"].update(ref="asker", role=asker.role)
            document["case_grant"] = _case_grant(reference, asker, setting)
            document["query"].update(_query(reference, row, asker, setting, further=further))
            document["query"]["categories"] = [{"name": name, "tier": "T2"} for name in asked]
            document["targets"] = targets[first : first + MAX_TARGETS]
            yield document


def _query(reference: Mapping[str, Json], row: Json, asker: Asker, setting: Setting, *, further: bool) -> Json:
    requires, beyond = row["requires"], row["beyond_default"]
    positions = [item for item in requires["family_informed"] if (item in beyond["family_informed"]) is further]
    glass = row["break_glass"]
    return {
        "purpose": asker.purpose,
        "area": setting.area,
        "urgency": row["urgencies"][0],
        "attestations": _attestations(reference, row, further=further),
        "approvals": _approvals([*requires["approvals"], *((*beyond["approvals"], CO_SIGNATURE) if further else ())]),
        "family_informed": (positions or requires["family_informed"])[0],
        "break_glass": glass["codes"][0] if glass["use"] == "required" else "",
        "issued_at": setting.noon - 1,
        "expires_at": setting.noon + 3600,
    }


def _case_grant(reference: Mapping[str, Json], asker: Asker, setting: Setting) -> Json:
    """A grant that holds wherever there is law for teams, for whoever asks under one alone."""
    rows = (reference["roles"].get(asker.role, {}), reference["agency_kinds"].get(asker.kind, {}))
    if not any(row.get("under_grant", False) for row in rows):
        return None
    return {
        "id": "grant",
        "area": setting.area,
        "professions": list(reference["professions"]),
        "member": True,
        "closed": False,
        "expires_at": setting.noon + 3600,
    }


def _attestations(reference: Mapping[str, Json], row: Json, *, further: bool) -> list[str]:
    requires, beyond = row["requires"], row["beyond_default"]
    given = dict.fromkeys(requires["attestations_all"])
    wanted = [requires["attestations_any"]]
    if further:
        given |= dict.fromkeys(beyond["attestations_all"])
        wanted.append(beyond["attestations_any"])
        wanted += [reference["categories"][name]["needs_any_attestation"] for name in row["categories"]]
    for choice in wanted:
        if choice and not given.keys() & set(choice):
            given[choice[0]] = None
    return list(given)


CO_SIGNATURE: Final = {"kind": "co_signature", "roles": ["team_manager"]}
"""What somebody who asks under supervision needs for more; from anybody else it changes nothing."""


def _approvals(needed: Sequence[Json]) -> list[Json]:
    found = {(item["kind"], item["roles"][0]): None for item in needed}
    return [{"kind": kind, "role": role, "user_ref": "approver"} for kind, role in found]


def _targets(reference: Mapping[str, Json], row: Json, area: str) -> Iterator[Json]:
    legal_class = _plainest(row["responder_classes"] or ["S11_1"])
    for number, kind in enumerate(reference["agency_kinds"]):
        yield _agency(reference, f"holder-{number}", kind, legal_class, area)


def _agency(reference: Mapping[str, Json], name: str, kind: str, legal_class: str, area: str) -> Json:
    arranged = legal_class == ARRANGED
    return {
        "id": name,
        "kind": kind,
        "legal_class": legal_class,
        "areas": [area],
        "arranged_by": "commissioner" if arranged else "",
        "contract_from": {"year": 1990, "month": 1, "day": 1} if arranged else None,
        "contract_to": {"year": 2199, "month": 1, "day": 1} if arranged else None,
        "agreements": list(reference["agreements"])[:MAX_AGREEMENTS],
    }
