from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from metaanalysis.formulas import tau2_maxima
from metaanalysis.formulas.problems import problems
from metaanalysis.formulas.solve import Solution, Status
from metaanalysis.formulas.tau2 import TAU2, estimate_tau2
from metaanalysis.formulas.tau2_iterative import highest_of_all_maxima, maximise_likelihood, solve_generalised_q
from metaanalysis.formulas.tau2_moments import dersimonian_laird, generalised_moments

DESIGN = np.array([[1.0, 44, 0], [1, 55, 1], [1, 42, 1], [1, 52, 0], [1, 13, 0], [1, 44, 1], [1, 19, 1]])
EFFECTS = np.array([0.3, -0.2, 0.9, 1.4, 0.1, -0.7, 0.6])
VARIANCES = np.array([0.05, 0.07, 0.09, 0.06, 0.11, 0.08, 0.065])


def estimate(key, y, v, X=None):
    return estimate_tau2(TAU2[key].function, np.asarray(y, dtype=float), np.asarray(v, dtype=float), X)


def equation(exact, key, y, v, X):
    """The estimating equation at 50 digits: positive below the root, negative above."""

    def value(tau2):
        fit = exact.Fit(y, v, tau2, X)
        if key == "REML":
            return fit.yppy - fit.trace_p
        if key == "ML":
            return fit.yppy - fit.trace_w
        return fit.q - (fit.k - fit.p)

    return value


@pytest.mark.parametrize("key", ["DL", "HE", "HS", "HSk", "SJ", "DL2"])
def test_closed_forms_against_50_digits(awkward, key, exact):
    _, y, v = awkward
    k = y.size
    fit = exact.Fit(y, v)

    def moments_with(weights):
        mean = sum(a * e for a, e in zip(weights, fit.y, strict=True)) / sum(weights)
        q = sum(a * (e - mean) ** 2 for a, e in zip(weights, fit.y, strict=True))
        expected = sum(a * s - a * a * s / sum(weights) for a, s in zip(weights, fit.v, strict=True))
        return (q - expected) / (sum(weights) - sum(a * a for a in weights) / sum(weights))

    zero = exact.mpf(0)
    if key == "DL":
        raw = (fit.q - (k - 1)) / (fit.trace_w - fit.trace_ww / fit.trace_w)
    elif key == "HE":
        raw = moments_with([exact.mpf(1)] * k)
    elif key == "HS":
        raw = (fit.q - k) / fit.trace_w
    elif key == "HSk":
        raw = (fit.q * k / (k - 1) - k) / fit.trace_w
    elif key == "SJ":
        mean = sum(fit.y) / k
        start = sum((e - mean) ** 2 for e in fit.y) / k
        raw = start * exact.Fit(y, v, start).q / (k - 1)
    else:
        first = max(zero, (fit.q - (k - 1)) / (fit.trace_w - fit.trace_ww / fit.trace_w))
        raw = moments_with([1 / (s + first) for s in fit.v])
    # Q - df cancels near the boundary: what is left is as good as Q, on the scale of the variances.
    scale = (k - 1) / fit.trace_p if key != "HE" else sum(fit.v) / k
    exact.agree(estimate(key, y, v).x, max(zero, raw), rtol=1e-12, atol=1e-14 * float(scale))


@pytest.mark.parametrize("key", ["REML", "ML", "PM"])
def test_iterated_ones_against_50_digits(awkward, key, exact):
    _, y, v = awkward
    found = estimate(key, y, v)
    value = equation(exact, key, y, v, None)
    if found.x == 0:
        assert found.status == Status.AT_ZERO
        assert value(exact.mpf(0)) <= 0
        return
    assert found.status == Status.CONVERGED
    root = exact.root(value, exact.mpf(float(found.x)) * (1 - exact.mpf("1e-6")), float(found.x) * (1 + 1e-6))
    exact.agree(found.x, root)


