"""A stored query as a picture: columns opened, and what its follower and the clocks have to say added."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final, cast

from sqlalchemy import Row

from agency_node.asking.picture import QueryView, TargetView, build_picture
from agency_node.asking.pursuit import Pursuit, Pursuits
from agency_node.store.asked import AskedState
from agency_node.vault import Kind, Vault
from federation.admission import AdmissionRecord, ObligationGiven, TargetDecision, reasons_kept
from federation.answer import Answer
from federation.canonical import JsonObject, from_json
from federation.clock_difference import ClockDifference
from federation.directory import TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.policy.catalogue import Catalogue
from federation.query import QueryHeader
from federation.vocabulary import TargetState

GATEWAY_SILENT: Final = "The gateway cannot be reached. The query is kept and is sent as soon as it can be."
GATEWAY_UNDECIDED: Final = (
    "The gateway's policy engine gives no decision at the moment. Nothing was refused: the query is kept and is put "
    "again until it expires."
)


class Viewing:
    """Makes pictures of stored queries."""

    def __init__(
        self,
        *,
        vault: Vault,
        directory: Callable[[], TrustedDirectory],
        catalogue: Callable[[], Catalogue],
        pursuits: Pursuits,
        clock_difference: Callable[[], ClockDifference | None],
    ) -> None:
        self._vault = vault
        self._directory = directory
        self._catalogue = catalogue
        self._pursuits = pursuits
        self._clock_difference = clock_difference

    def picture(self, row: Row[Any], targets: Sequence[Row[Any]]) -> JsonObject:
        """The picture as the store has it."""
        views = [self._target_view(row, target) for target in targets]
        return build_picture(self._query_view(row), views, self._catalogue())

    def unread(self, row: Mapping[str, Any], targets: Sequence[Mapping[str, Any]], warning: str) -> JsonObject:
        """The picture without the store: of a query that was put a moment ago, and of what its follower knows.

        Args:
            row: The query as it was to be stored.
            targets: Its targets, likewise.
            warning: Why the store is not asked.
        """
        pursuit = self._pursuits.following(row["query_id"])
        states = pursuit.states if pursuit is not None else {}
        query, nothing = _as_row(row), {"decision": None, "answer": None}
        view = self._query_view(query)
        targets_now = [
            _as_row({**target, **nothing, "state": states.get(target["responder"], target["state"])})
            for target in targets
        ]
        warned = replace(view, warnings=[*view.warnings, warning])
        return build_picture(warned, [self._target_view(query, target) for target in targets_now], self._catalogue())

    def _query_view(self, row: Row[Any]) -> QueryView:
        kept = from_json(
            self._vault.open(Kind.ASKED_QUESTION, row.query_id, row.question), max_bytes=64 * 1024, what="question"
        )
        admission = AdmissionRecord.parse(row.admission) if row.admission else None
        clock = self._clock_difference()
        reasons = reasons_kept(kept["reasons"])
        obligations = [ObligationGiven.model_validate(item, strict=False) for item in kept["obligations"]]
        pursuit = self._pursuits.following(row.query_id)
        silence = pursuit.last_error if pursuit is not None and admission is None else None
        return QueryView(
            query_id=row.query_id,
            purpose=row.purpose,
            effect=row.effect,
            asked_at=row.asked_at,
            deadline_at=row.deadline_at,
            expires_at=row.expires_at,
            closed=row.state != AskedState.OPEN,
            reasons=[*reasons, *(admission.reasons if admission else [])],
            obligations=[*obligations, *(admission.obligations if admission else [])],
            header=self._header(row),
            warnings=[
                *([] if silence is None else [_silence(silence)]),
                *([] if clock is None or row.state == AskedState.CLOSED else [str(clock)]),
                *self._clocks_of_targets(pursuit),
            ],
            receipt=from_json(row.receipt, max_bytes=64 * 1024, what="receipt") if row.receipt else None,
            error=row.error,
        )

    def _clocks_of_targets(self, pursuit: Pursuit | None) -> list[str]:
        """What is known of responders whose clock is wrong: they may answer nothing until it is set."""
        if pursuit is None:
            return []
        agencies = self._directory().agencies
        names = {name: agencies[name].descriptor.name if name in agencies else name for name in pursuit.clocks}
        return [
            f"The clock of {names[responder]} {_compared(pursuit.clocks[responder])}: it may answer nothing until it "
            "is set."
            for responder in sorted(pursuit.clocks)
            if pursuit.clocks[responder] != 0 and responder not in pursuit.answered
        ]

    def _header(self, row: Row[Any]) -> QueryHeader | None:
        return QueryHeader.parse_kept(row.header) if row.header else None

    def _target_view(self, row: Row[Any], target: Row[Any]) -> TargetView:
        agency = self._directory().agencies.get(target.responder)
        decision = TargetDecision.parse(target.decision) if target.decision else None
        answer = None
        if target.answer is not None:
            place = f"{row.query_id}/{target.responder}"
            answer = Answer.parse(self._vault.open(Kind.ANSWER, place, target.answer))
        return TargetView(
            agency=target.responder,
            name=agency.descriptor.name if agency else target.responder,
            kind=agency.descriptor.kind if agency else "",
            state=TargetState(target.state),
            settled=target.settled,
            late=target.late,
            absent_until=target.absent_until,
            reasons=tuple(decision.reasons) if decision else (),
            obligations=tuple(decision.obligations) if decision else (),
            answer=answer,
            fault=target.fault,
        )


def _compared(ahead_s: int | None) -> str:
    if ahead_s is None:
        return "differs from the gateway's"
    return f"is about {abs(ahead_s)} seconds {'ahead of' if ahead_s > 0 else 'behind'} the gateway's"


def _silence(error: WardgateError) -> str:
    """Why a query has not been taken yet, and by whom."""
    if error.code in (ErrorCode.PEER_UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED):
        return GATEWAY_SILENT
    if error.code is ErrorCode.POLICY_UNAVAILABLE:
        return GATEWAY_UNDECIDED
    return f"The query has not been taken yet. {error.spec.public} It is kept and tried again."


def _as_row(values: Mapping[str, Any]) -> Row[Any]:
    """What was to be stored, read as if it had been."""
    return cast("Row[Any]", SimpleNamespace(**values))
