"""Runs a bundle's own tests, and says which lines of its rules none of them reaches."""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from federation.policy.authoring.opa import SHOWN_CHARS, Opa
from federation.policy.authoring.reading import ranges
from federation.policy.authoring.source import TEST_SUFFIX, Json, PolicySource, invalid

TEST: Final = re.compile(r"^((?:todo_)?test_\w+)")
TIMEOUT: Final = ("--timeout", "120s")


@dataclass(frozen=True, slots=True)
class TestReport:
    """What came of the tests.

    Attributes:
        tests: How many ran.
        failed: `file:line name` of each that failed or was put off.
        unreached: Lines that no test reached, by file; empty unless every test passed, as coverage is measured then.
        coverage: Percentage of the lines of all files that tests reached; None where not every test passed.
    """

    __test__ = False  # pytest would take it for tests of its own

    tests: int
    failed: tuple[str, ...]
    unreached: Mapping[str, tuple[int, ...]]
    coverage: float | None

    @property
    def holds(self) -> bool:
        """Whether all passed and reached every line."""
        return not self.failed and not self.unreached and self.tests > 0

    def content(self) -> dict[str, Any]:
        """For programs."""
        return {
            "tests": self.tests,
            "failed": list(self.failed),
            "unreached": {name: list(rows) for name, rows in self.unreached.items()},
            "coverage": self.coverage,
            "holds": self.holds,
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        yield from (f"failed: {place}" for place in self.failed)
        yield from (f"no test reaches {name}, line {ranges(rows)}" for name, rows in self.unreached.items())
        if self.failed:
            yield f"{len(self.failed)} of {self.tests} tests failed; coverage was not measured"
        else:
            yield f"{self.tests} tests passed; {self.coverage:g} % of the lines were reached"


def run_tests(source: PolicySource, opa: Opa) -> TestReport:
    """Run every test of the sources.

    Raises:
        WardgateError: `POLICY_SOURCE_INVALID`: they could not be run at all.
    """
    names, put_off = _written(source)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source.stage(folder, tests=True)
        done = opa.start("test", "--bundle", "--coverage", *TIMEOUT, "--format", "json", ".", folder=folder)
        if done.returncode != 0 or put_off:
            # With coverage OPA tells failures in words only, and without it as data.
            done = opa.start("test", "--bundle", *TIMEOUT, "--format", "json", ".", folder=folder)
            results = _parsed(done.stdout, done.stderr)
            if not isinstance(results, list):
                raise invalid(f"opa test failed:\n{(done.stderr or done.stdout)[-SHOWN_CHARS:]}")
            failed = {_place(item) for item in results if item.get("fail") or item.get("skip") or item.get("error")}
            return TestReport(len(results), tuple(sorted(failed | set(put_off))), {}, None)
    coverage = _parsed(done.stdout, done.stderr)
    return TestReport(len(names), (), _unreached(coverage), float(coverage["coverage"]))


def _written(source: PolicySource) -> tuple[set[tuple[str, str]], list[str]]:
    """Tests by file and name, and where those stand that are put off: OPA calls a run with such a test a success."""
    names: set[tuple[str, str]] = set()
    put_off = []
    for file, content in source.rego(tests=True).items():
        for row, line in enumerate(content.decode().splitlines(), 1):
            found = TEST.match(line)
            if found and file.endswith(TEST_SUFFIX):
                names.add((file, found[1]))
                put_off += [f"{file}:{row} {found[1]}"] if found[1].startswith("todo_") else []
    return names, put_off


def _parsed(out: str, errors: str) -> Json:
    try:
        return json.loads(out)
    except ValueError as error:
        raise invalid(f"opa test failed:\n{(errors or out)[-SHOWN_CHARS:]}") from error


def _place(item: Mapping[str, Any]) -> str:
    where = item["location"]
    return f"{where['file']}:{where['row']} {item['name']}"


def _unreached(coverage: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    found = {}
    for name, file in sorted(coverage["files"].items()):
        spans = file.get("not_covered", [])
        rows = {row for span in spans for row in range(span["start"]["row"], span["end"]["row"] + 1)}
        if rows and not name.endswith(TEST_SUFFIX):
            found[name.lstrip("./")] = tuple(sorted(rows))
    return found
