"""The parts of a policy input that gateway and node assemble alike: time, query, agencies.

Pure. Times enter policy as integers only (`policies/capabilities.json` has no clock); the calendar date is England's.
"""

from datetime import date

from federation.canonical import JsonObject
from federation.directory import AgencyDescriptor
from federation.england import date_in_england
from federation.masking import masked
from federation.query import QueryHeader

ON_REQUEST = "request"
"""The direction of every query: nothing carries a disclosure of the holder's own motion yet."""


def date_parts(iso: str) -> JsonObject:
    """`YYYY-MM-DD` as year, month, day.

    Raises:
        ValueError: Not a calendar date.
    """
    found = date.fromisoformat(iso)
    return {"year": found.year, "month": found.month, "day": found.day}


def optional_date_parts(iso: str) -> JsonObject | None:
    """As `date_parts`; None for the empty string."""
    return date_parts(iso) if iso else None


def policy_time(now: float) -> JsonObject:
    """The only clock a policy sees: seconds since the epoch and the calendar date in England."""
    local = date_in_england(now)
    return {"epoch_s": int(now), "date": {"year": local.year, "month": local.month, "day": local.day}}


def agency_input(agency: AgencyDescriptor) -> JsonObject:
    """An agency as policy sees it."""
    return {
        "id": agency.id,
        "kind": agency.kind,
        "legal_class": agency.legal_class,
        "areas": list(agency.areas),
        "arranged_by": agency.arranged_by,
        "contract_from": optional_date_parts(agency.contract_from),
        "contract_to": optional_date_parts(agency.contract_to),
        "agreements": list(agency.agreements),
    }


def query_input(header: QueryHeader) -> JsonObject:
    """A query as policy sees it."""
    return {
        "id": header.query_id,
        "purpose": header.purpose,
        "direction": ON_REQUEST,
        "urgency": header.urgency.value,
        "area": header.area,
        "categories": [{"name": item.name, "tier": item.tier.value} for item in header.categories],
        "period": {"from": date_parts(header.period.start), "to": date_parts(header.period.end)},
        "attestations": list(header.attestations),
        "approvals": [{"role": item.role, "kind": item.kind, "user_ref": item.user_ref} for item in header.approvals],
        "family_informed": header.family_informed.value,
        "break_glass": header.break_glass,
        "justified": header.justified,
        "issued_at": header.issued_at,
        "expires_at": header.expires_at,
        "identifier_state": header.identifier_state.value,
    }


def asked(query: JsonObject) -> JsonObject:
    """What was asked, as a ledger entry carries it: all that policy sees of a query but its id, which the entry has.

    Area, attestations and the like are words that somebody typed: a number among them is not recorded.
    """
    return masked({name: value for name, value in query.items() if name != "id"})


def requester_input(agency: AgencyDescriptor, *, user_ref: str, role: str) -> JsonObject:
    """The requester as the gateway and a responder see it."""
    return {"agency": agency_input(agency), "user": {"ref": user_ref, "role": role}}
