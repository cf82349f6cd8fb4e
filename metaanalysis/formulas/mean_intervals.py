"""Intervals of the mean that are not an estimate plus and minus a quantile: profile likelihood, Henmi-Copas.

Each returns estimate, limits and p (...), for effect sizes and variances y, v (..., k).
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.likelihood import log_likelihood
from metaanalysis.formulas.tau2_iterative import maximise_likelihood
from metaanalysis.formulas.tau2_moments import dersimonian_laird
from metaanalysis.formulas.weighted import count, inverse_variance_weights, weighted_mean
from metaanalysis.registry import Entry, Registry


class MeanInterval(NamedTuple):
    """An estimate of the mean, its variance as the method sees it, limits and the p-value of no effect."""

    estimate: FloatArray
    variance: FloatArray
    low: FloatArray
    high: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    df: FloatArray  # of the statistic; infinite: normal; NaN: the p-value has a distribution of its own
    tau2: FloatArray
    weights: FloatArray  # (..., k), adding up to 1


def profile_log_likelihood(y: FloatArray, v: FloatArray, mean: FloatArray) -> FloatArray:
    """The full log-likelihood at a mean (n,), maximised over tau2; y, v: (n, k)."""
    deviations = y - mean[:, np.newaxis]
    nothing = np.empty((*y.shape, 0))
    tau2 = maximise_likelihood(deviations, v, nothing, restricted=False).x
    return log_likelihood(deviations, v, tau2, nothing, restricted=False)


def profile_likelihood(y: FloatArray, v: FloatArray, level: float) -> MeanInterval:
    """The means that a likelihood-ratio test does not reject, tau2 at its best for each.

        2 [l(mu_hat, tau2_hat) - max over tau2 of l(mu, tau2)] <= chi2 quantile with 1 degree of freedom

    y, v: (..., k). The estimate is that of maximum likelihood. NaN for a single study.
    Source: Hardy & Thompson (1996).
    """
    from scipy.optimize import elementwise

    lead, k = y.shape[:-1], y.shape[-1]
    y, v = y.reshape(-1, k), v.reshape(-1, k)
    tau2 = maximise_likelihood(y, v, None, restricted=False).x
    enough = np.isfinite(tau2)
    w = inverse_variance_weights(v, np.where(enough, tau2, 0.0))
    fit = weighted_mean(y, w)
    estimate, variance = fit.coefficients[:, 0], fit.covariance[:, 0, 0]
    # One maximiser for both sides, so that the deviance is 0 at the estimate to the last digit.
    best = profile_log_likelihood(y, v, estimate)
    critical = float(special.chdtri(1.0, 1.0 - level))
    step = np.sqrt(variance * critical)

    def limit(sign: float) -> FloatArray:
        def excess(distance: FloatArray, at: FloatArray) -> FloatArray:
            rows = at.astype(np.intp).reshape(-1)
            mean = estimate[rows] + sign * distance.reshape(-1)
            deviance = 2.0 * (best[rows] - profile_log_likelihood(y[rows], v[rows], mean))
            return np.asarray(deviance - critical).reshape(distance.shape)

        which = np.arange(y.shape[0], dtype=np.float64)
        far = step.copy()
        open_ = np.flatnonzero(enough)
        for _ in range(60):
            if open_.size == 0:
                break
            open_ = open_[excess(far[open_], which[open_]) < 0]
            far[open_] *= 2.0
        found = elementwise.find_root(
            excess, (np.zeros_like(far), far), args=(which,), tolerances={"xrtol": 1e-13, "xatol": 0.0, "fatol": 0.0}
        )
        return np.where(enough, estimate + sign * found.x, np.nan)

    low, high = limit(-1.0), limit(1.0)
    no_effect = 2.0 * (best - profile_log_likelihood(y, v, np.zeros_like(estimate)))
    p = np.where(enough, special.chdtrc(1.0, np.maximum(no_effect, 0.0)), np.nan)
    root = np.sign(estimate) * np.sqrt(np.maximum(no_effect, 0.0))
    return MeanInterval(
        estimate.reshape(lead),
        variance.reshape(lead),
        low.reshape(lead),
        high.reshape(lead),
        np.where(enough, root, np.nan).reshape(lead),
        p.reshape(lead),
        np.full(lead, np.inf),
        tau2.reshape(lead),
        fit.leverages.reshape(*lead, k),
    )


# Points of Gauss-Legendre's rule in each panel of the tail, and panels for few studies; with many, Q varies little and the tail
# changes fast. Four times as many panels moved the pivot by no more than 1e-11 for k of 2 to 1,000.
POINTS, PANELS, FEW_STUDIES = 24, 8, 20
# Panels lie close together near the tail's beginning, by this power, and end where the normal density has fallen by exp(-END).
CLOSER, END = 4, 40.0
# Numbers in one temporary array.
BLOCK = 400_000


def henmi_copas(y: FloatArray, v: FloatArray, level: float) -> MeanInterval:
    """The common-effect estimate with an interval that allows for heterogeneity: less moved by small studies' bias.

    The pivot U = (estimate - mu) / sqrt(var) is referred to its distribution jointly with DerSimonian and Laird's Q, whose
    conditional distribution given the estimate is taken as gamma with the right mean and variance.
    y, v: (..., k). NaN for a single study. Source: Henmi & Copas (2010).
    """
    lead, k = y.shape[:-1], y.shape[-1]
    y, v = y.reshape(-1, k), v.reshape(-1, k)
    w = inverse_variance_weights(v)
    fit = weighted_mean(y, w)
    given = pivot_moments(y, v)
    some = np.flatnonzero(given.k >= 2)
    low, high, statistic, p, tau2 = np.full((5, y.shape[0]), np.nan)
    estimate, variance = fit.coefficients[:, 0], given.ratio / given.w1
    se = np.sqrt(variance)
    rule = tail_rule(PANELS * int(np.ceil(np.sqrt(max(k / FEW_STUDIES, 1.0)))))
    step = max(1, BLOCK // rule[0].size)
    for first in range(0, some.size, step):
        at = some[first : first + step]
        # The tail is that of the estimate standardised by its true variance, `ratio` times the common-effect one.
        root = np.sqrt(given.ratio[at])
        half = find_pivot(given, at, (1.0 - level) / 2.0, rule) * root * se[at]
        low[at], high[at] = estimate[at] - half, estimate[at] + half
        statistic[at], tau2[at] = estimate[at] / se[at], given.tau2[at]
        distance = np.abs(statistic[at]) / root
        p[at] = np.where(distance > 0, np.minimum(2.0 * pivot_tail(distance, given, at, rule), 1.0), 1.0)
    variance = np.where(given.k >= 2, variance, 1.0 / given.w1)
    return MeanInterval(
        estimate.reshape(lead),
        variance.reshape(lead),
        low.reshape(lead),
        high.reshape(lead),
        statistic.reshape(lead),
        p.reshape(lead),
        np.full(lead, np.nan),
        tau2.reshape(lead),
        fit.leverages.reshape(*lead, k),
    )


class PivotMoments(NamedTuple):
    """What the distribution of Henmi and Copas' pivot depends on, each (n,); w_j = sum w^j / sum w for j of 2 and more."""

    k: FloatArray
    tau2: FloatArray
    ratio: FloatArray  # of the estimate's variance to the common-effect one, 1 + tau2 w_2
    w1: FloatArray
    w2: FloatArray
    w3: FloatArray
    w4: FloatArray


