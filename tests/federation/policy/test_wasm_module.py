import stat
from pathlib import Path

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.policy import wasm_module
from federation.policy.bundle import WASM, VerifiedBundle
from federation.policy.wasm_module import acquire_module, release_module
from keys.digest import sha256


@pytest.fixture
def wasm(bundle: VerifiedBundle) -> bytes:
    return bundle.file(WASM)


def test_users_of_one_module_share_it_until_the_last_gives_it_up(wasm: bytes) -> None:
    first = acquire_module(wasm, None)
    assert acquire_module(wasm, None) is first
    release_module(wasm)
    assert acquire_module(wasm, None) is first
    release_module(wasm)
    release_module(wasm)
    again = acquire_module(wasm, None)
    release_module(wasm)
    assert again is not first


def compiled_in(cache: Path, wasm: bytes) -> Path:
    acquire_module(wasm, cache)
    release_module(wasm)
    (file,) = cache.iterdir()
    return file


def test_a_compiled_module_is_kept_for_nobody_but_us_and_used_again(
    tmp_path: Path, wasm: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    file = compiled_in(cache, wasm)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    monkeypatch.setattr(wasm_module, "_compile", _must_not_compile)
    acquire_module(wasm, cache)
    release_module(wasm)


def _must_not_compile(*_: object) -> None:
    raise AssertionError("compiled although it was kept")


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_kept_module_is_made_anew(tmp_path: Path, wasm: bytes, damage: str) -> None:
    cache = tmp_path / "cache"
    file = compiled_in(cache, wasm)
    good = file.read_bytes()
    middle = len(good) // 2
    damaged = {
        "cut": good[:middle],
        "flipped": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
        "empty": b"",
    }
    file.write_bytes(damaged[damage])
    assert compiled_in(cache, wasm).read_bytes() == good


def test_a_kept_module_that_wasmtime_refuses_is_made_anew(tmp_path: Path, wasm: bytes) -> None:
    cache = tmp_path / "cache"
    file = compiled_in(cache, wasm)
    good = file.read_bytes()
    foreign = b"compiled for another machine"
    file.write_bytes(sha256(foreign) + foreign)
    assert compiled_in(cache, wasm).read_bytes() == good


def test_a_link_in_place_of_a_kept_module_is_not_followed(tmp_path: Path, wasm: bytes) -> None:
    cache = tmp_path / "cache"
    file = compiled_in(cache, wasm)
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    assert not compiled_in(cache, wasm).is_symlink()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_cache_others_can_reach_is_refused(tmp_path: Path, wasm: bytes, mode: int) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(mode)
    with pytest.raises(WardgateError) as caught:
        acquire_module(wasm, cache)
    assert caught.value.code is ErrorCode.POLICY_UNAVAILABLE
    assert not list(cache.iterdir())


def test_a_cache_that_is_a_link_is_refused(tmp_path: Path, wasm: bytes) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "cache").symlink_to(tmp_path / "real")
    with pytest.raises(WardgateError) as caught:
        acquire_module(wasm, tmp_path / "cache")
    assert caught.value.code is ErrorCode.POLICY_UNAVAILABLE
