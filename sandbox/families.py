"""The scripted families: children made to match a purpose, handling flag or gap check, and twins made not to.

The data is `families.toml`; the generator puts it into each agency's own system. Demo and tests look children up by
`family/child`.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StrictBool, model_validator

from federation.document import Code
from federation.errors import ErrorCode, WardgateError
from keys.nhs_number import NhsNumber
from sandbox.generator.drafts import Held, Holding
from sandbox.generator.people import Person
from sandbox.literal_records import Flags, LiteralRecord, NumberText, Strict
from sandbox.relative_dates import RegionDate
from sandbox.toml_file import read_toml, validate

SHIPPED_FAMILIES: Final = Path(__file__).parent / "families.toml"
FIRST_SERIAL: Final = 60_000
"""Serial numbers of scripted children begin here, behind the drawn population's."""

_FamilyName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]


class _HeldText(Strict):
    flags: Flags = ()
    records: tuple[LiteralRecord, ...] = ()
    caseload: StrictBool = True


class _ChildText(Strict):
    name: _FamilyName
    nhs_number: NumberText
    forename: str
    surname: str
    sex: Literal["F", "M"] = "F"
    born: RegionDate
    held: dict[Code, _HeldText] = Field(default_factory=dict)


class _TwinText(Strict):
    name: _FamilyName
    of: _FamilyName
    nhs_number: NumberText
    forename: str
    surname: str
    nothing_held: StrictBool = False
    without_flags: Flags = ()
    without_categories: tuple[Code, ...] = ()
    held: dict[Code, _HeldText] = Field(default_factory=dict)


