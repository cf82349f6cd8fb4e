"""Henmi and Copas' interval over many meta-analyses at once: as one by one, whatever the scale, and integrated to the end."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.formulas import mean_intervals
from metaanalysis.formulas.mean_intervals import henmi_copas


def drawn(k: int, ratio: float, tau2: float, n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(k)
    v = ratio ** random.uniform(-0.5, 0.5, (n, k))
    return random.normal(0.3, np.sqrt(v + tau2)), v


def test_many_at_once_are_as_one_by_one():
    y, v = drawn(7, 50.0, 0.5, 12)
    many = henmi_copas(y.reshape(3, 4, 7), v.reshape(3, 4, 7), 0.9)
    for name in ("estimate", "low", "high", "statistic", "p_value", "tau2", "weights"):
        found = getattr(many, name)
        each = [getattr(henmi_copas(y[i], v[i], 0.9), name) for i in range(12)]
        assert_allclose(found.reshape(12, *found.shape[2:]), each, rtol=1e-12, atol=1e-15)


def test_studies_of_infinite_variance_have_no_say():
    y, v = drawn(5, 20.0, 0.4)
    more = [np.concatenate([x, np.full((6, 2), filled)], axis=1) for x, filled in ((y, 1.0), (v, np.inf))]
    for one, other in zip(henmi_copas(y, v, 0.95)[:6], henmi_copas(*more, 0.95)[:6], strict=True):
        assert_allclose(other, one, rtol=1e-11)


@pytest.mark.parametrize("k", [2, 5, 60, 1000])
@pytest.mark.parametrize(("ratio", "tau2"), [(1.0, 0.0), (1.0, 30.0), (1e5, 0.3), (1e10, 3.0)])
def test_a_finer_integral_gives_the_same(k, ratio, tau2, monkeypatch):
    y, v = drawn(k, ratio, tau2)
    usual = henmi_copas(y, v, 0.95)
    monkeypatch.setattr(mean_intervals, "PANELS", 4 * mean_intervals.PANELS)
    finer = henmi_copas(y, v, 0.95)
    assert_allclose(usual.high - usual.estimate, finer.high - finer.estimate, rtol=1e-10)
    assert_allclose(usual.p_value, finer.p_value, rtol=1e-8)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_the_scale_does_not_matter(scale):
    y, v = drawn(6, 30.0, 0.5)
    usual, scaled = henmi_copas(y, v, 0.95), henmi_copas(scale * y, scale**2 * v, 0.95)
    assert_allclose(scaled.low, scale * usual.low, rtol=1e-10)
    assert_allclose(scaled.p_value, usual.p_value, rtol=1e-10)


def test_the_interval_and_the_p_value_agree():
    """At 1 less p the interval ends at no effect."""
    y, v = drawn(8, 10.0, 0.2)
    for i in range(6):
        p = float(henmi_copas(y[i], v[i], 0.95).p_value)
        limits = henmi_copas(y[i], v[i], 1.0 - p)
        near = min(abs(float(limits.low)), abs(float(limits.high)))
        assert near <= 1e-9 * (float(limits.high) - float(limits.low))


def test_a_single_study_has_no_interval():
    alone = henmi_copas(np.array([0.3]), np.array([0.1]), 0.95)
    assert (float(alone.estimate), float(alone.variance)) == (0.3, 0.1)
    assert np.isnan([alone.low, alone.high, alone.p_value]).all()


def test_the_limits_of_25_digits():
    """BCG's log risk ratios: the tail integrated and solved with 25 digits. (metafor's `hc` is 7e-6 off by its default tolerance,
    4e-11 with 1e-13, by that of its integral.)
    """
    effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR")
    found = henmi_copas(np.asarray(effects.y), np.asarray(effects.v), 0.95)
    assert_allclose([found.low, found.high], [-1.1555487619720618, 0.29497843466387981], rtol=1e-13)
