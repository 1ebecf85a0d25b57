"""The commands of authors: `wardgate policy build`, `test`, `lint`, `explain`, `matrix` and `diff`.

What each needs is imported when it runs, so that `wardgate --help` stays quick.
"""

from pathlib import Path
from typing import Annotated

import typer

from federation.command import ExitCode, done, emit, fail_with_code

PACKAGE_ROOT = Path(__file__).resolve().parents[3]
SOURCE = PACKAGE_ROOT / "policies"
SHIPPED = SOURCE / "dist"

SourceDir = Annotated[Path, typer.Option("--source", exists=True, file_okay=False, help="Folder of the sources.")]
OpaPath = Annotated[
    Path | None,
    typer.Option("--opa", envvar="WARDGATE_OPA", help="The pinned OPA; else the checkout's .cache, else the PATH."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands of authors to an application."""
    app.command("build")(build)
    app.command("test")(run_tests)
    app.command("lint")(lint)


@fail_with_code
def build(
    source: SourceDir = SOURCE,
    opa: OpaPath = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; say what in dist is stale.")] = False,
    accept_golden: Annotated[
        bool, typer.Option("--accept-golden", help="Write what is decided now into golden/, for you to read.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Lint, test and compile the sources into their dist folder; needs OPA."""
    if check and accept_golden:
        raise typer.BadParameter("--check writes nothing and --accept-golden writes", param_hint="--check")
    from federation.policy.authoring.building import build_bundle

    outcome = build_bundle(source, opa, check=check, accept=accept_golden)
    if as_json:
        emit(outcome.content(), as_json=True)
    else:
        done("\n".join(outcome.lines()))
    _end(holds=outcome.holds)


@fail_with_code
def run_tests(source: SourceDir = SOURCE, opa: OpaPath = None, as_json: AsJson = False) -> None:
    """Run the rules' own tests, and say which lines no test reaches; needs OPA."""
    from federation.policy.authoring import testing
    from federation.policy.authoring.opa import Opa
    from federation.policy.authoring.source import PolicySource

    report = testing.run_tests(PolicySource(source), Opa.find(opa, source))
    if as_json:
        emit(report.content(), as_json=True)
    else:
        done("\n".join(report.lines()))
    _end(holds=report.holds)


@fail_with_code
def lint(source: SourceDir = SOURCE, opa: OpaPath = None, as_json: AsJson = False) -> None:
    """Check format, types, notes, twins, data, schemas and golden decisions; needs OPA."""
    from federation.policy.authoring.lint import CHECKS
    from federation.policy.authoring.lint import lint as findings_of
    from federation.policy.authoring.opa import Opa
    from federation.policy.authoring.source import PolicySource

    found = findings_of(PolicySource(source), Opa.find(opa, source))
    if as_json:
        findings = [{"check": finding.check, "text": finding.text} for finding in found]
        emit({"checks": CHECKS, "findings": findings}, as_json=True)
    else:
        done("\n".join([f"{finding.check}: {finding.text}" for finding in found] or [f"{len(CHECKS)} checks hold"]))
    _end(holds=not found)


def _end(*, holds: bool) -> None:
    if not holds:
        raise typer.Exit(int(ExitCode.CHECK_FAILED))
