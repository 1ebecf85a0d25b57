"""Pseudonym translation and evaluation: the trustee first, the gateway second, always.

The gateway's half of every pseudonym key lives here and nowhere else; ratios and scalars never leave it.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Final, Protocol

from federation.directory import Agency
from federation.errors import ErrorCode, WardgateError
from federation.published import check_published
from keys.errors import KeysError
from keys.holder import HolderKeys, ScopeEpoch

INLINE_POINTS: Final = 16
"""Up to so many multiplications (44 microseconds each) cost less than handing them to another thread and back."""


class TrusteeClient(Protocol):
    """What the gateway asks of the trustee. Every method raises `WardgateError`, `TRUSTEE_UNAVAILABLE` included."""

    async def translate(self, ticket: bytes, signature: bytes, responders: Sequence[str]) -> list[bytes]:
        """Multiply the ticket's points of these responders."""

    async def evaluate(self, header: bytes, signature: bytes, elements: bytes) -> tuple[bytes, bytes]:
        """Evaluate a signed batch: elements and batch proof."""

    async def prove(self, ticket: bytes, signature: bytes, responder: str) -> tuple[bytes, bytes]:
        """Element and proof of one translation made before."""

    async def points(self, scope: str) -> tuple[bytes, bytes]:
        """The trustee's signed public points of a scope."""


class Translator:
    """Turns `r_j * P(i)` into `r_j * P(j)` for every permitted target."""

    def __init__(self, *, keys: HolderKeys, trustee: TrusteeClient, executor: Executor) -> None:
        self._keys = keys
        self._trustee = trustee
        self._executor = executor

    async def translate(
        self,
        *,
        ticket: bytes,
        signature: bytes,
        requester: Agency,
        targets: Sequence[Agency],
    ) -> dict[str, tuple[bytes, bytes]]:
        """Translate the ticket's points.

        Args:
            ticket: The requester's signed ticket.
            signature: Its signature, which the trustee checks.
            requester: In whose scope and newest epoch the points are.
            targets: Permitted responders; each gets its point in its own newest epoch.

        Returns:
            For each responder the trustee's element and the final one.

        Raises:
            WardgateError: `KEYRING_REJECTED`, whatever the trustee refused, `TRUSTEE_UNAVAILABLE`, or `PROOF_REJECTED`
                for a bad element.
        """
        if not targets:
            return {}
        source, *scopes = [self._checked(agency, agency.epoch) for agency in (requester, *targets)]
        responders = [scope.scope for scope in scopes]
        halfway = await self._trustee.translate(ticket, signature, responders)
        if len(halfway) != len(responders):
            raise WardgateError(ErrorCode.PROOF_REJECTED, "trustee returned another number of points")

        def multiply() -> list[bytes]:
            return [
                self._keys.translation(source, target).apply(element)
                for target, element in zip(scopes, halfway, strict=True)
            ]

        try:
            if len(responders) <= INLINE_POINTS:
                final = multiply()
            else:
                final = await asyncio.get_running_loop().run_in_executor(self._executor, multiply)
        except KeysError as error:
            raise WardgateError(ErrorCode.PROOF_REJECTED, "trustee returned a bad point") from error
        return {responder: (half, whole) for responder, half, whole in zip(responders, halfway, final, strict=True)}

    def _checked(self, agency: Agency, epoch: int) -> ScopeEpoch:
        """Where a point is, or is going to be, once it is certain that the own key there is the published one."""
        check_published(agency, epoch, self._keys)
        return ScopeEpoch(agency.descriptor.id, epoch)

    async def evaluate(
        self, *, header: bytes, signature: bytes, elements: bytes, agency: Agency, epoch: int
    ) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
        """Evaluate a signed batch; returns (elements, proof) of the trustee, then of the gateway.

        Raises:
            WardgateError: `EPOCH_UNKNOWN`, `KEYRING_REJECTED`, whatever the trustee refused, `TRUSTEE_UNAVAILABLE`, or
                `PROOF_REJECTED`.
        """
        key = check_published(agency, epoch, self._keys)
        halfway, trustee_proof = await self._trustee.evaluate(header, signature, elements)
        if len(halfway) != len(elements):
            raise WardgateError(ErrorCode.PROOF_REJECTED, "trustee returned another number of points")
        try:
            whole, proof = await asyncio.get_running_loop().run_in_executor(self._executor, key.evaluate, halfway)
        except KeysError as error:
            raise WardgateError(ErrorCode.PROOF_REJECTED, "trustee returned a bad point") from error
        return (halfway, trustee_proof), (whole, proof)

    async def prove(
        self,
        *,
        ticket: bytes,
        signature: bytes,
        requester: Agency,
        responder: Agency,
        translated: bytes,
    ) -> tuple[bytes, bytes, bytes]:
        """Prove one translation after the fact: trustee's element, trustee's proof, own proof.

        Raises:
            WardgateError: `KEYRING_REJECTED`, whatever the trustee refused, or `TRUSTEE_UNAVAILABLE`.
        """
        source, target = self._checked(requester, requester.epoch), self._checked(responder, responder.epoch)
        element, trustee_proof = await self._trustee.prove(ticket, signature, target.scope)
        ratio = self._keys.translation(source, target)
        proof = await asyncio.get_running_loop().run_in_executor(self._executor, ratio.prove, element, translated)
        return element, trustee_proof, proof
