"""What all tests share: a quiet gRPC, and a plain word at the end about what could not run here."""

import os

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # before the first import of grpc, whose C core reads it once

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each thing whose absence skipped tests, above pytest's own last line."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"*** {count} SKIPPED: {reason.removeprefix('Skipped: ')}", yellow=True, bold=True)
