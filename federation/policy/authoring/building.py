"""`wardgate policy build` from its first check to what it says at the end."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.policy.authoring.build import built_files, stale, write
from federation.policy.authoring.lint import Finding, lint
from federation.policy.authoring.opa import Opa
from federation.policy.authoring.source import PolicySource
from federation.policy.authoring.testing import TestReport, run_tests


@dataclass(frozen=True, slots=True)
class BuildOutcome:
    """What came of a build.

    Attributes:
        findings: Of the lint; with any, nothing further was done.
        tests: What came of the tests; None where the lint found something.
        revision: Of the bundle.
        stale: Files of `dist` that differed from what was built; none where nothing was built.
        written: Whether `dist` now holds what was built.
    """

    findings: tuple[Finding, ...]
    tests: TestReport | None
    revision: str
    stale: tuple[str, ...]
    written: bool

    @property
    def built(self) -> bool:
        """Whether there was nothing against building."""
        return not self.findings and self.tests is not None and self.tests.holds

    @property
    def holds(self) -> bool:
        """Whether `dist` is now what the sources say."""
        return self.built and (self.written or not self.stale)

    def content(self) -> dict[str, Any]:
        """For programs."""
        return {
            "revision": self.revision,
            "built": self.built,
            "written": self.written,
            "stale": list(self.stale),
            "findings": [{"check": finding.check, "text": finding.text} for finding in self.findings],
            "tests": self.tests.content() if self.tests else None,
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        yield from (f"{finding.check}: {finding.text}" for finding in self.findings)
        if self.tests is not None:
            yield from self.tests.lines()
        if not self.built:
            yield "not built"
        elif self.written:
            yield f"revision {self.revision} written; changed: {', '.join(self.stale) or 'nothing'}"
        elif self.stale:
            yield f"stale: {', '.join(self.stale)}; build it again and commit it"
        else:
            yield f"revision {self.revision} is current"


def build_bundle(folder: Path, opa: Path | None, *, check: bool, accept: bool) -> BuildOutcome:
    """Lint, test, compile, and write `dist` unless only asked whether it is current.

    Args:
        folder: The sources.
        opa: What `--opa` named.
        check: Write nothing.
        accept: Write what is decided now into the golden files first.

    Raises:
        WardgateError: `OPA_UNAVAILABLE`, `POLICY_SOURCE_INVALID`.
    """
    source = PolicySource(folder)
    command = Opa.find(opa, folder)
    revision = str(source.manifest()["revision"])
    findings = tuple(lint(source, command))
    if findings:
        return BuildOutcome(findings, None, revision, (), written=False)
    tests = run_tests(source, command)
    if not tests.holds:
        return BuildOutcome((), tests, revision, (), written=False)
    files = built_files(source, command, accept=accept)
    different = tuple(stale(source, files))
    if not check:
        write(source, files)
    return BuildOutcome((), tests, revision, different, written=not check)
