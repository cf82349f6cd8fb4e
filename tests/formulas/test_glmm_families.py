"""Distributions of counts, against 50 digits and against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from metaanalysis.formulas.glmm_families import Binomial, Poisson, stirling_error
from metaanalysis.formulas.hypergeometric import hypergeometric

ETA = np.array([-40.0, -6.0, -1.3, -0.2, 0.0, 0.1, 2.0, 9.0, 40.0])


def arrays(*columns):
    return [np.array(column, dtype=float) for column in columns]


def table_probabilities(mp, a, n1, c, n2, eta):
    """Log probability of a, mean and variance of the noncentral hypergeometric distribution, by its definition."""
    a, n1, n2, m = int(a), int(n1), int(n2), int(a + c)
    support = range(max(0, m - n2), min(n1, m) + 1)
    terms = {j: mp.binomial(n1, j) * mp.binomial(n2, m - j) * mp.exp(j * mp.mpf(eta)) for j in support}
    total = mp.fsum(terms.values())
    mean = mp.fsum(j * t for j, t in terms.items()) / total
    variance = mp.fsum((j - mean) ** 2 * t for j, t in terms.items()) / total
    return mp.log(terms[a] / total), a - mean, variance


def test_binomial_against_50_digits(exact):
    mp, mpf = exact.mp, exact.mpf
    x, n = arrays([0, 3, 7, 500_000, 1_000_000, 12], [5, 10, 7, 1_000_001, 3_000_000, 1_000_000])
    offset = np.array([0.0, 0.3, -0.1, 0.0, 0.0, 0.0])
    eta = np.tile(ETA, (x.size, 1))
    found = Binomial(x, n, offset).terms(eta)
    for i in range(x.size):
        for j, value in enumerate(ETA):
            p = 1 / (1 + mp.exp(-(mpf(value) + mpf(float(offset[i])))))
            constant = mp.loggamma(n[i] + 1) - mp.loggamma(x[i] + 1) - mp.loggamma(n[i] - x[i] + 1)
            log_p = constant + mpf(x[i]) * mp.log(p) + mpf(n[i] - x[i]) * mp.log(1 - p)
            exact.agree(found.log_probability[i, j], log_p, rtol=1e-14, atol=1e-13)
            exact.agree(found.residual[i, j], x[i] - n[i] * p, rtol=2e-15, atol=1e-15 * n[i])
            exact.agree(found.variance[i, j], n[i] * p * (1 - p), rtol=1e-14)


def test_poisson_against_50_digits(exact):
    mp, mpf = exact.mp, exact.mpf
    x, t = arrays([0, 3, 1_000_000, 40], [5.5, 0.01, 1e6, 1e9])
    found = Poisson(x, t).terms(np.tile(ETA, (x.size, 1)))
    for i in range(x.size):
        for j, value in enumerate(ETA):
            rate = mpf(float(t[i])) * mp.exp(mpf(value))
            log_p = mpf(x[i]) * mp.log(rate) - rate - mp.loggamma(x[i] + 1)
            exact.agree(found.log_probability[i, j], log_p, rtol=5e-14, atol=1e-12)
            exact.agree(found.residual[i, j], x[i] - rate, rtol=1e-14, atol=1e-14 * float(max(x[i], rate)))
            exact.agree(found.variance[i, j], rate, rtol=1e-14)


def test_near_its_best_fit_a_large_study_loses_no_digit(exact):
    # log p - log p(best) is about -1e-7 here, beside terms of 1e6.
    mp, mpf = exact.mp, exact.mpf
    x, n = mpf(300_001), mpf(1_000_000)
    eta = mp.log(x / (n - x)) + mpf(1) / mpf(10**6)
    family = Binomial(*arrays([300_001], [1_000_000], [0.0]))
    found = family.terms(np.array([[float(eta)]]))
    p = 1 / (1 + mp.exp(-mpf(float(eta))))
    drop = x * mp.log(p * n / x) + (n - x) * mp.log((1 - p) * n / (n - x))
    exact.agree(found.log_probability[0, 0] - family.best().log_probability[0], drop, atol=1e-13)


def test_stirling_error_against_50_digits(exact):
    mp = exact.mp
    for x in (0.5, 1.0, 3.0, 15.9, 16.0, 17.5, 120.0, 1e6):
        value = mp.loggamma(x + 1) - ((x + mp.mpf(1) / 2) * mp.log(x) - x + mp.log(2 * mp.pi) / 2)
        exact.agree(stirling_error(np.array([x])), value, atol=1e-14)


@pytest.mark.parametrize(
    "table", [(3, 12, 5, 9), (0, 12, 5, 9), (12, 12, 5, 9), (7, 20, 9, 9), (1, 1, 0, 1), (2, 400, 1, 3)]
)
def test_hypergeometric_against_50_digits(table, exact):
    columns = arrays(*([value] for value in table))
    found = hypergeometric(*columns).terms(ETA[np.newaxis, :])
    for j, eta in enumerate(ETA):
        log_p, residual, variance = table_probabilities(exact.mp, *table, eta)
        exact.agree(found.log_probability[0, j], log_p, rtol=1e-13, atol=1e-15)
        exact.agree(found.residual[0, j], residual, rtol=1e-12, atol=1e-14)
        exact.agree(found.variance[0, j], variance, rtol=1e-11)


def test_hypergeometric_agrees_with_scipy():
    a, n1, c, n2 = arrays([3, 20, 130], [50, 60, 400], [7, 31, 90], [70, 55, 350])
    eta = np.array([-1.0, 0.3, 1.4])
    found = hypergeometric(a, n1, c, n2).terms(np.tile(eta, (3, 1)))
    for i in range(3):
        for j, value in enumerate(eta):
            # M: people, n: of group 1, N: events.
            law = stats.nchypergeom_fisher(M=n1[i] + n2[i], n=n1[i], N=a[i] + c[i], odds=np.exp(value))
            assert_allclose(found.log_probability[i, j], law.logpmf(a[i]), rtol=1e-10)
            assert_allclose(found.residual[i, j], a[i] - law.mean(), rtol=1e-8, atol=1e-8)
            assert_allclose(found.variance[i, j], law.var(), rtol=1e-8)


@pytest.mark.parametrize("table", [(300, 1500, 900, 1400), (1999, 2000, 3, 2500), (40, 90_000, 2000, 80_000)])
def test_few_terms_of_a_long_support_are_as_good_as_all(table, exact):
    # Supports of more than 1,024 counts are summed by every s-th term round the mode.
    eta = np.array([-2.0, -0.5, 0.0, 0.4, 3.0])
    found = hypergeometric(*arrays(*([value] for value in table))).terms(eta[np.newaxis, :])
    a, n1, c, n2 = table
    m = a + c
    j = np.arange(max(0, m - n2), min(n1, m) + 1.0)
    mp = exact.mp
    weights = [mp.mpf(1)]
    for i in j[1:]:
        weights.append(weights[-1] * mp.mpf((n1 - i + 1) * (m - i + 1)) / mp.mpf(i * (n2 - m + i)))
    for column, value in enumerate(eta):
        step, power, terms = mp.exp(mp.mpf(value)), mp.mpf(1), []
        for weight in weights:
            terms.append(weight * power)
            power *= step
        total = mp.fsum(terms)
        mean = mp.fsum(i * t for i, t in zip(j, terms, strict=True)) / total
        variance = mp.fsum((i - mean) ** 2 * t for i, t in zip(j, terms, strict=True)) / total
        exact.agree(found.log_probability[0, column], mp.log(terms[int(a - j[0])] / total), rtol=1e-12, atol=1e-12)
        exact.agree(found.residual[0, column], a - mean, rtol=1e-11, atol=1e-10)
        exact.agree(found.variance[0, column], variance, rtol=1e-11)


def test_a_million_participants_do_not_overflow():
    family = hypergeometric(*arrays([240_000, 12], [500_000, 1e6], [251_000, 31], [500_000, 1e6]))
    found = family.terms(np.tile([-30.0, -1.0, 0.0, 0.5, 30.0], (2, 1)))
    assert all(np.isfinite(part).all() for part in found)
    best = family.best()
    # With so many people the conditional estimate is all but the sample odds ratio.
    sample = np.log(240_000 * 249_000 / (260_000 * 251_000))
    assert_allclose(best.eta[0], sample, atol=1e-5)
    assert_allclose(family.terms(best.eta[:, np.newaxis]).residual, 0.0, atol=1e-8)


def test_saturated_studies_at_the_ends_are_infinite_and_certain():
    for family in (
        hypergeometric(*arrays([0, 5, 2], [5, 5, 9], [4, 0, 3], [9, 9, 9])),
        Binomial(*arrays([0, 4, 2], [4, 4, 9], [0, 0, 0])),
    ):
        best = family.best()
        assert list(best.eta[:2]) == [-np.inf, np.inf]
        assert_allclose(best.log_probability[:2], 0.0)
        assert_allclose(best.information[:2], 0.0)
        assert np.isfinite(best.eta[2])
        assert best.information[2] > 0
