from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from metaanalysis.formulas import quantiles


def summaries(n: int, seed: int = 1, samples: int = 20_000) -> tuple[np.ndarray, ...]:
    x = np.sort(np.random.default_rng(seed).normal(50.0, 4.0, (samples, n)), axis=1)
    q1, median, q3 = np.quantile(x, [0.25, 0.5, 0.75], axis=1)
    return x[:, 0], q1, median, q3, x[:, -1], np.full(samples, float(n))


@pytest.mark.parametrize("n", [9, 41, 201])
def test_estimates_are_unbiased_for_a_normal_measurement(n: int) -> None:
    low, q1, median, q3, high, size = summaries(n)
    means = {
        "Wan range": quantiles.wan_mean_from_range(low, median, high),
        "Wan quartiles": quantiles.wan_mean_from_quartiles(q1, median, q3),
        "Wan five": quantiles.wan_mean_from_five_numbers(low, q1, median, q3, high),
        "Luo range": quantiles.luo_mean_from_range(low, median, high, size),
        "Luo quartiles": quantiles.luo_mean_from_quartiles(q1, median, q3, size),
        "Luo five": quantiles.luo_mean_from_five_numbers(low, q1, median, q3, high, size),
    }
    spreads = {
        "Wan range": quantiles.wan_sd_from_range(low, high, size),
        "Wan quartiles": quantiles.wan_sd_from_quartiles(q1, q3, size),
        "Wan five": quantiles.wan_sd_from_five_numbers(low, q1, q3, high, size),
        "Shi five": quantiles.shi_sd_from_five_numbers(low, q1, q3, high, size),
    }
    for name, mean in means.items():
        assert_allclose(mean.mean(), 50.0, atol=5 * mean.std() / np.sqrt(mean.size), err_msg=name)
    for name, spread in spreads.items():
        assert_allclose(spread.mean(), 4.0, rtol=0.012, err_msg=name)
    # The later papers' weights are there to lower the error.
    assert means["Luo range"].std() < means["Wan range"].std()
    assert means["Luo five"].std() < means["Wan five"].std()
    assert spreads["Shi five"].std() < spreads["Wan five"].std()


@pytest.mark.parametrize("n", [21, 101, 401])
def test_skewness_tests_reject_one_normal_sample_in_twenty(n: int) -> None:
    low, q1, median, q3, high, size = summaries(n, seed=2)
    for _, _, skewed in (
        quantiles.skewness_from_range(low, median, high, size),
        quantiles.skewness_from_quartiles(q1, median, q3, size),
        quantiles.skewness_from_five_numbers(low, q1, median, q3, high, size),
    ):
        assert 0.040 < skewed.mean() < 0.056


def test_skewness_tests_find_an_exponential_measurement() -> None:
    x = np.sort(np.random.default_rng(3).exponential(1.0, (2000, 200)), axis=1)
    q1, median, q3 = np.quantile(x, [0.25, 0.5, 0.75], axis=1)
    size = np.full(2000, 200.0)
    assert quantiles.skewness_from_range(x[:, 0], median, x[:, -1], size)[2].mean() > 0.95
    assert quantiles.skewness_from_quartiles(q1, median, q3, size)[2].mean() > 0.7
    assert quantiles.skewness_from_five_numbers(x[:, 0], q1, median, q3, x[:, -1], size)[2].mean() > 0.95


def test_wan_constants_are_those_of_the_papers_table() -> None:
    # Wan et al. (2014), tables 1 and 2, print ξ(n) and η(n) to three decimals.
    n = np.array([5.0, 10.0, 50.0])
    xi = 1.0 / quantiles.wan_sd_from_range(np.zeros(3), np.ones(3), n)
    assert_allclose(xi, 2 * special.ndtri((n - 0.375) / (n + 0.25)), rtol=1e-12)
    eta = 1.0 / quantiles.wan_sd_from_quartiles(np.zeros(3), np.ones(3), n)
    assert_allclose(eta, 2 * special.ndtri((0.75 * n - 0.125) / (n + 0.25)), rtol=1e-12)
    huge = np.array([1e12])
    assert_allclose(1.0 / quantiles.wan_sd_from_quartiles(np.zeros(1), np.ones(1), huge), 1.3489795, rtol=1e-7)


def test_units_and_origin() -> None:
    five = [np.array([x]) for x in (2.0, 4.0, 5.0, 7.0, 12.0)]
    moved = [-10.0 + 3.0 * x for x in five]
    n = np.array([40.0])
    mean, sd = (
        quantiles.luo_mean_from_five_numbers(*five, n),
        quantiles.shi_sd_from_five_numbers(five[0], five[1], five[3], five[4], n),
    )
    assert_allclose(quantiles.luo_mean_from_five_numbers(*moved, n), -10.0 + 3.0 * mean, rtol=1e-14)
    assert_allclose(quantiles.shi_sd_from_five_numbers(moved[0], moved[1], moved[3], moved[4], n), 3.0 * sd, rtol=1e-14)
    assert_allclose(
        quantiles.skewness_from_five_numbers(*moved, n)[0],
        quantiles.skewness_from_five_numbers(*five, n)[0],
        rtol=1e-14,
    )