def pivot_moments(y: FloatArray, v: FloatArray) -> PivotMoments:
    """The moments of the weights and DerSimonian and Laird's tau2; y, v: (n, k)."""
    w = inverse_variance_weights(v)
    k = count(w).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Of a single study it is 0 / 0.
        tau2 = np.where(k >= 2, np.maximum(dersimonian_laird(y, v), 0.0), 0.0)
    leverages = weighted_mean(y, w).leverages
    w1 = w.sum(axis=-1)
    w2, w3, w4 = ((leverages * w ** (j - 1)).sum(axis=-1) for j in (2, 3, 4))
    return PivotMoments(k, tau2, 1.0 + tau2 * w2, w1, w2, w3, w4)


def pivot_tail(x: FloatArray, given: PivotMoments, at: IntArray, rule: tuple[FloatArray, FloatArray]) -> FloatArray:
    """P(pivot > x): over the standardised estimate r > x, the chance that Q is too small to stretch the interval to it.

    x: (m,) above 0; at: which of the meta-analyses they belong to; rule: nodes in [0, 1] and their shares. Returns (m,).
    """
    k, tau2, ratio, w1, w2, w3, w4 = (moment[at, np.newaxis] for moment in given)
    x = x[:, np.newaxis]
    length = 2.0 * END / (x + np.sqrt(x * x + 2.0 * END))
    # t = r - x, so that r^2 - x^2 = t (2x + t) keeps its digits.
    nodes, shares = rule
    t = length * nodes
    beyond = t * (2.0 * x + t)
    r2 = x * x + beyond
    second, third = w3 - w2**2, w4 - 2.0 * w2 * w3 + w2**3
    shift = (r2 - 1.0) / ratio
    # Mean and variance of Q given the standardised estimate.
    mean = (k - 1.0) + tau2 * (w1 - w2) + tau2**2 * shift * second
    fixed = 2.0 * (k - 1.0) + 4.0 * tau2 * (w1 - w2) + 2.0 * tau2**2 * (w1 * w2 - 2.0 * w3 + w2**2)
    linear = 4.0 * tau2**2 * second + 4.0 * tau2**3 * third
    spread = fixed + linear * shift + 2.0 * tau2**4 * (1.0 - 2.0 * r2) / ratio**2 * second**2
    q = (w1 / w2 - 1.0) * beyond / x**2 + (k - 1.0)
    inside = special.gammainc(mean**2 / spread, q * mean / spread) * np.exp(-0.5 * beyond)
    whole = (length * inside * shares).sum(axis=-1)
    return np.asarray(whole * np.exp(-0.5 * x[:, 0] ** 2) / np.sqrt(2.0 * np.pi))


