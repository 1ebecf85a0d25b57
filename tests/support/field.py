"""An agency's node over real exports: shipped mapping, real caseload, store, policy and cryptography, in one process.

What a field case hands to a node, and what the node then answers about a child, end to end: indexed, asked under
`S47_ENQ` by children's social care, weighed by the real bundle, sealed, opened.
"""

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agency_node.answering.desk import Reply
from agency_node.caseload.update import CaseloadReport
from agency_node.sources.opening import SourceSettings, open_source
from agency_node.sources.source import Source
from agency_node.store.tables import TaskState
from federation.answer import Answer
from federation.policy.evaluator import PolicyPoint
from federation.vocabulary import Outcome, Tier
from keys.nhs_number import NhsNumber
from tests.support.node_house import NodeHouse, a_node
from tests.support.two_agencies import NOW, REQUESTER, RESPONDER, Federation, Party, Put

TODAY: Final = dt.date(2026, 11, 22)
"""The day of `NOW` in England."""

STRANGER: Final = "9990006105"
"""A valid number that no case holds."""

VALUES: Final = {
    "duty_contact": "01632 960100",
    "local_authority": "Testshire",
    "safeguarding_lead_contact": "01632 960101",
    "school_name": "Testshire School",
    "dsl_name": "Sam Okoro",
    "dsl_contact": "01632 960102",
    "team_contact": "01632 960103",
    "team_name": "Testshire Youth Justice",
}


@dataclass
class Field:
    """A node over one source.

    Attributes:
        house: The node.
        categories: What is asked about, by name.
    """

    house: NodeHouse
    categories: tuple[str, ...]

    async def index(self) -> CaseloadReport:
        """Read the source, a second later than last time."""
        self.house.clock.now += 1
        return await self.house.caseload.update()

    async def settle(self) -> None:
        """A first reading that a person accepts, and a second one that is held against it."""
        await self.index()
        await self.accept()
        await self.index()

    async def accept(self, *datasets: str) -> None:
        """A person accepts what was read, of these datasets or of all."""
        for state in await self.house.desk.states():
            if not datasets or state["dataset"] in datasets:
                await self.house.desk.accept(
                    str(state["source"]), str(state["dataset"]), user="dsl", reason="Compared with the system."
                )

    async def answer(self, number: str, *, tier: str = "T2") -> Answer:
        """What the requester gets about a child."""
        put, reply = await self._asked(number, tier)
        assert reply.answer is not None, reply.state
        return put.opened(reply.answer)

    async def waits_for_a_person(self, number: str) -> bool:
        """Whether a question about a child is put before a person here, and nothing is told until then."""
        _, reply = await self._asked(number, "T2")
        return reply.state is TaskState.REFERRED and reply.answer is None

    async def _asked(self, number: str, tier: str) -> tuple[Put, Reply]:
        self.house.clock.now += 1
        asked = tuple((name, tier) for name in self.categories)
        put = self.house.federation.ask(NhsNumber(number), categories=asked, now=self.house.clock())
        assert await self.house.accept(put.task) is TaskState.ACCEPTED
        return put, await self.house.answering.answer(put.task.task_id)

    async def outcome(self, number: str) -> Outcome:
        """The answer's outcome."""
        return (await self.answer(number)).outcome

    async def pointers(self, number: str) -> dict[str, set[str]]:
        """Categories of which the answer says no more than that something is held, each with the reasons told."""
        records = (await self.answer(number)).records
        return {
            record.category: {reason.code for reason in record.reasons}
            for record in records
            if (record.tier, record.fields, record.date) == (Tier.T0, {}, "")
        }

    async def told(self, number: str, *fields: str) -> list[tuple[str | int | bool | None, ...]]:
        """These fields of every record in the answer, pointers left out."""
        records = (await self.answer(number)).records
        return [tuple(map(record.fields.get, fields)) for record in records if record.tier is not Tier.T0]

    async def is_hidden(self, number: str, *, stranger: str = STRANGER) -> bool:
        """Whether what is said of a child is what is said of nobody, but for the question's id and the time."""
        hidden, absent = await self.answer(number), await self.answer(stranger)
        same = {"query_id": absent.query_id, "answered_at": absent.answered_at}
        assert absent.outcome is Outcome.NOTHING_HELD, "absence cannot be claimed here of anybody"
        return hidden.model_copy(update=same).canonical() == absent.canonical()

    async def states(self) -> dict[str, str]:
        """How every dataset stands; those that the agency does not have are left out."""
        found = await self.house.desk.states()
        return {str(state["dataset"]): str(state["state"]) for state in found if state["state"] != "absent"}

    async def differences(self) -> list[tuple[str, str, str]]:
        """What a reading would change: change, child, and the record's id or the flag; nothing is written."""
        found: list[tuple[str, str, str]] = []
        for source in await self.house.caseload.compare():
            differences: Any = source["differences"]
            found += [(item["change"], item["child"], item["flag"] or item["record"]) for item in differences]
        return sorted(found)

    async def rejects(self) -> list[tuple[str, str]]:
        """Rows that nobody has dismissed: dataset and reason."""
        found = await self.house.desk.rejects("dsl", with_rows=False)
        return sorted((str(item["dataset"]), str(item["reason"])) for item in found)

    async def dismiss(self, reason: str) -> int:
        """A person dismisses every row that was rejected for this reason; how many there were."""
        found = [item for item in await self.house.desk.rejects("dsl", with_rows=False) if item["reason"] == reason]
        for item in found:
            await self.house.desk.dismiss("dsl", str(item["reject_id"]), "Seen in the system.")
        return len(found)

    async def faults(self) -> dict[str, str]:
        """Every dataset that is not believed, and why."""
        return {
            str(state["dataset"]): str(state["fault"]) for state in await self.house.desk.states() if state["fault"]
        }


@asynccontextmanager
async def a_field_node(
    url: str,
    policy: PolicyPoint,
    *,
    kind: str,
    mapping: str,
    location: str | Path,
    categories: tuple[str, ...],
    values: Mapping[str, str] = VALUES,
    others: Sequence[Source] = (),
    **changes: Any,
) -> AsyncIterator[Field]:
    """A node of an agency of this kind, over one source or more.

    Args:
        url: Of its store.
        policy: The real bundle.
        kind: The agency's kind.
        mapping: A shipped mapping's name, or a mapping file's path.
        location: What the mapping's kind asks for.
        categories: What is asked about.
        values: The settings that the mapping asks for.
        others: Further sources.
        changes: Further arguments of `a_node`.
    """
    legal_class = "S16E_EDU" if kind == "school" else "S11_1"
    federation = Federation(
        parties={
            REQUESTER: Party(REQUESTER, "childrens_services"),
            RESPONDER: Party(RESPONDER, kind, legal_class),
        }
    )
    source = a_source("source", mapping, location, values)
    async with a_node(url, policy, federation=federation, sources=[source, *others], **changes) as house:
        yield Field(house, categories)


def a_source(name: str, mapping: str, location: str | Path, values: Mapping[str, str] = VALUES) -> Source:
    """A source as a node opens it."""
    settings = SourceSettings(name, mapping, str(location), dict(values))
    return open_source(settings, today=lambda: TODAY, clock=lambda: NOW, test_numbers=True)
