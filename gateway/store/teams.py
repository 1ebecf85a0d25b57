"""Reads of teams and case grants, and the writes that the journal makes durable with their entries."""

from dataclasses import dataclass

from sqlalchemy import and_, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.ledger.writes import Write
from federation.store import store_errors
from federation.team import CaseGrantDocument, TeamDocument
from gateway.store.tables import CaseGrantRow, TeamOrderRow, TeamRow, table

TEAM, GRANT, ORDER = table(TeamRow), table(CaseGrantRow), table(TeamOrderRow)

_INSERT_TEAM, _INSERT_GRANT, _INSERT_ORDER = insert(TEAM), insert(GRANT), insert(ORDER)
_UPDATE_TEAM = (
    update(TEAM)
    .where(and_(TEAM.c.team_id == bindparam("b_team_id"), TEAM.c.version == bindparam("b_before")))
    .values(version=bindparam("b_version"), content=bindparam("b_content"), signature=bindparam("b_signature"))
)
_UPDATE_GRANT = (
    update(GRANT)
    .where(and_(GRANT.c.grant_id == bindparam("b_grant_id"), GRANT.c.version == bindparam("b_before")))
    .values(version=bindparam("b_version"), content=bindparam("b_content"), signature=bindparam("b_signature"))
)
_HOLD_TEAM = (
    update(TEAM)
    .where(and_(TEAM.c.team_id == bindparam("b_team_id"), TEAM.c.version == bindparam("b_before")))
    .values(version=TEAM.c.version)
)
_HOLD_GRANT = (
    update(GRANT)
    .where(and_(GRANT.c.grant_id == bindparam("b_grant_id"), GRANT.c.version == bindparam("b_before")))
    .values(version=GRANT.c.version)
)


@dataclass(frozen=True, slots=True)
class SignedTeam:
    """A team with the bytes that were signed."""

    document: TeamDocument
    content: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedGrant:
    """A case grant with the bytes that were signed."""

    document: CaseGrantDocument
    content: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order as its lead's agency signed it."""

    digest: bytes
    content: bytes
    signature: bytes


async def load(engine: AsyncEngine) -> tuple[list[SignedTeam], list[SignedGrant]]:
    """Every team and every case grant as it stands."""
    async with store_errors("teams"), engine.connect() as connection:
        teams = (await connection.execute(select(TEAM))).all()
        grants = (await connection.execute(select(GRANT))).all()
    return (
        [SignedTeam(TeamDocument.parse(row.content), row.content, row.signature) for row in teams],
        [SignedGrant(CaseGrantDocument.parse(row.content), row.content, row.signature) for row in grants],
    )


def team_written(team: SignedTeam) -> Write:
    """The next version of a team; `NothingChanged` when the one before is not the one that stands."""
    document = team.document
    if document.version == 1:
        row = {"team_id": document.team_id, "version": 1, "content": team.content, "signature": team.signature}
        return Write.one(_INSERT_TEAM, row)
    changed = {"b_version": document.version, "b_content": team.content, "b_signature": team.signature}
    key = {"b_team_id": document.team_id, "b_before": document.version - 1}
    return Write.one(_UPDATE_TEAM, {**key, **changed}, must_change=True)


def grant_written(grant: SignedGrant) -> Write:
    """The next version of a case grant; `NothingChanged` when the one before is not the one that stands."""
    document = grant.document
    changed = {"b_version": document.version, "b_content": grant.content, "b_signature": grant.signature}
    if document.version == 1:
        row = {name.removeprefix("b_"): value for name, value in changed.items()}
        return Write.one(_INSERT_GRANT, {"grant_id": document.grant_id, "team_id": document.team_id, **row})
    key = {"b_grant_id": document.grant_id, "b_before": document.version - 1}
    return Write.one(_UPDATE_GRANT, {**key, **changed}, must_change=True)


def order_kept(order: SignedOrder, team_id: str, now: int) -> Write:
    """The order behind a change."""
    row = {"order_sha256": order.digest, "team_id": team_id, "content": order.content, "signature": order.signature}
    return Write.one(_INSERT_ORDER, {**row, "carried_out_at": now})


def held_still(team: TeamDocument, grant: CaseGrantDocument) -> list[Write]:
    """Changes nothing, and is `NothingChanged` where team or grant is no longer of this version."""
    team_key = {"b_team_id": team.team_id, "b_before": team.version}
    grant_key = {"b_grant_id": grant.grant_id, "b_before": grant.version}
    return [
        Write.one(_HOLD_TEAM, team_key, must_change=True),
        Write.one(_HOLD_GRANT, grant_key, must_change=True),
    ]