@pytest.mark.parametrize("key", ["REML", "ML", "PM"])
@pytest.mark.parametrize("ratio", [1.0, 1e6, 1e12])
def test_iterated_ones_with_moderators_against_50_digits(key, ratio, exact):
    v = VARIANCES.copy()
    v[2] /= ratio
    found = estimate(key, EFFECTS, v, DESIGN)
    value = equation(exact, key, EFFECTS, v, DESIGN)
    if found.x == 0:
        assert value(exact.mpf(0)) <= 0
        return
    exact.agree(found.x, exact.root(value, float(found.x) * 0.999, float(found.x) * 1.001))


@pytest.mark.parametrize("key", ["DL", "HE", "HS", "HSk", "SJ", "DL2"])
def test_closed_forms_with_moderators_against_50_digits(key, exact):
    y, v, X = EFFECTS, VARIANCES, DESIGN
    fit, k, p = exact.Fit(y, v, 0, X), 7, 3

    def moments_with(a):
        # Weighted by a: as if the variances were 1 / a.
        other = exact.Fit(y, [1.0] * k, 0, X)
        other = type(other)(y, [float(1 / x) for x in a], 0, X) if a is not None else other
        expected = sum(w * c * s for w, c, s in zip(other.w, other.complements, fit.v, strict=True))
        return (other.q - expected) / other.trace_p

    if key == "DL":
        raw = (fit.q - (k - p)) / fit.trace_p
    elif key == "HE":
        raw = moments_with(None)
    elif key == "HS":
        raw = (fit.q - k) / fit.trace_w
    elif key == "HSk":
        raw = (fit.q * k / (k - p) - k) / fit.trace_w
    elif key == "SJ":
        mean = sum(fit.y) / k
        start = sum((e - mean) ** 2 for e in fit.y) / k
        raw = start * exact.Fit(y, v, start, X).q / (k - p)
    else:
        first = max(exact.mpf(0), (fit.q - (k - p)) / fit.trace_p)
        raw = moments_with([1 / (s + first) for s in fit.v])
    exact.agree(estimate(key, y, v, X).x, max(exact.mpf(0), raw), rtol=1e-12)


def test_generalised_moments_with_inverse_variances_are_dersimonian_lairds(awkward):
    _, y, v = awkward
    scale = (y.size - 1) / (1 / v).sum()
    assert_allclose(generalised_moments(y, v, None, 1 / v), dersimonian_laird(y, v), rtol=1e-9, atol=1e-13 * scale)


def test_closed_forms_are_not_truncated_before_the_one_place_that_truncates():
    y, v = np.array([0.3, 0.31, 0.29]), np.array([0.4, 0.3, 0.2])
    assert dersimonian_laird(y, v) < 0
    assert estimate("DL", y, v).x == 0.0
    assert estimate("DL", y, v).status == Status.AT_ZERO


def test_vague_pair_of_studies_does_not_drown_a_precise_pair():
    # The two precise studies alone give (0.05)^2 / 2 - 1e-8 by REML.
    assert_allclose(estimate("REML", [0.1, 0.2, 0.15, 0.3], [1e-8, 1e8, 1e-8, 1e8]).x, 0.00125 - 1e-8, rtol=1e-8)


@pytest.mark.parametrize("key", ["REML", "DL", "PM", "HE", "DL2"])
def test_huge_effects_beside_their_variances_give_the_variance_of_the_effects(key):
    assert_allclose(estimate(key, [0, 1, 2], [1e-20] * 3).x, 1.0, rtol=1e-12)
    assert_allclose(estimate("ML", [0, 1, 2], [1e-20] * 3).x, 2 / 3, rtol=1e-12)


def test_the_better_of_two_maxima_is_found_beside_one_at_zero(exact):
    y = [0.254, 1.112, 1.001, 0.406, 0.112, 0.502, -0.502, 1.718, 1.004, 0.613]
    v = [0.202, 0.123, 0.215, 0.029, 0.195, 0.013, 0.202, 0.256, 0.295, 0.129]
    found = estimate("REML", y, v)
    assert_allclose(found.x, 0.0868, atol=5e-5)
    # At 0 the score is negative too: a solver that starts there stays there.
    assert equation(exact, "REML", y, v, None)(exact.mpf(0)) < 0
    assert exact.Fit(y, v, float(found.x)).log_likelihood(True) > exact.Fit(y, v, 0).log_likelihood(True)
    exact.agree(found.x, exact.root(equation(exact, "REML", y, v, None), 0.08, 0.1), rtol=1e-12)


