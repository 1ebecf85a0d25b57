"""What a bundle's sources must be before they are built, each fault by itself: format, types, notes, twins, data."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federation.errors import WardgateError
from federation.policy.authoring.build import data_faults
from federation.policy.authoring.opa import SHOWN_CHARS, Opa
from federation.policy.authoring.published import faults
from federation.policy.authoring.reading import faults_of_notes, faults_of_twins, places_naming, reasons_given
from federation.policy.authoring.source import ENTRIES, Json, PolicySource, entry_path, to_json


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be.

    Attributes:
        check: Which check found it.
        text: Where, and what.
    """

    check: str
    text: str


CHECKS: Final = {
    "format": "rules are written as `opa fmt` writes them",
    "strict": "rules pass `opa check --strict`, read only fields the input schemas have, call only built-ins allowed",
    "notes": "every package and public rule says title, description, legal basis and reason",
    "reasons": "reasons that rules and flags give are those of the catalogue",
    "twins": "every file has a twin with its tests, and lies where its package says",
    "data": "reference data agrees with its schemas, one for each",
    "golden": "golden decisions have inputs their schemas admit, and each entry point has some",
}
"""Name of each check to what it demands."""


def lint(source: PolicySource, opa: Opa) -> list[Finding]:
    """Every finding of every check."""
    found: list[Finding] = []
    for check, texts in (
        ("format", _format(source, opa)),
        ("strict", _strict(source, opa)),
        ("notes", faults_of_notes(source.rego(tests=False))),
        ("reasons", _reasons(source)),
        ("twins", faults_of_twins(source.rego(tests=True))),
        ("data", _data(source)),
        ("golden", _golden(source)),
    ):
        try:
            found += [Finding(check, text) for text in texts]
        except WardgateError as error:
            found.append(Finding(check, error.detail))
    return found


def _format(source: PolicySource, opa: Opa) -> Iterator[str]:
    done = opa.start("fmt", "--fail", "--list", "wardgate", folder=source.root)
    yield from (f"{name}: not formatted; run `opa fmt --write`" for name in done.stdout.splitlines())
    if done.returncode != 0 and not done.stdout:
        yield done.stderr[-SHOWN_CHARS:].strip()


def _strict(source: PolicySource, opa: Opa) -> Iterator[str]:
    capabilities = (source.root / "capabilities.json").resolve()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source.stage(folder / "rules", tests=False)
        source.stage(folder / "all", tests=True)
        (folder / "input.json").write_bytes(to_json(any_input(source)))
        rules = ("--schema", "input.json", "--capabilities", capabilities, "--bundle", "rules")
        for settings in (rules, ("--bundle", "all")):
            done = opa.start("check", "--strict", *settings, folder=folder)
            if done.returncode != 0:
                yield (done.stderr or done.stdout).replace("rules/wardgate/", "wardgate/")[-SHOWN_CHARS:].strip()


def any_input(source: PolicySource) -> Json:
    """One schema with the fields of every entry point's input: OPA checks references against a single one.

    Raises:
        WardgateError: `POLICY_SOURCE_INVALID`.
    """
    properties: dict[str, Json] = {}
    shared: dict[str, Json] = {}
    for entry in ENTRIES:
        schema = source.published_schema(f"input.{entry}")
        properties.update(schema["properties"])
        shared.update(schema.get("$defs", {}))
    return {"type": "object", "additionalProperties": False, "properties": properties, "$defs": shared}


def _reasons(source: PolicySource) -> Iterator[str]:
    rules, reference = source.rego(tests=False), source.reference()
    given = reasons_given(rules)
    catalogued = {code for code, row in reference["reasons"].items() if row["origin"] == "policy"}
    by_rows = _reasons_of_rows(reference)
    yield from (f"{code}: given, but not in reference/reasons" for code in sorted((given | by_rows) - catalogued))
    silent = (code for code in sorted(catalogued - given - by_rows) if not places_naming(rules, code))
    yield from (f"{code}: in reference/reasons, but nothing gives it" for code in silent)


def _reasons_of_rows(reference: Mapping[str, Json]) -> set[str]:
    flags = {str(row["reason_code"]) for row in reference["flags"].values()}
    cells = (cell for row in reference["purposes"].values() for cell in row["categories"].values())
    return flags | {str(limb["reason_code"]) for cell in cells for limb in cell.get("limbs", ())}


def _data(source: PolicySource) -> Iterator[str]:
    yield from data_faults(source)
    schemas = {path.stem.removeprefix("data.") for path in (source.root / "schemas").glob("data.*.json")}
    yield from (f"schemas/data.{name}.json: no such data" for name in sorted(schemas - source.reference().keys()))


def _golden(source: PolicySource) -> Iterator[str]:
    decisions = source.golden()
    for entry in ENTRIES:
        mine = [item for item in decisions if item["entry_point"] == entry_path(entry)]
        if not mine:
            yield f"no golden decision for {entry}"
        schema = source.published_schema(f"input.{entry}")
        for item in mine:
            yield from (f"golden/{item['name']}.json: {text}" for text in faults(item["input"], schema, entry))
