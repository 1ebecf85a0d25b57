"""Who a FHIR resource is, and whom its references name (FHIR R4, Bundle, "Resolving references in Bundles"). Pure.

Every resource has one full URL, and every reference is written as the full URL it names, so that two are the same
resource exactly when their texts are equal. `Patient/1` of one server and `Patient/1` of another are two patients.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from agency_node.sources.dates import YEARS, latest_date, read_date
from agency_node.sources.json_reading import Ambiguous

# Wider than FHIR's own form of an id: systems write underscores, and a flag must not get lost by one.
ID: Final = re.compile(r"[^/?#|\s]{1,128}")
_RELATIVE: Final = re.compile(rf"[A-Z][A-Za-z]{{1,63}}/{ID.pattern}")
_RESTFUL: Final = re.compile(rf"(https?://.+/){_RELATIVE.pattern}")
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.+")
_VERSION: Final = re.compile(r"/_history/[^/]+$")


@dataclass(frozen=True, slots=True)
class Identity:
    """A resource of an export.

    Attributes:
        url: Its full URL; `Type/id` in an export that names no server; empty when it has neither.
        id: What stays the same at every reading and no other resource of its type has: the full URL of its entry, or
            its id where there is no entry.
        root: What its relative references begin with: its server, or nothing where the export names none; None where
            its own full URL is of no server (`urn:uuid:…`), so that a relative reference names nobody.
    """

    url: str
    id: str
    root: str | None

    @classmethod
    def of(cls, kind: str, identity: str, *, full_url: str = "", server: str = "") -> "Identity":
        """Of a resource of that type and id (or none).

        Args:
            kind: The resource's type.
            identity: Its id, or empty.
            full_url: Of its entry; one that is not absolute names nothing.
            server: Where an export without entries comes from, ending in `/`, or empty.
        """
        url = _VERSION.sub("", full_url)
        if _ABSOLUTE.fullmatch(url):
            found = _RESTFUL.fullmatch(url)
            return cls(url, url, found[1] if found else None)
        return cls(f"{server}{kind}/{identity}" if identity else "", identity, server)

    def contained(self, identity: str) -> "Identity":
        """Of a resource inside this one, which only references inside this one can name."""
        return Identity(f"{self.url}#{identity}", f"{self.id}#{identity}", self.root)

    def resolved(self, reference: str) -> str | None:
        """The full URL that a reference of this resource names; None where that cannot be told.

        It cannot of a conditional reference (`Patient?identifier=…`): whom it finds is for a server to say.
        """
        if reference.startswith("#"):
            return f"{self.url}{reference.rstrip('#')}" if self.url else None
        text = _VERSION.sub("", reference)
        if _RELATIVE.fullmatch(text):
            return None if self.root is None else f"{self.root}{text}"
        return text if _ABSOLUTE.fullmatch(text) else None


def resolved_tree(tree: Any, who: Identity, today: dt.date) -> Any:  # noqa: ANN401 - any JSON; its depth is limited
    """A resource with its references resolved, and with `@current` in every period. Names with `@` are the reader's.

    A reference that names nobody who can be told is left out: it is no key, and a mark without a key stops a reading.

    Raises:
        ValueError: A name stands twice in an object.
    """
    if isinstance(tree, Ambiguous):
        raise ValueError("a name stands twice")  # noqa: TRY004 - one exception for every resource that is none
    if isinstance(tree, list):
        return [resolved_tree(member, who, today) for member in tree]
    if not isinstance(tree, Mapping):
        return tree
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if name.startswith("@"):
            continue
        is_reference = name == "reference" and isinstance(value, str)
        member = who.resolved(value) if is_reference else resolved_tree(value, who, today)
        if member is not None:
            found[name] = member
    period = found.get("period")
    if isinstance(period, dict):
        found["period"] = {**period, "@current": is_current(period, today)}
    return found


def is_current(period: Mapping[str, object], today: dt.date) -> bool:
    """Whether a period has begun and not ended; one that cannot be read is not known to be current.

    An end that is only a year or a month includes its last day (FHIR R4, Period). A year before 1901 or after 2100 is a
    system's way to write that there is no date.
    """
    try:
        start = _bound(period.get("start"), latest=False)
        end = _bound(period.get("end"), latest=True)
    except ValueError:
        return False
    return (start is None or start <= today) and (end is None or end >= today)


def _bound(value: object, *, latest: bool) -> dt.date | None:
    if value is None:
        return None
    if isinstance(value, str) and (year := re.match(r"[0-9]{4}(?=-|$)", value)) and int(year[0]) not in YEARS[1:]:
        return None
    return latest_date(value) if latest else read_date(value, partial=True)
