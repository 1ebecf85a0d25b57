"""How an agency gets in: a one-time token *and* a human approval of the key it brought.

It brings the description that it was invited with too, signed by that key: nobody else describes it from then on.

The certificate names what the invitation says, never what the certificate request asks. The operator compares the key's
fingerprint, heard over the phone, with the one presented here; approval of another key is refused.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import Any, Final

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.actor import Actor
from federation.certificate_claim import FRESH_S, CertificateClaim, verify_claim
from federation.directory import (
    AgencyDescriptor,
    AgencyEntry,
    KeyStatement,
    SignedStatement,
)
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.writes import Write
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
from gateway.operators import OPERATOR_LIFE, Operators, check_second
from gateway.points import HolderPoints
from gateway.store.tables import Enrolment, table
from keys.authority import CertificateAuthority
from keys.certificates import not_after, serial_of
from keys.digest import sha256
from keys.errors import CertificateRejected
from keys.signing import SigningKey, VerifyKey

ENROLMENT = table(Enrolment)
_SET_CERTIFICATE: Final = (
    update(ENROLMENT).where(ENROLMENT.c.agency == bindparam("b_agency")).values(certificate=bindparam("b_certificate"))
)


def _claiming(claim: bytes) -> Party:
    """Who a claim says that it is of; nothing is verified yet."""
    return Party.parse(CertificateClaim.parse(claim).party)


def _without(entries: Sequence[AgencyEntry], agency: str) -> list[AgencyEntry]:
    return [item for item in entries if item.agency.id != agency]


class EnrolmentDesk:
    """Invitation, application, approval, renewal, revocation.

    Attributes:
        operators: Who may act as one.
    """

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        journal: Journal,
        directory: DirectoryAuthority,
        authority: CertificateAuthority,
        points: HolderPoints,
        trustee_party: Party,
        operators: Operators,
        certificate_life: timedelta,
        absence: timedelta,
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._directory = directory
        self._authority = authority
        self._points = points
        self._trustee_party = trustee_party
        self.operators = operators
        self._nobody = SigningKey.generate().verify_key
        self._certificate_life = certificate_life
        self._absence = absence
        self._claims: dict[bytes, float] = {}
        self._clock = clock

    async def invite(self, descriptor: AgencyDescriptor, *, valid_s: int, operator: str) -> str:
        """Invite an agency; returns the token, of which only the hash is kept.

        Raises:
            WardgateError: `ENROLMENT_REFUSED` when the agency is enrolled already.
        """
        known = await self._find(descriptor.id)
        if known is not None and known.progress in (Progress.AWAITING_APPROVAL, Progress.APPROVED):
            raise WardgateError(ErrorCode.ENROLMENT_REFUSED, f"{descriptor.id} is {known.progress}")
        token = token_urlsafe(32)
        now = int(self._clock())
        row = {
            "agency": descriptor.id,
            "descriptor": descriptor.canonical(),
            "token_sha256": sha256(token.encode()).hex(),
            "token_expires_at": now + valid_s,
            "progress": Progress.INVITED.value,
            "invited_by": operator,
            "decided_by": "",
            "certificate_request": b"",
            "statement": b"",
            "statement_signature": b"",
            "description_signature": b"",
            "certificate": b"",
        }

        async def apply(connection: AsyncConnection) -> None:
            await connection.execute(ENROLMENT.delete().where(ENROLMENT.c.agency == descriptor.id))
            await connection.execute(insert(ENROLMENT), row)

        body = {"agency": descriptor.id, "descriptor_sha256": sha256(descriptor.canonical()).hex()}
        await self._journal.record([self._entry(EntryKind.AGENCY_INVITED, Actor.operator(operator), body)], apply)
        return token

    async def enrol(self, application: Application) -> Enrolled:
        """Present a token with keys and the signed description; repeat the same call to learn the outcome.

        Raises:
            WardgateError: `ENROLMENT_REFUSED`; `DIRECTORY_REJECTED` for a statement that does not verify, `MESSAGE_*`
                for one that cannot be used, such as one with a sealing key that is none; `DESCRIPTION_REJECTED`: not
                the one that was invited, or not signed by the key stated.
        """
        row = await self._by_token(application.token)
        if row.progress == Progress.INVITED:
            keys = verify_applicant(row.agency, application, invited=row.descriptor)
            await self._apply(row.agency, application, keys)
            return Enrolled(Progress.AWAITING_APPROVAL, b"")
        return how_it_stands(row, application.stated, certificate=row.certificate)

    async def _by_token(self, token: str) -> Row[Any]:
        statement = select(ENROLMENT).where(ENROLMENT.c.token_sha256 == token_hash(token))
        async with store_errors("enrolment"), self._engine.connect() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return in_time(row, self._clock())

    async def _apply(self, agency: str, application: Application, keys: KeyStatement) -> None:
        changed = (
            update(ENROLMENT)
            .where(ENROLMENT.c.agency == agency, ENROLMENT.c.progress == Progress.INVITED.value)
            .values(
                progress=Progress.AWAITING_APPROVAL.value,
                certificate_request=application.certificate_request,
                statement=application.stated.statement,
                statement_signature=application.stated.signature,
                description_signature=application.description.signature,
            )
        )

        async def apply(connection: AsyncConnection) -> None:
            if (await connection.execute(changed)).rowcount != 1:
                raise WardgateError(ErrorCode.ENROLMENT_REFUSED, f"{agency}: token used already")

        body = {"agency": agency, "key_fingerprint": VerifyKey(keys.signing_key).fingerprint}
        await self._journal.record([self._entry(EntryKind.ENROLMENT_REQUESTED, Actor.agency(agency), body)], apply)

    async def approve(self, agency: str, *, key_fingerprint: str, operator: str) -> int:
        """Approve the key presented: certificate, directory entry and ledger entries in one transaction.

        Returns:
            The directory version that lists the agency.

        Raises:
            WardgateError: `AGENCY_UNKNOWN`, `ENROLMENT_REFUSED` (nothing presented, or another key),
                `SECOND_OPERATOR_NEEDED` (by whoever invited), `TRUSTEE_UNAVAILABLE`.
        """
        row = await self._find(agency)
        if row is None:
            raise WardgateError(ErrorCode.AGENCY_UNKNOWN, agency)
        if row.progress != Progress.AWAITING_APPROVAL or fingerprint_of(row.statement) != key_fingerprint:
            raise WardgateError(ErrorCode.ENROLMENT_REFUSED, f"{agency} presented no such key")
        if not row.description_signature:  # it applied before agencies signed their descriptions
            raise WardgateError(ErrorCode.ENROLMENT_REFUSED, f"{agency} signed no description: reject and invite anew")
        check_second(row.invited_by, operator)
        certificate = self.issue(row.certificate_request, Party(PartyKind.NODE, agency))
        points = self._points.beside(agency, await self._points.stated(agency))
        entry = AgencyEntry(
            agency=AgencyDescriptor.parse(row.descriptor),
            description_signature=row.description_signature,
            statements=[SignedStatement(statement=row.statement, signature=row.statement_signature)],
            gateway_points=points["gateway_points"],
            trustee_points=points["trustee_points"],
        )
        decided = (
            update(ENROLMENT)
            .where(
                ENROLMENT.c.agency == agency,
                ENROLMENT.c.progress == Progress.AWAITING_APPROVAL.value,
                ENROLMENT.c.token_sha256 == row.token_sha256,  # the invitation that was looked at, and no later one
            )
            .values(progress=Progress.APPROVED.value, certificate=certificate, decided_by=operator)
        )

        async def write(connection: AsyncConnection) -> None:
            if (await connection.execute(decided)).rowcount != 1:
                raise WardgateError(ErrorCode.ENROLMENT_REFUSED, f"{agency} is decided already")

        return await self._directory.publish(
            lambda current: [*_without(current, agency), entry],
            change=f"enrolled {agency}",
            entries=[
                self._entry(
                    EntryKind.AGENCY_ENROLLED,
                    Actor.operator(operator),
                    {"agency": agency, "key_fingerprint": key_fingerprint},
                ),
                self._certificate_entry(Actor.operator(operator), agency, certificate),
            ],
            write=write,
        )

    async def reject(self, agency: str, *, reason: str, operator: str) -> None:
        """Refuse an application or withdraw an invitation."""
        if await self._find(agency) is None:
            raise WardgateError(ErrorCode.AGENCY_UNKNOWN, agency)
        changed = (
            update(ENROLMENT)
            .where(
                ENROLMENT.c.agency == agency,
                ENROLMENT.c.progress.in_([Progress.INVITED.value, Progress.AWAITING_APPROVAL.value]),
            )
            .values(progress=Progress.REJECTED.value, decided_by=operator)
        )

        async def apply(connection: AsyncConnection) -> None:
            if (await connection.execute(changed)).rowcount != 1:
                raise WardgateError(ErrorCode.ENROLMENT_REFUSED, f"{agency} is decided already")

        body = {"agency": agency, "reason_sha256": sha256(reason.encode()).hex()}
        await self._journal.record([self._entry(EntryKind.ENROLMENT_REJECTED, Actor.operator(operator), body)], apply)

    def renew(self, party: Party, certificate_request: bytes) -> bytes:
        """Issue a fresh certificate to an enrolled party; the caller records it before it leaves.

        Raises:
            WardgateError: `AGENCY_UNKNOWN` or `ENROLMENT_REFUSED`.
        """
        if party.kind is PartyKind.NODE:
            self._directory.current().agency(party.id)
        return self.issue(certificate_request, party)

    async def record_renewal(self, party: Party, certificate: bytes) -> None:
        """Put a renewal into the ledger, and remember an agency's newest certificate."""
        newest = {"b_agency": party.id, "b_certificate": certificate}
        effect = [Write.one(_SET_CERTIFICATE, newest)] if party.kind is PartyKind.NODE else []
        holder = "operator" if party.kind is PartyKind.OPERATOR else "agency"
        entry = self._certificate_entry(Actor.party(party), party.id, certificate, holder=holder)
        await self._journal.record([entry], effect)

    async def recertify(self, claim: bytes, signature: bytes, certificate_request: bytes) -> bytes:
        """Issue a certificate to a party that has none, on the word of its signing key.

        That is an enrolled agency, or the trustee, that comes back after its last one ran out, and an operator for one
        command. An agency may have been away for so long as the settings say. For the trustee there is no such end:
        nothing goes on without it, and its key is pinned here, at every node and by no list that could have changed
        meanwhile. An operator's key is that of the settings.

        Raises:
            WardgateError: `MESSAGE_*`; `REPLAYED`: the claim was used; `CLAIM_REFUSED`: not known or not signed by
                who is (one answer for both: the port is open to anybody), away for too long, or a claim of another
                request or time.
        """
        now = self._clock()
        party = self._claimant(claim, signature, certificate_request, now)
        if party.kind is PartyKind.NODE:
            await self._check_may_return(party.id, now)
        certificate = self.issue(certificate_request, party)
        await self.record_renewal(party, certificate)
        if party.kind is PartyKind.OPERATOR:
            self.operators.remember(certificate)
        return certificate

    async def _check_may_return(self, agency: str, now: float) -> None:
        row = await self._find(agency)
        if row is None or row.progress != Progress.APPROVED or self._directory.is_denied(agency):
            raise WardgateError(ErrorCode.CLAIM_REFUSED, f"{agency} is not enrolled")
        # After a recovery the last certificate of an agency is not known before its next one.
        if row.certificate and datetime.fromtimestamp(now, UTC) > not_after(row.certificate) + self._absence:
            raise WardgateError(ErrorCode.CLAIM_REFUSED, f"{agency} was away for too long")

    def _claimant(self, claim: bytes, signature: bytes, certificate_request: bytes, now: float) -> Party:
        """The party whose claim this is, used for the first time."""
        party = _claiming(claim)
        # A name that nobody has costs the same work as a wrong key: not even the time taken tells which it was.
        known = self._key_of(party)
        try:
            verify_claim(claim, signature, certificate_request=certificate_request, key=known or self._nobody, now=now)
        except WardgateError as error:
            if error.code is ErrorCode.SIGNATURE_REJECTED:
                why = "is not known" if known is None else "has another key"
                raise WardgateError(ErrorCode.CLAIM_REFUSED, f"{party} {why}") from error
            raise
        self._claims = {digest: until for digest, until in self._claims.items() if until > now}
        digest = sha256(claim)
        if digest in self._claims:
            raise WardgateError(ErrorCode.REPLAYED, "certificate claim")
        self._claims[digest] = now + 2 * FRESH_S
        return party

    def _key_of(self, party: Party) -> VerifyKey | None:
        """The key that a party is known by: of the directory, pinned, or of the settings."""
        directory = self._directory.current()
        match party.kind:
            case PartyKind.NODE if party.id in directory.agencies:
                return directory.agency(party.id).verify_key
            case PartyKind.TRUSTEE if party == self._trustee_party:
                return directory.anchors.trustee_key
            case PartyKind.OPERATOR:
                return self.operators.key_of(party.id)
            case _:
                return None

    async def revoke(self, agency: str, *, reason_code: str, operator: str) -> int:
        """Revoke an agency at once: deny list first, then the directory without it. What is done already stays so.

        Returns:
            The version of the deny list.
        """
        await self._directory.certain()
        self._directory.current().agency(agency)
        party = Party(PartyKind.NODE, agency)
        actor = Actor.operator(operator)
        entry = self._entry(EntryKind.AGENCY_REVOKED, actor, {"agency": agency, "reason": reason_code})
        version = self._directory.deny_version
        if not self._directory.is_denied(agency):
            version = await self._directory.deny(
                [DenyEntry(identity=party.uri, reason_code=reason_code)],
                entries=[entry],
                actor=actor,
            )
        await self._directory.publish(lambda current: _without(current, agency), change=f"revoked {agency}", entries=[])
        return version

    def is_listed(self, agency: str) -> bool:
        """Whether the current directory lists an agency: enrolled and not revoked."""
        return agency in self._directory.current().agencies

    async def enrolments(self) -> list[Row[Any]]:
        """Every enrolment, by agency."""
        async with store_errors("enrolments"), self._engine.connect() as connection:
            return list((await connection.execute(select(ENROLMENT).order_by(ENROLMENT.c.agency))).all())

    async def _find(self, agency: str) -> Row[Any] | None:
        async with store_errors("enrolment"), self._engine.connect() as connection:
            return (await connection.execute(select(ENROLMENT).where(ENROLMENT.c.agency == agency))).one_or_none()

    def issue(self, request: bytes, party: Party) -> bytes:
        """Certify the key of a request under a party's name; the caller records it before it leaves.

        Raises:
            WardgateError: `ENROLMENT_REFUSED`.
        """
        serves = party.kind is PartyKind.TRUSTEE
        life = OPERATOR_LIFE if party.kind is PartyKind.OPERATOR else self._certificate_life
        try:
            return self._authority.issue(
                request,
                identity=party.uri,
                lifetime=life,
                now=datetime.fromtimestamp(self._clock(), UTC),
                dns=[party.dns_name] if serves else [],
            )
        except CertificateRejected as error:
            raise WardgateError(ErrorCode.ENROLMENT_REFUSED, "certificate request") from error

    def _certificate_entry(self, actor: Actor, name: str, certificate: bytes, *, holder: str = "agency") -> Entry:
        body = {holder: name, "serial": serial_of(certificate)}
        return self._entry(EntryKind.CERTIFICATE_ISSUED, actor, body)

    def _entry(self, kind: EntryKind, actor: Actor, body: dict[str, str]) -> Entry:
        return Entry(
            kind=kind,
            at=int(self._clock()),
            actor=actor,
            correlation_id=correlation(),
            query_id=None,
            body=dict(body),
        )
