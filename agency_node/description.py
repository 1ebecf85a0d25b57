"""How this agency describes itself: what it signed stands in its keyring, and no directory may show anything else."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from federation.actor import Actor
from federation.canonical import to_canonical
from federation.command import read_json_file
from federation.description import sign_description
from federation.directory import AgencyDescriptor
from federation.document import Base64, Document, Hex32, Hex64
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.transport.channel import RotatingChannel
from federation.transport.correlation import correlation
from federation.transport.failures import call_errors
from federation.wire.v1 import enrolment_pb2, enrolment_pb2_grpc
from keys.digest import sha256
from keys.errors import KeyringRejected
from keys.keyring import Keyring
from keys.signing import SigningKey

DESCRIPTIONS: Final = "descriptions"
"""Public name in the keyring."""
MOST_KEPT: Final = 512
"""Descriptions change once in years."""

Propose = Callable[[bytes, bytes], Awaitable[bool]]
"""Hands a description with its signature to the gateway; whether the directory shows it already."""


class OwnDescriptions(Document):
    """What this agency signed of itself.

    Attributes:
        description: The newest one's canonical bytes.
        signature: This agency's over them.
        signed: SHA-256 of every one that it signed, oldest first.
    """

    v: Literal[1] = 1
    description: Base64
    signature: Hex64
    signed: Annotated[list[Hex32], Field(min_length=1, max_length=MOST_KEPT)]


def read_description(path: Path) -> AgencyDescriptor:
    """An agency's description from its file.

    Raises:
        WardgateError: `MESSAGE_*`: it is none.
    """
    return AgencyDescriptor.parse(to_canonical(read_json_file(path)))


def signed_descriptions(keyring: Keyring) -> tuple[bytes, ...]:
    """SHA-256 of every description that this agency signed, oldest first.

    Raises:
        WardgateError: `KEYRING_REJECTED`, `MESSAGE_*`: the keyring was tampered with.
    """
    kept = _kept(keyring)
    return tuple(kept.signed) if kept else ()


def _kept(keyring: Keyring) -> OwnDescriptions | None:
    try:
        return OwnDescriptions.parse(keyring.published(DESCRIPTIONS)) if keyring.is_published(DESCRIPTIONS) else None
    except KeyringRejected as error:
        raise WardgateError(ErrorCode.KEYRING_REJECTED, str(error)) from error


def check_description(description: AgencyDescriptor, *, agency: str) -> None:
    """Make sure that a description is of this agency.

    Raises:
        WardgateError: `DESCRIPTION_REJECTED`.
    """
    if description.id != agency:
        raise WardgateError(ErrorCode.DESCRIPTION_REJECTED, f"it describes {description.id}, not {agency}")


def keep_description(
    keyring: Keyring, description: AgencyDescriptor, *, agency: str, key: SigningKey
) -> OwnDescriptions:
    """Sign a description of this agency and keep it as the newest; the newest one again changes nothing.

    Raises:
        WardgateError: `DESCRIPTION_REJECTED`, `KEYRING_REJECTED`, `MESSAGE_*`.
    """
    check_description(description, agency=agency)
    content, kept = description.canonical(), _kept(keyring)
    before = list(kept.signed) if kept else []
    signed = before if before[-1:] == [sha256(content)] else [*before, sha256(content)][-MOST_KEPT:]
    newest = OwnDescriptions(description=content, signature=sign_description(content, key), signed=signed)
    try:
        keyring.publish(DESCRIPTIONS, newest.canonical())
    except KeyringRejected as error:
        raise WardgateError(ErrorCode.KEYRING_REJECTED, str(error)) from error
    return newest


class Describing:
    """Describes this agency anew: signs, records, keeps, and hands it to the gateway.

    Args:
        agency: This agency.
        keyring: Where what it signed is kept.
        key: Its signing key.
        journal: The only way to write.
        propose: Hands it to the gateway.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        agency: str,
        *,
        keyring: Keyring,
        key: SigningKey,
        journal: Journal,
        propose: Propose,
        clock: Callable[[], float],
    ) -> None:
        self._agency = agency
        self._keyring = keyring
        self._key = key
        self._journal = journal
        self._propose = propose
        self._clock = clock

    async def describe(self, description: AgencyDescriptor) -> bool:
        """Sign a description and hand it to the gateway; whether the directory shows it already.

        Raises:
            WardgateError: `DESCRIPTION_REJECTED`, `KEYRING_REJECTED`, `LEDGER_UNAVAILABLE`; `PEER_UNAVAILABLE`: it is
                signed and kept, and the same call again hands it over.
        """
        check_description(description, agency=self._agency)
        digest = sha256(description.canonical())
        if signed_descriptions(self._keyring)[-1:] != (digest,):
            await self._journal.record([self._entry(digest)])
        own = keep_description(self._keyring, description, agency=self._agency, key=self._key)
        return await self._propose(own.description, own.signature)

    def _entry(self, digest: bytes) -> Entry:
        return Entry(
            kind=EntryKind.DESCRIPTION_SIGNED,
            at=int(self._clock()),
            actor=Actor.agency(self._agency),
            correlation_id=correlation(),
            query_id=None,
            body={"agency": self._agency, "description_sha256": digest.hex()},
        )


def proposing(channel: RotatingChannel) -> Propose:
    """`Propose` over the channel to the gateway."""
    stub = enrolment_pb2_grpc.DescriptionServiceStub(channel)

    async def propose(description: bytes, signature: bytes) -> bool:
        request = enrolment_pb2.ProposeRequest(description=description, signature=signature)
        async with call_errors(channel.server):
            response: enrolment_pb2.ProposeResponse = await stub.Propose(request)
        return response.listed

    return propose
