"""The real policy, with what a test says by hand of who decides: until a person has, and once they have.

Words that the bundle may not have yet (who decides, grounds, which purposes compel) are added to its catalogue.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from federation.canonical import JsonObject, to_canonical
from federation.policy.catalogue import Catalogue, ReviewReasonRow, RightRow
from federation.policy.engine import EngineIdentity, EntryPoint, Health, RawDecision
from federation.policy.evaluator import PolicyPoint

OFFICER = "designated_officer"
DECIDING = ("caldicott_guardian", "dsl", "headteacher", "team_manager")
COMPELLED = "S47_ENQ"
"""The purpose that a test makes compelled: the one under which `Federation.ask` asks."""

GROUNDS = {
    "considered": ReviewReasonRow(decisions=("release",), under_compulsion=True),
    "more_detrimental": ReviewReasonRow(decisions=("withhold",)),
    "not_relevant": ReviewReasonRow(decisions=("withhold",)),
    "outside_the_order": ReviewReasonRow(decisions=("withhold",), under_compulsion=True),
}


def with_rights(catalogue: Catalogue, *, compelled: bool = False) -> Catalogue:
    """A catalogue that says who decides and on what grounds, and that one purpose compels."""
    roles = {code: row.model_copy(update={"decides": code in DECIDING}) for code, row in catalogue.roles.items()}
    grants = {"decide_referrals": RightRow(decides=True), OFFICER: RightRow()}
    purposes = dict(catalogue.purposes)
    purposes[COMPELLED] = {**purposes[COMPELLED], "compelled": {"applies": compelled, "people": 1}}
    changed = {"roles": roles, "grants": grants, "review_reasons": GROUNDS, "purposes": purposes}
    return catalogue.model_copy(update=changed)


def say_who_decides(point: PolicyPoint) -> None:
    """As a bundle does: to be dropped once the shipped one says it."""
    inside: Any = point
    if not inside._active.catalogue.grants:
        inside._active = replace(inside._active, catalogue=with_rights(inside._active.catalogue))


class _AnySchemas:
    def fault(self, entry_point: EntryPoint, document: JsonObject) -> str | None:  # noqa: ARG002 - as the real one
        return None


@dataclass
class HandEngine:
    """Adds to what the real engine says of a node.

    Attributes:
        awaited: A person answers whatever is held; without one everything is hidden or referred.
        people: How many.
        roles: Of whom.
        shown_as: Under which category every record is shown.
    """

    real: Any
    awaited: bool = False
    people: int = 1
    roles: tuple[str, ...] = ()
    shown_as: str = ""

    @property
    def identity(self) -> EngineIdentity:
        return self.real.identity  # type: ignore[no-any-return]  # of any engine

    async def decide(self, entry_point: EntryPoint, input_json: bytes, *, deadline_s: float) -> RawDecision:
        if entry_point is not EntryPoint.NODE:
            return await self.real.decide(entry_point, input_json, deadline_s=deadline_s)  # type: ignore[no-any-return]
        document = json.loads(input_json)
        answered = {entry["reviewer"] for entry in document["review"] if entry["ref"] == ""}
        document["review"] = [entry for entry in document["review"] if entry["ref"]]
        raw = await self.real.decide(entry_point, to_canonical(document), deadline_s=deadline_s)
        is_awaited = self.awaited and len(answered) < self.people
        said = {
            "person": {"awaited": is_awaited, "people": self.people, "roles": list(self.roles)},
            "absence_confirmed": self.awaited and not is_awaited and not document["records"],
            "records": [{**record, "shown_as": self.shown_as} for record in raw.value["records"]],
        }
        return replace(raw, value={**raw.value, **said})

    async def health(self) -> Health:
        return await self.real.health()  # type: ignore[no-any-return]


@contextmanager
def hand_policy(point: PolicyPoint, **said: Any) -> Iterator[HandEngine]:
    """The policy says these things by hand; see `HandEngine`."""
    inside: Any = point
    active, engine = inside._active, HandEngine(inside._engine, **said)
    catalogue = with_rights(active.catalogue, compelled=engine.awaited)
    inside._active, inside._engine = replace(active, catalogue=catalogue, schemas=_AnySchemas()), engine
    try:
        yield engine
    finally:
        inside._active, inside._engine = active, engine.real
