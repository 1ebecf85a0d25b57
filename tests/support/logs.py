"""The service's log, as a service writes it: into a file, through the filter."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from federation.telemetry import configure_logging


@contextmanager
def logging_to(file: Path, *, service: str = "gateway") -> Iterator[Path]:
    """Configure logging as a service does, for the length of the block."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    configure_logging(service=service, destination=file)
    try:
        yield file
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)


def log_lines(file: Path) -> list[dict[str, Any]]:
    """What was written."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
