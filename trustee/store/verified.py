"""The last directory and deny list that were verified, kept so that a restart goes back behind neither."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from trustee.store.dialect import insert_into
from trustee.store.tables import VerifiedDenyList, VerifiedDirectory, table

_DIRECTORY: Final = table(VerifiedDirectory)
_DENY_LIST: Final = table(VerifiedDenyList)


@dataclass(frozen=True, slots=True)
class KeptDirectory:
    """A directory as signed, the entry of the gateway's ledger that published it, and when it was verified."""

    version: int
    content: bytes
    signature: bytes
    entry: bytes
    verified_at: int


async def kept_directory(connection: AsyncConnection) -> KeptDirectory | None:
    """The directory verified last."""
    row = (await connection.execute(select(_DIRECTORY))).one_or_none()
    if row is None:
        return None
    return KeptDirectory(row.version, row.content, row.signature, row.entry, row.verified_at)


async def keep_directory(connection: AsyncConnection, kept: KeptDirectory) -> None:
    """Replace the directory, unless another replica has kept a newer one."""
    values = {
        "version": kept.version,
        "content": kept.content,
        "signature": kept.signature,
        "entry": kept.entry,
        "verified_at": kept.verified_at,
    }
    statement = insert_into(connection.dialect.name, _DIRECTORY).values(id=1, **values)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["id"], set_=values, where=_DIRECTORY.c.version <= kept.version)
    )


async def kept_deny_list(connection: AsyncConnection) -> tuple[bytes, bytes] | None:
    """Content and signature of the deny list verified last."""
    row = (await connection.execute(select(_DENY_LIST))).one_or_none()
    return None if row is None else (row.content, row.signature)


async def keep_deny_list(connection: AsyncConnection, content: bytes, signature: bytes) -> None:
    """Replace the deny list."""
    values = {"content": content, "signature": signature}
    statement = insert_into(connection.dialect.name, _DENY_LIST).values(id=1, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
