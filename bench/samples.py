"""What many measurements of one thing say. Pure."""

from collections.abc import Sequence
from math import ceil

US_PER_S = 1e6
MS_PER_S = 1e3


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many per cent of all are not above (nearest rank); there must be one.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("no values")
    rank = max(1, ceil(len(values) * percent / 100))
    return sorted(values)[rank - 1]


def median(values: Sequence[float]) -> float:
    """The fiftieth percentile.

    Raises:
        ValueError: There are no values.
    """
    return percentile(values, 50)


def slope(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The straight line through points by least squares.

    Returns:
        What it grows by for one more on the first axis, and where it starts.

    Raises:
        ValueError: All points lie above one another.
    """
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if not spread:
        raise ValueError("a line needs two different places")
    growth = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return growth, mean_y - growth * mean_x


def residual(points: Sequence[tuple[float, float]]) -> float:
    """How far the farthest point is from the straight line through all of them, as a share of the highest point.

    Raises:
        ValueError: All points lie above one another.
    """
    growth, start = slope(points)
    return max(abs(y - (start + growth * x)) for x, y in points) / max(y for _, y in points)
