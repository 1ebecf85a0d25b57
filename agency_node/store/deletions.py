"""What a node deletes when its time is up. Periods: `agency_node.settings.Retention`."""

from typing import Final

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from agency_node.store.alerts import ALERT
from agency_node.store.asked import QUERY, TARGET, AskedState
from agency_node.store.referrals import REFERRAL, REVIEW
from agency_node.store.tables import ReferralState, TaskState
from agency_node.store.tasks import DECISION, TASK
from federation.retention import Deletion

_ENDED: Final = TASK.c.state.not_in([TaskState.ACCEPTED.value, TaskState.REFERRED.value])
_CLOSED: Final = QUERY.c.state != AskedState.OPEN.value


def _answers(before: int) -> ColumnElement[bool]:
    old = select(QUERY.c.query_id).where(_CLOSED, QUERY.c.expires_at < before)
    return and_(or_(TARGET.c.answer.is_not(None), TARGET.c.decision.is_not(None)), TARGET.c.query_id.in_(old))


DELETIONS: Final[tuple[Deletion, ...]] = (
    Deletion(
        what="reviews",
        text="What people decided of records and questions, once it holds no longer.",
        table=REVIEW,
        due=lambda before: REVIEW.c.expires_at <= before,
    ),
    Deletion(
        what="decisions",
        text="Inputs and results of decisions, kept encrypted for replay and for accounts of a child.",
        setting="decisions_days",
        table=DECISION,
        due=lambda before: DECISION.c.decided_at < before,
    ),
    Deletion(
        what="reasons",
        text="Reasons of people's decisions with the salts that tie them to the ledger. The commitment stays and says "
        "nothing any more.",
        setting="decisions_days",
        table=REFERRAL,
        due=lambda before: and_(
            REFERRAL.c.decided_at < before, or_(REFERRAL.c.reason.is_not(None), REFERRAL.c.given.is_not(None))
        ),
        values={"reason": None, "reason_salt": None, "given": None},
    ),
    Deletion(
        what="referrals",
        text="What was shown to whoever decided; that it was decided stays.",
        setting="tasks_days",
        table=REFERRAL,
        due=lambda before: and_(
            REFERRAL.c.expires_at < before,
            REFERRAL.c.state != ReferralState.OPEN.value,
            func.length(REFERRAL.c.content) > 0,
        ),
        values={"content": b""},
    ),
    Deletion(
        what="tasks",
        text="Other agencies' questions as they came and sealed answers as they left; who asked, when and about whom "
        "stays.",
        setting="tasks_days",
        table=TASK,
        due=lambda before: and_(
            TASK.c.expires_at < before, _ENDED, or_(TASK.c.answer.is_not(None), func.length(TASK.c.task) > 0)
        ),
        values={"task": b"", "answer": None},
    ),
    Deletion(
        what="answers",
        text="Answers of other agencies to this agency's questions.",
        setting="questions_days",
        table=TARGET,
        due=_answers,
        values={"answer": None, "decision": None},
    ),
    Deletion(
        what="questions",
        text="This agency's own questions, refused ones too, in their words; who asked, when and about whom stays.",
        setting="questions_days",
        table=QUERY,
        due=lambda before: and_(_CLOSED, QUERY.c.expires_at < before, func.length(QUERY.c.question) > 0),
        values={
            "question": b"",
            "header": None,
            "admission": None,
            "receipt": None,
            "request": None,
            "reply_key": None,
        },
    ),
    Deletion(
        what="alerts_seen",
        text="Alerts that their recipient has seen.",
        setting="alerts_days",
        table=ALERT,
        due=lambda before: ALERT.c.seen_at < before,
    ),
    Deletion(
        what="alerts_unseen",
        text="Alerts that nobody ever saw.",
        setting="decisions_days",
        table=ALERT,
        due=lambda before: and_(ALERT.c.seen_at.is_(None), ALERT.c.opened_at < before),
    ),
    Deletion(
        what="referral_rows",
        text="That a person decided: what is left of a referral.",
        setting="accounts_days",
        table=REFERRAL,
        due=lambda before: and_(
            REFERRAL.c.expires_at < before,
            REFERRAL.c.state != ReferralState.OPEN.value,
            ~exists().where(REVIEW.c.referral_id == REFERRAL.c.referral_id),
        ),
    ),
    Deletion(
        what="task_rows",
        text="Who asked this agency about whom, and when: from then on no account of a child can name it.",
        setting="accounts_days",
        table=TASK,
        due=lambda before: and_(
            TASK.c.expires_at < before, _ENDED, ~exists().where(REFERRAL.c.task_id == TASK.c.task_id)
        ),
    ),
    Deletion(
        what="question_rows",
        text="Who of this agency asked about whom, and when: likewise.",
        setting="accounts_days",
        table=QUERY,
        due=lambda before: and_(_CLOSED, QUERY.c.expires_at < before),
    ),
)
