"""Deletion by an infinite variance is deletion."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas.deletion import (
    baujat,
    can_be_left_out,
    deleted_fits,
    full_fit,
    influence_measures,
    influential,
)
from metaanalysis.formulas.inference import hartung_knapp, wald
from metaanalysis.formulas.tau2 import TAU2, estimate_tau2
from metaanalysis.formulas.weighted import inverse_variance_weights, weighted_least_squares

Y = np.array([0.2, -0.4, 1.1, 0.6, -0.3, 0.9, 0.1])
V = np.array([0.04, 0.2, 0.3, 0.05, 0.5, 0.1, 0.08])
X = np.column_stack([np.ones(7), [1.0, 2.0, 4.0, 3.0, 7.0, 5.0, 6.5]])


@pytest.mark.parametrize("design", [None, X], ids=["mean", "line"])
@pytest.mark.parametrize("inference", [wald, hartung_knapp])
@pytest.mark.parametrize("estimator", ["DL", "REML", "HE", "SJ"])
def test_the_same_as_leaving_the_study_out(design, inference, estimator) -> None:
    function = TAU2[estimator].function
    found = deleted_fits(Y, V, design, np.arange(7), function, inference)
    for i in range(7):
        keep = np.arange(7) != i
        x = None if design is None else design[keep]
        tau2 = estimate_tau2(function, Y[keep], V[keep], x).x
        w = inverse_variance_weights(V[keep], tau2)
        fit = weighted_least_squares(Y[keep], w, x)
        assert_allclose(found.tau2[i], tau2, rtol=1e-11, atol=1e-14)
        assert_allclose(found.coefficients[i], fit.coefficients, rtol=1e-11)
        assert_allclose(found.covariance[i], inference(fit, w, x).covariance, rtol=1e-11)


def test_cook_and_hat_in_closed_form_without_heterogeneity() -> None:
    # Under the common-effect model b - b(i) = (X'WX)^-1 x_i w_i r_i / (1 - h_i), so that Cook's distance is closed.
    full = full_fit(Y, V, X, np.zeros(()), wald)
    at = np.arange(7)
    deleted = deleted_fits(Y, V, X, at, None, wald)
    found = influence_measures(Y, V, X, at, full, deleted)
    h, r = full.fit.leverages, full.fit.residuals
    assert_allclose(found.cook_distance, h * r**2 / (V * (1 - h) ** 2), rtol=1e-11)
    assert_allclose(found.covariance_ratio, 1 / (1 - h), rtol=1e-11)
    assert_allclose(found.rstudent, r / np.sqrt(V * (1 - h)), rtol=1e-11)
    assert_allclose(found.dffits**2, h * r**2 / (V * (1 - h) ** 2), rtol=1e-11)
    assert_allclose(baujat(Y, V, X, at, full, deleted).contribution.sum(), full.fit.q, rtol=1e-12)


def test_scale_free() -> None:
    at, function = np.arange(7), TAU2["REML"].function
    results = []
    for c in (1.0, 1e-8, 1e8):
        y, v = c * Y, c * c * V
        tau2 = estimate_tau2(function, y, v, X).x
        full = full_fit(y, v, X, tau2, wald)
        results.append(influence_measures(y, v, X, at, full, deleted_fits(y, v, X, at, function, wald)))
    for other in results[1:]:
        for name in "rstudent dffits cook_distance covariance_ratio dfbetas".split():
            assert_allclose(getattr(other, name), getattr(results[0], name), rtol=1e-9, err_msg=name)


def test_a_study_that_a_coefficient_rests_on_alone() -> None:
    design = np.column_stack([np.ones(4), [0.0, 0.0, 0.0, 1.0]])
    assert can_be_left_out(design).tolist() == [True, True, True, False]


# Of ten studies and one coefficient: 3 sqrt(1/9), the median of chi2 with 1 degree of freedom, 3/10, and 1.
@pytest.mark.parametrize("measure, threshold", [(0, 1.0), (1, 0.454936423119573), (2, 0.3), (3, 1.0)])
def test_each_threshold_flags_by_itself(measure: int, threshold: float) -> None:
    for factor, expected in ((1 - 1e-9, []), (1 + 1e-9, [3])):
        parts = [np.zeros(10), np.zeros(10), np.zeros(10), np.zeros((10, 1))]
        parts[measure][3] = threshold * factor
        assert np.flatnonzero(influential(*parts, 10, 1)).tolist() == expected


def test_any_coefficient_may_flag() -> None:
    calm, changed = np.zeros(10), np.zeros((10, 2))
    changed[5, 1] = -1.01
    assert np.flatnonzero(influential(calm, calm, calm, changed, 10, 2)).tolist() == [5]
