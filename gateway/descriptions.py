"""How agencies are described: each signs it itself, and an operator publishes what it signed.

Nobody is believed on a description that two of the trustee's people have not approved (`federation.register`), so that
an accepted one is pending there, as a newcomer is.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.actor import Actor
from federation.description import verify_description
from federation.directory import AgencyDescriptor, AgencyEntry
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.store import store_errors
from federation.transport.correlation import correlation
from gateway.directory import DirectoryAuthority
from gateway.store.tables import ProposedDescription, table
from keys.digest import sha256
from keys.signing import VerifyKey

PROPOSED: Final = table(ProposedDescription)
PROPOSED_EVERY_S: Final = 60
"""How soon an agency may propose another description: each proposal is a ledger entry."""


class SignedDescription(NamedTuple):
    """A description's canonical bytes with its agency's signature, as they came: nothing of them is verified yet."""

    content: bytes
    signature: bytes

    @property
    def digest(self) -> bytes:
        """SHA-256 of the description."""
        return sha256(self.content)

    def check_same(self, other: bytes) -> None:
        """Make sure that this is the same description as one that is known here.

        Raises:
            WardgateError: `DESCRIPTION_REJECTED`, which says what differs; `MESSAGE_*`.
        """
        if self.content == other:
            return
        differing = ", ".join(differences(AgencyDescriptor.parse(self.content), AgencyDescriptor.parse(other)))
        raise WardgateError(
            ErrorCode.DESCRIPTION_REJECTED, told=f"other than the operator has it: {differing or 'not canonical'}"
        )

    def verify(self, key: VerifyKey) -> AgencyDescriptor:
        """The description, if it is in canonical form and this key signed it.

        Raises:
            WardgateError: `DESCRIPTION_REJECTED` or `MESSAGE_*`.
        """
        found = AgencyDescriptor.parse(self.content)
        if found.canonical() != self.content:
            raise WardgateError(ErrorCode.DESCRIPTION_REJECTED, told="not canonical")
        try:
            verify_description(self.content, self.signature, agency=found.id, keys=[key])
        except WardgateError as error:
            raise WardgateError(ErrorCode.DESCRIPTION_REJECTED, told="not signed by this agency's key") from error
        return found


def differences(one: AgencyDescriptor, other: AgencyDescriptor) -> list[str]:
    """The names of the fields in which two descriptions differ."""
    return [name for name in AgencyDescriptor.model_fields if getattr(one, name) != getattr(other, name)]


class Waiting(NamedTuple):
    """A description that waits for an operator: canonical bytes as listed and as proposed, and since when (seconds)."""

    agency: str
    listed: bytes
    proposed: bytes
    at: int


class DescriptionDesk:
    """New descriptions of enrolled agencies: proposed by the agency, accepted by an operator.

    Args:
        engine: The gateway's store, for reading.
        journal: The only way to write.
        directory: Publishes what was accepted.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, *, engine: AsyncEngine, journal: Journal, directory: DirectoryAuthority, clock: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._directory = directory
        self._clock = clock

    async def propose(self, agency: str, proposed: SignedDescription) -> bool:
        """Keep a description that an agency signed, in the place of one that waits; whether it is listed already.

        Raises:
            WardgateError: `AGENCY_UNKNOWN`, `MESSAGE_*`; `DESCRIPTION_REJECTED`, also where the agency proposed another
                one just now.
        """
        listed = self._directory.current().agency(agency)
        described = proposed.verify(listed.verify_key)
        if described.id != agency:
            raise WardgateError(ErrorCode.DESCRIPTION_REJECTED, told=f"it describes another agency than {agency}")
        if listed.describes_itself and described == listed.descriptor:
            return True
        waiting = await self._find(agency)
        if waiting is not None and waiting.description == proposed.content:
            return False
        if waiting is not None and self._clock() < waiting.proposed_at + PROPOSED_EVERY_S:
            raise WardgateError(
                ErrorCode.DESCRIPTION_REJECTED, told=f"another one came less than {PROPOSED_EVERY_S} s ago"
            )
        await self._keep(agency, proposed)
        return False

    async def _keep(self, agency: str, proposed: SignedDescription) -> None:
        now = int(self._clock())
        row = {
            "agency": agency,
            "description": proposed.content,
            "signature": proposed.signature,
            "proposed_at": now,
        }

        async def apply(connection: AsyncConnection) -> None:
            await connection.execute(delete(PROPOSED).where(PROPOSED.c.agency == agency))
            await connection.execute(insert(PROPOSED), row)

        entry = self._entry(EntryKind.DESCRIPTION_PROPOSED, Actor.agency(agency), agency, proposed.digest)
        await self._journal.record([entry], apply)

    async def waiting(self) -> list[Waiting]:
        """What waits for an operator, by agency; of agencies that are listed.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        async with store_errors("descriptions"), self._engine.connect() as connection:
            rows = (await connection.execute(select(PROPOSED).order_by(PROPOSED.c.agency))).all()
        listed = self._directory.current().agencies
        return [
            Waiting(row.agency, listed[row.agency].descriptor.canonical(), row.description, row.proposed_at)
            for row in rows
            if row.agency in listed
        ]

    async def accept(self, agency: str, *, digest: bytes, operator: str) -> int:
        """Publish the description that an agency proposed; returns the directory's version.

        Args:
            agency: Whose.
            digest: SHA-256 of the description that the operator looked at.
            operator: Who accepts.

        Raises:
            WardgateError: `AGENCY_UNKNOWN`; `DESCRIPTION_REJECTED`: no such description waits, or the agency has other
                keys since it signed it.
        """
        row = await self._find(agency)
        if row is None or sha256(row.description) != digest:
            raise WardgateError(ErrorCode.DESCRIPTION_REJECTED, f"{agency}: no such description waits")
        proposed = SignedDescription(row.description, row.signature)
        descriptor = proposed.verify(self._directory.current().agency(agency).verify_key)

        def described(entry: AgencyEntry) -> AgencyEntry:
            changed = {"agency": descriptor, "description_signature": proposed.signature}
            return entry.model_copy(update=changed) if entry.agency.id == agency else entry

        async def write(connection: AsyncConnection) -> None:
            waiting = delete(PROPOSED).where(PROPOSED.c.agency == agency, PROPOSED.c.description == proposed.content)
            if (await connection.execute(waiting)).rowcount != 1:
                raise WardgateError(ErrorCode.DESCRIPTION_REJECTED, f"{agency}: decided already")

        actor = Actor.operator(operator)
        return await self._directory.publish(
            lambda current: [described(entry) for entry in current],
            change=f"described {agency}",
            entries=[self._entry(EntryKind.DESCRIPTION_ACCEPTED, actor, agency, digest)],
            write=write,
        )

    async def _find(self, agency: str) -> Row[Any] | None:
        async with store_errors("description"), self._engine.connect() as connection:
            return (await connection.execute(select(PROPOSED).where(PROPOSED.c.agency == agency))).one_or_none()

    def _entry(self, kind: EntryKind, actor: Actor, agency: str, digest: bytes) -> Entry:
        return Entry(
            kind=kind,
            at=int(self._clock()),
            actor=actor,
            correlation_id=correlation(),
            query_id=None,
            body={"agency": agency, "description_sha256": digest.hex()},
        )
