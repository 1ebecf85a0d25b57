"""What this agency's tools may order about its sources: see what is rejected, dismiss it, accept a reading, compare."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from agency_node.caseload.desk import MAX_REASON_CHARS, SourceDesk
from agency_node.caseload.indexer import CaseloadRuns
from agency_node.caseload.update import Caseload
from federation import limits
from federation.canonical import JsonObject, to_canonical
from federation.document import Document
from federation.errors import ErrorCode, WardgateError
from federation.vocabulary import ReadingState

MAX_LISTED_BYTES: Final = limits.MAX_MESSAGE_BYTES // 4
"""What is listed at once. More than a person reads, and a row of 64 KiB is still shown."""


class SourceAction(StrEnum):
    """What is to be done."""

    REJECTS = "rejects"
    DISMISS = "dismiss"
    ACCEPT = "accept"
    COMPARE = "compare"


class SourceOrder(Document):
    """What the command line or a screen sends.

    Attributes:
        user: Who orders it.
        datasets: `source/dataset`, or a dataset's name where only one source has it. Of `accept` none means all that
            are there and believed, of `rejects` all.
        reject_id: Of `dismiss`.
        with_rows: Of `rejects`: show what stands in the rows.
    """

    user: Annotated[str, Field(min_length=1, max_length=200)]
    action: SourceAction
    datasets: Annotated[list[Annotated[str, Field(max_length=140)]], Field(max_length=200)] = Field(
        default_factory=list
    )
    reject_id: Annotated[str, Field(max_length=32)] = ""
    reason: Annotated[str, Field(max_length=MAX_REASON_CHARS, repr=False)] = ""
    with_rows: bool = False


@dataclass(frozen=True, slots=True)
class SourceOrders:
    """Carries orders out."""

    desk: SourceDesk
    caseload: Caseload
    runs: CaseloadRuns

    async def order(self, order: SourceOrder) -> JsonObject:
        """Carry one out; what a person is shown of it.

        Raises:
            WardgateError: What the desk or a run raises; `DATASET_UNKNOWN`.
        """
        match order.action:
            case SourceAction.REJECTS:
                return await self._rejects(order)
            case SourceAction.DISMISS:
                await self.desk.dismiss(order.user, order.reject_id, order.reason)
                return {"dismissed": order.reject_id}
            case SourceAction.ACCEPT:
                return await self._accept(order)
            case SourceAction.COMPARE:
                await self.desk.look_at_comparison(order.user)
                return {"sources": await self.caseload.compare()}

    async def _rejects(self, order: SourceOrder) -> JsonObject:
        """Those of the datasets named, as many as one message may hold; the others are counted."""
        found = await self.desk.rejects(order.user, with_rows=order.with_rows)
        if order.datasets:
            named = set(_named(order.datasets, await self.desk.states()))
            found = [item for item in found if (item["source"], item["dataset"]) in named]
        room, listed = MAX_LISTED_BYTES, list[JsonObject]()
        for item in found:
            room -= len(to_canonical(item))
            if room < 0:
                break
            listed.append(item)
        return {"rejects": listed, "left_out": len(found) - len(listed)}

    async def _accept(self, order: SourceOrder) -> JsonObject:
        """Accept, and read again: what was accepted comes into force at once."""
        self.desk.fit(order.user)
        async with self.caseload.at_rest():
            states = await self.desk.states()
            accepted = [
                await self.desk.accept(source, dataset, user=order.user, reason=order.reason)
                for source, dataset in _named(order.datasets, states)
            ]
        await self.runs.run()
        return {"accepted": accepted, "sources": await self.desk.states()}


def _named(names: list[str], states: list[JsonObject]) -> list[tuple[str, str]]:
    known = [(str(state["source"]), str(state["dataset"])) for state in states]
    if names:
        return [_one(name, known) for name in names]
    # What is not believed is accepted by its name alone: nobody waves a broken export through with the others.
    believed = [state for state in states if state["state"] in {ReadingState.SOUND, ReadingState.PARTIAL}]
    return [(str(state["source"]), str(state["dataset"])) for state in believed]


def _one(name: str, known: list[tuple[str, str]]) -> tuple[str, str]:
    source, _, dataset = name.rpartition("/")
    found = [pair for pair in known if pair[1] == dataset and source in {"", pair[0]}]
    if len(found) != 1:
        raise WardgateError(ErrorCode.DATASET_UNKNOWN, f"{len(found)} datasets of that name")
    return found[0]
