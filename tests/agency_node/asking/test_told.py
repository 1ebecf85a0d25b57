"""Of their own node's decision users are told what is for users, however much it says; the record keeps all."""

import copy
from typing import Any

import pytest
from sqlalchemy import select

from agency_node.asking.desk import Asking
from agency_node.store.alerts import ALERT
from agency_node.store.asked import load_asked
from agency_node.vault import Kind
from federation.canonical import JsonObject, from_json, to_canonical
from federation.ledger.entry import EntryKind
from federation.policy.catalogue import FAILURE_CODES, Catalogue
from federation.policy.engine import EngineIdentity, EntryPoint, RawDecision
from federation.policy.evaluator import PolicyPoint
from federation.policy.results import Audience
from tests.support.asking import MANAGER, QUESTION, AskedGateway, asking_of, pursuits_of
from tests.support.node_house import NodeHouse


class TalkativeEngine:
    """Decides with every reason and every obligation of the catalogue."""

    def __init__(self, real: Any, point: PolicyPoint, effect: str) -> None:
        self._real, self._point, self._effect = real, point, effect

    @property
    def identity(self) -> EngineIdentity:
        return self._real.identity  # type: ignore[no-any-return]  # of any engine

    async def decide(self, entry_point: EntryPoint, input_json: bytes, *, deadline_s: float) -> RawDecision:
        assert (entry_point, bool(input_json), deadline_s > 0) == (EntryPoint.REQUESTER, True, True)
        catalogue = self._point.catalogue
        value: JsonObject = {
            "effect": self._effect,
            "reasons": [
                {"code": code, "audience": row.audience.value, "severity": row.severity.value}
                for code, row in catalogue.reasons.items()
                if code not in FAILURE_CODES
            ],
            "obligations": [
                {"id": name, "type": row.type, "mandatory": row.mandatory, "params": {"to": ["auditor"]}}
                for name, row in catalogue.obligations.items()
            ],
            "expires_in_s": 60,
            "processing": [],
            "enquiry": {"outcome": "never", "after_s": 0, "audience": []},
        }
        return RawDecision(self.identity, self._point.bundle.id, value=value)


def talkative(node: NodeHouse, effect: str) -> Asking:
    found = asking_of(node, pursuits_of(node, AskedGateway(node.federation)))
    inside: Any = found
    inside._policy._engine = TalkativeEngine(inside._policy._engine, inside._policy, effect)
    return found


def for_users(catalogue: Catalogue) -> set[str]:
    codes = {code for code, row in catalogue.reasons.items() if row.audience is not Audience.AUDITOR}
    return codes - FAILURE_CODES


@pytest.mark.parametrize("effect", ["permit", "deny"])
async def test_of_every_reason_and_obligation_a_user_is_told_their_own_and_the_record_keeps_all(
    node: NodeHouse, effect: str
) -> None:
    node.users.append(MANAGER)
    catalogue = node.policy.catalogue

    picture = await talkative(node, effect).put(QUESTION)

    assert picture["effect"] == effect
    assert {item["code"] for item in picture["reasons"]} == for_users(catalogue)
    assert all(item["text"] for item in picture["reasons"])
    told = {name for name, row in catalogue.obligations.items() if row.told}
    assert told
    assert {item["id"] for item in picture["obligations"]} == told
    (kept,) = await node.entries(EntryKind.QUERY_ASKED, EntryKind.QUERY_REFUSED)
    assert {item["code"] for item in kept["decision"]["reasons"]} == set(catalogue.reasons) - FAILURE_CODES
    assert {item["id"] for item in kept["decision"]["obligations"]} == set(catalogue.obligations)


async def test_a_picture_that_an_earlier_version_stored_is_shown_without_what_is_the_auditors(
    node: NodeHouse,
) -> None:
    node.users.append(MANAGER)
    asking = asking_of(node, pursuits_of(node, AskedGateway(node.federation)))
    first = await asking.put(QUESTION)
    found = await load_asked(node.engine, first["query_id"])
    assert found is not None
    row, targets = found
    content = node.vault.open(Kind.ASKED_QUESTION, row.query_id, row.question)
    kept = from_json(content, max_bytes=64 * 1024, what="question")
    catalogue = node.policy.catalogue
    kept["reasons"] = [
        {"code": code, "audience": reason.audience.value, "severity": reason.severity.value}
        for code, reason in catalogue.reasons.items()
    ]
    kept["obligations"] = [
        {"id": name, "type": duty.type, "mandatory": True, "params": {}} for name, duty in catalogue.obligations.items()
    ]
    older = row._asdict() | {"question": node.vault.seal(Kind.ASKED_QUESTION, row.query_id, to_canonical(kept))}

    shown = asking._viewing.unread(older, [target._asdict() for target in targets], "test")

    assert {item["code"] for item in shown["reasons"]} == for_users(catalogue) | FAILURE_CODES
    assert {item["id"] for item in shown["obligations"]} == {
        name for name, duty in catalogue.obligations.items() if duty.told
    }


@pytest.mark.parametrize(("text", "effect"), [("x", "permit"), ("", "deny"), (" \n", "deny")])
async def test_a_question_that_needs_a_reason_in_words_goes_nowhere_without_one(
    node: NodeHouse, text: str, effect: str
) -> None:
    node.users.append(MANAGER)
    gateway = AskedGateway(node.federation)
    picture = await asking_of(node, pursuits_of(node, gateway)).put(QUESTION.model_copy(update={"justification": text}))
    assert (picture["effect"], bool(gateway.asked)) == (effect, effect == "permit")
    assert ("JUSTIFICATION_MISSING" in {item["code"] for item in picture["reasons"]}) is (effect == "deny")


def timeless(picture: JsonObject) -> JsonObject:
    """A picture without what names the query and its moment."""
    found = copy.deepcopy(picture)
    for key in ("query_id", "reference", "asked_at", "deadline_at", "expires_at"):
        del found[key]
    return found


async def test_the_hundred_and_first_question_of_a_day_shows_its_user_nothing_new_and_the_alert_exists(
    node: NodeHouse,
) -> None:
    node.users.append(MANAGER)
    asking = asking_of(node, pursuits_of(node, AskedGateway(node.federation)))

    pictures = [await asking.put(QUESTION) for _ in range(101)]

    assert pictures[99]["effect"] == "permit"
    assert timeless(pictures[99]) == timeless(pictures[100])
    assert pictures[99]["query_id"] != pictures[100]["query_id"]
    async with node.engine.connect() as connection:
        alerted = {row.query_id for row in await connection.execute(select(ALERT.c.query_id))}
    assert alerted == {pictures[100]["query_id"]}
    decided = [body["decision"]["reasons"] for body in await node.entries(EntryKind.QUERY_ASKED)]
    auditors = [{item["code"] for item in reasons if item["audience"] == "auditor"} for reasons in decided]
    assert (auditors[99], len(auditors[100])) == (set(), 1)
