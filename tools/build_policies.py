"""Builds `policies/dist` from `policies/`, or checks that what is committed there is current.

Two artefacts come from one source: `policy.wasm` with `data.json` for the embedded engine, and `bundle.tar.gz` for an
OPA server (which refuses a bundle that holds a module). Every step that could differ between two machines is done here
by hand, so that equal sources give equal bytes. `manifest.json` is signed where the bundle is installed, not here.

Usage: `build_policies.py [--opa PATH] [--check | --accept-golden]`.
"""

import argparse
import hashlib
import json
import logging
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import rfc8785
from jsonschema import Draft202012Validator
from opapywasm import OpaWasmPolicy

from tools.packing import pack
from tools.reference_data import ReferenceDataError, reference_documents

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCE: Final = ROOT / "policies"
DIST: Final = SOURCE / "dist"
OPA_VERSION: Final = "1.20.2"
ENTRIES: Final = ("requester", "gateway", "node", "audit")
SIGNATURE: Final = "manifest.sig"
"""Made by whoever installs the bundle; never part of the build."""

Json = Any


class BuildError(Exception):
    """The policies are not fit to be built; the text says why."""


def entry_path(entry: str) -> str:
    """The entry point of a decision point as OPA names it."""
    return f"wardgate/{entry}/decision"


