from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas.inference import quantile
from metaanalysis.formulas.prediction import PREDICTION, PredictionInput

Y, V = np.array([0.1, 0.9, -0.4, 0.6, 0.3]), np.array([0.04, 0.02, 0.05, 0.1, 0.03])


def given(estimate=0.3, se=0.2, tau2=0.15, k=5.0, df=np.inf, level=0.95, y=Y, v=V):
    return PredictionInput(*(np.asarray(x, dtype=float) for x in (estimate, se, tau2, k, df)), level, y, v)


@pytest.mark.parametrize(
    "key, df", [("ci", 7.0), ("normal", np.inf), ("hts", 3.0), ("t", 4.0)], ids=["ci", "normal", "hts", "t"]
)
def test_width_against_50_digits(key, df, exact):
    low, high = PREDICTION[key].function(given(df=7.0))
    half = (exact.mpf(float(high)) - exact.mpf(float(low))) / 2
    t = half / exact.mp.sqrt(exact.mpf(0.2) ** 2 + exact.mpf(0.15))
    outside = exact.two_sided_normal(t) if df == np.inf else exact.two_sided_t(t, df)
    exact.agree(float(outside), 1 - exact.mpf(0.95), rtol=1e-13)
    assert_allclose((low + high) / 2, 0.3, rtol=1e-14)


def test_no_heterogeneity_leaves_the_confidence_interval():
    low, high = PREDICTION["ci"].function(given(tau2=0.0, df=6.0))
    half = quantile(0.95, np.asarray(6.0)) * 0.2
    assert_allclose([low, high], [0.3 - half, 0.3 + half], rtol=1e-14)


@pytest.mark.parametrize("key, least", [("hts", 3), ("t", 2)])
def test_too_few_studies_have_none(key, least):
    for k in (1, 2, 3):
        low, high = PREDICTION[key].function(given(k=k))
        assert np.isnan(low) == np.isnan(high) == (k < least)


def test_none_is_none():
    low, high = PREDICTION["none"].function(given())
    assert np.isnan(low)
    assert np.isnan(high)


def test_hartung_knapp_prediction_takes_its_own_standard_error(exact):
    fit = exact.Fit(Y, V, 0.15)
    se2 = fit.covariance[0] * fit.q / 4
    low, high = PREDICTION["hksj"].function(given(estimate=float(fit.coefficients[0]), se=99.0))
    t = (exact.mpf(float(high)) - exact.mpf(float(low))) / 2 / exact.mp.sqrt(se2 + exact.mpf(0.15))
    exact.agree(float(exact.two_sided_t(t, 4)), 1 - exact.mpf(0.95), rtol=1e-12)


def test_leading_axes():
    many = given(
        estimate=[0.3, 0.1], se=[0.2, 0.1], tau2=[0.15, 0.0], k=[5, 2], df=[np.inf, 3], y=np.stack([Y, Y]), v=np.stack([V, V])
    )  # fmt: skip
    for key in ("ci", "normal", "hts", "t", "hksj", "kenward-roger", "none"):
        low, high = PREDICTION[key].function(many)
        for i in range(2):
            one = given(*(getattr(many, name)[i] for name in ("estimate", "se", "tau2", "k", "df")))
            assert_allclose([low[i], high[i]], PREDICTION[key].function(one), rtol=1e-13)


def test_kenward_roger_has_no_interval_where_rounding_alone_leaves_degrees_of_freedom():
    # Two studies of equal variance have one degree of freedom, and the interval takes one fewer.
    for v in (0.1, 0.3, 1 / 3, 1e-7, 7e12):
        for tau2 in (0.0, v / 3, v * 11):
            two = given(tau2=tau2, k=2, y=np.array([0.1, 0.4]), v=np.full(2, v))
            assert np.isnan(PREDICTION["kenward-roger"].function(two)).all()
