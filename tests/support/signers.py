"""Agencies that sign batches and tickets as nodes do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from federation.batch import BatchHeader
from federation.query import Ticket, TicketPoint
from keys import domains, group
from keys.digest import sha256
from keys.signing import SigningKey

NOW = 1_800_000_000


def some_elements(count: int) -> bytes:
    """Blinded points, which nobody can tell from random ones."""
    return b"".join(group.multiply_base(group.random_scalar()) for _ in range(count))


@dataclass(frozen=True)
class SignedBatch:
    header: bytes
    signature: bytes
    elements: bytes


@dataclass(frozen=True)
class SignedTicket:
    ticket: bytes
    signature: bytes


@dataclass(frozen=True)
class Signer:
    """One agency's signing half."""

    agency: str
    key: SigningKey = field(default_factory=SigningKey.generate)

    def batch(
        self,
        elements: bytes,
        *,
        use: str = "caseload",
        epoch: int = 1,
        batch_id: str | None = None,
        agency: str | None = None,
        issued_at: int = NOW,
        expires_at: int = NOW + 600,
    ) -> SignedBatch:
        header = BatchHeader.model_validate(
            {
                "batch_id": batch_id or str(uuid4()),
                "agency": agency or self.agency,
                "epoch": epoch,
                "use": use,
                "count": len(elements) // 32,
                "elements_sha256": sha256(elements),
                "issued_at": issued_at,
                "expires_at": expires_at,
            }
        ).canonical()
        return SignedBatch(header, self.key.sign(domains.BATCH, header), elements)

    def ticket(
        self,
        responders: Sequence[str],
        *,
        elements: bytes | None = None,
        query: bytes | None = None,
        requester: str | None = None,
        epoch: int = 1,
        responder_epoch: int = 1,
        issued_at: int = NOW,
        expires_at: int = NOW + 86_400,
    ) -> SignedTicket:
        points = group.split(elements if elements is not None else some_elements(len(responders)))
        ticket = Ticket(
            query_sha256=sha256(query or uuid4().bytes),
            requester=requester or self.agency,
            epoch=epoch,
            issued_at=issued_at,
            expires_at=expires_at,
            points=[
                TicketPoint(responder=name, epoch=responder_epoch, element=element)
                for name, element in zip(responders, points, strict=True)
            ],
        ).canonical()
        return SignedTicket(ticket, self.key.sign(domains.TICKET, ticket))