def read_json(path: Path) -> Json:
    """A JSON file's value.

    Raises:
        BuildError: It is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BuildError(f"{path.relative_to(ROOT)}: {error}") from error


def to_json(value: Json) -> bytes:
    """Canonical JSON and a final line break."""
    return bytes(rfc8785.dumps(value)) + b"\n"


class Opa:
    """The pinned OPA command."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():
            raise BuildError(f"no OPA command at {path}: run `make .cache/opa/bin/opa` or give --opa PATH")
        found = self.run("version").splitlines()[0].removeprefix("Version: ")
        if found != OPA_VERSION:
            raise BuildError(f"OPA {found} found, {OPA_VERSION} is pinned")

    def run(self, *arguments: str | Path, folder: Path = ROOT) -> str:
        """Run one command in a folder and give its output.

        Raises:
            BuildError: It failed.
        """
        done = subprocess.run([self._path, *arguments], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BuildError(f"opa {arguments[0]} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return done.stdout

    def evaluate(self, bundle: Path, entry: str, inputs: list[Json]) -> list[Json]:
        """Decide on many inputs in one run; any error of a built-in is fatal.

        Raises:
            BuildError: A built-in failed, or a decision is undefined.
        """
        with tempfile.TemporaryDirectory() as scratch:
            batch = Path(scratch) / "batch.json"
            batch.write_text(json.dumps({"batch": inputs}), encoding="utf-8")
            decision = f"data.{entry_path(entry).replace('/', '.')}"
            query = (
                "[result | some i in numbers.range(0, count(input.batch) - 1); document := input.batch[i]; "
                f"result := {decision} with input as document]"
            )
            out = self.run(
                "eval", "--bundle", bundle, "--input", batch, "--strict-builtin-errors", "--format", "json", query
            )
        results = json.loads(out)["result"][0]["expressions"][0]["value"]
        if len(results) != len(inputs):
            raise BuildError(f"{entry}: {len(inputs) - len(results)} decisions are undefined")
        return list(results)


def lint(opa: Opa) -> None:
    """Format, strict check against the allowed built-ins, and all tests with full coverage."""
    rego = SOURCE / "wardgate"
    opa.run("fmt", "--fail", "--list", rego)
    with tempfile.TemporaryDirectory() as scratch:
        stage(Path(scratch), tests=False)
        opa.run("check", "--strict", "--capabilities", SOURCE / "capabilities.json", "--bundle", scratch)
    with tempfile.TemporaryDirectory() as scratch:
        stage(Path(scratch), tests=True)
        opa.run("check", "--strict", "--bundle", scratch)
        opa.run(
            "test", "--bundle", "--coverage", "--threshold", "100", "--timeout", "120s", "--format", "json", scratch
        )


def check_data() -> None:
    """Every data document agrees with its schema.

    Raises:
        BuildError: One does not, or has none.
    """
    for name, document in reference().items():
        schema = published_schema(SOURCE / "schemas" / f"data.{name}.json")
        for error in Draft202012Validator(schema).iter_errors(document):
            place = "/".join(str(step) for step in error.absolute_path)
            raise BuildError(f"reference {name}: {place}: {error.message}")


def published_schema(path: Path) -> Json:
    """A schema with the shared definitions it needs written into it, so that it stands alone.

    Raises:
        BuildError: There is no such schema, or a definition it names does not exist.
    """
    if not path.is_file():
        raise BuildError(f"no {path.relative_to(ROOT)}")
    shared = read_json(SOURCE / "schemas" / "common.json")["$defs"]
    needed: dict[str, Json] = {}
    schema = _localised(read_json(path), shared, needed)
    if needed:
        schema["$defs"] = {name: needed[name] for name in sorted(needed)}
    Draft202012Validator.check_schema(schema)
    return schema


def _localised(value: Json, shared: Mapping[str, Json], needed: dict[str, Json]) -> Json:
    if isinstance(value, list):
        return [_localised(item, shared, needed) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _localised(item, shared, needed) for key, item in value.items() if key != "$ref"}
    if "$ref" in value:
        name = value["$ref"].removeprefix("common.json#/$defs/")
        if name not in shared:
            raise BuildError(f"schemas: no shared definition {name}")
        if name not in needed:
            needed[name] = None
            needed[name] = _localised(shared[name], shared, needed)
        found["$ref"] = f"#/$defs/{name}"
    return found


def stage(folder: Path, *, tests: bool) -> None:
    """Lay out the sources as OPA loads a bundle."""
    for name, content in bundle_files(tests=tests).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def bundle_files(*, tests: bool) -> dict[str, bytes]:
    """The files of the OPA bundle by name: manifest, rules and one data document."""
    rego = {
        path.relative_to(SOURCE).as_posix(): path.read_bytes()
        for path in sorted((SOURCE / "wardgate").rglob("*.rego"))
        if tests or not path.name.endswith("_test.rego")
    }
    return {".manifest": to_json(read_json(SOURCE / ".manifest")), "data.json": reference_data(), **rego}


def reference_data() -> bytes:
    """All reference data as one document."""
    return to_json({"reference": reference()})


def reference() -> dict[str, Json]:
    """The documents of reference data by name, every default spelt out.

    Raises:
        BuildError: A row is not written as its document is.
    """
    try:
        return reference_documents(SOURCE / "reference")
    except ReferenceDataError as error:
        raise BuildError(f"reference {error}") from error


def compile_module(opa: Opa) -> bytes:
    """The WebAssembly module.

    Raises:
        BuildError: It misses an entry point, or would call the host.
    """
    with tempfile.TemporaryDirectory() as scratch:
        stage(Path(scratch) / "bundle", tests=False)
        points = [argument for entry in ENTRIES for argument in ("--entrypoint", entry_path(entry))]
        # The module holds the names of its source files: a relative name keeps this machine's folders out of it.
        settings = ["--target", "wasm", "--capabilities", str(SOURCE / "capabilities.json"), "--output", "out.tar.gz"]
        opa.run("build", "--bundle", "bundle", *settings, *points, folder=Path(scratch))
        with tarfile.open(Path(scratch) / "out.tar.gz") as archive:
            member = archive.extractfile("/policy.wasm")
            if member is None:
                raise BuildError("opa build gave no module")
            module = member.read()
    with OpaWasmPolicy.from_wasm_bytes(module) as policy:
        if policy.builtins:
            raise BuildError(f"the module calls the host: {', '.join(sorted(policy.builtins))}")
        if set(policy.entrypoints) != {entry_path(entry) for entry in ENTRIES}:
            raise BuildError(f"the module's entry points are {', '.join(sorted(policy.entrypoints))}")
    return module


def golden_decisions() -> list[Json]:
    """The golden decisions, each named after its file."""
    found = []
    for path in sorted((SOURCE / "golden").glob("*.json")):
        document = read_json(path)
        if sorted(document) != ["entry_point", "input", "result"]:
            raise BuildError(f"{path.relative_to(ROOT)}: wants entry_point, input and result")
        found.append({"name": path.stem, **document})
    return found


def recompute_golden(opa: Opa, module: bytes, bundle: bytes) -> dict[str, Json]:
    """Every golden decision by name, decided afresh by both engines.

    Raises:
        BuildError: The engines differ, or an input is not one the schema admits.
    """
    decisions, results = golden_decisions(), {}
    with tempfile.TemporaryDirectory() as scratch, OpaWasmPolicy.from_wasm_bytes(module) as policy:
        policy.set_data(reference_data())
        packed = Path(scratch) / "bundle.tar.gz"
        packed.write_bytes(bundle)
        for entry in ENTRIES:
            mine = [item for item in decisions if item["entry_point"] == entry_path(entry)]
            if not mine:
                raise BuildError(f"no golden decision for {entry}")
            schema = Draft202012Validator(published_schema(SOURCE / "schemas" / f"input.{entry}.json"))
            served = opa.evaluate(packed, entry, [item["input"] for item in mine])
            for item, other in zip(mine, served, strict=True):
                if (error := next(schema.iter_errors(item["input"]), None)) is not None:
                    raise BuildError(f"golden {item['name']}: {error.message}")
                embedded = policy.evaluate(item["input"], entry_path(entry))
                if to_json(embedded) != to_json(other):
                    raise BuildError(f"golden {item['name']}: the two engines differ")
                results[item["name"]] = other
    return results


def check_golden(results: Mapping[str, Json]) -> None:
    """The golden decisions come out as they stand in the files.

    Raises:
        BuildError: One does not.
    """
    for item in golden_decisions():
        if to_json(results[item["name"]]) != to_json(item["result"]):
            found = json.dumps(results[item["name"]], indent=2)
            raise BuildError(f"golden {item['name']} differs; decided now:\n{found}")


def accept_golden(results: Mapping[str, Json]) -> None:
    """Write what is decided now into the golden files, for a person to read in the diff."""
    for path in sorted((SOURCE / "golden").glob("*.json")):
        document = {**read_json(path), "result": results[path.stem]}
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def sources_digest() -> bytes:
    """SHA-256 of every source file, so that a built bundle names exactly what it was built from."""
    files = sorted(path for path in SOURCE.rglob("*") if _is_source(path))
    return to_json({path.relative_to(SOURCE).as_posix(): _sha256(path.read_bytes()) for path in files})


def _is_source(path: Path) -> bool:
    return path.is_file() and DIST not in path.parents and path.suffix != ".md"


def built_files(opa: Opa, *, accept: bool) -> dict[str, bytes]:
    """Every file of `policies/dist` by name."""
    check_data()
    module, bundle = compile_module(opa), pack(bundle_files(tests=False))
    results = recompute_golden(opa, module, bundle)
    if accept:
        accept_golden(results)
    check_golden(results)
    files = {
        "policy.wasm": module,
        "data.json": reference_data(),
        "bundle.tar.gz": bundle,
        "golden.json": to_json(golden_decisions()),
        "sources.json": sources_digest(),
        "schemas/overlay.json": to_json(published_schema(SOURCE / "schemas" / "overlay.json")),
    }
    for entry in ENTRIES:
        files[f"schemas/{entry}.json"] = to_json(published_schema(SOURCE / "schemas" / f"input.{entry}.json"))
    label = read_json(SOURCE / ".manifest")["revision"]
    manifest = {
        "v": 1,
        "revision": int(label),
        "label": label,
        "opa_version": OPA_VERSION,
        "files": {name: _sha256(content) for name, content in sorted(files.items())},
    }
    return {**files, "manifest.json": to_json(manifest)}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write(files: Mapping[str, bytes]) -> None:
    """Replace `policies/dist`."""
    for path in _dist_files():
        if path.relative_to(DIST).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        path = DIST / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def stale(files: Mapping[str, bytes]) -> list[str]:
    """Names that are missing from `policies/dist`, differ there, or should not be there."""
    present = {path.relative_to(DIST).as_posix(): path.read_bytes() for path in _dist_files()}
    return sorted(name for name in files.keys() | present.keys() if files.get(name) != present.get(name))


def _dist_files() -> list[Path]:
    return [path for path in DIST.rglob("*") if path.is_file() and path.name != SIGNATURE]


def main() -> int:
    """Build, or check and say what is stale."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--opa", type=Path, default=ROOT / ".cache/opa/bin/opa", help="the pinned OPA command")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="build into memory and compare with policies/dist")
    mode.add_argument("--accept-golden", action="store_true", help="write what is decided now into policies/golden")
    options = parser.parse_args()
    logging.getLogger("opapywasm").setLevel(logging.ERROR)  # it reports the module's size as a warning
    try:
        opa = Opa(options.opa.resolve())
        lint(opa)
        files = built_files(opa, accept=options.accept_golden)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    if options.check:
        for name in (different := stale(files)):
            print(f"policies/dist/{name} is stale; run tools/build_policies.py", file=sys.stderr)
        return 1 if different else 0
    write(files)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
