"""The manifest of a bulk export: the body with which its server reports that it is complete. Pure.

Source: HL7 FHIR Bulk Data Access (Flat FHIR) 2.0, "Response - Complete Status".
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from agency_node.sources.fhir_export import NotWhole

FILE_NAME: Final = "manifest.json"
"""Under what name it is kept beside the NDJSON files."""

_KICK_OFF: Final = re.compile(r"(https?://[^?#]+/)\$export(?:[?#].*)?")
_KICK_OFF_PART: Final = re.compile(r"(?:Patient|Group/[^/]+)/$")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a server says of its export.

    Attributes:
        server: Its base URL, ending in `/`; empty when the manifest does not name it.
        made: As of when it is, as the server wrote it (`transactionTime`).
        counts: Resources by type; 1 where only the type is named.
    """

    server: str
    made: object
    counts: Mapping[str, int]

    def check(self, read: Mapping[str, int]) -> None:
        """See that as many resources were read as the server wrote.

        Raises:
            NotWhole: Some are missing.
        """
        for kind, count in self.counts.items():
            if read.get(kind, 0) < count:
                raise NotWhole(f"{read.get(kind, 0)} resources of type {kind} where {FILE_NAME} names at least {count}")


def read_manifest(found: object) -> Manifest:
    """Read a manifest.

    Args:
        found: The JSON document.

    Raises:
        NotWhole: It is none, or its export is unfinished or failed in part.
    """
    if not isinstance(found, dict) or not isinstance(found.get("output"), list):
        raise NotWhole(f"{FILE_NAME} is not that of an export that is complete")
    if found.get("link"):
        raise NotWhole(f"{FILE_NAME} has a next page: every page must be fetched")
    request = str(found.get("request", ""))
    if "_since=" in request or found.get("deleted"):
        raise NotWhole(f"{FILE_NAME} is that of an export of changes: the whole must be exported")
    # Files of errors are read as any other, so that they must be there, and what they report decides.
    errors = found.get("error", [])
    counts: Counter[str] = Counter()
    for output in [*found["output"], *(errors if isinstance(errors, list) else [errors])]:
        kind, count = _output(output)
        counts[kind] += count
    kick_off = _KICK_OFF.fullmatch(request)
    server = _KICK_OFF_PART.sub("", kick_off[1]) if kick_off else ""
    return Manifest(server, found.get("transactionTime"), counts)


def _output(output: Any) -> tuple[str, int]:  # noqa: ANN401 - any JSON
    kind = output.get("type") if isinstance(output, dict) else None
    count = output.get("count", 1) if isinstance(output, dict) else None
    if not isinstance(kind, str) or not isinstance(count, int) or isinstance(count, bool):
        raise NotWhole(f"{FILE_NAME} is not that of an export that is complete")
    return kind, count
