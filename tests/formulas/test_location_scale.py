"""Location-scale models: the likelihood's derivatives at 50 digits, the maxima that must be found, and the edges."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas.likelihood import log_likelihood
from metaanalysis.formulas.location_scale import (
    LINKS,
    derivatives,
    identity_link,
    log_likelihood_of_variances,
    log_link,
)
from metaanalysis.formulas.location_scale_climb import Ending
from metaanalysis.formulas.location_scale_fit import fit_location_scale, tau2_for
from metaanalysis.formulas.tau2_iterative import maximise_likelihood

BCG_Y = np.array([-0.8893113, -1.5853887, -1.3480731, -1.4415512, -0.2175473, -0.7861156, -1.6208982, 0.0119523, -0.4694176,
                  -1.3713448, -0.3393588, 0.4459134, -0.0173139])  # fmt: skip
BCG_V = np.array([0.3255848, 0.1945811, 0.4153680, 0.0200100, 0.0512102, 0.0069056, 0.2230172, 0.0039616, 0.0564342,
                  0.0730248, 0.0124122, 0.5325058, 0.0714047])  # fmt: skip
LATITUDE = np.array([44.0, 55, 42, 52, 13, 44, 19, 13, 27, 42, 18, 33, 33])
YEAR = np.array([1948.0, 1949, 1960, 1977, 1973, 1953, 1973, 1980, 1968, 1961, 1974, 1969, 1976])
ONE = np.ones(13)
# Random, alternate, systematic allocation.
ALLOCATION = np.array([0, 0, 0, 0, 1, 1, 0, 0, 0, 2, 2, 2, 2])
BY_ALLOCATION = (ALLOCATION[:, np.newaxis] == np.arange(3)).astype(float)

DESIGNS = {
    "mean": ONE[:, np.newaxis],
    "latitude": np.column_stack([ONE, LATITUDE]),
    "one study alone": np.column_stack([ONE, LATITUDE, np.arange(13) == 4]),
}


class ExactModel:
    """The definitions at 50 digits, k x k and slow."""

    def __init__(self, exact, y, v, X, Z, link, restricted):
        mp = exact.mp
        self.mp, self.link, self.restricted = mp, link, restricted
        self.y = mp.matrix([mp.mpf(float(x)) for x in y])
        self.v = [mp.mpf(float(x)) for x in v]
        self.X, self.Z = (mp.matrix([[mp.mpf(float(x)) for x in row] for row in M]) for M in (X, Z))

    def derivatives(self, a):
        """Score, expected and observed information."""
        mp, Z, k, q = self.mp, self.Z, len(self.v), self.Z.cols
        eta = Z * a
        tau2 = [mp.exp(x) if self.link == "log" else x for x in eta]
        slope = tau2 if self.link == "log" else [mp.mpf(1)] * k
        bend = tau2 if self.link == "log" else [mp.mpf(0)] * k
        W = mp.diag([1 / (v + t) for v, t in zip(self.v, tau2, strict=True)])
        P = W - W * self.X * ((self.X.T * W * self.X) ** -1) * self.X.T * W
        u = P * self.y
        score, expected, observed = mp.matrix(q, 1), mp.matrix(q), mp.matrix(q)
        for i in range(k):
            excess = u[i] ** 2 - (P[i, i] if self.restricted else W[i, i])
            score += slope[i] * excess / 2 * Z[i, :].T
            for j in range(k):
                square = (P[i, j] if self.restricted else W[i, j]) ** 2
                both = Z[i, :].T * Z[j, :]
                expected += slope[i] * slope[j] * square / 2 * both
                observed += slope[i] * slope[j] * (u[i] * u[j] * P[i, j] - square / 2) * both
            observed -= bend[i] * excess / 2 * (Z[i, :].T * Z[i, :])
        return score, expected, observed

    def maximum(self, near):
        """Newton's method from a point next to it: coefficients and standard errors."""
        a = self.mp.matrix([self.mp.mpf(float(x)) for x in near])
        for _ in range(4):
            score, _, observed = self.derivatives(a)
            a += self.mp.lu_solve(observed, score)
        covariance = observed**-1
        return list(a), [self.mp.sqrt(covariance[i, i]) for i in range(self.Z.cols)]


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("design", list(DESIGNS))
@pytest.mark.parametrize(("link", "ratio"), [("log", 1.0), ("log", 1e12), ("identity", 1.0)])
def test_derivatives_at_50_digits(link, ratio, design, restricted, exact):
    X, Z = DESIGNS[design], np.column_stack([ONE, LATITUDE / 50 - 0.7, np.arange(13) == 7])
    v = BCG_V.copy()
    # With such a ratio, and a tau2 as small, this study has a leverage of 1 less 1e-12.
    v[7] /= ratio
    a = np.array([-3.0, 0.7, -np.log(ratio)]) if link == "log" else np.array([0.05, 0.01, -0.03])
    found = derivatives(BCG_Y, v, X, Z, LINKS[link].function(Z @ a), restricted)
    model = ExactModel(exact, BCG_Y, v, X, Z, link, restricted)
    score, expected, observed = model.derivatives(exact.mp.matrix([exact.mpf(float(x)) for x in a]))
    exact.agree(found.score, list(score), rtol=1e-11)
    size = np.sqrt([float(expected[i, i]) for i in range(3)])
    for matrix, truth in ((found.expected, expected), (found.observed, observed)):
        # Entry by entry, beside the information of the two coefficients.
        truth = np.array([[float(truth[i, j]) for j in range(3)] for i in range(3)])
        assert_allclose(matrix / np.outer(size, size), truth / np.outer(size, size), rtol=1e-11, atol=1e-11)


