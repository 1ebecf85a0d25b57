import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from federation.exit_codes import ExitCode
from federation.ledger.checkpoint import Checkpoint, sign_checkpoint
from federation.ledger.cli import ledger_app
from federation.ledger.entry import EntryKind
from federation.store import sqlite_url
from tests.support.ledger import KEY, NOTE_KEY, NOW, ORIGIN, QUERY, a_journal, an_entry, filled, opened
from tests.support.tampering import Database, Export

SIZE = 20


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A service's data directory."""
    path = tmp_path / "data"
    path.mkdir()
    await filled(path, 8, SIZE)
    (path / "ledger.pub").write_text(NOTE_KEY.text() + "\n")
    (path / "notes.txt").write_text("something else")
    return path


@pytest.fixture
async def exported(folder: Path) -> Path:
    path = folder.parent / "export"
    async with opened(sqlite_url(folder / "store.db")) as engine, a_journal(engine) as journal:
        await journal.export(path)
    return path


@pytest.fixture
async def empty(tmp_path: Path) -> Path:
    """The data directory of a service that has written nothing yet."""
    path = tmp_path / "empty"
    path.mkdir()
    async with opened(sqlite_url(path / "store.db")) as engine, a_journal(engine) as journal:
        await journal.open()
    (path / "ledger.pub").write_text(NOTE_KEY.text() + "\n")
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(ledger_app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def report(*arguments: object) -> tuple[int, dict[str, Any]]:
    code, output, _ = run("verify", *arguments, "--json")
    return code, json.loads(output)


def test_an_honest_ledger_ends_with_0(folder: Path, exported: Path) -> None:
    for path in (folder, folder / "store.db", exported):
        code, found = report(path)
        assert code == ExitCode.DONE
        assert found["ok"] is True
        assert (found["origin"], found["size"], found["signed_size"]) == (ORIGIN, SIZE, SIZE)
        assert (found["first_bad_index"], found["reason"]) == (None, "")
        assert len(found["root"]) == 64
        code, output, _ = run("verify", path)
        assert code == 0
        assert found["root"] in output


def test_a_falsified_ledger_ends_with_1_and_the_first_bad_index(folder: Path, exported: Path) -> None:
    tampering = Database(folder / "store.db")
    tampering.alter(7, an_entry(99).content)
    tampering.close()
    Export(exported, SIZE).alter(7, an_entry(99).content)
    for path in (folder, exported):
        code, found = report(path)
        assert code == ExitCode.CHECK_FAILED
        assert (found["ok"], found["first_bad_index"], found["origin"]) == (False, 7, ORIGIN)
        assert (found["size"], found["root"]) == (SIZE, "")
        assert "not those signed" in found["reason"]
        code, output, _ = run("verify", path)
        assert code == 1
        assert "first bad index 7" in output


def test_a_fault_of_no_single_entry_is_told_as_such(exported: Path) -> None:
    (exported / "checkpoint").write_text("nonsense")
    code, found = report(exported)
    assert (code, found["ok"], found["first_bad_index"]) == (1, False, None)
    assert found["reason"]
    assert "no single entry" in run("verify", exported)[1]


def test_the_key_can_be_given(exported: Path, tmp_path: Path) -> None:
    given = tmp_path / "given.pub"
    given.write_text(NOTE_KEY.text())
    (exported / "ledger.pub").unlink()
    assert run("verify", exported)[0] == ExitCode.OPERATOR_NEEDED
    assert report(exported, "--key", given)[0] == ExitCode.DONE
    given.write_text("nonsense")
    assert run("verify", exported, "--key", given)[0] == ExitCode.CHECK_FAILED


def test_a_checkpoint_kept_earlier_must_be_extended(folder: Path, exported: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    shutil.copy(exported / "checkpoint", kept)
    assert report(folder, "--known", kept)[0] == ExitCode.DONE
    tampering = Database(folder / "store.db")
    tampering.remove(8, SIZE)
    tampering.do(f"DELETE FROM ledger_checkpoint WHERE size = {SIZE}")
    tampering.close()
    assert report(folder)[0] == ExitCode.DONE
    code, found = report(folder, "--known", kept)
    assert (code, found["first_bad_index"]) == (1, 8)


def test_what_is_no_ledger_ends_with_its_documented_code(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "missing", tmp_path / "empty", tmp_path / "file"):
        for command in ("verify", "search"):
            code, output, errors = run(command, path)
            assert code == ExitCode.OPERATOR_NEEDED
            assert output == ""
            assert errors.startswith("STORE_UNAVAILABLE: ")
            assert path.name in errors


async def test_one_of_several_ledgers_must_be_named(folder: Path) -> None:
    shutil.copy(folder / "store.db", folder / "second.db")
    code, _, errors = run("verify", folder)
    assert code == ExitCode.OPERATOR_NEEDED
    assert "second.db, store.db" in errors
    assert report(folder / "second.db")[0] == ExitCode.DONE


def test_a_ledger_is_exported_up_to_its_newest_checkpoint(folder: Path, tmp_path: Path) -> None:
    tampering = Database(folder / "store.db")
    tampering.do(f"DELETE FROM ledger_checkpoint WHERE size = {SIZE}")
    tampering.close()
    code, output, _ = run("export", folder, tmp_path / "out")
    assert code == 0
    assert output == f"8 entries written to {tmp_path / 'out'}; 12 not yet signed left out\n"
    assert report(tmp_path / "out")[1]["size"] == 8
    assert run("export", tmp_path / "out", tmp_path / "again")[0] == ExitCode.OPERATOR_NEEDED


def test_a_ledger_without_checkpoint_is_not_exported(folder: Path, tmp_path: Path) -> None:
    tampering = Database(folder / "store.db")
    tampering.do("DELETE FROM ledger_checkpoint")
    tampering.close()
    assert run("export", folder, tmp_path / "out")[0] == ExitCode.CHECK_FAILED


def test_a_ledger_of_which_no_entry_is_signed_is_not_exported(folder: Path, tmp_path: Path) -> None:
    tampering = Database(folder / "store.db")
    tampering.do("DELETE FROM ledger_checkpoint WHERE size > 0")
    tampering.close()
    code, _, message = run("export", folder, tmp_path / "out")
    assert code == ExitCode.CHECK_FAILED
    assert f"none of its {SIZE} entries is signed" in message
    assert not (tmp_path / "out").exists()


def test_a_ledger_without_entries_is_exported_as_it_is(empty: Path, tmp_path: Path) -> None:
    assert run("export", empty, tmp_path / "out")[:2] == (ExitCode.DONE, f"0 entries written to {tmp_path / 'out'}\n")


def found_by(*arguments: object) -> list[dict[str, Any]]:
    code, output, _ = run("search", *arguments)
    assert code == 0
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture
async def with_an_alarm(folder: Path, exported: Path) -> None:
    async with opened(sqlite_url(folder / "store.db")) as engine, a_journal(engine) as journal:
        await journal.record([an_entry(SIZE, EntryKind.ALARM_RAISED, None)])
        await journal.export(exported)


@pytest.mark.usefixtures("with_an_alarm")
def test_entries_are_found_in_a_database_and_in_an_export(folder: Path, exported: Path) -> None:
    for path in (folder, exported):
        everything = found_by(path)
        assert [entry["index"] for entry in everything] == list(range(SIZE + 1))
        assert everything[3]["body"] == dict(an_entry(3).body)
        assert [entry["index"] for entry in found_by(path, "--kind", "alarm_raised")] == [SIZE]
        assert len(found_by(path, "--query-id", QUERY)) == SIZE
        assert [entry["index"] for entry in found_by(path, "--since", NOW + 5, "--until", NOW + 8)] == [5, 6, 7]
        assert [entry["index"] for entry in found_by(path, "--start", 4, "--limit", 2)] == [4, 5]
        assert found_by(path, "--kind", "bundle_activated") == []


@pytest.mark.parametrize("content", [b"[" * 60_000, b"{}", b"\xff", b"null"])
def test_a_search_that_meets_what_is_no_entry_ends_with_1_and_its_index(
    folder: Path, exported: Path, content: bytes
) -> None:
    tampering = Database(folder / "store.db")
    tampering.do("UPDATE ledger_entry SET content = ? WHERE entry_index = 7", content)
    tampering.close()
    Export(exported, SIZE).alter(7, content)
    for path in (folder, exported):
        code, output, message = run("search", path)
        assert (code, output) == (ExitCode.CHECK_FAILED, "")
        assert "index 7 is no entry" in message
        assert [entry["index"] for entry in found_by(path, "--start", 8, "--limit", 1)] == [8]


def test_a_search_of_an_export_with_a_missing_entry_does_not_end_as_if_it_were_not_there(exported: Path) -> None:
    Export(exported, SIZE).bundle(0).unlink()
    code, output, message = run("search", exported)
    assert (code, output) == (ExitCode.CHECK_FAILED, "")
    assert "index 0 is no entry" in message


def test_an_unknown_kind_is_a_usage_error(folder: Path) -> None:
    assert run("search", folder, "--kind", "nonsense")[0] == ExitCode.USAGE


def test_a_copy_that_cannot_be_written_can_be_searched_and_verified(folder: Path) -> None:
    for path in folder.iterdir():
        path.chmod(0o400)
    folder.chmod(0o500)
    try:
        assert report(folder)[0] == ExitCode.DONE
        assert len(found_by(folder)) == SIZE
    finally:
        folder.chmod(0o700)


# -- forks -------------------------------------------------------------------------------------------------------------


def note(size: int, root: str) -> str:
    return sign_checkpoint(Checkpoint(ORIGIN, size, bytes.fromhex(root * 32)), KEY).note.decode()


async def alarmed(folder: Path, *bodies: dict[str, Any]) -> None:
    """The data directory of a follower that raised these alarms."""
    async with opened(sqlite_url(folder / "store.db")) as engine, a_journal(engine) as journal:
        await journal.record([replace(an_entry(0), kind=EntryKind.ALARM_RAISED, body=body) for body in bodies])
        await journal.checkpoint()


def test_both_checkpoints_of_a_fork_are_printed_and_saved(folder: Path, tmp_path: Path) -> None:
    ours, theirs, older = note(7, "aa"), note(7, "bb"), note(5, "cc")
    detail = {"alarm": "GATEWAY_NOT_BELIEVED", "detail": "it does not extend"}
    bodies: list[dict[str, Any]] = [
        {**detail, "error": "DIRECTORY_REJECTED"},
        {**detail, "error": "LEDGER_FORKED", "ours": ours, "theirs": theirs},
        {"alarm": "SPLIT_VIEW", "detail": "no proof joins them", "ours": ours, "theirs": older},
    ]
    asyncio.run(alarmed(folder, *bodies))
    out = tmp_path / "evidence"

    code, printed, _ = run("forks", folder, "--out", out)

    assert code == ExitCode.DONE
    assert printed.count("Both are of one size and differ") == 1, "of two sizes nothing is claimed"
    assert all(each.rstrip() in printed for each in (ours, theirs, older))
    saved = {file.name: file.read_text() for file in out.iterdir()}
    first, second = SIZE + 1, SIZE + 2
    assert saved == {
        f"fork-{first}-ours.checkpoint": ours,
        f"fork-{first}-theirs.checkpoint": theirs,
        f"fork-{second}-ours.checkpoint": ours,
        f"fork-{second}-theirs.checkpoint": older,
    }


def test_a_ledger_without_such_an_alarm_says_so(folder: Path, exported: Path, tmp_path: Path) -> None:
    for path in (folder, exported):
        code, printed, _ = run("forks", path, "--out", tmp_path / "none")
        assert (code, printed.count("No alarm")) == (ExitCode.DONE, 1)
    assert not (tmp_path / "none").exists()
