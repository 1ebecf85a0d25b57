"""Scenes of a region: one question each, who asks it, and what must come back from whom. Pure.

A scene's variations put the same question with one thing changed: about the twin control of the child, by somebody who
may not ask, without what the law demands. What differs in the answer is then the effect of that one thing.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictStr, model_validator

from federation.document import AgencyName, Code
from federation.vocabulary import Completeness, FamilyInformed, Urgency
from sandbox.literal_records import Strict

Expected = Literal[
    "records", "nothing_held", "refused", "undecided", "error", "referred", "not_permitted", "waiting", "unreachable"
]
"""What comes from one target: an answer's outcome, or the target's state where there is no answer."""

_CategoryAsked = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}:T[012]$")]
_Categories = Annotated[tuple[_CategoryAsked, ...], Field(min_length=1, max_length=64)]
_Child = Annotated[StrictStr, Field(min_length=1, max_length=130)]
_LookBack = Annotated[int, Field(ge=1, le=20_000)]
_Title = Annotated[StrictStr, Field(min_length=1, max_length=200)]
_BreakGlass = Annotated[StrictStr, Field(max_length=64, pattern=r"^[A-Za-z0-9_.-]*$")]
_Justification = Annotated[StrictStr, Field(max_length=4_000)]
_Area = Annotated[StrictStr, Field(max_length=64, pattern=r"^[A-Za-z0-9_.-]*$")]


class SceneApproval(Strict):
    """A second person of the asking agency, and what kind of approval it gives."""

    user: StrictStr
    kind: Code


class SceneDecision(Strict):
    """A person at a responder decides what this question referred to it.

    Attributes:
        ground: Code of the bundle's ground; a release may leave it out where only one carries it.
        then: What must come from that agency after this decision; what still waits is looked at after a moment.
    """

    agency: AgencyName
    user: StrictStr
    decision: Literal["release", "withhold"]
    ground: Annotated[StrictStr, Field(max_length=64, pattern=r"^[A-Za-z0-9_.-]*$")] = ""
    reason: Annotated[StrictStr, Field(max_length=1_000)] = ""
    then: Expected | None = None


class SceneAlert(Strict):
    """Somebody is told of this question by an alert.

    Attributes:
        agency: Whose alert it is.
        user: The person there, by one of their roles or grants.
        obligation: The obligation that demands it.
    """

    agency: AgencyName
    user: StrictStr
    obligation: Code


class ShownRecord(Strict):
    """Something about the records of one category that one agency shows.

    Attributes:
        agency: Who shows them.
        category: Their category; there must be one.
        fields: Fields that every one of them has.
        without: Fields that none of them has.
        flags: Handling flags that travel with every one of them.
        redactions: Exactly the fields of which each says that they were taken out; left out, that is not looked at.
    """

    agency: AgencyName
    category: Code
    fields: tuple[Code, ...] = ()
    without: tuple[Code, ...] = ()
    flags: tuple[Code, ...] = ()
    redactions: tuple[Code, ...] | None = None


class Expectation(Strict):
    """What must come back. What is left out is not looked at.

    Attributes:
        before: What must come from each agency before anybody decides.
        expect: What must come from each agency.
        completeness: What the picture must be.
        records: For an agency, exactly the `category:tier` of the records it shows.
        shows: What must be true of the records shown.
        contact: For an agency, whether it says how a person there can be reached.
        obligations: Obligations that must be among those of the query, its targets and its answers.
        without_obligations: Obligations that must not be among them.
        reasons: Exactly the reasons given for the whole.
        alerts: Who must have been alerted to this question.
        without_alerts: Who must not have been.
        decide: What people at responders decide about this question, in this order, before the picture is looked at.
    """

    before: dict[AgencyName, Expected] = Field(default_factory=dict)
    expect: dict[AgencyName, Expected] = Field(default_factory=dict)
    completeness: Completeness | None = None
    records: dict[AgencyName, tuple[_CategoryAsked, ...]] = Field(default_factory=dict)
    shows: tuple[ShownRecord, ...] = ()
    contact: dict[AgencyName, StrictBool] = Field(default_factory=dict)
    obligations: tuple[Code, ...] = ()
    without_obligations: tuple[Code, ...] = ()
    reasons: tuple[Code, ...] | None = None
    alerts: tuple[SceneAlert, ...] = ()
    without_alerts: tuple[SceneAlert, ...] = ()
    decide: tuple[SceneDecision, ...] = ()

    def agencies(self) -> set[str]:
        """Every agency that is named."""
        named = {*self.before, *self.expect, *self.records, *self.contact, *(shown.agency for shown in self.shows)}
        return named | {agency for agency, _ in self.people()}

    def people(self) -> list[tuple[str, str]]:
        """Everybody who decides, is alerted or must not be: agency and user."""
        named: tuple[SceneDecision | SceneAlert, ...] = (*self.decide, *self.alerts, *self.without_alerts)
        return [(one.agency, one.user) for one in named]

    @property
    def says_something(self) -> bool:
        """Whether a picture could fail it."""
        return bool(self.before or self.expect or self.completeness or self.reasons is not None)


class Change(Strict):
    """What a variation puts in the place of the scene's own; see `Scene` for the keys."""

    agency: AgencyName | None = None
    user: StrictStr | None = None
    child: _Child | None = None
    purpose: Code | None = None
    urgency: Urgency | None = None
    categories: _Categories | None = None
    look_back_days: _LookBack | None = None
    attestations: tuple[Code, ...] | None = None
    approvals: tuple[SceneApproval, ...] | None = None
    family_informed: FamilyInformed | None = None
    break_glass: _BreakGlass | None = None
    area: _Area | None = None
    justification: _Justification | None = None

    @property
    def keys(self) -> frozenset[str]:
        """What is changed."""
        return frozenset(self.model_fields_set)


