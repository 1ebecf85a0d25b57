"""Role by purpose by category to tier: what a whole bundle permits to be asked, by asking its engine."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from federation.canonical import JsonObject
from federation.errors import ErrorCode, WardgateError
from federation.policy.authoring.askers import Asker, Setting, askers, questions
from federation.policy.authoring.deciding import SANDBOXES, Decider, deciding
from federation.policy.authoring.opened import OpenedBundle
from federation.policy.decision import GatewayDecision
from federation.policy.engine import EntryPoint
from federation.policy.golden import golden_decisions
from federation.policy.results import Severity

NOTHING: Final = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """What an asker is permitted of a category.

    Attributes:
        usual: Tier where only what asking at all takes is met; empty for nothing.
        most: Tier where the purpose's further conditions, and the category's, are met too; empty for nothing.
    """

    usual: str
    most: str


@dataclass(frozen=True, slots=True)
class Row:
    """One asker.

    Attributes:
        asker: Who asks.
        cells: By category, those of which something is permitted.
        refused: Reasons against the query as a whole; then there are no cells.
    """

    asker: Asker
    cells: Mapping[str, Cell]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The whole picture.

    Attributes:
        revision: Of the bundle.
        setting: Where and when was asked.
        rows: One for each asker.
        titles: Of purposes, categories, roles and kinds of agency, by document and code.
        categories: Those shown, in the bundle's order.
        years: Of each purpose, how many years back a question goes that names no start.
    """

    revision: int
    setting: Setting
    rows: tuple[Row, ...]
    titles: Mapping[str, Mapping[str, str]]
    categories: tuple[str, ...]
    years: Mapping[str, int]

    def content(self) -> dict[str, Any]:
        """For programs."""
        return {
            "revision": self.revision,
            "area": self.setting.area,
            "date": self.setting.day.isoformat(),
            "rows": [
                {
                    **asdict(row.asker),
                    "default_period_years": self.years[row.asker.purpose],
                    "refused": list(row.refused),
                    "categories": {name: asdict(cell) for name, cell in row.cells.items()},
                }
                for row in self.rows
            ],
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be shown; empty for everything.

    Attributes:
        purposes: Codes.
        roles: Codes of the asker's role.
        kinds: Codes of the kind of the asker's agency.
        categories: Codes.
    """

    purposes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    def admits(self, asker: Asker) -> bool:
        """Whether an asker is to be shown."""
        return all(
            not wanted or value in wanted
            for value, wanted in ((asker.purpose, self.purposes), (asker.role, self.roles), (asker.kind, self.kinds))
        )

    def check(self, reference: Mapping[str, Any]) -> None:
        """Refuse what the bundle does not hold: an empty picture would read as "nothing is permitted".

        Raises:
            WardgateError: `PURPOSE_UNKNOWN`, `CATEGORY_UNKNOWN`, `USER_UNKNOWN` (a role), `AGENCY_UNKNOWN` (a kind).
        """
        for names, document, code in (
            (self.purposes, "purposes", ErrorCode.PURPOSE_UNKNOWN),
            (self.categories, "categories", ErrorCode.CATEGORY_UNKNOWN),
            (self.roles, "roles", ErrorCode.USER_UNKNOWN),
            (self.kinds, "agency_kinds", ErrorCode.AGENCY_UNKNOWN),
        ):
            for name in names:
                if name not in reference[document]:
                    raise WardgateError(code, f"{name}; there are {', '.join(reference[document])}")


def shown_area(opened: OpenedBundle) -> str:
    """The area in which the bundle's golden decisions are made, where none is named."""
    return str(_pattern(opened)["query"]["area"])


def matrix(opened: OpenedBundle, setting: Setting, wanted: Wanted) -> Matrix:
    """Ask for everybody, everything, once with the least and once with all that can be attested and approved.

    Raises:
        WardgateError: `BUNDLE_REJECTED`, `POLICY_UNAVAILABLE` (policy did not decide), or an unknown name.
    """
    wanted.check(opened.reference)
    return asyncio.run(_matrix(opened, setting, wanted))


async def _matrix(opened: OpenedBundle, setting: Setting, wanted: Wanted) -> Matrix:
    reference = opened.reference
    shown = tuple(name for name in reference["categories"] if not wanted.categories or name in wanted.categories)
    pattern = _pattern(opened)
    async with deciding(opened) as decider:
        few = asyncio.Semaphore(SANDBOXES)

        async def row(asker: Asker) -> Row:
            async with few:
                return await _row(decider, pattern, asker, setting, shown)

        rows = await asyncio.gather(*(row(asker) for asker in askers(reference) if wanted.admits(asker)))
    documents = ("purposes", "categories", "roles", "agency_kinds")
    titles = {name: {code: str(row["title"]) for code, row in reference[name].items()} for name in documents}
    years = {code: int(row["default_period_years"]) for code, row in reference["purposes"].items()}
    return Matrix(opened.bundle.id.revision, setting, tuple(rows), titles, shown, years)


def _pattern(opened: OpenedBundle) -> JsonObject:
    for golden in golden_decisions(opened.bundle):
        if golden.entry_point is EntryPoint.GATEWAY and golden.result.get("effect") == "permit":
            return golden.input
    raise WardgateError(ErrorCode.BUNDLE_REJECTED, "no golden decision of the gateway permits")


async def _row(decider: Decider, pattern: JsonObject, asker: Asker, setting: Setting, shown: Iterable[str]) -> Row:
    usual, refused_usually = await _tiers(decider, pattern, asker, setting, further=False)
    most, refused = await _tiers(decider, pattern, asker, setting, further=True)
    cells = {
        name: Cell(usual.get(name, NOTHING), most.get(name, NOTHING)) for name in shown if name in usual or name in most
    }
    return Row(asker, cells, () if usual or most else refused or refused_usually)


async def _tiers(
    decider: Decider, pattern: JsonObject, asker: Asker, setting: Setting, *, further: bool
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Highest tier of each category that some responder may be asked for, and the reasons where there is none."""
    tiers: dict[str, str] = {}
    refused: dict[str, None] = {}
    for document in questions(decider.opened.reference, pattern, asker, setting, further=further):
        decided = await decider.decide(EntryPoint.GATEWAY, document)
        decision = decided.decision
        if decision.failure is not None or not isinstance(decision, GatewayDecision):
            detail = f"{asker.purpose}, {asker.role}: {decision.failure} {decided.detail}"
            raise WardgateError(ErrorCode.POLICY_UNAVAILABLE, detail)
        refused |= dict.fromkeys(item.code for item in decision.reasons if item.severity is Severity.DENIAL)
        for granted in (granted for target in decision.targets for granted in target.categories):
            tiers[granted.name] = max(tiers.get(granted.name, NOTHING), granted.tier.value)
    return tiers, tuple(refused)
