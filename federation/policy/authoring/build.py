"""Builds a bundle from its sources, and says whether the one that is committed is current.

Two artefacts come from one source: `policy.wasm` with `data.json` for the embedded engine, and `bundle.tar.gz` for an
OPA server (which refuses a bundle that holds a module). Every step that could differ between two machines is done here
by hand, so that equal sources give equal bytes. `manifest.json` is signed where the bundle is installed, not here.
"""

import json
import logging
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from opapywasm import OpaWasmPolicy

from federation.policy.authoring.opa import OPA_VERSION, Opa
from federation.policy.authoring.packing import pack
from federation.policy.authoring.published import faults
from federation.policy.authoring.source import ENTRIES, SIGNATURE, Json, PolicySource, entry_path, invalid, to_json
from keys.digest import sha256

ENTRY_OPTIONS: Final = [argument for entry in ENTRIES for argument in ("--entrypoint", entry_path(entry))]

logging.getLogger("opapywasm").setLevel(logging.ERROR)  # it reports the module's size as a warning


def built_files(source: PolicySource, opa: Opa, *, accept: bool) -> dict[str, bytes]:
    """Every file of `dist` by name.

    Args:
        source: What to build.
        opa: The pinned compiler.
        accept: Write what is decided now into the golden files first.

    Raises:
        WardgateError: `POLICY_SOURCE_INVALID`: data against its schema, a rule that does not compile, a call to the
            host, two engines that differ, a golden decision that comes out differently.
    """
    for text in data_faults(source):
        raise invalid(text)
    module, bundle = compile_module(source, opa), pack(source.bundle_files(tests=False))
    results = recompute_golden(source, opa, module, bundle)
    if accept:
        accept_golden(source, results)
    check_golden(source, results)
    files = {
        "policy.wasm": module,
        "data.json": source.reference_data(),
        "bundle.tar.gz": bundle,
        "golden.json": to_json(source.golden()),
        "sources.json": source.digests(),
        "schemas/overlay.json": to_json(source.published_schema("overlay")),
    }
    for entry in ENTRIES:
        files[f"schemas/{entry}.json"] = to_json(source.published_schema(f"input.{entry}"))
    return {**files, "manifest.json": to_json(_manifest(source, files))}


def _manifest(source: PolicySource, files: Mapping[str, bytes]) -> Json:
    label = source.manifest()["revision"]
    return {
        "v": 1,
        "revision": int(label),
        "label": label,
        "opa_version": OPA_VERSION,
        "files": {name: sha256(content).hex() for name, content in sorted(files.items())},
    }


def data_faults(source: PolicySource) -> list[str]:
    """Where reference data disagrees with its schema, or has none."""
    found = []
    for name, rows in source.reference().items():
        schema = source.published_schema(f"data.{name}")
        found += [f"reference {name}: {text}" for text in faults(rows, schema, f"data.{name}")]
    return found


def compile_module(source: PolicySource, opa: Opa) -> bytes:
    """The WebAssembly module.

    Raises:
        WardgateError: `POLICY_SOURCE_INVALID`: it misses an entry point, or would call the host.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source.stage(Path(scratch) / "bundle", tests=False)
        # The module holds the names of its source files: a relative name keeps this machine's folders out of it.
        capabilities = (source.root / "capabilities.json").resolve()
        settings = ["--target", "wasm", "--capabilities", str(capabilities), "--output", "out.tar.gz"]
        opa.run("build", "--bundle", "bundle", *settings, *ENTRY_OPTIONS, folder=Path(scratch))
        with tarfile.open(Path(scratch) / "out.tar.gz") as archive:
            member = archive.extractfile("/policy.wasm")
            if member is None:
                raise invalid("opa build gave no module")
            module = member.read()
    with OpaWasmPolicy.from_wasm_bytes(module) as policy:
        if policy.builtins:
            raise invalid(f"the module calls the host: {', '.join(sorted(policy.builtins))}")
        if set(policy.entrypoints) != {entry_path(entry) for entry in ENTRIES}:
            raise invalid(f"the module's entry points are {', '.join(sorted(policy.entrypoints))}")
    return module


def recompute_golden(source: PolicySource, opa: Opa, module: bytes, bundle: bytes) -> dict[str, Json]:
    """Every golden decision by name, decided afresh by both engines.

    Raises:
        WardgateError: `POLICY_SOURCE_INVALID`: the engines differ, or an input is not one the schema admits.
    """
    decisions, results = source.golden(), {}
    with tempfile.TemporaryDirectory() as scratch, OpaWasmPolicy.from_wasm_bytes(module) as policy:
        policy.set_data(source.reference_data())
        packed = Path(scratch) / "bundle.tar.gz"
        packed.write_bytes(bundle)
        for entry in ENTRIES:
            mine = [item for item in decisions if item["entry_point"] == entry_path(entry)]
            if not mine:
                raise invalid(f"no golden decision for {entry}")
            schema = source.published_schema(f"input.{entry}")
            served = opa.evaluate(packed, entry, [item["input"] for item in mine])
            for item, other in zip(mine, served, strict=True):
                for text in faults(item["input"], schema, entry):
                    raise invalid(f"golden {item['name']}: {text}")
                embedded = policy.evaluate(item["input"], entry_path(entry))
                if to_json(embedded) != to_json(other):
                    raise invalid(f"golden {item['name']}: the two engines differ")
                results[item["name"]] = other
    return results


def check_golden(source: PolicySource, results: Mapping[str, Json]) -> None:
    """The golden decisions come out as they stand in the files.

    Raises:
        WardgateError: `POLICY_SOURCE_INVALID`: one does not.
    """
    for item in source.golden():
        if to_json(results[item["name"]]) != to_json(item["result"]):
            found = json.dumps(results[item["name"]], indent=2)
            raise invalid(f"golden {item['name']} differs; decided now:\n{found}")


def accept_golden(source: PolicySource, results: Mapping[str, Json]) -> None:
    """Write what is decided now into the golden files, for a person to read in the diff."""
    for path in sorted((source.root / "golden").glob("*.json")):
        document = {**source.read_json(f"golden/{path.name}"), "result": results[path.stem]}
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write(source: PolicySource, files: Mapping[str, bytes]) -> None:
    """Replace `dist`."""
    for path in _dist_files(source):
        if path.relative_to(source.dist).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        path = source.dist / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def stale(source: PolicySource, files: Mapping[str, bytes]) -> list[str]:
    """Names that are missing from `dist`, differ there, or should not be there."""
    present = {path.relative_to(source.dist).as_posix(): path.read_bytes() for path in _dist_files(source)}
    return sorted(name for name in files.keys() | present.keys() if files.get(name) != present.get(name))


def _dist_files(source: PolicySource) -> list[Path]:
    return [path for path in source.dist.rglob("*") if path.is_file() and path.name != SIGNATURE]
