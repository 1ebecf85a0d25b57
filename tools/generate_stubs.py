"""Regenerates `federation/wire/v1` from `proto/`, or checks that the committed stubs are current.

The compiler is the pinned grpcio-tools, so two runs give equal bytes. Usage: `generate_stubs.py [--check]`.
"""

import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("federation/wire/v1")


def generate(out: Path) -> None:
    """Write the Python stubs and their type files under `out`."""
    sources = sorted(str(path) for path in (ROOT / "proto" / PACKAGE).glob("*.proto"))
    bin_dir = Path(sys.executable).parent
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"--proto_path={ROOT / 'proto'}",
            f"--plugin=protoc-gen-mypy={bin_dir / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={bin_dir / 'protoc-gen-mypy_grpc'}",
            f"--python_out={out}",
            f"--grpc_python_out={out}",
            f"--mypy_out={out}",
            f"--mypy_grpc_out={out}",
            *sources,
        ],
        check=True,
    )


def stubs(root: Path) -> set[str]:
    """Names of the generated files below `root`."""
    return {path.name for path in (root / PACKAGE).glob("*_pb2*.py*")}


def main() -> int:
    """Generate in place, or with `--check` compare and report drift; returns the exit code."""
    if "--check" not in sys.argv[1:]:
        generate(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        fresh, kept = stubs(Path(scratch)), stubs(ROOT)
        _, differing, missing = filecmp.cmpfiles(
            Path(scratch) / PACKAGE, ROOT / PACKAGE, sorted(fresh | kept), shallow=False
        )
    if differing or missing:
        print("stubs differ from proto/ (run `make proto`):", *differing, *missing)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
