"""A ledger is verified, exported and searched alike wherever it is: SQLite, PostgreSQL, a copy, an export."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection
from typer.testing import CliRunner

from federation.errors import WardgateError
from federation.exit_codes import ExitCode
from federation.ledger.checkpoint import WitnessKey, cosign_checkpoint, verify_checkpoint, with_cosignatures
from federation.ledger.cli import ledger_app
from federation.ledger.entry import Entry
from federation.ledger.kept import KeptCheckpoint
from federation.ledger.place import LedgerPlace, LedgerServices, service_ledger
from federation.ledger.report import BESIDE, GIVEN
from federation.ledger.tree import leaf_hash
from federation.store import sqlite_url
from keys.keyring import Keyring
from keys.signing import SigningKey
from tests.support.ledger import NOTE_KEY, NOW, QUERY, Clock, a_journal, an_entry, cut, drop_guards, opened

SIZES = (8, 20)
SIZE = SIZES[-1]
WITNESS = SigningKey.generate()
WITNESS_KEY = WitnessKey("trustee/main", WITNESS.verify_key)


@dataclass
class Service:
    """A service's data folder, settings and ledger."""

    url: str
    data: Path
    config: Path

    @property
    def keys_dir(self) -> Path:
        return self.data / "keyring"

    @property
    def kept(self) -> KeptCheckpoint:
        return KeptCheckpoint(Keyring(self.keys_dir))

    def find(self, config: Path) -> LedgerPlace:
        assert config == self.config
        return service_ledger(self.url, data_dir=self.data, keys_dir=self.keys_dir, witnesses=lambda: [WITNESS_KEY])

    def run(self, command: str, *arguments: object) -> tuple[int, str, str]:
        words = [command, *(str(argument) for argument in arguments)]
        result = CliRunner().invoke(ledger_app, words, obj=LedgerServices(self.find))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout, result.stderr

    def verified(self, *arguments: object) -> tuple[int, dict[str, Any]]:
        code, output, errors = self.run("verify", "--config", self.config, *arguments, "--json")
        assert output, errors
        return code, json.loads(output)


@pytest.fixture
async def service(store_url: str, tmp_path: Path) -> Service:
    return await a_service(tmp_path, "" if store_url.startswith("sqlite") else store_url)


@pytest.fixture
async def on_sqlite(tmp_path: Path) -> Service:
    return await a_service(tmp_path)


async def a_service(folder: Path, url: str = "") -> Service:
    """A service that was started and stopped twice, on SQLite unless a URL is given; a witness cosigned in between."""
    data = folder / "data"
    (data / "keyring").mkdir(parents=True, mode=0o700)
    (folder / "settings.toml").write_text("")
    found = Service(url or sqlite_url(data / "node.db"), data, folder / "settings.toml")
    (data / "ledger.pub").write_text(NOTE_KEY.text())
    async with opened(found.url) as engine:
        done = 0
        for size in SIZES:
            async with a_journal(engine, Clock(), found.kept) as journal:
                await journal.record([an_entry(number) for number in range(done, size)])
                signed = await journal.checkpoint()
                line = cosign_checkpoint(signed, name=WITNESS_KEY.name, key=WITNESS, at=NOW)
                if size == SIZES[0]:
                    await journal.sign()
                    await journal.add_cosignature(
                        with_cosignatures(signed.note, line), WITNESS_KEY.name, WITNESS.verify_key
                    )
                done = size
    return found


Damage = Callable[[AsyncConnection], Any]


@pytest.fixture
async def damaged(request: pytest.FixtureRequest, service: Service) -> Service:
    """The service after whatever the test's parameter did to its database."""
    damage: Damage = request.param
    async with opened(service.url) as engine, engine.begin() as connection:
        await drop_guards(connection)
        await damage(connection)
    return service


