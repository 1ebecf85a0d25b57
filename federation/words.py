"""Whether a text that a person must give says anything. Pure; requester, responder and auditor judge alike."""

import unicodedata
from typing import Final

_FILLERS: Final = frozenset("\u115f\u1160")
"""Letters to Unicode and blanks to a reader: Hangul fillers, to which normalisation brings the others."""


def says_something(text: str) -> bool:
    """Whether a text has at least one letter or digit: blanks, marks and what nobody can see say nothing."""
    return any(char.isalnum() and char not in _FILLERS for char in unicodedata.normalize("NFKC", text))
