"""EnrolmentService (its own port), CertificateService, AdminService."""

import re
from typing import Any, Final

import grpc

from federation.directory import AgencyDescriptor, signed_statement
from federation.errors import ErrorCode, WardgateError
from federation.finishing import to_the_end
from federation.transport.identity import current_certificate, current_peer
from federation.wire.v1 import admin_pb2, admin_pb2_grpc, enrolment_pb2, enrolment_pb2_grpc
from gateway.applying import Application, Progress, fingerprint_of
from gateway.descriptions import DescriptionDesk, SignedDescription
from gateway.dispatch import Links
from gateway.enrolment import EnrolmentDesk
from gateway.epoch_desk import EpochDesk
from gateway.misuse import MisuseDesk
from gateway.operators import Operators
from gateway.resets import ResetDesk
from gateway.servicers import epochs

Context = grpc.aio.ServicerContext[Any, Any]
MAX_REQUEST_BYTES: Final = 16 * 1024
"""A certificate request or key statement is under 4 KiB."""
MAX_REASON_CHARS: Final = 64
CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""A reason code, as `federation.document.Code` has it."""

MAX_TOKEN_LIFE_S: Final = 30 * 24 * 3600

_STATE: Final = {
    Progress.INVITED: enrolment_pb2.ENROLMENT_STATE_AWAITING_APPROVAL,
    Progress.AWAITING_APPROVAL: enrolment_pb2.ENROLMENT_STATE_AWAITING_APPROVAL,
    Progress.APPROVED: enrolment_pb2.ENROLMENT_STATE_APPROVED,
    Progress.REJECTED: enrolment_pb2.ENROLMENT_STATE_REJECTED,
}
_PROGRESS: Final = {
    progress: admin_pb2.EnrolmentProgress.Value(f"ENROLMENT_PROGRESS_{progress.name}") for progress in Progress
}


def _limit(content: bytes, what: str) -> bytes:
    if not 0 < len(content) <= MAX_REQUEST_BYTES:
        raise WardgateError(ErrorCode.MESSAGE_TOO_LARGE if content else ErrorCode.MESSAGE_MALFORMED, what)
    return content


class EnrolmentServicer(enrolment_pb2_grpc.EnrolmentServiceServicer):
    """The applicant's side."""

    def __init__(self, desk: EnrolmentDesk, resets: ResetDesk, trust_bundle: bytes) -> None:
        self._desk = desk
        self._resets = resets
        self._trust_bundle = trust_bundle

    async def Enrol(self, request: enrolment_pb2.EnrolRequest, context: Context) -> enrolment_pb2.EnrolResponse:
        """Present a token with keys, or ask how it stands."""
        application = Application(
            request.token,
            _limit(request.certificate_request, "certificate request"),
            signed_statement(_limit(request.key_statement, "key statement"), request.key_statement_signature),
            SignedDescription(_limit(request.description, "description"), request.description_signature),
        )
        enrolled = await self._resets.enrol(application) or await self._desk.enrol(application)
        return enrolment_pb2.EnrolResponse(
            state=_STATE[enrolled.progress],
            certificate_chain=enrolled.certificate,
            trust_bundle=self._trust_bundle if enrolled.certificate else b"",
        )

    async def Recertify(
        self, request: enrolment_pb2.RecertifyRequest, context: Context
    ) -> enrolment_pb2.RecertifyResponse:
        """Certify anew an enrolled agency, or the trustee, whose certificate ran out; or an operator, for a command."""
        certificate = await self._desk.recertify(
            _limit(request.claim, "claim"),
            request.claim_signature,
            _limit(request.certificate_request, "certificate request"),
        )
        return enrolment_pb2.RecertifyResponse(certificate_chain=certificate, trust_bundle=self._trust_bundle)


