"""What a mapping calls things that the bundle does not know: flags, categories, types of a closed list. Pure.

A flag that nobody knows withholds everything of its child; a type that is on no list puts its record before a person.
Both are safe, and neither is what whoever wrote the mapping meant.
"""

from collections.abc import Iterable, Iterator

from agency_node.sources.assembly import possible_categories
from agency_node.sources.mapping import MappingFile
from agency_node.sources.mapping_sections import RecordSection
from agency_node.sources.mapping_values import FlagSpec
from agency_node.sources.record import UNRECOGNISED_FLAG
from federation.policy.catalogue import Catalogue


def unknown_words(mapping: MappingFile, catalogue: Catalogue) -> Iterator[str]:
    """Sentences about words of a mapping that the bundle does not know, each once and in order."""
    sections = (*mapping.children, *mapping.records)
    named = {flag for section in sections for spec in section.flags for flag in _flags(spec)}
    for flag in sorted(named - catalogue.flags.keys() - {UNRECOGNISED_FLAG}):
        yield f"flag {flag} is unknown to the bundle: everything of a child that carries it would be withheld"
    yield from dict.fromkeys(sentence for section in mapping.records for sentence in _of_section(section, catalogue))


def _of_section(section: RecordSection, catalogue: Catalogue) -> Iterator[str]:
    for category in possible_categories(section) or ():
        row = catalogue.categories.get(category)
        if row is None:
            yield f"category {category} is unknown to the bundle: nothing of it could ever be asked for"
            continue
        yield from _types(category, (str(value) for value in section.type.possible()), row.get("types", ()))


def _types(category: str, named: Iterable[str], listed: Iterable[str]) -> Iterator[str]:
    known = set(listed)
    for kind in sorted(set(named) - known) if known else ():
        yield f"type {kind} is not on the list of {category}: a person would decide on each such record"


def _flags(spec: FlagSpec) -> Iterator[str]:
    named = (spec.constant, spec.otherwise, *(spec.values or {}).values())
    yield from (flag for flag in named if flag)
