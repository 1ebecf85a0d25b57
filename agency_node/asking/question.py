"""The question as a user puts it, checked against the bundle's words before anything is done with it. Pure.

A mistyped number, purpose, category or date is a clear error and goes nowhere; whether the question is *lawful* is for
policy alone to say. What a purpose shows under one name is asked about as one.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from federation import limits
from federation.document import Code, Document, Uuid
from federation.errors import ErrorCode, WardgateError
from federation.policy.catalogue import Catalogue
from federation.query import Approval, CategoryAsked, Period
from federation.vocabulary import FamilyInformed, IdentifierState, Tier, Urgency
from federation.words import says_something
from keys.errors import NhsNumberRejected
from keys.nhs_number import NhsNumber, may_be_issued


@dataclass(frozen=True, slots=True)
class Times:
    """How long online targets have to answer, and how long late answers are taken, seconds."""

    deadline_s: int
    expiry_s: int


DEFAULT_TIMES: Final[Mapping[Urgency, Times]] = {
    Urgency.ROUTINE: Times(deadline_s=10, expiry_s=24 * 3600),
    Urgency.URGENT: Times(deadline_s=5, expiry_s=8 * 3600),
    Urgency.EMERGENCY: Times(deadline_s=3, expiry_s=4 * 3600),
}


class ApprovalNamed(Document):
    """A colleague who has approved the question, by the id this node knows them under, and in what capacity."""

    user: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Code


class QuestionDocument(Document):
    """What the command line or a screen sends to the node. Empty strings and lists mean: the node's default."""

    MAX_BYTES: ClassVar[int] = 64 * 1024

    user: Annotated[str, Field(min_length=1, max_length=200)]
    purpose: Annotated[str, Field(min_length=1, max_length=limits.MAX_CODE_CHARS)]
    child: Annotated[str, Field(min_length=1, max_length=64, repr=False)]
    categories: Annotated[list[str], Field(max_length=limits.MAX_CATEGORIES)] = Field(default_factory=list)
    start: Annotated[str, Field(max_length=10)] = ""
    end: Annotated[str, Field(max_length=10)] = ""
    attestations: Annotated[list[Code], Field(max_length=limits.MAX_ATTESTATIONS)] = Field(default_factory=list)
    approvals: Annotated[list[ApprovalNamed], Field(max_length=limits.MAX_APPROVALS)] = Field(default_factory=list)
    justification: Annotated[str, Field(max_length=limits.MAX_JUSTIFICATION_CHARS, repr=False)] = ""
    family_informed: FamilyInformed = FamilyInformed.NO
    urgency: Urgency | None = None
    break_glass: Annotated[str, Field(max_length=limits.MAX_CODE_CHARS, pattern=r"^[A-Za-z0-9_.-]*$")] = ""
    area: Annotated[str, Field(max_length=limits.MAX_CODE_CHARS, pattern=r"^[A-Za-z0-9_.-]*$")] = ""
    case_grant: Uuid | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class CheckedQuestion:
    """A question whose every word is known. Made only by `check_question`."""

    user_id: str
    child: NhsNumber
    purpose: str
    categories: tuple[CategoryAsked, ...]
    period: Period
    attestations: tuple[str, ...]
    approvals: tuple[Approval, ...]
    justification: str
    family_informed: FamilyInformed
    identifier_state: IdentifierState
    urgency: Urgency
    break_glass: str
    area: str
    case_grant: str = ""

    @property
    def justified(self) -> bool:
        """Whether it says why it is put."""
        return says_something(self.justification)


def check_question(
    document: QuestionDocument,
    *,
    approvals: Sequence[Approval],
    catalogue: Catalogue,
    home_area: str,
    today: date,
    test_numbers: bool = False,
) -> CheckedQuestion:
    """Check a question and fill in the defaults.

    Args:
        document: As the user put it.
        approvals: The approvals it names, looked up among this node's people.
        catalogue: The bundle's purposes and categories.
        home_area: The area asked in when the question names none.
        today: England's calendar date.
        test_numbers: Take NHS numbers of the range for tests.

    Raises:
        WardgateError: `NHS_NUMBER_INVALID`, `PURPOSE_UNKNOWN`, `CATEGORY_UNKNOWN`, `TIER_UNKNOWN`, `PERIOD_INVALID`.
    """
    child = number_of(document.child, test_numbers=test_numbers)
    purpose = catalogue.purposes.get(document.purpose)
    if purpose is None and document.purpose not in catalogue.never_permitted:
        raise WardgateError(ErrorCode.PURPOSE_UNKNOWN)
    urgency = document.urgency or (Urgency.EMERGENCY if document.break_glass else Urgency.ROUTINE)
    return CheckedQuestion(
        user_id=document.user,
        child=child,
        purpose=document.purpose,
        categories=_categories(document.categories, purpose, catalogue),
        period=_period(document.start, document.end, today, purpose),
        attestations=tuple(document.attestations),
        approvals=tuple(approvals),
        justification=document.justification,
        family_informed=document.family_informed,
        identifier_state=IdentifierState.PRESENT,
        urgency=urgency,
        break_glass=document.break_glass,
        area=document.area or home_area,
        case_grant=document.case_grant,
    )


