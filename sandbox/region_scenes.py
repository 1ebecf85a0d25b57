"""Scenes of a region: one question each, who asks it, and what must come back from whom."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StrictStr

from federation.document import AgencyName, Code
from federation.vocabulary import Completeness, FamilyInformed, Urgency
from sandbox.literal_records import Strict

Expected = Literal["records", "nothing_held", "refused", "error", "referred", "not_permitted", "waiting", "unreachable"]
"""What comes from one target: an answer's outcome, or the target's state where there is no answer."""


class SceneApproval(Strict):
    """A second person of the asking agency, and what kind of approval it gives."""

    user: StrictStr
    kind: Code


class SceneDecision(Strict):
    """A person at a responder decides what was referred to it."""

    agency: AgencyName
    user: StrictStr
    decision: Literal["release", "withhold"]
    reason: Annotated[StrictStr, Field(max_length=1_000)] = ""


class Scene(Strict):
    """One question.

    Attributes:
        name: For `--scene`.
        title: One line for the screen.
        text: What is going on, for people.
        agency: Who asks.
        user: The person there who asks.
        child: `family/child` of the scripted families, or an NHS number.
        purpose: Purpose code.
        categories: `name:tier`.
        targets: Whom to ask; empty for every agency of the area.
        look_back_days: How far back the question reaches.
        expect: What must come from each agency.
        completeness: What the picture must be.
        decide: What people at responders decide, in this order.
    """

    name: Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    title: Annotated[StrictStr, Field(min_length=1, max_length=200)]
    text: Annotated[StrictStr, Field(max_length=2_000)] = ""
    agency: AgencyName
    user: StrictStr
    child: Annotated[StrictStr, Field(min_length=1, max_length=130)]
    purpose: Code
    urgency: Urgency = Urgency.ROUTINE
    categories: Annotated[
        tuple[Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}:T[012]$")], ...],
        Field(min_length=1, max_length=64),
    ]
    targets: tuple[AgencyName, ...] = ()
    look_back_days: Annotated[int, Field(ge=1, le=20_000)] = 730
    attestations: tuple[Code, ...] = ()
    approvals: tuple[SceneApproval, ...] = ()
    family_informed: FamilyInformed = FamilyInformed.NO
    break_glass: Annotated[StrictStr, Field(max_length=64, pattern=r"^[A-Za-z0-9_.-]*$")] = ""
    justification: Annotated[StrictStr, Field(max_length=4_000)] = ""
    expect: dict[AgencyName, Expected] = Field(default_factory=dict)
    completeness: Completeness | None = None
    decide: tuple[SceneDecision, ...] = ()

    def check_people(self, users: Mapping[str, set[str]]) -> None:
        """See that everybody the scene names is there.

        Args:
            users: The people's ids by agency.

        Raises:
            ValueError: Somebody, or an agency, is not.
        """
        people = [(self.agency, self.user), *((self.agency, approval.user) for approval in self.approvals)]
        people += [(decision.agency, decision.user) for decision in self.decide]
        for agency in (*self.targets, *self.expect, *(agency for agency, _ in people)):
            if agency not in users:
                raise ValueError(f"scenes ({self.name}): no agency {agency}")
        for agency, user in people:
            if user not in users[agency]:
                raise ValueError(f"scenes ({self.name}): {agency} has no user {user}")
