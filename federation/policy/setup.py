"""Opens a service's policy decision point: load, refuse a rollback, activate, and say so in the ledger.

The ledger itself remembers what was activated last, so a bundle cannot be rolled back by restoring a file.
"""

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from federation.actor import Actor
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.reader import Criteria
from federation.policy.bundle import BundleId, VerifiedBundle, keep_bundle
from federation.policy.engine import PolicyEngine
from federation.policy.evaluator import PolicyPoint
from federation.policy.failing import FailingClosed
from federation.policy.server_engine import OpaServer, ServerEngine
from federation.policy.wasm_engine import WasmEngine
from federation.transport.correlation import correlation
from keys.signing import VerifyKey

MAX_DETAIL_CHARS: Final = 200
REJECTED_EVERY_S: Final = 3600
"""Least seconds between two entries about one refused bundle."""


@dataclass(frozen=True, slots=True)
class PolicyChoice:
    """Which engine decides, from which bundle.

    Attributes:
        engine: `embedded` or `server`.
        server_url: Of the OPA server; empty for `embedded`.
        bundle_dir: Folder of the signed bundle.
        bundle_key: The policy authority's verify key.
        archive: Folder in which every bundle ever activated is kept, by digest.
        cache_dir: Folder for the compiled module.
    """

    engine: Literal["embedded", "server"]
    server_url: str
    bundle_dir: Path
    bundle_key: VerifyKey
    archive: Path
    cache_dir: Path


@dataclass(frozen=True, slots=True)
class OpenPolicy:
    """A bundle in force on an engine, and what fails closed at its decision points."""

    engine: PolicyEngine
    bundle: VerifiedBundle
    clock: Callable[[], float]
    failing: FailingClosed

    def point(self, *, understood: frozenset[str] | None = None) -> PolicyPoint:
        """A decision point for a service that can carry out these types of obligation; None for every type."""
        return PolicyPoint(self.engine, self.bundle, self.clock, understood=understood, failing=self.failing)


async def open_policy(
    choice: PolicyChoice,
    *,
    journal: Journal,
    actor: Actor,
    stack: AsyncExitStack,
    clock: Callable[[], float] = time.time,
) -> OpenPolicy:
    """Put the bundle in force; the engine is closed with `stack`.

    Raises:
        WardgateError: `BUNDLE_REJECTED`, `POLICY_UNAVAILABLE`, `SETTINGS_INVALID`, `LEDGER_UNAVAILABLE`.
    """
    activated = await last_activated(journal)
    engine = _engine(choice)
    stack.push_async_callback(engine.aclose)
    try:
        bundle = VerifiedBundle.load(choice.bundle_dir, choice.bundle_key, activated=activated)
        keep_bundle(choice.bundle_dir, choice.archive, choice.bundle_key)
        await engine.activate(bundle)
    except WardgateError as error:
        if error.code is ErrorCode.BUNDLE_REJECTED:
            await _rejected(journal, error.detail, actor=actor, now=int(clock()))
        raise
    if bundle.id != activated:
        await journal.record([_entry(bundle, actor=actor, now=clock())], None)
    return OpenPolicy(engine, bundle, clock, FailingClosed(clock))


async def last_activated(journal: Journal) -> BundleId | None:
    """The bundle this service's ledger says was activated last; None for none yet."""
    found = await journal.find(kind=EntryKind.BUNDLE_ACTIVATED)
    if not found:
        return None
    body = (await journal.entries(found[-1], 1))[0].entry.body
    return BundleId(int(body["revision"]), str(body["digest"]))


async def _rejected(journal: Journal, detail: str, *, actor: Actor, now: int) -> None:
    """Put a refused bundle into the ledger, once an hour where a service is started again and again with it."""
    body = {"detail": "".join(char if char.isprintable() else "?" for char in detail[:MAX_DETAIL_CHARS])}
    lately = await journal.search(Criteria(kind=EntryKind.BUNDLE_REJECTED, since=now - REJECTED_EVERY_S))
    if any(stored.entry.body == body for stored in lately):
        return
    entry = Entry(
        kind=EntryKind.BUNDLE_REJECTED, at=now, actor=actor, correlation_id=correlation(), query_id=None, body=body
    )
    await journal.record([entry])


def _entry(bundle: VerifiedBundle, *, actor: Actor, now: float) -> Entry:
    return Entry(
        kind=EntryKind.BUNDLE_ACTIVATED,
        at=int(now),
        actor=actor,
        correlation_id=correlation(),
        query_id=None,
        body={
            "revision": bundle.id.revision,
            "digest": bundle.id.digest,
            "data_sha256": bundle.data_sha256,
            "signed_at": bundle.signed_at,
        },
    )


def _engine(choice: PolicyChoice) -> PolicyEngine:
    if choice.engine == "embedded":
        return WasmEngine(cache_dir=choice.cache_dir)
    parts = urlsplit(choice.server_url)
    if parts.scheme != "http" or parts.hostname is None or parts.port is None:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, "policy.server_url is not http://host:port")
    return ServerEngine(OpaServer(host=parts.hostname, port=parts.port))
