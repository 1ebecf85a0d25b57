"""How much is measured: everything within minutes, or a little of everything within one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

CALLERS: Final = (1, 16)
PHASE_TARGETS: Final = 1
"""One responder: nothing runs at once, so the phases add up."""

PATH_TARGETS: Final = 5
"""Agencies of the query whose time is held against its critical path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Counts of everything.

    Attributes:
        targets: How many agencies are asked, one figure for each.
        own_processes: Responders that run as a process of their own; the others share one.
        rounds: How often whole query and floors take turns.
        whole: Whole queries in one round, by number of targets and of callers.
        floor_factor: So many times as many of a floor, which is that much quicker.
        phase_queries: Queries watched for the table of phases.
        phase_sizes: Numbers of targets in the table of phases.
        repetitions: Of each small part.
        decisions: Of each policy decision.
        appends: Ledger entries of each way of writing.
        indexed: Children of the caseload that is read.
    """

    targets: tuple[int, ...]
    own_processes: int
    rounds: int
    whole: Mapping[tuple[int, int], int] = field(repr=False)
    floor_factor: int
    phase_queries: int
    phase_sizes: tuple[int, ...]
    repetitions: int
    decisions: int
    appends: int
    indexed: int


FULL: Final = Plan(
    targets=(5, 20, 100),
    own_processes=5,
    rounds=3,
    whole={(5, 1): 40, (5, 16): 64, (20, 1): 20, (20, 16): 32, (100, 1): 8, (100, 16): 16},
    floor_factor=4,
    phase_queries=40,
    phase_sizes=(1, 5, 20),
    repetitions=2_000,
    decisions=100,
    appends=4_000,
    indexed=8_192,
)

QUICK: Final = Plan(
    targets=(5, 20),
    own_processes=1,
    rounds=1,
    whole={(5, 1): 8, (5, 16): 16, (20, 1): 4, (20, 16): 16},
    floor_factor=2,
    phase_queries=5,
    phase_sizes=(1, 5),
    repetitions=100,
    decisions=5,
    appends=200,
    indexed=256,
)