def test_derivatives_in_batches():
    rng = np.random.default_rng(4)
    y, v, eta = rng.normal(size=(3, 2, 13)), rng.uniform(0.1, 1, (3, 2, 13)), rng.normal(-1, 1, (3, 2, 13))
    X, Z = DESIGNS["latitude"], BY_ALLOCATION
    together = derivatives(y, v, X, Z, log_link(eta), True)
    alone = derivatives(y[2, 1], v[2, 1], X, Z, log_link(eta[2, 1]), True)
    for many, one in zip(together, alone, strict=True):
        assert_allclose(many[2, 1], one, rtol=1e-13, atol=1e-15)
    heights = log_likelihood_of_variances(y, v, X, np.exp(eta), True)
    assert_allclose(heights[2, 1], log_likelihood_of_variances(y[2, 1], v[2, 1], X, np.exp(eta[2, 1]), True))


@pytest.mark.parametrize("restricted", [True, False])
def test_likelihood_at_one_tau2_is_the_usual_one(restricted):
    X = DESIGNS["latitude"]
    found = log_likelihood_of_variances(BCG_Y, BCG_V, X, np.full(13, 0.3), restricted)
    assert_allclose(found, log_likelihood(BCG_Y, BCG_V, np.asarray(0.3), X, restricted), rtol=1e-13)


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("link", list(LINKS))
@pytest.mark.parametrize("moderator", ["allocation", "year"])
def test_coefficients_and_standard_errors_at_50_digits(link, moderator, restricted, exact):
    # Years are nearly collinear with the intercept: condition 2e5.
    Z = BY_ALLOCATION if moderator == "allocation" else np.column_stack([ONE, YEAR])
    X = DESIGNS["mean"] if moderator == "allocation" else DESIGNS["latitude"]
    found = fit_location_scale(BCG_Y, BCG_V, X, Z, link, restricted)
    if found.ending is not Ending.CONVERGED:
        assert (moderator, link, restricted) == ("year", "identity", False)
        return
    a, se = ExactModel(exact, BCG_Y, BCG_V, X, Z, link, restricted).maximum(found.coefficients)
    exact.agree(found.coefficients, a, rtol=1e-11)
    exact.agree(np.sqrt(np.diagonal(found.covariance)), se, rtol=1e-11)
    assert np.abs(found.score).max() < 1e-11


@pytest.mark.parametrize("restricted", [True, False])
def test_with_an_intercept_alone_it_is_the_usual_model(awkward, restricted):
    _, y, v = awkward
    X = np.ones((y.size, 1))
    usual = maximise_likelihood(y, v, None, restricted)
    for link, transform in (("log", np.exp), ("identity", lambda a: a)):
        found = fit_location_scale(y, v, X, X, link, restricted)
        if usual.x == 0:
            assert found.ending is Ending.ALL_AT_ZERO
            assert found.coefficients[0] == (-np.inf if link == "log" else 0.0)
        else:
            assert_allclose(transform(found.coefficients), usual.x, rtol=1e-8, atol=1e-13 * v.min())
            assert_allclose(found.tau2, usual.x, rtol=1e-8, atol=1e-13 * v.min())


