"""Flips the rules of the bundle, one by one, and names the flips that no Rego test and no golden decision notices.

Every fault that `policy_mutants` finds is tried: the tests of the fault's own package first, then those of all packages
that reach it, then the golden decisions; the first that fails ends the matter. A fault that does not compile is none,
and is counted as such.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from federation.policy.authoring.opa import Opa
from federation.policy.authoring.source import ENTRIES, SHIPPED_SOURCE, PolicySource, entry_path
from tools.policy_mutants import Ast, Mutant, changed_source, find_mutants, weave

SURVIVORS: Final = Path(__file__).parent / "surviving_mutants.json"
"""Faults that are known to survive, each with the reason: it changes nothing, or a test is still missing."""

POLICIES: Final = PolicySource(SHIPPED_SOURCE)
CORES: Final = len(os.sched_getaffinity(0))
_MANIFEST: Final = json.dumps({"revision": "mutation", "roots": [""], "rego_version": 1}).encode()
_EVERYTHING: Final = "everything"
"""Stands for the package that every test reaches."""
_HARNESS: Final = "mutation/harness.rego"


class MutationError(Exception):
    """The faults could not be tried; the text says why."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of the faults.

    Attributes:
        noticed: Those that something failed for.
        survived: Those that nothing failed for.
        stillborn: Those that OPA does not compile.
    """

    noticed: list[Mutant] = field(default_factory=list)
    survived: list[Mutant] = field(default_factory=list)
    stillborn: list[Mutant] = field(default_factory=list)


@dataclass(frozen=True)
class Sources:
    """The bundle's rules and tests, and all faults.

    Attributes:
        command: The pinned OPA.
        files: The bundle with its tests, by name.
        modules: Every Rego file as OPA parses it.
        mutants: Every fault, numbered from 1.
    """

    command: Path
    files: Mapping[str, bytes]
    modules: Mapping[str, Ast]
    mutants: Sequence[Mutant]

    @classmethod
    def read(cls, command: Path) -> "Sources":
        """Read the policies as they stand.

        Raises:
            WardgateError: `OPA_UNAVAILABLE`: no pinned OPA; `POLICY_SOURCE_INVALID`: it cannot read a file.
        """
        opa = Opa(command)
        files = POLICIES.bundle_files(tests=True)
        rego = [name for name in files if name.endswith(".rego")]
        with ThreadPoolExecutor(CORES) as pool:
            modules = dict(zip(rego, pool.map(lambda name: _parse(opa, POLICIES.root / name), rego), strict=True))
        mutants: list[Mutant] = []
        for name in rego:
            if not name.endswith("_test.rego"):
                mutants += find_mutants(name, files[name], modules[name], len(mutants) + 1)
        return cls(command, files, modules, mutants)

    @cached_property
    def reached(self) -> Mapping[str, frozenset[str]]:
        """By package, the packages it reaches, itself included."""
        packages = {_package(module) for module in self.modules.values()}
        direct: dict[str, set[str]] = {package: {package} for package in packages}
        for module in self.modules.values():
            direct[_package(module)] |= {_owner(path, packages) for path in _data_paths(module)} - {""}
        found: dict[str, frozenset[str]] = {}
        for package in packages:
            seen, following = {package}, [package]
            while following:
                news = direct[following.pop()] - seen
                seen |= news
                following += news
            found[package] = frozenset(seen)
        return found

    def tests_of(self, package: str) -> list[str]:
        """Every test that can notice a fault in a package, those of its twin first."""
        found: list[tuple[int, str]] = []
        for name, module in self.modules.items():
            tester = _package(module)
            if name.endswith("_test.rego") and (package == _EVERYTHING or package in self.reached[tester]):
                distance = 0 if tester == f"{package}_test" else len(self.reached[tester])
                names = dict.fromkeys(str(rule["head"]["ref"][0]["value"]) for rule in module["rules"])
                found += [(distance, f"data.{tester}.{test}") for test in names if test.startswith("test_")]
        return [test for _, test in sorted(found, key=lambda pair: pair[0])]

    def share(self, of: int, seed: int) -> list[Mutant]:
        """One of so many equal parts of the faults; `of` seeds that follow each other give every fault."""
        return list(self.mutants[seed % of :: of])


def try_mutants(sources: Sources, mutants: Iterable[Mutant]) -> Tried:
    """Try faults.

    Raises:
        MutationError: The tests do not pass without a fault, or OPA failed.
    """
    chosen = list(mutants)
    tried = Tried()
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        woven, stillborn = _stage_woven(sources, chosen, Path(scratch) / "woven")
        tried.stillborn.extend(stillborn)
        noticed = _noticed_woven(sources, woven, Path(scratch))
        for mutant in chosen:
            if mutant.woven and mutant not in stillborn:
                (tried.noticed if mutant.number in noticed else tried.survived).append(mutant)
        for mutant in chosen:
            if not mutant.woven:
                _try_alone(sources, mutant, Path(scratch) / f"alone-{mutant.number}", tried)
    return tried


def complain(tried: Tried, sources: Sources) -> list[str]:
    """What is wrong: a fault that survived and is not listed, or one that is listed and did not, or is no more."""
    listed = set(json.loads(SURVIVORS.read_text(encoding="utf-8")))
    found = [f"{mutant.place}: {mutant.key} -> {mutant.text.decode()}" for mutant in tried.survived]
    unlisted = [text for text, mutant in zip(found, tried.survived, strict=True) if mutant.key not in listed]
    died = [mutant.key for mutant in (*tried.noticed, *tried.stillborn) if mutant.key in listed]
    gone = listed - {mutant.key for mutant in sources.mutants}
    return [
        *(f"survives: {text}" for text in unlisted),
        *(f"listed as surviving, but noticed: {key}" for key in died),
        *(f"listed as surviving, but there is no such fault: {key}" for key in sorted(gone)),
    ]


def _stage_woven(sources: Sources, chosen: list[Mutant], folder: Path) -> tuple[list[Mutant], list[Mutant]]:
    """Lay out the bundle with all faults that compile; gives those, and those that do not."""
    living = [mutant for mutant in chosen if mutant.woven]
    stillborn: list[Mutant] = []
    while True:
        files, rows = dict(sources.files), {}
        for name in {mutant.file for mutant in living}:
            of_file = [mutant for mutant in living if mutant.file == name]
            woven = weave(sources.files[name], of_file)
            files[name], rows[name] = woven.text, woven.rows
        files[_HARNESS] = _harness(sources, living)
        _stage(files, folder)
        errors = _compile_errors(sources.command, folder)
        if not errors:
            return living, stillborn
        dead = {number for name, row in errors for number, span in rows.get(name, {}).items() if row in span}
        if not dead:
            raise MutationError(f"does not compile, whatever is left out: {sorted(errors)[:5]}")
        stillborn += [mutant for mutant in living if mutant.number in dead]
        living = [mutant for mutant in living if mutant.number not in dead]


def _harness(sources: Sources, mutants: Iterable[Mutant]) -> bytes:
    """Rules that say whether anything fails: `noticed`, asked with the fault's number and package."""
    lines = ["package mutation", "default noticed := false"]
    for package in sorted({_EVERYTHING, *(mutant.package for mutant in mutants)}):
        suite = package.replace(".", "_")
        lines.append(f'noticed if {{ input.package == "{package}"; fails_{suite} with data.mutant as input.mutant }}')
        lines += [f"fails_{suite} if not {test}" for test in sources.tests_of(package)]
        lines.append(f"fails_{suite} if not golden_kept")
    lines.append("golden_kept if { every case in data.golden { decided(case) == case.result } }")
    for path in map(entry_path, ENTRIES):
        decision = f"data.{path.replace('/', '.')} with input as case.input"
        lines.append(f'decided(case) := result if {{ case.entry_point == "{path}"; result := {decision} }}')
    return "\n\n".join(lines).encode()


