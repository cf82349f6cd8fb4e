from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas import binary, continuous, rates, ratio_of_means, shared_control

SAMPLES = 60_000


def sampled(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimates of two treated arms against one control in many trials, and the formula's covariance in each."""
    rng = np.random.default_rng(19)
    n1, n2, n3 = (np.full(SAMPLES, float(n)) for n in (150, 120, 100))
    if kind in ("RR", "OR", "RD"):
        a, b, c = (rng.binomial(int(n[0]), p, SAMPLES).astype(float) for n, p in ((n1, 0.4), (n2, 0.3), (n3, 0.35)))
        formula = {"RR": binary.log_risk_ratio, "OR": binary.log_odds_ratio, "RD": binary.risk_difference}[kind]
        covariance = {
            "RR": shared_control.log_risk_ratio_covariance,
            "OR": shared_control.log_odds_ratio_covariance,
            "RD": shared_control.risk_difference_covariance,
        }[kind]
        return formula(a, n1, c, n3)[0], formula(b, n2, c, n3)[0], covariance(c, n3)
    if kind == "IRR":
        a, b, c = (rng.poisson(mean, SAMPLES).astype(float) for mean in (80, 60, 70))
        one, two = (rates.log_rate_ratio(x, n1, c, n3)[0] for x in (a, b))
        return one, two, shared_control.log_rate_ratio_covariance(c)
    sizes, truth = (n1, n2, n3), (5.5, 5.2, 5.0)
    m = [rng.normal(mean, 1 / np.sqrt(n)) for n, mean in zip(sizes, truth, strict=True)]
    s = [np.sqrt(rng.chisquare(n - 1) / (n - 1)) for n in sizes]
    if kind == "MD":
        one, two = (continuous.mean_difference(m[i], s[i], sizes[i], m[2], s[2], n3)[0] for i in (0, 1))
        return one, two, shared_control.mean_difference_covariance(s[2], n3)
    if kind == "ROM":
        one, two = (ratio_of_means.log_ratio_of_means(m[i], s[i], sizes[i], m[2], s[2], n3)[0] for i in (0, 1))
        return one, two, shared_control.log_ratio_of_means_covariance(m[2], s[2], n3)
    total = n1 + n2 + n3
    pooled = np.sqrt(sum((n - 1) * sd**2 for n, sd in zip(sizes, s, strict=True)) / (total - 3))
    # A large effect in the first arm, so that the standard deviation that both share shows in the covariance.
    one, two = (m[0] + 1.5 - m[2]) / pooled, (m[1] + 1.5 - m[2]) / pooled
    return one, two, shared_control.standardized_mean_difference_covariance(one, two, n3, total)


@pytest.mark.parametrize("kind", ["RR", "OR", "RD", "IRR", "MD", "ROM", "SMD"])
def test_covariance_is_that_of_many_trials(kind: str) -> None:
    one, two, covariance = sampled(kind)
    assert_allclose(covariance.mean(), np.cov(one, two)[0, 1], rtol=0.04)


def test_covariance_is_the_controls_own_part_of_the_variance() -> None:
    # An arm of endless size or events adds nothing of its own, and the variance that is left is the control's.
    endless, c, n2 = np.array(1e120), np.array(7.0), np.array(30.0)
    half = 0.5 * endless
    assert_allclose(
        shared_control.log_risk_ratio_covariance(c, n2), binary.log_risk_ratio(half, endless, c, n2)[1], rtol=1e-14
    )
    assert_allclose(
        shared_control.log_odds_ratio_covariance(c, n2), binary.log_odds_ratio(half, endless, c, n2)[1], rtol=1e-14
    )
    big = np.array(1e90)
    assert_allclose(
        shared_control.risk_difference_covariance(c, n2), binary.risk_difference(0.5 * big, big, c, n2)[1], rtol=1e-14
    )
    assert_allclose(
        shared_control.log_rate_ratio_covariance(c), rates.log_rate_ratio(endless, endless, c, n2)[1], rtol=1e-14
    )
    m, s = np.array(5.0), np.array(2.0)
    assert_allclose(
        shared_control.mean_difference_covariance(s, n2),
        continuous.mean_difference(m, s, endless, m, s, n2)[1],
        rtol=1e-14,
    )
    assert_allclose(
        shared_control.log_ratio_of_means_covariance(m, s, n2),
        ratio_of_means.log_ratio_of_means(m, s, endless, m, s, n2)[1],
        rtol=1e-14,
    )
    g_a, g_b, total = np.array(0.5), np.array(0.8), np.array(90.0)
    assert_allclose(
        shared_control.standardized_mean_difference_covariance(g_a, g_b, n2, total), 1 / 30 + 0.4 / 180, rtol=1e-15
    )
