"""Examples in the documentation, so that a test can hold them to what the code accepts."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def examples(document: str, language: str) -> list[str]:
    """The fenced blocks of a language in a page."""
    text = (DOCS / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