def altered(index: int, content: bytes) -> Damage:
    async def damage(connection: AsyncConnection) -> None:
        values = {"content": content, "at_index": index}
        await connection.execute(
            text("UPDATE ledger_entry SET content = :content WHERE entry_index = :at_index"), values
        )

    return damage


def done(*statements: str, **values: object) -> Damage:
    async def damage(connection: AsyncConnection) -> None:
        for statement in statements:
            await connection.execute(text(statement), values)

    return damage


def another_leaf(index: int) -> Damage:
    """An entry and its own hash: all above it in the tree give it away."""

    async def damage(connection: AsyncConnection) -> None:
        found = text("SELECT nodes FROM ledger_entry WHERE entry_index = :at_index")
        nodes = (await connection.execute(found, {"at_index": index})).scalar_one()
        content = an_entry(99).content
        change = text(
            "UPDATE ledger_entry SET content = :content, nodes = :nodes, at = :at WHERE entry_index = :at_index"
        )
        values = {"content": content, "nodes": leaf_hash(content) + nodes[32:], "at": NOW + 99, "at_index": index}
        await connection.execute(change, values)

    return damage


MOVED = "UPDATE ledger_entry SET entry_index = {to} WHERE entry_index = {at}"


@pytest.mark.parametrize(
    ("damaged", "index"),
    [
        (altered(0, an_entry(99).content), 0),
        (altered(7, an_entry(99).content), 7),
        (altered(19, an_entry(99).content), 19),
        (altered(5, b"[" * 200_000), 5),
        (altered(5, b""), 5),
        (altered(5, b"null"), 5),
        (altered(5, b"\xff\xfe"), 5),
        (altered(5, b'{"at":1e999}'), 5),
        (another_leaf(6), 6),
        (done("UPDATE ledger_entry SET nodes = content WHERE entry_index = 4"), 4),
        (done("UPDATE ledger_entry SET kind = 'alarm_raised' WHERE entry_index = 9"), 9),
        (done("UPDATE ledger_entry SET query_id = NULL WHERE entry_index = 9"), 9),
        (done("UPDATE ledger_entry SET at = at + 1 WHERE entry_index = 9"), 9),
        (done("DELETE FROM ledger_entry WHERE entry_index = 3"), 3),
        (done("DELETE FROM ledger_entry WHERE entry_index >= 12"), 12),
        (done("DELETE FROM ledger_entry"), 0),
        (done(MOVED.format(at=3, to=2**62)), 3),
        (done(MOVED.format(at=3, to=-1)), 3),
        (done(MOVED.format(at=4, to=100), MOVED.format(at=6, to=4), MOVED.format(at=100, to=6)), 4),
        # The hash of the first four stood in the row of the fourth: without it nothing proves any of them.
        (done(MOVED.format(at=3, to=100), MOVED.format(at=4, to=3), MOVED.format(at=100, to=4)), 0),
    ],
    indirect=["damaged"],
)
def test_whatever_is_done_to_an_entry_the_first_bad_index_is_named(damaged: Service, index: int) -> None:
    code, found = damaged.verified()
    assert (code, found["ok"], found["first_bad_index"]) == (ExitCode.CHECK_FAILED, False, index)


@pytest.mark.parametrize(
    "damaged",
    [
        done(
            "UPDATE ledger_checkpoint SET note = nodes FROM ledger_entry "
            "WHERE entry_index = 0 AND ledger_checkpoint.size = 8"
        ),
        done("DELETE FROM ledger_checkpoint"),
    ],
    indirect=True,
)
def test_a_checkpoint_that_was_touched_is_a_fault_of_no_single_entry(damaged: Service) -> None:
    code, found = damaged.verified()
    assert (code, found["first_bad_index"]) == (ExitCode.CHECK_FAILED, None)
    assert found["reason"]


