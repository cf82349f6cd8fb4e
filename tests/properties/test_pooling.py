"""What must not change, and what must change how, when the same data are written down differently."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from metaanalysis.formulas.inference import CI
from metaanalysis.formulas.tau2 import TAU2
from metaanalysis.formulas.tau2_interval import q_profile
from metaanalysis.formulas.tau2_moments import generalised_moments
from metaanalysis.formulas.weighted import inverse_variance_weights, weighted_mean
from metaanalysis.models.numbers import pooled_numbers
from metaanalysis.options import PoolOptions

# Effects on a grid of 2^-20, so that 1e8 can be added to them without rounding.
EFFECT = st.integers(-4 * 2**20, 4 * 2**20).map(lambda i: i / 2**20)
LOG_VARIANCE = st.floats(-12, 1)
CLOSE_VARIANCE = st.floats(-2, 0)


@st.composite
def studies(draw, smallest=2, largest=20):
    k = draw(st.integers(smallest, largest))
    exponent = LOG_VARIANCE if draw(st.booleans()) else CLOSE_VARIANCE
    y = draw(st.lists(EFFECT, min_size=k, max_size=k))
    v = draw(st.lists(exponent, min_size=k, max_size=k))
    return np.array(y), 10.0 ** np.array(v)


def generalised_q(y, v, X):
    """GENQ, with weights that go with the studies."""
    return generalised_moments(y, v, X, v**-0.5)


every_estimator = pytest.mark.parametrize("tau2", [*TAU2, generalised_q])
LOCATIONS = ("estimate", "ci_low", "ci_high", "prediction_low", "prediction_high")


def settle(tau2, ci="hksj", **others):
    return PoolOptions(tau2=tau2, ci=ci, **others)


def typical(v):
    """What tau2 is added to: an error of 1e-13 of this is the rounding of the variances."""
    return v.size / (1 / v).sum()


def assert_same(found, expected, y, v, factor=1.0, rtol=1e-10):
    """The same numbers on another scale: locations times factor, tau2 times factor squared, the rest as it was."""
    reach = np.abs(y).max() + np.sqrt(typical(v))
    assert_allclose(found.tau2, expected.tau2 * factor**2, rtol=rtol, atol=1e-12 * typical(v) * factor**2)
    for name in LOCATIONS:
        wanted = getattr(expected, name) * factor
        assert_allclose(getattr(found, name), wanted, rtol=rtol, atol=1e-12 * reach * abs(factor), err_msg=name)
    assert_allclose(found.se, expected.se * abs(factor), rtol=rtol, atol=1e-12 * reach * abs(factor))
    for name in ("df", "q", "q_df", "h2"):
        assert_allclose(getattr(found, name), getattr(expected, name), rtol=rtol, atol=1e-12, err_msg=name)
    assert_allclose(found.i2, expected.i2, atol=1e-10)
    for name in ("p_value", "q_p_value"):
        assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-8, atol=1e-12, err_msg=name)


@every_estimator
@given(data=studies(), seed=st.integers(0, 2**32 - 1))
def test_order_of_studies(tau2, data, seed):
    y, v = data
    order = np.random.default_rng(seed).permutation(y.size)
    there, here = pooled_numbers(y, v, settle(tau2)), pooled_numbers(y[order], v[order], settle(tau2))
    assert_same(here, there, y, v)
    assert_allclose(here.weights, there.weights[order], rtol=1e-8, atol=1e-10)


@every_estimator
@given(data=studies())
def test_signs_of_effects(tau2, data):
    y, v = data
    there, here = pooled_numbers(y, v, settle(tau2)), pooled_numbers(-y, v, settle(tau2))
    for name in ("tau2", "se", "q", "i2", "p_value"):
        assert_array_equal(getattr(here, name), getattr(there, name), err_msg=name)
    assert here.estimate == -there.estimate
    assert here.ci_low == -there.ci_high
    assert here.ci_high == -there.ci_low
    assert here.prediction_low == -there.prediction_high or np.isnan(here.prediction_low)


@every_estimator
@given(data=studies(), exponent=st.floats(-8, 8))
def test_scale_of_measurement(tau2, data, exponent):
    y, v = data
    c = 10.0**exponent
    there, here = pooled_numbers(y, v, settle(tau2)), pooled_numbers(c * y, c * c * v, settle(tau2))
    assert_same(here, there, y, v, factor=c)


@every_estimator
@given(data=studies(), power=st.integers(-26, 26))
def test_scale_by_a_power_of_two_changes_no_digit(tau2, data, power):
    y, v = data
    c = 2.0**power
    there, here = pooled_numbers(y, v, settle(tau2)), pooled_numbers(c * y, c * c * v, settle(tau2))
    for name in ("estimate", "se", "ci_low", "ci_high"):
        assert_array_equal(getattr(here, name), c * getattr(there, name), err_msg=name)
    assert_array_equal(here.tau2, c * c * there.tau2)
    for name in ("q", "i2", "h2", "p_value", "q_p_value", "weights"):
        assert_array_equal(getattr(here, name), getattr(there, name), err_msg=name)


@every_estimator
@given(data=studies())
def test_effects_far_from_zero(tau2, data):
    y, v = data
    there, here = pooled_numbers(y, v, settle(tau2)), pooled_numbers(y + 1e8, v, settle(tau2))
    # The differences between the effects are the same to the last bit, and with them all that depends on differences.
    if tau2 in ("REML", "ML", "DL", "PM"):
        assert_array_equal(here.tau2, there.tau2)
        assert_array_equal(here.q, there.q)
    assert_allclose(here.tau2, there.tau2, rtol=1e-11, atol=1e-13 * typical(v))
    assert_allclose(here.se, there.se, rtol=1e-9, atol=1e-12)
    # The estimate itself is known to the rounding of 1e8.
    assert_allclose(here.estimate - 1e8, there.estimate, atol=3e-8)


@every_estimator
@given(data=studies())
def test_without_heterogeneity_all_estimators_are_the_common_effect(tau2, data):
    y, v = data
    random = pooled_numbers(y, v, settle(tau2, "wald"))
    common = pooled_numbers(y, v, PoolOptions(model="common"))
    if random.tau2 == 0:
        for name in ("estimate", "se", "ci_low", "ci_high", "p_value", "weights"):
            assert_array_equal(getattr(random, name), getattr(common, name), err_msg=name)
    else:
        assert random.tau2 > 0
        # Equal only where tau2 is lost beside the variances.
        assert random.se >= common.se
        assert random.se > common.se or random.tau2 < 1e-14 * v.max()


@given(data=studies(smallest=3))
def test_homogeneous_effects_have_no_heterogeneity_by_any_estimator(data):
    y, v = data
    # Nearly the same effects: all differences are far below the standard errors.
    y = 0.3 + 1e-3 * (y / 4) * np.sqrt(v.min())
    for tau2 in TAU2:
        if tau2 != "SJ":
            assert pooled_numbers(y, v, settle(tau2)).tau2 == 0.0, tau2


@every_estimator
@given(data=studies())
def test_weights_and_intervals_are_what_they_claim(tau2, data):
    y, v = data
    found = pooled_numbers(y, v, settle(tau2))
    assert_allclose(found.weights.sum(), 100.0, rtol=1e-13)
    assert (found.weights >= 0).all()
    assert_allclose((found.weights * y).sum() / 100, found.estimate, rtol=1e-10, atol=1e-12 * np.abs(y).max())
    assert found.tau2 >= 0
    assert 0 <= found.i2 <= 100
    assert found.ci_low <= found.estimate <= found.ci_high
    assert found.prediction_low <= found.ci_low
    assert 0 <= found.p_value <= 1 or found.se == 0
    assert min(y) - 1e-9 <= found.estimate <= max(y) + 1e-9


@pytest.mark.parametrize("ci", list(CI))
@given(data=studies(smallest=3), levels=st.tuples(st.floats(0.01, 0.999), st.floats(0.01, 0.999)))
def test_higher_levels_have_wider_intervals(ci, data, levels):
    y, v = data
    low, high = sorted(levels)
    narrow, wide = (pooled_numbers(y, v, settle("DL", ci, level=level)) for level in (low, high))
    assert wide.ci_low <= narrow.ci_low <= narrow.ci_high <= wide.ci_high


@given(data=studies(smallest=3), exponent=st.floats(-8, 8))
def test_q_profile_scales_and_encloses_paule_mandel(data, exponent):
    y, v = data
    c = 10.0**exponent
    here, there = q_profile(y, v, None, 0.95), q_profile(c * y, c * c * v, None, 0.95)
    atol = 1e-12 * c * c * typical(v)
    assert_allclose([there.low, there.high], [c * c * here.low, c * c * here.high], rtol=1e-10, atol=atol)
    tau2 = pooled_numbers(y, v, settle("PM")).tau2
    assert here.low <= tau2
    assert tau2 <= here.high or here.high_status == 5


@given(data=studies(smallest=3))
def test_the_common_effect_minimises_q(data):
    y, v = data
    w = inverse_variance_weights(v)
    fit = weighted_mean(y, w)
    for shift in (-1e-3, 1e-3):
        # Compared about the weighted mean, where the parabola's own value is known: Q + shift^2 sum w.
        elsewhere = (w * (fit.residuals - shift * np.sqrt(v.min())) ** 2).sum()
        assert elsewhere > fit.q * (1 - 1e-12)
