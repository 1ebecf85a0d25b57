"""Reads and writes of what a follower keeps. Writes run inside the journal's transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from federation.following.tables import metadata

_STATE: Final = metadata.tables["trusted_state"]


@dataclass(frozen=True, slots=True)
class State:
    """One thing that is kept: its version, its bytes, and since when."""

    version: int
    content: bytes
    updated_at: int = 0


async def read_states(connection: AsyncConnection) -> dict[str, State]:
    """Everything that is kept, by name."""
    rows = (await connection.execute(select(_STATE))).all()
    return {row.name: State(row.version, bytes(row.content), row.updated_at) for row in rows}


async def keep_states(connection: AsyncConnection, states: Mapping[str, State], now: int) -> None:
    """Replace what is kept under these names."""
    for name, state in states.items():
        await connection.execute(_STATE.delete().where(_STATE.c.name == name))
        row = {"name": name, "version": state.version, "content": state.content, "updated_at": now}
        await connection.execute(_STATE.insert(), row)
