from pathlib import Path

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.ledger import export
from federation.ledger.checkpoint import NoteKey, cosign_checkpoint, verify_checkpoint, verify_cosignatures
from federation.ledger.tree import leaf_hash
from federation.ledger.verify import verify_export
from federation.store import sqlite_url
from keys.signing import SigningKey
from tests.support.ledger import NOTE_KEY, NOW, a_journal, an_entry, opened


def test_the_tiles_of_a_tree_are_those_of_the_specification() -> None:
    # The example of c2sp.org/tlog-tiles, "Partial Tiles".
    found = list(export.tiles(70_000))
    assert [tile for tile in found if tile[0] == 0] == [(0, index, 256) for index in range(273)] + [(0, 273, 112)]
    assert [tile for tile in found if tile[0] > 0] == [(1, 0, 256), (1, 1, 17), (2, 0, 1)]
    assert list(export.tiles(256)) == [(0, 0, 256), (1, 0, 1)]
    assert list(export.tiles(0)) == []


def test_paths_are_those_of_the_specification() -> None:
    assert export.tile_path(3, 1_234_067, 256) == Path("tile/3/x001/x234/067")
    assert export.tile_path(0, 0, 17) == Path("tile/0/000.p/17")
    assert export.entries_path(1_000, 255) == Path("tile/entries/x001/000.p/255")
    assert export.entries_path(999, 256) == Path("tile/entries/999")


@pytest.mark.parametrize("bundle", [b"\0", b"\0\2a", b"\0\1a\0", b"\xff\xff"])
def test_a_bundle_that_ends_within_an_entry_is_refused(bundle: bytes) -> None:
    with pytest.raises(ValueError, match="ends within"):
        export.unbundle(bundle)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


async def test_an_export_has_the_agreed_layout_and_is_extended_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    async with opened(sqlite_url(tmp_path / "store.db")) as engine:
        async with a_journal(engine) as journal:
            await journal.record([an_entry(number) for number in range(255)])
            await journal.export(folder)
            expected = {"checkpoint", "ledger.pub", "checkpoints/000000000000", "checkpoints/000000000255"}
            assert files(folder) == expected | {"tile/0/000.p/255", "tile/entries/000.p/255"}
            await journal.record([an_entry(255), an_entry(256)])
            head = await journal.export(folder)
        bundle = (folder / "tile/entries/000").read_bytes()
        contents = export.unbundle(bundle)
        assert contents == [an_entry(number).content for number in range(256)]
        assert (folder / "tile/0/000").read_bytes() == b"".join(leaf_hash(content) for content in contents)
        assert len((folder / "tile/1/000.p/1").read_bytes()) == 32
        assert export.unbundle((folder / "tile/entries/001.p/1").read_bytes()) == [an_entry(256).content]
        assert verify_checkpoint((folder / "checkpoint").read_bytes(), NOTE_KEY) == head
        assert NoteKey.parse((folder / "ledger.pub").read_text()) == NOTE_KEY
        assert not [name for name in files(folder) if name.endswith(".new")]
        assert verify_export(folder, NOTE_KEY).size == 257


async def test_an_export_of_an_empty_ledger_verifies(tmp_path: Path) -> None:
    async with opened(sqlite_url(tmp_path / "store.db")) as engine, a_journal(engine) as journal:
        await journal.export(tmp_path / "export")
    assert verify_export(tmp_path / "export", NOTE_KEY).size == 0


async def test_an_export_carries_the_witnesses_cosignatures(tmp_path: Path) -> None:
    witness = SigningKey.generate()
    async with opened(sqlite_url(tmp_path / "store.db")) as engine, a_journal(engine) as journal:
        await journal.record([an_entry(0)])
        head = await journal.checkpoint()
        line = cosign_checkpoint(head, name="wardgate/node/barnet", key=witness, at=NOW)
        await journal.add_cosignature(head.note + line, "wardgate/node/barnet", witness.verify_key)
        await journal.export(tmp_path / "export")
    note = (tmp_path / "export" / "checkpoint").read_bytes()
    assert verify_cosignatures(note, {"wardgate/node/barnet": witness.verify_key}) == {"wardgate/node/barnet": NOW}
    assert verify_export(tmp_path / "export", NOTE_KEY).size == 1


@pytest.mark.postgres
async def test_an_export_from_postgresql_verifies_offline(tmp_path: Path, postgres_url: str) -> None:
    async with opened(postgres_url) as engine, a_journal(engine) as journal:
        await journal.record([an_entry(number) for number in range(300)])
        await journal.export(tmp_path / "export")
    verified = verify_export(tmp_path / "export", NOTE_KEY)
    assert (verified.size, verified.signed_size, verified.checkpoints) == (300, 300, 2)


async def test_an_export_to_where_nothing_can_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    async with opened(sqlite_url(tmp_path / "store.db")) as engine, a_journal(engine) as journal:
        await journal.record([an_entry(0)])
        with pytest.raises(WardgateError) as caught:
            await journal.export(tmp_path / "file" / "export")
    assert caught.value.code is ErrorCode.STORE_UNAVAILABLE
