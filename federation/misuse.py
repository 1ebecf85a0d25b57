"""The notice by which an agency tells the scheme that it has refused a misuse of its own people: signed, child-free.

A question that is refused at home goes nowhere, so that nobody outside would hear of somebody who tries. The notice
says who tried what kind of thing, in references that mean something to their agency alone, and nothing of the question
itself. Both the notice and what a gateway refuses by itself end in the same ledger entry. Pure.
"""

from collections.abc import Iterable
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from federation import limits
from federation.directory import TrustedDirectory
from federation.document import AgencyName, Code, Document, Hex32, Instant, Uuid
from federation.errors import ErrorCode, WardgateError
from federation.policy.results import Obligation, Reason, Severity
from federation.query import verify_signed
from keys import domains
from keys.signing import SigningKey, VerifyKey

REPORT: Final = "report"
"""Type of the obligation to send a notice."""


class Misuse(Document):
    """What was refused: the pseudonymous facts that a notice carries and a ledger entry keeps.

    Attributes:
        agency: Whose user tried.
        user_ref: That user's opaque reference, as their agency makes it.
        area: Asked in; empty where no agency of the directory works in it.
        reason: Code of why it was refused.
        decision_id: The decision that refused it.
        bundle_digest: Of the policies that decided.
        at: When it was refused, seconds since the epoch.
        count: How many attempts of this person there were so far, this one included, for this reason and purpose in its
            hour of the clock.
    """

    agency: AgencyName
    user_ref: Code
    role: Code
    purpose: Code
    area: Code | Literal[""]
    reason: Code
    decision_id: Uuid
    bundle_digest: Hex32
    at: Instant
    count: Annotated[int, Field(ge=1, le=2**40)] = 1


class MisuseNotice(Misuse):
    """A misuse with what makes it a message: an id, once for all time, and the key it is signed with."""

    MAX_BYTES: ClassVar[int] = 2048

    v: Literal[1] = 1
    notice_id: Uuid
    key_version: Annotated[int, Field(ge=1)]


def cause_of(obligation: Obligation, reasons: Iterable[Reason]) -> str:
    """Why a misuse was refused: the code that the obligation names, or else the first reason that denies.

    Args:
        obligation: To report it, or to alert somebody to it.
        reasons: Of the refusal.
    """
    code = obligation.params.get("code")
    if isinstance(code, str) and code:
        return code
    return next(reason.code for reason in reasons if reason.severity is Severity.DENIAL)


def area_told(area: str, directory: TrustedDirectory) -> str:
    """An area as it may stand in a notice or an entry: one that the directory knows; a user may have typed anything."""
    known = any(area in agency.descriptor.areas for agency in directory.agencies.values())
    return area if known else ""


def sign_notice(notice: MisuseNotice, key: SigningKey) -> tuple[bytes, bytes]:
    """A notice's bytes and their signature."""
    content = notice.canonical()
    return content, key.sign(domains.MISUSE_NOTICE, content)


def verify_notice(content: bytes, signature: bytes, *, key: VerifyKey, now: float) -> MisuseNotice:
    """Check a notice against the agency's verify key of the directory.

    Raises:
        WardgateError: `MESSAGE_*`, `SIGNATURE_REJECTED`; `QUERY_EXPIRED`: of the future, or too old.
    """
    notice = MisuseNotice.parse(content)
    verify_signed(key, signature, domains.MISUSE_NOTICE, content)
    if not now - limits.MAX_NOTICE_AGE_S <= notice.at <= now + limits.MAX_CLOCK_SKEW_S:
        raise WardgateError(ErrorCode.QUERY_EXPIRED, "notice")
    return notice
