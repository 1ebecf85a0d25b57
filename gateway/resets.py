"""How an enrolled agency that lost its keys gets new ones: a token, its new keys, an operator's approval.

The old keys stay in force until the approval; from then on their certificates are refused, and the directory shows the
new statement at the end of the agency's chain, where it says itself that no old key signed it. Nobody believes the
agency before two of the trustee's people approved that statement (`federation.register`): alone, this gateway replaces
no key.
"""

from collections.abc import Awaitable, Callable, Sequence
from secrets import token_urlsafe
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Row, Update, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.actor import Actor
from federation.directory import AgencyDescriptor, AgencyEntry, SignedStatement
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.store import store_errors
from federation.transport.correlation import correlation
from federation.transport.denylist import DenyEntry
from federation.transport.identity import Party, PartyKind
from gateway.applying import (
    Application,
    Enrolled,
    Progress,
    fingerprint_of,
    how_it_stands,
    in_time,
    token_hash,
    verify_applicant,
)
from gateway.directory import DirectoryAuthority
from gateway.enrolment import ENROLMENT, EnrolmentDesk
from gateway.operators import check_second
from gateway.store.tables import KeyReset, table
from keys.certificates import key_digest_of, not_before, serial_of
from keys.digest import sha256
from keys.signing import VerifyKey

RESET: Final = table(KeyReset)
REASON: Final = "KEYS_RESET"
"""Why the old certificates are on the deny list."""


class Invitation(NamedTuple):
    """What the operator hands over: the token, and which keys the new statement must say that it replaces."""

    token: str
    replaces: str


