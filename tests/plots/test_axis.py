"""Where axes of effects begin and end, and their numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metaanalysis.plots.axis import axis_limits, choose_ticks, tick_label

FREE = (-math.inf, math.inf)
ABOVE_ZERO = (0.0, math.inf)


def labels(low: float, high: float, log: bool, points: float = 200.0) -> list[str]:
    """The numbers of an axis of so many points, in letters of five points."""
    scale = math.log if log else float

    def place(x: float) -> float:
        return points * (scale(x) - scale(low)) / (scale(high) - scale(low))

    def width(text: str) -> float:
        return 5.0 * len(text)

    return [label for _, label in choose_ticks(low, high, log, place, width, 5.0, (-10.0, points + 10.0))]


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (0.06, 7, ["0.1", "0.2", "0.5", "1", "2", "5"]),
        (0.4, 2.6, ["0.5", "1", "2"]),
        (0.004, 300, ["0.01", "0.1", "1", "10", "100"]),
        (0.72, 1.31, ["0.8", "0.9", "1", "1.1", "1.2", "1.3"]),
        (0.97, 1.08, ["0.98", "1", "1.02", "1.04", "1.06", "1.08"]),
        (1e-9, 2e6, ["10⁻⁹", "10⁻⁶", "0.001", "1", "1000", "10⁶"]),
    ],
)
def test_ratios(low: float, high: float, expected: list[str]) -> None:
    assert labels(low, high, log=True) == expected


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (-1.1, 1.4, ["−1", "−0.5", "0", "0.5", "1"]),
        (-34, 5, ["−30", "−20", "−10", "0"]),
        (0.011, 0.019, ["0.012", "0.014", "0.016", "0.018"]),
    ],
)
def test_differences(low: float, high: float, expected: list[str]) -> None:
    assert labels(low, high, log=False, points=160.0) == expected


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (0.0017, 0.09, ["0.002", "0.005", "0.01", "0.02", "0.05"]),
        (0.91, 0.9983, ["0.95", "0.98", "0.99", "0.995", "0.998"]),
        (0.0008, 0.9992, ["0.001", "0.01", "0.1", "0.5", "0.9", "0.99", "0.999"]),
        (0.02, 0.7, ["0.02", "0.05", "0.1", "0.2", "0.5"]),
        (0.3, 0.62, ["0.3", "0.35", "0.4", "0.45", "0.5", "0.55", "0.6"]),
    ],
)
def test_proportions_on_a_scale_of_log_odds(low: float, high: float, expected: list[str]) -> None:
    def logit(x: float) -> float:
        return math.log(x / (1 - x)) if 0 < x < 1 else math.copysign(1e9, x - 0.5)

    def place(x: float) -> float:
        return 400.0 * (logit(x) - logit(low)) / (logit(high) - logit(low))

    found = choose_ticks(low, high, False, place, lambda text: 5.0 * len(text), 5.0, (-15.0, 415.0))
    assert [text for _, text in found] == expected
    assert all(float(text) == x for x, text in found)


def test_labels_keep_their_distance() -> None:
    for points in np.linspace(30, 400, 60):
        for low, high, log in ((0.06, 7.0, True), (0.001, 4000.0, True), (-1.1, 1.4, False), (-9000.0, 12000.0, False)):
            found = labels(low, high, log, float(points))
            assert sum(5 * len(label) + 5 for label in found) <= points + 40


@pytest.mark.parametrize(
    "x, expected",
    [(0.0, "0"), (-0.25, "−0.25"), (1.0, "1"), (1000.0, "1000"), (1e6, "10⁶"), (2e-5, "2×10⁻⁵"), (-2.5e5, "−2.5×10⁵")],
)
def test_tick_labels(x: float, expected: str) -> None:
    assert tick_label(x) == expected


def test_limits_show_every_interval_of_ordinary_studies() -> None:
    studies = [(0.5, 0.1, 2.0), (0.8, 0.6, 1.1), (0.2, 0.05, 0.9)]
    low, high = axis_limits(studies, [(0.5, 0.3, 0.8)], 1.0, True, ABOVE_ZERO)
    assert 0.03 < low < 0.05
    assert 2.0 < high < 3.0


def test_a_vague_study_does_not_squash_the_others() -> None:
    studies = [(0.1, -0.1, 0.3), (0.2, 0.0, 0.4), (0.0, -0.2, 0.2), (0.3, -90.0, 91.0)]
    low, high = axis_limits(studies, [(0.1, 0.0, 0.2)], 0.0, False, FREE)
    assert -0.5 < low < -0.2
    assert 0.4 < high < 0.7


def test_an_estimate_stays_visible_where_its_interval_does_not() -> None:
    studies = [(0.1, 0.0, 0.2), (0.2, 0.1, 0.3), (0.0, -0.1, 0.1), (1.2, -30.0, 32.4)]
    low, high = axis_limits(studies, [(0.1, 0.05, 0.15)], 0.0, False, FREE)
    assert 1.2 < high < 2.0
    assert -1.0 < low < -0.1


def test_the_line_of_no_effect_is_brought_in_unless_it_is_far() -> None:
    near = axis_limits([(1.0, 0.8, 1.2), (1.1, 0.9, 1.3)], [(1.05, 0.9, 1.2)], 0.0, False, FREE)
    far = axis_limits([(100.0, 99.0, 101.0), (101.0, 100.0, 102.0)], [(100.5, 99.8, 101.2)], 0.0, False, FREE)
    assert near[0] < 0
    assert far[0] > 90


@pytest.mark.parametrize("log", [True, False])
def test_limits_are_an_axis_even_where_numbers_are_not(log: bool) -> None:
    inf, nan = math.inf, math.nan
    for studies in ([(1.0, 1.0, 1.0)], [(1.0, 0.0, inf)], [(inf, inf, inf), (0.0, 0.0, 0.0)], [(nan, nan, nan)]):
        low, high = axis_limits(studies, [(nan, nan, nan)], 1.0, log, ABOVE_ZERO if log else FREE)
        assert math.isfinite(low)
        assert math.isfinite(high)
        assert low < high


def test_correlations_end_at_one() -> None:
    low, high = axis_limits([(0.9, -0.2, 0.99), (0.95, 0.1, 0.999)], [(0.93, 0.5, 0.99)], 0.0, False, (-1.0, 1.0))
    assert high == 1.0
    assert low > -1.0
