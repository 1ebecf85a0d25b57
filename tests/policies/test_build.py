"""The built bundle: whole, current, without a call to the host, and the same bytes wherever it is built."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from opapywasm import OpaWasmPolicy

from federation.errors import ErrorCode, WardgateError
from federation.policy.authoring.build import built_files, stale, write
from federation.policy.authoring.opa import Opa
from federation.policy.authoring.packing import pack, unpack
from federation.policy.authoring.source import PolicySource, to_json
from federation.policy.authoring.testing import run_tests
from federation.policy.bundle import VerifiedBundle, install_bundle
from federation.policy.engine import EntryPoint
from keys.signing import SigningKey
from tests.policies.inputs import DIST, POLICIES, REFERENCE, Json
from tests.support.opa import opa_command

SOURCE = PolicySource(POLICIES)
IMPURE = "package wardgate.node\n\nimpure := time.now_ns()\n"


def test_the_manifest_accounts_for_every_byte() -> None:
    manifest = json.loads((DIST / "manifest.json").read_text())
    present = {path.relative_to(DIST).as_posix(): path for path in DIST.rglob("*") if path.is_file()}
    present.pop("manifest.json")
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in present.items()} == manifest["files"]
    assert manifest["label"] == json.loads((POLICIES / ".manifest").read_text())["revision"]
    assert str(manifest["revision"]) == manifest["label"]


def test_the_bundle_can_be_installed_and_verified(tmp_path: Path) -> None:
    key = SigningKey.generate()
    installed = install_bundle(DIST, tmp_path / "bundle", key)
    assert VerifiedBundle.load(tmp_path / "bundle", key.verify_key).id == installed.id


def test_what_is_committed_was_built_from_these_sources() -> None:
    assert SOURCE.digests() == (DIST / "sources.json").read_bytes()
    assert SOURCE.reference_data() == (DIST / "data.json").read_bytes()
    assert pack(SOURCE.bundle_files(tests=False)) == (DIST / "bundle.tar.gz").read_bytes()


@pytest.mark.opa
def test_what_is_committed_is_what_is_built() -> None:
    assert stale(SOURCE, built_files(SOURCE, Opa(opa_command()), accept=False)) == []


TWO_RULES = "package wardgate.two\n\none if input.one == 1\n\ntwo if input.two == 2\n"
TEST_OF_ONE = "package wardgate.two_test\n\nimport data.wardgate.two\n\ntest_one if two.one with input.one as 1\n"
TEST_OF_THE_OTHER = "\ntest_two if two.two with input.two as 2\n"


@pytest.mark.opa
def test_a_line_that_no_test_runs_is_refused(tmp_path: Path) -> None:
    shutil.copytree(POLICIES, tmp_path, ignore=shutil.ignore_patterns("wardgate", "dist"), dirs_exist_ok=True)
    rego = tmp_path / "wardgate"
    rego.mkdir()
    (rego / "two.rego").write_text(TWO_RULES)
    (rego / "two_test.rego").write_text(TEST_OF_ONE)
    source, opa = PolicySource(tmp_path), Opa(opa_command())
    report = run_tests(source, opa)
    assert (report.failed, list(report.unreached), report.holds) == ((), ["wardgate/two.rego"], False)
    (rego / "two_test.rego").write_text(TEST_OF_ONE + TEST_OF_THE_OTHER)
    assert run_tests(source, opa).holds


def test_the_module_needs_nothing_of_its_host(policy: OpaWasmPolicy) -> None:
    assert policy.builtins == {}
    assert set(policy.entrypoints) == {entry.value for entry in EntryPoint}


def test_a_packed_bundle_is_an_ordinary_archive() -> None:
    files = {"b": b"", "a/c": bytes(range(256)) * 600}
    packed = pack(files)
    assert packed == pack(dict(reversed(files.items())))
    assert len(gzip.decompress(packed)) % 512 == 0
    assert unpack(packed) == files
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        read = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        assert {name: member.read() for name, member in read.items() if member} == files
        assert {member.mtime for member in archive.getmembers()} == {0}


@pytest.mark.parametrize("path", sorted((DIST / "schemas").glob("*.json")), ids=lambda path: path.stem)
def test_published_schemas_stand_alone_and_take_nothing_unknown(path: Path) -> None:
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    references = [line for line in json.dumps(schema, indent=1).splitlines() if '"$ref"' in line]
    assert all('"#/$defs/' in line for line in references)
    assert "additionalProperties" in json.dumps(schema)
    assert not Draft202012Validator(schema).is_valid({"surprise": True})


def test_every_object_of_an_input_is_closed_and_every_list_bounded() -> None:
    for entry in EntryPoint:
        schema = SOURCE.published_schema(f"input.{entry.value.split('/')[1]}")
        for node in walk(schema):
            if node.get("type") == "object":
                closed = node["additionalProperties"] is False and node["required"] == list(node["properties"])
                assert closed or "maxProperties" in node, node
            elif node.get("type") == "array":
                assert "maxItems" in node, node
            elif node.get("type") == "string":
                assert "maxLength" in node or "pattern" in node, node


def walk(value: Json) -> list[Json]:
    if isinstance(value, list):
        return [node for item in value for node in walk(item)]
    if not isinstance(value, dict):
        return []
    return [value, *(node for item in value.values() for node in walk(item))]


def test_an_overlay_cannot_say_anything_but_what_it_knows() -> None:
    published = json.loads((DIST / "schemas" / "overlay.json").read_text())
    schema = Draft202012Validator(published)
    overlay: Json = {name: [] for name in published["$defs"]["overlay"]["properties"]}
    assert schema.is_valid(overlay)
    assert not schema.is_valid({**overlay, "categories_always": ["s47"]})
    assert not schema.is_valid({**overlay, "tier_caps": [{"category": "s47", "tier": "T3"}]})


def test_codes_may_not_end_in_a_line_break() -> None:
    schema = Draft202012Validator(SOURCE.published_schema("data.agency_kinds"))
    row = {"title": "School", "under_grant": False}
    assert schema.is_valid({"school": row})
    assert not schema.is_valid({"school\n": row})


@pytest.mark.opa
def test_a_built_in_that_would_call_the_host_is_refused(tmp_path: Path) -> None:
    opa = Opa(opa_command())
    SOURCE.stage(tmp_path, tests=False)
    arguments = ("check", "--strict", "--capabilities", POLICIES / "capabilities.json", "--bundle", tmp_path)
    opa.run(*arguments)
    (tmp_path / "wardgate" / "node" / "impure.rego").write_text(IMPURE)
    with pytest.raises(WardgateError, match=r"undefined function time\.now_ns"):
        opa.run(*arguments)


@pytest.mark.opa
def test_a_broken_source_is_named(tmp_path: Path) -> None:
    shutil.copytree(POLICIES, tmp_path / "policies")
    source, opa = PolicySource(tmp_path / "policies"), Opa(opa_command())
    golden = source.root / "golden" / "gateway_s47.json"
    document = json.loads(golden.read_text())
    golden.write_text(json.dumps({**document, "result": {**document["result"], "expires_in_s": 1}}))
    with pytest.raises(WardgateError, match="golden gateway_s47 differs"):
        built_files(source, opa, accept=False)
    files = built_files(source, opa, accept=True)
    assert json.loads(golden.read_text()) == document
    assert stale(source, files) == []
    (source.dist / "stray").write_text("")
    assert stale(source, files) == ["stray"]
    write(source, files)
    assert stale(source, files) == []
    limits = source.root / "reference" / "limits" / "data.json"
    limits.write_text(json.dumps({**REFERENCE["limits"], "looks_day": {"alert": 0, "refuse": 1}}))
    with pytest.raises(WardgateError, match="reference limits"):
        built_files(source, opa, accept=False)


def test_another_opa_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WardgateError, match="no OPA command") as missing:
        Opa(tmp_path / "opa")
    other = tmp_path / "opa"
    other.write_text("#!/bin/sh\necho Version: 0.1.0\n")
    other.chmod(0o755)
    with pytest.raises(WardgateError, match="is pinned") as wrong:
        Opa(other)
    assert {missing.value.code, wrong.value.code} == {ErrorCode.OPA_UNAVAILABLE}


def test_json_is_canonical_with_a_final_line_break() -> None:
    assert to_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}\n'.encode()