def test_a_negative_score_at_zero_is_not_the_end(exact):
    y = [0.709, -0.103, 0.49, 0.721, 1.022, 0.688, 0.369, 0.252, 0.637, 0.475]
    v = [0.195, 0.043, 0.219, 0.227, 0.074, 0.12, 0.185, 0.201, 0.19, 0.227]
    found = estimate("REML", y, v)
    assert_allclose(found.x, 0.0789, atol=5e-5)
    exact.agree(found.x, exact.root(equation(exact, "REML", y, v, None), 0.07, 0.09), rtol=1e-12)


# The score is negative at 0 and at the first point of the scan, and positive for a while in between.
HIDDEN_Y = [-0.286667, -0.0811913, 0.796075, -0.12899, 0.715915, -0.792071]
HIDDEN_V = [0.417199, 0.0474487, 0.345091, 0.291605, 0.369306, 0.128908]


@pytest.mark.parametrize("X", [None, np.ones((6, 1))])
def test_a_maximum_between_two_points_of_the_scan_is_found(X, exact):
    found = estimate("ML", HIDDEN_Y, HIDDEN_V, X)
    equals_0 = equation(exact, "ML", HIDDEN_Y, HIDDEN_V, None)
    assert equals_0(exact.mpf(0)) < 0
    exact.agree(found.x, exact.root(equals_0, 0.006, 0.009), rtol=1e-12)
    at = exact.Fit(HIDDEN_Y, HIDDEN_V, float(found.x))
    assert at.log_likelihood(False) > exact.Fit(HIDDEN_Y, HIDDEN_V, 0).log_likelihood(False)


@pytest.mark.parametrize("restricted", [True, False])
def test_the_maxima_found_do_not_depend_on_where_the_scan_looks_first(restricted, monkeypatch):
    random = np.random.default_rng(11)
    v = 10 ** random.uniform(-4, 0, (400, 6))
    y = random.normal(0, np.sqrt(v) * random.uniform(0.5, 3, (400, 1)))
    everywhere = problems(y, v, None)
    closely = highest_of_all_maxima(everywhere, restricted)
    # What lies between the points is known from bounds: two points are as good as twenty-five.
    monkeypatch.setattr(tau2_maxima, "SCAN_POINTS_PER_DECADE", 0)
    monkeypatch.setattr(tau2_maxima, "SCAN_POINTS_AT_LEAST", 2)
    loosely = highest_of_all_maxima(everywhere, restricted)
    assert_allclose(loosely.x, closely.x, rtol=1e-11, atol=1e-15)
    assert_array_equal(loosely.status, closely.status)


@pytest.mark.parametrize("key", list(TAU2))
def test_one_study_is_nan_with_a_status(key):
    found = estimate(key, [0.3], [0.1])
    assert np.isnan(found.x)
    assert found.status == Status.TOO_FEW_STUDIES


@pytest.mark.parametrize("key", list(TAU2))
def test_as_many_coefficients_as_studies_is_nan_with_a_status(key):
    found = estimate(key, [0.3, 0.5], [0.1, 0.2], np.array([[1.0, 0], [1, 1]]))
    assert np.isnan(found.x)
    assert found.status == Status.TOO_FEW_STUDIES


@pytest.mark.parametrize("key", ["REML", "DL", "PM", "HE", "DL2", "EB"])
def test_two_studies_of_equal_variance_have_the_moment_estimate(key):
    assert_allclose(estimate(key, [0.3, 0.9], [0.1, 0.1]).x, 0.36 / 2 - 0.1, rtol=1e-13)


