"""`wardgate node sources check` and `preview`: whole exports read without a node, and what they say of one child."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agency_node.caseload.cli import sources_app
from tests.support.source_files import ADA, BEN, CAY


def record(ref: str, **changes: object) -> dict[str, object]:
    usual = {"nhs_number": ADA, "ref": ref, "category": "police_incident", "type": "concern", "date": "2026-11-05"}
    return {**usual, "fields": {"incident_line": f"Line {ref}"}, **changes}


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    write(folder / "children.jsonl", {"nhs_number": ADA, "flags": ["WITNESS_PROT"]}, {"nhs_number": BEN, "flags": []})
    write(folder / "records.jsonl", record("1"), record("2"))
    return folder


def write(path: Path, *rows: object) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


@pytest.fixture
def config(tmp_path: Path, exports: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(f"""
agency = "testshire-police"
data_dir = "{tmp_path}/data"
users_file = "{tmp_path}/users.toml"
test_numbers = true

[gateway]
address = "127.0.0.1:1"
enrolment_address = "127.0.0.1:2"
roots_file = "{tmp_path}/roots.pem"
verify_key_file = "{tmp_path}/gateway.pub"
trustee_verify_key_file = "{tmp_path}/trustee.pub"
audit_verify_key_file = "{tmp_path}/audit.pub"

[policy]
engine = "embedded"
bundle_dir = "{tmp_path}/bundle"
bundle_key_file = "{tmp_path}/authority.pub"

[local]
port = 1

[duty]
name = "Duty desk"
role = "Safeguarding hub"
phone = "01632 960100"

[[sources]]
name = "records"
mapping = "wardgate-records"
location = "{exports}"
""")
    return path


def run(config: Path, command: str, *arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(sources_app, [command, "--config", str(config), *arguments], input=typed)


def found(result: Result) -> Any:
    return json.loads(result.stdout)


def test_a_sound_export_is_read_and_nothing_of_a_row_is_printed(config: Path) -> None:
    result = run(config, "check")

    assert result.exit_code == 0
    assert "records: 2 children" in result.stdout
    assert "  records: partial, 2 rows, 2 records, 0 unreadable" in result.stdout
    assert not any(text in result.stdout for text in (ADA, BEN, "Line 1", "WITNESS_PROT"))


def test_a_row_that_cannot_be_read_is_named_by_place_and_column(config: Path, exports: Path) -> None:
    write(exports / "records.jsonl", *(record(str(ref)) for ref in range(99)), record("99", date="yesterday"))

    result = run(config, "check")

    assert result.exit_code == 1
    assert "  records.jsonl:100: records: date: date_invalid (unreadable)" in result.stdout
    assert "yesterday" not in result.stdout


def test_a_row_of_nobody_known_is_named_and_is_no_fault(config: Path, exports: Path) -> None:
    write(exports / "records.jsonl", record("1"), record("2", nhs_number="999 000 0019"))

    (source,) = found(run(config, "check", "--json"))["sources"]

    assert source["sound"]
    assert [(row["line"], row["reason"], row["kind"]) for row in source["rejected"]] == [
        (2, "nhs_number_invalid", "unidentified")
    ]
    assert run(config, "check").exit_code == 0


def test_an_export_that_is_cut_is_not_believed(config: Path, exports: Path) -> None:
    path = exports / "records.jsonl"
    path.write_text(path.read_text()[:-9])

    result = run(config, "check")

    assert result.exit_code == 1
    assert "  records: failing (unreadable)" in result.stdout
    assert "records.jsonl: the last line is cut off" in result.stdout


def test_a_source_of_no_such_name_is_unknown(config: Path) -> None:
    assert run(config, "check", "--source", "records").exit_code == 0
    result = run(config, "check", "--source", "other")
    assert (result.exit_code, "DATASET_UNKNOWN" in result.stderr) == (10, True)


def test_a_preview_shows_what_would_be_known_of_one_child(config: Path) -> None:
    result = run(config, "preview", "--child", "-", "--json", typed=f"{ADA}\n")

    assert result.exit_code == 0
    shown = found(result)
    assert (shown["known"], shown["failing"]) == (True, [])
    assert shown["sources"] == [{"source": "records", "flags": ["WITNESS_PROT"]}]
    assert [(item["record"], item["fields"]) for item in shown["records"]] == [
        (f"records:{ref}", {"incident_line": f"Line {ref}"}) for ref in (1, 2)
    ]


@pytest.mark.parametrize(("child", "known"), [(BEN, True), (CAY, False)])
def test_a_preview_tells_a_child_without_records_from_a_stranger(config: Path, child: str, known: bool) -> None:  # noqa: FBT001 - a table
    shown = found(run(config, "preview", "--child", child, "--json"))

    assert (shown["known"], shown["failing"], shown["records"]) == (known, [], [])


def test_a_preview_says_which_dataset_it_knows_nothing_of(config: Path, exports: Path) -> None:
    path = exports / "records.jsonl"
    path.write_text(path.read_text()[:-9])

    result = run(config, "preview", "--child", ADA, "--json")

    assert result.exit_code == 1
    shown = found(result)
    assert [(item["source"], item["dataset"], item["fault"]) for item in shown["failing"]] == [
        ("records", "records", "unreadable")
    ]
    assert (shown["known"], shown["records"]) == (True, [])


def test_a_preview_of_a_reading_that_is_void_knows_nobody_and_says_so(config: Path, exports: Path) -> None:
    path = exports / "children.jsonl"
    path.write_text(path.read_text()[:-9])

    result = run(config, "preview", "--child", ADA, "--json")

    assert result.exit_code == 1
    shown = found(result)
    assert {item["dataset"] for item in shown["failing"]} == {"children", "records"}
    assert (shown["known"], shown["sources"], shown["records"]) == (False, [], [])


def test_a_preview_of_no_number_reads_nothing(config: Path) -> None:
    result = run(config, "preview", "--child", "123")
    assert (result.exit_code, "NHS_NUMBER_INVALID" in result.stderr) == (10, True)


@pytest.mark.parametrize(
    ("command", "arguments", "named"),
    [
        ("accept", ["--reason", "Compared."], "DATASETS"),
        ("accept", ["--reason", "Compared.", "--all", "records"], "DATASETS"),
        ("accept", ["--reason", " ", "--all"], "--reason"),
        ("rejects", ["--dismiss", "a" * 32], "--reason"),
    ],
)
def test_an_order_that_is_not_whole_is_a_mistake_of_the_command_line(
    config: Path, command: str, arguments: list[str], named: str
) -> None:
    result = run(config, command, "--user", "s.example", *arguments)
    assert (result.exit_code, named in result.stderr) == (2, True)
