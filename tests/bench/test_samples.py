"""What is said of measurements follows from them: ranks, lines, ratios, paths."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.critical import critical_path, path_on_cores_s, path_s, responder_step
from bench.measures import Measures
from bench.parts import Part, Parts
from bench.samples import median, percentile, slope

SOME = st.lists(st.floats(0, 1e6), min_size=1, max_size=50)


@given(SOME, st.floats(0, 100))
def test_a_percentile_is_the_smallest_value_that_so_many_are_not_above(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100
    below = [value for value in values if value < found]
    assert not below or len(below) < len(values) * percent / 100


def test_nothing_measured_is_no_figure() -> None:
    with pytest.raises(ValueError, match="no values"):
        median([])
    with pytest.raises(ValueError, match="two different places"):
        slope([(1.0, 2.0), (1.0, 3.0)])


@given(st.floats(-100, 100), st.floats(-100, 100), st.sets(st.integers(-1_000, 1_000), min_size=2, max_size=20))
def test_a_line_is_found_again_from_its_points(growth: float, start: float, places: set[int]) -> None:
    found = slope([(place, start + growth * place) for place in places])
    assert found == pytest.approx((growth, start), abs=1e-6)


def test_a_figure_is_written_with_its_floor_ratio_and_goal_and_taken_once(tmp_path: Path) -> None:
    measures = Measures()
    measures.add("leg.cpu", 3.0, "us", floor=2.0, goal=1.5)
    measures.add("alone", 4.0, "ms")
    with pytest.raises(ValueError, match="already"):
        measures.add("alone", 5.0, "ms")
    measures.write(tmp_path / "below" / "bench.json")
    assert json.loads((tmp_path / "below" / "bench.json").read_text(encoding="utf-8")) == {
        "leg.cpu": {"value": 3.0, "unit": "us", "floor": 2.0, "ratio": 1.5, "goal": 1.5},
        "alone": {"value": 4.0, "unit": "ms", "floor": None, "ratio": None, "goal": None},
    }


def parts_of(each_s: float) -> Parts:
    """Every part takes as long as every other."""
    part = Part(cpu_s=each_s, wall_s=each_s)
    return Parts(
        multiply=part,
        prove=part,
        check=part,
        unblind=part,
        sign=part,
        verify=part,
        seal=part,
        open=part,
        append=part,
        asker_policy=part,
        node_policy=part,
        gateway_policy={5: part},
        grouped_append_cpu_s={5: each_s},
    )


def test_a_path_counts_what_grows_with_the_targets_so_often_and_all_else_once() -> None:
    steps = critical_path(parts_of(1.0), targets=5, hop_s=0.0, fan_out_s=0.0)
    by_name = {step.name: step.wall_s for step in steps}
    assert by_name["asker: blind, seal, sign"] == 5 + (5 + 1) + 2
    assert by_name["gateway: multiply, prove"] == by_name["gateway: check proofs, verify"] == 5 + 5
    assert by_name["trustee: verify, check proofs, durable"] == 1 + 5 + 1
    assert by_name["trustee: multiply, prove, sign"] == 3 * 5
    assert by_name["gateway: verify, durable"] == 2
    assert path_s(critical_path(parts_of(1.0), targets=5, hop_s=10.0, fan_out_s=100.0)) == path_s(steps) + 120


@pytest.mark.parametrize(("cores", "waits"), [(1, 4.0), (2, 1.5), (5, 0.0), (64, 0.0)])
def test_responders_without_a_core_of_their_own_wait_for_each_other(cores: int, waits: float) -> None:
    parts = parts_of(1.0)
    steps, responder = critical_path(parts, targets=5, hop_s=0.0, fan_out_s=0.0), responder_step(parts)
    found = path_on_cores_s(steps, responder, targets=5, cores=cores)
    assert found == pytest.approx(path_s(steps) + waits * responder.cpu_s)
