"""Reasons and obligations as a person reads them: the bundle's words for what another party, or this one, said. Pure.

What is shown was made by `federation.admission`, here or at a party that may lie or has another bundle: so this side
looks once more whether a person may be told.
"""

from collections.abc import Iterable

from federation.admission import ObligationGiven, ReasonGiven
from federation.canonical import JsonObject
from federation.policy.catalogue import Catalogue


def reasons_shown(reasons: Iterable[ReasonGiven], catalogue: Catalogue) -> list[JsonObject]:
    """Each reason once, in the order given; one without a text for users is not shown."""
    found = {reason.code: reason for reason in reasons}
    return [
        {"code": code, "severity": reason.severity, "text": row.user, "legal_basis": row.legal_basis}
        for code, reason in found.items()
        if (row := catalogue.reasons.get(code)) is not None and row.user
    ]


def obligations_shown(obligations: Iterable[ObligationGiven], catalogue: Catalogue) -> list[JsonObject]:
    """Each obligation once, in the order given; one that is not to be told is not shown.

    One that this side's bundle does not have is shown, without words: it may be a newer bundle's condition of handling.
    """
    return [
        {**item.model_dump(mode="json"), "text": "" if row is None else row.text}
        for item in {item.id: item for item in obligations}.values()
        if (row := catalogue.obligations.get(item.id)) is None or row.told
    ]
