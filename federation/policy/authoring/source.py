"""The sources of a bundle: where rules, data, schemas and golden decisions lie, and how a bundle lays them out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import rfc8785

from federation.errors import ErrorCode, WardgateError
from federation.policy.authoring.published import publish
from federation.policy.authoring.reference_data import ReferenceDataError, reference_documents
from keys.digest import sha256

PACKAGE_ROOT: Final = Path(__file__).resolve().parents[3]
"""The checkout, or the folder that Wardgate is installed in; `policies` lies in both."""

SHIPPED_SOURCE: Final = PACKAGE_ROOT / "policies"
SIGNATURE: Final = "manifest.sig"
"""Made by whoever installs the bundle; never part of the build."""

ENTRIES: Final = ("requester", "gateway", "node", "audit", "team")
TEST_SUFFIX: Final = "_test.rego"

Json = Any


def entry_path(entry: str) -> str:
    """The entry point of a decision point as OPA names it."""
    return f"wardgate/{entry}/decision"


def invalid(text: str) -> WardgateError:
    """The error for sources that are not fit to be built."""
    return WardgateError(ErrorCode.POLICY_SOURCE_INVALID, text)


def to_json(value: Json) -> bytes:
    """Canonical JSON and a final line break."""
    return bytes(rfc8785.dumps(value)) + b"\n"


@dataclass(frozen=True, slots=True)
class PolicySource:
    """A folder laid out like `policies/`.

    Attributes:
        root: The folder.
    """

    root: Path

    @property
    def dist(self) -> Path:
        """Where the built bundle lies."""
        return self.root / "dist"

    def read_json(self, name: str) -> Json:
        """The value of a JSON file, by its path below the root.

        Raises:
            WardgateError: `POLICY_SOURCE_INVALID`: not there, or not JSON.
        """
        try:
            return json.loads((self.root / name).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise invalid(f"no {name}") from error
        except (OSError, ValueError) as error:
            raise invalid(f"{name}: {error}") from error

    def manifest(self) -> Json:
        """OPA's manifest: revision, roots, Rego version."""
        return self.read_json(".manifest")

    def reference(self) -> dict[str, Json]:
        """Reference data by the name of its folder, every default spelt out.

        Raises:
            WardgateError: `POLICY_SOURCE_INVALID`: a row is not written as its document is.
        """
        try:
            return reference_documents(self.root / "reference")
        except ReferenceDataError as error:
            raise invalid(f"reference {error}") from error

    def reference_data(self) -> bytes:
        """All reference data as one document."""
        return to_json({"reference": self.reference()})

    def rego(self, *, tests: bool) -> dict[str, bytes]:
        """Rego files by path, with or without the twins that test them."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted((self.root / "wardgate").rglob("*.rego"))
            if tests or not path.name.endswith(TEST_SUFFIX)
        }

    def bundle_files(self, *, tests: bool) -> dict[str, bytes]:
        """The files of the OPA bundle by name: manifest, rules and one data document."""
        return {".manifest": to_json(self.manifest()), "data.json": self.reference_data(), **self.rego(tests=tests)}

    def stage(self, folder: Path, *, tests: bool) -> None:
        """Lay the sources out as OPA loads a bundle."""
        for name, content in self.bundle_files(tests=tests).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def published_schema(self, name: str) -> Json:
        """A schema of `schemas/` that stands alone.

        Raises:
            WardgateError: `POLICY_SOURCE_INVALID`: there is none, or it names a definition that does not exist.
        """
        shared: Mapping[str, Json] = self.read_json("schemas/common.json")["$defs"]
        return publish(self.read_json(f"schemas/{name}.json"), shared, name)

    def golden(self) -> list[Json]:
        """The golden decisions, each named after its file.

        Raises:
            WardgateError: `POLICY_SOURCE_INVALID`: one does not have the shape of a golden decision.
        """
        found = []
        for path in sorted((self.root / "golden").glob("*.json")):
            document = self.read_json(f"golden/{path.name}")
            if not isinstance(document, dict) or sorted(document) != ["entry_point", "input", "result"]:
                raise invalid(f"golden/{path.name}: wants entry_point, input and result")
            found.append({"name": path.stem, **document})
        return found

    def digests(self) -> bytes:
        """SHA-256 of every source file, so that a built bundle names exactly what it was built from."""
        files = sorted(path for path in self.root.rglob("*") if self._is_source(path))
        return to_json({path.relative_to(self.root).as_posix(): sha256(path.read_bytes()).hex() for path in files})

    def _is_source(self, path: Path) -> bool:
        return path.is_file() and self.dist not in path.parents and path.suffix != ".md"
