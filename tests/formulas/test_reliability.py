from __future__ import annotations

from collections.abc import Iterator

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from numpy.testing import assert_allclose

from metaanalysis.formulas import back_transformation, reliability


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


ALPHA = np.array([0.99, 0.8, 0.0, -0.2, 1e-9, 0.9999999])
ITEMS = np.array([2.0, 40.0, 5.0, 10.0, 7.0, 3.0])
N = np.array([10.0, 3.0, 30.0, 50.0, 20000.0, 200.0])


def test_no_digits_are_lost() -> None:
    found = [
        formula(ALPHA, ITEMS, N)
        for formula in (reliability.cronbach_alpha, reliability.cube_root_alpha, reliability.log_alpha)
    ]
    for i in range(ALPHA.size):
        alpha, m, n = (mpf(float(x[i])) for x in (ALPHA, ITEMS, N))
        rest = 1 - alpha
        exact = [
            (alpha, 2 * m * rest**2 / ((m - 1) * (n - 2))),
            (1 - mpmath.root(rest, 3), 18 * m * (n - 1) * rest ** (mpf(2) / 3) / ((m - 1) * (9 * n - 11) ** 2)),
            (-mpmath.log(rest), 2 * m / ((m - 1) * (n - 2))),
        ]
        for (y, v), (exact_y, exact_v) in zip(found, exact, strict=True):
            assert_allclose(y[i], float(exact_y), rtol=2e-15, atol=1e-300)
            assert_allclose(v[i], float(exact_v), rtol=2e-15)


def test_there_and_back() -> None:
    back = back_transformation.BACK_TRANSFORMATIONS
    cube_root, _ = reliability.cube_root_alpha(ALPHA, ITEMS, N)
    log, _ = reliability.log_alpha(ALPHA, ITEMS, N)
    assert_allclose(back["cube root of alpha"](cube_root), ALPHA, rtol=1e-14, atol=1e-16)
    assert_allclose(back["log of alpha"](log), ALPHA, rtol=1e-14)


def test_variances_are_those_of_many_samples() -> None:
    # Six parallel items with correlation 0.4: alpha = 6 · 0.4/(1 + 5 · 0.4) = 0.8.
    rng = np.random.default_rng(3)
    samples, n, items = 10_000, 100, 6
    common = rng.normal(size=(samples, n, 1)) * np.sqrt(0.4)
    scores = common + rng.normal(size=(samples, n, items)) * np.sqrt(0.6)
    total = scores.sum(axis=2).var(axis=1, ddof=1)
    alpha = items / (items - 1) * (1 - scores.var(axis=1, ddof=1).sum(axis=1) / total)
    for formula in (reliability.cronbach_alpha, reliability.cube_root_alpha, reliability.log_alpha):
        y, v = formula(alpha, np.array(float(items)), np.full(samples, float(n)))
        assert_allclose(v.mean(), y.var(), rtol=0.08)
