"""Which way each column of purposes and categories goes when it changes. Pure."""

from typing import Final

from federation.policy.authoring.change import Direction
from federation.policy.authoring.comparators import (
    BREAK_GLASS,
    TIERS,
    alternatives,
    approvals,
    columns,
    invokers,
    limbs,
    members,
    number,
    pairs,
    rank,
    rows,
    switch,
    unclear,
    words,
)

WIDENED, NARROWED = Direction.WIDENED, Direction.NARROWED

TITLES: Final = {name: words(name) for name in ("title", "source", "verified", "statute", "legal_basis", "text")}
OBLIGATIONS: Final = members("obligation {} is laid down", "obligation {} falls away", more_is_wider=False)

REQUIREMENT: Final = {
    "attestations_all": members("must attest {} now", "need not attest {} any more", more_is_wider=False),
    "attestations_any": alternatives("attestations"),
    "approvals": approvals,
    "family_informed": members(
        "the family's position {} is accepted now", "the family's position {} is no longer accepted", more_is_wider=True
    ),
}

CELL: Final = columns(
    {
        "default_tier": rank("tier by default", TIERS),
        "highest_tier": rank("tier at most", TIERS),
        "provisions": members("depends on {} now", "depends on {} no longer", more_is_wider=False),
        "limbs": limbs,
        "shown_as": unclear("the name under which it is shown"),
        "obligations": OBLIGATIONS,
    }
)

PURPOSE: Final = columns(
    {
        **TITLES,
        "provisions": members("depends on {} being in force now", "depends on {} no longer", more_is_wider=False),
        "invokers": invokers,
        "responder_classes": alternatives("legal class of responders"),
        "agreements_any": alternatives("agreements of the requester"),
        "responder_agreements_any": alternatives("agreements of responders"),
        "area_rule": rank("area", ("own", "any")),
        "urgencies": members("may be {} now", "may no longer be {}", more_is_wider=True),
        "requires": columns(REQUIREMENT, "to ask: "),
        "beyond_default": columns(REQUIREMENT, "for more than the default: "),
        "case_roles": members("the part {} in the case suffices now", "{} no longer suffices", more_is_wider=True),
        "categories": rows(
            (WIDENED, "category {} can be asked for: {}"),
            (NARROWED, "category {} can not be asked for"),
            CELL,
            "category {}",
        ),
        "relations": rows(
            (WIDENED, "reaches people of relation {} now, up to {}"),
            (NARROWED, "no longer reaches relation {}"),
            rank("tier", TIERS),
            "relation {}",
        ),
        "human_decision_from": rank("a human decides from tier", (*TIERS, "")),
        "protected_fields": members("protected field {} is given now", "{} is no longer given", more_is_wider=True),
        "break_glass": columns(
            {
                "use": pairs("break-glass", BREAK_GLASS),
                "codes": members("break-glass for {} now", "break-glass no longer for {}", more_is_wider=True),
            }
        ),
        "ttl_s": number("seconds for which a grant lasts"),
        "clock": words("statutory clock"),
        "obligations": OBLIGATIONS,
        "processing": words("conditions of data protection law"),
        "enquiry": words("who may learn that a question was asked"),
        "directions": members("direction {} is possible now", "direction {} is no longer possible", more_is_wider=True),
        "redact_tags": members("takes out fields tagged {} now", "{} is no longer taken out", more_is_wider=False),
        "human_decision_shields": switch(
            "a referral hides existence now", "a referral no longer hides existence", on_is_wider=False
        ),
        "default_period_years": unclear("years that a question covers by itself"),
        "compelled": columns(
            {
                "applies": unclear("a person answers, whatever is held"),
                "people": number("people who must agree", higher_is_wider=False),
            },
            "compelled: ",
        ),
        "justification": rank("a reason in words", ("always", "for_detail")),
        "caution": words("the caution beside every picture"),
    }
)

FIELD: Final = columns(
    {
        **TITLES,
        "tier": rank("given from tier", TIERS, higher_is_wider=False),
        "tags": members("is tagged {} now", "is no longer tagged {}", more_is_wider=False),
        "protected": switch("is protected now", "is no longer protected", on_is_wider=False),
    }
)

CATEGORY: Final = columns(
    {
        **TITLES,
        "agency_kinds": members("{} may be asked for it now", "{} is no longer asked for it", more_is_wider=True),
        "highest_tier": rank("tier at most", TIERS),
        "needs_any_attestation": alternatives("attestations"),
        "third_party": switch("is about adults now", "is no longer about adults", on_is_wider=False),
        "human_release": switch("a human releases it now", "no human need release it", on_is_wider=False),
        "shields": switch("its existence is shielded now", "its existence is no longer shielded", on_is_wider=False),
        "open_purposes": members(
            "its referral shows to purpose {} now", "its referral shows to purpose {} no longer", more_is_wider=True
        ),
        "lasts": switch("lasts until it is ended now", "is an event of one day now", on_is_wider=True),
        "intelligence": switch("may hold intelligence now", "holds no intelligence now", on_is_wider=False),
        "types": alternatives("types that need no person"),
        "never_types": members(
            "types with {} are never shared now", "types with {} may be shared now", more_is_wider=False
        ),
        "fields": rows(
            (WIDENED, "field {} is given now: {}"), (NARROWED, "field {} is no longer given"), FIELD, "field {}"
        ),
    }
)
