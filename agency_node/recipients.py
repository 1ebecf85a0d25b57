"""What policy sends to nobody here: recipients of alerts, and deciders, that no person of this node is. Pure.

A recipient is a role or a grant. Whoever has left holds none any more, and whoever has declared an interest is shown
nothing, so that neither counts; of those who decide, neither does whoever is untrained or supervised.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from agency_node.inbox.deciders import may_decide
from agency_node.users import Users
from federation.policy.catalogue import Catalogue
from federation.policy.results import ALERT


@dataclass(frozen=True, slots=True)
class Unheld:
    """What nobody holds, in order.

    Attributes:
        alerts: Roles and grants that an alert may go to: each is a recipient of its own.
        deciders: Roles and grants whose holders decide referrals, where nobody fit holds any of them.
        more_people: How many more people must decide so that what several must agree on can leave at all.
        more_holders: Of what only the holders of certain roles and grants decide: how many more fit people must hold
            one of them, by their names, joined with "/".
    """

    alerts: tuple[str, ...] = ()
    deciders: tuple[str, ...] = ()
    more_people: int = 0
    more_holders: Mapping[str, int] = field(default_factory=dict)

    def sentences(self) -> Iterator[str]:
        """The same in words, for whoever looks after the users file."""
        if self.alerts:
            yield f"nobody holds {', '.join(self.alerts)}: alerts to them reach nobody"
        if self.deciders:
            yield f"nobody decides referrals: one of {', '.join(self.deciders)} must be held"
        elif self.more_people:
            yield f"{self.more_people} more must decide referrals: what several people must agree on can never leave"
        for roles, more in self.more_holders.items():
            yield f"{more} more must hold {roles.replace('/', ' or ')}: what they alone decide can never leave"


def unheld(catalogue: Catalogue, users: Users, today: date) -> Unheld:
    """What nobody holds who works here on a day and has declared no interest."""
    present = [user for user in users.by_id.values() if user.is_employed(today) and not user.conflicted]
    held = {right for user in present for right in (user.role, *user.grants)}
    alerted = {recipient for row in catalogue.obligations.values() for recipient in _recipients(row.type, row.params)}
    missing = {
        roles: people - sum(may_decide(user, roles, catalogue, today) for user in present)
        for roles, people in _wanted(catalogue).items()
    }
    deciders = tuple(
        sorted(code for rows in (catalogue.roles, catalogue.grants) for code, row in rows.items() if row.decides)
    )
    is_decided = any(may_decide(user, (), catalogue, today) for user in present)
    return Unheld(
        alerts=tuple(sorted(alerted - held)),
        deciders=() if is_decided else deciders,
        more_people=max(missing[()], 0) if is_decided else 0,
        more_holders={"/".join(roles): more for roles, more in sorted(missing.items()) if roles and more > 0},
    )


def _wanted(catalogue: Catalogue) -> dict[tuple[str, ...], int]:
    """How many people must agree at most, by the roles and grants of which each must hold one; by none for all others.

    Where a flag names who decides, they answer compelled questions too: as many of them as a purpose wants of anybody.
    """
    compelled = [int(row["compelled"]["people"]) for row in catalogue.purposes.values() if "compelled" in row]
    most = max([1, *compelled])
    wanted: dict[tuple[str, ...], int] = {(): most}
    for row in catalogue.flags.values():
        if decided_by := row.get("decided_by"):
            roles = tuple(sorted(decided_by.get("roles", ())))
            wanted[roles] = max(wanted.get(roles, most), int(decided_by["people"]))
    return wanted


def _recipients(kind: str, params: Mapping[str, Any]) -> list[str]:
    to = params.get("to", [])
    return [str(recipient) for recipient in to] if kind == ALERT and isinstance(to, list) else []