def test_an_honest_ledger_holds_and_everything_that_was_compared_is_said(service: Service) -> None:
    code, found = service.verified()
    assert (code, found["ok"], found["size"], found["signed_size"]) == (ExitCode.DONE, True, SIZE, SIZE)
    assert found["warnings"] == []
    assert found["extends"] == [service.kept.place]
    assert found["ledger"] == (
        str(service.data / "node.db") if "sqlite" in service.url else make_url(service.url).render_as_string()
    )
    code, output, _ = service.run("verify", "--config", service.config)
    assert code == ExitCode.DONE
    assert f"extends {service.kept.place}" in output
    assert found["root"] in output


def test_the_key_beside_the_ledger_is_said_to_lie_there(service: Service, tmp_path: Path) -> None:
    code, found = service.verified()
    assert (code, found["key"], found["verified_against"]) == (ExitCode.DONE, "beside", BESIDE)
    assert "verified against the key that lies beside it" in service.run("verify", "--config", service.config)[1]

    shutil.move(service.data / "ledger.pub", tmp_path / "given.pub")
    given = ("--key", tmp_path / "given.pub")
    code, found = service.verified(*given)
    assert (code, found["key"], found["verified_against"]) == (ExitCode.DONE, "given", GIVEN)
    output = service.run("verify", "--config", service.config, *given)[1]
    assert GIVEN in output
    assert "lies beside" not in output
    assert service.run("verify", "--config", service.config)[0] == ExitCode.OPERATOR_NEEDED


@pytest.fixture
async def with_a_tail(service: Service) -> Service:
    """Three entries that nobody got to sign."""
    async with opened(service.url) as engine:
        journal = a_journal(engine)
        await journal.record([an_entry(number) for number in range(SIZE, SIZE + 3)])
        await journal._appender.aclose()
    return service


def test_a_tail_that_is_not_signed_is_warned_of(with_a_tail: Service) -> None:
    code, found = with_a_tail.verified()
    assert (code, found["size"], found["signed_size"]) == (ExitCode.DONE, SIZE + 3, SIZE)
    assert [warning[:41] for warning in found["warnings"]] == ["3 entries at the end are not signed yet: "]
    assert "warning: 3 entries at the end" in with_a_tail.run("verify", "--config", with_a_tail.config)[1]


@pytest.fixture
async def shortened(service: Service) -> Service:
    """As an older copy put back: whole in itself."""
    async with opened(service.url) as engine:
        await cut(engine, SIZES[0])
    return service


def test_a_ledger_cut_at_its_end_is_found_by_what_its_service_kept(shortened: Service) -> None:
    code, found = shortened.verified()
    assert (code, found["first_bad_index"]) == (ExitCode.CHECK_FAILED, SIZES[0])
    assert "missing before the checkpoint of 20" in found["reason"]


def test_a_ledger_cut_at_its_end_is_found_by_what_a_witness_kept(shortened: Service, tmp_path: Path) -> None:
    kept = Path(shortened.kept.place)
    shutil.move(kept, tmp_path / "of-a-witness")
    assert shortened.verified()[0] == ExitCode.DONE, "it is whole in itself"
    code, found = shortened.verified("--known", tmp_path / "of-a-witness")
    assert (code, found["first_bad_index"]) == (ExitCode.CHECK_FAILED, SIZES[0])


