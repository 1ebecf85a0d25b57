"""Exit codes of the `wardgate` command; `docs/exit-codes.md` documents each and a test holds the sets equal."""

from enum import IntEnum

from federation.errors import ErrorCode, Family, WardgateError


class ExitCode(IntEnum):
    """0 done, 1 a check failed, 2 usage (typer's own), then by who must act."""

    DONE = 0
    CHECK_FAILED = 1
    USAGE = 2
    INPUT_REFUSED = 10
    PEER_FAILED = 11
    OPERATOR_NEEDED = 12
    INTERNAL = 13


def exit_code_of(error: WardgateError) -> ExitCode:
    """The exit code a command ends with when `error` stopped it."""
    if error.code is ErrorCode.LEDGER_INVALID:
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
