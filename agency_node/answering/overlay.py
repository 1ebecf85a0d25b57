"""The agency's own narrowing of policy: data that policy reads, never rules of its own.

Every word of an overlay withholds, lowers or refers to a human; there is none that could release. A word the bundle
does not know would narrow nothing while its author believes that it does, so it is refused when the overlay is loaded.
"""

import json
import tomllib
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from federation.canonical import JsonObject
from federation.document import Code
from federation.errors import ErrorCode, WardgateError
from federation.policy.catalogue import Catalogue

Codes = Annotated[tuple[Code, ...], Field(max_length=200)]

MAX_OVERLAY_BYTES = 256 * 1024
"""Every list full of the longest codes is under half of it."""


class TierCap(BaseModel):
    """The highest tier this agency ever releases of a category."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    category: Code
    tier: Annotated[str, Field(pattern=r"^T[012]$")]


class Overlay(BaseModel):
    """What this agency narrows.

    Attributes:
        purposes_never: Purposes for which it answers nobody.
        purposes_refer: Purposes for which a person always decides.
        roles_never: Roles it answers never.
        categories_never: Categories it never releases.
        categories_refer: Categories of which a person always decides.
        flags_never: Handling flags that keep a record in.
        types_never: Types of record it never releases.
        fields_never: Fields it never releases.
        tier_caps: Highest tiers by category.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    purposes_never: Codes = ()
    purposes_refer: Codes = ()
    roles_never: Codes = ()
    categories_never: Codes = ()
    categories_refer: Codes = ()
    flags_never: Codes = ()
    types_never: Codes = ()
    fields_never: Codes = ()
    tier_caps: Annotated[tuple[TierCap, ...], Field(max_length=200)] = ()

    @classmethod
    def parse(cls, content: bytes, *, name: str) -> Self:
        """Read an overlay file.

        Args:
            content: TOML or JSON.
            name: The file's name: `.json` means JSON, anything else TOML.

        Raises:
            WardgateError: `SETTINGS_INVALID`, naming place and kind of the first mistake.
        """
        try:
            return cls.model_validate(_read(content, name))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            place = ".".join(str(step) for step in first["loc"] if isinstance(step, int) or step.isidentifier())
            raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{name}: {place}: {first['type']}") from None

    def verify_words(self, catalogue: Catalogue) -> None:
        """Refuse an overlay with words that the bundle does not know.

        Raises:
            WardgateError: `SETTINGS_INVALID`, naming the first such word.
        """
        purposes = [*self.purposes_never, *self.purposes_refer]
        categories = [*self.categories_never, *self.categories_refer, *(cap.category for cap in self.tier_caps)]
        unknown = [
            *(f"purpose {word}" for word in purposes if word not in catalogue.purposes),
            *(f"category {word}" for word in categories if word not in catalogue.categories),
        ]
        if unknown:
            raise WardgateError(ErrorCode.SETTINGS_INVALID, f"overlay: {unknown[0]} is not in the bundle")

    def policy_input(self) -> JsonObject:
        """The overlay as `wardgate/node/decision` sees it."""
        return self.model_dump(mode="json")


def _read(content: bytes, name: str) -> dict[str, Any]:
    if len(content) > MAX_OVERLAY_BYTES:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{name}: larger than {MAX_OVERLAY_BYTES} bytes")
    try:
        found = json.loads(content) if name.endswith(".json") else tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{name}: not TOML or JSON") from error
    if not isinstance(found, dict):
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{name}: not a table")
    return found
