"""The system's libsodium, bound at run time (cffi in ABI mode): its ristretto255 functions and nothing else.

PyNaCl bundles a libsodium without ristretto255, so the distribution's own is opened. Its calls release the GIL.
"""

import ctypes.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from cffi import FFI

from keys.errors import LibraryUnavailable

_DECLARATIONS: Final = """
int sodium_init(void);
void sodium_memzero(void *pnt, size_t len);
int crypto_core_ristretto255_is_valid_point(const unsigned char *p);
int crypto_core_ristretto255_add(unsigned char *r, const unsigned char *p, const unsigned char *q);
int crypto_core_ristretto255_from_hash(unsigned char *p, const unsigned char *r);
void crypto_core_ristretto255_scalar_random(unsigned char *r);
int crypto_core_ristretto255_scalar_invert(unsigned char *recip, const unsigned char *s);
void crypto_core_ristretto255_scalar_add(unsigned char *z, const unsigned char *x, const unsigned char *y);
void crypto_core_ristretto255_scalar_sub(unsigned char *z, const unsigned char *x, const unsigned char *y);
void crypto_core_ristretto255_scalar_mul(unsigned char *z, const unsigned char *x, const unsigned char *y);
void crypto_core_ristretto255_scalar_reduce(unsigned char *r, const unsigned char *s);
int crypto_scalarmult_ristretto255(unsigned char *q, const unsigned char *n, const unsigned char *p);
int crypto_scalarmult_ristretto255_base(unsigned char *q, const unsigned char *n);
"""

LIBRARY_NAMES: Final = ("libsodium.so.26", "libsodium.so.23", "libsodium.26.dylib", "libsodium.23.dylib")
"""The names of libsodium 1.0.20 and later, and of 1.0.12 to 1.0.19; ristretto255 came with 1.0.18."""

_REMEDY: Final = "install libsodium 1.0.18 or later (Debian, Ubuntu: libsodium23; Fedora: libsodium; macOS: libsodium)"


@dataclass(frozen=True, slots=True)
class Sodium:
    """An opened libsodium. `lib` has the C functions as attributes, which no static type describes."""

    ffi: FFI
    lib: Any

    def buffer(self, size: int) -> Any:  # noqa: ANN401 - C data has no static type
        """A zeroed C buffer of `size` bytes, freed with its last reference."""
        return self.ffi.new("unsigned char[]", size)

    def view(self, data: bytes) -> Any:  # noqa: ANN401 - C data has no static type
        """A C view of `data`, not copied."""
        return self.ffi.from_buffer("unsigned char[]", data)

    def take(self, buffer: Any) -> bytes:  # noqa: ANN401 - C data has no static type
        """The buffer's bytes, copied."""
        return bytes(self.ffi.buffer(buffer))

    def wipe(self, *buffers: Any) -> None:  # noqa: ANN401 - C data has no static type
        """Overwrite buffers that held secrets."""
        for buffer in buffers:
            self.lib.sodium_memzero(buffer, self.ffi.sizeof(buffer))


@cache
def sodium() -> Sodium:
    """The library, opened on first use.

    Raises:
        LibraryUnavailable: It is not installed, or it is too old.
    """
    return open_library(LIBRARY_NAMES)


def open_library(names: Sequence[str]) -> Sodium:
    """Open the first of `names` that can be loaded, else whatever the linker calls `sodium`.

    Raises:
        LibraryUnavailable: None can be loaded, the one found lacks ristretto255, or it does not start.
    """
    ffi = FFI()
    ffi.cdef(_DECLARATIONS)
    lib = _load(ffi, names)
    missing = [name for name in dir(lib) if not hasattr(lib, name)]
    if missing:
        raise LibraryUnavailable(f"libsodium has no {missing[0]}: {_REMEDY}")
    if lib.sodium_init() < 0:
        raise LibraryUnavailable("libsodium does not start: it found no random source")
    return Sodium(ffi, lib)


def _load(ffi: FFI, names: Sequence[str]) -> Any:  # noqa: ANN401 - a C library has no static type
    for name in _candidates(names):
        try:
            return ffi.dlopen(name)
        except OSError:
            continue  # the next name; when none is left the error below says what to do
    raise LibraryUnavailable(f"libsodium is not installed: {_REMEDY}")


def _candidates(names: Sequence[str]) -> Iterator[str]:
    yield from names
    found = ctypes.util.find_library("sodium")  # slow: it runs the linker, so it comes last
    if found is not None:
        yield found
