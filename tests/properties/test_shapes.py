"""One kernel: a batch is its problems one by one, a column of ones is the mean, and no weight is no study."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from metaanalysis.formulas.heterogeneity import cochran_q, typical_variance
from metaanalysis.formulas.likelihood import log_likelihood
from metaanalysis.formulas.tau2 import TAU2, estimate_tau2
from metaanalysis.formulas.tau2_interval import q_profile
from metaanalysis.formulas.weighted import weighted_least_squares
from metaanalysis.models.numbers import pooled_numbers
from metaanalysis.options import PoolOptions

SEED = st.integers(0, 2**32 - 1)
K = st.integers(3, 25)
CIS = ("wald", "t", "hksj", "hksj-adhoc", "kenward-roger")
PREDICTIONS = ("ci", "normal", "hts", "t", "hksj")


def problems(seed, k, *lead):
    rng = np.random.default_rng(seed)
    v = 10.0 ** rng.uniform(-rng.uniform(0.5, 4), 0, (*lead, k))
    return rng.normal(0, np.sqrt(v + rng.choice([0.0, 0.3, 2.0], (*lead, 1)))), v


def assert_close(found, expected, v, message=""):
    """To 1e-12 of the number, or of the variances it is added to."""
    scale = (1 / (1 / np.where(np.isinf(v), 1.0, v)).mean(axis=-1)).max()
    assert_allclose(found, expected, rtol=1e-12, atol=1e-13 * scale, err_msg=message)


@pytest.mark.parametrize("tau2", list(TAU2))
@settings(max_examples=12)
@given(seed=SEED, k=K)
def test_a_batch_is_its_problems_one_by_one(tau2, seed, k):
    y, v = problems(seed, k, 2, 3)
    options = PoolOptions(tau2=tau2, ci="hksj", prediction="hts")
    together = pooled_numbers(y, v, options)
    for i in np.ndindex(2, 3):
        alone = pooled_numbers(y[i], v[i], options)
        # How long the way was depends on the company: the scan is as fine as the widest problem needs.
        for name in set(together._fields) - {"iterations"}:
            assert_close(getattr(together, name)[i], getattr(alone, name), v[i], name)


@pytest.mark.parametrize("tau2", list(TAU2))
@settings(max_examples=12)
@given(seed=SEED, k=K, at=st.integers(0, 25), effect=st.sampled_from([0.0, 1e6, np.nan, np.inf]))
def test_a_study_of_infinite_variance_changes_nothing(tau2, seed, k, at, effect):
    y, v = problems(seed, k)
    at = min(at, k)
    more, wide = np.insert(y, at, effect), np.insert(v, at, np.inf)
    for ci, prediction in zip(CIS, PREDICTIONS, strict=True):
        options = PoolOptions(tau2=tau2, ci=ci, prediction=prediction, i2="q" if ci == "t" else "tau2")
        alone, found = pooled_numbers(y, v, options), pooled_numbers(more, wide, options)
        assert found.weights[at] == 0.0
        assert_close(np.delete(found.weights, at), alone.weights, v)
        for name in set(found._fields) - {"weights", "iterations"}:
            assert_close(getattr(found, name), getattr(alone, name), v, f"{name}, {ci}, {prediction}")
    assert_close(q_profile(more, wide, None, 0.95), q_profile(y, v, None, 0.95), v)


@pytest.mark.parametrize("tau2", list(TAU2))
@settings(max_examples=12)
@given(seed=SEED, k=K, at=st.integers(0, 25))
def test_a_study_of_infinite_variance_changes_nothing_in_a_regression(tau2, seed, k, at):
    y, v = problems(seed, k + 1)
    X = np.column_stack([np.ones(k + 1), np.random.default_rng(seed).normal(50, 10, k + 1)])
    at = min(at, k + 1)
    more, wide, design = np.insert(y, at, 7.0), np.insert(v, at, np.inf), np.insert(X, at, [1.0, 1e3], axis=0)
    function = TAU2[tau2].function
    assert_close(estimate_tau2(function, more, wide, design).x, estimate_tau2(function, y, v, X).x, v)
    for found, alone in (
        (cochran_q(more, wide, design), cochran_q(y, v, X)),
        (typical_variance(wide, design), typical_variance(v, X)),
        (weighted_least_squares(more, 1 / wide, design).q, weighted_least_squares(y, 1 / v, X).q),
    ):
        assert_close(found, alone, v)


@pytest.mark.parametrize("tau2", list(TAU2))
@settings(max_examples=12)
@given(seed=SEED, k=K)
def test_a_column_of_ones_is_the_mean(tau2, seed, k):
    y, v = problems(seed, k, 4)
    X = np.ones((4, k, 1))
    function = TAU2[tau2].function
    mean, regression = estimate_tau2(function, y, v), estimate_tau2(function, y, v, X)
    assert_close(regression.x, mean.x, v)
    np.testing.assert_array_equal(regression.status, mean.status)
    given_tau2 = np.asarray(mean.x)
    w = 1 / (v + given_tau2[:, np.newaxis])
    pairs = [
        (cochran_q(y, v, X), cochran_q(y, v)),
        (typical_variance(v, X), typical_variance(v)),
        (log_likelihood(y, v, given_tau2, X, True), log_likelihood(y, v, given_tau2, None, True)),
        (log_likelihood(y, v, given_tau2, X, False), log_likelihood(y, v, given_tau2, None, False)),
        (q_profile(y, v, X, 0.95), q_profile(y, v, None, 0.95)),
        *zip(weighted_least_squares(y, w, X), weighted_least_squares(y, w), strict=True),
    ]
    for with_ones, without in pairs:
        assert_close(with_ones, without, v)


@given(seed=SEED, k=K)
def test_moderators_may_be_measured_in_any_unit_and_from_any_origin(seed, k):
    y, v = problems(seed, k + 2)
    x = np.random.default_rng(seed).normal(0, 1, k + 2)
    there = np.column_stack([np.ones(k + 2), x])
    for here in (np.column_stack([np.ones(k + 2), 1000 * x]), np.column_stack([np.ones(k + 2), x + 20])):
        for tau2 in TAU2:
            function = TAU2[tau2].function
            found, expected = estimate_tau2(function, y, v, here).x, estimate_tau2(function, y, v, there).x
            assert_allclose(found, expected, rtol=1e-10, atol=1e-12, err_msg=tau2)
