"""Logs: one JSON object a line, of closed shape, with a filter that everything passes through.

Rules, from first to last line of defence:

1. `EventLog.event` takes a constant of `federation.events` and fields whose names and types are fixed in `EventFields`:
   anything else, an NHS number or a secret foremost, is a type error before it runs;
2. at run time an unknown field, or a value that is not a short identifier, is replaced by a marker and raises the alarm
   `FIELD_REDACTED`;
3. of an exception only types and places are written, never its text: a library's message may quote a record;
4. of a library's own log call only the first line of its template is written, never the values;
5. whatever is left passes a mask that removes every valid NHS number, wherever it stands.

Instants (names ending `_at`) are written as ISO 8601, so that a number of ten digits in a log is never a time.
"""

import logging
import logging.handlers
import re
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypedDict, Unpack, cast

import structlog

from federation.errors import WardgateError
from federation.events import EVENTS, Event, Level
from federation.masking import MASKED, mask

REDACTED: Final = "[redacted]"

EVENT_LOGGERS: Final = "wardgate-events"
"""Name above the loggers of every `EventLog`: their level is set here, for packages that are yet to be written too."""

MAX_VALUE_CHARS: Final = 128
"""Longer than any identifier or code of ours: a URI name is at most 88, a bundle digest 64."""

MAX_SENTENCE_CHARS: Final = 400
"""`detail` of an error, or a library's template."""

MAX_FRAMES: Final = 12
"""Innermost frames of a traceback: enough to see where, short enough to read."""


class EventFields(TypedDict, total=False):
    """Every field a log line may have. Identifiers and counts only: no names, no free text, no record content."""

    address: str
    agency: str
    attempt: int
    batch_id: str
    bundle: str
    code: str
    component: str
    correlation_id: str
    count: int
    dataset: str
    decision_id: str
    delay_ms: int
    detail: str
    elapsed_ms: int
    engine: str
    entry_point: str
    epoch: int
    expires_at: int
    field: str
    index: int
    kind: str
    library: str
    method: str
    offset_s: int
    party: str
    phase: str
    port: int
    purpose: str
    query_id: str
    reason_code: str
    responder: str
    revision: int
    role: str
    scope: str
    serial: str
    service: str
    setting: str
    signal: str
    size: int
    source: str
    state: str
    task: str
    task_id: str
    user_ref: str
    version: str | int


FIELDS: Final = frozenset(EventFields.__annotations__)
_SENTENCES: Final = frozenset({"detail"})
_IDENTIFIER: Final = re.compile(rf"[A-Za-z0-9_\[:/*.][A-Za-z0-9_.:/@+*,\[\]-]{{0,{MAX_VALUE_CHARS - 1}}}")
_SENTENCE: Final = re.compile(rf"[ -~]{{0,{MAX_SENTENCE_CHARS}}}")
_OURS: Final = frozenset({"at", "level", "event", "text", "exception", "template"})


