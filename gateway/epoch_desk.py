"""The gateway's half of opening and retiring an epoch of a pseudonym key: one act of an operator's, one new directory.

Opening takes up what the trustee has opened. The seed is durable before the directory names it; the directory and the
entry that says who opened it are one transaction. A gateway that was stopped in between has a seed that nobody uses
yet, and the same command goes on from there. Retiring takes an agency's oldest epoch out of the directory; nothing is
destroyed. Both say so and change nothing when they are repeated.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from federation.actor import Actor
from federation.canonical import JsonObject
from federation.directory import AgencyEntry, SignedPoints
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.transport.correlation import correlation
from gateway.directory import DirectoryAuthority
from gateway.dispatch import Links
from gateway.epochs import CaseloadEpochs, Standing, opened
from gateway.points import HolderPoints


class Turned(NamedTuple):
    """What an act came to.

    Attributes:
        standing: How the agency's epochs stand now.
        directory_version: The version in force.
        changed: False where an earlier call had done it already.
    """

    standing: Standing
    directory_version: int
    changed: bool


class EpochDesk:
    """Opens and retires epochs.

    Args:
        directory: The authority for the directory.
        points: Both holders' statements.
        links: Who is attached.
        caseloads: What attached nodes say of their caseloads.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        directory: DirectoryAuthority,
        points: HolderPoints,
        links: Links,
        caseloads: CaseloadEpochs,
        clock: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._points = points
        self._links = links
        self._caseloads = caseloads
        self._clock = clock
        self._turning = asyncio.Lock()

    async def standings(self, agency: str = "") -> list[Standing]:
        """How epochs stand: of one agency, or of every one that the directory lists.

        A trustee that does not answer is asked once.

        Raises:
            WardgateError: `AGENCY_UNKNOWN`; `DIRECTORY_REJECTED` or `MESSAGE_*`: the trustee's statement is none.
        """
        await self._directory.certain()
        listed = self._directory.current()
        wanted = [listed.agency(agency).descriptor.id] if agency else sorted(listed.agencies)
        found: list[Standing] = []
        answers = True
        for name in wanted:
            stated = await self._stated_if_there(name) if answers else None
            answers = stated is not None
            found.append(self._standing(name, stated))
        return found

    async def open(self, agency: str, *, operator: str) -> Turned:
        """Publish every epoch that the trustee has opened for an agency since, together with the gateway's half.

        Raises:
            WardgateError: `AGENCY_UNKNOWN`; `EPOCH_NOT_OPENED`: the trustee has opened none; `EPOCH_UNKNOWN`: it has
                lost one that the directory names; `KEYRING_REJECTED`, `TRUSTEE_UNAVAILABLE`, `DIRECTORY_REJECTED`,
                `POINTS_REPLACED`, `LEDGER_UNAVAILABLE`, `OUTCOME_UNKNOWN`.
        """
        async with self._turning:
            standing = await self._certain_standing(agency)
            before, stated = standing.published, standing.trustee_now or ()
            if lost := set(before) - set(stated):
                raise WardgateError(ErrorCode.EPOCH_UNKNOWN, told=f"the trustee has no epoch {min(lost)} of {agency}")
            after = opened(before, stated)
            if after == before:
                if len(before) == 1:
                    raise WardgateError(ErrorCode.EPOCH_NOT_OPENED, told=f"{agency} is in epoch {before[0]}")
                return self._unchanged(standing)
            return await self._publish(standing, after, operator=operator, change="opened")

    async def retire(self, agency: str, *, operator: str, force: bool) -> Turned:
        """Publish an agency's epochs without the oldest, once its node says that its caseload is in a newer one.

        Args:
            agency: Whose.
            operator: Who acts.
            force: Do it although the node has not said so; that stands in the ledger entry.

        Raises:
            WardgateError: `AGENCY_UNKNOWN`; `EPOCH_IN_USE`: it is the only one; `CASELOAD_NOT_MOVED`;
                `KEYRING_REJECTED`, `TRUSTEE_UNAVAILABLE`, `DIRECTORY_REJECTED`, `EPOCH_UNKNOWN`, `LEDGER_UNAVAILABLE`,
                `OUTCOME_UNKNOWN`.
        """
        async with self._turning:
            standing = await self._certain_standing(agency)
            before = standing.published
            if min(standing.trustee_now or before) < before[0]:
                return self._unchanged(standing)  # one is retired here and not at the trustee: not two at a time
            if len(before) == 1:
                raise WardgateError(ErrorCode.EPOCH_IN_USE, told=f"epoch {before[0]} is the only one of {agency}")
            if not standing.has_moved and not force:
                raise WardgateError(ErrorCode.CASELOAD_NOT_MOVED, told=_why_not_moved(standing))
            why: JsonObject = {
                "attached": standing.attached,
                "caseload": standing.caseload,
                "forced": not standing.has_moved,
            }
            return await self._publish(standing, before[1:], operator=operator, change="retired", why=why)

    # -- how it stands --------------------------------------------------------------------------------------------

    async def _certain_standing(self, agency: str) -> Standing:
        await self._directory.certain()
        self._directory.current().agency(agency)
        return self._standing(agency, (await self._points.stated(agency)).epochs)

    def _standing(self, agency: str, trustee_now: tuple[int, ...] | None) -> Standing:
        listed = self._directory.current().agency(agency)
        return Standing(
            agency=agency,
            gateway=tuple(sorted(listed.gateway_points)),
            trustee=tuple(sorted(listed.trustee_points)),
            trustee_now=trustee_now,
            caseload=self._caseloads.oldest(agency),
            attached=self._links.is_connected(agency),
        )

    def _unchanged(self, standing: Standing) -> Turned:
        return Turned(standing, self._directory.current().version, changed=False)

    async def _stated_if_there(self, scope: str) -> tuple[int, ...] | None:
        try:
            return (await self._points.stated(scope)).epochs
        except WardgateError as error:
            if error.code is ErrorCode.EPOCH_UNKNOWN:  # it has none at all, and says so
                return ()
            if error.code is not ErrorCode.TRUSTEE_UNAVAILABLE:
                raise
            return None

    # -- publishing -----------------------------------------------------------------------------------------------

    async def _publish(
        self,
        standing: Standing,
        epochs: tuple[int, ...],
        *,
        operator: str,
        change: str,
        why: JsonObject | None = None,
    ) -> Turned:
        scope = standing.agency
        points = self._points.beside(scope, await self._points.stated(scope, epochs))
        entry = Entry(
            kind=EntryKind.EPOCH_ROTATED,
            at=int(self._clock()),
            actor=Actor.operator(operator),
            correlation_id=correlation(),
            query_id=None,
            body={"scope": scope, "oldest": epochs[0], "newest": epochs[-1], **(why or {})},
        )
        version = await self._directory.publish(
            lambda current: _with_points(current, scope, points), change=f"{change} epoch of {scope}", entries=[entry]
        )
        return Turned(self._standing(scope, standing.trustee_now), version, changed=True)


def _with_points(current: list[AgencyEntry], scope: str, points: Mapping[str, SignedPoints]) -> list[AgencyEntry]:
    if all(item.agency.id != scope for item in current):  # revoked a moment ago
        raise WardgateError(ErrorCode.AGENCY_UNKNOWN, scope)
    return [item.model_copy(update=points) if item.agency.id == scope else item for item in current]


def _why_not_moved(standing: Standing) -> str:
    if not standing.attached:
        return f"the node of {standing.agency} is not attached"
    if not standing.caseload:
        return f"the node of {standing.agency} has not said in which epoch its caseload is"
    return f"the caseload of {standing.agency} is in epoch {standing.caseload}, at least in part"
