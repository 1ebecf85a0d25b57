"""Pseudonym translation and evaluation. A point of a query is multiplied here first, a batch by the trustee first.

The gateway's half of every pseudonym key lives here and nowhere else; ratios and scalars never leave it. What the
trustee makes of a point is believed only with its proof and its signature (`federation.translation`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from federation.directory import Agency
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.published import check_in_use
from federation.query import Ticket, VerifiedQuery
from federation.telemetry import EventLog
from federation.threads import for_targets
from federation.translation import (
    OF_ONE_TARGET,
    HalfTranslation,
    Refused,
    Route,
    Statement,
    Translation,
    take_step,
    verify_step,
)
from keys.errors import KeysError
from keys.holder import HolderKeys
from keys.signing import VerifyKey

_log = EventLog(__name__)


class TrusteeClient(Protocol):
    """What the gateway asks of the trustee. Every method raises `WardgateError`, `TRUSTEE_UNAVAILABLE` included."""

    async def translate(
        self, ticket: bytes, signature: bytes, halves: Sequence[HalfTranslation]
    ) -> Sequence[Translation | Refused]:
        """Go on from the gateway's half of the ticket's points of these responders; results in the same order."""

    async def evaluate(self, header: bytes, signature: bytes, elements: bytes) -> tuple[bytes, bytes]:
        """Evaluate a signed batch: elements and batch proof."""

    async def points(self, scope: str, epochs: Sequence[int] = ()) -> tuple[bytes, bytes]:
        """The trustee's signed public points of a scope: of these epochs, or of all that it has in use."""


@dataclass(frozen=True, slots=True)
class Translated:
    """A point in its responder's scope, as it goes to the responder.

    Attributes:
        element: `r_j * P(j)`.
        epoch: The responder's.
        signature: The trustee's, over both and what they belong to.
    """

    element: bytes
    epoch: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a query's points.

    Attributes:
        points: For each responder what was verified to be its point.
        refused: Why there is none for the others: what is wrong with one target's epoch or key costs it alone.
    """

    points: Mapping[str, Translated]
    refused: Mapping[str, ErrorCode]


class Translator:
    """Turns `r_j * P(i)` into `r_j * P(j)` for every permitted target."""

    def __init__(self, *, keys: HolderKeys, trustee: TrusteeClient, trustee_key: VerifyKey, executor: Executor) -> None:
        self._keys = keys
        self._trustee = trustee
        self._trustee_key = trustee_key
        self._executor = executor

    async def translate(
        self,
        query: VerifiedQuery,
        *,
        ticket: bytes,
        signature: bytes,
        requester: Agency,
        targets: Sequence[Agency],
    ) -> Outcome:
        """Translate the points of a query.

        Args:
            query: The query, whose points are those of its ticket.
            ticket: The requester's signed ticket.
            signature: Its signature, which the trustee checks.
            requester: In whose scope the points are, in the epoch that the ticket names.
            targets: Permitted responders; each gets its point in the epoch that the ticket names for it. While two
                epochs overlap a ticket may have been made before the newer one was published.

        Raises:
            WardgateError: `KEYRING_REJECTED`, whatever the trustee refused, `TRUSTEE_UNAVAILABLE`, or `PROOF_REJECTED`
                when the trustee's proof or signature does not hold; `EPOCH_UNKNOWN`. What is wrong with every target is
                wrong with the query.
        """
        if not targets:
            return Outcome({}, {})
        found = Ticket.parse(ticket)
        check_in_use(requester, found.epoch, self._keys)
        epochs = {point.responder: point.epoch for point in found.points}
        refused = {target.descriptor.id: code for target in targets if (code := self._refusal(target, epochs))}
        routes = [
            Route(requester, found.epoch, target, epochs[target.descriptor.id])
            for target in targets
            if target.descriptor.id not in refused
        ]
        points = await self._translated(query, ticket, signature, routes, refused) if routes else {}
        for responder, code in refused.items():
            _log.event(Event.TARGET_NOT_TRANSLATED, responder=responder, code=code)
        if not points:
            raise WardgateError(next(iter(refused.values())), ", ".join(sorted(refused))[:200])
        return Outcome(points, refused)

    def _refusal(self, target: Agency, epochs: Mapping[str, int]) -> ErrorCode | None:
        """Why this target cannot be translated for. Both holders multiply for the epoch that the ticket names."""
        try:
            check_in_use(target, epochs[target.descriptor.id], self._keys)
        except WardgateError as error:
            if error.code not in OF_ONE_TARGET:
                raise
            return error.code
        return None

    async def _translated(
        self,
        query: VerifiedQuery,
        ticket: bytes,
        signature: bytes,
        routes: Sequence[Route],
        refused: dict[str, ErrorCode],
    ) -> Mapping[str, Translated]:
        """What the trustee made of the points; whom it refused is added to `refused`."""
        points = [query.parts[route.target.scope].blinded for route in routes]
        halves = await for_targets(len(routes), self._executor, lambda: self._halves(routes, points))
        found = await self._trustee.translate(ticket, signature, halves)
        if len(found) != len(halves):
            raise WardgateError(ErrorCode.PROOF_REJECTED, "trustee returned another number of points")
        made: list[tuple[Route, HalfTranslation, Translation]] = []
        for route, half, item in zip(routes, halves, found, strict=True):
            if isinstance(item, Refused):
                refused[route.target.scope] = item.code
            else:
                made.append((route, half, item))
        return await for_targets(len(made), self._executor, lambda: self._verified(query.digest, made))

    def _halves(self, routes: Sequence[Route], points: Sequence[bytes]) -> list[HalfTranslation]:
        return [
            HalfTranslation(route.target.scope, take_step(self._keys, route, point))
            for route, point in zip(routes, points, strict=True)
        ]

    def _verified(
        self, query_sha256: bytes, made: Sequence[tuple[Route, HalfTranslation, Translation]]
    ) -> dict[str, Translated]:
        results: dict[str, Translated] = {}
        for route, half, whole in made:
            verify_step("trustee", route, half.step.element, whole.step)
            source, target, element = route.source, route.target, whole.step.element
            statement = Statement(query_sha256, source.scope, target.scope, target.epoch, element)
            try:
                statement.verify(self._trustee_key, whole.signature)
            except WardgateError as error:
                detail = f"the trustee's signature for {target.scope}"
                raise WardgateError(ErrorCode.PROOF_REJECTED, detail) from error
            results[target.scope] = Translated(element, target.epoch, whole.signature)
        return results

    async def evaluate(
        self, *, header: bytes, signature: bytes, elements: bytes, agency: Agency, epoch: int
    ) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
        """Evaluate a signed batch; returns (elements, proof) of the trustee, then of the gateway.

        Raises:
            WardgateError: `EPOCH_UNKNOWN`, `KEYRING_REJECTED`, whatever the trustee refused, `TRUSTEE_UNAVAILABLE`, or
                `PROOF_REJECTED`.
        """
        key = check_in_use(agency, epoch, self._keys)
        halfway, trustee_proof = await self._trustee.evaluate(header, signature, elements)
        if len(halfway) != len(elements):
            raise WardgateError(ErrorCode.PROOF_REJECTED, "trustee returned another number of points")
        try:
            whole, proof = await asyncio.get_running_loop().run_in_executor(self._executor, key.evaluate, halfway)
        except KeysError as error:
            raise WardgateError(ErrorCode.PROOF_REJECTED, "trustee returned a bad point") from error
        return (halfway, trustee_proof), (whole, proof)
