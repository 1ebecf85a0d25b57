"""Ledger entries of the answering node. Pure. Pseudonymous values only: the records' content stays outside."""

from collections.abc import Sequence
from typing import Final

from agency_node.answering.consideration import Considered
from agency_node.answering.task import VerifiedTask
from agency_node.store.tasks import KeptDecision
from agency_node.vault import Kind, Vault
from federation.actor import Actor
from federation.canonical import JsonObject
from federation.correlation_id import CorrelationId
from federation.ledger.entry import Entry, EntryKind
from federation.policy.decision import NodeDecision
from federation.policy.evaluator import Evaluated
from federation.vocabulary import Outcome

RESULT_BYTES: Final = 40 * 1024
"""An entry holds 64 KiB. Larger results stand in the ledger as their SHA-256 and, encrypted, in `decision_input`."""


def answered_entry(
    task: VerifiedTask,
    considered: Considered,
    *,
    at: int,
    responder: str,
    outcome: Outcome,
    answer_sha256: bytes,
    referral_id: str,
    alerts: Sequence[str],
) -> Entry:
    """An answer is about to leave: of every outcome the same kind, so that kinds do not tell whom an agency knows."""
    body = {
        **_head(task),
        "outcome": outcome.value,
        "answer_sha256": answer_sha256.hex(),
        "referral_id": referral_id,
        "alerts": list(alerts),
        **_decisions(considered),
    }
    return _entry(EntryKind.ANSWERED, task, body, at=at, actor=responder)


def referral_entry(
    task: VerifiedTask, considered: Considered, *, at: int, responder: str, referral_id: str, alerts: Sequence[str]
) -> Entry:
    """A human is to decide before anything is answered."""
    body = {**_head(task), "referral_id": referral_id, "alerts": list(alerts), **_decisions(considered)}
    return _entry(EntryKind.REFERRAL_OPENED, task, body, at=at, actor=responder)


def referral_expired_entry(task: VerifiedTask, *, at: int, responder: str, referral_id: str) -> Entry:
    """Nobody decided in time."""
    return _entry(EntryKind.REFERRAL_EXPIRED, task, {**_head(task), "referral_id": referral_id}, at=at, actor=responder)


def alarm_entry(*, at: int, responder: str, task_id: str, error: str, content_sha256: bytes) -> Entry:
    """A task did not verify. Nothing it claims is repeated: none of it is known to be true."""
    return Entry(
        kind=EntryKind.ALARM_RAISED,
        at=at,
        actor=Actor.agency(responder),
        correlation_id=CorrelationId.adopted(task_id),
        body={
            "alarm": "TASK_NOT_VERIFIED",
            "task_id": task_id,
            "error": error,
            "content_sha256": content_sha256.hex(),
        },
    )


def expired_entry(*, at: int, responder: str, task_id: str, query_id: str) -> Entry:
    """A task was stored but could not be answered in time."""
    return Entry(
        kind=EntryKind.TARGET_EXPIRED,
        at=at,
        actor=Actor.agency(responder),
        correlation_id=CorrelationId.adopted(task_id),
        query_id=query_id,
        body={"task_id": task_id},
    )


def kept_decisions(considered: Considered, vault: Vault) -> list[KeptDecision]:
    """Encrypted inputs and results, for replay."""
    return [
        KeptDecision(
            decision_id=item.record.id,
            entry_point=item.record.entry_point.value,
            decided_at=item.record.decided_at,
            content=vault.seal(Kind.DECISION_INPUT, item.record.id, item.input_json),
            result=vault.seal(Kind.DECISION_INPUT, f"{item.record.id}/result", item.result_json),
        )
        for item in considered.evaluations
    ]


def decision_body(evaluated: Evaluated[NodeDecision], *, with_result: bool) -> JsonObject:
    """A decision record as an entry carries it; the result only where it fits."""
    body = evaluated.record.body()
    if body.get("result") is None or not with_result:
        body.pop("result", None)
    return body


def _head(task: VerifiedTask) -> JsonObject:
    return {
        "task_id": task.task_id,
        "query_sha256": task.query_sha256.hex(),
        "requester": task.header.requester,
        "purpose": task.header.purpose,
        "role": task.header.role,
        "user_ref": task.header.user_ref,
    }


def _decisions(considered: Considered) -> JsonObject:
    size = sum(len(item.result_json) for item in considered.evaluations)
    bodies = [decision_body(item, with_result=size <= RESULT_BYTES) for item in considered.evaluations]
    return {"decision": bodies[0], "further_decisions": bodies[1:]}


def _entry(kind: EntryKind, task: VerifiedTask, body: JsonObject, *, at: int, actor: str) -> Entry:
    return Entry(
        kind=kind,
        at=at,
        actor=Actor.agency(actor),
        correlation_id=CorrelationId(task.task_id),
        query_id=task.header.query_id,
        body=body,
    )
