"""What one FHIR export holds, and whether that is all of it. Pure.

An export that is not whole must not be read: a child of its missing part would become "nothing held".
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agency_node.sources.fhir_references import ID, Identity, resolved_tree
from agency_node.sources.json_reading import Ambiguous
from agency_node.sources.rows import TreeRow, as_content
from agency_node.sources.source import Rejected, RejectionReason

UNKNOWN_TYPES: Final = "other_resources"
"""The dataset's name under which resources of a type without a dataset are reported."""

TAKEN: Final = frozenset({"collection", "searchset", "document", "batch-response", "transaction-response"})
"""Types of a Bundle that say what a system holds. `history` holds what it held, `transaction` and `batch` what it was
told to do, `message` what happened."""

_ANSWERS: Final = frozenset({"batch-response", "transaction-response"})
_OTHER_PAGES: Final = ("next", "previous", "prev")
_HARMLESS: Final = frozenset({"information", "warning"})


class NotWhole(Exception):  # noqa: N818 - a finding about an export, which the reader makes an error of
    """The export is not, or not all of, what the system holds. Its text holds nothing of a resource."""


@dataclass(slots=True)
class Export:
    """The resources of one export by type.

    Attributes:
        today: The calendar date in England.
        contained: Types whose contained resources are rows as well: those that children are.
        by_type: The resources, their references resolved, with `@reference` and `@id`.
        malformed: What is no resource.
        counts: Resources by type, contained ones left out.
        made: When it was made, seconds since the epoch, as far as it says so: the earliest time that a Bundle gives.
    """

    today: dt.date
    contained: frozenset[str] = frozenset()
    by_type: dict[str, list[TreeRow]] = field(default_factory=lambda: defaultdict(list))
    malformed: list[Rejected] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    made: int | None = None

    def add_bundle(self, bundle: Mapping[str, Any], file: str) -> None:
        """Add every resource of a Bundle, those of Bundles inside it included.

        Raises:
            NotWhole: It is of a type that does not say what is held, one page of several, or reports an error.
        """
        entries = bundle.get("entry", [])
        is_bundle = bundle.get("resourceType") == "Bundle" and not isinstance(bundle, Ambiguous)
        if not is_bundle or not isinstance(entries, list):
            raise NotWhole("not a FHIR Bundle")
        _check_whole(bundle, entries)
        self.made_at(bundle.get("timestamp"))
        for number, entry in enumerate(entries, start=1):
            found = entry if isinstance(entry, dict) and not isinstance(entry, Ambiguous) else {}
            _check_response(found.get("response"), number, needed=bundle["type"] in _ANSWERS)
            resource, full_url = found.get("resource"), found.get("fullUrl", "")
            if not isinstance(resource, dict) or isinstance(resource, Ambiguous) or not isinstance(full_url, str):
                self._malformed(number, file, entry)
            else:
                self.add(TreeRow(number, resource, file), full_url=full_url)

    def add(self, row: TreeRow | Rejected, *, full_url: str = "", server: str = "") -> None:
        """Add one resource.

        Args:
            row: The resource, or that there was none.
            full_url: Of its entry, if it has one.
            server: The server that the export comes from, if it names one.

        Raises:
            NotWhole: It says that something went wrong with the export.
        """
        if isinstance(row, Rejected):
            self.malformed.append(row)
            return
        kind, identity = row.tree.get("resourceType"), row.tree.get("id", "")
        if kind == "Bundle":
            self.add_bundle(row.tree, row.file)
        elif not isinstance(kind, str) or not isinstance(identity, str):
            self._malformed(row.line, row.file, row.tree)
        else:
            check_outcome(row.tree)
            self._add(kind, row, Identity.of(kind, identity, full_url=full_url, server=server))

    def made_at(self, instant: object) -> None:
        """Learn when a part of the export was made; a text that is no instant says nothing."""
        try:
            found = dt.datetime.fromisoformat(instant) if isinstance(instant, str) else None
        except ValueError:
            return
        if found is not None and found.tzinfo is not None:
            seconds = int(found.timestamp())
            self.made = seconds if self.made is None else min(self.made, seconds)

    def _add(self, kind: str, row: TreeRow, who: Identity) -> None:
        try:
            tree = resolved_tree(row.tree, who, self.today)
        except ValueError:
            self._malformed(row.line, row.file, row.tree)
            return
        self.counts[kind] += 1
        self._place(kind, row, tree, who)
        for inner_kind, inner, name in _contained(tree) if who.url else ():
            if inner_kind in self.contained:
                self._place(inner_kind, row, inner, who.contained(name))

    def _place(self, kind: str, row: TreeRow, tree: Mapping[str, object], who: Identity) -> None:
        placed = {**tree, "@reference": who.url, "@id": who.id}
        self.by_type[kind].append(TreeRow(row.line, placed, row.file))

    def _malformed(self, number: int, file: str, found: object) -> None:
        content = as_content(found)
        self.malformed.append(
            Rejected(UNKNOWN_TYPES, number, RejectionReason.ROW_MALFORMED, file=file, content=content)
        )


def _contained(tree: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, object], str]]:
    found = tree.get("contained")
    for inner in found if isinstance(found, list) else ():
        kind, name = (inner.get("resourceType"), inner.get("id")) if isinstance(inner, dict) else (None, None)
        if isinstance(kind, str) and isinstance(name, str) and ID.fullmatch(name):
            yield kind, inner, name


def check_outcome(resource: object) -> None:
    """See that a resource is no OperationOutcome about something that went wrong.

    Raises:
        NotWhole: It is one, with an issue of severity error or fatal, or of none that FHIR R4 knows.
    """
    if not isinstance(resource, Mapping) or resource.get("resourceType") != "OperationOutcome":
        return
    issues = resource.get("issue")
    severities = [issue.get("severity") if isinstance(issue, dict) else None for issue in _listed(issues)] or [None]
    if not all(isinstance(each, str) and each in _HARMLESS for each in severities):
        raise NotWhole("the system reports an error (OperationOutcome): the export is not whole")


def _check_whole(bundle: Mapping[str, Any], entries: Sequence[object]) -> None:
    kind = bundle.get("type")
    if not isinstance(kind, str) or kind not in TAKEN:
        raise NotWhole(f"the Bundle's type is none of {', '.join(sorted(TAKEN))}")
    if any(isinstance(link, dict) and link.get("relation") in _OTHER_PAGES for link in _listed(bundle.get("link"))):
        raise NotWhole("one page of several: every page must be fetched, and the Bundle have no link to another")
    total = bundle.get("total", 0)
    matches = sum(_is_match(entry) for entry in entries)
    if not isinstance(total, int) or isinstance(total, bool) or total > matches:
        raise NotWhole(f"the Bundle's total is not reached: it has {matches} matches")


def _is_match(entry: object) -> bool:
    search = entry.get("search") if isinstance(entry, dict) else None
    return not isinstance(search, dict) or search.get("mode", "match") == "match"


def _check_response(response: object, number: int, *, needed: bool) -> None:
    if response is None and not needed:
        return
    found = response if isinstance(response, dict) else {}
    status = found.get("status")
    if needed and not (isinstance(status, str) and status.startswith("2")):
        raise NotWhole(f"entry {number}: a request of the batch did not succeed")
    check_outcome(found.get("outcome"))


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
