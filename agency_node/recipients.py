"""What policy sends to nobody here: recipients of alerts, and deciders, that no person of this node is. Pure.

A recipient is a role or a grant. Whoever has left holds none any more, and whoever has declared an interest is shown
nothing, so that neither counts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from agency_node.answering.duties import ALERT
from agency_node.users import Users
from federation.policy.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Unheld:
    """What nobody holds, in order.

    Attributes:
        alerts: Roles and grants that an alert may go to: each is a recipient of its own.
        deciders: Roles and grants whose holders decide referrals, where nobody holds any of them.
        more_people: How many more people must decide so that what several must agree on can leave at all.
    """

    alerts: tuple[str, ...] = ()
    deciders: tuple[str, ...] = ()
    more_people: int = 0

    def sentences(self) -> Iterator[str]:
        """The same in words, for whoever looks after the users file."""
        if self.alerts:
            yield f"nobody holds {', '.join(self.alerts)}: alerts to them reach nobody"
        if self.deciders:
            yield f"nobody decides referrals: one of {', '.join(self.deciders)} must be held"
        elif self.more_people:
            yield f"{self.more_people} more must decide referrals: what several people must agree on can never leave"


def unheld(catalogue: Catalogue, users: Users, today: date) -> Unheld:
    """What nobody holds who works here on a day and has declared no interest."""
    present = [user for user in users.by_id.values() if user.is_employed(today) and not user.conflicted]
    held = {right for user in present for right in (user.role, *user.grants)}
    alerted = {recipient for row in catalogue.obligations.values() for recipient in _recipients(row.type, row.params)}
    deciders = {code for rows in (catalogue.roles, catalogue.grants) for code, row in rows.items() if row.decides}
    deciding = [user for user in present if not deciders.isdisjoint((user.role, *user.grants))]
    return Unheld(
        alerts=tuple(sorted(alerted - held)),
        deciders=() if deciding else tuple(sorted(deciders)),
        more_people=max(_people(catalogue) - len(deciding), 0) if deciding else 0,
    )


def _people(catalogue: Catalogue) -> int:
    """How many people must agree at most, by any flag or purpose."""
    by_flag = [int(row["decided_by"]["people"]) for row in catalogue.flags.values() if "decided_by" in row]
    by_purpose = [int(row["compelled"]["people"]) for row in catalogue.purposes.values() if "compelled" in row]
    return max([1, *by_flag, *by_purpose])


def _recipients(kind: str, params: Mapping[str, Any]) -> list[str]:
    to = params.get("to", [])
    return [str(recipient) for recipient in to] if kind == ALERT and isinstance(to, list) else []
