"""Straight lines through measurements."""

import pytest

from bench.samples import residual, slope


def test_a_line_through_points_on_a_line_misses_none() -> None:
    points = [(1, 5.0), (2, 7.0), (10, 23.0)]
    assert slope(points) == pytest.approx((2.0, 3.0))
    assert residual(points) == pytest.approx(0.0)


def test_growth_with_the_square_is_far_from_any_line() -> None:
    assert residual([(size, float(size**2)) for size in (1, 25, 50, 75, 100)]) > 0.1


def test_the_residual_is_a_share_of_the_highest_point() -> None:
    points = [(0, 0.0), (1, 2.0), (2, 0.0)]
    assert residual(points) == pytest.approx((2.0 - 2.0 / 3) / 2.0)


def test_points_above_one_another_have_no_line() -> None:
    with pytest.raises(ValueError, match="two different places"):
        residual([(1, 1.0), (1, 2.0)])
