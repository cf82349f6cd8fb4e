"""Maximum likelihood fits, held against likelihoods integrated by brute force."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from metaanalysis.formulas.glmm import GlmmNumbers, fixed_study, one_parameter, random_study
from metaanalysis.formulas.glmm_families import Binomial, Poisson
from metaanalysis.formulas.glmm_fit import FitStatus
from metaanalysis.formulas.hypergeometric import hypergeometric

DATASETS = json.loads((Path(__file__).parents[1] / "reference" / "datasets.json").read_text(encoding="utf-8"))


def table(name, informative=True):
    columns = DATASETS[name]["columns"]
    sizes = ("n1", "n2") if "n1" in columns else ("time1", "time2")
    a, n1, c, n2 = (np.array(columns[key], dtype=float) for key in ("events1", sizes[0], "events2", sizes[1]))
    keep = (a + c > 0) & ((a + c < n1 + n2) | ("time1" in columns)) | (not informative)
    return a[keep], n1[keep], c[keep], n2[keep]


def arms(a, n1, c, n2, rates=False):
    if rates:
        return Poisson(a, n1), Poisson(c, n2)
    return Binomial(a, n1, 0 * a), Binomial(c, n2, 0 * c)


def log_binomial(x, n, eta):
    constant = special.gammaln(n + 1) - special.gammaln(x + 1) - special.gammaln(n - x + 1)
    return constant + x * eta - n * np.logaddexp(0.0, eta)


def log_poisson(x, t, eta):
    return x * (eta + np.log(t)) - t * np.exp(eta) - special.gammaln(x + 1)


def log_table(a, n1, c, n2, eta):
    """Log probability of a given a + c by its definition, for one study at eta (n,)."""
    m = a + c
    j = np.arange(max(0, m - n2), min(n1, m) + 1)
    coefficients = -special.gammaln(j + 1) - special.gammaln(n1 - j + 1) - special.gammaln(m - j + 1)
    coefficients -= special.gammaln(n2 - m + j + 1)
    terms = coefficients[:, np.newaxis] + j[:, np.newaxis] * eta
    return terms[int(a - j[0])] - special.logsumexp(terms, axis=0)


Z = np.linspace(-10, 10, 401)
LOG_W = -0.5 * Z**2 - 0.5 * np.log(2 * np.pi) + np.log(20 / 400)


def integrated(log_probability):
    """Log of each study's integral; log_probability: (k, n) at Z."""
    return float(special.logsumexp(log_probability + LOG_W, axis=1).sum())


