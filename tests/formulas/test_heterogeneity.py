from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from metaanalysis.formulas.heterogeneity import (
    chi2_upper_tail,
    cochran_q,
    h2_from_q,
    h2_from_tau2,
    i2_from_q,
    i2_from_tau2,
    typical_variance,
)


def test_q_and_its_kin_against_50_digits(awkward, exact):
    _, y, v = awkward
    reference = exact.Fit(y, v)
    q, df = cochran_q(y, v)
    assert df == y.size - 1
    exact.agree(q, reference.q, atol=1e-30)
    s2 = (reference.k - 1) / reference.trace_p
    exact.agree(typical_variance(v), s2)
    share = max(exact.mpf(0), 100 * (reference.q - int(df)) / reference.q) if reference.q else exact.mpf(0)
    # Q - df may cancel: I2 is then as good as Q.
    exact.agree(i2_from_q(q, df), share, atol=1e-12)
    exact.agree(h2_from_q(q, df), reference.q / int(df), atol=1e-30)
    tau2 = exact.mpf(float(np.median(v)) / 3)
    exact.agree(i2_from_tau2(np.asarray(float(tau2)), typical_variance(v)), 100 * tau2 / (tau2 + s2))
    exact.agree(h2_from_tau2(np.asarray(float(tau2)), typical_variance(v)), 1 + tau2 / s2)


@pytest.mark.parametrize("df", [1, 2, 3, 12, 101, 1000, 99_999])
@pytest.mark.parametrize("factor", [1e-6, 0.3, 0.9, 1.0, 1.1, 2.0, 5.0, 40.0])
def test_chi2_tail_against_50_digits(df, factor, exact):
    x = df * factor
    # Below 1e-300 doubles run out.
    exact.agree(chi2_upper_tail(np.asarray(x), np.asarray(float(df))), exact.chi2_upper(x, df), rtol=1e-12, atol=1e-300)


def test_typical_variance_of_equal_variances_is_that_variance():
    assert_allclose(typical_variance(np.full(7, 0.11)), 0.11, rtol=1e-14)


def test_with_one_study_nothing_is_estimable_but_q_is_zero():
    q, df = cochran_q(np.array([0.3]), np.array([0.1]))
    assert (q, df) == (0.0, 0.0)
    for value in (chi2_upper_tail(q, df), i2_from_q(q, df), h2_from_q(q, df), typical_variance(np.array([0.1]))):
        assert np.isnan(value)


def test_i2_is_never_negative_nor_above_100():
    q, df = np.array([0.0, 1.0, 5.0, 1e300]), np.array([5.0, 5.0, 5.0, 5.0])
    assert_array_equal(i2_from_q(q, df), [0.0, 0.0, 0.0, 100.0])


def test_with_moderators_degrees_of_freedom_and_typical_variance_change(exact):
    v = np.array([0.5, 0.7, 0.9, 0.6, 1.1])
    y = np.array([0.3, -0.2, 0.9, 1.4, 0.1])
    X = np.column_stack([np.ones(5), [1.0, 4, 2, 8, 5]])
    reference = exact.Fit(y, v, 0, X)
    q, df = cochran_q(y, v, X)
    assert df == 3
    exact.agree(q, reference.q)
    exact.agree(typical_variance(v, X), 3 / reference.trace_p)


def test_infinite_variance_changes_nothing():
    y, v = np.array([0.1, 0.5, -0.3]), np.array([0.2, 0.1, 0.4])
    more, wide = np.insert(y, 2, np.nan), np.insert(v, 2, np.inf)
    assert_allclose(cochran_q(more, wide), cochran_q(y, v), rtol=1e-14)
    assert_allclose(typical_variance(wide), typical_variance(v), rtol=1e-14)
