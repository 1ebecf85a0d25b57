"""A real process that is asked to stop."""

import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
import asyncio, sys, threading
from federation.errors import ErrorCode, WardgateError
from federation.serving import run
from federation.supervision import OnCrash
from federation.telemetry import configure_logging

configure_logging(service="example")

async def serve(supervisor):
{body}

try:
    run(serve, service="example")
except WardgateError as error:
    print(error.code)
    sys.exit(12)
print("orderly")
"""

WAIT = """
print("up", flush=True)
await supervisor.until_stopped()
print("finishing", flush=True)
"""

HANG = """
print("up", flush=True)
await supervisor.until_stopped()
print("finishing", flush=True)
await asyncio.Event().wait()
"""

CRASH = """
async def work():
    raise ValueError("Jane Doe")
supervisor.start("work", work, on_crash=OnCrash.STOP)
await supervisor.until_stopped()
"""

UNRETRIEVED = """
async def work():
    raise ValueError("Jane Doe")
task = asyncio.create_task(work())
await asyncio.sleep(0.01)
del task
"""

THREAD = """
def work():
    raise ValueError("Jane Doe")
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@contextmanager
def running(body: str) -> Iterator["subprocess.Popen[str]"]:
    program = PROGRAM.format(body=textwrap.indent(body, "    "))
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def events(stderr: str) -> list[str]:
    return [json.loads(line)["event"] for line in stderr.splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_service_finish(number: signal.Signals) -> None:
    with running(WAIT) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)

    assert out == "finishing\norderly\n"
    assert process.returncode == 0
    assert events(err) == ["SERVICE_STARTED", "SERVICE_STOPPING", "SERVICE_STOPPED"]


def test_a_second_signal_ends_it_at_once() -> None:
    with running(HANG) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "finishing\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)

    assert process.returncode == 0
    assert events(err)[-1] == "SERVICE_STOPPED"


def test_a_failed_task_that_the_service_needs_is_its_failure() -> None:
    with running(CRASH) as process:
        out, err = process.communicate(timeout=30)

    assert out == "INTERNAL\n"
    assert process.returncode == 12
    assert events(err) == ["SERVICE_STARTED", "TASK_CRASHED", "SERVICE_STOPPED"]
    assert "Jane" not in err


@pytest.mark.parametrize("body", [UNRETRIEVED, THREAD])
def test_an_exception_that_nobody_handles_is_logged_without_its_text(body: str) -> None:
    with running(body) as process:
        _, err = process.communicate(timeout=30)

    assert "UNHANDLED_EXCEPTION" in events(err)
    assert "ValueError" in err
    assert "Jane" not in err


def test_an_exception_that_ends_the_process_is_logged_without_its_text() -> None:
    with running('raise ValueError("Jane Doe")') as process:
        out, err = process.communicate(timeout=30)

    assert out == "INTERNAL\n"
    assert events(err) == ["SERVICE_STARTED", "TASK_CRASHED", "SERVICE_STOPPED"]
    assert "ValueError" in err
    assert "Jane" not in err


def test_an_error_of_the_catalogue_that_ends_the_process_keeps_its_code() -> None:
    with running("raise WardgateError(ErrorCode.KEYRING_REJECTED)") as process:
        out, _ = process.communicate(timeout=30)

    assert out == "KEYRING_REJECTED\n"
