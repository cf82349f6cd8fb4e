from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from metaanalysis.formulas import biserial
from metaanalysis.formulas.continuous import cohen_d


def test_point_biserial_is_pearsons_correlation_of_the_people_themselves() -> None:
    rng = np.random.default_rng(2)
    x1, x2 = rng.normal(1.0, 2.0, 17), rng.normal(0.3, 1.0, 24)
    sizes = [np.array(float(x.size)) for x in (x1, x2)]
    d = cohen_d(
        np.array(x1.mean()), np.array(x1.std(ddof=1)), sizes[0], np.array(x2.mean()), np.array(x2.std(ddof=1)), sizes[1]
    )
    pearson = np.corrcoef(np.r_[np.ones(17), np.zeros(24)], np.r_[x1, x2])[0, 1]
    assert_allclose(biserial.point_biserial_from_d(d, *sizes), pearson, rtol=1e-13)


def test_known_factor_at_equal_halves() -> None:
    # p = q = 1/2 and z = 0: the biserial correlation is √(π/2) times the point-biserial one.
    d, n = np.array([0.4]), np.array([50.0])
    assert_allclose(
        biserial.biserial_correlation(d, n, n)[0],
        np.sqrt(np.pi / 2) * biserial.point_biserial_from_d(d, n, n),
        rtol=1e-14,
    )


@pytest.mark.parametrize("variance", ["ST", "CS"])
def test_swapped_groups_change_the_sign_alone(variance: str) -> None:
    d, n1, n2 = np.array([0.4, -1.3, 2.0]), np.array([5.0, 60.0, 21.0]), np.array([44.0, 3.0, 22.0])
    y, v = biserial.point_biserial_correlation(d, n1, n2, variance)
    swapped_y, swapped_v = biserial.point_biserial_correlation(-d, n2, n1, variance)
    assert_allclose(swapped_y, -y, rtol=1e-15)
    assert_allclose(swapped_v, v, rtol=1e-14)
    for formula in (biserial.biserial_correlation, biserial.stabilized_biserial_correlation):
        with np.errstate(invalid="ignore"):
            y, v = formula(d, n1, n2)
            swapped_y, swapped_v = formula(-d, n2, n1)
        assert_allclose(swapped_y, -y, rtol=1e-13)
        assert_allclose(swapped_v, v, rtol=1e-12)


def sampled_d(groups_fixed: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """d of 20,000 studies of 120 people, cut at 0.5 of a normal variable that correlates 0.4 with the measurement."""
    rng = np.random.default_rng(9)
    samples, n, rho, cut = 20_000, 120, 0.4, 0.5
    latent = rng.normal(size=(samples, n))
    x = rho * latent + np.sqrt(1 - rho**2) * rng.normal(size=(samples, n))
    above = latent > cut
    if groups_fixed:
        # 37 of 120 with a measurement 0.8 standard deviations higher, in every study
        above = np.broadcast_to(np.arange(n) < 37, (samples, n))
        x = 0.8 * above + rng.normal(size=(samples, n))
    n1 = above.sum(axis=1).astype(float)
    n2 = n - n1
    mean1, mean2 = (x * above).sum(axis=1) / n1, (x * ~above).sum(axis=1) / n2
    within = (above * (x - mean1[:, None]) ** 2).sum(axis=1) + (~above * (x - mean2[:, None]) ** 2).sum(axis=1)
    return (mean1 - mean2) / np.sqrt(within / (n - 2)), n1, n2


def test_biserial_variances_are_those_of_many_samples() -> None:
    d, n1, n2 = sampled_d(groups_fixed=False)
    y, v = biserial.biserial_correlation(d, n1, n2)
    assert_allclose(y.mean(), 0.4, atol=0.006)
    assert_allclose(v.mean(), y.var(), rtol=0.06)
    y, v = biserial.stabilized_biserial_correlation(d, n1, n2)
    assert_allclose(v.mean(), y.var(), rtol=0.06)


def test_point_biserial_variance_with_fixed_groups_is_that_of_many_samples() -> None:
    y, v = biserial.point_biserial_correlation(*sampled_d(groups_fixed=True), variance="ST")
    assert_allclose(v.mean(), y.var(), rtol=0.05)


def test_point_biserial_variance_with_random_groups_is_that_of_many_samples() -> None:
    rng = np.random.default_rng(10)
    samples, n = 20_000, 120
    above = rng.random((samples, n)) < 0.3
    x = 0.8 * above + rng.normal(size=(samples, n))
    n1 = above.sum(axis=1).astype(float)
    n2 = n - n1
    mean1, mean2 = (x * above).sum(axis=1) / n1, (x * ~above).sum(axis=1) / n2
    within = (above * (x - mean1[:, None]) ** 2).sum(axis=1) + (~above * (x - mean2[:, None]) ** 2).sum(axis=1)
    y, v = biserial.point_biserial_correlation((mean1 - mean2) / np.sqrt(within / (n - 2)), n1, n2, "CS")
    assert_allclose(v.mean(), y.var(), rtol=0.05)
