"""Accounts for one child from this node's own store: who asked us, what we told, who of us asked, decided and looked.

Policy decides whether a person may have it, for what reason and which parts of it (`wardgate/audit/decision`); the
look is in the ledger, as `disclosures_accounted` or `audit_refused`, before anything of it is shown. Nobody outside is
needed for a child on the caseload. Of any other child the questions of other agencies are found by its pseudonym, which
both holders make; where they are away, the account says that those are missing.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.accounting.account import Sources, account_of, actors_in, released
from agency_node.accounting.order import AccountOrder
from agency_node.answering.duties import alerts
from agency_node.asking.own_pseudonyms import PseudonymSource
from agency_node.asking.question import number_of
from agency_node.inbox.alerts import Act, new_alerts
from agency_node.store import accounts as store
from agency_node.store.alerts import alerts_opened
from agency_node.store.asked import decision_kept
from agency_node.users import User, UsersFile
from agency_node.vault import Kind, Vault
from agency_node.wording import reasons_shown
from federation.actor import Actor
from federation.admission import reasons_given
from federation.canonical import JsonObject, from_json
from federation.correlation_id import CorrelationId
from federation.directory import TrustedDirectory
from federation.england import ENGLAND, date_in_england
from federation.errors import WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.reader import Criteria, StoredEntry
from federation.ledger.writes import Write
from federation.limits import MAX_MESSAGE_BYTES
from federation.policy.decision import AuditDecision
from federation.policy.engine import WAIT_S, EntryPoint
from federation.policy.evaluator import Evaluated, PolicyPoint
from federation.policy_input import agency_input, policy_time, requester_input
from keys.nhs_number import NhsNumber


class LookAction(StrEnum):
    """What a person wants to do with this node's ledger."""

    ACCOUNT = "account"