class Variation(Expectation):
    """The scene's question once more, with something changed, or nothing: asked again.

    Attributes:
        title: One line for the screen.
        but: What is changed.
        alike: Before anybody decides, every agency must answer exactly as it answered the scene itself.
    """

    title: _Title
    but: Change = Change()
    alike: StrictBool = False

    @property
    def says_something(self) -> bool:
        """Whether a picture could fail it."""
        return self.alike or super().says_something


class Scene(Expectation):
    """One question.

    Attributes:
        name: For `--scene`.
        title: One line for the screen.
        text: What is going on, for people.
        flag: The handling flag whose effect the scene shows, by a variation about the twin control.
        agency: Who asks.
        user: The person there who asks.
        child: `family/child` of the scripted families, or an NHS number.
        purpose: Purpose code.
        categories: `name:tier`.
        look_back_days: How far back the question reaches.
        area: The area whose law it is asked under; empty for the asking agency's first.
        justification: Why; empty for the title. A blank one is no justification.
        variations: The same question with something changed, in this order.
    """

    name: Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    title: _Title
    text: Annotated[StrictStr, Field(max_length=2_000)] = ""
    flag: Code | Literal[""] = ""
    agency: AgencyName
    user: StrictStr
    child: _Child
    purpose: Code
    urgency: Urgency = Urgency.ROUTINE
    categories: _Categories
    look_back_days: _LookBack = 730
    attestations: tuple[Code, ...] = ()
    approvals: tuple[SceneApproval, ...] = ()
    family_informed: FamilyInformed = FamilyInformed.NO
    break_glass: _BreakGlass = ""
    area: _Area = ""
    justification: _Justification = ""
    variations: tuple[Variation, ...] = ()

    def varied(self, variation: Variation) -> Self:
        """The scene with what a variation changes."""
        changes = {key: getattr(variation.but, key) for key in variation.but.keys}
        return self.model_copy(update=changes)

    def check_people(self, users: Mapping[str, set[str]]) -> None:
        """See that everybody the scene names is there.

        Args:
            users: The people's ids by agency.

        Raises:
            ValueError: Somebody, or an agency, is not.
        """
        asked = [self, *(self.varied(variation) for variation in self.variations)]
        expectations: list[Expectation] = [self, *self.variations]
        people = [(one.agency, user) for one in asked for user in (one.user, *(item.user for item in one.approvals))]
        people += [person for one in expectations for person in one.people()]
        named = {agency for one in expectations for agency in one.agencies()} | {agency for agency, _ in people}
        for agency in sorted(named):
            if agency not in users:
                raise ValueError(f"scenes ({self.name}): no agency {agency}")
        for agency, user in people:
            if user not in users[agency]:
                raise ValueError(f"scenes ({self.name}): {agency} has no user {user}")

    @model_validator(mode="after")
    def _can_fail(self) -> Self:
        if not self.says_something:
            raise ValueError("says nothing of what must come back: before, expect, completeness or reasons")
        for number, variation in enumerate(self.variations):
            if not variation.says_something:
                raise ValueError(f"variations[{number}] says nothing of what must come back")
        return self
