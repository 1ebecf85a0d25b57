"""A record as region and family files write it."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agency_node.sources.mapping_values import Flag
from agency_node.sources.record import Assertion, ContactLevel, Relation
from federation.document import Code
from keys.errors import NhsNumberRejected
from keys.nhs_number import NhsNumber
from sandbox.generator.drafts import Draft
from sandbox.relative_dates import FieldValues, RegionDate


class Strict(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _valid_number(text: str) -> str:
    try:
        return NhsNumber.parse(text).canonical()
    except NhsNumberRejected as error:
        # Its text never holds the number.
        raise ValueError(str(error)) from None


NumberText = Annotated[str, AfterValidator(_valid_number)]
"""An NHS number as people write it; kept as ten digits."""

Flags = tuple[Flag, ...]


class LiteralRecord(Strict):
    """One record, with the same attributes that a source yields (`agency_node.sources.record`).

    Attributes:
        ended_on: Its last day; needless where a field of its category says it (`sandbox.generator.drafts.END_FIELDS`).
    """

    category: Code
    type: Code
    date: RegionDate
    started_on: RegionDate | None = None
    ended_on: RegionDate | None = None
    fields: Annotated[FieldValues, Field(max_length=64)] = Field(default_factory=dict)
    flags: Flags = ()
    assertion: Assertion = Assertion.FACT
    relation: Relation = Relation.SUBJECT
    contact_level: ContactLevel = ContactLevel.UNKNOWN
    handling_code: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_.-]*$")] = ""

    def draft(self) -> Draft:
        """As the generator takes it."""
        return Draft(
            category=self.category,
            type=self.type,
            date=self.date,
            started_on=self.started_on,
            ended_on=self.ended_on,
            fields=self.fields,
            flags=frozenset(self.flags),
            assertion=self.assertion,
            relation=self.relation,
            contact_level=self.contact_level,
            handling_code=self.handling_code,
        )
