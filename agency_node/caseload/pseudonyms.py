"""Turns NHS numbers into this agency's pseudonyms, together with the two holders, neither of whom learns anything.

Each batch is blinded here, signed, evaluated by the trustee first and the gateway second; both proofs are verified
against the points that the signed directory publishes before a single result is used.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Literal, Protocol
from uuid import uuid4

from federation import limits
from federation.batch import BatchHeader
from federation.directory import Agency
from federation.errors import ErrorCode, WardgateError
from federation.seen import PointKey
from federation.wire.v1 import pseudonym_pb2 as wire
from keys import domains
from keys.digest import sha256
from keys.errors import KeysError, ProofRejected
from keys.nhs_number import NhsNumber
from keys.pseudonym import Pseudonym, blind_identifiers, unblind, verify_evaluation
from keys.secret import Secret
from keys.signing import SigningKey

Use = Literal["caseload", "query"]

BATCH_LIFE_S: Final = 120
"""A batch is acted on at once; a copy that turns up later is refused."""


class Evaluator(Protocol):
    """Both holders, as the gateway offers them to nodes (`PseudonymService.Evaluate`)."""

    async def evaluate(self, batch: wire.BlindedBatch) -> wire.EvaluateResponse:
        """Have one signed batch evaluated.

        Raises:
            WardgateError: `QUOTA_EXCEEDED`, `TRUSTEE_UNAVAILABLE`, `PEER_UNAVAILABLE`, or what a holder refused.
        """
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """One batch of pseudonyms.

    Attributes:
        points: The points of both holders under which they were made, against which the proofs were verified.
        pseudonyms: One for each number, in order.
    """

    epoch: int
    points: Mapping[PointKey, bytes]
    pseudonyms: list[Pseudonym]


class Pseudonyms:
    """This agency's half of making pseudonyms.

    Args:
        agency: This agency's entry in the trusted directory, read again for each batch.
        evaluator: The holders.
        key: This agency's signing key.
        clock: Seconds since the epoch.
        executor: Where the group arithmetic runs; libsodium releases the interpreter lock.
    """

    def __init__(
        self,
        *,
        agency: Callable[[], Agency],
        evaluator: Evaluator,
        key: SigningKey,
        clock: Callable[[], float],
        executor: Executor,
    ) -> None:
        self._agency = agency
        self._evaluator = evaluator
        self._key = key
        self._clock = clock
        self._executor = executor

    @property
    def epoch(self) -> int:
        """The epoch in which new pseudonyms are made."""
        return self._agency().epoch

    @property
    def overlap_is_over(self) -> bool:
        """Whether the holders publish one epoch only: pseudonyms of an older one are dead."""
        agency = self._agency()
        return len(agency.gateway_points.keys() & agency.trustee_points.keys()) == 1

    async def evaluate(self, numbers: Sequence[NhsNumber], *, use: Use) -> Made:
        """Make the pseudonyms of one batch.

        Args:
            numbers: At most `MAX_BATCH_ELEMENTS`, at least one.
            use: Counted apart by both holders.

        Raises:
            WardgateError: `MESSAGE_TOO_LARGE`, `PROOF_REJECTED`, or what the evaluator raised.
        """
        if not 1 <= len(numbers) <= limits.MAX_BATCH_ELEMENTS:
            raise WardgateError(ErrorCode.MESSAGE_TOO_LARGE, f"batch of {len(numbers)}")
        agency = self._agency()
        epoch = agency.epoch
        loop = asyncio.get_running_loop()
        identifiers = [number.identifier_input() for number in numbers]
        blinds, blinded = await loop.run_in_executor(self._executor, blind_identifiers, identifiers)
        response = await self._evaluator.evaluate(self._batch(agency.descriptor.id, epoch, use, blinded))
        made = await loop.run_in_executor(self._executor, _finish, agency, epoch, blinds, blinded, response)
        points = {key: public for key, public in agency.every_point().items() if key.epoch == epoch}
        return Made(epoch, points, made)

    def _batch(self, agency_id: str, epoch: int, use: Use, elements: bytes) -> wire.BlindedBatch:
        issued_at = int(self._clock())
        header = BatchHeader(
            batch_id=str(uuid4()),
            agency=agency_id,
            epoch=epoch,
            use=use,
            count=len(elements) // 32,
            elements_sha256=sha256(elements),
            issued_at=issued_at,
            expires_at=issued_at + BATCH_LIFE_S,
        ).canonical()
        return wire.BlindedBatch(header=header, signature=self._key.sign(domains.BATCH, header), elements=elements)


def _finish(
    agency: Agency, epoch: int, blinds: Sequence[Secret], blinded: bytes, response: wire.EvaluateResponse
) -> list[Pseudonym]:
    halfway, whole = response.trustee.elements, response.gateway.elements
    try:
        verify_evaluation(agency.trustee_points[epoch], blinded, halfway, response.trustee.proof)
        verify_evaluation(agency.gateway_points[epoch], halfway, whole, response.gateway.proof)
        return unblind(blinds, whole)
    except ProofRejected as error:
        raise WardgateError(ErrorCode.PROOF_REJECTED, f"evaluation in epoch {epoch}") from error
    except KeysError as error:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "evaluated elements") from error
