"""Small catalogues: the words of a bundle, as far as a test needs them."""

from collections.abc import Collection, Mapping
from typing import Any

from federation.policy.catalogue import Catalogue, ObligationRow, ReasonRow
from federation.policy.results import Audience, Severity


def small_catalogue(
    *,
    told: Collection[str] = (),
    kept: Collection[str] = (),
    reasons: Mapping[str, str] | None = None,
    purposes: Mapping[str, Mapping[str, Any]] | None = None,
    categories: Mapping[str, Mapping[str, Any]] | None = None,
) -> Catalogue:
    """A catalogue.

    Args:
        told: Obligations of which whoever asked is told.
        kept: Obligations of which they are not.
        reasons: Texts for users by code; without a text a reason is the auditors'.
        purposes: Rows by code.
        categories: Rows by code.
    """
    return Catalogue(
        reasons={
            code: ReasonRow(
                audience=Audience.BOTH if text else Audience.AUDITOR,
                severity=Severity.INFO,
                user=text,
            )
            for code, text in (reasons or {}).items()
        },
        obligations={
            name: ObligationRow(type="handling", mandatory=True, told=name in told, text=f"Text of {name}.")
            for name in (*told, *kept)
        },
        purposes=purposes or {},
        categories=categories or {},
        never_permitted={},
    )
