"""Every way to falsify a ledger without its key, in its database and in its export, and what verification says."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.errors import ErrorCode, WardgateError
from federation.ledger.checkpoint import Checkpoint, NoteKey, SignedCheckpoint, sign_checkpoint
from federation.ledger.tree import Frontier, leaf_hash
from federation.ledger.verify import LedgerFault, Verified, verify_database, verify_export
from federation.store import sqlite_url
from keys.signing import SigningKey
from tests.support.ledger import KEY, NOTE_KEY, ORIGIN, a_journal, an_entry, filled, opened
from tests.support.tampering import Database, Export

SIZE = 300
SIZES = (40, 128, 200, SIZE)
OTHER = an_entry(9_999).content


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    return await filled(tmp_path, *SIZES)


@pytest.fixture
def tampering(database: Path) -> Iterator[Database]:
    found = Database(database)
    yield found
    found.close()


@pytest.fixture
async def exported(database: Path) -> Export:
    folder = database.parent / "export"
    async with opened(sqlite_url(database)) as engine, a_journal(engine) as journal:
        await journal.export(folder)
    return Export(folder, SIZE)


def head_of(contents: list[bytes]) -> SignedCheckpoint:
    frontier = Frontier()
    for content in contents:
        frontier.append(leaf_hash(content))
    return sign_checkpoint(Checkpoint(ORIGIN, frontier.size, frontier.root()), KEY)


def contents(count: int) -> list[bytes]:
    return [an_entry(number).content for number in range(count)]


def fault_in_database(path: Path, *known: bytes) -> LedgerFault:
    with pytest.raises(LedgerFault) as caught:
        verify_database(path, NOTE_KEY, known)
    assert caught.value.code is ErrorCode.LEDGER_INVALID
    return caught.value


def fault_in_export(path: Path, *known: bytes) -> LedgerFault:
    with pytest.raises(LedgerFault) as caught:
        verify_export(path, NOTE_KEY, known)
    return caught.value


def test_an_honest_ledger_holds(database: Path, exported: Export) -> None:
    expected = Verified(ORIGIN, SIZE, SIZE, head_of(contents(SIZE)).root, 1 + len(SIZES))
    assert verify_database(database, NOTE_KEY) == expected
    assert verify_export(exported.folder, NOTE_KEY) == expected


async def test_entries_after_the_last_checkpoint_are_counted_apart(tmp_path: Path) -> None:
    path = await filled(tmp_path, 5)
    async with opened(sqlite_url(path)) as engine:
        journal = a_journal(engine)
        await journal.record([an_entry(number) for number in range(5, 9)])
        verified = verify_database(path, NOTE_KEY)
        assert (verified.size, verified.signed_size) == (9, 5)
        tampering = Database(path)
        tampering.alter(7, OTHER)
        assert fault_in_database(path).first_bad_index == 7
        tampering.do("DELETE FROM ledger_entry WHERE entry_index = 6")
        assert fault_in_database(path).first_bad_index == 6
        tampering.close()
        await journal._appender.aclose()


@pytest.mark.parametrize("index", [0, 1, 39, 40, 127, 128, 255, 256, 299])
def test_an_altered_entry_is_named(database: Path, tampering: Database, exported: Export, index: int) -> None:
    tampering.alter(index, OTHER)
    exported.alter(index, OTHER)
    assert fault_in_database(database).first_bad_index == index
    assert fault_in_export(exported.folder).first_bad_index == index


@pytest.mark.parametrize("index", [0, 41, 42, 131, 255, 299])
def test_an_altered_entry_is_named_even_if_its_own_hash_is_altered_too(
    database: Path, tampering: Database, exported: Export, index: int
) -> None:
    tampering.alter(index, OTHER)
    tampering.set_leaf_hash(index, leaf_hash(OTHER))
    found = fault_in_database(database).first_bad_index
    assert found is not None
    assert found <= index

    exported.alter(index, OTHER)
    tile = exported.tile(0, index // 256)
    hashes = bytearray(tile.read_bytes())
    hashes[index % 256 * 32 : index % 256 * 32 + 32] = leaf_hash(OTHER)
    tile.write_bytes(hashes)
    found = fault_in_export(exported.folder).first_bad_index
    assert found is not None
    assert found <= index


@pytest.mark.parametrize(("index", "proved"), [(0, 0), (39, 0), (40, 40), (127, 40), (150, 128), (299, 200)])
def test_of_a_history_rewritten_throughout_the_checkpoints_say_from_where(
    database: Path, tampering: Database, exported: Export, index: int, proved: int
) -> None:
    tampering.alter(index, OTHER)
    tampering.rehash()
    exported.alter(index, OTHER)
    exported.rehash()
    assert fault_in_database(database).first_bad_index == proved
    assert fault_in_export(exported.folder).first_bad_index == proved


@pytest.mark.parametrize(("one", "other"), [(0, 299), (10, 11), (128, 200), (298, 299)])
def test_reordered_entries_are_named_by_the_first(
    database: Path, tampering: Database, exported: Export, one: int, other: int
) -> None:
    tampering.swap(one, other)
    found = exported.contents()
    found[one], found[other] = found[other], found[one]
    exported.write(found)
    assert fault_in_database(database).first_bad_index == one
    assert fault_in_export(exported.folder).first_bad_index == one


@pytest.mark.parametrize(("start", "end"), [(0, 1), (17, 18), (128, 200), (299, 300), (250, 300), (0, 300)])
def test_removed_entries_are_named_by_the_first(database: Path, tampering: Database, start: int, end: int) -> None:
    tampering.remove(start, end)
    assert fault_in_database(database).first_bad_index == start


@pytest.mark.parametrize("index", [0, 17, 255, 299])
def test_an_entry_removed_with_all_that_follow_moved_up_is_named(
    database: Path, tampering: Database, exported: Export, index: int
) -> None:
    tampering.remove(index, index + 1)
    tampering.do("UPDATE ledger_entry SET entry_index = -entry_index WHERE entry_index > ?", index)
    tampering.do("UPDATE ledger_entry SET entry_index = -entry_index - 1 WHERE entry_index < 0")
    found = exported.contents()
    exported.write(found[:index] + found[index + 1 :])
    assert fault_in_database(database).first_bad_index == index
    assert fault_in_export(exported.folder).first_bad_index == index


def test_an_inserted_entry_is_named(exported: Export) -> None:
    found = exported.contents()
    exported.write([*found[:50], OTHER, *found[50:]])
    assert fault_in_export(exported.folder).first_bad_index == 50


@pytest.mark.parametrize("index", [0, 100, 298])
def test_an_entry_torn_in_its_bundle_is_named(exported: Export, index: int) -> None:
    bundle = exported.bundle(index // 256)
    bundle.write_bytes(bundle.read_bytes()[:-1])
    found = fault_in_export(exported.folder).first_bad_index
    assert found == index // 256 * 256


@pytest.mark.parametrize("bundle", [0, 1])
def test_a_missing_bundle_is_named_by_its_first_entry(exported: Export, bundle: int) -> None:
    exported.bundle(bundle).unlink()
    assert fault_in_export(exported.folder).first_bad_index == bundle * 256


@pytest.mark.parametrize(("level", "index", "entry"), [(0, 0, 0), (0, 1, 256), (1, 0, 255)])
def test_a_missing_tile_is_named_by_its_first_entry(exported: Export, level: int, index: int, entry: int) -> None:
    exported.tile(level, index).unlink()
    fault = fault_in_export(exported.folder)
    assert (fault.first_bad_index, fault.reason) == (entry, "a stored hash or column does not belong to its entry")


@pytest.mark.parametrize("index", [0, 33, 127, 255, 299])
def test_a_stored_hash_that_is_wrong_is_named(
    database: Path, tampering: Database, exported: Export, index: int
) -> None:
    tampering.do("UPDATE ledger_entry SET nodes = zeroblob(length(nodes)) WHERE entry_index = ?", index)
    tile = exported.tile(0, index // 256)
    hashes = bytearray(tile.read_bytes())
    hashes[index % 256 * 32] ^= 1
    tile.write_bytes(hashes)
    assert fault_in_database(database).first_bad_index == index
    assert fault_in_export(exported.folder).first_bad_index == index


@pytest.mark.parametrize(
    "change", ["kind = 'alarm_raised'", "query_id = NULL", "query_id = 'x'", "at = at + 1", "nodes = nodes || x'00'"]
)
def test_a_column_that_would_mislead_a_search_is_named(database: Path, tampering: Database, change: str) -> None:
    tampering.do(f"UPDATE ledger_entry SET {change} WHERE entry_index = 77")
    assert fault_in_database(database).first_bad_index == 77


def test_values_of_another_type_are_named(database: Path, tampering: Database) -> None:
    tampering.do("UPDATE ledger_entry SET content = 'text' WHERE entry_index = 77")
    assert fault_in_database(database).first_bad_index == 77


@pytest.mark.parametrize("content", [b"[" * 60_000, b'{"kind":' * 5_000, b"\xff", b"", b"null"])
def test_an_entry_that_is_no_entry_is_named(
    database: Path, tampering: Database, exported: Export, content: bytes
) -> None:
    tampering.do("UPDATE ledger_entry SET content = ? WHERE entry_index = 17", content)
    exported.alter(17, content)
    assert fault_in_database(database).first_bad_index == 17
    assert fault_in_export(exported.folder).first_bad_index == 17


def test_a_ledger_rolled_back_to_an_earlier_state_betrays_itself_to_who_knows_more(
    database: Path,
) -> None:
    later = head_of(contents(SIZE)).note
    tampering = Database(database)
    tampering.remove(200, SIZE)
    tampering.do("DELETE FROM ledger_checkpoint WHERE size > 200")
    tampering.close()
    assert verify_database(database, NOTE_KEY).size == 200
    assert fault_in_database(database, later).first_bad_index == 200


def test_a_forked_ledger_betrays_itself_to_who_saw_the_other_branch(database: Path, exported: Export) -> None:
    branch = [*contents(150), OTHER, *contents(SIZE)[151:]]
    for size in (151, 200, 250):
        other_branch = head_of(branch[:size]).note
        assert fault_in_database(database, other_branch).first_bad_index in {None, 128, 200}
        assert fault_in_export(exported.folder, other_branch).first_bad_index in {None, 128, 200}
    own_branch = head_of(contents(150)).note
    assert verify_database(database, NOTE_KEY, [own_branch]).size == SIZE


def test_two_roots_of_one_size_are_a_fork(exported: Export) -> None:
    fork = head_of([*contents(199), OTHER]).note
    fault = fault_in_export(exported.folder, fork)
    assert (fault.first_bad_index, fault.reason) == (None, "forked: two signed roots of size 200")


def test_a_checkpoint_that_was_altered_is_named(database: Path, tampering: Database, exported: Export) -> None:
    tampering.do("UPDATE ledger_checkpoint SET note = CAST(replace(note, '128', '129') AS BLOB) WHERE size = 128")
    note = exported.folder / "checkpoints" / "000000000128"
    note.write_bytes(note.read_bytes().replace(b"\n128\n", b"\n129\n"))
    for fault in (fault_in_database(database), fault_in_export(exported.folder)):
        assert fault.first_bad_index is None
        assert "128" in fault.reason


def test_a_ledger_without_checkpoint_proves_nothing(database: Path, tampering: Database) -> None:
    tampering.do("DELETE FROM ledger_checkpoint")
    assert fault_in_database(database).reason == "there is no signed checkpoint"


def test_the_key_decides(database: Path, exported: Export) -> None:
    for key in (NoteKey(ORIGIN, SigningKey.generate().verify_key), NoteKey("wardgate/node/other", KEY.verify_key)):
        with pytest.raises(LedgerFault):
            verify_database(database, key)
        with pytest.raises(LedgerFault):
            verify_export(exported.folder, key)


def test_a_damaged_file_is_reported(database: Path) -> None:
    damaged = bytearray(database.read_bytes())
    for page in range(3, len(damaged) // 4096):
        damaged[page * 4096 : page * 4096 + 64] = bytes(64)
    database.write_bytes(damaged)
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    with pytest.raises(WardgateError) as caught:
        verify_database(database, NOTE_KEY)
    assert caught.value.code in {ErrorCode.LEDGER_INVALID, ErrorCode.STORE_UNAVAILABLE}


@pytest.mark.parametrize("name", ["missing", "file", "folder"])
def test_what_cannot_be_read_is_no_ledger(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("no database")
    (tmp_path / "folder").mkdir()
    with pytest.raises(WardgateError) as caught:
        verify_database(tmp_path / name, NOTE_KEY)
    assert caught.value.code is ErrorCode.STORE_UNAVAILABLE
    with pytest.raises(WardgateError) as caught:
        verify_export(tmp_path / name, NOTE_KEY)
    assert caught.value.code is ErrorCode.STORE_UNAVAILABLE


def test_verification_does_not_disturb_the_service(database: Path) -> None:
    before = database.read_bytes()
    verify_database(database, NOTE_KEY)
    assert database.read_bytes() == before


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of 40 entries with checkpoints at 8, 21 and 40, made once."""
    import asyncio

    folder = tmp_path_factory.mktemp("master")

    async def make() -> None:
        path = await filled(folder, 8, 21, 40)
        async with opened(sqlite_url(path)) as engine, a_journal(engine) as journal:
            await journal.export(folder / "export")

    asyncio.run(make())
    return folder / "export"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(changes=st.dictionaries(st.integers(0, 39), st.binary(min_size=1, max_size=40), min_size=1, max_size=5))
def test_of_any_alterations_the_first_is_named(
    master: Path, tmp_path_factory: pytest.TempPathFactory, changes: dict[int, bytes]
) -> None:
    copy = tmp_path_factory.mktemp("copy") / "export"
    shutil.copytree(master, copy)
    altered = Export(copy, 40)
    for index, content in changes.items():
        altered.alter(index, content)
    assert fault_in_export(copy).first_bad_index == min(changes)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(at=st.integers(0, 10**6), bit=st.integers(0, 7), data=st.data())
def test_no_bit_of_an_export_can_be_flipped(
    master: Path, tmp_path_factory: pytest.TempPathFactory, at: int, bit: int, data: st.DataObject
) -> None:
    copy = tmp_path_factory.mktemp("copy") / "export"
    shutil.copytree(master, copy)
    chosen = data.draw(st.sampled_from(sorted(path for path in copy.rglob("*") if path.is_file())))
    if chosen.name == "ledger.pub":
        return
    content = bytearray(chosen.read_bytes())
    content[at % len(content)] ^= 1 << bit
    chosen.write_bytes(content)
    with pytest.raises(WardgateError) as caught:
        verify_export(copy, NOTE_KEY)
    assert caught.value.code is ErrorCode.LEDGER_INVALID
