"""Writes the software bill of materials of what runs: CycloneDX JSON, from the lock file that is installed.

`make sbom` writes `build/sbom.cdx.json`. Names, versions and hashes are the lock file's; licences are what the
installed packages say of themselves. What a container image has besides, its base image's maker accounts for.
"""

import argparse
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Final

from boolean.boolean import AND, OR
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from license_expression import ExpressionError, LicenseSymbol, LicenseWithExceptionSymbol, get_spdx_licensing
from packageurl import PackageURL

ROOT: Final = Path(__file__).resolve().parents[1]
LOCK: Final = ROOT / "requirements" / "run.txt"
PROJECT: Final = "wardgate"

CLASSIFIERS: Final = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}
"""Trove classifiers that name one licence, for packages that have no licence expression yet."""

WRITTEN: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "ISC license": "ISC",
    "MIT License": "MIT",
}
"""What packages write in words, where they have neither."""

ALLOWED: Final = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
        "Python-2.0",
        "Unlicense",
        "Zlib",
    }
)
"""Licences under which the project may be passed on with a package: no copyleft beyond the package's own files."""

_LOCKED: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)(?:\s*;\s*([^\\]+?))?\s*\\?$")
_HASH: Final = re.compile(r"^\s+--hash=sha256:([0-9a-f]{64})\s*\\?$")


@dataclass(frozen=True, slots=True)
class Locked:
    """One package of a lock file.

    Attributes:
        marker: Where it is installed, as the lock file has it; empty for everywhere.
        hashes: SHA-256 of every file that may be installed, hex.
    """

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def locked(lines: Iterable[str]) -> Iterator[Locked]:
    """The packages of a lock file.

    Raises:
        ValueError: A line is neither a package, a hash nor a comment, or a package has no hash.
    """
    found: tuple[str, str, str] | None = None
    hashes: list[str] = []
    for line in [*lines, ""]:
        if match := _HASH.match(line):
            hashes.append(match[1])
            continue
        if line.lstrip().startswith("#"):
            continue
        if found is not None:
            yield _package(found, hashes)
        found, hashes = None, []
        if not line.strip():
            continue
        match = _LOCKED.match(line)
        if match is None:
            raise ValueError(f"not a locked package: {line.strip()[:80]}")
        found = (match[1], match[2], (match[3] or "").strip())


def _package(found: tuple[str, str, str], hashes: list[str]) -> Locked:
    if not hashes:
        raise ValueError(f"{found[0]} has no hash")
    return Locked(*found, tuple(hashes))


def licence_of(name: str) -> str:
    """The licence of an installed package as an SPDX expression; empty where it is not installed.

    Raises:
        ValueError: The package says nothing that is known here: look, and add a row to one of the tables.
    """
    try:
        metadata = distribution(name).metadata
    except PackageNotFoundError:
        return ""
    if expressions := metadata.get_all("License-Expression"):
        return str(expressions[0])
    named = [CLASSIFIERS[row] for row in metadata.get_all("Classifier", []) if row in CLASSIFIERS]
    if named:
        return " OR ".join(sorted(set(named)))
    said = (metadata.get_all("License") or [""])[0].strip()
    written: str = WRITTEN.get(said, said)
    if written in ALLOWED:
        return written
    raise ValueError(f"{name}: licence {written[:60]!r}")


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression leaves a choice that is allowed.

    Raises:
        ValueError: It is no expression.
    """
    try:
        parsed = get_spdx_licensing().parse(expression, validate=True)
    except ExpressionError as error:
        raise ValueError(f"not an SPDX expression: {expression}") from error
    if parsed is None:
        raise ValueError("not an SPDX expression: it is empty")
    return _allows(parsed)


def _allows(parsed: object) -> bool:
    if isinstance(parsed, LicenseSymbol | LicenseWithExceptionSymbol):
        return str(parsed) in ALLOWED
    if isinstance(parsed, OR):
        return any(_allows(part) for part in parsed.args)
    return isinstance(parsed, AND) and all(_allows(part) for part in parsed.args)


def bom_of(packages: Iterable[Locked], *, made_at: datetime) -> Bom:
    """The bill of materials."""
    bom = Bom()
    root = Component(name=PROJECT, version=version(PROJECT), type=ComponentType.APPLICATION, bom_ref=PROJECT)
    root.licenses.add(DisjunctiveLicense(id="Apache-2.0"))
    bom.metadata.component = root
    bom.metadata.timestamp = made_at
    components = [_component(package) for package in packages]
    for component in components:
        bom.components.add(component)
    bom.register_dependency(root, components)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, " ".join(sorted(str(item.purl) for item in components)))
    return bom


def _component(package: Locked) -> Component:
    purl = PackageURL("pypi", name=package.name.lower().replace("_", "-"), version=package.version)
    component = Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=str(purl),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in package.hashes],
        description=f"installed where {package.marker}" if package.marker else None,
    )
    if licence := licence_of(package.name):
        simple = re.fullmatch(r"[A-Za-z0-9.+-]+", licence)
        component.licenses.add(DisjunctiveLicense(id=licence) if simple else LicenseExpression(licence))
    return component


def main() -> None:
    """Write the bill."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    made_at = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    bom = bom_of(locked(LOCK.read_text(encoding="utf-8").splitlines()), made_at=made_at)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(JsonV1Dot6(bom).output_as_string(indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