@pytest.mark.parametrize("link", list(LINKS))
@pytest.mark.parametrize("restricted", [True, False])
def test_groups_with_their_own_mean_and_variance_are_separate_analyses(link, restricted):
    found = fit_location_scale(BCG_Y, BCG_V, BY_ALLOCATION, BY_ALLOCATION, link, restricted)
    own = np.array(
        [
            maximise_likelihood(BCG_Y[g == ALLOCATION], BCG_V[g == ALLOCATION], np.ones((n, 1)), restricted).x
            for g, n in enumerate(np.bincount(ALLOCATION))
        ]
    )
    assert_allclose(found.tau2, own[ALLOCATION], rtol=1e-9)
    assert_allclose(found.coefficients, np.log(own) if link == "log" else own, rtol=1e-9)


def homogeneous_first_group():
    """The BCG trials with random allocation made alike."""
    y = np.where(ALLOCATION == 0, -0.7 + 0.01 * np.arange(13), BCG_Y)
    contrast = np.column_stack([ONE, BY_ALLOCATION[:, 0]])
    return y, contrast


@pytest.mark.parametrize("restricted", [True, False])
def test_a_group_without_variance_is_at_the_edge_and_leaves_the_others_as_they_are(restricted):
    y, Z = homogeneous_first_group()
    alike = ALLOCATION == 0
    X = np.column_stack([alike, ~alike]).astype(float)
    found = fit_location_scale(y, BCG_V, X, Z, "log", restricted)
    assert found.ending is Ending.SOME_AT_ZERO
    assert (found.tau2[alike] == 0).all()
    n = int((~alike).sum())
    alone = fit_location_scale(y[~alike], BCG_V[~alike], np.ones((n, 1)), np.ones((n, 1)), "log", restricted)
    assert_allclose(found.tau2[~alike], alone.tau2[0], rtol=1e-10)
    assert_allclose(found.coefficients[0], alone.coefficients[0], rtol=1e-10)
    assert found.coefficients[1] == -np.inf
    assert_allclose(found.covariance[0, 0], alone.covariance[0, 0], rtol=1e-10)
    assert np.isnan(found.covariance[1]).all()
    # New studies: of the first group, of the others, and beyond the first, where tau2 is anything.
    new = tau2_for(np.array([[1.0, 1], [1, 0], [1, 0.5], [1, -1]]), Z, found.predictor, found.coefficients, "log")
    assert_allclose(new, [0, alone.tau2[0], 0, np.nan], rtol=1e-10)
    # The likelihood with a large negative coefficient comes ever nearer to the one reported, from below.
    heights = [
        float(log_likelihood_of_variances(y, BCG_V, X, np.exp(Z @ [found.coefficients[0], a]), restricted))
        for a in (-2, -5, -10, -40)
    ]
    assert np.all(np.diff(heights) > 0)
    assert_allclose(heights[-1], found.log_likelihood, rtol=1e-12)


def test_identity_link_stops_at_the_bound_where_the_score_still_pushes():
    y, Z = homogeneous_first_group()
    X = DESIGNS["mean"]
    found = fit_location_scale(y, BCG_V, X, Z, "identity", True)
    assert found.ending is Ending.SOME_AT_ZERO
    assert_allclose(found.coefficients[0], -found.coefficients[1], rtol=1e-12)
    assert np.isnan(found.covariance).all()
    # Kuhn and Tucker: the score is 0 along the bound and does not point inside.
    score = derivatives(y, BCG_V, X, Z, identity_link(found.tau2), True).score
    assert_allclose(score @ [1.0, -1.0], 0.0, atol=1e-11)
    assert score[1] < 0
    with_log = fit_location_scale(y, BCG_V, X, Z, "log", True)
    assert_allclose(found.tau2, with_log.tau2, rtol=1e-9)


def test_no_variance_at_all():
    y = np.full(13, 0.3)
    Z = np.column_stack([ONE, LATITUDE])
    for link in LINKS:
        found = fit_location_scale(y, BCG_V, DESIGNS["mean"], Z, link, True)
        assert found.ending is Ending.ALL_AT_ZERO
        assert (found.tau2 == 0).all()
        expected = np.nan if link == "log" else 0.0
        assert_allclose(found.coefficients, [expected, expected])


