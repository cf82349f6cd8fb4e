from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from metaanalysis.formulas.likelihood import log_likelihood


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("tau2_over_v", [0.0, 0.5, 30.0])
def test_against_50_digits(awkward, restricted, tau2_over_v, exact):
    _, y, v = awkward
    tau2 = tau2_over_v * float(np.median(v))
    found = log_likelihood(y, v, np.asarray(tau2), None, restricted)
    # Logarithms of scales far from 1 cancel against each other: hence the absolute part.
    exact.agree(found, exact.Fit(y, v, tau2).log_likelihood(restricted), rtol=1e-13, atol=1e-13)


def test_full_likelihood_is_a_product_of_normal_densities():
    y, v, tau2 = np.array([0.1, 0.5, -0.3]), np.array([0.2, 0.1, 0.4]), 0.15
    w = 1 / (v + tau2)
    mean = (w * y).sum() / w.sum()
    expected = stats.norm.logpdf(y, mean, np.sqrt(v + tau2)).sum()
    assert_allclose(log_likelihood(y, v, np.asarray(tau2), None, restricted=False), expected, rtol=1e-13)


def test_restricted_likelihood_is_that_of_the_contrasts():
    y, v, tau2 = np.array([0.1, 0.5, -0.3]), np.array([0.2, 0.1, 0.4]), 0.15
    # Any orthonormal contrasts of the effects are free of the mean.
    contrasts = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])
    expected = stats.multivariate_normal.logpdf(contrasts @ y, np.zeros(2), contrasts @ np.diag(v + tau2) @ contrasts.T)
    assert_allclose(log_likelihood(y, v, np.asarray(tau2)), expected, rtol=1e-13)


def test_restricted_likelihood_with_moderators_is_that_of_the_contrasts():
    rng = np.random.default_rng(2)
    y, v, tau2 = rng.normal(size=8), rng.uniform(0.1, 1, 8), 0.3
    X = np.column_stack([np.ones(8), rng.normal(50, 10, 8)])
    full = np.linalg.qr(X, mode="complete")[0]
    contrasts = full[:, 2:].T
    expected = stats.multivariate_normal.logpdf(contrasts @ y, np.zeros(6), contrasts @ np.diag(v + tau2) @ contrasts.T)
    assert_allclose(log_likelihood(y, v, np.asarray(tau2), X), expected, rtol=1e-12)
    assert_allclose(log_likelihood(y, v, np.asarray(tau2), X * [1, 1e6]), expected, rtol=1e-12)


@pytest.mark.parametrize("restricted", [True, False])
def test_infinite_variance_changes_nothing(restricted):
    y, v = np.array([0.1, 0.5, -0.3]), np.array([0.2, 0.1, 0.4])
    more, wide = np.insert(y, 1, 77.0), np.insert(v, 1, np.inf)
    tau2 = np.asarray(0.3)
    alone = log_likelihood(y, v, tau2, None, restricted)
    assert_allclose(log_likelihood(more, wide, tau2, None, restricted), alone, rtol=1e-14)
    X = np.column_stack([np.ones(3), [1.0, 2, 4]])
    with_one_more = np.insert(X, 1, [1.0, 99.0], axis=0)
    alone = log_likelihood(y, v, tau2, X, restricted)
    assert_allclose(log_likelihood(more, wide, tau2, with_one_more, restricted), alone, rtol=1e-13)
