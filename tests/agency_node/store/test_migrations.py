"""The migrations make what the model says, and go up and down with data in place. On both kinds of store."""

from collections.abc import Sequence
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, select, text

from agency_node.store.tables import metadata
from federation.canonical import to_canonical
from federation.errors import WardgateError
from federation.store import migrate, open_engine, writing

PACKAGE = "agency_node.store"


def differences(connection: Connection) -> Sequence[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    found: Sequence[Any] = compare_metadata(context, metadata)
    return found


async def test_the_migrated_store_is_the_model(store_url: str) -> None:
    await migrate(store_url, PACKAGE)
    engine = open_engine(store_url)
    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
    finally:
        await engine.dispose()


async def test_down_and_up_again_with_data_in_place(store_url: str) -> None:
    await migrate(store_url, PACKAGE)
    engine = open_engine(store_url)
    try:
        async with writing(engine).begin() as connection:
            await connection.execute(insert(metadata.tables["child"]), CHILD)
            await connection.execute(insert(metadata.tables["holding"]), HOLDING)
            await connection.execute(insert(metadata.tables["record"]), RECORD)
        await migrate(store_url, PACKAGE)
        async with engine.connect() as connection:
            assert (await connection.execute(select(metadata.tables["record"].c.ref))).scalar_one() == "r" * 32
        await engine.dispose()
        await migrate(store_url, PACKAGE, "base")
        async with engine.connect() as connection:
            assert await connection.run_sync(lambda sync: inspect(sync).get_table_names()) == ["alembic_version"]
        await migrate(store_url, PACKAGE)
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM child"))).scalar_one() == 0
    finally:
        await engine.dispose()


async def test_records_of_the_old_form_are_read_again_and_children_stay(store_url: str) -> None:
    await migrate(store_url, PACKAGE, "0001")
    engine = open_engine(store_url)
    try:
        async with writing(engine).begin() as connection:
            await connection.execute(insert(metadata.tables["child"]), CHILD)
            holding, record = {"child_key": "c" * 32, "digest": "d" * 32}, {"child_key": "c" * 32, "ref": "r" * 32}
            await connection.execute(text("INSERT INTO holding VALUES (:child_key, 'a', :digest, 'f')"), holding)
            await connection.execute(text("INSERT INTO record VALUES (:child_key, 'a', :ref, 'x')"), record)
            await connection.execute(
                text(
                    "INSERT INTO source_state (source_id, state, tried_at, complete_at, children, records, error)"
                    " VALUES ('a', 'ok', 5, 5, 1, 1, '')"
                )
            )
        await engine.dispose()
        await migrate(store_url, PACKAGE, "0003")
        async with engine.connect() as connection:
            counts = {
                name: (await connection.execute(text(f"SELECT count(*) FROM {name}"))).scalar_one()
                for name in ("child", "holding", "record", "dataset_state")
            }
        assert counts == {"child": 1, "holding": 0, "record": 0, "dataset_state": 0}
    finally:
        await engine.dispose()


REPORT = (
    "INSERT INTO misuse_report (notice_id, obligation, query_id, content, signature, stored_at)"
    " VALUES (:notice_id, 'report_misuse', :query_id, :content, :signature, :stored_at)"
)
NOTICE = {
    "notice_id": "n" * 36,
    "query_id": "q" * 36,
    "content": to_canonical({"user_ref": "r" * 32, "reason": "WHY", "purpose": "NEVER"}),
    "signature": b"s" * 64,
    "stored_at": 7_205,
}


async def test_no_way_down_drops_a_notice_that_the_gateway_has_not_taken(store_url: str) -> None:
    await migrate(store_url, PACKAGE, "0004")
    engine = open_engine(store_url)
    try:
        async with writing(engine).begin() as connection:
            await connection.execute(text(REPORT), NOTICE)
        await engine.dispose()
        await migrate(store_url, PACKAGE)
        async with engine.connect() as connection:
            row = (await connection.execute(select(metadata.tables["misuse_report"]))).one()
        assert (row.user_ref, row.cause, row.hour, row.number, row.told_at) == ("r" * 32, "WHY NEVER", 2, 1, None)
        await engine.dispose()
        for to in ("0003", "base"):
            with pytest.raises(WardgateError, match="STORE_UNAVAILABLE") as caught:
                await migrate(store_url, PACKAGE, to)
            assert caught.value.detail == "the gateway has not taken 1 notices of misuse"
            async with engine.connect() as connection:
                assert await connection.run_sync(differences) == []  # nothing of the way down was gone
            await engine.dispose()
        async with writing(engine).begin() as connection:
            await connection.execute(text("DELETE FROM misuse_report"))
        await engine.dispose()
        await migrate(store_url, PACKAGE, "0003")
    finally:
        await engine.dispose()


OLD_ALERT = (
    "INSERT INTO alert VALUES (:alert_id, :query_id, :decision_id, 'alert_break_glass', 'caldicott_guardian auditor',"
    " :silent, 7, :seen_at, :seen_by)"
)


def old_alert(alert_id: str, query_id: str, **seen: Any) -> dict[str, Any]:
    return {
        "alert_id": alert_id * 36,
        "query_id": query_id * 36,
        "decision_id": "d" * 36,
        "silent": False,
        "seen_at": None,
        "seen_by": None,
        **seen,
    }


async def test_alerts_are_split_by_recipient_and_say_whose_act_they_are_about(store_url: str) -> None:
    await migrate(store_url, PACKAGE, "0003")
    engine = open_engine(store_url)
    try:
        async with writing(engine).begin() as connection:
            for alert in (old_alert("1", "q"), old_alert("2", "a"), old_alert("3", "x", seen_at=9, seen_by="u" * 32)):
                await connection.execute(text(OLD_ALERT), alert)
            await connection.execute(insert(metadata.tables["task"]), TASK)
            await connection.execute(insert(metadata.tables["asked_query"]), ASKED)
        await engine.dispose()
        await migrate(store_url, PACKAGE, "0004")
        async with engine.connect() as connection:
            rows = (await connection.execute(select(metadata.tables["alert"]))).all()
        assert sorted((row.query_id[0], row.recipient) for row in rows) == [
            (query_id, recipient) for query_id in "aqx" for recipient in ("auditor", "caldicott_guardian")
        ]
        assert len({row.alert_id for row in rows}) == 6
        assert {"1" * 36, "2" * 36, "3" * 36} < {row.alert_id for row in rows}
        assert {row.query_id[0]: (row.agency, row.user_ref, row.purpose) for row in rows} == {
            "q": ("testshire-csc", "r" * 32, ""),
            "a": ("", "", "S47_ENQ"),
            "x": ("", "", ""),
        }
        assert {row.query_id[0]: (row.seen_at, row.seen_by) for row in rows} == {
            "q": (None, None),
            "a": (None, None),
            "x": (9, "u" * 32),
        }
        await engine.dispose()
        await migrate(store_url, PACKAGE, "0003")
        async with engine.connect() as connection:
            recipients = (await connection.execute(text("SELECT recipients FROM alert"))).scalars().all()
        assert sorted(recipients) == ["auditor"] * 3 + ["caldicott_guardian"] * 3
    finally:
        await engine.dispose()


OLD_REFERRAL = (
    "INSERT INTO referral (referral_id, task_id, state, silent, content, opened_at, expires_at, decided_at, decided_by)"
    " VALUES (:referral_id, :task_id, :state, :silent, :content, 1, 9, :decided_at, :decided_by)"
)
OLD_REVIEW = (
    "INSERT INTO review (referral_id, ref, query_id, requester, purpose, digest, decision, expires_at)"
    " VALUES (:referral_id, :ref, '', 'testshire-csc', 'EXPLOIT', 'd', :decision, 9)"
)


async def test_old_reviews_keep_who_decided_and_on_the_ground_that_there_was(store_url: str) -> None:
    await migrate(store_url, PACKAGE, "0004")
    engine = open_engine(store_url)
    try:
        async with writing(engine).begin() as connection:
            for digit, state, by in (("1", "withheld", "u" * 32), ("2", "released", "v" * 32), ("3", "open", None)):
                task = {**TASK, "task_id": digit * 36, "query_id": digit * 36}
                await connection.execute(insert(metadata.tables["task"]), task)
                row = {"referral_id": digit * 36, "task_id": digit * 36, "state": state, "silent": False}
                row |= {"content": b"c", "decided_at": 5 if by else None, "decided_by": by}
                await connection.execute(text(OLD_REFERRAL), row)
            for digit, decision in (("1", "withhold"), ("2", "release")):
                for ref in ("r1", "r2"):
                    await connection.execute(
                        text(OLD_REVIEW), {"referral_id": digit * 36, "ref": ref, "decision": decision}
                    )
        await engine.dispose()
        await migrate(store_url, PACKAGE, "0005")
        review, referral = metadata.tables["review"], metadata.tables["referral"]
        async with engine.connect() as connection:
            reviews = (await connection.execute(select(review))).all()
            referrals = (await connection.execute(select(referral))).all()
        assert {(row.ref, row.decision, row.ground, row.reviewer) for row in reviews} == {
            (ref, *known)
            for ref in ("r1", "r2")
            for known in (("withhold", "more_detrimental", "u" * 32), ("release", "considered", "v" * 32))
        }
        assert {(row.people, row.roles, row.given) for row in referrals} == {(1, "", None)}
        async with writing(engine).begin() as connection:
            second = {**reviews[0]._mapping, "reviewer": "w" * 32}
            await connection.execute(insert(review), second)
        await engine.dispose()
        await migrate(store_url, PACKAGE, "0004")
        async with engine.connect() as connection:
            kept = (await connection.execute(text("SELECT ref, decision FROM review ORDER BY ref, decision"))).all()
        assert [tuple(row) for row in kept] == [
            ("r1", "release"), ("r1", "withhold"), ("r2", "release"), ("r2", "withhold"),
        ]  # fmt: skip
    finally:
        await engine.dispose()


async def test_a_child_takes_holdings_and_records_along(store_url: str) -> None:
    await migrate(store_url, PACKAGE)
    engine = open_engine(store_url)
    try:
        async with writing(engine).begin() as connection:
            await connection.execute(insert(metadata.tables["child"]), CHILD)
            await connection.execute(insert(metadata.tables["holding"]), HOLDING)
            await connection.execute(insert(metadata.tables["record"]), RECORD)
            await connection.execute(text("DELETE FROM child"))
            assert (await connection.execute(text("SELECT count(*) FROM record"))).scalar_one() == 0
    finally:
        await engine.dispose()


CHILD = {
    "child_key": "c" * 32,
    "lookup_key": b"l" * 32,
    "previous_key": None,
    "pseudonym": b"p",
    "identifier": b"i",
    "epoch": 1,
}
HOLDING = {"child_key": "c" * 32, "source_id": "a", "digest": "d" * 32, "flags": b"f", "absent_since": 0}
RECORD = {
    "child_key": "c" * 32,
    "source_id": "a",
    "ref": "r" * 32,
    "dataset": "log",
    "digest": "d" * 32,
    "absent_since": 0,
    "payload": b"x",
}
TASK = {
    "task_id": "t" * 36,
    "query_id": "q" * 36,
    "requester": "testshire-csc",
    "user_ref": "r" * 32,
    "break_glass": True,
    "content_sha256": b"c" * 32,
    "state": "answered",
    "arrived_at": 5,
    "expires_at": 9,
    "task": b"t",
    "answer": None,
    "decision_id": "e" * 36,
}
ASKED = {
    "query_id": "a" * 36,
    "user_id": "busy",
    "purpose": "S47_ENQ",
    "state": "closed",
    "effect": "permit",
    "broke_glass": False,
    "asked_at": 5,
    "deadline_at": 6,
    "expires_at": 9,
    "question": b"q",
    "error": "",
}


async def test_rows_from_before_child_keys_stay_and_name_nobody_up_and_down(store_url: str) -> None:
    tables = {name: metadata.tables[name] for name in ("task", "asked_query")}
    await migrate(store_url, PACKAGE, "0006")
    engine = open_engine(store_url)
    try:
        async with writing(engine).begin() as connection:
            await connection.execute(insert(tables["task"]), TASK)
            await connection.execute(insert(tables["asked_query"]), ASKED)
        await engine.dispose()
        await migrate(store_url, PACKAGE, "0007")
        async with writing(engine).begin() as connection:
            for table in tables.values():
                assert (await connection.execute(select(table.c.child_key))).scalars().all() == [None]
                await connection.execute(table.update().values(child_key="c" * 32))
        await engine.dispose()
        await migrate(store_url, PACKAGE, "0006")
        await migrate(store_url, PACKAGE, "0007")
        async with engine.connect() as connection:
            for table in tables.values():
                assert (await connection.execute(select(table.c.child_key))).scalars().all() == [None]
    finally:
        await engine.dispose()
