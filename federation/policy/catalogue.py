"""The words of a bundle: reasons, obligations, purposes and categories, with their texts for people. Pure.

Rego gives codes and parameters; the sentences that a user or an auditor reads stand in the bundle's data, under
`reference`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from federation.errors import ErrorCode, WardgateError
from federation.policy.bundle import DATA, VerifiedBundle
from federation.policy.engine import Failure
from federation.policy.results import Audience, Code, Severity

FAILURE_CODES: Final = frozenset(failure.value for failure in Failure)

Sentence = Annotated[str, Field(max_length=4_000)]


class Row(BaseModel):
    """A row of a catalogue. Rules read further columns of it, which are theirs alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ReasonRow(Row):
    """A reason: who may read it, what it does, its source in law and its two texts."""

    audience: Audience
    severity: Severity
    legal_basis: Sentence = ""
    user: Sentence = ""
    auditor: Sentence = ""


class ObligationRow(Row):
    """An obligation: what kind of thing carries it out, whether that must happen, and what people are told.

    Attributes:
        told: Whoever asked is told of it. What protects somebody from them, or watches them, is not.
    """

    type: Code
    mandatory: bool
    told: bool = False
    text: Sentence = ""
    params: Mapping[str, Any] = Field(default_factory=dict)


class TitledRow(Row):
    """A word that people are shown by its title."""

    title: Sentence = ""


class RightRow(Row):
    """A role or a grant: whether whoever has it decides what is referred to a person of their agency."""

    title: Sentence = ""
    decides: bool = False


class ReviewReasonRow(Row):
    """A ground of a person's decision: which decisions it carries, and whether it stands against a duty to disclose."""

    title: Sentence = ""
    decisions: tuple[Code, ...]
    under_compulsion: bool = False


class Catalogue(Row):
    """The catalogues of one bundle, each by code."""

    reasons: Mapping[Code, ReasonRow]
    obligations: Mapping[Code, ObligationRow]
    roles: Mapping[Code, RightRow] = Field(default_factory=dict)
    grants: Mapping[Code, RightRow] = Field(default_factory=dict)
    review_reasons: Mapping[Code, ReviewReasonRow] = Field(default_factory=dict)
    flags: Mapping[Code, Mapping[str, Any]] = Field(default_factory=dict)
    shown_names: Mapping[Code, TitledRow] = Field(default_factory=dict)
    purposes: Mapping[Code, Mapping[str, Any]]
    categories: Mapping[Code, Mapping[str, Any]]
    never_permitted: Mapping[Code, Mapping[str, Any]]

    @classmethod
    def read(cls, bundle: VerifiedBundle) -> Self:
        """The catalogues of a bundle.

        Raises:
            WardgateError: `BUNDLE_REJECTED`: unreadable, or a code that Python itself gives (`Failure`) has no row.
        """
        try:
            found = cls.model_validate(_reference(bundle.file(DATA)))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            place = ".".join(str(step) for step in first["loc"])
            raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"catalogue {place}: {first['type']}") from error
        missing = FAILURE_CODES - set(found.reasons)
        if missing:
            raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"no reason {', '.join(sorted(missing))}")
        return found

    def title_of(self, category: str) -> str:
        """The title of what a record is shown as: a category, or a name that stands for several; empty if neither."""
        if category in self.shown_names:
            return self.shown_names[category].title
        return str(self.categories.get(category, {}).get("title", ""))

    @property
    def obligation_types(self) -> frozenset[str]:
        """Every type of obligation the bundle can lay down."""
        return frozenset(row.type for row in self.obligations.values())


class _Data(Row):
    reference: Mapping[str, Any]


def _reference(data: bytes) -> Mapping[str, Any]:
    return _Data.model_validate_json(data).reference
