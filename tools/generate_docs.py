"""Generates the reference pages under `docs/` from the running code, or checks that what is committed is current.

A page that lists something closed (error codes, events, settings, methods, purposes, ...) is never written by hand: it
is made here from the very objects the program uses, so that it cannot fall behind. Usage: `generate_docs.py [--check]`.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from tools.docs_policy import policy_pages
from tools.docs_reference import reference_pages

ROOT: Final = Path(__file__).resolve().parent.parent
DOCS: Final = ROOT / "docs"
OWNED: Final = ("errors", "policy")
"""Folders below `docs/` of which every file is generated. Single generated pages stand beside those written by hand."""


def pages() -> dict[str, str]:
    """Every generated page by its path below `docs/`."""
    found = {**reference_pages(ROOT), **policy_pages(ROOT)}
    return {name: text.rstrip("\n") + "\n" for name, text in found.items()}


def existing(wanted: dict[str, str]) -> dict[str, str]:
    """Every page that stands where generated pages stand."""
    owned = [path for folder in OWNED for path in (DOCS / folder).rglob("*") if path.is_file()]
    single = [DOCS / name for name in wanted if "/" not in name and (DOCS / name).is_file()]
    return {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in [*owned, *single]}


def stale() -> list[str]:
    """Pages that are missing, differ, or should not be there."""
    wanted = pages()
    present = existing(wanted)
    return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))


def write() -> None:
    """Write every page, and remove those that are generated no more."""
    wanted = pages()
    for name in existing(wanted).keys() - wanted.keys():
        (DOCS / name).unlink()
    for name, text in wanted.items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main() -> int:
    """Write the pages, or with `--check` compare and report drift; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with docs/ and change nothing")
    if not parser.parse_args().check:
        write()
        return 0
    for name in (different := stale()):
        print(f"docs/{name} is stale; run `make docs`", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