def test_a_study_that_the_mean_explains_alone_determines_no_variance():
    # The restricted likelihood does not see that study, and the last scale coefficient is of that study alone.
    alone = (np.arange(13) == 4).astype(float)
    X, Z = np.column_stack([ONE, alone]), np.column_stack([ONE, alone])
    assert fit_location_scale(BCG_Y, BCG_V, X, Z, "log", True).ending is Ending.NOT_DETERMINED
    assert fit_location_scale(BCG_Y, BCG_V, X, Z, "identity", True).ending is Ending.NOT_DETERMINED


@pytest.mark.parametrize("link", list(LINKS))
def test_two_variances_cannot_come_from_one_difference(link):
    # Two studies with a mean of their own say how large their tau2 are together, and nothing of each.
    pair, first = np.arange(13) < 2, np.arange(13) < 1
    X = np.column_stack([ONE, pair]).astype(float)
    Z = np.column_stack([~pair, first, pair & ~first]).astype(float)
    y = np.where(first, 5.0, BCG_Y)
    assert fit_location_scale(y, BCG_V, X, Z, link, True).ending is Ending.NOT_DETERMINED


@pytest.mark.parametrize("scale", [1e-8, 1e8, 3.7])
def test_the_scale_of_the_data_shifts_the_intercept_alone(scale):
    X, Z = DESIGNS["latitude"], np.column_stack([ONE, YEAR])
    there = fit_location_scale(BCG_Y, BCG_V, X, Z, "log", True)
    here = fit_location_scale(scale * BCG_Y, scale**2 * BCG_V, X, Z, "log", True)
    assert_allclose(here.coefficients[1], there.coefficients[1], rtol=1e-9)
    assert_allclose(here.tau2, there.tau2 * scale**2, rtol=1e-10)
    assert_allclose(here.coefficients[0], there.coefficients[0] + 2 * np.log(scale), rtol=1e-9)
    assert_allclose(here.covariance, there.covariance, rtol=1e-9)
    Z = BY_ALLOCATION
    there = fit_location_scale(BCG_Y, BCG_V, X, Z, "identity", True)
    here = fit_location_scale(scale * BCG_Y, scale**2 * BCG_V, X, Z, "identity", True)
    assert_allclose(here.coefficients, there.coefficients * scale**2, rtol=1e-9)
    assert_allclose(here.covariance, there.covariance * scale**4, rtol=1e-9)


def test_without_an_intercept_the_scale_moderators_may_still_span_one():
    X = DESIGNS["mean"]
    contrasts = BY_ALLOCATION @ np.array([[1.0, 0, 0], [1, 1, 0], [1, 0, 1]])
    by_group = fit_location_scale(BCG_Y, BCG_V, X, BY_ALLOCATION, "log", True)
    by_contrast = fit_location_scale(BCG_Y, BCG_V, X, contrasts, "log", True)
    assert_allclose(by_group.tau2, by_contrast.tau2, rtol=1e-10)
    assert_allclose(by_contrast.coefficients, by_group.coefficients @ [[1, -1, -1], [0, 1, 0], [0, 0, 1]], rtol=1e-9)


def test_a_moderator_without_intercept_has_a_scale_of_its_own(exact):
    # tau2 = exp(a z): 1 where z is 0, so that the unit of the effects matters.
    Z = (LATITUDE / -20)[:, np.newaxis]
    found = fit_location_scale(BCG_Y, BCG_V, DESIGNS["mean"], Z, "log", True)
    a, se = ExactModel(exact, BCG_Y, BCG_V, DESIGNS["mean"], Z, "log", True).maximum(found.coefficients)
    exact.agree(found.coefficients, a, rtol=1e-11)
    exact.agree(np.sqrt(np.diagonal(found.covariance)), se, rtol=1e-11)


def test_effects_far_from_zero_lose_nothing():
    X, Z = DESIGNS["latitude"], np.column_stack([ONE, LATITUDE])
    y = np.round(BCG_Y * 1024) / 1024
    near = fit_location_scale(y, BCG_V, X, Z, "log", True)
    far = fit_location_scale(y + 2.0**30, BCG_V, X, Z, "log", True)
    assert_allclose(far.coefficients, near.coefficients, rtol=1e-10)
    assert_allclose(far.log_likelihood, near.log_likelihood, rtol=1e-12)


