"""The beta-binomial model against 50 digits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from metaanalysis.formulas.beta_binomial import above, beta_binomial, group_of
from metaanalysis.formulas.glmm_fit import FitStatus

NIELWEISE = (
    [0, 1, 2, 0, 5, 1, 1, 1, 1, 1, 0, 0, 3, 6, 0, 0, 1, 4],
    [116, 44, 208, 130, 151, 98, 174, 74, 97, 113, 66, 70, 188, 187, 118, 252, 345, 64],
    [3, 3, 9, 7, 6, 4, 3, 2, 19, 2, 7, 1, 5, 11, 0, 1, 3, 1],
    [117, 35, 195, 136, 157, 139, 177, 39, 103, 122, 64, 58, 175, 180, 105, 262, 362, 69],
)


def columns(values):
    return [np.array(column, dtype=float) for column in values]


def groups(a, n1, c, n2):
    return group_of(a, n1), group_of(c, n2)


def exact_likelihood(mp, tables, logits, rho):
    """By the definition with beta functions; rho > 0."""
    total = mp.mpf(0)
    for (x, n), logit in zip(tables, logits, strict=True):
        mu, m = 1 / (1 + mp.exp(-logit)), (1 - rho) / rho
        alpha, beta = mu * m, (1 - mu) * m
        for xi, ni in zip(x, n, strict=True):
            xi, ni = int(xi), int(ni)
            total += (
                mp.log(mp.binomial(ni, xi)) + mp.log(mp.beta(xi + alpha, ni - xi + beta)) - mp.log(mp.beta(alpha, beta))
            )
    return total


def test_at_the_maximum_at_50_digits(exact):
    mp = exact.mp
    a, n1, c, n2 = columns(NIELWEISE)
    found = beta_binomial(groups(a, n1, c, n2), "OR")
    at = [mp.log(mp.mpf(p) / (1 - mp.mpf(p))) for p in found.probabilities] + [mp.mpf(found.rho)]

    def likelihood(*p):
        return exact_likelihood(mp, ((a, n1), (c, n2)), p[:2], p[2])

    exact.agree(found.log_likelihood, likelihood(*at), rtol=1e-12)
    with mp.workdps(30):
        step = mp.mpf(10) ** -8
        unit = [[step * (i == j) for j in range(3)] for i in range(3)]
        up = [likelihood(*(p + s for p, s in zip(at, u, strict=True))) for u in unit]
        down = [likelihood(*(p - s for p, s in zip(at, u, strict=True))) for u in unit]
        middle = likelihood(*at)
        gradient = mp.matrix([(u - d) / (2 * step) for u, d in zip(up, down, strict=True)])
        information = mp.matrix(3, 3)
        for i in range(3):
            for j in range(3):
                both = likelihood(*(p + s + t for p, s, t in zip(at, unit[i], unit[j], strict=True)))
                neither = likelihood(*(p - s - t for p, s, t in zip(at, unit[i], unit[j], strict=True)))
                information[i, j] = -(both - up[i] - up[j] + 2 * middle - down[i] - down[j] + neither) / (2 * step**2)
        covariance = information**-1
        newton = covariance * gradient
    assert max(abs(s) for s in newton) < 1e-10
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    exact.agree(found.se, mp.sqrt(variance), rtol=1e-9)
    exact.agree(found.rho_se, mp.sqrt(covariance[2, 2]), rtol=1e-9)


def test_measures_are_functions_of_the_same_probabilities():
    data = groups(*columns(NIELWEISE))
    fits = {measure: beta_binomial(data, measure) for measure in ("OR", "RR", "RD")}
    p1, p2 = fits["OR"].probabilities
    assert_allclose(fits["OR"].estimate, special.logit(p1) - special.logit(p2), rtol=1e-12)
    assert_allclose(fits["RR"].estimate, np.log(p1 / p2), rtol=1e-12)
    assert_allclose(fits["RD"].estimate, p1 - p2, rtol=1e-12)
    one = beta_binomial(data[:1], "PLO")
    for measure, slope in (
        ("PLN", 1 - one.probabilities[0]),
        ("PR", one.probabilities[0] * (1 - one.probabilities[0])),
    ):
        assert_allclose(beta_binomial(data[:1], measure).se, slope * one.se, rtol=1e-12)


def test_without_overdispersion_it_is_binomial():
    x, n = np.array([10.0, 21.0, 29.0, 41.0]), np.array([100.0, 200.0, 300.0, 400.0])
    found = beta_binomial((group_of(x, n),), "PLO")
    assert found.status is FitStatus.AT_ZERO
    assert found.rho == 0.0
    assert_allclose(found.estimate, np.log(101 / 899), rtol=1e-12)
    assert_allclose(found.se, np.sqrt(1 / 101 + 1 / 899), rtol=1e-12)
    forced = beta_binomial(groups(*columns(NIELWEISE)), "OR", overdispersed=False)
    a, n1, c, n2 = (sum(column) for column in NIELWEISE)
    assert_allclose(forced.estimate, np.log(a * (n2 - c) / ((n1 - a) * c)), rtol=1e-11)


def test_exchanging_groups_or_outcomes_changes_the_sign_alone():
    a, n1, c, n2 = columns(NIELWEISE)
    one = beta_binomial(groups(a, n1, c, n2), "OR")
    for other in (beta_binomial(groups(c, n2, a, n1), "OR"), beta_binomial(groups(n1 - a, n1, n2 - c, n2), "OR")):
        assert_allclose(
            [-other.estimate, other.se, other.rho, other.log_likelihood],
            [one.estimate, one.se, one.rho, one.log_likelihood],
            rtol=1e-9,
        )


def test_a_study_without_events_counts():
    a, n1, c, n2 = columns(NIELWEISE)
    with_it = beta_binomial(groups(a, n1, c, n2), "OR")
    keep = a + c > 0
    without = beta_binomial(groups(a[keep], n1[keep], c[keep], n2[keep]), "OR")
    assert abs(with_it.estimate - without.estimate) > 1e-3


@pytest.mark.parametrize("gamma", [0.0, 1e-9, 1e-3, 0.5, 200.0])
@pytest.mark.parametrize("base", [1e-7, 0.3, 1.0])
def test_few_points_sum_like_all(gamma, base):
    counts = np.array([0.0, 5.0, 40.0, 1700.0, 250_000.0])
    tally = above(counts)
    assert tally.r.size < 400
    r = np.arange(counts.max())
    above_r = (counts[:, np.newaxis] > r).sum(axis=0)
    for f in (
        lambda t: np.log(base + t * gamma),
        lambda t: 1 / (base + t * gamma) ** 2,
        lambda t: t / (base + t * gamma),
    ):
        assert_allclose(tally.weight @ f(tally.r), math.fsum(above_r * f(r)), rtol=1e-12)


def test_what_has_no_finite_estimate_is_said():
    n = np.array([20.0, 30.0, 25.0])
    some, none = np.array([1.0, 4.0, 2.0]), np.zeros(3)
    assert beta_binomial(groups(none, n, some, n), "OR").status is FitStatus.INFINITE_EFFECT
    assert beta_binomial(groups(some, n, n, n), "OR").status is FitStatus.INFINITE_EFFECT
    all_or_nothing = np.array([0.0, 30.0, 25.0])
    assert beta_binomial((group_of(all_or_nothing, n),), "PLO").status is FitStatus.INFINITE_SPREAD
