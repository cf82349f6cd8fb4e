from __future__ import annotations

from collections.abc import Callable, Iterator

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from numpy.testing import assert_allclose

from metaanalysis.formulas import paired
from metaanalysis.formulas.arrays import FloatArray


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


TABLES = np.array(
    [
        [10.0, 7.0, 3.0, 12.0],
        [1e6, 1001.0, 1000.0, 1e6],
        [0.5, 5.5, 2.5, 9.5],
        [1.0, 1.0, 1.0, 1.0],
        [1e8, 30.0, 35.0, 4000.0],
    ]
)
COLUMNS = tuple(TABLES.T)


def delta_variance(function: Callable[[list[mpf]], mpf], cells: list[mpf]) -> mpf:
    """Variance of a function of multinomial proportions by the delta method, at 50 digits."""
    n = sum(cells)
    p = [x / n for x in cells]
    h = mpf(10) ** -18
    slope = [
        (function([x + h * (i == j) for j, x in enumerate(p)]) - function([x - h * (i == j) for j, x in enumerate(p)]))
        / (2 * h)
        for i in range(4)
    ]
    mean = sum(s * x for s, x in zip(slope, p, strict=True))
    return sum(x * (s - mean) ** 2 for s, x in zip(slope, p, strict=True)) / n


MEASURES: dict[str, tuple[Callable[..., tuple[FloatArray, FloatArray]], Callable[[list[mpf]], mpf]]] = {
    "MPRD": (paired.paired_risk_difference, lambda p: p[1] - p[2]),
    "MPRR": (
        lambda a, b, c, _d: paired.paired_log_risk_ratio(a, b, c),
        lambda p: mpmath.log((p[0] + p[1]) / (p[0] + p[2])),
    ),
    "MPOR": (
        paired.paired_log_odds_ratio,
        lambda p: mpmath.log((p[0] + p[1]) * (p[1] + p[3]) / ((p[0] + p[2]) * (p[2] + p[3]))),
    ),
    "MPORC": (lambda _a, b, c, _d: paired.conditional_log_odds_ratio(b, c), lambda p: mpmath.log(p[1] / p[2])),
}


@pytest.mark.parametrize("measure", MEASURES)
def test_estimate_and_variance_are_the_delta_method(measure: str) -> None:
    formula, function = MEASURES[measure]
    y, v = formula(*COLUMNS)
    for i, row in enumerate(TABLES):
        cells = [mpf(float(x)) for x in row]
        n = sum(cells)
        assert_allclose(y[i], float(function([x / n for x in cells])), rtol=2e-15, atol=1e-300)
        assert_allclose(v[i], float(delta_variance(function, cells)), rtol=1e-14)


@pytest.mark.parametrize("measure", MEASURES)
def test_swapped_treatments_change_the_sign_alone(measure: str) -> None:
    a, b, c, d = COLUMNS
    y, v = MEASURES[measure][0](a, b, c, d)
    swapped_y, swapped_v = MEASURES[measure][0](a, c, b, d)
    assert_allclose(swapped_y, -y, rtol=1e-14)
    assert_allclose(swapped_v, v, rtol=1e-14)


def test_margins_and_phi_are_enough_for_the_marginal_odds_ratio() -> None:
    a, b, c, d = COLUMNS
    n = a + b + c + d
    phi = (a * d - b * c) / np.sqrt((a + b) * (c + d) * (a + c) * (b + d))
    y, v = paired.marginal_log_odds_ratio(a + b, a + c, n, phi)
    full_y, full_v = paired.paired_log_odds_ratio(a, b, c, d)
    assert_allclose(y, full_y, rtol=1e-14)
    assert_allclose(v, full_v, rtol=1e-9)


def test_independent_pairs_have_the_variance_of_two_groups() -> None:
    n, events1, events2 = np.array([100.0]), np.array([30.0]), np.array([45.0])
    _, v = paired.marginal_log_odds_ratio(events1, events2, n, np.zeros(1))
    assert_allclose(v, 1 / 30 + 1 / 70 + 1 / 45 + 1 / 55, rtol=1e-14)


def test_peto_within_pairs() -> None:
    y, v = paired.conditional_peto_log_odds_ratio(np.array([9.0]), np.array([3.0]))
    assert_allclose(y, 3.0 / 3.0, rtol=1e-15)  # (O - E) = 9 - 6 = 3, V = 12/4 = 3
    assert_allclose(v, 1 / 3, rtol=1e-15)
