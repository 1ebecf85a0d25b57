"""Alarms already raised, so that each is raised once an hour, across restarts and replicas."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from trustee.store.dialect import insert_new
from trustee.store.tables import Alarm, table

_ALARM: Final = table(Alarm)


class AlreadyAlarmedError(Exception):
    """The alarm has been raised in this hour."""


async def mark_alarm(connection: AsyncConnection, subject: str, reason: str, hour_start: int) -> None:
    """Remember an alarm.

    Raises:
        AlreadyAlarmedError: It was raised before in this hour.
    """
    row = {"subject": subject, "reason": reason, "hour_start": hour_start}
    if (await connection.execute(insert_new(connection.dialect.name, _ALARM), row)).rowcount == 0:
        raise AlreadyAlarmedError
