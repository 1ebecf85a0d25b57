"""Exit codes of the `wardgate` command; `docs/exit-codes.md` documents each and a test holds the sets equal."""

from enum import IntEnum
from typing import Final

from federation.errors import ErrorCode, Family, WardgateError


class ExitCode(IntEnum):
    """0 done, 1 a check failed, 2 usage (typer's own), 3 a widening was found, then by who must act."""

    DONE = 0
    CHECK_FAILED = 1
    USAGE = 2
    WIDENED = 3
    INPUT_REFUSED = 10
    PEER_FAILED = 11
    OPERATOR_NEEDED = 12
    INTERNAL = 13


MEANINGS: Final[dict[ExitCode, str]] = {
    ExitCode.DONE: "Done.",
    ExitCode.CHECK_FAILED: "The command worked, and what it checked does not hold, such as a ledger.",
    ExitCode.USAGE: "The command line is not one the command understands. Nothing was done.",
    ExitCode.WIDENED: "The command worked. Of two bundles the newer one permits, or may permit, something more.",
    ExitCode.INPUT_REFUSED: "What was given was refused: by a check, a quota, or because it is unknown. Correct it.",
    ExitCode.PEER_FAILED: "Another party could not be reached, or did not prove what it said.",
    ExitCode.OPERATOR_NEEDED: "This service cannot work until its operator acts on store, keys, settings or sources.",
    ExitCode.INTERNAL: "A defect. Look the correlation id up in the log and report it.",
}


def exit_code_of(error: WardgateError) -> ExitCode:
    """The exit code a command ends with when `error` stopped it."""
    if error.code in {ErrorCode.LEDGER_INVALID, ErrorCode.POLICY_SOURCE_INVALID}:
        return ExitCode.CHECK_FAILED
    match error.spec.family:
        case Family.CALLER | Family.POLICY:
            return ExitCode.INPUT_REFUSED
        case Family.PEER:
            return ExitCode.PEER_FAILED
        case Family.OPERATOR:
            return ExitCode.OPERATOR_NEEDED
        case Family.INTERNAL:
            return ExitCode.INTERNAL