def test_an_export_carries_everything_and_is_the_same_from_either_store(service: Service, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, output, errors = service.run("export", "--config", service.config, out)
    assert (code, output) == (ExitCode.DONE, f"{SIZE} entries written to {out}\n"), errors
    assert (out / "witnesses.pub").read_text() == WITNESS_KEY.text() + "\n"
    assert b"trustee/main" in (out / "checkpoints" / f"{SIZES[0]:012d}").read_bytes()
    contents = [an_entry(number).content for number in range(SIZE)]
    bundle = b"".join(len(content).to_bytes(2, "big") + content for content in contents)
    assert (out / "tile" / "entries" / "000.p" / str(SIZE)).read_bytes() == bundle
    code, output, _ = service.run("verify", out, "--witnesses", out / "witnesses.pub", "--json")
    found = json.loads(output)
    assert (code, found["size"], found["cosigned"]) == (ExitCode.DONE, SIZE, COSIGNED)


COSIGNED = [{"witness": "trustee/main", "size": SIZES[0], "at": NOW}]


def test_what_witnesses_have_cosigned_is_said_and_a_forged_cosignature_is_a_fault(
    service: Service, tmp_path: Path
) -> None:
    keys = tmp_path / "witnesses.pub"
    absent = WitnessKey("node/camden-csc", SigningKey.generate().verify_key)
    keys.write_text(f"{absent.text()}\n\n{WITNESS_KEY.text()}\n")
    code, found = service.verified("--witnesses", keys)
    assert (code, found["cosigned"]) == (ExitCode.DONE, COSIGNED)
    assert (
        "cosigned by trustee/main: 8 entries"
        in service.run("verify", "--config", service.config, "--witnesses", keys)[1]
    )

    keys.write_text(WitnessKey("trustee/main", SigningKey.generate().verify_key).text())
    code, found = service.verified("--witnesses", keys)
    assert code == ExitCode.CHECK_FAILED
    assert "cosignature by trustee/main: made with another key" in found["reason"]
    keys.write_text(NOTE_KEY.text())
    assert service.run("verify", "--config", service.config, "--witnesses", keys)[0] == ExitCode.CHECK_FAILED


def test_verifier_keys_are_printed_in_the_c2sp_form(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "witnesses.pub"
    code, output, _ = service.run("verifier-keys", "--config", service.config, "--out", file)
    assert (code, output) == (ExitCode.DONE, f"{NOTE_KEY.text()}\n{WITNESS_KEY.text()}\n")
    assert file.read_text() == WITNESS_KEY.text() + "\n"
    service.run("export", "--config", service.config, tmp_path / "out")
    assert service.run("verifier-keys", tmp_path / "out")[1] == output


def test_entries_are_found_by_settings(service: Service) -> None:
    code, output, _ = service.run("search", "--config", service.config, "--start", 3, "--limit", 2, "--query-id", QUERY)
    assert code == ExitCode.DONE
    found = [json.loads(line) for line in output.splitlines()]
    assert [item.pop("index") for item in found] == [3, 4]
    assert [Entry.parse(json.dumps(item, separators=(",", ":"), sort_keys=True).encode()) for item in found] == [
        an_entry(3),
        an_entry(4),
    ]


def files_of(folder: Path) -> dict[str, bytes]:
    """What is there, but for the files that SQLite makes to read a database beside others and that hold nothing."""
    found = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if content and not name.endswith("-shm")}


def test_reading_changes_nothing(service: Service, tmp_path: Path) -> None:
    before = files_of(service.data)
    service.verified()
    service.run("search", "--config", service.config)
    service.run("export", "--config", service.config, tmp_path / "out")
    assert files_of(service.data) == before


def test_a_ledger_is_named_once(service: Service, tmp_path: Path) -> None:
    for arguments in ((), (service.data, "--config", service.config)):
        for command in ("verify", "search"):
            assert service.run(command, *arguments)[0] == ExitCode.USAGE
    assert service.run("export", service.data, tmp_path, "--config", service.config)[0] == ExitCode.USAGE
    assert CliRunner().invoke(ledger_app, ["verify", "--config", str(service.config)]).exit_code == ExitCode.USAGE


def test_a_database_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    for url in (f"sqlite+aiosqlite:///{tmp_path / 'none.db'}", f"postgresql+asyncpg://x@/y?host={tmp_path}"):
        service = Service(url, tmp_path, tmp_path / "settings.toml")
        service.config.write_text("")
        (tmp_path / "ledger.pub").write_text(NOTE_KEY.text())
        for command in ("verify", "search"):
            code, _, errors = service.run(command, "--config", service.config)
            assert code == ExitCode.OPERATOR_NEEDED
            assert errors.startswith("STORE_UNAVAILABLE")


def copied(service: Service, name: str) -> Path:
    """The documented backup, beside the service's own database."""
    with (
        closing(sqlite3.connect(service.data / "node.db")) as own,
        closing(sqlite3.connect(service.data / name)) as copy,
    ):
        own.backup(copy)
    (service.data / name).chmod(0o600)
    return service.data / name


def test_a_copy_beside_the_ledger_does_not_stand_in_its_way(on_sqlite: Service) -> None:
    copy = copied(on_sqlite, "copy.db")
    for path, named in ((on_sqlite.data, on_sqlite.data / "node.db"), (copy, copy)):
        code, output, _ = on_sqlite.run("verify", path, "--json")
        found = json.loads(output)
        assert (code, found["ledger"], found["size"]) == (ExitCode.DONE, str(named), SIZE)
        assert on_sqlite.run("search", path)[0] == ExitCode.DONE


def test_an_older_copy_is_no_fault_until_it_is_put_in_the_place_of_the_ledger(on_sqlite: Service) -> None:
    copy = copied(on_sqlite, "copy.db")
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        for table in ("entry", "checkpoint"):
            connection.execute(f"DROP TRIGGER ledger_{table}_no_delete")
        connection.execute(f"DELETE FROM ledger_entry WHERE entry_index >= {SIZES[0]}")
        connection.execute(f"DELETE FROM ledger_checkpoint WHERE size > {SIZES[0]}")
    assert on_sqlite.run("verify", copy)[0] == ExitCode.DONE
    copy.replace(on_sqlite.data / "node.db")
    code, output, _ = on_sqlite.run("verify", on_sqlite.data)
    assert code == ExitCode.CHECK_FAILED
    assert "first bad index 8" in output


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o640, True), (0o644, True)])
def test_a_copy_that_others_can_read_is_warned_of(on_sqlite: Service, mode: int, *, warns: bool) -> None:
    copy = copied(on_sqlite, "copy.db")
    copy.chmod(mode)
    code, output, _ = on_sqlite.run("verify", copy, "--json")
    assert code == ExitCode.DONE
    assert [f"has mode {mode:04o}" in warning for warning in json.loads(output)["warnings"]] == [True] * warns


