from __future__ import annotations

from collections.abc import Callable, Iterator

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from numpy.testing import assert_allclose

from metaanalysis.formulas import rates
from metaanalysis.formulas.arrays import FloatArray


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


STUDIES = np.array(
    [
        [1000001.0, 5e6, 1000000.0, 5e6],
        [3.5, 0.25, 0.5, 0.5],
        [1.0, 1e9, 2.0, 1.25e9],
        [40.0, 100.0, 38.0, 100.0],
    ]
)
COLUMNS = tuple(STUDIES.T)
FORMULAS = [rates.log_rate_ratio, rates.rate_difference, rates.square_root_rate_difference]


def test_no_digits_are_lost_at_awkward_studies() -> None:
    found = [formula(*COLUMNS) for formula in FORMULAS]
    for i, row in enumerate(STUDIES):
        x1, t1, x2, t2 = (mpf(float(x)) for x in row)
        exact = [
            (mpmath.log((x1 / t1) / (x2 / t2)), 1 / x1 + 1 / x2),
            (x1 / t1 - x2 / t2, x1 / t1**2 + x2 / t2**2),
            (mpmath.sqrt(x1 / t1) - mpmath.sqrt(x2 / t2), 1 / (4 * t1) + 1 / (4 * t2)),
        ]
        for (y, v), (exact_y, exact_v) in zip(found, exact, strict=True):
            assert_allclose(y[i], float(exact_y), rtol=2e-15)
            assert_allclose(v[i], float(exact_v), rtol=1e-15)


@pytest.mark.parametrize("formula", FORMULAS)
def test_swapped_groups_change_the_sign_alone(formula: Callable[..., tuple[FloatArray, FloatArray]]) -> None:
    x1, t1, x2, t2 = COLUMNS
    y, v = formula(x1, t1, x2, t2)
    swapped_y, swapped_v = formula(x2, t2, x1, t1)
    assert_allclose(swapped_y, -y, rtol=1e-15)
    assert_allclose(swapped_v, v, rtol=1e-15)


def test_the_unit_of_time_matters_to_differences_and_not_to_ratios() -> None:
    x1, t1, x2, t2 = COLUMNS
    assert_allclose(rates.log_rate_ratio(x1, 365.25 * t1, x2, 365.25 * t2), rates.log_rate_ratio(*COLUMNS), rtol=1e-9)
    y, v = rates.rate_difference(*COLUMNS)
    daily_y, daily_v = rates.rate_difference(x1, 365.25 * t1, x2, 365.25 * t2)
    assert_allclose(365.25 * daily_y, y, rtol=1e-13)
    assert_allclose(365.25**2 * daily_v, v, rtol=1e-13)


def test_no_events_at_all() -> None:
    zero, time = np.zeros(1), np.array([10.0])
    y, v = rates.square_root_rate_difference(zero, time, zero, 3 * time)
    assert y[0] == 0.0
    assert_allclose(v, 1 / 40 + 1 / 120, rtol=1e-15)


@pytest.mark.parametrize("formula", FORMULAS)
def test_variance_is_that_of_many_samples(formula: Callable[..., tuple[FloatArray, FloatArray]]) -> None:
    rng = np.random.default_rng(6)
    t1, t2 = np.full(40_000, 50.0), np.full(40_000, 80.0)
    y, v = formula(rng.poisson(2.0 * t1).astype(float), t1, rng.poisson(1.5 * t2).astype(float), t2)
    assert_allclose(v.mean(), y.var(), rtol=0.04)
