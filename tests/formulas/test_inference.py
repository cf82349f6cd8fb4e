from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from metaanalysis.formulas.inference import CI, FEW_QUANTILES, quantile, two_sided_p
from metaanalysis.formulas.weighted import inverse_variance_weights, weighted_least_squares, weighted_mean

DESIGN = np.array([[1.0, 44, 0], [1, 55, 1], [1, 42, 1], [1, 52, 0], [1, 13, 0], [1, 44, 1], [1, 19, 1]])
EFFECTS = np.array([0.3, -0.2, 0.9, 1.4, 0.1, -0.7, 0.6])
VARIANCES = np.array([0.05, 0.07, 0.09, 0.06, 0.11, 0.08, 0.065])


def inference(key, y, v, tau2=0.0, X=None):
    w = inverse_variance_weights(np.asarray(v, dtype=float), tau2)
    return CI[key].function(weighted_least_squares(np.asarray(y, dtype=float), w, X), w, X)


@pytest.mark.parametrize("key", ["wald", "t", "hksj", "hksj-adhoc"])
@pytest.mark.parametrize("tau2_over_v", [0.0, 0.7, 50.0])
def test_variance_of_the_mean_against_50_digits(awkward, key, tau2_over_v, exact):
    _, y, v = awkward
    tau2 = tau2_over_v * float(np.median(v))
    found, reference = inference(key, y, v, tau2), exact.Fit(y, v, tau2)
    factor = reference.q / (reference.k - 1)
    factor = {"hksj": factor, "hksj-adhoc": max(factor, exact.mpf(1))}.get(key, exact.mpf(1))
    exact.agree(found.covariance, reference.covariance[0] * factor, atol=1e-45)
    assert found.df == (np.inf if key == "wald" else y.size - 1)


@pytest.mark.parametrize("key", ["wald", "t", "hksj", "hksj-adhoc"])
def test_covariance_with_moderators_against_50_digits(key, exact):
    for tau2 in (0.0, 5.0):
        found, reference = inference(key, EFFECTS, VARIANCES, tau2, DESIGN), exact.Fit(EFFECTS, VARIANCES, tau2, DESIGN)
        factor = reference.q / 4
        factor = {"hksj": factor, "hksj-adhoc": max(factor, exact.mpf(1))}.get(key, exact.mpf(1))
        exact.agree(found.covariance, [reference.covariance[i, j] * factor for i in range(3) for j in range(3)])
        assert found.df == (np.inf if key == "wald" else 4)


def test_adhoc_is_never_narrower_than_wald_and_never_wider_than_the_wider_of_both():
    for y in ([0.3, 0.31, 0.29, 0.3], [0.3, 2.31, -1.29, 0.3]):
        wald, plain, adhoc = (
            inference(key, y, [0.4, 0.3, 0.2, 0.5]).covariance[0, 0] for key in ("wald", "hksj", "hksj-adhoc")
        )
        assert adhoc == max(wald, plain)


def test_kenward_roger_against_its_equations_at_50_digits(exact):
    for tau2 in (0.0, 0.3):
        found, w = inference("kenward-roger", EFFECTS, VARIANCES, tau2), exact.Fit(EFFECTS, VARIANCES, tau2).w
        w1, w2, w3 = (sum(x**p for x in w) for p in (1, 2, 3))
        information = w2 / 2 - w3 / w1 + (w2 / w1) ** 2 / 2
        variance = (1 + 2 * (w3 / w1 - (w2 / w1) ** 2) / information) / w1
        exact.agree(found.covariance, variance)
        exact.agree(found.df, 2 * information / (variance * w2) ** 2)


def test_kenward_roger_of_equal_variances_is_students_t():
    found = inference("kenward-roger", EFFECTS, np.full(7, 0.1), 0.2)
    assert_allclose(found.covariance, [[0.3 / 7]], rtol=1e-14)
    assert_allclose(found.df, 6.0, rtol=1e-14)


@pytest.mark.parametrize("key", ["t", "hksj", "hksj-adhoc", "kenward-roger"])
def test_one_study_has_no_interval(key):
    found = inference(key, [0.3], [0.1])
    half = quantile(0.95, found.df) * np.sqrt(found.covariance[..., 0, 0])
    assert np.isnan(half)
    assert np.isnan(two_sided_p(np.asarray(1.0), found.df))


