"""Lines through studies, and the scores behind them, against their definitions."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from metaanalysis.formulas.asymmetry import efficient_score, line_with_factor, line_with_variance
from metaanalysis.formulas.fail_safe import orwin, rosenberg, rosenthal
from metaanalysis.formulas.inference import hartung_knapp, two_sided_p
from metaanalysis.formulas.tau2 import TAU2

Y = np.array([0.2, -0.4, 1.1, 0.6, -0.3, 0.9])
V = np.array([0.04, 0.2, 0.3, 0.05, 0.5, 0.1])


def test_eggers_own_form() -> None:
    # Regressing y / se on 1 / se without weights: its intercept is the slope on se, its slope the limit.
    se = np.sqrt(V)
    found = line_with_factor(Y, se, 1 / V)
    design = np.column_stack([np.ones(6), 1 / se])
    b = np.linalg.lstsq(design, Y / se, rcond=None)[0]
    residuals = Y / se - design @ b
    covariance = np.linalg.inv(design.T @ design) * (residuals @ residuals) / 4
    assert_allclose([found.slope, found.intercept], b, rtol=1e-12)
    assert_allclose([found.slope_se, found.intercept_se], np.sqrt(np.diag(covariance)), rtol=1e-12)
    assert found.df == 4


def test_no_excess_variation_makes_hartung_knapp_of_the_factor() -> None:
    se = np.sqrt(V)
    line, found = line_with_variance(Y, V, se, None, hartung_knapp)
    factor = line_with_factor(Y, se, 1 / V)
    assert found is None
    assert_allclose([line.slope, line.slope_se, line.df], [factor.slope, factor.slope_se, factor.df], rtol=1e-12)


def test_scale_free() -> None:
    se = np.sqrt(V)
    plain, _ = line_with_variance(Y, V, se, TAU2["REML"].function, hartung_knapp)
    scaled, _ = line_with_variance(1e-8 * Y, 1e-16 * V, 1e-8 * se, TAU2["REML"].function, hartung_knapp)
    assert_allclose([scaled.slope, scaled.slope_se], [plain.slope, plain.slope_se], rtol=1e-9)
    assert_allclose([1e8 * scaled.intercept, 1e16 * scaled.tau2], [plain.intercept, plain.tau2], rtol=1e-9)


def test_score_and_information_are_derivatives() -> None:
    # The log-likelihood of the log odds ratio given the margins, at 0: slope Z and minus the curvature V.
    from scipy.special import gammaln, logsumexp

    a, n1, c, n2 = 4.0, 12.0, 9.0, 20.0
    j = np.arange(max(0, a + c - n2), min(n1, a + c) + 1)
    log_p = -gammaln(j + 1) - gammaln(n1 - j + 1) - gammaln(a + c - j + 1) - gammaln(n2 - a - c + j + 1)
    p = np.exp(log_p - logsumexp(log_p))
    score, variance = efficient_score(*(np.array(x) for x in (a, n1, c, n2)))
    assert_allclose(score, a - (p * j).sum(), rtol=1e-12)
    assert_allclose(variance, (p * (j - (p * j).sum()) ** 2).sum(), rtol=1e-12)


def test_the_fail_safe_number_does_what_it_says() -> None:
    y, v = np.array([0.5, 0.8, 0.3, 0.9]), np.array([0.04, 0.09, 0.02, 0.1])
    z = y / np.sqrt(v)
    n = rosenthal(y, v, 0.05).number
    stouffer = z.sum() / np.sqrt(4 + n)
    assert_allclose(two_sided_p(np.asarray(stouffer), np.asarray(np.inf)) / 2, 0.05, rtol=1e-10)
    n = rosenberg(y, v, 0.05).number
    w = 1 / v
    pooled_z = (w * y).sum() / np.sqrt(w.sum() + n * w.mean())
    assert_allclose(two_sided_p(np.asarray(pooled_z), np.asarray(np.inf)), 0.05, rtol=1e-10)
    n = orwin(y, v, 0.1, weighted=False).number
    assert_allclose(y.sum() / (4 + n), 0.1, rtol=1e-12)
