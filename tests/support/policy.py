"""Policy bundles for tests: a small compiled one with switches for trouble, and whatever else a test builds.

The fixture's module is committed like generated code. `python -m tests.support.policy` compiles it again with the
pinned OPA; a test demands equal bytes.
"""

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from federation.policy.bundle import MANIFEST, VerifiedBundle, install_bundle
from federation.policy.engine import EntryPoint
from keys.signing import SigningKey
from tests.support.opa import PINNED_VERSION, ROOT, opa_command, run_opa

FIXTURE = Path(__file__).parent / "policy_fixture"
COMPILED = ("policy.wasm", "data.json", "bundle.tar.gz")
LABEL = "fixture-1"
NOW = 1_790_000_000
"""The clock of policy tests: 21 September 2026."""


def fixture_files() -> dict[str, bytes]:
    """The fixture's files by their path in a bundle, without a manifest."""
    names = [*COMPILED, "golden.json", *(f"schemas/{path.name}" for path in (FIXTURE / "schemas").glob("*.json"))]
    return {name: (FIXTURE / name).read_bytes() for name in names}


def write_dist(
    directory: Path, files: Mapping[str, bytes] | None = None, *, revision: int = 1, label: str = LABEL
) -> Path:
    """Write an unsigned bundle, as `policies/dist` is."""
    content = fixture_files() if files is None else files
    manifest = {
        "v": 1,
        "revision": revision,
        "label": label,
        "opa_version": PINNED_VERSION,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in content.items()},
    }
    for name, data in {**content, MANIFEST: json.dumps(manifest).encode()}.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    return directory


def fixture_bundle(
    scratch: Path,
    key: SigningKey,
    *,
    revision: int = 1,
    label: str = LABEL,
    changes: Mapping[str, bytes | None] | None = None,
) -> VerifiedBundle:
    """The fixture, signed and loaded; `changes` replaces files, or removes those given as None."""
    files: dict[str, bytes | None] = {**fixture_files(), **(changes or {})}
    kept = {name: data for name, data in files.items() if data is not None}
    number = len(list(scratch.iterdir()))
    dist = write_dist(scratch / f"dist-{number}", kept, revision=revision, label=label)
    return install_bundle(dist, scratch / f"installed-{number}", key, clock=lambda: NOW)


def compile_fixture(opa: Path) -> dict[str, bytes]:
    """Compile the fixture's source: the module, its data, and the bundle for servers."""
    source = FIXTURE.relative_to(ROOT) / "source"  # the module holds the names of its source files
    entry_points = [argument for entry in EntryPoint for argument in ("-e", entry.value)]
    with tempfile.TemporaryDirectory() as scratch:
        module, bundle = Path(scratch) / "wasm.tar.gz", Path(scratch) / "bundle.tar.gz"
        run_opa(opa, "build", "-t", "wasm", *entry_points, "-b", source, "-o", module)
        run_opa(opa, "build", "-b", source, "-o", bundle)
        members = unpacked(module.read_bytes())
        return {name: members[f"/{name}"] for name in ("policy.wasm", "data.json")} | {
            "bundle.tar.gz": bundle.read_bytes()
        }


def unpacked(archive: bytes) -> dict[str, bytes]:
    """The members of a tar.gz by name."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        files = {member.name: opened.extractfile(member) for member in opened if member.isfile()}
        return {name: file.read() for name, file in files.items() if file is not None}


def date(year: int, month: int, day: int) -> dict[str, int]:
    """A calendar date of a policy input."""
    return {"year": year, "month": month, "day": day}


def agency(name: str = "camden-csc", **changes: Any) -> dict[str, Any]:
    """An agency of a policy input."""
    return {
        "id": name,
        "kind": "childrens_services",
        "legal_class": "S11_1",
        "areas": ["camden"],
        "arranged_by": "",
        "contract_from": None,
        "contract_to": None,
        "agreements": [],
        **changes,
    }


def question(trick: str = "", **changes: Any) -> dict[str, Any]:
    """What all entry points about a query read. `trick` is what the fixture's policy is to do."""
    return {
        "time": {"epoch_s": NOW, "date": date(2026, 9, 21)},
        "query": {
            "id": "2c6d8a1e-3d43-4b6e-9a53-0f0c3f7b8c11",
            "purpose": "S47_ENQ",
            "direction": "request",
            "urgency": "urgent",
            "area": "camden",
            "categories": [{"name": "cp_plan", "tier": "T1"}, {"name": "missing", "tier": "T2"}],
            "period": {"from": date(2024, 9, 21), "to": date(2026, 9, 21)},
            "attestations": [],
            "approvals": [],
            "family_informed": "no",
            "break_glass": trick,
            "issued_at": NOW,
            "expires_at": NOW + 3600,
            "identifier_state": "present",
        },
        "requester": {"agency": agency("islington-csc"), "user": {"ref": "u" * 32, "role": "social_worker"}},
        "counters": {"user_queries_day": 1, "agency_queries_hour": 1, "break_glass_day": 0},
        "case_grant": None,
        **changes,
    }


def requester_input(trick: str = "") -> dict[str, Any]:
    """An input of the requester's entry point."""
    return question(
        trick,
        user={
            "ref": "u" * 32,
            "role": "social_worker",
            "grants": [],
            "training_expires": date(2027, 1, 1),
            "employment_ends": None,
            "conflicted": False,
            "supervised": False,
            "case_role": "lead",
        },
    )


def gateway_input(trick: str = "", targets: int = 2) -> dict[str, Any]:
    """An input of the gateway's entry point."""
    return question(trick, targets=[agency(f"agency-{number}") for number in range(targets)])


def record(ref: str = "r1", **changes: Any) -> dict[str, Any]:
    """A record's descriptor."""
    return {
        "ref": ref,
        "category": "cp_plan",
        "type": "plan",
        "date": date(2026, 1, 31),
        "flags": [],
        "fields": ["start_date", "end_date"],
        "assertion": "fact",
        "relation": "subject",
        "contact_level": "lives_with",
        "handling_code": "",
        "barred_users": [],
        "permitted_users": [],
        **changes,
    }


def node_input(trick: str = "", records: int = 2) -> dict[str, Any]:
    """An input of the node's entry point."""
    return question(
        trick,
        responder=agency(),
        gateway={"categories": [{"name": "cp_plan", "tier": "T1"}], "obligations": []},
        overlay={},
        records=[record(f"r{number}") for number in range(records)],
        review=[],
    )


def audit_input(trick: str = "") -> dict[str, Any]:
    """An input of the auditor's entry point."""
    return question(trick)


def team_input(trick: str = "") -> dict[str, Any]:
    """An input of the entry point about teams."""
    return question(trick)


INPUTS = {
    EntryPoint.REQUESTER: requester_input,
    EntryPoint.GATEWAY: gateway_input,
    EntryPoint.NODE: node_input,
    EntryPoint.AUDIT: audit_input,
    EntryPoint.TEAM: team_input,
}


def _main() -> None:
    for name, content in compile_fixture(opa_command()).items():
        (FIXTURE / name).write_bytes(content)


if __name__ == "__main__":
    _main()
