"""The last deny list that was verified, kept so that a restart does not go back behind it."""

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from trustee.store.dialect import insert_into
from trustee.store.tables import VerifiedDenyList, table

_DENY_LIST: Final = table(VerifiedDenyList)


async def kept_deny_list(connection: AsyncConnection) -> tuple[bytes, bytes] | None:
    """Content and signature of the deny list verified last."""
    row = (await connection.execute(select(_DENY_LIST))).one_or_none()
    return None if row is None else (row.content, row.signature)


async def keep_deny_list(connection: AsyncConnection, content: bytes, signature: bytes) -> None:
    """Replace the deny list."""
    values = {"content": content, "signature": signature}
    statement = insert_into(connection.dialect.name, _DENY_LIST).values(id=1, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
