"""One policy module in its sandbox: OPA's WebAssembly ABI with the fewest crossings between Python and the guest.

`opapywasm` supplies the runtime, the ABI checks, the data region and the epoch ticker. Its own evaluator crosses
into the guest five times for each evaluation, about 20 microseconds each; the ABI needs one: the input is written
straight behind the data, and `opa_eval` takes the place where the heap begins (OPA's WebAssembly documentation,
"ABI 1.2").
"""

from dataclasses import dataclass
from typing import Final

import wasmtime
from opapywasm import OpaWasmError
from opapywasm.abi import OpaAbi, OpaAbiSpec
from opapywasm.data import DataManager
from opapywasm.memory import MemoryCodec

from federation.errors import ErrorCode, WardgateError
from federation.policy.engine import EVALUATION_S
from federation.policy.wasm_module import CompiledModule

PAGE_BYTES: Final = 64 * 1024
_ALIGNMENT: Final = 16


@dataclass(frozen=True, slots=True)
class WasmLimits:
    """What one evaluation may use.

    Attributes:
        memory_pages: Pages of 64 KiB an instance may grow to, data included.
        evaluation_s: Seconds one evaluation may take, however long the caller would wait; kept to about 10 ms.
        input_bytes: Largest input.
        result_bytes: Largest result.
    """

    memory_pages: int = 1024
    evaluation_s: float = EVALUATION_S
    input_bytes: int = 2 * 1024 * 1024
    result_bytes: int = 2 * 1024 * 1024


class EvaluationTimedOut(Exception):  # noqa: N818 - an outcome; it never leaves this package
    """The guest was interrupted at its deadline."""


class EvaluationFailed(Exception):  # noqa: N818 - an outcome; it never leaves this package
    """The guest trapped, aborted or gave something that is not a result. The instance must not be used again."""


class WasmInstance:
    """An instantiated module with its data loaded. Used by one thread at a time.

    Raises:
        WardgateError: `BUNDLE_REJECTED`: not an OPA module, it calls built-ins of the host, or its data does not fit.
    """

    def __init__(self, module: CompiledModule, data: bytes, limits: WasmLimits) -> None:
        self._limits = limits
        self._epoch = module.epoch
        try:
            self._runtime = module.create_runtime(max_memory_pages=limits.memory_pages)
        except OpaWasmError as error:
            raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"module: {type(error).__name__}") from error
        try:
            self._load(data)
        except BaseException:
            self._runtime.close()
            raise

    def _load(self, data: bytes) -> None:
        try:
            self._abi = OpaAbi(self._runtime, OpaAbiSpec())
            self._codec = MemoryCodec(
                self._abi,
                max_input_bytes=self._limits.input_bytes,
                max_data_bytes=self._limits.memory_pages * PAGE_BYTES,
                max_result_bytes=self._limits.result_bytes,
                max_cstring_scan_bytes=self._limits.result_bytes + 1,
            )
            host_builtins = sorted(self._codec.decode_builtins())
            self.entry_points = self._codec.decode_entrypoints()
            self._data = DataManager(self._abi, self._codec, max_data_bytes=self._limits.memory_pages * PAGE_BYTES)
            self._data.load_data(data)
        except (OpaWasmError, wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"module or data: {type(error).__name__}") from error
        if host_builtins:
            raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"module calls the host: {', '.join(host_builtins[:5])}")
        self._epoch.ensure_running()

    def evaluate(self, entry_point: int, input_json: bytes, *, limit_s: float) -> bytes:
        """Evaluate one entry point.

        Returns:
            OPA's result set, JSON: `[{"result": ...}]`, or `[]` when the rule is undefined.

        Raises:
            EvaluationTimedOut: `limit_s` passed.
            EvaluationFailed: Anything else went wrong. After either, `close` the instance.
        """
        try:
            return self._evaluate(entry_point, input_json, min(limit_s, self._limits.evaluation_s))
        except wasmtime.Trap as error:
            if error.trap_code is wasmtime.TrapCode.INTERRUPT:
                raise EvaluationTimedOut from error
            raise EvaluationFailed(f"trap {error.trap_code}") from error
        except (OpaWasmError, wasmtime.WasmtimeError) as error:
            raise EvaluationFailed(type(error).__name__) from error

    def _evaluate(self, entry_point: int, input_json: bytes, limit_s: float) -> bytes:
        if len(input_json) > self._limits.input_bytes:
            raise EvaluationFailed("input too large")
        at = self._data.data_heap_ptr
        heap = -(-(at + len(input_json)) // _ALIGNMENT) * _ALIGNMENT
        self._reserve(heap)
        self._abi.memory_write(at, input_json)
        self._abi.set_epoch_deadline(self._epoch.deadline_ticks(limit_s))
        result = self._abi.opa_eval(entry_point, self._data.data_addr, at, len(input_json), heap)
        return self._codec.read_cstring(result)

    def _reserve(self, end: int) -> None:
        missing = end - self._abi.memory_len()
        if missing > 0:
            self._runtime.memory.grow(self._runtime.store, -(-missing // PAGE_BYTES))

    def close(self) -> None:
        """Free the sandbox's memory. Idempotent."""
        self._runtime.close()
