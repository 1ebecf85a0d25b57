"""Who may call what. Default deny: a method without a row is refused, and so is a party that its row does not name.

A test holds the rows equal to the RPCs of the generated descriptors. One method may have other callers on another
server, so a row names the callers for each role a server can have.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from federation.transport.identity import PartyKind

WIRE: Final = "federation.wire.v1"


class ServerRole(StrEnum):
    """What a listening port is."""

    GATEWAY = "gateway"
    ENROLMENT = "enrolment"
    TRUSTEE = "trustee"
    LOCAL = "local"


Callers = frozenset[PartyKind]

_NODE: Final = frozenset({PartyKind.NODE})
_OPERATOR: Final = frozenset({PartyKind.OPERATOR})
_EVERY_READER: Final = frozenset({PartyKind.NODE, PartyKind.TRUSTEE, PartyKind.OPERATOR})
_EVERY_PARTY: Final = frozenset(PartyKind) - {PartyKind.ANONYMOUS}

_Rows = Mapping[tuple[str, Callers], tuple[str, ...]]

_AT_GATEWAY: Final[_Rows] = {
    (f"{WIRE}.QueryService", _NODE): ("Ask", "Resume", "Acknowledge", "Cancel"),
    (f"{WIRE}.LinkService", _NODE): ("Attach", "Claim", "Submit"),
    (f"{WIRE}.TeamService", _NODE): ("Order", "Show"),
    (f"{WIRE}.NoticeService", _NODE): ("ReportMisuse",),
    (f"{WIRE}.PseudonymService", _NODE): ("Evaluate",),
    (f"{WIRE}.DescriptionService", _NODE): ("Propose",),
    (f"{WIRE}.CertificateService", frozenset({PartyKind.NODE, PartyKind.TRUSTEE})): ("Renew",),
    (f"{WIRE}.DirectoryService", _EVERY_READER): ("GetDirectory", "GetDenyList", "GetRegister"),
    (f"{WIRE}.LedgerService", frozenset({PartyKind.NODE, PartyKind.TRUSTEE})): ("GetConsistency", "Cosign"),
    (f"{WIRE}.LedgerService", frozenset({PartyKind.TRUSTEE})): ("GetWitnessed",),
    (f"{WIRE}.AdminService", _OPERATOR): (
        "Invite",
        "ListEnrolments",
        "Approve",
        "Reject",
        "Revoke",
        "GetLinks",
        "ListDescriptions",
        "AcceptDescription",
        "GetEpochs",
        "OpenEpoch",
        "RetireEpoch",
    ),
}
_AT_ENROLMENT: Final[_Rows] = {(f"{WIRE}.EnrolmentService", frozenset({PartyKind.ANONYMOUS})): ("Enrol", "Recertify")}
_AT_TRUSTEE: Final[_Rows] = {
    (f"{WIRE}.TrusteeService", frozenset({PartyKind.GATEWAY})): (
        "EvaluateBatch",
        "Translate",
        "GetPoints",
    ),
    (f"{WIRE}.RegisterService", frozenset({PartyKind.GATEWAY})): ("Fetch",),
    (f"{WIRE}.LedgerService", frozenset({PartyKind.GATEWAY})): ("GetWitnessed", "Cosign"),
}
_AT_NODE: Final[_Rows] = {
    (f"{WIRE}.LocalService", frozenset({PartyKind.LOCAL})): (
        "PutQuery",
        "GetPicture",
        "ListReferrals",
        "DecideReferral",
        "ListAlerts",
        "SeeAlert",
        "SeeMembers",
        "AccountForChild",
        "Index",
        "OrderSources",
        "GetStatus",
        "OrderTeam",
        "ShowTeam",
        "GetUserRef",
        "Describe",
    ),
}
_EVERYWHERE: Final[_Rows] = {("grpc.health.v1.Health", _EVERY_PARTY): ("Check", "List", "Watch")}


def _expand(*tables: _Rows) -> Iterator[tuple[str, Callers]]:
    for rows in tables:
        for (service, callers), methods in rows.items():
            for method in methods:
                yield f"/{service}/{method}", callers


CALLERS: Final[Mapping[ServerRole, Mapping[str, Callers]]] = {
    ServerRole.GATEWAY: dict(_expand(_AT_GATEWAY, _EVERYWHERE)),
    ServerRole.ENROLMENT: dict(_expand(_AT_ENROLMENT)),
    ServerRole.TRUSTEE: dict(_expand(_AT_TRUSTEE, _EVERYWHERE)),
    ServerRole.LOCAL: dict(_expand(_AT_NODE, _EVERYWHERE)),
}
"""Full method name (`/package.Service/Method`) to the kinds of party that may call it, for each role."""
