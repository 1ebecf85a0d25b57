"""Processor time of processes, threads and system calls included, from Linux's `/proc`."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12
"""Places of utime and stime behind the command's name in `/proc/PID/stat` (proc(5): fields 14 and 15)."""


def cpu_seconds(pid: int) -> float:
    """What a process has used since it began, seconds; its resolution is a hundredth.

    Raises:
        OSError: There is no such process.
    """
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / TICKS_PER_S


@contextmanager
def metered(pids: Mapping[str, int], spent: dict[str, float]) -> Iterator[None]:
    """Add what each process uses within the block to `spent`, by name."""
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    yield
    for name, pid in pids.items():
        spent[name] = spent.get(name, 0.0) + cpu_seconds(pid) - before[name]
