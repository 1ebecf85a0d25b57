"""What a gateway deletes when its time is up. Periods: `gateway.settings.Retention`."""

from typing import Final

from sqlalchemy import and_, func

from federation.retention import Deletion
from gateway.store.exchange import DECISION, QUERY
from gateway.store.misuse import MISUSE
from gateway.store.tables import Enrolment, EvaluationCount, KeyReset, table
from gateway.store.teams import ORDER

ENROLMENT, RESET, COUNT = table(Enrolment), table(KeyReset), table(EvaluationCount)

DELETIONS: Final[tuple[Deletion, ...]] = (
    Deletion(
        what="decisions",
        text="Inputs of decisions, kept encrypted for replay; their digests stay in the ledger.",
        setting="decisions_days",
        table=DECISION,
        due=lambda before: DECISION.c.decided_at < before,
    ),
    Deletion(
        what="envelopes",
        text="Audit envelopes of closed queries, sealed to the auditors: from then on nobody can tell whom they were "
        "about.",
        setting="envelopes_days",
        table=QUERY,
        due=lambda before: and_(
            QUERY.c.closed_at > 0, QUERY.c.closed_at < before, func.length(QUERY.c.audit_envelope) > 0
        ),
        values={"audit_envelope": b""},
    ),
    Deletion(
        what="queries",
        text="Closed queries: signed header, admission, decisions and the states of their targets.",
        setting="queries_days",
        table=QUERY,
        due=lambda before: and_(QUERY.c.closed_at > 0, QUERY.c.closed_at < before),
    ),
    Deletion(
        what="team_orders",
        text="Signed orders behind changes of teams and case grants; the teams and grants stay.",
        setting="decisions_days",
        table=ORDER,
        due=lambda before: ORDER.c.carried_out_at < before,
    ),
    Deletion(
        what="misuse",
        text="Notices of misuse that was refused; the ledger keeps who, when and why.",
        setting="decisions_days",
        table=MISUSE,
        due=lambda before: MISUSE.c.reported_at < before,
    ),
    Deletion(
        what="counters",
        text="Counters of evaluations, by agency and hour.",
        setting="counters_days",
        table=COUNT,
        due=lambda before: COUNT.c.hour_start < before,
    ),
    Deletion(
        what="enrolments",
        text="Invitations that were rejected, or never taken up, counted from the end of their token.",
        setting="enrolments_days",
        table=ENROLMENT,
        due=lambda before: and_(
            ENROLMENT.c.progress.in_(["invited", "rejected"]), ENROLMENT.c.token_expires_at < before
        ),
    ),
    Deletion(
        what="key_resets",
        text="Invitations to replace lost keys that were rejected, or never taken up, counted likewise.",
        setting="enrolments_days",
        table=RESET,
        due=lambda before: and_(RESET.c.progress.in_(["invited", "rejected"]), RESET.c.token_expires_at < before),
    ),
)
