"""What obligations make this node do: whom it alerts, how it may be reached, what stays unseen. Pure.

What the requester is told of them is for `federation.admission.obligations_given` to say.

Obligations arrive with a type from the bundle's catalogue. The node carries out three types; a decision that lays down
another is a denial (`PolicyPoint(understood=UNDERSTOOD)`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from federation import limits
from federation.answer import Contact
from federation.policy.results import ALERT, Obligation

UNDERSTOOD: Final = frozenset({ALERT, "handling", "notice"})
"""Types of obligation that a responding node can carry out."""

SHIELD: Final = "shield_existence"
"""Until a person releases the record, nothing outside may show that it is held: a referral stays silent."""

RELAY: Final = "relay_contact"
"""No direct contact: where a person may be reached would tell where the child is."""


@dataclass(frozen=True, slots=True)
class Contacts:
    """How this agency can be reached.

    Attributes:
        duty: The duty desk.
        relay: Somebody elsewhere who passes calls on; None where there is no relay.
    """

    duty: Contact | None = None
    relay: Contact | None = None


@dataclass(frozen=True, slots=True)
class AlertDue:
    """An alert that one of this agency's people must see.

    Attributes:
        obligation: Id in the catalogue.
        recipients: Roles or grants.
        silent: Nobody else may know of it.
        code: What it names as its cause; empty where it names none.
    """

    obligation: str
    recipients: tuple[str, ...]
    silent: bool
    code: str = ""


def each_once(lists: Iterable[Sequence[Obligation]]) -> list[Obligation]:
    """Obligations from several places, each id once, in the order of ids."""
    found = {item.id: item for obligations in lists for item in obligations}
    return [found[key] for key in sorted(found)]


def alerts(obligations: Iterable[Obligation]) -> list[AlertDue]:
    """Those that one of this agency's people must see."""
    return [_alert(item) for item in obligations if item.type == ALERT]


def _alert(obligation: Obligation) -> AlertDue:
    to, code = obligation.params.get("to", []), obligation.params.get("code", "")
    return AlertDue(
        obligation=obligation.id,
        recipients=tuple(to) if isinstance(to, list) else (str(to),),
        silent=obligation.params.get("silent") is True,
        code=code if isinstance(code, str) and len(code) <= limits.MAX_CODE_CHARS else "",
    )


def contact_for(contacts: Contacts, obligations: Iterable[Obligation]) -> Contact | None:
    """The contact that may be given under these obligations."""
    return contacts.relay if is_relayed(obligations) else contacts.duty


def is_relayed(obligations: Iterable[Obligation]) -> bool:
    """Whether this agency may be reached through its relay only, and nothing may tell where it is."""
    return any(item.id == RELAY for item in obligations)


def is_shielded(obligations: Iterable[Obligation]) -> bool:
    """Whether a referral of this record must not be seen from outside."""
    return any(item.id == SHIELD for item in obligations)
