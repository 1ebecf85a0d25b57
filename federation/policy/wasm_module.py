"""Compiled modules: one for each digest in a process, and optionally kept on disk so that start-up is quick.

Compiling takes 0.1 to 0.5 s, reading a compiled module about 1 ms. A compiled module is **native code**: wasmtime
runs whatever it is given. So the cache is off unless a directory is named, the directory must be the service's own
and closed to everybody else (whoever can write there as this user can already change the program), and a file that
was cut short or altered by accident is recognised and made anew.
"""

import logging
import os
import platform
import stat
import tempfile
import threading
from importlib.metadata import version
from pathlib import Path
from typing import Final

import wasmtime
from opapywasm import OpaWasmError
from opapywasm.runtime import EpochTicker, WasmtimeRuntime

from federation.errors import ErrorCode, WardgateError
from keys.digest import sha256

# The library warns of its own default (two pages of memory at first, doubled until the module fits), and at level INFO
# it repeats whatever a policy prints.
logging.getLogger("opapywasm").setLevel(logging.ERROR)

_DIGEST_BYTES: Final = 32
_ENV: Final = "env"


class CompiledModule:
    """An engine, a module compiled for it, and the ticker that drives its deadlines. Shared between threads.

    Raises:
        WardgateError: `BUNDLE_REJECTED`: not WebAssembly.
    """

    def __init__(self, wasm: bytes, cache_dir: Path | None) -> None:
        config = wasmtime.Config()
        config.epoch_interruption = True
        self._engine = wasmtime.Engine(config)
        self._module = _load(self._engine, wasm, cache_dir)
        self.epoch = EpochTicker(self._engine)

    def create_runtime(self, *, max_memory_pages: int) -> WasmtimeRuntime:
        """A fresh sandbox.

        Raises:
            OpaWasmError: The module cannot be instantiated.
        """
        if not any(item.module == _ENV and item.name == "memory" for item in self._module.imports):
            raise OpaWasmError("not an OPA module: it imports no memory")
        return WasmtimeRuntime(self._engine, self._module, None, max_memory_pages=max_memory_pages)


class _Shared:
    """A module and how many use it."""

    def __init__(self, module: CompiledModule) -> None:
        self.module = module
        self.users = 0


_shared: dict[bytes, _Shared] = {}
_lock = threading.Lock()


def acquire_module(wasm: bytes, cache_dir: Path | None) -> CompiledModule:
    """The compiled form of `wasm`; every call must be paired with a `release_module`. Blocks while compiling.

    Raises:
        WardgateError: `BUNDLE_REJECTED`: not WebAssembly. `POLICY_UNAVAILABLE`: the cache directory is not private.
    """
    digest = sha256(wasm)
    with _lock:
        shared = _shared.get(digest)
        if shared is None:
            shared = _shared[digest] = _Shared(CompiledModule(wasm, cache_dir))
        shared.users += 1
        return shared.module


def release_module(wasm: bytes) -> None:
    """Give up one use; the last one stops the module's ticker."""
    digest = sha256(wasm)
    with _lock:
        shared = _shared[digest]
        shared.users -= 1
        if shared.users == 0:
            del _shared[digest]
            shared.module.epoch.close()


def _load(engine: wasmtime.Engine, wasm: bytes, cache_dir: Path | None) -> wasmtime.Module:
    if cache_dir is None:
        return _compile(engine, wasm)
    _check_private(cache_dir)
    file = cache_dir / f"{sha256(wasm).hex()}-wasmtime-{version('wasmtime')}-{platform.machine()}"
    found = _read_cached(engine, file)
    if found is None:
        found = _compile(engine, wasm)
        _write_cached(file, bytes(found.serialize()))
    return found


def _compile(engine: wasmtime.Engine, wasm: bytes) -> wasmtime.Module:
    try:
        return wasmtime.Module(engine, wasm)
    except wasmtime.WasmtimeError as error:
        raise WardgateError(ErrorCode.BUNDLE_REJECTED, "module does not compile") from error


def _check_private(cache_dir: Path) -> None:
    cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = cache_dir.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise WardgateError(ErrorCode.POLICY_UNAVAILABLE, "module cache must be our own directory, mode 0700")


def _read_cached(engine: wasmtime.Engine, file: Path) -> wasmtime.Module | None:
    try:
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as opened:
            if os.fstat(opened.fileno()).st_uid != os.geteuid():
                return None
            content = opened.read()
    except OSError:
        return None
    digest, compiled = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if sha256(compiled) != digest:
        return None
    try:
        return wasmtime.Module.deserialize(engine, compiled)
    except wasmtime.WasmtimeError:
        return None  # compiled for another processor or with other settings


def _write_cached(file: Path, compiled: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".module-", delete=False) as opened:
        try:
            opened.write(sha256(compiled) + compiled)
            opened.flush()
            os.fsync(opened.fileno())
            Path(opened.name).replace(file)
        except BaseException:
            Path(opened.name).unlink(missing_ok=True)
            raise
