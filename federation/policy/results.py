"""The parts of a decision, typed as the engine must state them. Strict: an unknown field or a wrong type is refused."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from federation import limits
from federation.vocabulary import Effect, EnquiryOutcome, Tier

STRICT: Final = ConfigDict(strict=True, extra="forbid")

MAX_EXPIRY_S: Final = 366 * 24 * 3600
"""A decision that stands for more than a year is a mistake."""

Code = Annotated[str, Field(min_length=1, max_length=limits.MAX_CODE_CHARS, pattern=r"^[A-Za-z0-9_.-]+$")]
MAX_ENQUIRY_DELAY_S: Final = 3650 * 24 * 3600
"""As long as the bundle's schema lets a purpose delay."""

MAX_NAME_CHARS: Final = 200
"""References and field names."""

MAX_DECIDERS: Final = 2
"""More people than two never agree in the life of a query."""

OptionalCode = Annotated[str, Field(max_length=limits.MAX_CODE_CHARS, pattern=r"^[A-Za-z0-9_.-]*$")]
Text = Annotated[str, Field(max_length=MAX_NAME_CHARS)]
Lifetime = Annotated[int, Field(ge=0, le=MAX_EXPIRY_S)]


class Audience(StrEnum):
    """Who may read a reason."""

    USER = "user"
    AUDITOR = "auditor"
    BOTH = "both"


class Severity(StrEnum):
    """What a reason does."""

    INFO = "info"
    WARNING = "warning"
    DENIAL = "denial"


class Existence(StrEnum):
    """Whether the requester may learn that something is held; hidden looks exactly like nothing held."""

    VISIBLE = "visible"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True, config=STRICT)
class Reason:
    """A code of the bundle's reason catalogue."""

    code: Code
    audience: Audience
    severity: Severity


ALERT: Final = "alert"
"""Type of the obligation to show somebody what was asked."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Obligation:
    """What must also be done for the decision to stand; `type` is of the bundle's obligation catalogue."""

    id: Code
    type: Code
    mandatory: bool
    params: Mapping[Code, bool | int | Text | list[Text]]


@dataclass(frozen=True, slots=True, config=STRICT)
class Enquiry:
    """Who may learn that a question was asked.

    Attributes:
        outcome: At once, after a time, or never.
        after_s: Seconds after which; 0 unless delayed.
        audience: Who; nobody where the outcome is `never`.
    """

    outcome: EnquiryOutcome
    after_s: Annotated[int, Field(ge=0, le=MAX_ENQUIRY_DELAY_S)]
    audience: tuple[Code, ...]


NOBODY: Final = Enquiry(EnquiryOutcome.NEVER, 0, ())
"""What holds where no policy decided."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Granted:
    """A category with the highest tier that may be released of it."""

    name: Code
    tier: Tier


@dataclass(frozen=True, slots=True, config=STRICT)
class TargetDecision:
    """What the gateway may ask one responder."""

    agency: Text
    effect: Literal[Effect.PERMIT, Effect.DENY]
    categories: tuple[Granted, ...]
    reasons: tuple[Reason, ...]
    obligations: tuple[Obligation, ...]


@dataclass(frozen=True, slots=True, config=STRICT)
class Ground:
    """Why a field was sufficient to ask for: the column of the purpose that admits it."""

    field: Text
    column: Code


@dataclass(frozen=True, slots=True, config=STRICT)
class RecordDecision:
    """What a node may release of one record.

    Attributes:
        ref: The record, as the input names it.
        effect: Release, put before a human, or keep.
        tier: How much; T0 when kept.
        fields: Names of the fields that survive.
        grounds: For each of these fields, in their order, why it was sufficient to ask for.
        redactions: Names of the fields that were taken out, where that is to be said.
        shown_as: The category under which what is released is shown; empty for the record's own.
        enquiry: Who may learn of the question as far as this record goes.
        reasons: Why.
        obligations: What must also be done.
    """

    ref: Text
    effect: Literal[Effect.PERMIT, Effect.REFER, Effect.WITHHOLD]
    tier: Tier
    fields: tuple[Text, ...]
    grounds: tuple[Ground, ...]
    redactions: tuple[Text, ...]
    enquiry: EnquiryOutcome
    reasons: tuple[Reason, ...]
    obligations: tuple[Obligation, ...]
    shown_as: OptionalCode


@dataclass(frozen=True, slots=True, config=STRICT)
class Person:
    """Who of the responder's people decides, where something is put before them.

    Attributes:
        awaited: A person answers this question whatever is held, and nobody has yet.
        people: How many different people must agree before anything leaves.
        roles: Roles or grants of those who may see it and decide; empty for whoever decides here.
    """

    awaited: bool
    people: Annotated[int, Field(ge=1, le=MAX_DECIDERS)]
    roles: tuple[Code, ...]


ANYBODY: Final = Person(awaited=False, people=1, roles=())
"""One person, whoever decides here, where something is referred at all."""