@pytest.mark.parametrize("key", ["wald", "t", "hksj", "hksj-adhoc", "kenward-roger"])
def test_infinite_variance_changes_nothing(key):
    alone = inference(key, EFFECTS, VARIANCES, 0.2)
    found = inference(key, np.insert(EFFECTS, 3, 99.0), np.insert(VARIANCES, 3, np.inf), 0.2)
    assert_allclose(found.covariance, alone.covariance, rtol=1e-13)
    assert_allclose(found.df, alone.df, rtol=1e-13)


@pytest.mark.parametrize("key", list(CI))
def test_leading_axes(key):
    rng = np.random.default_rng(5)
    y, v, tau2 = rng.normal(size=(2, 3, 6)), rng.uniform(0.1, 1, (2, 3, 6)), rng.uniform(0, 1, (2, 3))
    found = inference(key, y, v, tau2)
    assert found.covariance.shape == (2, 3, 1, 1)
    for i in np.ndindex(2, 3):
        alone = inference(key, y[i], v[i], tau2[i])
        assert_allclose(found.covariance[i], alone.covariance, rtol=1e-13)
        assert_allclose(found.df[i], alone.df, rtol=1e-13)


DEGREES = [1, 2, 3, 4, 5, 7.3, 12, 29, 100, 1e4, 1e5]


@pytest.mark.parametrize("df", DEGREES)
def test_t_tails_against_50_digits(df, exact):
    for t in (0.0, 1e-8, 1e-5, 1e-3, 0.1, 1.0, 1.9, 2.1, 5.0, 15.0, 40.0, 1e3, 1e6):
        expected = exact.two_sided_t(t, df)
        for sign in (1, -1):
            found = two_sided_p(np.asarray(sign * t), np.asarray(float(df)))
            exact.agree(found, expected, rtol=1e-12, atol=1e-300)


def test_normal_tails_against_50_digits(exact):
    for z in (0.0, 1e-8, 0.1, 1.0, 1.96, 5.0, 20.0, 37.0):
        exact.agree(two_sided_p(np.asarray(-z), np.asarray(np.inf)), exact.two_sided_normal(z), rtol=1e-12)


@pytest.mark.parametrize("level", [1e-8, 0.001, 0.3, 0.5, 0.8, 0.95, 0.99, 0.999999, 1 - 1e-12])
def test_quantiles_leave_out_exactly_their_level(level, exact):
    # On the side that is the smaller: neither cancels.
    for df in (*DEGREES, np.inf):
        t = float(quantile(level, np.asarray(float(df))))
        outside = exact.two_sided_normal(t) if df == np.inf else exact.two_sided_t(t, df)
        if level < 0.5:
            exact.agree(float(1 - outside), exact.mpf(level), rtol=1e-12)
        else:
            exact.agree(float(outside), 1 - exact.mpf(level), rtol=1e-12)


def test_where_there_are_no_degrees_of_freedom_there_is_nothing():
    df = np.array([0.0, -1.0, np.nan, 3.0, np.inf])
    assert_array_equal(np.isnan(quantile(0.95, df)), [True, True, True, False, False])
    assert_array_equal(np.isnan(quantile(0.3, df)), [True, True, True, False, False])
    assert_array_equal(np.isnan(two_sided_p(np.ones(5), df)), [True, True, True, False, False])


def test_quantiles_beyond_where_the_search_ends_are_infinite():
    # With 0.01 degrees of freedom the quantile is 6.36418192840001e128 (50 digits), with 0.005 it is 5.69e258.
    assert_allclose(quantile(0.95, np.array([0.01])), 6.36418192840001e128, rtol=1e-7)
    assert_array_equal(quantile(0.95, np.array([0.005, 1e-4, 2e-16])), np.inf)


def test_weighted_mean_feeds_wald_the_reciprocal_of_the_total_weight():
    w = 1 / VARIANCES
    assert_allclose(CI["wald"].function(weighted_mean(EFFECTS, w), w, None).covariance, [[1 / w.sum()]], rtol=1e-15)


@pytest.mark.parametrize("level", [0.3, 0.95])
def test_many_quantiles_are_those_of_each_alone(level: float) -> None:
    """Those of the same degrees of freedom are computed once: each still finds its own."""
    df = np.random.default_rng(3).choice([1.0, 2.0, 2.5, 7.0, 1e6, np.inf, 0.0, -1.0, np.nan], (40, 10))
    alone = [float(quantile(level, np.asarray(one))) for one in df.ravel()]
    assert df.size > FEW_QUANTILES
    assert_array_equal(quantile(level, df), np.reshape(alone, df.shape))
