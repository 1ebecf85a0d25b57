"""What an agency brings that was invited, and what it learns: a newcomer, or one that lost its keys."""

from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import Row

from federation.directory import KeyStatement, SignedStatement, verify_statement
from federation.errors import ErrorCode, WardgateError
from gateway.descriptions import SignedDescription
from keys.digest import sha256
from keys.signing import VerifyKey

MAX_TOKEN_CHARS: Final = 200


class Progress(StrEnum):
    """Where an enrolment stands."""

    INVITED = "invited"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    REJECTED = "rejected"


class Enrolled(NamedTuple):
    """What an applicant learns: progress and, once approved, its certificate chain (PEM)."""

    progress: Progress
    certificate: bytes


class Application(NamedTuple):
    """What an agency presents: nothing of it is verified yet.

    Attributes:
        token: The one-time token that it was given.
        certificate_request: PEM.
        stated: Its key statement.
        description: How it describes itself.
    """

    token: str
    certificate_request: bytes
    stated: SignedStatement
    description: SignedDescription


def fingerprint_of(statement: bytes) -> str:
    """The fingerprint an operator compares; empty when no key was presented yet."""
    if not statement:
        return ""
    return VerifyKey(KeyStatement.parse(statement).signing_key).fingerprint


def token_hash(token: str) -> str:
    """What is kept of a token.

    Raises:
        WardgateError: `ENROLMENT_REFUSED`: it can be none.
    """
    if not 1 <= len(token) <= MAX_TOKEN_CHARS:
        raise WardgateError(ErrorCode.ENROLMENT_REFUSED, "token length")
    return sha256(token.encode()).hex()


def in_time(row: Row[Any] | None, now: float) -> Row[Any]:
    """The invitation that a token names, if it can still be used at `now`, seconds since the epoch.

    Raises:
        WardgateError: `ENROLMENT_REFUSED`.
    """
    if row is None or row.token_expires_at <= now:
        raise WardgateError(ErrorCode.ENROLMENT_REFUSED, "token unknown or expired")
    return row


def verify_applicant(
    agency: str, application: Application, *, invited: bytes, previous: KeyStatement | None = None
) -> KeyStatement:
    """The keys that an invited agency brings.

    Args:
        agency: Which was invited.
        application: What it brings.
        invited: The description that it was invited with, canonical.
        previous: The keys that it has lost; None for a newcomer.

    Raises:
        WardgateError: `DIRECTORY_REJECTED`, `DESCRIPTION_REJECTED` or `MESSAGE_*`.
    """
    keys = verify_statement(application.stated, agency=agency, previous=previous)
    application.description.check_same(invited)
    application.description.verify(VerifyKey(keys.signing_key))
    return keys


def how_it_stands(row: Row[Any], stated: SignedStatement, *, certificate: bytes = b"") -> Enrolled:
    """What an applicant learns who asks again.

    Raises:
        WardgateError: `ENROLMENT_REFUSED`: the token was used with other keys.
    """
    if row.statement != stated.statement:
        raise WardgateError(ErrorCode.ENROLMENT_REFUSED, f"{row.agency} presented other keys")
    progress = Progress(row.progress)
    return Enrolled(progress, certificate if progress is Progress.APPROVED else b"")
