import asyncio
import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import assume, given
from hypothesis import strategies as st

from federation.errors import ErrorCode, WardgateError
from federation.events import EVENTS, Event, Level
from federation.masking import MASKED, mask
from federation.telemetry import (
    FIELDS,
    MAX_SENTENCE_CHARS,
    MAX_VALUE_CHARS,
    REDACTED,
    EventLog,
    configure_logging,
    describe_exception,
)
from keys.nhs_number import NhsNumber, check_digit
from tests.support.logs import log_lines, logging_to

VALID = "9434765919"
INVALID = "9434765918"


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    with logging_to(tmp_path / "log.jsonl") as file:
        yield file


def log() -> EventLog:
    return EventLog("federation.test")


def unchecked(event: Event, **fields: object) -> None:
    log().event(event, **fields)  # type: ignore[arg-type] # what the type forbids is what is tested


def fail(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


class TestCatalogue:
    def test_every_event_has_a_row_and_every_row_an_event(self) -> None:
        assert set(EVENTS) == set(Event)

    def test_names_are_their_values(self) -> None:
        assert all(event.name == event.value for event in Event)

    def test_every_text_is_a_sentence(self) -> None:
        assert all(spec.text.endswith(".") and spec.text.isascii() for spec in EVENTS.values())

    def test_levels_are_those_of_the_standard_library(self) -> None:
        assert [logging.getLevelName(level) for level in Level] == ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class TestLines:
    def test_a_line_is_one_json_object_with_event_text_and_fields(self, log_file: Path) -> None:
        log().event(Event.SERVER_LISTENING, role="gateway", port=8443)

        (line,) = log_lines(log_file)
        assert line.pop("at").endswith("+00:00")
        assert line == {
            "level": "info",
            "event": "SERVER_LISTENING",
            "text": EVENTS[Event.SERVER_LISTENING].text,
            "service": "gateway",
            "role": "gateway",
            "port": 8443,
        }

    @pytest.mark.parametrize("package", ["console.app", "auditor.pages", "gateway.app"])
    def test_events_of_a_package_that_was_not_thought_of_are_written(self, log_file: Path, package: str) -> None:
        EventLog(package).event(Event.SERVICE_STARTED)

        assert [line["event"] for line in log_lines(log_file)] == ["SERVICE_STARTED"]

    def test_a_line_whose_folder_is_gone_goes_to_standard_error_and_the_next_to_the_folder_that_is_back(
        self, log_file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log().event(Event.SERVICE_STARTED)
        gone = log_file.parent.rename(log_file.parent.with_name("gone"))
        for role in ("gateway", "trustee"):
            log().event(Event.SERVER_LISTENING, role=role, port=8443)
        log_file.parent.mkdir()
        log().event(Event.SERVICE_STOPPED)

        assert [json.loads(line)["role"] for line in capsys.readouterr().err.splitlines()] == ["gateway", "trustee"]
        assert [line["event"] for line in log_lines(gone / log_file.name)] == ["SERVICE_STARTED"]
        assert [line["event"] for line in log_lines(log_file)] == ["SERVICE_STOPPED"]

    def test_a_line_that_a_full_disk_does_not_take_goes_to_standard_error_without_its_values(
        self, log_file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log_file.unlink()
        log_file.symlink_to("/dev/full")

        logging.getLogger("library").warning("who: %s", "Jane Doe")

        written = capsys.readouterr().err
        assert json.loads(written)["template"] == "who: %s"
        assert "Jane" not in written
        with pytest.raises(OSError, match="No space left"):  # the line still waits in the file's buffer
            logging.getLogger().handlers[0].close()

    def test_the_bound_correlation_id_is_on_the_line(self, log_file: Path) -> None:
        with structlog.contextvars.bound_contextvars(correlation_id="c" * 32):
            log().event(Event.SERVICE_STARTED)

        assert log_lines(log_file)[0]["correlation_id"] == "c" * 32

    def test_an_error_gives_code_detail_types_and_places(self, log_file: Path) -> None:
        try:
            fail(WardgateError(ErrorCode.STORE_UNAVAILABLE, "ledger_entry: 3 tries"), OSError("Jane Doe"))
        except WardgateError as error:
            log().event(Event.CALL_UNSERVED, error=error)

        (line,) = log_lines(log_file)
        assert line["code"] == "STORE_UNAVAILABLE"
        assert line["detail"] == "ledger_entry: 3 tries"
        assert line["exception"][0] == "STORE_UNAVAILABLE"
        assert "OSError" in line["exception"]
        assert "test_telemetry.py" in line["exception"][1]
        assert "Jane" not in str(line)

    def test_a_detail_with_what_a_line_cannot_hold_is_cleaned_not_lost(self, log_file: Path) -> None:
        log().event(Event.CALL_UNSERVED, error=WardgateError(ErrorCode.MAPPING_INVALID, "caf\u00e9\n" + "x" * 1000))

        (line,) = log_lines(log_file)
        assert line["detail"].startswith("caf??xxx")
        assert len(line["detail"]) == MAX_SENTENCE_CHARS

    def test_instants_are_written_as_times(self, log_file: Path) -> None:
        log().event(Event.SERVICE_STARTED, expires_at=1_800_000_000)

        assert log_lines(log_file)[0]["expires_at"] == "2027-01-15T08:00:00+00:00"

    def test_a_moved_log_file_is_opened_again(self, log_file: Path) -> None:
        log().event(Event.SERVICE_STARTED)
        log_file.rename(log_file.with_suffix(".1"))
        log().event(Event.SERVICE_STOPPED)

        assert [line["event"] for line in log_lines(log_file)] == ["SERVICE_STOPPED"]

    def test_without_a_file_lines_go_to_standard_error(self, log_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        written = io.StringIO()
        monkeypatch.setattr(sys, "stderr", written)
        configure_logging(service="trustee")

        log().event(Event.SERVICE_STARTED)

        assert json.loads(written.getvalue())["service"] == "trustee"
        assert not log_file.read_text()

    def test_events_below_the_level_are_not_written(self, log_file: Path) -> None:
        configure_logging(service="gateway", destination=log_file, level=Level.WARNING)

        log().event(Event.SERVICE_STARTED)
        log().event(Event.CALL_REFUSED)

        assert [line["event"] for line in log_lines(log_file)] == ["CALL_REFUSED"]


class TestRedaction:
    @pytest.mark.parametrize(
        "value",
        [
            NhsNumber.parse(VALID),
            b"bytes",
            {"name": "Jane"},
            ["Jane"],
            "Jane Doe",
            "two\nlines",
            "",
            "x" * (MAX_VALUE_CHARS + 1),
            "caf\u00e9",
            1.5,
            None,
            object(),
        ],
    )
    def test_a_value_that_is_no_short_identifier_is_removed_and_alarms(self, log_file: Path, value: object) -> None:
        unchecked(Event.CALL_FAILED, party=value)

        line, alarm = log_lines(log_file)
        assert line["party"] == REDACTED
        assert alarm["event"] == "FIELD_REDACTED"
        assert alarm["level"] == "alarm"
        assert alarm["field"] == "party"
        assert "Jane" not in log_file.read_text()

    def test_a_value_of_the_longest_length_is_kept(self, log_file: Path) -> None:
        log().event(Event.CALL_FAILED, party="x" * MAX_VALUE_CHARS)

        assert log_lines(log_file)[0]["party"] == "x" * MAX_VALUE_CHARS

    @pytest.mark.parametrize("name", ["child_name", "name", "date_of_birth", "event_text"])
    def test_a_field_that_is_not_on_the_list_is_removed_and_alarms(self, log_file: Path, name: str) -> None:
        unchecked(Event.CALL_FAILED, **{name: "Jane"})

        line, alarm = log_lines(log_file)
        assert name not in line
        assert alarm["field"] == name
        assert "Jane" not in log_file.read_text()

    def test_bound_values_pass_the_same_filter(self, log_file: Path) -> None:
        with structlog.contextvars.bound_contextvars(child_name="Jane", agency="Jane Doe"):
            log().event(Event.SERVICE_STARTED)

        assert "Jane" not in log_file.read_text()

    def test_an_nhs_number_is_masked_in_every_field(self, log_file: Path) -> None:
        for field in sorted(FIELDS):
            unchecked(Event.CALL_FAILED, **{field: f"a:{VALID}"})
            if not field.endswith("_at"):
                unchecked(Event.CALL_FAILED, **{field: int(VALID)})

        assert VALID not in log_file.read_text()
        assert MASKED in log_file.read_text()

    def test_a_filter_that_is_not_configured_still_filters(self, caplog: pytest.LogCaptureFixture) -> None:
        unchecked(Event.CALL_REFUSED, party="Jane Doe", detail=f"about {VALID}")

        assert "Jane" not in caplog.text
        assert VALID not in caplog.text


class TestMask:
    @pytest.mark.parametrize(
        "text",
        [VALID, "943 476 5919", "943-476-5919", "943.476.5919", f"nhs{VALID}x", f"({VALID})", f"a={VALID},b=1"],
    )
    def test_a_valid_number_is_masked_however_it_is_written(self, text: str) -> None:
        assert MASKED in mask(text)
        assert "5919" not in mask(text)

    @pytest.mark.parametrize("text", [INVALID, "94347659190", "943476591", "943 476 591", "9434 765 919"])
    def test_other_digits_are_left(self, text: str) -> None:
        assert mask(text) == text

    def test_every_number_in_a_text_is_masked(self) -> None:
        assert mask(f"{VALID} {INVALID} 943 476 5919") == f"{MASKED} {INVALID} {MASKED}"

    @pytest.mark.parametrize("text", ["a9434765919" + "b" * 21, "12345678-1234-1234-1234-a9434765919b"])
    def test_digits_inside_a_digest_or_uuid_are_left(self, text: str) -> None:
        assert mask(text) == text

    @given(st.text("0123456789", min_size=9, max_size=9), st.text(max_size=20), st.text(max_size=20))
    def test_no_valid_number_survives(self, nine: str, before: str, after: str) -> None:
        last = check_digit(nine)
        assume(last is not None and len(set(f"{nine}{last}")) > 1)
        assume(not before[-1:].isdigit() and not after[:1].isdigit())
        number = f"{nine}{last}"

        assert number not in mask(before + number + after)


class TestLibraries:
    def test_a_librarys_message_keeps_its_template_and_loses_its_values(self, log_file: Path) -> None:
        logging.getLogger("sqlalchemy.engine").warning("row %s of %s", "Jane Doe", VALID)

        (line,) = log_lines(log_file)
        assert line["event"] == "LIBRARY_MESSAGE"
        assert line["library"] == "sqlalchemy.engine"
        assert line["template"] == "row %s of %s"
        assert line["level"] == "warning"
        assert "Jane" not in log_file.read_text()

    def test_a_template_that_is_already_filled_in_is_masked_and_cut(self, log_file: Path) -> None:
        logging.getLogger("grpc").error(f"bad {VALID}\nsecond line of Jane Doe")  # noqa: G004 - what libraries do

        (line,) = log_lines(log_file)
        assert line["template"] == f"bad {MASKED}"

    def test_a_librarys_traceback_keeps_types_and_places_only(self, log_file: Path) -> None:
        try:
            fail(KeyError("Jane Doe"))
        except KeyError:
            logging.getLogger("asyncio").exception("task failed")

        (line,) = log_lines(log_file)
        assert line["exception"][0] == "KeyError"
        assert "test_telemetry.py" in line["exception"][1]
        assert "Jane" not in log_file.read_text()

    def test_libraries_are_heard_from_warning_up(self, log_file: Path) -> None:
        logging.getLogger("sqlalchemy.engine").info("SELECT")

        assert not log_file.read_text()

    def test_warnings_go_the_same_way(self, log_file: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(capture=True)
            warnings.warn("about Jane Doe", UserWarning, stacklevel=1)

        (line,) = log_lines(log_file)
        assert line["library"] == "py.warnings"
        assert line["template"].endswith(": UserWarning")
        assert "Jane" not in log_file.read_text()

    async def test_the_event_loops_own_complaints_go_the_same_way(self, log_file: Path) -> None:
        async def fail() -> None:
            raise ValueError("Jane Doe")

        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        asyncio.get_running_loop().call_exception_handler(
            {"message": "Task exception was never retrieved", "task": task, "exception": task.exception()}
        )

        (line,) = log_lines(log_file)
        assert line["exception"][0] == "ValueError"
        assert "Jane" not in str(line)


def test_a_chain_of_exceptions_that_loops_is_described_once() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first

    assert describe_exception(first) == ["ValueError", "KeyError"]
