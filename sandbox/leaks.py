"""Looks for what must not be there: NHS numbers, names and record texts in files where nobody may find them.

Promise 1 of the design, turned round: after everything has been asked, every byte of gateway and trustee and every log
is searched for every child of the region.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federation.policy.bundle import DATA
from keys.nhs_number import NhsNumber
from sandbox.bringup import POLICY_DIST
from sandbox.families import Family
from sandbox.folder import SandboxFolder
from sandbox.region import Region
from sandbox.sources import families_of

SHORTEST_TEXT: Final = 12
"""Shorter field values (codes, dates, yes and no) stand in policies and schemas too, and tell nothing of a child."""


@dataclass(frozen=True, slots=True)
class Needle:
    """Something that must not be found.

    Attributes:
        what: What kind of thing it is, for the report; never the thing itself.
        content: The bytes to look for.
    """

    what: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Leak:
    """A needle that was found."""

    what: str
    file: Path


def needles_of(region: Region) -> list[Needle]:
    """Numbers, names and record texts of every scripted and every literal child.

    Texts that stand in the policy bundle, such as the title of a programme, are public and tell nothing.
    """
    found: dict[bytes, str] = {}
    for family in families_of(region):
        found.update(_family(family))
    for plan in region.agencies:
        for record in plan.records:
            found.update(_number(record.nhs_number))
            found.update(_texts(record.fields.values()))
        for child in plan.children:
            found.update(_number(child.nhs_number))
    public = (POLICY_DIST / DATA).read_bytes()
    return [Needle(what, content) for content, what in found.items() if content not in public]


def _family(family: Family) -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    for child in family.children:
        found.update(_number(child.nhs_number))
        found[f"{child.person.forename} {child.person.surname}".encode()] = "name"
        for held in child.held.values():
            for record in held.drafts:
                found.update(_texts(record.fields.values()))
    return found


def _number(text: object) -> dict[bytes, str]:
    number = text if isinstance(text, NhsNumber) else NhsNumber.parse(str(text))
    return {number.canonical().encode(): "NHS number", number.spaced().encode(): "NHS number"}


def _texts(values: Iterable[object]) -> dict[bytes, str]:
    return {
        value.encode(): "record text"
        for value in values
        if isinstance(value, str) and len(value) >= SHORTEST_TEXT and " " in value
    }


def forbidden_places(folder: SandboxFolder) -> Iterator[Path]:
    """Every file of gateway and trustee, and every log."""
    for place in (folder.root / "gateway", folder.root / "trustee", folder.root / "logs"):
        yield from (path for path in sorted(place.rglob("*")) if path.is_file())


def find_leaks(files: Iterable[Path], needles: Sequence[Needle]) -> list[Leak]:
    """Every needle found in any of the files."""
    leaks: list[Leak] = []
    for path in files:
        content = path.read_bytes()
        leaks.extend(Leak(needle.what, path) for needle in needles if needle.content in content)
    return leaks
