"""Sums shared by many designs say what the formulas for one design say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas.many_designs import (
    OVER_DESIGNS,
    at_own_points,
    at_shared_points,
    features,
    fit_designs,
    sums_are_safe,
)
from metaanalysis.formulas.moments import moments_of_regression
from metaanalysis.formulas.tau2 import TAU2, estimate_tau2
from metaanalysis.formulas.weighted import weighted_least_squares

N = 200


def problem(p: int, seed: int = 3, spread: float = 100.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effects, variances and many orders of an orthonormal design."""
    random = np.random.default_rng(seed)
    k = 24
    v = np.exp(random.uniform(0.0, np.log(spread), k))
    v[0], v[1] = 1.0, spread
    y = random.normal(0.0, np.sqrt(v + 3.0))
    basis = np.linalg.qr(np.column_stack([np.ones(k), random.normal(size=(k, p - 1))]))[0]
    orders = np.array([random.permutation(k) for _ in range(N)])
    return y, v, basis[orders]


@pytest.mark.parametrize("p", [1, 2, 3, 5])
def test_moments_are_those_of_one_design(p: int) -> None:
    y, v, designs = problem(p)
    f, tau2 = features(designs, y, v), np.linspace(0.0, 20.0, N)
    expected = moments_of_regression(np.broadcast_to(y, (N, y.size)), 1.0 / (v + tau2[:, np.newaxis]), designs)
    found = at_own_points(f, tau2, np.arange(N)).moments
    for name in expected._fields:
        assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-11, err_msg=name)
    shared = at_shared_points(f, tau2[[7, 99]])
    for name in ("q", "yppy", "trace_p", "trace_w", "log_det_xwx"):
        for column, at in enumerate((7, 99)):
            assert_allclose(getattr(shared, name)[at, column], getattr(expected, name)[at], rtol=1e-11, err_msg=name)


@pytest.mark.parametrize("estimator", ["REML", "ML", "DL", "PM", "EB"])
@pytest.mark.parametrize("spread", [1.5, 1e5])
def test_estimates_are_those_of_one_design(estimator: str, spread: float) -> None:
    y, v, designs = problem(3, spread=spread)
    function = TAU2[estimator].function
    expected = estimate_tau2(function, np.broadcast_to(y, (N, y.size)), np.broadcast_to(v, (N, y.size)), designs)
    found = OVER_DESIGNS[function](features(designs, y, v))
    assert_allclose(found.x, expected.x, rtol=1e-8, atol=1e-11)
    assert found.status.tolist() == expected.status.tolist()


def test_the_highest_of_several_maxima_is_found() -> None:
    # Two clusters and precise studies among vague ones: likelihoods with a maximum at 0 and another far away.
    random = np.random.default_rng(11)
    v = np.r_[np.full(4, 0.01), np.full(4, 30.0), np.full(4, 0.02)]
    y = np.r_[0.05, -0.05, 0.0, 0.1, 6.0, -7.0, 9.0, -8.0, 3.0, 3.1, -2.9, -3.0]
    basis = np.linalg.qr(np.column_stack([np.ones(12), random.normal(size=12)]))[0]
    designs = basis[np.array([random.permutation(12) for _ in range(N)])]
    for estimator in ("REML", "ML"):
        function = TAU2[estimator].function
        expected = estimate_tau2(function, np.broadcast_to(y, (N, 12)), np.broadcast_to(v, (N, 12)), designs)
        assert_allclose(OVER_DESIGNS[function](features(designs, y, v)).x, expected.x, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("p", [1, 2, 4])
def test_coefficients_are_those_of_weighted_least_squares(p: int) -> None:
    y, v, designs = problem(p)
    tau2 = np.linspace(0.0, 5.0, N)
    expected = weighted_least_squares(np.broadcast_to(y, (N, y.size)), 1.0 / (v + tau2[:, np.newaxis]), designs)
    found = fit_designs(features(designs, y, v), tau2)
    scale = np.abs(expected.coefficients).max()
    assert_allclose(found.coefficients, expected.coefficients, rtol=1e-11, atol=1e-12 * scale)
    assert_allclose(found.covariance, expected.covariance, rtol=1e-11, atol=1e-12)
    assert_allclose(found.q, expected.q, rtol=1e-11)


def test_sums_are_refused_where_a_study_outweighs_the_rest() -> None:
    assert sums_are_safe(np.array([1.0, 1e5]))
    assert not sums_are_safe(np.array([1.0, 1.01e5]))