class Accounting:
    """The accounts of one agency."""

    def __init__(
        self,
        *,
        agency: str,
        users: UsersFile,
        directory: Callable[[], TrustedDirectory],
        policy: PolicyPoint,
        pseudonyms: PseudonymSource,
        engine: AsyncEngine,
        journal: Journal,
        vault: Vault,
        clock: Callable[[], float],
        test_numbers: bool,
    ) -> None:
        self._agency = agency
        self._users = users
        self._directory = directory
        self._policy = policy
        self._pseudonyms = pseudonyms
        self._engine = engine
        self._journal = journal
        self._vault = vault
        self._clock = clock
        self._test_numbers = test_numbers

    async def account(self, order: AccountOrder) -> JsonObject:
        """The account as far as policy lets this person see it, or why not.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NHS_NUMBER_INVALID`, `AGENCY_UNKNOWN` (this node is not enrolled),
                `POLICY_UNAVAILABLE`, `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`.
        """
        user = self._users.current().employed(order.user, date_in_england(self._clock()))
        child = number_of(order.child, test_numbers=self._test_numbers)
        first = await self._decide(order, user, Sources(store.NOTHING, {}))
        if not first.decision.permitted:  # whoever may not look has nothing read, and no holder asked
            return await self._refused(order, user, child, first)
        keys, missing = await self._keys(child)
        sources = await self._sources(child, keys)
        evaluated = await self._decide(order, user, sources)
        decision = evaluated.decision
        if not decision.permitted:
            return await self._refused(order, user, child, evaluated)
        await self._record(order, user, child, evaluated)
        return {
            "effect": decision.effect.value,
            "decision_id": evaluated.record.id,
            "reason": order.reason,
            "parts": list(decision.parts),
            "strangers_not_searched": missing,
            **account_of(sources, decision.parts),
        }

    async def _refused(
        self, order: AccountOrder, user: User, child: NhsNumber, evaluated: Evaluated[AuditDecision]
    ) -> JsonObject:
        await self._record(order, user, child, evaluated)
        reasons = reasons_given(evaluated.decision.reasons)
        return {"effect": "deny", "reasons": reasons_shown(reasons, self._policy.catalogue)}

    async def _keys(self, child: NhsNumber) -> tuple[list[str], str]:
        """Under which keys the child may stand; and why that of a stranger could not be made, where it was not."""
        known = self._vault.child_key(child)
        try:
            own = await self._pseudonyms.pseudonym_of(child)
        except WardgateError as error:
            return [known], str(error.code)
        return [known, self._vault.stranger_key(own.pseudonym)], ""

    async def _sources(self, child: NhsNumber, keys: list[str]) -> Sources:
        about = await store.about(self._engine, keys)
        entries = {query_id: await self._entries(Criteria(query_id=query_id)) for query_id in about.query_ids}
        told = {
            str(body["decision_id"]): await self._told(body)
            for row in about.tasks
            for entry in entries[row.query_id]
            if entry.kind in (EntryKind.ANSWERED, EntryKind.REFERRAL_OPENED)
            for body in (entry.body["decision"], *entry.body["further_decisions"])
        }
        people: dict[str, str] = {self._vault.user_ref(user_id): user_id for user_id in self._users.current().by_id}
        earlier = await self._entries(Criteria(kind=EntryKind.DISCLOSURES_ACCOUNTED))
        looks = [entry for entry in earlier if entry.body["child"] == self._child_in(entry.correlation_id, child)]
        return Sources(about, entries, told, people, looks)

    async def _entries(self, criteria: Criteria) -> list[Entry]:
        found: list[StoredEntry] = []
        while True:
            page = await self._journal.search(replace(criteria, start=found[-1].index + 1 if found else 0))
            found += page
            if len(page) < criteria.limit:
                return [stored.entry for stored in found]

    async def _told(self, body: JsonObject) -> list[JsonObject]:
        """What a decision released; nothing once its input is erased, which is not before its child key."""
        decision_id = str(body["decision_id"])
        kept = await store.kept_decision(self._engine, decision_id)
        if kept is None:
            return []
        document = self._vault.open(Kind.DECISION_INPUT, decision_id, kept[0])
        result = self._vault.open(Kind.DECISION_INPUT, f"{decision_id}/result", kept[1])
        read = (from_json(content, max_bytes=MAX_MESSAGE_BYTES, what="decision") for content in (result, document))
        return released(*read)

    def _child_in(self, decision_id: str, child: NhsNumber) -> str:
        """How an entry names the child: equal for nobody else, and different in every entry."""
        return self._vault.content_digest(f"account {decision_id} {self._vault.child_key(child)}".encode())

    async def _decide(self, order: AccountOrder, user: User, sources: Sources) -> Evaluated[AuditDecision]:
        now, ref = self._clock(), self._vault.user_ref(user.id)
        own = self._directory().agency(self._agency).descriptor
        approvals = [
            {"role": approver.role, "kind": kind, "user_ref": self._vault.user_ref(approver.id)}
            for approver, kind in self._approvers(order, user)
        ]
        document: JsonObject = {
            "time": policy_time(now),
            "requester": requester_input(own, user_ref=ref, role=user.role),
            "user": user.policy_input(ref),
            "look": {
                "action": LookAction.ACCOUNT.value,
                "reason": order.reason,
                "ledger": "node",
                "owner": agency_input(own)["id"],
                "concerns_viewer": ref in actors_in(sources),
                "approvals": approvals,
                "looks_day": await self._looks_today(ref),
            },
        }
        return (await self._policy.decide(EntryPoint.AUDIT, document, WAIT_S)).decided()

    def _approvers(self, order: AccountOrder, asker: User) -> list[tuple[User, str]]:
        users, today = self._users.current(), date_in_england(self._clock())
        return [(users.employed(named.user, today), named.kind) for named in order.approvals if named.user != asker.id]

    async def _looks_today(self, ref: str) -> int:
        """Looks of a person since midnight in England, refused ones too."""
        midnight = _midnight(self._clock())
        kinds = (EntryKind.DISCLOSURES_ACCOUNTED, EntryKind.AUDIT_REFUSED)
        found = [entry for kind in kinds for entry in await self._entries(Criteria(kind=kind, since=midnight))]
        return sum(entry.body["user_ref"] == ref for entry in found)

    async def _record(
        self, order: AccountOrder, user: User, child: NhsNumber, evaluated: Evaluated[AuditDecision]
    ) -> None:
        now, record, ref = int(self._clock()), evaluated.record, self._vault.user_ref(user.id)
        permitted = evaluated.decision.permitted
        entry = Entry(
            kind=EntryKind.DISCLOSURES_ACCOUNTED if permitted else EntryKind.AUDIT_REFUSED,
            at=now,
            actor=Actor.user(ref),
            correlation_id=CorrelationId(record.id),
            body={
                "user_ref": ref,
                "role": user.role,
                "action": LookAction.ACCOUNT.value,
                "reason": order.reason,
                "approvals": [self._vault.user_ref(approver.id) for approver, _ in self._approvers(order, user)],
                "child": self._child_in(record.id, child),
                "decision": record.body(),
            },
        )
        act = Act(record.id, record.id, self._agency, ref, user.role, purpose=order.reason)
        writes: list[Write] = [
            decision_kept(
                {
                    "decision_id": record.id,
                    "entry_point": EntryPoint.AUDIT.value,
                    "decided_at": now,
                    "content": self._vault.seal(Kind.DECISION_INPUT, record.id, evaluated.input_json),
                    "result": b"",  # it stands in the entry, in whole
                }
            ),
            *alerts_opened(new_alerts(alerts(evaluated.decision.obligations), act, at=now)),
        ]
        await self._journal.record([entry], writes)


def _midnight(now: float) -> int:
    return int(datetime.combine(date_in_england(now), datetime.min.time(), tzinfo=ENGLAND).timestamp())
