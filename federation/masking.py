"""Takes NHS numbers out of text that people or other parties chose, before it is logged or recorded. Pure."""

import re
from typing import Final

from federation.canonical import JsonObject, JsonValue
from keys.errors import NhsNumberRejected
from keys.nhs_number import NhsNumber

MASKED: Final = "[nhs-number]"

_TEN_DIGITS: Final = re.compile(r"(?<!\d)\d{3}[ .\-_\u00a0]?\d{3}[ .\-_\u00a0]?\d{4}(?!\d)")
_DIGEST: Final = re.compile(r"[0-9a-f]{32,128}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def mask(text: str) -> str:
    """Replace every valid NHS number in `text`, printed with or without separators."""
    if _DIGEST.fullmatch(text):
        return text  # digits inside a digest or UUID are chance; masking them would break correlation
    return _TEN_DIGITS.sub(_mask_match, text)


def masked(value: JsonObject) -> JsonObject:
    """The same with every text in it masked; names and numbers stay."""
    return {name: _masked(item) for name, item in value.items()}


def _masked(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [_masked(item) for item in value]
    return masked(value) if isinstance(value, dict) else value


def _mask_match(match: re.Match[str]) -> str:
    try:
        NhsNumber.parse(re.sub(r"\D", "", match[0]))
    except NhsNumberRejected:
        return match[0]
    return MASKED
