"""A machine that has something else to do: every target is answered before its query expires, and none with `error`."""

import asyncio
import json
from pathlib import Path

import pytest

from bench.busy import GOAL_PERCENT, BusyPlan, run_busy
from tests.bench.test_run import own_logging

__all__ = ["own_logging"]

SMALL = BusyPlan(loops=2, callers=4, queries={2: 8}, own_processes=1, look_again_s=60)


def asked_beside(plan: BusyPlan, out: Path) -> None:
    tally = asyncio.run(run_busy(plan, out, lambda _: None))
    figures = json.loads(out.read_text())
    for targets, queries in plan.queries.items():
        share = tally.share(targets)
        assert share.asked == targets * queries
        assert share.percent >= GOAL_PERCENT
        assert (share.errors, share.lost) == (0, 0)
        assert figures[f"busy.n{targets}.c{plan.callers}.answered"]["value"] == share.percent
    assert isinstance(json.loads(out.with_suffix(".unanswered.json").read_text()), list)


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.usefixtures("own_logging")
def test_beside_busy_loops_every_target_is_answered(tmp_path: Path) -> None:
    asked_beside(SMALL, tmp_path / "busy.json")


@pytest.mark.nightly
@pytest.mark.system
@pytest.mark.timeout(1_800)
@pytest.mark.usefixtures("own_logging")
def test_beside_four_busy_loops_twenty_and_a_hundred_targets_are_answered(tmp_path: Path) -> None:
    asked_beside(BusyPlan(), tmp_path / "busy.json")