def describe_exception(error: BaseException) -> list[str]:
    """An exception as types and places, outermost cause last; no message, no local value."""
    lines: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        lines.append(str(current.code) if isinstance(current, WardgateError) else type(current).__qualname__)
        frames = traceback.extract_tb(current.__traceback__)[-MAX_FRAMES:]
        lines += [f"  {Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return lines


class EventLog:
    """Writes events. Independent of any global structlog configuration, so the filter can never be left out."""

    def __init__(self, name: str) -> None:
        self._std = logging.getLogger(f"{EVENT_LOGGERS}.{name}")
        self._log = structlog.wrap_logger(
            self._std,
            processors=[
                structlog.contextvars.merge_contextvars,
                _keep_the_rules,
                structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
        )

    def event(self, event: Event, /, *, error: BaseException | None = None, **fields: Unpack[EventFields]) -> None:
        """Write one event.

        Args:
            event: The catalogue's constant.
            error: Its types and places are written; of a `WardgateError` also code and detail.
            fields: Identifiers and counts.
        """
        level = EVENTS[event].level
        if not self._std.isEnabledFor(level):
            return
        given = cast("dict[str, object]", fields)
        if isinstance(detail := given.get("detail"), str):
            given["detail"] = _one_line(detail)
        if error is not None:
            given["exception"] = describe_exception(error)
            if isinstance(error, WardgateError):
                given |= {"code": str(error.code), "detail": _one_line(error.detail)}
        self._log.log(level, event, **given)
        for name in _offenders(given):
            self._log.log(Level.ALARM, Event.FIELD_REDACTED, field=name if _IDENTIFIER.fullmatch(name) else REDACTED)


def _one_line(detail: str) -> str:
    return re.sub(r"[^ -~]", "?", detail[:MAX_SENTENCE_CHARS])


def _is_allowed(name: str, value: object) -> bool:
    if name == "exception":
        return isinstance(value, list)
    if name not in FIELDS:
        return False
    if isinstance(value, bool | int):
        return True
    pattern = _SENTENCE if name in _SENTENCES else _IDENTIFIER
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _offenders(fields: MutableMapping[str, Any]) -> Iterator[str]:
    return (name for name, value in fields.items() if not _is_allowed(name, value))


def _keep_the_rules(_: object, __: str, given: MutableMapping[str, Any]) -> dict[str, Any]:
    """Structlog processor: the line as it may be written."""
    event = Event(given.pop("event"))
    spec = EVENTS[event]
    line: dict[str, Any] = {"at": _now(), "level": spec.level.name.lower(), "event": str(event), "text": spec.text}
    for name, value in given.items():
        if name in FIELDS or name == "exception":
            line[name] = _written(name, value) if _is_allowed(name, value) else REDACTED
    return line


def _written(name: str, value: Any) -> object:  # noqa: ANN401 - called with what _is_allowed let through
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _instant(value) if name.endswith("_at") else _masked_number(value)
    return [mask(item) for item in value] if isinstance(value, list) else mask(value)


def _masked_number(value: int) -> int | str:
    text = str(value)
    return value if mask(text) == text else MASKED


def _instant(epoch_s: int) -> str:
    try:
        return datetime.fromtimestamp(epoch_s, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return REDACTED


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _from_library(_: object, __: str, given: MutableMapping[str, Any]) -> dict[str, Any]:
    """Structlog processor for records of the standard library's `logging`: keep the template, drop the values."""
    record: logging.LogRecord = given["_record"]
    spec = EVENTS[Event.LIBRARY_MESSAGE]
    template = str(record.msg).partition("\n")[0][:MAX_SENTENCE_CHARS]
    if record.name == "py.warnings":  # place: category: text, already filled in
        template = ": ".join(template.split(": ")[:2])
    line: dict[str, Any] = {
        "at": _now(),
        "level": record.levelname.lower(),
        "event": str(Event.LIBRARY_MESSAGE),
        "text": spec.text,
        "library": record.name,
        "template": mask(template),
        "_record": record,
        "_from_structlog": False,
    }
    correlation_id = structlog.contextvars.get_contextvars().get("correlation_id")
    if isinstance(correlation_id, str) and _IDENTIFIER.fullmatch(correlation_id):
        line["correlation_id"] = mask(correlation_id)
    if record.exc_info and record.exc_info[1] is not None:
        line["exception"] = describe_exception(record.exc_info[1])
    return line


class _LogFile(logging.handlers.WatchedFileHandler):
    """Reopened when it is moved away. A line that cannot be written there goes to standard error, by the same filter.

    The standard library would raise out of the log call where the folder is gone, into whatever was being done, and
    would print a record's values where the disk is full.
    """

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.reopenIfNeeded()
            if self.stream is None:  # the folder was gone the last time
                self.stream = self._open()
                self._statstream()
        except OSError:
            self.handleError(record)
        else:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        sys.stderr.write(self.format(record) + "\n")


def configure_logging(*, service: str, destination: Path | None = None, level: Level = Level.INFO) -> None:
    """Send every log of this process, ours and the libraries', through the filter to one place.

    Args:
        service: Name written on each line, such as `gateway`.
        destination: A file, reopened when it is moved away (logrotate); standard error when None, and for every line
            that the file does not take.
        level: The quietest level of our own events; libraries are heard from WARNING up.
    """
    handler = logging.StreamHandler(sys.stderr) if destination is None else _LogFile(destination, encoding="utf-8")
    handler.setFormatter(_formatter(service))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(EVENT_LOGGERS).setLevel(level)
    logging.captureWarnings(capture=True)


def _formatter(service: str) -> logging.Formatter:
    def name_service(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        line["service"] = service
        return line

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_from_library],
        use_get_message=False,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            name_service,
            structlog.processors.JSONRenderer(),
        ],
    )