def test_a_copy_on_a_folder_that_nobody_may_write_is_read(on_sqlite: Service, tmp_path: Path) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    shutil.copy(copied(on_sqlite, "copy.db"), folder / "copy.db")
    content = (folder / "copy.db").read_bytes()
    (folder / "copy.db").chmod(0o400)
    folder.chmod(0o500)
    try:
        for arguments in (("verify",), ("search",)):
            code, _, errors = on_sqlite.run(
                *arguments,
                folder / "copy.db",
                *(["--key", on_sqlite.data / "ledger.pub"] if arguments == ("verify",) else []),
            )
            assert code == ExitCode.DONE, errors
        key = ("--key", on_sqlite.data / "ledger.pub")
        assert on_sqlite.run("export", folder / "copy.db", tmp_path / "out", *key)[0] == ExitCode.DONE
    finally:
        folder.chmod(0o700)
    assert (folder / "copy.db").read_bytes() == content


@pytest.mark.parametrize(
    "published",
    [
        "witness.navigli.sunlight.geomys.org+a3e00fe2+BNy/co4C1Hn1p+INwJrfUlgz7W55dSZReusH/GhUhJ/G",
        "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    ],
)
def test_the_keys_of_other_people_s_witnesses_are_read_and_written_as_they_stand(published: str) -> None:
    key = WitnessKey.parse(published)
    assert key.text() == published
    with pytest.raises(WardgateError):
        WitnessKey.parse(published.replace("+B", "+A", 1))
    with pytest.raises(WardgateError):
        WitnessKey.parse(NOTE_KEY.text())


def test_a_kept_note_is_a_checkpoint_anybody_can_read(service: Service) -> None:
    note = service.kept.note()
    assert note is not None
    assert verify_checkpoint(note, NOTE_KEY).size == SIZE
