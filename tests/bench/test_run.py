"""The whole measurement, as small as it gets: it comes to its end, and every figure that is promised is there."""

import json
import logging
from collections.abc import Iterator
from dataclasses import fields
from math import isfinite
from pathlib import Path

import pytest

from bench.phases import PHASES
from bench.plan import CALLERS, FULL, QUICK, Plan
from bench.run import run

TINY = Plan(
    targets=(2, 5),
    own_processes=1,
    rounds=1,
    whole={(targets, callers): 2 for targets in (2, 5) for callers in CALLERS},
    floor_factor=1,
    phase_queries=1,
    phase_sizes=(1, 2),
    repetitions=5,
    decisions=2,
    appends=16,
    indexed=8,
)


@pytest.fixture
def own_logging() -> Iterator[None]:
    """A run sends every log of its process to a file that is deleted with it: later tests could not log any more."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.mark.parametrize("plan", [FULL, QUICK, TINY], ids=["full", "quick", "tiny"])
def test_a_plan_measures_every_number_of_targets_with_every_number_of_callers(plan: Plan) -> None:
    assert plan.whole.keys() == {(targets, callers) for targets in plan.targets for callers in CALLERS}
    assert all(getattr(plan, field.name) for field in fields(plan))


def test_every_watched_phase_is_still_there_to_be_watched() -> None:
    assert [row for row in PHASES if not callable(getattr(row.owner, row.name, None))] == []


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.usefixtures("own_logging")
async def test_a_whole_run_writes_every_figure_with_its_floor(tmp_path: Path) -> None:
    await run(TINY, tmp_path / "bench.json")

    found = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    for targets in TINY.targets:
        for callers in CALLERS:
            leg = found[f"leg.n{targets}.c{callers}.cpu"]
            assert (leg["unit"], leg["goal"]) == ("us", 1.5)
        assert found[f"query.n{targets}.c1.p50"]["ratio"] > 1
    assert {name.split(".")[0] for name in found} == {
        "policy", "journal", "query", "bare_grpc", "aiohttp", "leg", "path", "responder", "phases", "indexing", "part",
    }  # fmt: skip
    for name, measure in found.items():
        assert measure.keys() == {"value", "unit", "floor", "ratio", "goal"}, name
        assert isfinite(measure["value"]), name
        # A slope is a difference of times, and below 0 where a busy machine was slower early than late.
        assert measure["value"] >= 0 or name.endswith("slope"), name
        if measure["floor"]:
            assert measure["ratio"] == pytest.approx(measure["value"] / measure["floor"]), name