def _noticed_woven(sources: Sources, mutants: list[Mutant], scratch: Path) -> set[int]:
    """Numbers of the faults that something fails for."""
    opa = Opa(sources.command)
    questions = [(mutant.number, mutant.package) for mutant in mutants]
    questions.append((0, _EVERYTHING))
    shares = [questions[core::CORES] for core in range(CORES)]
    with ThreadPoolExecutor(CORES) as pool:
        folders = [scratch / f"ask-{core}" for core in range(CORES)]
        parts = pool.map(lambda folder, share: _ask(opa, scratch / "woven", folder, share), folders, shares)
        found = [question for part in parts for question in part]
    if (0, _EVERYTHING) in found:
        raise MutationError("something fails without any fault")
    return {number for number, _ in found}


def _try_alone(sources: Sources, mutant: Mutant, folder: Path, tried: Tried) -> None:
    """Try one fault in a bundle of its own."""
    source = changed_source(sources.files[mutant.file], mutant)
    _stage({**sources.files, mutant.file: source, _HARNESS: _harness(sources, [mutant])}, folder / "bundle")
    if _compile_errors(sources.command, folder / "bundle"):
        tried.stillborn.append(mutant)
        return
    noticed = _ask(Opa(sources.command), folder / "bundle", folder / "ask", [(0, mutant.package)])
    (tried.noticed if noticed else tried.survived).append(mutant)


