"""Approving members: what there is to approve, and adding what people signed with keys of their own.

The key of a person never comes near the trustee's keyring: `pending` is taken to the person's machine, an
approval of it is signed there and brought back.
"""

import time
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from federation.directory import Agency, Anchors, TrustedDirectory
from federation.document import AgencyName, Document, Hex32
from federation.errors import ErrorCode, WardgateError
from federation.following.follower import View
from federation.following.gateway import kept_of
from federation.following.kept import read_states
from federation.keyfiles import read_verify_key
from federation.ledger.entry import EntryKind
from federation.ledger.journal import Journal
from federation.person_key import verify_keys
from federation.register import Approval, Register, SignedApproval, description_of
from federation.store import open_existing, store_errors
from federation.transport.correlation import correlated
from keys.signing import SigningKey, VerifyKey
from trustee.books import Act, Books
from trustee.key_material import load_keys, open_existing_keyring
from trustee.names import ledger_origin
from trustee.settings import TrusteeSettings
from trustee.store.register import add_approval, approvals, kept_register


class Pending(Document):
    """One agency that the directory lists otherwise than the register, for people to compare and approve.

    Attributes:
        fingerprint: Of the key stated last: what the agency reads out over a channel that the gateway did not supply.
        declared_caseload: What the agency declares; what counts is what is approved.
        signed: Whether the agency itself signed that it is described so: nobody approves one that has not.
        resets: Where these keys replace others that the agency says it has lost: the fingerprint of the ones that were
            believed; otherwise empty. Somebody who is not the agency would say so too.
        approved_by: Who approved it as it stands already.
    """

    agency: AgencyName
    name: str
    kind: str
    legal_class: str
    areas: list[str]
    fingerprint: str
    statement: Hex32
    description: Hex32
    declared_caseload: int
    signed: bool
    resets: str
    approved_by: list[AgencyName]


class PendingFile(Document):
    """What `wardgate trustee pending` writes."""

    MAX_BYTES: ClassVar[int] = 4 * 1024 * 1024

    v: Literal[1] = 1
    pending: Annotated[list[Pending], Field(max_length=2_000)]


def read_anchors(settings: TrusteeSettings, own: VerifyKey) -> Anchors:
    """The keys that were given out of band, and this trustee's own.

    Raises:
        WardgateError: `SETTINGS_INVALID`.
    """
    return Anchors(
        gateway_key=read_verify_key(settings.gateway.verify_key_file),
        trustee_key=own,
        audit_key=read_verify_key(settings.gateway.audit_verify_key_file),
    )


def pending_of(listed: TrustedDirectory, register: Register, given: list[Approval], now: float) -> list[Pending]:
    """What is listed and not endorsed as it stands, by agency."""
    return [
        _pending(agency, given, register)
        for _, agency in sorted(listed.agencies.items())
        if not (register.believes(agency, now) and register.members[agency.descriptor.id].is_endorsed)
    ]


def _pending(agency: Agency, given: list[Approval], register: Register) -> Pending:
    descriptor, statement, description = agency.descriptor, agency.chain[-1], description_of(agency)
    of_this = (descriptor.id, statement, description)
    return Pending(
        agency=descriptor.id,
        name=descriptor.name,
        kind=descriptor.kind,
        legal_class=descriptor.legal_class,
        areas=list(descriptor.areas),
        fingerprint=agency.verify_key.fingerprint,
        statement=statement,
        description=description,
        declared_caseload=descriptor.declared_caseload,
        signed=agency.describes_itself,
        resets=_lost(agency, register),
        approved_by=sorted({item.approver for item in given if item.subject[:3] == of_this}),
    )


def _lost(agency: Agency, register: Register) -> str:
    """The fingerprint of the keys that a reset replaces which nobody has approved yet; empty where there is none."""
    member = register.members.get(agency.descriptor.id)
    if not agency.resets or (member is not None and member.statement in agency.since_reset):
        return ""
    return agency.replaced[-1].fingerprint


