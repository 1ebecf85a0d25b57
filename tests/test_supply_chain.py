"""What is installed is locked, in wheels, of licences that allow it, and listed; images are named by digest."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cyclonedx.output.json import JsonV1Dot6
from jsonschema import Draft7Validator

from tools.images import NAMED, TAGS, env_file, unpinned
from tools.sbom import ALLOWED, LOCK, bom_of, is_allowed, licence_of, locked

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PINNED = "registry.example/python:3.11@sha256:" + "0a" * 32


def packages(path: Path) -> list[str]:
    return [package.name for package in locked(path.read_text(encoding="utf-8").splitlines())]


# -- the locks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_package_is_locked_to_a_version_and_hashes(path: Path) -> None:
    found = list(locked(path.read_text(encoding="utf-8").splitlines()))
    assert len(found) > 3
    assert all(package.hashes for package in found)


@pytest.mark.parametrize(
    "lines",
    [["one==1"], ["one>=1 \\", "    --hash=sha256:" + "0" * 64], ["-e ."], ["one==1 \\", "    --hash=md5:0"]],
)
def test_what_is_not_locked_is_no_lock(lines: list[str]) -> None:
    with pytest.raises(ValueError, match=r"hash|locked"):
        list(locked(lines))


def test_nothing_that_builds_is_installed_to_run() -> None:
    assert not {"hatchling", "editables", "pip", "setuptools", "wheel"} & set(packages(ROOT / "requirements/run.txt"))
    assert {"hatchling", "editables"} <= set(packages(ROOT / "requirements/build.txt"))


def test_every_installation_from_a_lock_takes_wheels_with_hashes() -> None:
    for name in ("Makefile", "deploy/Dockerfile"):
        text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
        variable = re.search(r"^INSTALL := (.*)$", text, re.MULTILINE)
        lines = [
            line.replace("$(INSTALL)", variable[1] if variable else "")
            for line in text.splitlines()
            if "-r requirements/" in line and "install" in line.lower() and "compile" not in line
        ]
        assert lines, name
        for line in lines:
            assert "--require-hashes" in line, (name, line)
            assert "--only-binary :all:" in line, (name, line)


# -- licences ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_licence_allows_what_is_done_with_the_package(path: Path) -> None:
    licences = {name: licence_of(name) for name in packages(path)}
    assert [name for name, licence in licences.items() if licence and not is_allowed(licence)] == []
    elsewhere = {package.name for package in locked(path.read_text(encoding="utf-8").splitlines()) if package.marker}
    assert {name for name, licence in licences.items() if not licence} <= elsewhere


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("MPL-2.0", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only", False),
        ("LGPL-2.1-or-later", False),
        ("GPL-2.0-only OR MIT", True),
        ("GPL-2.0-only AND MIT", False),
        ("MIT AND (BSD-3-Clause OR GPL-2.0-only)", True),
    ],
)
def test_a_choice_is_enough_and_a_condition_is_not_overlooked(expression: str, *, allowed: bool) -> None:
    assert is_allowed(expression) is allowed


@pytest.mark.parametrize("expression", ["", "free for all", "MIT-ish"])
def test_what_is_no_licence_is_an_error_and_not_allowed(expression: str) -> None:
    with pytest.raises(ValueError, match="SPDX"):
        is_allowed(expression)


def test_no_copyleft_is_allowed_but_that_of_single_files() -> None:
    assert [name for name in sorted(ALLOWED) if re.search(r"GPL|MPL|EPL|CDDL|EUPL", name)] == ["MPL-2.0"]


# -- the bill of materials ---------------------------------------------------------------------------------------------


def test_the_bill_lists_every_package_with_hashes_and_licence_and_is_valid() -> None:
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    made = bom_of(locked(lines), made_at=datetime(2026, 12, 1, tzinfo=UTC))
    found = json.loads(JsonV1Dot6(made).output_as_string())

    by_name = {component["name"]: component for component in found["components"]}
    expected = {package.name: package for package in locked(lines)}
    assert by_name.keys() == expected.keys()
    for name, component in by_name.items():
        assert component["version"] == expected[name].version
        assert {item["content"] for item in component["hashes"]} == set(expected[name].hashes)
        assert component.get("licenses") or expected[name].marker
        assert component["purl"] == f"pkg:pypi/{name}@{expected[name].version}"
    assert found["metadata"]["component"]["name"] == "wardgate"
    Draft7Validator({"required": ["bomFormat", "specVersion", "serialNumber", "components"]}).validate(found)


def test_the_same_lock_gives_the_same_bill() -> None:
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    one, other = (
        JsonV1Dot6(bom_of(locked(lines), made_at=datetime(2026, 12, 1, tzinfo=UTC))).output_as_string()
        for _ in range(2)
    )
    assert one == other


# -- images ------------------------------------------------------------------------------------------------------------


def test_no_image_is_named_by_a_tag_alone() -> None:
    for name in NAMED:
        assert unpinned((ROOT / name).read_text(encoding="utf-8")) == [], name


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("FROM python:3.11-slim", ["python:3.11-slim"]),
        (f"FROM {PINNED} AS build", []),
        ("FROM ${PYTHON_IMAGE}", []),
        ("FROM build", []),
        ("ARG PYTHON_IMAGE=python:3.11", ["python:3.11"]),
        (f"ARG PYTHON_IMAGE={PINNED}", []),
        ("ARG PYTHON_IMAGE", []),
        ("    image: postgres:17", ["postgres:17"]),
        (f"    image: {PINNED}", []),
        ("    image: ${POSTGRES_IMAGE:?see docs}", []),
        ("    image: ${POSTGRES_IMAGE:-postgres:17}", ["postgres:17"]),
        ("    image: python:3.11@sha256:0a", ["python:3.11@sha256:0a"]),
    ],
)
def test_a_tag_without_a_digest_is_found_wherever_an_image_is_named(line: str, found: list[str]) -> None:
    assert unpinned(f"FROM {PINNED} AS build\n{line}\n") == found


def test_every_image_is_asked_of_its_registry_and_written_by_digest() -> None:
    asked: list[str] = []

    def registry(command: list[str]) -> str:
        asked.append(command[4])
        return f"sha256:{len(asked):064x}\n"

    lines = env_file(registry).splitlines()

    assert asked == list(TAGS.values())
    assert lines == [f"{name}={tag}@sha256:{at:064x}" for at, (name, tag) in enumerate(TAGS.items(), 1)]
    assert unpinned("\n".join(f"ARG {line}" for line in lines)) == []


@pytest.mark.parametrize("said", ["", "sha256:0a", "<no value>"])
def test_what_is_no_digest_is_not_written(said: str) -> None:
    with pytest.raises(ValueError, match="no digest"):
        env_file(lambda _: said)


def test_each_variable_of_the_files_is_one_that_is_written() -> None:
    named = {
        name for path in NAMED for name in re.findall(r"\$\{(\w*IMAGE)", (ROOT / path).read_text(encoding="utf-8"))
    }
    assert named == set(TAGS)
