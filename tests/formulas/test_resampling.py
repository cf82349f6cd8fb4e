"""Jackknife and bootstrap formulas: against SciPy's bootstrap and against what is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from metaanalysis.formulas.resampling import (
    BOOTSTRAP_INTERVALS,
    acceleration,
    bootstrap_bias_and_error,
    in_order,
    jackknife,
)


def sample(n=25, seed=1):
    return np.random.default_rng(seed).gamma(2.0, 1.0, n)


def without_each(x, statistic):
    return np.array([statistic(np.delete(x, i)) for i in range(x.size)])


def test_the_jackknife_of_a_mean_is_its_standard_error():
    x = sample() + 1e6
    found = jackknife(without_each(x, np.mean), np.asarray(x.mean()))
    assert_allclose(found.se, stats.sem(x), rtol=1e-8)
    assert_allclose(found.bias, 0.0, atol=1e-8)


def test_the_jackknife_takes_away_the_bias_of_a_variance():
    # The variance with n in the denominator is biased by exactly what the jackknife says.
    x = sample()
    found = jackknife(without_each(x, np.var), np.asarray(np.var(x)))
    assert_allclose(np.var(x) - found.bias, np.var(x, ddof=1), rtol=1e-12)


@pytest.mark.parametrize("method, theirs", [("percentile", "percentile"), ("basic", "basic"), ("bca", "BCa")])
@pytest.mark.parametrize("statistic", [np.mean, np.var])
def test_intervals_are_those_of_scipy(method, theirs, statistic):
    x = sample()
    random = np.random.default_rng(2)
    replicates = np.array([statistic(random.choice(x, x.size)) for _ in range(999)])
    drawn = stats.bootstrap((x,), statistic, n_resamples=2, vectorized=False, method="percentile")
    drawn.bootstrap_distribution = replicates
    for level in (0.8, 0.95):
        expected = stats.bootstrap(
            (x,),
            statistic,
            n_resamples=0,
            bootstrap_result=drawn,
            confidence_level=level,
            method=theirs,
            vectorized=False,
        ).confidence_interval
        given = in_order(replicates, np.asarray(statistic(x)), without_each(x, statistic))
        found = BOOTSTRAP_INTERVALS[method].function(given, (1.0 - level) / 2.0)
        assert_allclose(found, expected, rtol=1e-12)


def test_a_block_is_its_rows_and_missing_replicates_are_not_there():
    random = np.random.default_rng(3)
    replicates = random.normal(0.3, 1.0, (4, 60))
    replicates[1, 40:] = np.nan
    replicates[2] = np.nan
    deleted, t = random.normal(0.3, 0.1, (4, 9)), np.full(4, 0.25)
    deleted[3, 0] = np.nan
    block = in_order(replicates, t, deleted)
    bias, se = bootstrap_bias_and_error(replicates, t)
    for row in range(4):
        there = replicates[row][~np.isnan(replicates[row])]
        for method, entry in BOOTSTRAP_INTERVALS.items():
            found = np.array(entry.function(block, 0.05))[:, row]
            if there.size == 0 or (row == 3 and method == "bca"):
                assert np.isnan(found).all()
                continue
            alone = in_order(there, t[row], deleted[row])
            assert_allclose(found, entry.function(alone, 0.05), rtol=1e-14)
        if there.size:
            assert_allclose([bias[row], se[row]], [there.mean() - 0.25, there.std(ddof=1)], rtol=1e-12)
    assert np.isnan(bias[2])
    assert np.isnan(se[2])


def test_acceleration_knows_no_unit_and_no_place():
    deleted = without_each(sample(), np.var)
    a = acceleration(deleted)
    assert_allclose(acceleration(1e-9 * deleted), a, rtol=1e-12)
    assert_allclose(acceleration(1e9 * deleted), a, rtol=1e-12)
    assert_allclose(acceleration(-deleted), -a, rtol=1e-12)
    assert acceleration(np.full(8, 0.3)) == 0.0


def test_bca_where_many_replicates_equal_the_estimate():
    # As with tau2: half of the replicates are 0, and so is the estimate; ties count by half, so that z0 is -0.67.
    replicates = np.concatenate([np.zeros(500), np.linspace(0.1, 1.0, 500)])
    low, high = BOOTSTRAP_INTERVALS["bca"].function(in_order(replicates, np.asarray(0.0), np.zeros(6)), 0.025)
    z0 = stats.norm.ppf(0.25)
    assert low == 0.0
    assert_allclose(high, np.quantile(replicates, stats.norm.cdf(2 * z0 + 1.959963984540054)), rtol=1e-12)


def test_bca_where_all_replicates_lie_on_one_side():
    given = in_order(np.linspace(1.0, 2.0, 50), np.asarray(0.5), np.linspace(0.4, 0.6, 7))
    assert np.isnan(BOOTSTRAP_INTERVALS["bca"].function(given, 0.025)).all()
