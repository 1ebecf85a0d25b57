"""Epochs of pseudonym keys as gateway, trustee and the agency's node have them, and what is to be done next. No I/O.

An epoch is opened at the trustee first and at the gateway second, and retired at the gateway first: a directory names
what both holders can do, from the first moment to the last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """What is to be done next about an agency's epochs. Names are those of `EpochStep` on the wire."""

    NONE = "none"
    OPEN_AT_GATEWAY = "open_at_gateway"
    WAIT_FOR_CASELOAD = "wait_for_caseload"
    RETIRE_AT_GATEWAY = "retire_at_gateway"
    RETIRE_AT_TRUSTEE = "retire_at_trustee"
    ASK_TRUSTEE = "ask_trustee"
    MEND_TRUSTEE = "mend_trustee"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one agency's epochs stand. Epochs are in order, the oldest first.

    Attributes:
        gateway: That the gateway's statement in the directory names.
        trustee: That the trustee's statement there names.
        trustee_now: That the trustee states now; None where it does not answer.
        caseload: The oldest epoch of a pseudonym on the agency's caseload, as its node said last; 0 where it has not.
        attached: Whether its node holds a link now.
    """

    agency: str
    gateway: tuple[int, ...]
    trustee: tuple[int, ...]
    trustee_now: tuple[int, ...] | None
    caseload: int
    attached: bool

    @property
    def published(self) -> tuple[int, ...]:
        """In use: those that both holders publish. A verified directory has one at least."""
        return tuple(epoch for epoch in self.gateway if epoch in self.trustee)

    @property
    def has_moved(self) -> bool:
        """Whether the node says, now, that nothing on its caseload is of the oldest of several epochs."""
        return self.attached and len(self.published) > 1 and self.caseload >= self.published[1]

    @property
    def step(self) -> Step:
        """What is next: what was begun before what is new."""
        named, now = self.published, self.trustee_now
        if now is None:
            return Step.ASK_TRUSTEE
        if not set(named) <= set(now):
            return Step.MEND_TRUSTEE
        if now[0] < named[0]:
            return Step.RETIRE_AT_TRUSTEE
        if now[-1] > named[-1]:
            return Step.OPEN_AT_GATEWAY
        if len(named) == 1:
            return Step.NONE
        return Step.RETIRE_AT_GATEWAY if self.has_moved else Step.WAIT_FOR_CASELOAD


def opened(published: Sequence[int], stated: Sequence[int]) -> tuple[int, ...]:
    """What is published once every newer epoch that the trustee states is open: the same where it states none."""
    return (*published, *(epoch for epoch in stated if epoch > published[-1]))


class CaseloadEpochs:
    """The oldest epoch on each agency's caseload, as its node said last. What a node does not say is not known."""

    def __init__(self) -> None:
        self._oldest: dict[str, int] = {}

    def hear(self, agency: str, epoch: int) -> None:
        """Take what a node says of its own caseload; 0 for nothing."""
        self._oldest[agency] = epoch

    def oldest(self, agency: str) -> int:
        """What was heard last; 0 for nothing."""
        return self._oldest.get(agency, 0)
