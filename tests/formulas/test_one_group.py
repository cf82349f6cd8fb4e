from __future__ import annotations

from collections.abc import Callable, Iterator

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from numpy.testing import assert_allclose

from metaanalysis.formulas import one_group
from metaanalysis.formulas.arrays import FloatArray


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


PROPORTIONS = np.array([[3.0, 7.0], [999999.0, 1e6], [500001.0, 1e6], [2.0, 1e9], [0.5, 11.0]])


def test_proportions_lose_no_digits() -> None:
    x, n = PROPORTIONS.T
    for i, row in enumerate(PROPORTIONS):
        e, k = (mpf(float(z)) for z in row)
        p = e / k
        root = mpmath.asin(mpmath.sqrt(e / (k + 1))) + mpmath.asin(mpmath.sqrt((e + 1) / (k + 1)))
        exact = {
            one_group.proportion: (p, p * (1 - p) / k),
            one_group.log_proportion: (mpmath.log(p), 1 / e - 1 / k),
            one_group.logit_proportion: (mpmath.log(e / (k - e)), 1 / e + 1 / (k - e)),
            one_group.arcsine_proportion: (mpmath.asin(mpmath.sqrt(p)), 1 / (4 * k)),
            one_group.freeman_tukey_proportion: (root / 2, 1 / (4 * k + 2)),
        }
        for formula, (exact_y, exact_v) in exact.items():
            y, v = formula(x, n)
            assert_allclose(y[i], float(exact_y), rtol=1e-15, err_msg=formula.__name__)
            assert_allclose(v[i], float(exact_v), rtol=1e-15, err_msg=formula.__name__)


def test_transformed_proportions_are_defined_at_the_ends() -> None:
    x, n = np.array([0.0, 20.0]), np.array([20.0, 20.0])
    assert_allclose(one_group.arcsine_proportion(x, n)[0], [0.0, np.pi / 2], rtol=1e-15)
    low, high = one_group.freeman_tukey_proportion(x, n)[0]
    assert_allclose(low, np.arcsin(np.sqrt(1 / 21)) / 2, rtol=1e-15)
    assert_allclose(low + high, np.pi / 2, rtol=1e-15)


def test_variances_at_the_average_proportion() -> None:
    x, n = np.array([3.0, 10.0]), np.array([10.0, 40.0])
    p = 13 / 50
    assert_allclose(one_group.proportion(x, n, "AV")[1], p * (1 - p) / n, rtol=1e-14)
    assert_allclose(one_group.log_proportion(x, n, "AV")[1], (1 - p) / (n * p), rtol=1e-14)
    assert_allclose(one_group.logit_proportion(x, n, "AV")[1], 1 / (n * p * (1 - p)), rtol=1e-14)
    assert_allclose(one_group.proportion(x, n, "UB")[1], [0.3 * 0.7 / 9, 0.25 * 0.75 / 39], rtol=1e-14)


def test_rates() -> None:
    x, t = np.array([3.0, 400.0]), np.array([0.5, 1e4])
    assert_allclose(one_group.rate(x, t), [x / t, x / t**2], rtol=1e-15)
    assert_allclose(one_group.log_rate(x, t), [np.log(x / t), 1 / x], rtol=1e-15)
    assert_allclose(one_group.square_root_rate(x, t), [np.sqrt(x / t), 1 / (4 * t)], rtol=1e-15)
    both = (np.sqrt(x / t) + np.sqrt((x + 1) / t)) / 2
    assert_allclose(one_group.freeman_tukey_rate(x, t), [both, 1 / (4 * t)], rtol=1e-15)


def test_means_and_spreads() -> None:
    m, s, n = np.array([5.0, 1e-6]), np.array([2.0, 3e-7]), np.array([12.0, 400.0])
    bias = 1 / (2 * (n - 1))
    assert_allclose(one_group.mean_of_group(m, s, n), [m, s**2 / n], rtol=1e-15)
    assert_allclose(one_group.log_mean(m, s, n), [np.log(m), s**2 / (n * m**2)], rtol=1e-15)
    cv = np.log(s / m) + bias
    assert_allclose(one_group.log_coefficient_of_variation(m, s, n), [cv, bias + s**2 / (n * m**2)], rtol=1e-14)
    assert_allclose(one_group.log_standard_deviation(s, n), [np.log(s) + bias, bias], rtol=1e-15)
    assert_allclose(one_group.log_standard_deviation(s, n, corrected=False)[0], np.log(s), rtol=1e-15)
    assert_allclose(one_group.log_coefficient_of_variation(m, s, n, corrected=False)[0], np.log(s / m), rtol=1e-15)


def test_standardized_mean() -> None:
    k = mpf(11)
    J = mpmath.gamma(k / 2) / (mpmath.sqrt(k / 2) * mpmath.gamma((k - 1) / 2))
    y, v = one_group.standardized_mean(np.array(5.0), np.array(2.0), np.array(12.0))
    assert_allclose(y, float(J * mpf(5) / 2), rtol=1e-15)
    assert_allclose(v, float(mpf(1) / 12 + (J * mpf(5) / 2) ** 2 / 24), rtol=1e-15)


Formula = Callable[..., tuple[FloatArray, FloatArray]]


@pytest.mark.parametrize("formula", [one_group.proportion, one_group.log_proportion, one_group.logit_proportion,
                                     one_group.arcsine_proportion, one_group.freeman_tukey_proportion])  # fmt: skip
def test_variance_of_a_proportion_is_that_of_many_samples(formula: Formula) -> None:
    rng = np.random.default_rng(2)
    n = np.full(40_000, 200.0)
    y, v = formula(rng.binomial(200, 0.3, 40_000).astype(float), n)
    assert_allclose(v.mean(), y.var(), rtol=0.04)


@pytest.mark.parametrize(
    "formula", [one_group.rate, one_group.log_rate, one_group.square_root_rate, one_group.freeman_tukey_rate]
)
def test_variance_of_a_rate_is_that_of_many_samples(formula: Formula) -> None:
    rng = np.random.default_rng(2)
    time = np.full(40_000, 60.0)
    y, v = formula(rng.poisson(90.0, 40_000).astype(float), time)
    assert_allclose(v.mean(), y.var(), rtol=0.04)


@pytest.mark.parametrize("formula", [one_group.mean_of_group, one_group.standardized_mean, one_group.log_mean,
                                     one_group.log_coefficient_of_variation])  # fmt: skip
def test_variance_of_a_mean_is_that_of_many_samples(formula: Formula) -> None:
    rng = np.random.default_rng(2)
    samples, n = 40_000, 100
    mean = rng.normal(3.0, 1 / np.sqrt(n), samples)
    sd = np.sqrt(rng.chisquare(n - 1, samples) / (n - 1))
    y, v = formula(mean, sd, np.full(samples, float(n)))
    assert_allclose(v.mean(), y.var(), rtol=0.04)
