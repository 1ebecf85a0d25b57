"""How much one agency may have evaluated and translated: charges, windows and limits, without I/O.

Every guess at a child's identifier costs an evaluation or a translated point that a node signed, so these limits are
what stands between one stolen node and a list of children. An act makes one or more charges, each against one window;
the store adds them up in the transaction that also writes the ledger entry, and `exceeded` judges the totals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from federation.settings import Section

HOUR_S: Final = 3_600
DAY_S: Final = 24 * HOUR_S
EPOCHS_AT_MOST: Final = 1_000_000
"""More than any scope will ever have."""


class CounterKind(StrEnum):
    """What is counted. The gateway counts the same under the same names; a daily reconciliation compares."""

    CASELOAD_EVALUATION = "evaluate_caseload"
    """Blinded points evaluated to index a caseload."""
    QUERY_EVALUATION = "evaluate_query"
    """Blinded points evaluated to ask about a child who is not on the caseload."""
    TICKET = "ticket"
    """Tickets, one per query."""
    TRANSLATION = "translate"
    """Translated points, one per target of a query."""


class Window(StrEnum):
    """What a counter counts within."""

    HOUR = "hour"
    DAY = "day"
    EPOCH = "epoch"


class Quotas(Section):
    """The trustee's own limits for each agency. Nothing the gateway says raises them."""

    caseload_percent: int = Field(
        110,
        ge=100,
        le=200,
        description="Points of caseload indexing in one epoch, as a percentage of the caseload the agency declared.",
    )
    query_evaluations_per_hour: int = Field(
        500,
        ge=1,
        description="Points evaluated to ask about children who are not on the caseload: ten times the busiest hour of "
        "an authority of 100,000 children.",
    )
    query_evaluations_per_day: int = Field(
        2_000,
        ge=1,
        description="The same within a day (UTC). It bounds guessing: at this rate a stolen node needs 373 years for "
        "the NHS numbers in issue.",
    )
    tickets_per_hour: int = Field(2_000, ge=1, description="Queries an agency may ask, whoever they are about.")
    translations_per_hour: int = Field(
        40_000, ge=1, description="Translated points, one for each target of a query: twenty for each ticket."
    )


@dataclass(frozen=True, slots=True)
class Charge:
    """`count` more of `kind` in one window; `limit` is the highest total allowed, None where it is only counted.

    `start` is the window's first second (hour, day) or the epoch's number; each reset of the agency's keys, which came
    with a caseload approved anew, has numbers of its own (`epoch_window`).
    """

    kind: CounterKind
    window: Window
    start: int
    count: int
    limit: int | None

    @property
    def counter(self) -> tuple[CounterKind, Window, int]:
        """The counter this charge goes to, for one agency."""
        return self.kind, self.window, self.start


Totals = Mapping[tuple[CounterKind, Window, int], int]
"""Each counter's value after the charges were added."""


def hour_of(now: float) -> int:
    """First second of the hour."""
    return int(now) // HOUR_S * HOUR_S


def day_of(now: float) -> int:
    """First second of the day (UTC)."""
    return int(now) // DAY_S * DAY_S


def caseload_limit(caseload: int, quotas: Quotas) -> int:
    """Points of caseload indexing that one epoch allows, for a declared caseload."""
    return caseload * quotas.caseload_percent // 100


def epoch_window(epoch: int, resets: int) -> int:
    """Number of the window that an epoch is, after so many resets of the agency's keys: what was lost is read again."""
    return epoch + resets * EPOCHS_AT_MOST


def evaluation_charges(
    use: Literal["caseload", "query"],
    *,
    count: int,
    epoch: int,
    caseload: int,
    now: float,
    quotas: Quotas,
    resets: int = 0,
) -> tuple[Charge, ...]:
    """What evaluating `count` points costs.

    Args:
        use: What the node signed that it does with the points.
        count: Points.
        epoch: Pseudonym epoch of the agency's scope.
        caseload: Children the agency declared and the trustee accepted.
        now: Seconds since the epoch.
        quotas: The trustee's limits.
        resets: How often the agency's keys were replaced after it had lost them.
    """
    if use == "caseload":
        kind = CounterKind.CASELOAD_EVALUATION
        return (
            Charge(kind, Window.EPOCH, epoch_window(epoch, resets), count, caseload_limit(caseload, quotas)),
            Charge(kind, Window.HOUR, hour_of(now), count, None),
        )
    kind = CounterKind.QUERY_EVALUATION
    return (
        Charge(kind, Window.DAY, day_of(now), count, quotas.query_evaluations_per_day),
        Charge(kind, Window.HOUR, hour_of(now), count, quotas.query_evaluations_per_hour),
    )


def translation_charges(*, points: int, first: bool, now: float, quotas: Quotas) -> tuple[Charge, ...]:
    """What translating `points` more points of a ticket costs; the ticket itself is counted when it is first shown."""
    hour = hour_of(now)
    charge = Charge(CounterKind.TRANSLATION, Window.HOUR, hour, points, quotas.translations_per_hour)
    if not first:
        return (charge,)
    return Charge(CounterKind.TICKET, Window.HOUR, hour, 1, quotas.tickets_per_hour), charge


def exceeded(charges: Sequence[Charge], totals: Totals) -> Charge | None:
    """The first charge that takes its counter over its limit."""
    for charge in charges:
        if charge.limit is not None and totals[charge.counter] > charge.limit:
            return charge
    return None
