"""The embedded engine: OPA's WebAssembly target in the process. The default: nothing to start, nothing to reach.

Evaluations run in a small pool of threads, one sandbox each, so that the event loop is never blocked; wasmtime gives up
the interpreter lock while the guest runs. A sandbox that trapped, ran out of memory or out of time is thrown away.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Final, TypeVar

from federation.errors import ErrorCode, WardgateError
from federation.policy.bundle import BundleId, VerifiedBundle
from federation.policy.engine import Activation, EngineIdentity, EntryPoint, Failure, Health, RawDecision
from federation.policy.golden import GOLDEN_DEADLINE_S, check_golden
from federation.policy.wasm_instance import WasmLimits
from federation.policy.wasm_pool import WAITED, SandboxPool

Result = TypeVar("Result")

NAME: Final = "opa-wasm"
MAX_WAITING: Final = 256
"""Decisions that may wait for a sandbox; one more fails at once, and whoever asked may ask again."""


class WasmEngine:
    """`PolicyEngine` over wasmtime.

    Args:
        sandboxes: How many evaluations may run at once.
        limits: What each may use.
        cache_dir: Directory of our own, mode 0700, for the compiled module; None compiles at every start.
    """

    def __init__(self, *, sandboxes: int = 2, limits: WasmLimits | None = None, cache_dir: Path | None = None) -> None:
        self._sandboxes = sandboxes
        self._limits = limits or WasmLimits()
        self._cache_dir = cache_dir
        self._executor = ThreadPoolExecutor(max_workers=sandboxes, thread_name_prefix="policy")
        self._serving: SandboxPool | None = None
        self._waiting = 0
        self._closed = False
        self._activating = asyncio.Lock()

    @property
    def identity(self) -> EngineIdentity:
        """Name and versions; the OPA that compiled the active bundle is part of the version."""
        return self._serving.engine if self._serving else _identity("")

    async def activate(self, bundle: VerifiedBundle) -> Activation:
        """Compile, load, check the golden decisions, then swap. Decisions under way end on the bundle they began with.

        Raises:
            WardgateError: `BUNDLE_REJECTED`, or `POLICY_UNAVAILABLE` when the engine is closed.
        """
        async with self._activating:
            self._refuse_closed()
            engine = _identity(f"opa {bundle.manifest.opa_version}, ")
            following = await asyncio.to_thread(
                SandboxPool, bundle, engine, self._sandboxes, self._limits, self._cache_dir
            )
            try:
                golden = await check_golden(
                    bundle, lambda entry, given: self._evaluate(following, entry, given, GOLDEN_DEADLINE_S)
                )
                self._refuse_closed()
            except BaseException:
                following.let_go()
                raise
            previous, self._serving = self._serving, following
            if previous is not None:
                previous.let_go()
            return Activation(engine, bundle.id, previous.bundle if previous else None, golden)

    async def decide(self, entry_point: EntryPoint, input_json: bytes, *, deadline_s: float) -> RawDecision:
        """Evaluate in the pool; see `PolicyEngine.decide`."""
        serving = self._serving
        if serving is None:
            return self._unavailable(None, "closed" if self._closed else "no bundle is active")
        if self._waiting >= MAX_WAITING:
            return self._unavailable(serving.bundle, f"{MAX_WAITING} decisions are waiting")
        return await self._evaluate(serving, entry_point, input_json, deadline_s)

    async def _evaluate(
        self, serving: SandboxPool, entry_point: EntryPoint, input_json: bytes, deadline_s: float
    ) -> RawDecision:
        if self._closed:
            return self._unavailable(serving.bundle, "closed")
        started = time.monotonic()
        until = started + deadline_s
        self._waiting += 1
        job: Future[RawDecision] | None = None
        try:
            job = self._run(serving, lambda: serving.evaluate(entry_point, input_json, until))
            async with asyncio.timeout(deadline_s):
                raw = await asyncio.wrap_future(job)
        except TimeoutError:
            if job is not None and job.cancelled():  # no thread had taken it
                return serving.failed(Failure.TIMEOUT, WAITED)
            return serving.failed(Failure.TIMEOUT, "deadline", started)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return serving.failed(Failure.UNAVAILABLE, "closed")  # not we were cancelled: `aclose` dropped the job
        except Exception as error:  # noqa: BLE001 - nothing is permitted, and the record says why
            return serving.failed(Failure.UNAVAILABLE, type(error).__name__, started)
        finally:
            self._waiting -= 1
        if raw.failure is not None and not self._closed:
            self._run(serving, serving.replenish)
        return raw

    def _run(self, serving: SandboxPool, work: Callable[[], Result]) -> "Future[Result]":
        """Run in one of the pool's threads. The pool is held until that has ended, however long its caller waits."""
        serving.hold()
        try:
            job = self._executor.submit(work)
        except RuntimeError:
            serving.let_go()
            raise
        job.add_done_callback(lambda _: serving.let_go())
        return job

    def _unavailable(self, bundle: BundleId | None, detail: str) -> RawDecision:
        return RawDecision(self.identity, bundle, failure=Failure.UNAVAILABLE, detail=detail)

    async def health(self) -> Health:
        """Ready once a bundle is active."""
        serving = self._serving
        detail = "closed" if self._closed else "" if serving else "no bundle is active"
        return Health(not detail, self.identity, serving.bundle if serving else None, detail)

    async def aclose(self) -> None:
        """Stop the threads (an evaluation under way ends within its time limit) and free the sandboxes. Idempotent."""
        self._closed = True
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)
        serving, self._serving = self._serving, None
        if serving is not None:
            serving.let_go()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise WardgateError(ErrorCode.POLICY_UNAVAILABLE, "engine is closed")


def _identity(compiler: str) -> EngineIdentity:
    runtime = f"opa-py-wasm {version('opa-py-wasm')}, wasmtime {version('wasmtime')}"
    return EngineIdentity(NAME, compiler + runtime, strict=False)
