"""A policy that permits everything at once: what is left is the cost of asking, whatever the rules.

Its module is committed like generated code; `python -m bench.empty_policy OPA` compiles it again with the pinned OPA.
Data and schemas are those of the real bundle.
"""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final

from federation.policy.bundle import MANIFEST, VerifiedBundle, install_bundle
from federation.policy.engine import EntryPoint
from keys.signing import SigningKey

FOLDER: Final = Path(__file__).parent / "empty_bundle"
DIST: Final = Path(__file__).parents[1] / "policies" / "dist"
COMPILED: Final = ("policy.wasm", "bundle.tar.gz")
LABEL: Final = "bench-empty-1"
_PERMISSION: Final = {
    "effect": "permit",
    "reasons": [],
    "obligations": [],
    "expires_in_s": 60,
    "processing": [],
    "enquiry": {"outcome": "notify", "after_s": 0, "audience": []},
}


def install_empty(target: Path, key: SigningKey) -> VerifiedBundle:
    """Make a signed bundle of it.

    Raises:
        WardgateError: `BUNDLE_REJECTED`.
    """
    real = json.loads((DIST / MANIFEST).read_text(encoding="utf-8"))
    files = {name: (DIST / name).read_bytes() for name in real["files"]}
    files |= {name: (FOLDER / name).read_bytes() for name in COMPILED}
    files["golden.json"] = json.dumps([_golden(json.loads(files["golden.json"]))]).encode()
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = {**real, "label": LABEL, "files": digests}
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in {**files, MANIFEST: json.dumps(manifest).encode()}.items():
            path = Path(scratch) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return install_bundle(Path(scratch), target, key)


def _golden(real: list[dict[str, Any]]) -> dict[str, Any]:
    """A golden decision of its own: a bundle without one is refused."""
    asked = next(item["input"] for item in real if item["entry_point"] == EntryPoint.REQUESTER)
    return {"name": "anything", "entry_point": EntryPoint.REQUESTER, "input": asked, "result": _PERMISSION}


def compile_empty(opa: Path) -> dict[str, bytes]:
    """Compile the source: the module, and the bundle for servers.

    Raises:
        subprocess.CalledProcessError: OPA refused it.
    """
    entries = [argument for entry in EntryPoint for argument in ("-e", entry.value)]
    source = (FOLDER / "source").relative_to(Path.cwd())  # the module holds the names of its source files
    with tempfile.TemporaryDirectory() as scratch:
        module, bundle = Path(scratch) / "wasm.tar.gz", Path(scratch) / "bundle.tar.gz"
        for arguments in (["-t", "wasm", *entries, "-o", str(module)], ["-o", str(bundle)]):
            subprocess.run([str(opa), "build", "-b", str(source), *arguments], check=True)  # noqa: S603 - the command the caller named
        with tarfile.open(fileobj=io.BytesIO(module.read_bytes())) as opened:
            member = opened.extractfile("/policy.wasm")
            if member is None:
                raise FileNotFoundError("no module in what OPA built")
            return {"policy.wasm": member.read(), "bundle.tar.gz": bundle.read_bytes()}


if __name__ == "__main__":
    for name, content in compile_empty(Path(sys.argv[1])).items():
        (FOLDER / name).write_bytes(content)