def sign_approval(
    pending: PendingFile,
    agency: str,
    *,
    fingerprint: str,
    caseload: int,
    compared: str,
    approver: str,
    key: SigningKey,
    at: int,
    is_reset: bool = False,
) -> SignedApproval:
    """Approve one pending agency with a person's own key.

    Args:
        pending: What there is to approve.
        agency: Which.
        fingerprint: As the agency read it out.
        caseload: Children that count for its quotas.
        compared: How the fingerprint was compared.
        approver: The person's short name.
        key: The person's own.
        at: Seconds since the epoch.
        is_reset: Whether the person knows that keys are replaced which the agency says it has lost.

    Raises:
        WardgateError: `APPROVAL_REFUSED`: it is not pending, has not signed its description, the fingerprint that was
            compared is another, or it is a reset and the person does not say so, or the other way round.
    """
    found = next((item for item in pending.pending if item.agency == agency), None)
    if found is None:
        raise WardgateError(ErrorCode.APPROVAL_REFUSED, f"{agency} is not pending")
    if not found.signed:
        raise WardgateError(ErrorCode.APPROVAL_REFUSED, f"{agency} has not signed how it is described")
    if found.fingerprint != fingerprint:
        raise WardgateError(ErrorCode.APPROVAL_REFUSED, f"{agency} has another fingerprint than was compared")
    if bool(found.resets) != is_reset:
        said = f"would replace keys {found.resets}" if found.resets else "replaces no keys"
        raise WardgateError(ErrorCode.APPROVAL_REFUSED, f"{agency} {said}")
    approval = Approval(
        agency=agency,
        statement=found.statement,
        description=found.description,
        caseload=caseload,
        compared=compared,
        approver=approver,
        at=at,
    )
    return SignedApproval.sign(approval, key)


async def read_pending(settings: TrusteeSettings) -> PendingFile:
    """What there is to approve, read from the store beside the running trustee.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`.
    """
    engine = open_existing(settings.database)
    try:
        async with store_errors("pending members"), engine.connect() as connection:
            listed, register, given = await _read(connection, settings)
    finally:
        await engine.dispose()
    return PendingFile(pending=pending_of(listed, register, given, time.time()))


async def read_listed(connection: AsyncConnection, settings: TrusteeSettings) -> TrustedDirectory:
    """The directory as the trustee kept it, verified again.

    Raises:
        WardgateError: `SETTINGS_INVALID`, `KEYRING_REJECTED`; or, when the store was tampered with, what verifying it
            raised.
    """
    own = load_keys(open_existing_keyring(settings.keyring)).signing_key.verify_key
    view = View.first(read_anchors(settings, own), settings.gateway.party.ledger)
    return view.restored(kept_of(await read_states(connection))).directory


async def _read(
    connection: AsyncConnection, settings: TrusteeSettings
) -> tuple[TrustedDirectory, Register, list[Approval]]:
    listed = await read_listed(connection, settings)
    trustee_key = listed.anchors.trustee_key
    kept, approvers = await kept_register(connection), verify_keys(settings.approvers)
    register = kept.verified(trustee_key)
    given = [signed.verify(approvers) for signed in await approvals(connection) if signed.approver in approvers]
    return listed, register, given


async def add(settings: TrusteeSettings, signed: SignedApproval) -> Approval:
    """Add one person's approval; the running trustee takes it up within seconds.

    Raises:
        WardgateError: `APPROVAL_REFUSED`, `STORE_UNAVAILABLE`, `LEDGER_UNAVAILABLE`.
    """
    approval = signed.verify(verify_keys(settings.approvers))
    signing_key = load_keys(open_existing_keyring(settings.keyring)).signing_key
    engine = open_existing(settings.database)
    try:
        async with Journal(engine, ledger_origin(settings.party), signing_key, time.time) as journal:

            async def apply(connection: AsyncConnection) -> None:
                await add_approval(connection, signed, int(time.time()))

            body = {
                "agency": approval.agency,
                "statement_sha256": approval.statement.hex(),
                "description_sha256": approval.description.hex(),
                "caseload": approval.caseload,
                "approver": approval.approver,
                "compared": approval.compared,
            }
            with correlated():
                await Books(journal=journal, clock=time.time).record(
                    Act(EntryKind.MEMBER_APPROVED, approval.agency, body), apply
                )
    finally:
        await engine.dispose()
    return approval
