"""Schemas as the bundle publishes them: shared definitions written in, so that each stands alone. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from jsonschema_rs import Draft202012Validator, ValidationError

from federation.errors import ErrorCode, WardgateError

SHARED: Final = "common.json#/$defs/"

Json = Any


def publish(schema: Json, shared: Mapping[str, Json], name: str) -> Json:
    """A schema with the shared definitions it needs written into it.

    Args:
        schema: As it stands in the sources, with references to `common.json`.
        shared: The definitions of `common.json`.
        name: For the error's text.

    Raises:
        WardgateError: `POLICY_SOURCE_INVALID`: a definition does not exist, or the outcome is no JSON Schema.
    """
    needed: dict[str, Json] = {}
    found = _localised(schema, shared, needed)
    if needed:
        found["$defs"] = {key: needed[key] for key in sorted(needed)}
    validator(found, name)
    return found


def validator(schema: Json, name: str) -> Draft202012Validator:
    """A compiled schema.

    Raises:
        WardgateError: `POLICY_SOURCE_INVALID`: it is no JSON Schema.
    """
    try:
        return Draft202012Validator(schema)
    except (ValueError, ValidationError) as error:
        raise WardgateError(ErrorCode.POLICY_SOURCE_INVALID, f"{name} is not a JSON Schema") from error


def faults(document: Json, schema: Json, name: str) -> list[str]:
    """Where a document and a schema disagree, and in what; authors' data holds nothing that must not be shown."""
    found = validator(schema, name).iter_errors(document)
    return [f"{'/'.join(str(step) for step in error.instance_path) or '(all)'}: {error.message}" for error in found]


def _localised(value: Json, shared: Mapping[str, Json], needed: dict[str, Json]) -> Json:
    if isinstance(value, list):
        return [_localised(item, shared, needed) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _localised(item, shared, needed) for key, item in value.items() if key != "$ref"}
    if "$ref" in value:
        name = str(value["$ref"]).removeprefix(SHARED)
        if name not in shared:
            raise WardgateError(ErrorCode.POLICY_SOURCE_INVALID, f"schemas: no shared definition {name}")
        if name not in needed:
            needed[name] = None
            needed[name] = _localised(shared[name], shared, needed)
        found["$ref"] = f"#/$defs/{name}"
    return found
