from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2_interval import q_profile
from metaanalysis.formulas.tau2_intervals import TAU2_INTERVALS


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_limits_satisfy_their_equations_at_50_digits(awkward, level, exact):
    _, y, v = awkward
    found = q_profile(y, v, None, level)
    df, tail = y.size - 1, (1 - exact.mpf(level)) / 2
    for value, status, upper_tail in (
        (found.low, found.low_status, tail),
        (found.high, found.high_status, 1 - tail),
    ):
        q = exact.Fit(y, v, float(value)).q
        reached = exact.chi2_upper(q, df) if q else exact.mpf(1)
        if status == Status.CONVERGED:
            # Where tau2 is far below the variances it is known to their rounding.
            exact.agree(min(reached, 1 - reached), min(upper_tail, 1 - upper_tail), rtol=1e-11)
        else:
            assert value == 0.0
            assert reached > upper_tail


def test_limits_enclose_and_widen_with_the_level():
    y, v = np.array([0.1, 0.9, -0.4, 0.6, 0.3]), np.array([0.04, 0.02, 0.05, 0.1, 0.03])
    narrow, wide = q_profile(y, v, None, 0.8), q_profile(y, v, None, 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_effects_too_alike_have_an_empty_interval():
    found = q_profile(np.array([0.3, 0.3, 0.3, 0.3]), np.full(4, 0.1), None, 0.95)
    assert found.low_status == Status.AT_ZERO
    assert found.high_status == Status.NO_SOLUTION


def test_one_study_has_none():
    found = q_profile(np.array([0.3]), np.array([0.1]), None, 0.95)
    assert np.isnan(found.low)
    assert np.isnan(found.high)
    assert_array_equal([found.low_status, found.high_status], Status.TOO_FEW_STUDIES)


def test_with_moderators_and_in_batches(exact):
    rng = np.random.default_rng(3)
    y, v = rng.normal(0, 0.7, (4, 6)), rng.uniform(0.02, 0.1, (4, 6))
    X = np.column_stack([np.ones(6), [1.0, 4, 2, 8, 5, 7]])
    together = q_profile(y, v, np.broadcast_to(X, (4, 6, 2)), 0.95)
    for i in range(4):
        alone = q_profile(y[i], v[i], X, 0.95)
        assert_allclose([together.low[i], together.high[i]], [alone.low, alone.high], rtol=1e-12)
        if alone.high_status == Status.CONVERGED:
            reached = exact.chi2_upper(exact.Fit(y[i], v[i], float(alone.high), X).q, 4)
            exact.agree(1 - reached, exact.mpf("0.025"), rtol=1e-11)


# The upper limits, in per cent, that the R package meta prints for an I2 of 0 % from so many studies.
UPPER_LIMITS_OF_I2 = {3: 89.6, 4: 84.7, 5: 79.2, 6: 74.6, 7: 70.8, 8: 67.6, 9: 64.8, 10: 62.4}


@pytest.mark.parametrize("k", list(UPPER_LIMITS_OF_I2))
def test_higgins_and_thompsons_interval_of_no_heterogeneity(k):
    v = 0.04
    found = TAU2_INTERVALS["higgins-thompson"].function(0.001 * np.arange(k), np.full(k, v), None, 0.95)
    assert found.low == 0
    assert round(100 * found.high / (found.high + v), 1) == UPPER_LIMITS_OF_I2[k]


def test_higgins_and_thompsons_interval_of_much_heterogeneity():
    # By hand from Q alone: H2 = Q / df, SE[ln H] = [ln Q - ln df] / {2 [sqrt(2Q) - sqrt(2 df - 1)]}; s2 = v as all are equal.
    y, v = np.array([0.1, 0.9, -0.4, 0.6, 0.3, 1.4]), 0.04
    q = ((y - y.mean()) ** 2).sum() / v
    h, se = np.sqrt(q / 5), (np.log(q) - np.log(5)) / (2 * (np.sqrt(2 * q) - np.sqrt(9)))
    found = TAU2_INTERVALS["higgins-thompson"].function(y, np.full(6, v), None, 0.95)
    limits = [h * np.exp(sign * 1.959963984540054 * se) for sign in (-1, 1)]
    assert_allclose([found.low, found.high], [v * (limit**2 - 1) for limit in limits], rtol=1e-13)
    two = TAU2_INTERVALS["higgins-thompson"].function(np.array([0.1, 0.2]), np.ones(2), None, 0.95)
    assert np.isnan([two.low, two.high]).all()


@pytest.mark.parametrize("end", ["", "-ml"])
def test_walds_interval_may_be_left_uncut(end):
    y, v = np.array([0.1, 0.4, -0.2, 0.3]), np.array([0.02, 0.03, 0.05, 0.04])
    cut, uncut = (TAU2_INTERVALS[f"{name}{end}"].function(y, v, None, 0.95) for name in ("wald", "wald-untruncated"))
    assert cut.low == 0 > uncut.low
    assert cut.high == uncut.high
