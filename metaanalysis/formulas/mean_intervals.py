"""Intervals of the mean that are not an estimate plus and minus a quantile: profile likelihood, Henmi-Copas.

Each returns estimate, limits and p (...), for effect sizes and variances y, v (..., k).
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy import integrate, optimize, special
from scipy.optimize import elementwise

from metaanalysis.formulas.arrays import FloatArray
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


def henmi_copas(y: FloatArray, v: FloatArray, level: float) -> MeanInterval:
    """The common-effect estimate with an interval that allows for heterogeneity: less moved by small studies' bias.

    The pivot U = (estimate - mu) / sqrt(var) is referred to its distribution jointly with DerSimonian and Laird's Q, whose
    conditional distribution given the estimate is taken as gamma with the right mean and variance.
    y, v: (..., k). NaN for a single study. Source: Henmi & Copas (2010).
    """
    lead, k = y.shape[:-1], y.shape[-1]
    y, v = y.reshape(-1, k), v.reshape(-1, k)
    rows = [henmi_copas_one(y[i], v[i], level) for i in range(y.shape[0])]
    columns = np.array(rows).reshape(*lead, 7)
    estimate, variance, low, high, statistic, p, tau2 = (columns[..., j] for j in range(7))
    weights = weighted_mean(y, inverse_variance_weights(v)).leverages.reshape(*lead, k)
    nothing = np.full(lead, np.nan)
    return MeanInterval(estimate, variance, low, high, statistic, p, nothing, tau2, weights)


def henmi_copas_one(y: FloatArray, v: FloatArray, level: float) -> tuple[float, ...]:
    """Henmi and Copas' interval of one meta-analysis; y, v: (k,)."""
    w = inverse_variance_weights(v)
    k = float(count(w))
    fit = weighted_mean(y, w)
    estimate = float(fit.coefficients[0])
    if k < 2:
        return (estimate, float(1.0 / w.sum()), np.nan, np.nan, np.nan, np.nan, np.nan)
    tau2 = max(float(dersimonian_laird(y, v)), 0.0)
    # Moments of the weights, each divided by the first: w1 = sum w, w_j = sum w^j / w1.
    w1, w2, w3, w4 = float(w.sum()), *(float((fit.leverages * w ** (j - 1)).sum()) for j in (2, 3, 4))
    ratio = 1.0 + tau2 * w2
    variance = ratio / w1
    spread = w1 - w2
    second = w3 - w2**2
    third = w4 - 2.0 * w2 * w3 + w2**3

    def gamma_parameters(r2: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Shape and scale of Q given the standardised estimate squared, r2 in units of its own variance."""
        shift = r2 / ratio - 1.0 / ratio
        mean = (k - 1.0) + tau2 * spread + tau2**2 * shift * second
        fixed = 2.0 * (k - 1.0) + 4.0 * tau2 * spread + 2.0 * tau2**2 * (w1 * w2 - 2.0 * w3 + w2**2)
        linear = 4.0 * tau2**2 * second + 4.0 * tau2**3 * third
        variance_of_q = fixed + linear * shift + 2.0 * tau2**4 * (1.0 - 2.0 * r2) / ratio**2 * second**2
        return mean**2 / variance_of_q, variance_of_q / mean

    def tail(x: float) -> float:
        """P(pivot > x): over the standardised estimate r > 0, the chance that Q is too small to stretch the interval to it."""

        def integrand(r: float) -> float:
            stretch = r / x
            q = (w1 / w2 - 1.0) * (stretch**2 - 1.0) + (k - 1.0)
            shape, scale = gamma_parameters(np.asarray(r**2))
            return float(special.gammainc(shape, max(q, 0.0) / scale)) * float(
                np.exp(-0.5 * r * r) / np.sqrt(2.0 * np.pi)
            )

        value, _ = integrate.quad(integrand, x, np.inf, epsabs=1e-14, epsrel=1e-12, limit=500)
        return float(value)

    alpha = (1.0 - level) / 2.0
    # The tail is that of the estimate standardised by its true variance, `ratio` times the common-effect one.
    root = float(np.sqrt(ratio))
    pivot = find_pivot(tail, alpha) * root
    se = float(np.sqrt(variance))
    statistic = abs(estimate) / se / root
    p = 2.0 * tail(statistic) if statistic > 0 else 1.0
    return (estimate, variance, estimate - pivot * se, estimate + pivot * se, estimate / se, min(p, 1.0), tau2)


def find_pivot(tail: Callable[[float], float], alpha: float) -> float:
    """The x at which a decreasing tail probability equals alpha."""
    high = 2.0
    while tail(high) > alpha and high < 1e8:
        high *= 2.0
    return float(optimize.brentq(lambda x: tail(x) - alpha, 1e-8, high, xtol=1e-13, rtol=1e-13))


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
