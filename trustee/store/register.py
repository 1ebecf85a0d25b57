"""The register as it was signed last, and the approvals it rests on."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from federation.register import Member, Register, RegisterDocument, SignedApproval
from keys.digest import sha256
from keys.signing import VerifyKey
from trustee.store.dialect import insert_into
from trustee.store.tables import KeptApproval, PublishedRegister, table

_REGISTER: Final = table(PublishedRegister)
_APPROVAL: Final = table(KeptApproval)


@dataclass(frozen=True, slots=True)
class KeptRegister:
    """A register as signed; version 0 for none."""

    version: int = 0
    issued_at: int = 0
    content: bytes = b""
    signature: bytes = b""

    @property
    def digest(self) -> bytes:
        """SHA-256 of its bytes."""
        return sha256(self.content)

    def verified(self, key: VerifyKey) -> Register:
        """The register, verified again.

        Raises:
            WardgateError: `REGISTER_REJECTED` or `MESSAGE_*`: the store was tampered with.
        """
        if not self.version:
            return Register()
        entry = {"register_sha256": self.digest.hex(), "version": self.version}
        return Register().advance(self.content, self.signature, key=key, entry=entry)

    @property
    def members(self) -> dict[str, Member]:
        """Its members, by agency."""
        document = RegisterDocument.parse(self.content) if self.version else None
        return {member.agency: member for member in document.members} if document else {}


async def kept_register(connection: AsyncConnection) -> KeptRegister:
    """The register signed last."""
    row = (await connection.execute(select(_REGISTER))).one_or_none()
    if row is None:
        return KeptRegister()
    return KeptRegister(row.version, row.issued_at, bytes(row.content), bytes(row.signature))


async def keep_register(connection: AsyncConnection, kept: KeptRegister) -> None:
    """Replace the register."""
    values = {
        "version": kept.version,
        "issued_at": kept.issued_at,
        "content": kept.content,
        "signature": kept.signature,
    }
    statement = insert_into(connection.dialect.name, _REGISTER).values(id=1, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))


async def approvals(connection: AsyncConnection) -> list[SignedApproval]:
    """Every approval that was ever added, oldest first."""
    rows = (await connection.execute(select(_APPROVAL.c.content).order_by(_APPROVAL.c.added_at))).all()
    return [SignedApproval.parse(bytes(row.content)) for row in rows]


async def add_approval(connection: AsyncConnection, signed: SignedApproval, added_at: int) -> None:
    """Keep an approval; the same one twice is one."""
    content = signed.canonical()
    values = {"approval_sha256": sha256(content), "added_at": added_at, "content": content}
    statement = insert_into(connection.dialect.name, _APPROVAL).values(**values)
    await connection.execute(statement.on_conflict_do_nothing())