def slopes(function, at, step):
    """Gradient and Hessian by central differences."""
    at = np.asarray(at, dtype=float)
    steps = np.diag(step)
    up, down = [function(at + s) for s in steps], [function(at - s) for s in steps]
    gradient = (np.array(up) - np.array(down)) / (2 * np.asarray(step))
    middle, size = function(at), at.size
    hessian = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            if i == j:
                hessian[i, i] = (up[i] - 2 * middle + down[i]) / step[i] ** 2
            else:
                corners = [function(at + a * steps[i] + b * steps[j]) for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
                hessian[i, j] = (corners[0] - corners[1] - corners[2] + corners[3]) / (4 * step[i] * step[j])
    return gradient, hessian


def holds(function, at, found: GlmmNumbers, gap=1e-8):
    """That brute force has the same value here, no slope to speak of, and the same standard error."""
    assert found.status is FitStatus.CONVERGED
    assert_allclose(found.log_likelihood, function(np.asarray(at)), rtol=1e-11)
    gradient, hessian = slopes(function, at, np.full(len(at), 1e-3))
    covariance = np.linalg.inv(-hessian)
    assert_allclose(found.se, np.sqrt(covariance[0, 0]), rtol=1e-4)
    assert_allclose(found.tau2_se, 2 * at[1] * np.sqrt(covariance[1, 1]), rtol=1e-4)
    fine, _ = slopes(function, at, np.full(len(at), 3e-4))
    # Richardson: the error of order step^2 goes.
    slope = fine + (fine - gradient) * 0.09 / 0.91
    assert_allclose(covariance @ slope / np.sqrt(np.diag(covariance)), 0.0, atol=gap)


@pytest.mark.parametrize("name", ["nielweise2007", "collins1985_bleeding", "hahn2001"])
def test_conditional_exact_model_is_at_the_brute_force_maximum(name):
    a, n1, c, n2 = table(name)
    found = one_parameter(hypergeometric(a, n1, c, n2), True)
    if name == "hahn2001":
        assert found.tau2 == 0.0
        return

    def likelihood(p):
        return integrated(np.array([log_table(*study, p[0] + p[1] * Z) for study in zip(a, n1, c, n2, strict=True)]))

    holds(likelihood, [found.estimate, np.sqrt(found.tau2)], found)


@pytest.mark.parametrize("arm", [1, 2])
def test_binomial_normal_model_is_at_the_brute_force_maximum(arm):
    a, n1, c, n2 = table("nielweise2007", informative=False)
    x, n = (a, n1) if arm == 1 else (c, n2)
    found = one_parameter(Binomial(x, n, 0 * x), True)

    def likelihood(p):
        return integrated(log_binomial(x[:, np.newaxis], n[:, np.newaxis], p[0] + p[1] * Z))

    holds(likelihood, [found.estimate, np.sqrt(found.tau2)], found)


def test_poisson_normal_model_is_at_the_brute_force_maximum():
    x, t, _, _ = table("nielweise2008")
    found = one_parameter(Poisson(x, t), True)

    def likelihood(p):
        return integrated(log_poisson(x[:, np.newaxis], t[:, np.newaxis], p[0] + p[1] * Z))

    holds(likelihood, [found.estimate, np.sqrt(found.tau2)], found)


@pytest.mark.parametrize("rates", [False, True])
def test_fixed_study_effects_are_at_the_brute_force_maximum(rates):
    a, n1, c, n2 = table("nielweise2008" if rates else "nielweise2007")
    found = fixed_study(arms(a, n1, c, n2, rates), True)
    log_p = log_poisson if rates else log_binomial
    columns = [column[:, np.newaxis] for column in (a, n1, c, n2)]
    level = np.log((a + c) / (n1 + n2))

    def likelihood(p):
        """Each study's level at its best, by golden-section search on its own integral."""
        effect = 0.5 * (p[0] + p[1] * Z)

        def own(alpha):
            first = log_p(columns[0], columns[1], alpha[:, np.newaxis] + effect)
            second = log_p(columns[2], columns[3], alpha[:, np.newaxis] - effect)
            return special.logsumexp(first + second + LOG_W, axis=1)

        low, high, ratio = level - 3, level + 3, (np.sqrt(5) - 1) / 2
        for _ in range(30):
            x, y = high - ratio * (high - low), low + ratio * (high - low)
            better = own(x) > own(y)
            low, high = np.where(better, low, x), np.where(better, y, high)
        return float(own(0.5 * (low + high)).sum())

    holds(likelihood, [found.estimate, np.sqrt(found.tau2)], found, gap=1e-7)


def test_random_study_effects_are_at_the_brute_force_maximum():
    a, n1, c, n2 = table("nielweise2007")
    found = random_study(arms(a, n1, c, n2), True)
    z = np.linspace(-8, 8, 81)
    log_w = -0.5 * z**2 - 0.5 * np.log(2 * np.pi) + np.log(0.2)
    log_w = log_w[:, np.newaxis] + log_w

    def likelihood(p):
        level, half = p[2] + p[3] * z[:, np.newaxis], 0.5 * (p[0] + p[1] * z)
        total = 0.0
        for study in zip(a, n1, c, n2, strict=True):
            log_p = log_binomial(*study[:2], level + half) + log_binomial(*study[2:], level - half)
            total += special.logsumexp(log_p + log_w)
        return float(total)

    # The level is no part of the answer: here it is from a search.
    at = [found.estimate, np.sqrt(found.tau2), -4.0331061304, np.sqrt(found.sigma2)]
    holds(likelihood, at, found, gap=1e-6)


def test_thirty_digits_say_the_same(exact):
    """The hardest of the lot, seven studies without events: Newton's step at 30 digits leaves the estimates where they are."""
    mp, mpf = exact.mp, exact.mpf
    x, n, _, _ = table("nielweise2007", informative=False)
    found = one_parameter(Binomial(x, n, 0 * x), True)
    mu, tau = mpf(found.estimate), mp.sqrt(mpf(found.tau2))
    points = [mpf(i) / 16 for i in range(-16 * 12, 16 * 12 + 1)]
    eta = [mu + tau * z for z in points]
    p = [1 / (1 + mp.exp(-e)) for e in eta]
    logs = [(mp.log(q), mp.log(1 - q)) for q in p]
    value, gradient, hessian = mpf(0), mp.matrix(2, 1), mp.matrix(2, 2)
    for xi, ni in zip(x, n, strict=True):
        xi, ni = int(xi), int(ni)
        weight = [mp.exp(xi * lp + (ni - xi) * lq - z * z / 2) for (lp, lq), z in zip(logs, points, strict=True)]
        total = mp.fsum(weight)
        value += mp.log(mp.binomial(ni, xi) * total / 16 / mp.sqrt(2 * mp.pi))
        slope = [xi - ni * q for q in p]
        mean = mp.matrix([mp.fsum(w * s * f for w, s, f in zip(weight, slope, fs, strict=True)) / total
                          for fs in ([1] * len(points), points)])  # fmt: skip
        for i in range(2):
            for j in range(2):
                second = mp.fsum(
                    w * z ** (i + j) * (s * s - ni * q * (1 - q))
                    for w, z, s, q in zip(weight, points, slope, p, strict=True)
                )
                hessian[i, j] += second / total - mean[i] * mean[j]
        gradient += mean
    covariance = (-hessian) ** -1
    step = covariance * gradient
    assert abs(step[0]) < 1e-11
    assert abs(step[1]) < 1e-11
    exact.agree(found.log_likelihood, value, rtol=1e-13)
    exact.agree(found.se, mp.sqrt(covariance[0, 0]), rtol=1e-10)
    exact.agree(found.tau2_se, 2 * tau * mp.sqrt(covariance[1, 1]), rtol=1e-10)


def test_conditional_and_fixed_study_likelihoods_of_rates_differ_by_a_constant_without_heterogeneity():
    a, t1, c, t2 = table("hart1999")
    fixed = fixed_study(arms(a, t1, c, t2, True), False)
    conditional = one_parameter(Binomial(a, a + c, np.log(t1 / t2)), False)
    assert_allclose([fixed.estimate, fixed.se], [conditional.estimate, conditional.se], rtol=1e-12)
    assert_allclose([fixed.likelihood_ratio, fixed.wald], [conditional.likelihood_ratio, conditional.wald], rtol=1e-11)
    totals = log_poisson(a + c, a + c, 0.0).sum()
    assert_allclose(fixed.log_likelihood, conditional.log_likelihood + totals, rtol=1e-12)


MODELS = {
    "fixed-study": lambda t: fixed_study(arms(*t), True),
    "random-study": lambda t: random_study(arms(*t), True),
    "exact": lambda t: one_parameter(hypergeometric(*t), True),
    "approximate": lambda t: one_parameter(Binomial(t[0], t[0] + t[2], np.log(t[1] / t[3])), True),
}


@pytest.mark.parametrize("model", MODELS)
def test_exchanging_the_groups_changes_the_sign_alone(model):
    a, n1, c, n2 = table("nielweise2007")
    one, other = MODELS[model]((a, n1, c, n2)), MODELS[model]((c, n2, a, n1))
    assert_allclose(one.estimate, -other.estimate, rtol=1e-9)
    assert_allclose([one.se, one.tau2, one.log_likelihood], [other.se, other.tau2, other.log_likelihood], rtol=1e-8)


@pytest.mark.parametrize("model", [model for model in MODELS if model != "random-study"])
def test_studies_may_come_in_any_order_and_twice_as_often(model):
    columns = table("nielweise2007")
    fit = MODELS[model](columns)
    order = np.random.default_rng(5).permutation(columns[0].size)
    shuffled = MODELS[model]([column[order] for column in columns])
    doubled = MODELS[model]([np.tile(column, 2) for column in columns])
    assert_allclose([shuffled.estimate, shuffled.tau2], [fit.estimate, fit.tau2], rtol=1e-8)
    # Each study twice: the same estimates, half the variance, twice the log-likelihood.
    assert_allclose([doubled.estimate, doubled.tau2], [fit.estimate, fit.tau2], rtol=1e-8)
    assert_allclose([doubled.se, doubled.log_likelihood], [fit.se / np.sqrt(2), 2 * fit.log_likelihood], rtol=1e-8)


@pytest.mark.parametrize("unit", [1e-9, 365.25, 1e9])
def test_the_unit_of_time_shifts_a_log_rate_and_leaves_a_rate_ratio_alone(unit):
    a, t1, c, t2 = table("nielweise2008")
    rate, scaled = one_parameter(Poisson(a, t1), True), one_parameter(Poisson(a, t1 * unit), True)
    assert_allclose(scaled.estimate + np.log(unit), rate.estimate, rtol=1e-9)
    assert_allclose(
        [scaled.se, scaled.tau2, scaled.log_likelihood], [rate.se, rate.tau2, rate.log_likelihood], rtol=1e-9
    )
    ratio, same = (fixed_study(arms(a, t1 * u, c, t2 * u, True), True) for u in (1.0, unit))
    assert_allclose([same.estimate, same.se, same.tau2], [ratio.estimate, ratio.se, ratio.tau2], rtol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_like_studies_put_tau2_at_zero_exactly(model):
    columns = table("hine1989")
    found = MODELS[model](columns)
    assert found.status is FitStatus.AT_ZERO
    assert found.tau2 == 0.0
    assert np.isnan(found.tau2_se)
    assert_allclose(found.log_likelihood, found.log_likelihood_common, rtol=1e-12)
    # The standard error there is that of the common-effect model: R's numerical Hessian makes it 6e-7.
    assert 0.27 < found.se < 0.29


@pytest.mark.parametrize(
    ("x", "n", "at_zero"),
    [
        ([11, 163, 19, 6, 7], [16, 604, 105, 20, 28], False),
        ([12, 40, 37, 234, 2, 29], [15, 143, 160, 841, 14, 100], True),
    ],
)
def test_the_higher_of_two_maxima_is_found(x, n, at_zero):
    # Large studies that agree hold tau2 at 0; a small one far off pulls it away: a maximum at 0 and one beyond.
    x, n = np.array(x, dtype=float), np.array(n, dtype=float)
    found = one_parameter(Binomial(x, n, 0 * x), True)
    assert found.maxima == 2
    assert (found.tau2 == 0.0) is at_zero
    for tau in np.geomspace(0.03, 2.0, 15):
        for mu in np.linspace(-1.6, 0.4, 11):
            assert integrated(log_binomial(x[:, np.newaxis], n[:, np.newaxis], mu + tau * Z)) < found.log_likelihood


@pytest.mark.parametrize("seed", range(6))
def test_no_grid_point_is_higher(seed):
    # Two clusters of effects, some far apart: where likelihoods have several maxima.
    rng = np.random.default_rng(seed)
    k = 7
    n = np.round(10 ** rng.uniform(0.8, 2.5, k))
    eta = np.where(rng.random(k) < 0.5, -1.0, 1.0) * rng.choice([0.2, 1.0, 3.0]) - 1.0
    x = rng.binomial(n.astype(int), special.expit(eta)).astype(float)
    found = one_parameter(Binomial(x, n, 0 * x), True)
    if not found.status.usable:
        assert found.status in (FitStatus.INFINITE_EFFECT, FitStatus.INFINITE_SPREAD)
        return
    for tau in np.geomspace(0.02, 6.0, 25):
        for mu in found.estimate + np.linspace(-1.0, 1.0, 9):
            value = integrated(log_binomial(x[:, np.newaxis], n[:, np.newaxis], mu + tau * Z))
            assert value <= found.log_likelihood + 1e-8


def test_what_has_no_finite_estimate_is_said():
    n = np.array([20.0, 30.0, 25.0])
    none, some = np.zeros(3), np.array([1.0, 4.0, 2.0])
    for a, c in ((none, some), (some, none), (n, some)):
        for model in MODELS.values():
            for answer in (model((a, n, c, n)),):
                if (a == n).all() and answer.status.usable:
                    # All events in group 1: only the binomial approximation knows no largest count.
                    assert model is MODELS["approximate"]
                else:
                    assert answer.status is FitStatus.INFINITE_EFFECT
                    assert np.isnan(answer.estimate)
    assert one_parameter(Binomial(none, n, none), True).status is FitStatus.INFINITE_EFFECT
    assert one_parameter(Poisson(none, n), True).status is FitStatus.INFINITE_EFFECT


def test_a_variance_without_bound_is_said():
    # Every study is all or nothing: the wider the distribution, the better it fits.
    x, n = np.array([0.0, 30.0, 0.0, 25.0]), np.array([20.0, 30.0, 40.0, 25.0])
    assert one_parameter(Binomial(x, n, 0 * x), True).status is FitStatus.INFINITE_SPREAD
    a, c = np.array([3.0, 0.0, 5.0, 0.0]), np.array([0.0, 4.0, 0.0, 2.0])
    size = np.full(4, 50.0)
    for model in ("exact", "approximate", "fixed-study"):
        assert MODELS[model]((a, size, c, size)).status is FitStatus.INFINITE_SPREAD


def test_a_level_likelihood_is_told_from_a_rising_one():
    # One person a study: tau cannot be known, and none is needed.
    x, n = np.array([0.0, 1.0, 0.0, 1.0, 1.0]), np.ones(5)
    found = one_parameter(Binomial(x, n, 0 * x), True)
    assert found.status is FitStatus.AT_ZERO
    assert_allclose(special.expit(found.estimate), 0.6, rtol=1e-12)


def test_a_thousand_studies_never_make_a_large_matrix():
    import tracemalloc

    rng = np.random.default_rng(8)
    k = 1200
    n1, n2 = np.full(k, 60.0), np.full(k, 50.0)
    level, effect = rng.normal(-1.0, 0.6, k), rng.normal(-0.4, 0.4, k)
    a = rng.binomial(60, special.expit(level + effect / 2)).astype(float)
    c = rng.binomial(50, special.expit(level - effect / 2)).astype(float)
    keep = (a + c > 0) & (a + c < 110)
    tracemalloc.start()
    found = fixed_study(arms(a[keep], n1[keep], c[keep], n2[keep]), True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * k * k
    assert abs(found.estimate + 0.4) < 5 * found.se


def test_large_studies_are_normal():
    # With a million people a study the likelihood is that of normal effects with known variances.
    from metaanalysis.formulas.tau2_iterative import maximum_likelihood

    n = np.full(8, 1e6)
    x = np.round(n * special.expit(np.array([-1.2, -1.0, -1.1, -0.8, -1.05, -1.3, -0.95, -1.15])))
    found = one_parameter(Binomial(x, n, 0 * x), True)
    y, v = special.logit(x / n), 1 / x + 1 / (n - x)
    assert_allclose(found.tau2, maximum_likelihood(y, v).x, rtol=1e-4)
    assert_allclose(found.estimate, y.mean(), atol=1e-4)