class CertificateServicer(enrolment_pb2_grpc.CertificateServiceServicer):
    """Renewal over the certificate that is about to expire."""

    def __init__(self, desk: EnrolmentDesk, trust_bundle: bytes) -> None:
        self._desk = desk
        self._trust_bundle = trust_bundle

    async def Renew(self, request: enrolment_pb2.RenewRequest, context: Context) -> enrolment_pb2.RenewResponse:
        """Issue a fresh certificate to the caller."""
        party = current_peer()
        certificate = self._desk.renew(party, _limit(request.certificate_request, "certificate request"))
        await self._desk.record_renewal(party, certificate)
        return enrolment_pb2.RenewResponse(certificate_chain=certificate, trust_bundle=self._trust_bundle)


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """The operator's side."""

    def __init__(
        self,
        *,
        desk: EnrolmentDesk,
        resets: ResetDesk,
        descriptions: DescriptionDesk,
        epochs: EpochDesk,
        links: Links,
        misuse: MisuseDesk,
        operators: Operators,
    ) -> None:
        self._desk = desk
        self._resets = resets
        self._descriptions = descriptions
        self._epochs = epochs
        self._links = links
        self._misuse = misuse
        self._operators = operators

    def _operator(self) -> str:
        """The calling operator.

        Raises:
            WardgateError: `NOT_AUTHORISED`: not, or no longer, in the settings.
        """
        return self._operators.acting(current_certificate())

    async def Invite(self, request: admin_pb2.InviteRequest, context: Context) -> admin_pb2.InviteResponse:
        """Invite an agency."""
        if not 0 < request.valid_s <= MAX_TOKEN_LIFE_S:
            raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "token life")
        descriptor = AgencyDescriptor.parse(request.agency)
        operator = self._operator()
        if not request.reset:
            token = await self._desk.invite(descriptor, valid_s=request.valid_s, operator=operator)
            return admin_pb2.InviteResponse(token=token)
        invited = await self._resets.invite(descriptor, valid_s=request.valid_s, operator=operator)
        return admin_pb2.InviteResponse(token=invited.token, replaces=invited.replaces)

    async def ListEnrolments(
        self, request: admin_pb2.ListEnrolmentsRequest, context: Context
    ) -> admin_pb2.ListEnrolmentsResponse:
        """Every enrolment with the fingerprint to compare."""
        self._operator()
        rows = [(row, False) for row in await self._desk.enrolments()]
        rows += [(row, True) for row in await self._resets.all()]
        return admin_pb2.ListEnrolmentsResponse(
            enrolments=[
                admin_pb2.EnrolmentSummary(
                    agency=row.agency,
                    progress=_PROGRESS[Progress(row.progress)],
                    key_fingerprint=fingerprint_of(row.statement),
                    reset=is_reset,
                )
                for row, is_reset in rows
            ]
        )

    async def Approve(self, request: admin_pb2.ApproveRequest, context: Context) -> admin_pb2.ApproveResponse:
        """Approve the key that was presented."""
        operator = self._operator()
        desk = self._resets if await self._resets.waits(request.agency) else self._desk
        version = await to_the_end(
            desk.approve(request.agency, key_fingerprint=request.key_fingerprint, operator=operator)
        )
        return admin_pb2.ApproveResponse(directory_version=version)

    async def Reject(self, request: admin_pb2.RejectRequest, context: Context) -> admin_pb2.RejectResponse:
        """Refuse an application."""
        if len(request.reason) > MAX_REASON_CHARS:
            raise WardgateError(ErrorCode.MESSAGE_TOO_LARGE, "reason")
        operator = self._operator()
        desk = self._resets if await self._resets.waits(request.agency) else self._desk
        await desk.reject(request.agency, reason=request.reason, operator=operator)
        return admin_pb2.RejectResponse()

    async def Revoke(self, request: admin_pb2.RevokeRequest, context: Context) -> admin_pb2.RevokeResponse:
        """Revoke an agency at once."""
        if CODE.fullmatch(request.reason) is None:
            raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "reason code")
        revoking = self._desk.revoke(
            request.agency,
            reason_code=request.reason,
            operator=self._operator(),
        )
        version = await to_the_end(revoking)  # an operator who hangs up does not leave it half in force
        return admin_pb2.RevokeResponse(deny_list_version=version)

    async def ListDescriptions(
        self, request: admin_pb2.ListDescriptionsRequest, context: Context
    ) -> admin_pb2.ListDescriptionsResponse:
        """Descriptions that agencies signed anew."""
        self._operator()
        return admin_pb2.ListDescriptionsResponse(
            descriptions=[
                admin_pb2.ProposedDescription(
                    agency=item.agency, listed=item.listed, proposed=item.proposed, proposed_at=item.at
                )
                for item in await self._descriptions.waiting()
            ]
        )

    async def AcceptDescription(
        self, request: admin_pb2.AcceptDescriptionRequest, context: Context
    ) -> admin_pb2.AcceptDescriptionResponse:
        """Publish an agency's new description."""
        accepting = self._descriptions.accept(
            request.agency, digest=request.description_sha256, operator=self._operator()
        )
        return admin_pb2.AcceptDescriptionResponse(directory_version=await to_the_end(accepting))

    async def GetLinks(self, request: admin_pb2.GetLinksRequest, context: Context) -> admin_pb2.GetLinksResponse:
        """Which agencies are attached now."""
        self._operator()
        misuse = await self._misuse.recent()
        return admin_pb2.GetLinksResponse(
            links=[
                admin_pb2.LinkSummary(
                    agency=row.agency,
                    attached=self._links.is_connected(row.agency),
                    in_flight=self._links.in_flight(row.agency),
                    absent_until=self._links.absent_until(row.agency),
                    misuse_week=misuse.get(row.agency, 0),
                )
                for row in await self._desk.enrolments()
                if row.progress == Progress.APPROVED and self._desk.is_listed(row.agency)
            ]
        )

    async def GetEpochs(self, request: admin_pb2.GetEpochsRequest, context: Context) -> admin_pb2.GetEpochsResponse:
        """How epochs of pseudonym keys stand."""
        self._operator()
        return admin_pb2.GetEpochsResponse(
            agencies=[epochs.message(item) for item in await self._epochs.standings(request.agency)]
        )

    async def OpenEpoch(self, request: admin_pb2.OpenEpochRequest, context: Context) -> admin_pb2.OpenEpochResponse:
        """Open the gateway's half of what the trustee has opened."""
        done = await to_the_end(self._epochs.open(request.agency, operator=self._operator()))
        return admin_pb2.OpenEpochResponse(
            epochs=epochs.message(done.standing), directory_version=done.directory_version, changed=done.changed
        )

    async def RetireEpoch(
        self, request: admin_pb2.RetireEpochRequest, context: Context
    ) -> admin_pb2.RetireEpochResponse:
        """Take an agency's oldest epoch out of the directory."""
        done = await to_the_end(self._epochs.retire(request.agency, operator=self._operator(), force=request.force))
        return admin_pb2.RetireEpochResponse(
            epochs=epochs.message(done.standing), directory_version=done.directory_version, changed=done.changed
        )
