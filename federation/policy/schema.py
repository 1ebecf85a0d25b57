"""JSON Schema check of an input before any engine sees it: what policies may rely on holds before they run. Pure."""

import json
from collections.abc import Mapping
from typing import Final, Self

from jsonschema_rs import Draft202012Validator, ValidationError

from federation.canonical import JsonObject
from federation.errors import ErrorCode, WardgateError
from federation.policy.bundle import VerifiedBundle
from federation.policy.engine import EntryPoint

SCHEMAS: Final[Mapping[EntryPoint, str]] = {
    EntryPoint.REQUESTER: "schemas/requester.json",
    EntryPoint.GATEWAY: "schemas/gateway.json",
    EntryPoint.NODE: "schemas/node.json",
    EntryPoint.AUDIT: "schemas/audit.json",
    EntryPoint.TEAM: "schemas/team.json",
}


class InputSchemas:
    """One prebuilt validator for each entry point."""

    def __init__(self, validators: Mapping[EntryPoint, Draft202012Validator]) -> None:
        self._validators = validators

    @classmethod
    def read(cls, bundle: VerifiedBundle) -> Self:
        """The schemas of a bundle.

        Raises:
            WardgateError: `BUNDLE_REJECTED`: one is missing or is not a JSON Schema.
        """
        return cls({entry: _validator(bundle.file(path), path) for entry, path in SCHEMAS.items()})

    def fault(self, entry_point: EntryPoint, document: JsonObject) -> str | None:
        """What is wrong with an input: the place and the violated keyword, never a value. None when nothing is."""
        validator = self._validators[entry_point]
        if validator.is_valid(document):
            return None
        error = next(validator.iter_errors(document))
        steps = (step for step in error.instance_path if isinstance(step, int) or step.isidentifier())
        place = ".".join(str(step) for step in steps)
        return f"{place or 'input'}: {error.schema_path[-1]}"


def _validator(content: bytes, path: str) -> Draft202012Validator:
    try:
        return Draft202012Validator(json.loads(content))
    except (ValueError, ValidationError) as error:
        raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"{path} is not a JSON Schema") from error