@pytest.mark.parametrize("key", list(TAU2))
def test_equal_effects_have_no_variance_between_them(key):
    found = estimate(key, [0.3] * 5, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert found.x == 0.0
    assert found.status == Status.AT_ZERO


@pytest.mark.parametrize("key", list(TAU2))
def test_what_is_not_finite_is_nan_with_a_status(key):
    y = np.array([[0.1, np.nan, 0.3], [0.1, 0.9, 0.3], [0.1, 0.9, np.inf], [0.1, 0.9, 0.3]])
    v = np.array([[0.1, 0.1, 0.1], [0.1, np.nan, 0.1], [0.1, 0.1, 0.1], [0.1, 0.1, 0.1]])
    found = estimate(key, y, v)
    assert_array_equal(found.status[:3], Status.NOT_FINITE)
    assert np.isnan(found.x[:3]).all()
    # One bad problem spoils no other.
    assert_allclose(found.x[3], estimate(key, y[3], v[3]).x, rtol=1e-14)


@pytest.mark.parametrize("restricted", [True, False])
def test_a_likelihood_that_overflows_is_not_converged(restricted):
    y, v = np.array([[1e200, -1e200, 0.0]]), np.ones((1, 3))
    with np.errstate(all="ignore"):
        found = maximise_likelihood(y, v, None, restricted)
    assert_array_equal(found.status, Status.NOT_CONVERGED)
    assert np.isnan(found.x[0])


def test_generalised_q_reaches_any_target_or_says_that_it_does_not(exact):
    y, v = np.array([0.1, 0.9, -0.4, 0.6]), np.array([0.04, 0.02, 0.05, 0.1])
    highest = float(exact.Fit(y, v).q)
    targets = np.array([highest * 0.999, 1.0, 1e-3, highest, highest * 1.001])
    found = solve_generalised_q(np.broadcast_to(y, (5, 4)), np.broadcast_to(v, (5, 4)), None, targets)
    for x, target in zip(found.x[:3], targets[:3], strict=True):
        exact.agree(exact.Fit(y, v, x).q, exact.mpf(float(target)), rtol=1e-12)
    assert_array_equal(found.status[[0, 1, 2, 4]], [Status.CONVERGED] * 3 + [Status.NO_SOLUTION])
    assert found.x[4] == 0.0


@pytest.mark.parametrize("key", list(TAU2))
def test_leading_axes_and_batches_are_the_same_as_one_by_one(key):
    rng = np.random.default_rng(4)
    y, v = rng.normal(0, 0.6, (2, 3, 7)), np.exp(rng.uniform(-5, 0, (2, 3, 7)))
    for X in (None, np.broadcast_to(DESIGN, (2, 3, 7, 3))):
        together = estimate(key, y, v, X)
        assert together.x.shape == together.status.shape == together.iterations.shape == (2, 3)
        for i in np.ndindex(2, 3):
            alone = estimate(key, y[i], v[i], None if X is None else DESIGN)
            assert alone.x.shape == ()
            assert_allclose(together.x[i], alone.x, rtol=1e-11, atol=1e-14)
            assert together.status[i] == alone.status


def test_a_function_of_the_same_signature_is_an_estimator():
    def always(y, v, _X):
        return np.full(v.shape[:-1], -0.2) if y.shape[-1] < 4 else np.full(v.shape[:-1], 0.7)

    assert estimate_tau2(always, np.zeros(3), np.ones(3)).x == 0.0
    assert estimate_tau2(always, np.zeros(5), np.ones(5)).x == 0.7
    kept = Solution(np.asarray(0.4), np.asarray(0), np.asarray(3))
    assert estimate_tau2(lambda *_: kept, np.zeros(5), np.ones(5)) is kept


@pytest.mark.parametrize("key", list(TAU2))
def test_memory_grows_with_the_number_of_studies_and_not_with_its_square(key):
    rng = np.random.default_rng(0)
    peaks = []
    for k in (20_000, 100_000):
        v = np.exp(rng.uniform(-4, 0, k))
        y = rng.normal(0, np.sqrt(v + 0.1))
        tracemalloc.start()
        found = estimate(key, y, v)
        peaks.append(tracemalloc.get_traced_memory()[1] / k)
        tracemalloc.stop()
        assert 0.05 < found.x < 0.25
    assert peaks[1] < 1.5 * peaks[0]
    # 100 numbers a study; a k x k matrix would be 100,000.
    assert peaks[1] < 800