def test_the_highest_of_several_maxima():
    # The BCG trials by allocation, with the mean of each: the allocation of the random trials has a maximum at tau2 = 0 too.
    found = fit_location_scale(BCG_Y, BCG_V, DESIGNS["latitude"], BY_ALLOCATION, "log", True)
    assert found.maxima.size == 2
    assert found.maxima[0] == found.log_likelihood
    assert found.maxima[0] - found.maxima[1] < 0.05


def test_edges_far_from_where_the_scan_is_dense(exact):
    # The highest point has tau2 in the second study alone; a scan's six best points lead to a lower edge.
    y = np.array([-0.411, 2.47, 0.425, -1.001, 0.466, 1.082])
    v = np.array([0.3798, 0.1909, 0.0314, 0.5681, 0.801, 0.2938])
    X = np.column_stack([np.ones(6), [0.3, -0.87, 0.19, 1.33, -0.94, -0.54]])
    Z = np.column_stack([np.ones(6), [-1.45, 0.45, 0.6, 0.31, -1.49, -0.94], [0.28, -0.45, -1.59, -0.21, -1.54, 0.55]])
    found = fit_location_scale(y, v, X, Z, "log", True)
    assert found.ending is Ending.SOME_AT_ZERO
    assert_allclose(found.log_likelihood, -3.58263, atol=1e-5)
    assert (found.tau2 > 0).tolist() == [False, True, False, False, False, False]
    # Two coefficients short of a maximum, so that none is known.
    assert np.isnan(found.coefficients).all()
    # The second study's tau2 maximises the likelihood by itself.
    only = np.eye(6)[1]
    heights = [
        float(log_likelihood_of_variances(y, v, X, t * only, True)) for t in found.tau2[1] * np.array([0.99, 1, 1.01])
    ]
    assert heights[1] > max(heights[0], heights[2])
    assert_allclose(heights[1], found.log_likelihood, rtol=1e-12)


def test_edges_where_tau2_falls_at_very_different_rates():
    # Heavy-tailed moderators: tau2 of two studies remains, at predictors far below those of likely values elsewhere.
    y = np.array([-1.345, -0.722, -1.784, -0.809, 1.288, 3.139, 2.66, -0.024, 2.164, 1.009, -1.148, -0.763, 0.276])
    v = np.array(
        [0.0244, 0.0401, 0.0487, 0.0462, 0.0183, 0.1716, 0.1669, 0.0568, 0.2418, 0.6424, 0.1273, 0.0861, 0.0155]
    )
    X = np.column_stack([ONE, [-1.22, -0.63, -2.66, -1.07, 1.16, 1.0, 2.22, -0.06, 1.51, -0.32, -1.07, -0.81, -0.05]])
    Z = np.column_stack(
        [
            ONE,
            [24, 23, 134, -56, -132, -150, 357, -29, 65, -96, -133, -11, -44],
            [-65, 180, 20, -98, -17, -158, 580, -80, 281, -186, 220, 69, 74],
        ]
    )
    found = fit_location_scale(y, v, X, Z, "log", False)
    assert_allclose(found.maxima[:2], [-7.449026, -7.449639], atol=2e-6)


def test_no_random_start_climbs_higher():
    rng = np.random.default_rng(8)
    for _ in range(6):
        k = int(rng.integers(5, 12))
        X, Z = (np.column_stack([np.ones(k), rng.normal(size=k)]) for _ in range(2))
        v = 10 ** rng.uniform(-2, 0, k)
        y = rng.normal(size=k) * np.sqrt(v + 10 ** rng.uniform(-2, 1, k))
        found = fit_location_scale(y, v, X, Z, "log", True)
        # On a grid of coefficients, tau2 from next to nothing to more than enough.
        a0, a1 = (grid.ravel()[:, np.newaxis] for grid in np.meshgrid(np.linspace(-12, 6, 60), np.linspace(-9, 9, 60)))
        heights = log_likelihood_of_variances(y, v, X, np.exp(a0 + a1 * Z[:, 1]), True)
        assert heights.max() <= found.log_likelihood + 1e-9