class ResetDesk:
    """Invitation, application and approval of new keys in the place of lost ones.

    Args:
        engine: The gateway's store, for reading.
        journal: The only way to write.
        directory: Publishes the new keys, and the deny list.
        desk: Certifies them.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        journal: Journal,
        directory: DirectoryAuthority,
        desk: EnrolmentDesk,
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._directory = directory
        self._desk = desk
        self._clock = clock

    async def invite(self, descriptor: AgencyDescriptor, *, valid_s: int, operator: str) -> Invitation:
        """Invite an enrolled agency to bring new keys; an application that waits must be rejected first.

        Raises:
            WardgateError: `AGENCY_UNKNOWN`: it is not enrolled, or revoked; `ENROLMENT_REFUSED`: one waits.
        """
        lost = self._directory.current().agency(descriptor.id).keys
        known = await self._find(RESET.c.agency == descriptor.id)
        if known is not None and known.progress == Progress.AWAITING_APPROVAL:
            raise WardgateError(ErrorCode.ENROLMENT_REFUSED, f"new keys of {descriptor.id} wait for an approval")
        token = token_urlsafe(32)
        row = {
            "agency": descriptor.id,
            "descriptor": descriptor.canonical(),
            "token_sha256": token_hash(token),
            "token_expires_at": int(self._clock()) + valid_s,
            "progress": Progress.INVITED.value,
            "invited_by": operator,
            "certificate_request": b"",
            "statement": b"",
            "statement_signature": b"",
            "description_signature": b"",
        }

        async def apply(connection: AsyncConnection) -> None:
            await connection.execute(delete(RESET).where(RESET.c.agency == descriptor.id))
            await connection.execute(insert(RESET), row)

        body = {
            "agency": descriptor.id,
            "descriptor_sha256": sha256(descriptor.canonical()).hex(),
            "replaces": VerifyKey(lost.signing_key).fingerprint,
        }
        await self._journal.record([self._entry(EntryKind.AGENCY_INVITED, Actor.operator(operator), body)], apply)
        return Invitation(token, f"{lost.version}:{lost.signing_key.hex()}")

    async def enrol(self, application: Application) -> Enrolled | None:
        """Present a token with new keys; None where it is no token for that. As `EnrolmentDesk.enrol` otherwise.

        Raises:
            WardgateError: As `EnrolmentDesk.enrol`; `DIRECTORY_REJECTED` also where the statement does not say which
                keys it replaces, and that they are lost.
        """
        row = await self._find(RESET.c.token_sha256 == token_hash(application.token))
        if row is None:
            return None
        in_time(row, self._clock())
        if row.progress != Progress.INVITED:
            return how_it_stands(row, application.stated)
        lost = self._directory.current().agency(row.agency).keys
        keys = verify_applicant(row.agency, application, invited=row.descriptor, previous=lost)
        if not keys.reset:
            raise WardgateError(ErrorCode.ENROLMENT_REFUSED, f"{row.agency} has not lost its keys")
        changed = (
            update(RESET)
            .where(RESET.c.agency == row.agency, RESET.c.progress == Progress.INVITED.value)
            .values(
                progress=Progress.AWAITING_APPROVAL.value,
                certificate_request=application.certificate_request,
                statement=application.stated.statement,
                statement_signature=application.stated.signature,
                description_signature=application.description.signature,
            )
        )
        body = {
            "agency": row.agency,
            "key_fingerprint": VerifyKey(keys.signing_key).fingerprint,
            "replaces": VerifyKey(lost.signing_key).fingerprint,
        }
        entry = self._entry(EntryKind.ENROLMENT_REQUESTED, Actor.agency(row.agency), body)
        await self._journal.record([entry], self._once(changed, f"{row.agency}: token used already"))
        return Enrolled(Progress.AWAITING_APPROVAL, b"")

    async def waits(self, agency: str) -> bool:
        """Whether there is an invitation or application of this agency's to decide about."""
        row = await self._find(RESET.c.agency == agency)
        return row is not None and row.progress in (Progress.INVITED, Progress.AWAITING_APPROVAL)

    async def approve(self, agency: str, *, key_fingerprint: str, operator: str) -> int:
        """Approve the new keys: first the old certificates are denied, then the directory shows the new statement.

        Returns:
            The directory version that shows it.

        Raises:
            WardgateError: `AGENCY_UNKNOWN`, `ENROLMENT_REFUSED` (nothing presented, or another key),
                `SECOND_OPERATOR_NEEDED` (by whoever invited); `DIRECTORY_REJECTED`: the agency's keys changed since it
                applied.
        """
        row = await self._find(RESET.c.agency == agency)
        if (
            row is None
            or row.progress != Progress.AWAITING_APPROVAL
            or fingerprint_of(row.statement) != key_fingerprint
        ):
            raise WardgateError(ErrorCode.ENROLMENT_REFUSED, f"{agency} presented no such key")
        check_second(row.invited_by, operator)
        await self._directory.certain()
        lost = self._directory.current().agency(agency)
        actor, party = Actor.operator(operator), Party(PartyKind.NODE, agency)
        certificate = self._desk.issue(row.certificate_request, party)
        await self._directory.deny(await self._old_certificates(party, certificate), entries=[], actor=actor)
        new = {
            "agency": AgencyDescriptor.parse(row.descriptor),
            "description_signature": row.description_signature,
        }
        signed = SignedStatement(statement=row.statement, signature=row.statement_signature)

        def replaced(current: list[AgencyEntry]) -> Sequence[AgencyEntry]:
            if agency not in {entry.agency.id for entry in current}:
                raise WardgateError(ErrorCode.AGENCY_UNKNOWN, f"{agency} was revoked meanwhile")
            return [
                entry.model_copy(update={**new, "statements": [*entry.statements, signed]})
                if entry.agency.id == agency
                else entry
                for entry in current
            ]

        body = {
            "agency": agency,
            "key_fingerprint": key_fingerprint,
            "replaces": lost.verify_key.fingerprint,
        }
        issued = {"agency": agency, "serial": serial_of(certificate)}
        return await self._directory.publish(
            replaced,
            change=f"reset keys of {agency}",
            entries=[
                self._entry(EntryKind.KEYS_RESET, actor, body),
                self._entry(EntryKind.CERTIFICATE_ISSUED, actor, issued),
            ],
            write=self._in_place(row, certificate, operator),
        )

    async def _old_certificates(self, party: Party, new: bytes) -> list[DenyEntry]:
        """Everything that was certified for this party until now, and the key that its newest certificate is of."""
        async with store_errors("enrolment"), self._engine.connect() as connection:
            known = (await connection.execute(select(ENROLMENT).where(ENROLMENT.c.agency == party.id))).one()
        earlier = DenyEntry(identity=party.uri, before=int(not_before(new).timestamp()), reason_code=REASON)
        of_key = DenyEntry(identity=party.uri, spki_sha256=key_digest_of(known.certificate), reason_code=REASON)
        return [earlier, of_key]

    def _in_place(
        self, row: Row[Any], certificate: bytes, operator: str
    ) -> Callable[[AsyncConnection], Awaitable[None]]:
        """The enrolment as it stands from now on, by the token of the reset; the reset itself is over."""
        enrolment = (
            update(ENROLMENT)
            .where(ENROLMENT.c.agency == row.agency)
            .values(
                descriptor=row.descriptor,
                token_sha256=row.token_sha256,
                token_expires_at=row.token_expires_at,
                invited_by=row.invited_by,
                decided_by=operator,
                certificate_request=row.certificate_request,
                statement=row.statement,
                statement_signature=row.statement_signature,
                description_signature=row.description_signature,
                certificate=certificate,
            )
        )
        # Of the invitation that was looked at, and of no later one: somebody else may have made that.
        over = delete(RESET).where(RESET.c.agency == row.agency, RESET.c.token_sha256 == row.token_sha256)

        async def write(connection: AsyncConnection) -> None:
            if (await connection.execute(over)).rowcount != 1:
                raise WardgateError(ErrorCode.ENROLMENT_REFUSED, f"{row.agency} is decided already")
            await connection.execute(enrolment)

        return write

    async def reject(self, agency: str, *, reason: str, operator: str) -> None:
        """Refuse new keys, or withdraw the invitation to bring some: the agency keeps those that it has.

        Raises:
            WardgateError: `ENROLMENT_REFUSED`: there is nothing to decide.
        """
        changed = (
            update(RESET)
            .where(
                RESET.c.agency == agency,
                RESET.c.progress.in_([Progress.INVITED.value, Progress.AWAITING_APPROVAL.value]),
            )
            .values(progress=Progress.REJECTED.value)
        )
        body = {"agency": agency, "reason_sha256": sha256(reason.encode()).hex(), "reset": True}
        entry = self._entry(EntryKind.ENROLMENT_REJECTED, Actor.operator(operator), body)
        await self._journal.record([entry], self._once(changed, f"{agency} is decided already"))

    async def all(self) -> list[Row[Any]]:
        """Every reset that is not over, by agency.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        async with store_errors("key resets"), self._engine.connect() as connection:
            return list((await connection.execute(select(RESET).order_by(RESET.c.agency))).all())

    async def _find(self, *where: ColumnElement[bool]) -> Row[Any] | None:
        async with store_errors("key reset"), self._engine.connect() as connection:
            return (await connection.execute(select(RESET).where(*where))).one_or_none()

    @staticmethod
    def _once(changed: Update, refusal: str) -> Callable[[AsyncConnection], Awaitable[None]]:
        async def apply(connection: AsyncConnection) -> None:
            if (await connection.execute(changed)).rowcount != 1:
                raise WardgateError(ErrorCode.ENROLMENT_REFUSED, refusal)

        return apply

    def _entry(self, kind: EntryKind, actor: Actor, body: dict[str, Any]) -> Entry:
        return Entry(
            kind=kind,
            at=int(self._clock()),
            actor=actor,
            correlation_id=correlation(),
            query_id=None,
            body=dict(body),
        )