class _FamilyText(Strict):
    name: _FamilyName
    title: Annotated[str, Field(min_length=1, max_length=200)]
    about: Annotated[str, Field(max_length=1_000)] = ""
    purposes: tuple[str, ...] = ()
    flags: Flags = ()
    gap_checks: tuple[Annotated[str, Field(pattern=r"^G[0-9]{1,2}$")], ...] = ()
    children: Annotated[tuple[_ChildText, ...], Field(min_length=1)]
    twins: Annotated[tuple[_TwinText, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [child.name for child in self.children]
        if unknown := {twin.of for twin in self.twins} - set(names):
            raise ValueError(f"a twin of {min(unknown)}, who is not there")
        names += [twin.name for twin in self.twins]
        if len(set(names)) != len(names):
            raise ValueError("two children of one name")
        return self


class _FileText(Strict):
    families: tuple[_FamilyText, ...]

    @model_validator(mode="after")
    def _differ(self) -> Self:
        names = [family.name for family in self.families]
        if len(set(names)) != len(names):
            raise ValueError("two families of one name")
        numbers = [child.nhs_number for family in self.families for child in family.children]
        numbers += [twin.nhs_number for family in self.families for twin in family.twins]
        if len(set(numbers)) != len(numbers):
            raise ValueError("two children with one NHS number")
        return self


@dataclass(frozen=True, slots=True)
class ScriptedChild:
    """A child of a family, or its twin control.

    Attributes:
        person: Who it is.
        twin_of: Name of the child it is a control of; empty for the child itself.
        held: What each kind of agency holds; a kind that is missing knows nothing of the child.
    """

    name: str
    person: Person
    twin_of: str
    held: Mapping[str, Held]

    @property
    def nhs_number(self) -> NhsNumber:
        """The child's number."""
        return self.person.nhs_number

    @property
    def flags(self) -> frozenset[str]:
        """Every handling flag that anything held of the child carries."""
        return frozenset().union(
            *(held.flags.union(*(draft.flags for draft in held.drafts)) for held in self.held.values())
        )


@dataclass(frozen=True, slots=True)
class Family:
    """Children who belong together, and what they show.

    Attributes:
        purposes: Purposes that the family is made to be asked about for.
        flags: Handling flags that a record of its children carries and none of its twins'.
        gap_checks: Gap checks that match its children and not its twins.
    """

    name: str
    title: str
    about: str
    purposes: tuple[str, ...]
    flags: frozenset[str]
    gap_checks: tuple[str, ...]
    children: tuple[ScriptedChild, ...]

    def child(self, name: str) -> ScriptedChild:
        """One child or twin.

        Raises:
            WardgateError: `FILE_INVALID` when there is none of that name.
        """
        for child in self.children:
            if child.name == name:
                return child
        raise WardgateError(ErrorCode.FILE_INVALID, f"family {self.name} has no child {name}")


def load_families(today: dt.date, path: Path = SHIPPED_FAMILIES) -> tuple[Family, ...]:
    """Read a file of families, its dates counted from a day.

    Raises:
        WardgateError: `FILE_INVALID`, naming file, table and key of the first mistake.
    """
    found = validate(_FileText, read_toml(path), name=path.name, context={"today": today})
    families: list[Family] = []
    serial = FIRST_SERIAL
    for number, text in enumerate(found.families):
        families.append(_family(text, number, serial))
        serial += len(text.children) + len(text.twins)
    return tuple(families)


def find_child(families: Sequence[Family], reference: str) -> ScriptedChild:
    """A child by `family/child`.

    Raises:
        WardgateError: `FILE_INVALID`.
    """
    name, _, child = reference.partition("/")
    for family in families:
        if family.name == name:
            return family.child(child)
    raise WardgateError(ErrorCode.FILE_INVALID, f"no scripted family {name}")


def add_to_holding(holding: Holding, families: Sequence[Family], kind: str) -> None:
    """Put what a kind of agency holds of the families beside what it holds of everybody else."""
    for family in families:
        for child in family.children:
            if kind in child.held:
                holding.held[child.nhs_number] = child.held[kind]


def _family(text: _FamilyText, number: int, serial: int) -> Family:
    children = {
        child.name: ScriptedChild(child.name, _person(child, child.born, serial + place, number), "", {})
        for place, child in enumerate(text.children)
    }
    held_texts = {child.name: child.held for child in text.children}
    children = {name: replace(child, held=_held(child.person, held_texts[name])) for name, child in children.items()}
    twins = [
        _twin(twin, children[twin.of], serial + len(text.children) + place) for place, twin in enumerate(text.twins)
    ]
    return Family(
        name=text.name,
        title=text.title,
        about=text.about,
        purposes=text.purposes,
        flags=frozenset(text.flags),
        gap_checks=text.gap_checks,
        children=(*children.values(), *twins),
    )


def _person(text: _ChildText | _TwinText, born: dt.date, serial: int, household: int, sex: str = "") -> Person:
    return Person(
        serial=serial,
        nhs_number=NhsNumber(text.nhs_number),
        forename=text.forename,
        surname=text.surname,
        sex=sex or getattr(text, "sex", "F"),
        born=born,
        household=FIRST_SERIAL + household,
        address="1 Castle Walk, Thornbury",
        postcode="ZZ1 1AA",
    )


def _held(person: Person, texts: Mapping[str, _HeldText]) -> dict[str, Held]:
    return {
        kind: Held(person, frozenset(text.flags), [record.draft() for record in text.records])
        for kind, text in texts.items()
        if text.caseload
    }


def _twin(text: _TwinText, original: ScriptedChild, serial: int) -> ScriptedChild:
    household = original.person.household - FIRST_SERIAL
    person = _person(text, original.person.born, serial, household, original.person.sex)
    if text.nothing_held:
        return ScriptedChild(text.name, person, text.of, {})
    taken = frozenset(text.without_flags)
    held = {
        kind: Held(
            person,
            known.flags - taken,
            [
                replace(draft, flags=draft.flags - taken)
                for draft in known.drafts
                if draft.category not in text.without_categories
            ],
        )
        for kind, known in original.held.items()
        if kind not in text.held
    }
    return ScriptedChild(text.name, person, text.of, {**held, **_held(person, text.held)})
