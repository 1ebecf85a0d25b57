import ctypes.util
from types import SimpleNamespace

import pytest

from keys import sodium
from keys.errors import LibraryUnavailable
from keys.sodium import LIBRARY_NAMES, open_library


def test_library_is_opened_once() -> None:
    assert sodium.sodium() is sodium.sodium()


def test_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: None)
    with pytest.raises(LibraryUnavailable, match=r"not installed: install libsodium 1\.0\.18 or later .*libsodium23"):
        open_library(["libsodium.so.none"])


def test_library_that_the_linker_names_but_cannot_be_loaded_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: "libsodium.so.none")
    with pytest.raises(LibraryUnavailable, match="not installed"):
        open_library([])


def test_library_that_only_the_linker_knows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: _first_that_loads())
    assert open_library([]).lib.sodium_init() >= 0


def test_library_without_ristretto255_is_refused_with_the_remedy() -> None:
    with pytest.raises(LibraryUnavailable, match=r"has no \w+: install libsodium 1\.0\.18"):
        open_library(["libc.so.6", "libSystem.dylib"])


def test_library_that_does_not_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sodium, "_load", lambda _ffi, _names: SimpleNamespace(sodium_init=lambda: -1))
    with pytest.raises(LibraryUnavailable, match="does not start"):
        open_library(LIBRARY_NAMES)


def test_wiped_buffers_are_zero() -> None:
    na = sodium.sodium()
    buffer = na.buffer(8)
    buffer[0:8] = b"\xff" * 8
    na.wipe(buffer)
    assert na.take(buffer) == bytes(8)


def _first_that_loads() -> str:
    for name in LIBRARY_NAMES:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return name
    raise AssertionError("libsodium is not installed")