def tail_rule(panels: int) -> tuple[FloatArray, FloatArray]:
    """Nodes in [0, 1], close together near 0, and their shares: the tail changes most near its beginning."""
    nodes, shares = np.polynomial.legendre.leggauss(POINTS)
    begins = np.arange(panels)[:, np.newaxis]
    even = ((begins + 0.5 * (nodes + 1.0)) / panels).ravel()
    return even**CLOSER, CLOSER * even ** (CLOSER - 1) * np.tile(0.5 * shares / panels, panels)


def find_pivot(given: PivotMoments, at: IntArray, alpha: float, rule: tuple[FloatArray, FloatArray]) -> FloatArray:
    """The x at which the decreasing tail probability of each meta-analysis equals alpha; (m,)."""
    from scipy.optimize import elementwise

    high = np.full(at.size, 2.0)
    open_ = np.arange(at.size)
    for _ in range(30):
        open_ = open_[pivot_tail(high[open_], given, at[open_], rule) > alpha]
        if open_.size == 0:
            break
        high[open_] *= 2.0

    def excess(x: FloatArray, which: FloatArray) -> FloatArray:
        rows = at[which.astype(np.intp).reshape(-1)]
        return np.asarray(pivot_tail(x.reshape(-1), given, rows, rule) - alpha).reshape(x.shape)

    which = np.arange(at.size, dtype=np.float64)
    found = elementwise.find_root(
        excess,
        (np.full(at.size, 1e-8), high),
        args=(which,),
        tolerances={"xrtol": 1e-13, "xatol": 0.0, "fatol": 0.0, "frtol": 0.0},
    )
    return np.asarray(np.where(found.success, found.x, np.nan))


# (y, v, level) -> MeanInterval
MeanIntervalFunction: TypeAlias = Callable[[FloatArray, FloatArray, float], MeanInterval]

MEAN_INTERVALS: Registry[MeanIntervalFunction] = Registry(
    "ci",
    {
        "profile-likelihood": Entry(profile_likelihood, "profile likelihood", "hardy1996"),
        "henmi-copas": Entry(henmi_copas, "Henmi-Copas", "henmi2010"),
    },
)
# The estimator of tau2 that each of them implies.
IMPLIED_TAU2 = MappingProxyType({"profile-likelihood": "ML", "henmi-copas": "DL", "kenward-roger": "REML"})
