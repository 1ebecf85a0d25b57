"""The sandboxes of one bundle: compiled once, loaded in each, used by one thread at a time, replaced when they fail."""

import json
import time
from collections import deque
from pathlib import Path
from threading import Lock
from typing import Final

from federation.canonical import JsonValue
from federation.errors import ErrorCode, WardgateError
from federation.policy.bundle import DATA, WASM, VerifiedBundle
from federation.policy.engine import UNDEFINED, EngineIdentity, EntryPoint, Failure, RawDecision, Undefined
from federation.policy.wasm_instance import EvaluationFailed, EvaluationTimedOut, WasmInstance, WasmLimits
from federation.policy.wasm_module import acquire_module, release_module

WAITED: Final = "deadline passed while waiting"


class SandboxPool:
    """One bundle in a fixed number of sandboxes. `evaluate` and `replenish` run in the engine's threads.

    A pool lives as long as anybody holds it, so that a decision that was waiting while another bundle went live still
    finds the sandboxes of the one it began with.

    Raises:
        WardgateError: `BUNDLE_REJECTED`: the module or its data cannot be used.
    """

    def __init__(
        self, bundle: VerifiedBundle, engine: EngineIdentity, size: int, limits: WasmLimits, cache_dir: Path | None
    ) -> None:
        self.engine = engine
        self.bundle = bundle.id
        self._wasm, self._data = bundle.file(WASM), bundle.file(DATA)
        self._size, self._limits = size, limits
        self._idle: deque[WasmInstance] = deque()
        self._lock = Lock()
        self._users = 1  # the engine that made it
        self._alive = 0
        self._module = acquire_module(self._wasm, cache_dir)
        try:
            for _ in range(size):
                self._idle.append(self._build())
            self._entry_points = _entry_points(self._idle[0])
        except BaseException:
            self.let_go()
            raise

    def hold(self) -> None:
        """Keep the pool from being freed until as many calls of `let_go`."""
        with self._lock:
            self._users += 1

    def let_go(self) -> None:
        """End one use; the last frees sandboxes and module."""
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            while self._idle:
                self._close(self._idle.pop())
            release_module(self._wasm)

    def _build(self) -> WasmInstance:
        instance = WasmInstance(self._module, self._data, self._limits)
        with self._lock:
            self._alive += 1
        return instance

    def _close(self, instance: WasmInstance) -> None:
        instance.close()
        with self._lock:
            self._alive -= 1

    def evaluate(self, entry_point: EntryPoint, input_json: bytes, until: float) -> RawDecision:
        """Evaluate before the monotonic time `until`. Raises nothing of its own: whatever fails is in the answer."""
        started = time.monotonic()
        if started >= until:
            return self.failed(Failure.TIMEOUT, WAITED)
        try:
            value = self._evaluate(self._entry_points[entry_point], input_json, until - started)
        except EvaluationTimedOut:
            return self.failed(Failure.TIMEOUT, "interrupted at its time limit", started)
        except EvaluationFailed as error:
            return self.failed(Failure.UNAVAILABLE, str(error), started)
        except WardgateError as error:
            return self.failed(Failure.UNAVAILABLE, error.detail, started)
        return RawDecision(self.engine, self.bundle, value, evaluation_us=_microseconds_since(started))

    def failed(self, failure: Failure, detail: str, started: float | None = None) -> RawDecision:
        """An answer that is none."""
        spent = _microseconds_since(started) if started is not None else 0
        return RawDecision(self.engine, self.bundle, failure=failure, detail=detail, evaluation_us=spent)

    def _evaluate(self, entry_point: int, input_json: bytes, limit_s: float) -> JsonValue | Undefined:
        with self._lock:
            instance = self._idle.pop() if self._idle else None
        if instance is None:
            instance = self._build()
        try:
            value = _value_of(instance.evaluate(entry_point, input_json, limit_s=limit_s))
        except BaseException:
            self._close(instance)
            raise
        self._put(instance)
        return value

    def _put(self, instance: WasmInstance) -> None:
        with self._lock:
            surplus = len(self._idle) >= self._size
            if not surplus:
                self._idle.append(instance)
        if surplus:
            self._close(instance)

    def replenish(self) -> None:
        """Build a sandbox in place of one that was thrown away, so that no decision has to wait for it.

        Raises:
            WardgateError: It could not be built; the next decision tries again and says so.
        """
        if self._alive < self._size:
            self._put(self._build())


def _value_of(result_set: bytes) -> JsonValue | Undefined:
    try:
        found = json.loads(result_set)
        return found[0]["result"] if found else UNDEFINED
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise EvaluationFailed("not a result set") from error


def _entry_points(instance: WasmInstance) -> dict[EntryPoint, int]:
    missing = [entry for entry in EntryPoint if entry not in instance.entry_points]
    if missing:
        raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"no entry point {', '.join(missing)}")
    return {entry: instance.entry_points[entry] for entry in EntryPoint}


def _microseconds_since(started: float) -> int:
    return round((time.monotonic() - started) * 1_000_000)