def number_of(typed: str, *, test_numbers: bool) -> NhsNumber:
    """The NHS number that a person typed.

    Raises:
        WardgateError: `NHS_NUMBER_INVALID`.
    """
    try:
        child = NhsNumber.parse(typed)
    except NhsNumberRejected as error:
        raise WardgateError(ErrorCode.NHS_NUMBER_INVALID) from error
    if not may_be_issued(child, test_numbers=test_numbers):
        raise WardgateError(ErrorCode.NHS_NUMBER_INVALID, "never issued to anybody")
    return child


def _categories(asked: list[str], purpose: Mapping[str, Any] | None, catalogue: Catalogue) -> tuple[CategoryAsked, ...]:
    if not asked:
        # A purpose that is never permitted has no defaults; policy must still see a whole question to refuse it.
        return (
            default_categories(purpose) if purpose else (CategoryAsked(name=min(catalogue.categories), tier=Tier.T0),)
        )
    found: dict[str, Tier] = {}
    for text in asked:
        name, _, tier_text = text.partition(":")
        if name not in catalogue.categories:
            raise WardgateError(ErrorCode.CATEGORY_UNKNOWN)
        try:
            tier = Tier(tier_text)
        except ValueError as error:
            raise WardgateError(ErrorCode.TIER_UNKNOWN) from error
        found[name] = max(tier, found.get(name, tier))
    beside = {item.name: item.tier for item in _shown_beside(found, purpose)} if purpose else {}
    return tuple(CategoryAsked(name=name, tier=tier) for name, tier in sorted((beside | found).items()))


def _shown_beside(named: Collection[str], purpose: Mapping[str, Any]) -> Iterator[CategoryAsked]:
    """What is shown under one name with a category that was named: what was typed must not decide a statute's test."""
    rows: Mapping[str, Mapping[str, Any]] = purpose["categories"]
    shown_as = {rows[name].get("shown_as", "") for name in named if name in rows} - {""}
    return (item for item in default_categories(purpose) if rows[item.name].get("shown_as", "") in shown_as)


def default_categories(purpose: Mapping[str, Any]) -> tuple[CategoryAsked, ...]:
    """What a purpose asks for when the user names nothing: its own default tiers in the bundle."""
    rows: Mapping[str, Mapping[str, Any]] = purpose["categories"]
    return tuple(CategoryAsked(name=name, tier=Tier(str(row["default_tier"]))) for name, row in sorted(rows.items()))


def _period(start: str, end: str, today: date, purpose: Mapping[str, Any] | None) -> Period:
    # As with categories: a purpose that is never permitted has no period of its own.
    years = int(purpose["default_period_years"]) if purpose else 0
    try:
        last = date.fromisoformat(end) if end else today
        first = date.fromisoformat(start) if start else years_before(today, years)
        period = Period(start=first.isoformat(), end=last.isoformat())  # which takes the years from 1000 to 2999 alone
    except ValueError:
        raise WardgateError(ErrorCode.PERIOD_INVALID) from None
    if first > today:
        text = f"The period begins on {first.isoformat()}; today is {today.isoformat()}."
        raise WardgateError(ErrorCode.PERIOD_INVALID, told=text)
    if first > last:
        text = f"The period begins on {first.isoformat()} and ends on {last.isoformat()}."
        raise WardgateError(ErrorCode.PERIOD_INVALID, told=text)
    return period


def years_before(day: date, years: int) -> date:
    """The same day so many years earlier; 28 February for a leap day."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return (day - timedelta(days=1)).replace(year=day.year - years)
