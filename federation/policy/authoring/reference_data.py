"""Reference data of the policy bundle: from the rows as people write them to the rows as rules read them.

A folder of `policies/reference` is one document; its files hold the document's rows between them. Where a folder has a
`defaults.json`, a row says only how it differs from it, and what many entries of a row have in common is written once:

* purposes: `categories` is a list of groups, each `{"names": [...], "tiers": [default, highest], ...}`, and each of its
  `limbs` says only how it differs from the defaults' `limb`;
* categories: `fields` is an object of tiers, each of field and title; `tags` and `protected` name fields.

What is built spells out every column of every row: rules, schemas and auditors see no default.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

Json = Any
DEFAULTS: Final = "defaults.json"


class ReferenceDataError(Exception):
    """A row is not written as its document is; the text says which."""


def reference_documents(reference: Path) -> dict[str, Json]:
    """Every document of reference data by name, spelt out.

    Args:
        reference: The folder `policies/reference`.

    Raises:
        ReferenceDataError: A file is no JSON object, a row stands twice, or a row cannot be spelt out.
    """
    return {folder.name: document(folder) for folder in sorted(reference.iterdir()) if folder.is_dir()}


def document(folder: Path) -> Json:
    """One document, spelt out.

    Raises:
        ReferenceDataError: See `reference_documents`.
    """
    rows: dict[str, Json] = {}
    for path in sorted(folder.glob("*.json")):
        if path.name == DEFAULTS:
            continue
        found = _read(path)
        if twice := sorted(found.keys() & rows.keys()):
            raise ReferenceDataError(f"{folder.name}/{path.name}: {', '.join(twice)} stands in another file too")
        rows |= found
    if not (folder / DEFAULTS).is_file():
        return rows
    defaults = _read(folder / DEFAULTS)
    spell = _SPELLERS.get(folder.name, _plain)
    return {code: _spelt(spell, f"{folder.name}/{code}", row, defaults) for code, row in rows.items()}


def _read(path: Path) -> dict[str, Json]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ReferenceDataError(f"{path.parent.name}/{path.name}: {error}") from error
    if not isinstance(found, dict):
        raise ReferenceDataError(f"{path.parent.name}/{path.name}: not an object")
    return found


_Speller = Callable[[Mapping[str, Json], Mapping[str, Json]], dict[str, Json]]


def _spelt(spell: _Speller, where: str, row: Mapping[str, Json], defaults: Mapping[str, Json]) -> dict[str, Json]:
    try:
        return spell(row, defaults)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReferenceDataError(f"{where}: not written as its document is: {error!r}") from error


def _plain(row: Mapping[str, Json], defaults: Mapping[str, Json]) -> dict[str, Json]:
    return _over(defaults["row"], row)


def _purpose(row: Mapping[str, Json], defaults: Mapping[str, Json]) -> dict[str, Json]:
    whole = _over(defaults["row"], row)
    cells = list(_cells(whole["categories"], defaults))
    _once(name for name, _ in cells)
    return {**whole, "categories": dict(cells)}


def _cells(groups: list[Json], defaults: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    for group in groups:
        columns = {key: value for key, value in group.items() if key not in {"names", "tiers", "limbs"}}
        limbs = {"limbs": [{**defaults["limb"], **limb} for limb in group["limbs"]]} if "limbs" in group else {}
        lowest, highest = group["tiers"]
        for name in group["names"]:
            yield name, {**defaults["cell"], "default_tier": lowest, "highest_tier": highest, **columns, **limbs}


def _category(row: Mapping[str, Json], defaults: Mapping[str, Json]) -> dict[str, Json]:
    whole = _over(defaults["row"], row)
    tags, protected = whole.pop("tags"), whole.pop("protected")
    titles = [(field, tier, title) for tier, fields in whole["fields"].items() for field, title in fields.items()]
    _once(field for field, _, _ in titles)
    unknown = {field for fields in (*tags.values(), protected) for field in fields} - {field for field, _, _ in titles}
    if unknown:
        raise ValueError(f"no field {', '.join(sorted(unknown))}")
    fields = {
        field: {
            "tier": tier,
            "title": title,
            "tags": [tag for tag in tags if field in tags[tag]],
            "protected": field in protected,
        }
        for field, tier, title in titles
    }
    return {**whole, "fields": fields}


def _once(names: Iterator[str]) -> None:
    found = list(names)
    if len(set(found)) != len(found):
        raise ValueError(f"{', '.join(sorted({name for name in found if found.count(name) > 1}))} twice")


def _over(default: Mapping[str, Json], row: Mapping[str, Json]) -> dict[str, Json]:
    """A row over its defaults; objects that are a part of both are laid over each other as well."""
    merged = dict(default)
    for key, value in row.items():
        before = merged.get(key)
        is_part = isinstance(before, dict) and isinstance(value, dict) and bool(before)
        merged[key] = _over(before, value) if is_part and isinstance(before, dict) else value
    return merged


_SPELLERS: Final[Mapping[str, _Speller]] = {"purposes": _purpose, "categories": _category}
