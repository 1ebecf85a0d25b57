"""The pinned OPA command. Only who writes policy needs it; who runs Wardgate does not."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

from federation.errors import ErrorCode, WardgateError
from federation.policy.authoring.source import PACKAGE_ROOT, entry_path, invalid

OPA_VERSION: Final = "1.20.2"
IN_CHECKOUT: Final = Path(".cache/opa/bin/opa")
TIMEOUT_S: Final = 300
"""A run of all tests of the bundle takes seconds; whatever takes minutes has lost itself."""

SHOWN_CHARS: Final = 4_000

Json = Any


class Opa:
    """An OPA command of the pinned version.

    Args:
        path: The command.

    Raises:
        WardgateError: `OPA_UNAVAILABLE`: it is not there, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        if not self.path.is_file():
            raise WardgateError(ErrorCode.OPA_UNAVAILABLE, f"no OPA command at {path}")
        done = self.start("version")
        found = (done.stdout.splitlines() or [""])[0].removeprefix("Version: ")
        if found != OPA_VERSION:
            raise WardgateError(
                ErrorCode.OPA_UNAVAILABLE, f"OPA {found or 'of no version'} found, {OPA_VERSION} is pinned"
            )

    @classmethod
    def find(cls, given: Path | None, source: Path | None = None) -> Self:
        """The command that was named, or the checkout's, or the one on the PATH.

        Args:
            given: What `--opa` names; nothing else is looked at then.
            source: The folder of policies, whose checkout may hold one.

        Raises:
            WardgateError: `OPA_UNAVAILABLE`.
        """
        if given is not None:
            return cls(given)
        for candidate in _candidates(source):
            if candidate.is_file():
                return cls(candidate)
        raise WardgateError(ErrorCode.OPA_UNAVAILABLE, "not given, not in the checkout, not on the PATH")

    def start(self, *arguments: str | Path, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """Run one command to its end, whatever that is.

        Raises:
            WardgateError: `OPA_UNAVAILABLE`: it cannot be run, or does not end.
        """
        words = [str(self.path), *(str(argument) for argument in arguments)]
        try:
            return subprocess.run(  # noqa: S603 - the command an author named or built; no shell
                words, cwd=folder, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise WardgateError(ErrorCode.OPA_UNAVAILABLE, f"{self.path.name}: {type(error).__name__}") from error

    def run(self, *arguments: str | Path, folder: Path | None = None) -> str:
        """Run one command and give its output.

        Raises:
            WardgateError: `POLICY_SOURCE_INVALID`: it failed.
        """
        done = self.start(*arguments, folder=folder)
        if done.returncode != 0:
            raise invalid(f"opa {arguments[0]} failed:\n{done.stdout[-SHOWN_CHARS:]}{done.stderr[-SHOWN_CHARS:]}")
        return done.stdout

    def evaluate(self, bundle: Path, entry: str, inputs: Sequence[Json]) -> list[Json]:
        """Decide on many inputs in one run; any error of a built-in is fatal.

        Raises:
            WardgateError: `POLICY_SOURCE_INVALID`: a built-in failed, or a decision is undefined.
        """
        with tempfile.TemporaryDirectory() as scratch:
            batch = Path(scratch) / "batch.json"
            batch.write_text(json.dumps({"batch": inputs}), encoding="utf-8")
            decision = f"data.{entry_path(entry).replace('/', '.')}"
            query = (
                "[result | some i in numbers.range(0, count(input.batch) - 1); document := input.batch[i]; "
                f"result := {decision} with input as document]"
            )
            settings = ["--strict-builtin-errors", "--format", "json"]
            out = self.run("eval", "--bundle", bundle, "--input", batch, *settings, query)
        results = json.loads(out)["result"][0]["expressions"][0]["value"]
        if len(results) != len(inputs):
            raise invalid(f"{entry}: {len(inputs) - len(results)} decisions are undefined")
        return list(results)


def _candidates(source: Path | None) -> Iterator[Path]:
    if source is not None:
        yield source.resolve().parent / IN_CHECKOUT
    yield PACKAGE_ROOT / IN_CHECKOUT
    on_path = shutil.which("opa")
    if on_path is not None:
        yield Path(on_path)
