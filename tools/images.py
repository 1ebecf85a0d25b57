"""Container images by digest: a tag can be moved to other content, a digest cannot.

`make images` asks the registry, through the docker command, which digest each tag has now, and writes
`deploy/compose/images.env` for `docker compose --env-file` and `docker build --build-arg`. Look at what changed before
you use it, and keep the file with your settings: the next build then takes the very same images.
"""

import argparse
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
NAMED: Final = ("deploy/Dockerfile", "docker-compose.yml")
"""Files that name images."""

OWN: Final = "wardgate"
"""The image that is built here, from the first of them."""

TAGS: Final[Mapping[str, str]] = {
    "PYTHON_IMAGE": "python:3.11-slim-bookworm",
    "POSTGRES_IMAGE": "postgres:17-bookworm",
    "OPA_IMAGE": "openpolicyagent/opa:1.20.2-static",
}
"""What is used, by the variable that both files name it by."""

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_FROM: Final = re.compile(r"^FROM\s+(?:--platform=\S+\s+)?(\S+)(?:\s+AS\s+(\S+))?\s*$", re.IGNORECASE)
_ARG: Final = re.compile(r"^ARG\s+\w*IMAGE=(\S+)\s*$")
_IMAGE: Final = re.compile(r"^\s*(?:-\s*)?image:\s*[\"']?([^\"'#]+?)[\"']?\s*(?:#.*)?$")
_VARIABLE: Final = re.compile(r"\$\{?\w+(?:(:?[-?])([^}]*))?\}?")


def unpinned(text: str) -> list[str]:
    """Images that a Dockerfile or compose file names without a whole digest, in order.

    A variable without a default is none: whoever builds has to give it, and `make images` gives a digest.
    """
    stages: set[str] = set()
    return [image for image in _named(text, stages) if not _is_pinned(image)]


def _named(text: str, stages: set[str]) -> Iterator[str]:
    for line in text.splitlines():
        if match := _FROM.match(line):
            if match[1] not in stages:
                yield from _given(match[1])
            stages.add(match[2] or "")
        elif match := _ARG.match(line) or _IMAGE.match(line):
            yield from _given(match[1])


def _given(image: str) -> Iterator[str]:
    """The image, or the default of the variable in its place."""
    variable = _VARIABLE.fullmatch(image)
    if variable is None:
        yield image
    elif variable[1] is not None and variable[1].endswith("-"):
        yield variable[2]


def _is_pinned(image: str) -> bool:
    name, at, digest = image.partition("@")
    if at:
        return bool(name) and _DIGEST.fullmatch(digest) is not None
    return name.partition(":")[0] == OWN


def digest_of(tag: str, run: Callable[[list[str]], str]) -> str:
    """The digest that a tag has at its registry now.

    Raises:
        ValueError: What came is no digest.
    """
    found = run(["docker", "buildx", "imagetools", "inspect", tag, "--format", "{{.Manifest.Digest}}"]).strip()
    if _DIGEST.fullmatch(found) is None:
        raise ValueError(f"{tag}: no digest came")
    return found


def env_file(run: Callable[[list[str]], str]) -> str:
    """The images as variables, one a line. Raises `ValueError` as `digest_of`."""
    return "".join(f"{name}={tag}@{digest_of(tag, run)}\n" for name, tag in TAGS.items())


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    out.write_text(env_file(_run), encoding="utf-8")


if __name__ == "__main__":
    main()