def _ask(opa: Opa, bundle: Path, folder: Path, questions: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Those faults for which something fails, or for which OPA cannot come to a decision."""
    folder.mkdir(parents=True)
    for number, package in questions:
        path = folder / f"{number}.{package}.json"
        path.write_text(json.dumps({"mutant": number, "package": package}), encoding="utf-8")
    out = opa.run("exec", "--decision", "mutation/noticed", "--bundle", bundle, folder)
    answers = json.loads(out)["result"]
    if len(answers) != len(questions):
        raise MutationError(f"{len(questions)} faults, {len(answers)} answers")
    noticed = [Path(answer["path"]).stem.split(".", 1) for answer in answers if _fails(answer)]
    return [(int(number), package) for number, package in noticed]


def _fails(answer: Mapping[str, Any]) -> bool:
    """Whether a test failed, or two rules contradict each other: then there is no decision at all."""
    error = answer.get("error")
    if error is not None and error["code"] != "eval_conflict_error":
        raise MutationError(f"{answer['path']}: {error['message']}")
    return error is not None or bool(answer["result"])


def _stage(files: Mapping[str, bytes], folder: Path) -> None:
    data = {**json.loads(files["data.json"]), "mutant": 0, "golden": POLICIES.golden()}
    for name, content in {**files, ".manifest": _MANIFEST, "data.json": json.dumps(data).encode()}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _compile_errors(command: Path, folder: Path) -> set[tuple[str, int]]:
    """File and line of everything OPA does not compile."""
    arguments: list[str | Path] = [command, "check", "--format", "json", "--max-errors", "100000", "--bundle", folder]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    errors = json.loads(done.stdout or done.stderr)["errors"] if done.returncode else []
    places = [error["location"] for error in errors]
    return {(Path(place["file"]).relative_to(folder).as_posix(), int(place["row"])) for place in places}


def _parse(opa: Opa, path: Path) -> Ast:
    module: Ast = json.loads(opa.run("parse", "--format", "json", "--json-include", "locations,-comments", path))
    return module


def _package(module: Ast) -> str:
    return ".".join(str(term["value"]) for term in module["package"]["path"][1:])


def _data_paths(node: Any) -> Iterator[str]:  # noqa: ANN401 - any part of the tree
    """Every reference into `data`, imports included, without `data`."""
    if isinstance(node, list):
        for item in node:
            yield from _data_paths(item)
    elif isinstance(node, dict):
        terms = node["value"] if node.get("type") == "ref" else []
        if terms and terms[0]["value"] == "data":
            yield ".".join(str(term["value"]) for term in terms[1:] if term["type"] == "string")
        for inner in node.values():
            yield from _data_paths(inner)


def _owner(path: str, packages: set[str]) -> str:
    """The package a reference leads into; empty when it leads to data."""
    return max((name for name in packages if f"{path}.".startswith(f"{name}.")), key=len, default="")


def main() -> int:
    """Try the faults and name those that survive.

    Raises:
        WardgateError, MutationError: They could not be tried.
    """
    parser = argparse.ArgumentParser(description="Flip the rules of the bundle and see whether a test notices.")
    parser.add_argument("--opa", type=Path, help="the pinned OPA command; found where `wardgate policy` finds it")
    parser.add_argument("--share", type=int, default=1, help="try one of so many equal parts of the faults")
    parser.add_argument("--seed", type=int, default=0, help="which of them")
    options = parser.parse_args()
    sources = Sources.read(Opa.find(options.opa).path)
    tried = try_mutants(sources, sources.share(options.share, options.seed))
    complaints = complain(tried, sources)
    print(*complaints, sep="\n")
    print(f"{len(tried.noticed)} noticed, {len(tried.survived)} survived, {len(tried.stillborn)} do not compile")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
