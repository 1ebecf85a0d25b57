"""Starts and ends the sandbox's own processes, each by its id and its start time: never another's."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

STOP_WAIT_S: Final = 10.0

_children: Final[list["subprocess.Popen[bytes]"]] = []
"""What this very process started and has not yet seen end."""


@dataclass(frozen=True, slots=True)
class Started:
    """A process of this sandbox.

    Attributes:
        service: `gateway`, `trustee`, `opa` or an agency.
        pid: Process id.
        born: Start time in clock ticks since the machine's start, so that a re-used id is not mistaken for it.
    """

    service: str
    pid: int
    born: int

    def as_json(self) -> dict[str, Any]:
        """For the state file."""
        return {"service": self.service, "pid": self.pid, "born": self.born}

    def is_running(self) -> bool:
        """Whether this very process is alive."""
        return _born(self.pid) == self.born


def _born(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return -1
    fields = stat.rpartition(")")[2].split()
    return -1 if fields[0] == "Z" else int(fields[19])


def start(service: str, arguments: list[str], *, log: Path) -> Started:
    """Start `wardgate ARGUMENTS` as a process of its own, its output in a file."""
    return start_program(service, [sys.executable, "-m", "wardgate", *arguments], log=log)


def start_program(service: str, command: list[str], *, log: Path) -> Started:
    """Start a program as a process of its own, its output in a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    _children.append(process)
    return Started(service, process.pid, _born(process.pid))


def stop(processes: Iterable[Started], *, wait_s: float = STOP_WAIT_S) -> list[str]:
    """Ask processes to end, wait, and kill what is left. Returns the services that had to be killed."""
    running = [process for process in processes if process.is_running()]
    for process in running:
        _signal(process, signal.SIGTERM)
    until = time.monotonic() + wait_s
    _await_end(running, until)
    left = [process for process in running if process.is_running()]
    for process in left:
        _signal(process, signal.SIGKILL)
    _await_end(left, time.monotonic() + wait_s)
    return [process.service for process in left]


def _await_end(processes: Iterable[Started], until: float) -> None:
    """Wait until they have ended, or until then on the monotonic clock."""
    waiting = list(processes)
    while waiting and time.monotonic() < until:
        time.sleep(0.05)
        _reap()
        # A leader whose threads are still ending is a zombie that cannot be reaped yet.
        unreaped = {child.pid for child in _children}
        waiting = [process for process in waiting if process.is_running() or process.pid in unreaped]


def _signal(process: Started, number: signal.Signals) -> None:
    if process.is_running():
        os.kill(process.pid, number)


def _reap() -> None:
    """Take the exit status of those that have ended, so that they do not linger as zombies."""
    _children[:] = [child for child in _children if child.poll() is None]


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on now."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        return [int(found.getsockname()[1]) for found in sockets]
    finally:
        for found in sockets:
            found.close()
