"""Which way each column of the reference data goes when it changes: one table for each document. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from federation.policy.authoring.change import Comparator, Direction, Found
from federation.policy.authoring.comparators import (
    TIERS,
    alternatives,
    columns,
    members,
    number,
    pairs,
    rank,
    rows,
    switch,
    unclear,
    words,
)
from federation.policy.authoring.compared_purposes import CATEGORY, OBLIGATIONS, PURPOSE, TITLES
from federation.policy.authoring.windows import in_force

Json = Any

WIDENED, UNCLEAR, NARROWED, OTHER = Direction

EXCEPT: Final = members("spares purpose {} now", "no longer spares purpose {}", more_is_wider=True)

SHIELDS: Final = switch("hides existence now", "no longer hides existence", on_is_wider=False)
SHOWS_TO: Final = members("shows to purpose {} now", "shows to purpose {} no longer", more_is_wider=True)

FLAG: Final = columns(
    {
        **TITLES,
        "reason_code": words("reason"),
        "precedence": words("precedence"),
        "reach": rank("reach", ("child", "record")),
        "withhold": columns(
            {
                "applies": switch("withholds now", "no longer withholds", on_is_wider=False),
                "except_purposes": EXCEPT,
                "except_agreements": members(
                    "spares agreement {}", "no longer spares agreement {}", more_is_wider=True
                ),
                "responder_kinds": members("at {} now", "no longer at {}", more_is_wider=False),
                "elsewhere": switch("elsewhere too now", "no longer elsewhere", on_is_wider=False),
                "yields_to_compulsion": switch(
                    "a person decides where an answer is compelled",
                    "also where an answer is compelled",
                    on_is_wider=True,
                ),
            },
            "withholding: ",
        ),
        "refer": columns(
            {
                "applies": switch("a human decides now", "no human decides any more", on_is_wider=False),
                "except_purposes": EXCEPT,
                "shields": SHIELDS,
                "open_purposes": SHOWS_TO,
                "lifted_by": unclear("what lifts it"),
            },
            "referral: ",
        ),
        "decided_by": columns(
            {
                "people": number("people who must agree", higher_is_wider=False),
                "roles": alternatives("rights of those who decide"),
            },
            "decision: ",
        ),
        "cap": columns({"tier": rank("tier", TIERS), "except_purposes": EXCEPT}, "cap: "),
        "redact": columns(
            {
                "tags": members("fields tagged {} now", "no longer fields tagged {}", more_is_wider=False),
                "fields": members("field {} now", "no longer field {}", more_is_wider=False),
                "shows": switch("may be told of now", "is not told of any more", on_is_wider=True),
            },
            "redaction: ",
        ),
        "users": unclear("what it does to users"),
        "enquiry": rank("who may learn that a question was asked", ("never", "delay", "notify", "")),
        "needs": columns(
            {
                "attestations_any": alternatives("attestations"),
            }
            | {
                name: switch(f"needs {what} now", f"no longer needs {what}", on_is_wider=False)
                for name, what in (
                    ("handling_code", "a handling code"),
                    ("context", "the person's context"),
                )
            }
        ),
        "obligations": OBLIGATIONS,
    }
)


def flag(old: Mapping[str, Json], new: Mapping[str, Json]) -> Found:
    """A handling flag; where and when it is in force it has an effect of its own, elsewhere it withholds."""
    yield from in_force([old], [new])
    window = {"areas", "effective_from", "effective_to"}
    yield from FLAG(
        {key: value for key, value in old.items() if key not in window},
        {key: value for key, value in new.items() if key not in window},
    )


AUDIT: Final = rows(
    (WIDENED, "action {} is possible: {}"),
    (NARROWED, "action {} is not possible any more"),
    columns(
        {
            **TITLES,
            "reasons": members("reason {} suffices now", "reason {} no longer suffices", more_is_wider=True),
            "parts": rows(
                (WIDENED, "{} is shown now: {}"),
                (NARROWED, "{} is no longer shown"),
                members("{} now", "no longer {}", more_is_wider=True),
            ),
            "approver_roles": alternatives("approval by"),
            "ttl_s": number("seconds for which a look lasts"),
        }
    ),
)


def audit(old: Mapping[str, Json], new: Mapping[str, Json]) -> Found:
    """Looks into ledgers: what can be done, by whom, showing what."""
    yield from columns({"actions": AUDIT})(old, new)


def enquiry(old: Mapping[str, Json], new: Mapping[str, Json]) -> Found:
    """Who may learn that a question was asked, by what is recorded of the family; the strictest outcome comes last."""
    positions = rows(
        (UNCLEAR, "the family's position {} is known now"),
        (UNCLEAR, "the family's position {} is no longer known"),
        rank("who may learn that a question was asked", ("never", "delay", "notify")),
        "the family's position {}",
    )
    yield from columns(
        {
            "delay_days": number("days of delay", higher_is_wider=False),
            "family_positions": positions,
            "outcomes": unclear("outcomes in order"),
        }
    )(old, new)


TEXTS: Final = columns(TITLES)
DECIDES: Final = switch("decides on referrals now", "no longer decides on referrals", on_is_wider=True)
UNDER_GRANT: Final = switch("asks under a case grant alone now", "needs no case grant", on_is_wider=False)
REVIEWED: Final = columns({**TITLES, "review": unclear("review")})
WINDOWS: Final = columns({**TITLES, "rows": in_force})

DOCUMENTS: Final[Mapping[str, tuple[str, Comparator]]] = {
    "purposes": ("purpose", rows((WIDENED, "can be cited now"), (NARROWED, "can no longer be cited"), PURPOSE)),
    "categories": ("category", rows((WIDENED, "is known now"), (NARROWED, "is no longer known"), CATEGORY)),
    "flags": (
        "flag",
        rows((UNCLEAR, "is known; unknown, it withheld"), (NARROWED, "withholds as unknown"), flag),
    ),
    "handling_codes": (
        "handling code",
        rows(
            (WIDENED, "is known now"),
            (NARROWED, "withholds as unknown"),
            columns(
                {
                    **TITLES,
                    "effect": rank("effect", ("withhold", "refer", "permit")),
                    "shields": SHIELDS,
                    "open_purposes": SHOWS_TO,
                    "permit_kinds": members("permits to {} now", "no longer permits to {}", more_is_wider=True),
                    "obligations": OBLIGATIONS,
                }
            ),
        ),
    ),
    "roles": (
        "role",
        rows(
            (WIDENED, "is known now"),
            (NARROWED, "is no longer known"),
            columns(
                {
                    **TITLES,
                    "agency_kinds": members("exists in {} now", "no longer in {}", more_is_wider=True),
                    "supervised": switch("asks with a co-signature now", "needs no co-signature", on_is_wider=False),
                    "ends": switch("has an end date now", "needs no end date", on_is_wider=False),
                    "under_grant": UNDER_GRANT,
                    "decides": DECIDES,
                }
            ),
        ),
    ),
    "grants": (
        "grant",
        rows((OTHER, "is known now"), (OTHER, "is no longer known"), columns({**TITLES, "decides": DECIDES})),
    ),
    "shown_names": (
        "shown name",
        rows((OTHER, "is known now"), (OTHER, "is no longer known"), columns(TITLES)),
    ),
    "provisions": ("provision", rows((OTHER, "is known now"), (NARROWED, "is no longer known"), WINDOWS)),
    "agreements": ("agreement", rows((OTHER, "is known now"), (NARROWED, "is no longer known"), WINDOWS)),
    "attestations": (
        "attestation",
        rows(
            (OTHER, "can be given now"),
            (NARROWED, "can no longer be given"),
            columns(
                {
                    **TITLES,
                    "lifts_shield": switch(
                        "needs a justification now", "needs no justification by itself", on_is_wider=False
                    ),
                }
            ),
        ),
    ),
    "break_glass": (
        "break-glass reason",
        rows(
            (WIDENED, "is known now"),
            (NARROWED, "is no longer known"),
            REVIEWED,
        ),
    ),
    "never_permitted": (
        "never permitted",
        rows((NARROWED, "is refused for ever now"), (WIDENED, "is no longer refused for ever"), columns(TITLES)),
    ),
    "limits": (
        "limit",
        rows(
            (NARROWED, "is counted now"),
            (WIDENED, "is no longer counted"),
            columns({"alert": number("alert above"), "refuse": number("refuse above")}),
        ),
    ),
    "obligations": (
        "obligation",
        rows(
            (OTHER, "can be laid down now"),
            (UNCLEAR, "can no longer be laid down"),
            columns(
                {
                    **TITLES,
                    "type": unclear("type"),
                    "params": unclear("parameters"),
                    "mandatory": switch("is mandatory now", "is no longer mandatory", on_is_wider=False),
                    "told": switch("whoever asks is told now", "whoever asks is not told any more", on_is_wider=True),
                    "when_withheld": unclear("whether it stands on what is withheld"),
                    "bearers": members("{} bears it now", "{} no longer bears it", more_is_wider=False),
                }
            ),
        ),
    ),
    "reasons": (
        "reason",
        rows(
            (OTHER, "can be given now"),
            (OTHER, "is no longer given"),
            columns(
                {
                    **{name: words(name) for name in ("legal_basis", "order", "origin", "remedy")},
                    "user": words("the user reads"),
                    "auditor": words("the auditor reads"),
                    "audience": pairs(
                        "who reads it",
                        {("auditor", "both"): WIDENED, ("auditor", "user"): WIDENED, ("both", "auditor"): NARROWED},
                    ),
                    "severity": words("severity"),
                }
            ),
        ),
    ),
    "processing_conditions": (
        "condition of data protection law",
        rows(
            (OTHER, "can be relied on now"),
            (OTHER, "is no longer relied on"),
            columns(
                {
                    **TITLES,
                    "provision": words("provision"),
                    "policy_document": switch(
                        "needs an appropriate policy document now", "needs no policy document", on_is_wider=False
                    ),
                }
            ),
        ),
    ),
    "review_reasons": (
        "reason of a person's decision",
        rows(
            (OTHER, "can be given now"),
            (OTHER, "can no longer be given"),
            columns(
                {
                    **TITLES,
                    "decisions": members("for {} now", "no longer for {}", more_is_wider=True),
                    "under_compulsion": switch(
                        "stands against compulsion now", "no longer stands against compulsion", on_is_wider=False
                    ),
                }
            ),
        ),
    ),
    "agency_kinds": (
        "agency kind",
        rows((OTHER, "is known now"), (OTHER, "is no longer known"), columns({**TITLES, "under_grant": UNDER_GRANT})),
    ),
    "professions": (
        "profession",
        rows(
            (WIDENED, "is known now"),
            (NARROWED, "is no longer known"),
            columns({**TITLES, "agency_kinds": members("{} nominates it now", "{} no longer", more_is_wider=True)}),
        ),
    ),
    "team_rules": (
        "rule about teams",
        rows((UNCLEAR, "applies now"), (UNCLEAR, "applies no longer"), columns({**TITLES, "rows": unclear("rows")})),
    ),
}
"""Name of each document of reference data to what one of its rows is called and how rows compare."""

WHOLE: Final[Mapping[str, Comparator]] = {"audit": audit, "enquiry": enquiry}
"""Documents that are one row."""
