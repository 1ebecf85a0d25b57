"""The commands of authors: `wardgate policy build`, `test`, `lint`, `explain`, `matrix` and `diff`.

What each needs is imported when it runs, so that `wardgate --help` stays quick.
"""

import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from federation.canonical import JsonObject, from_json
from federation.command import MAX_JSON_FILE_BYTES, ExitCode, done, emit, fail_with_code, read_json_file
from federation.errors import ErrorCode, WardgateError

PACKAGE_ROOT = Path(__file__).resolve().parents[3]
SOURCE = PACKAGE_ROOT / "policies"
SHIPPED = SOURCE / "dist"

SourceDir = Annotated[Path, typer.Option("--source", exists=True, file_okay=False, help="Folder of the sources.")]
OpaPath = Annotated[
    Path | None,
    typer.Option("--opa", envvar="WARDGATE_OPA", help="The pinned OPA; else the checkout's .cache, else the PATH."),
]
BundleDir = Annotated[
    Path, typer.Option("--bundle", exists=True, file_okay=False, help="Folder of a built or a signed bundle.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Entry(StrEnum):
    """The decision points by their short names."""

    REQUESTER = "requester"
    GATEWAY = "gateway"
    NODE = "node"
    AUDIT = "audit"
    TEAM = "team"


def register(app: typer.Typer) -> None:
    """Add the commands of authors to an application."""
    app.command("build")(build)
    app.command("test")(run_tests)
    app.command("lint")(lint)
    app.command("explain")(explain)
    app.command("matrix")(matrix)
    app.command("diff")(diff)


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


@fail_with_code
def explain(
    file: Annotated[
        Path | None, typer.Argument(help="A golden decision, or an input with --entry; - is standard input.")
    ] = None,
    golden: Annotated[str, typer.Option("--golden", help="A golden decision of the bundle, by name.")] = "",
    entry: Annotated[Entry | None, typer.Option("--entry", help="Which decision point a bare input is for.")] = None,
    bundle: BundleDir = SHIPPED,
    trace: Annotated[bool, typer.Option("--trace", help="Add every rule that held; needs OPA.")] = False,
    opa: OpaPath = None,
    as_json: AsJson = False,
) -> None:
    """Decide on an input and say why, rule by rule, with law and texts."""
    if (file is None) == (golden == ""):
        raise typer.BadParameter("name a FILE or a --golden decision, one of the two", param_hint="FILE")
    from federation.policy.authoring.explaining import explain as explained_of
    from federation.policy.authoring.explaining import golden_question, question_of
    from federation.policy.authoring.explanation_text import content, lines
    from federation.policy.authoring.opa import Opa
    from federation.policy.authoring.opened import OpenedBundle
    from federation.policy.engine import EntryPoint

    command = Opa.find(opa) if trace else None
    opened = OpenedBundle.read(bundle)
    wanted = EntryPoint(f"wardgate/{entry.value}/decision") if entry else None
    question = golden_question(opened, golden) if file is None else question_of(_read_input(file), wanted)
    explained = explained_of(opened, question, command)
    if as_json:
        emit(content(explained), as_json=True)
    else:
        done("\n".join(lines(explained)))


@fail_with_code
def matrix(
    bundle: BundleDir = SHIPPED,
    purpose: Annotated[list[str] | None, typer.Option("--purpose", help="Show these purposes only.")] = None,
    role: Annotated[list[str] | None, typer.Option("--role", help="Show these roles only.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", help="Show askers of these kinds of agency only.")] = None,
    category: Annotated[list[str] | None, typer.Option("--category", help="Show these categories only.")] = None,
    area: Annotated[str, typer.Option("--area", help="Where; else the area of the golden decisions.")] = "",
    day: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="When; else today.")] = None,
    out: Annotated[Path | None, typer.Option("--out", dir_okay=False, help="Draw it into this HTML file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask the engine who may ask what, at which tier: role by purpose by category."""
    from federation.england import ENGLAND
    from federation.policy.authoring.askers import Setting
    from federation.policy.authoring.matrix import Wanted, shown_area
    from federation.policy.authoring.matrix import matrix as matrix_of
    from federation.policy.authoring.matrix_page import page
    from federation.policy.authoring.matrix_text import lines
    from federation.policy.authoring.opened import OpenedBundle

    opened = OpenedBundle.read(bundle)
    setting = Setting(area or shown_area(opened), (day or datetime.now(ENGLAND)).date())
    wanted = Wanted(*(tuple(codes or ()) for codes in (purpose, role, kind, category)))
    found = matrix_of(opened, setting, wanted)
    if out is not None:
        _write(out, page(found))
    if as_json:
        emit(found.content(), as_json=True)
    else:
        done(f"drawn into {out}" if out is not None else "\n".join(lines(found)))


@fail_with_code
def diff(
    old: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of the older bundle.")],
    new: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of the newer bundle.")],
    as_json: AsJson = False,
) -> None:
    """Say in words what a newer bundle changes, widening first; exit code 3 when it widens, or may."""
    from federation.policy.authoring.diff import diff as diff_of
    from federation.policy.authoring.opened import OpenedBundle

    found = diff_of(OpenedBundle.read(old), OpenedBundle.read(new))
    if as_json:
        emit(found.content(), as_json=True)
    else:
        done("\n".join(found.lines()))
    if found.widens:
        raise typer.Exit(int(ExitCode.WIDENED))


def _write(out: Path, text: str) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{out.name}: {error.strerror}") from error


def _read_input(file: Path) -> JsonObject:
    if str(file) != "-":
        return read_json_file(file)
    return from_json(sys.stdin.buffer.read(MAX_JSON_FILE_BYTES + 1), max_bytes=MAX_JSON_FILE_BYTES, what="input")


def _end(*, holds: bool) -> None:
    if not holds:
        raise typer.Exit(int(ExitCode.CHECK_FAILED))
