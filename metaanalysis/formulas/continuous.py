"""Two groups, means and standard deviations of a measurement -> effect size y and sampling variance v."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.estimates import estimate
from metaanalysis.formulas.gamma_correction import CORRECTIONS
from metaanalysis.formulas.smd_variances import SMD_VARIANCES as SMD_VARIANCES
from metaanalysis.formulas.smd_variances import Standardized


def pooled_variance(sd1: FloatArray, n1: FloatArray, sd2: FloatArray, n2: FloatArray) -> FloatArray:
    """Variance within two groups that share one.

        s² = [(n1 - 1) sd1² + (n2 - 1) sd2²] / (n1 + n2 - 2)

    All arguments broadcast; returns that shape.
    """
    return np.asarray(((n1 - 1.0) * sd1 * sd1 + (n2 - 1.0) * sd2 * sd2) / (n1 + n2 - 2.0))


def mean_difference(
    mean1: FloatArray,
    sd1: FloatArray,
    n1: FloatArray,
    mean2: FloatArray,
    sd2: FloatArray,
    n2: FloatArray,
    *,
    variance: str = "LS",
) -> tuple[FloatArray, FloatArray]:
    """Difference of two means, in the units of the measurement.

        y = mean1 - mean2
        v = sd1²/n1 + sd2²/n2            "LS": each group has its own variance
        v = s² (1/n1 + 1/n2)             "HO": the groups share one (pooled_variance)

    All arguments broadcast; returns (y, v) of that shape.
    Source: Borenstein (2009).
    """
    return estimate(mean1 - mean2, MEAN_DIFFERENCE_VARIANCES[variance](sd1, n1, sd2, n2))


def _separate(sd1: FloatArray, n1: FloatArray, sd2: FloatArray, n2: FloatArray) -> FloatArray:
    return np.asarray(sd1 * sd1 / n1 + sd2 * sd2 / n2)


def _shared(sd1: FloatArray, n1: FloatArray, sd2: FloatArray, n2: FloatArray) -> FloatArray:
    return np.asarray(pooled_variance(sd1, n1, sd2, n2) * (1.0 / n1 + 1.0 / n2))


MEAN_DIFFERENCE_VARIANCES: MappingProxyType[
    str, Callable[[FloatArray, FloatArray, FloatArray, FloatArray], FloatArray]
] = MappingProxyType({"LS": _separate, "HO": _shared})


def standardized_mean_difference(
    mean1: FloatArray,
    sd1: FloatArray,
    n1: FloatArray,
    mean2: FloatArray,
    sd2: FloatArray,
    n2: FloatArray,
    *,
    correction: str = "exact",
    variance: str = "LS",
) -> tuple[FloatArray, FloatArray]:
    """Difference of two means in units of their pooled standard deviation: Hedges' g (Cohen's d where uncorrected).

        d = (mean1 - mean2)/s,   y = J d

    with s from pooled_variance, J from gamma_correction.CORRECTIONS and v from SMD_VARIANCES.
    All arguments broadcast; returns (y, v) of that shape. Source: Hedges (1981).
    """
    d = cohen_d(mean1, sd1, n1, mean2, sd2, n2)
    return standardized_mean_difference_from_d(d, n1, n2, correction=correction, variance=variance)


def standardized_mean_difference_from_d(
    d: FloatArray, n1: FloatArray, n2: FloatArray, *, correction: str = "exact", variance: str = "LS"
) -> tuple[FloatArray, FloatArray]:
    """Hedges' g and its variance from Cohen's d and the sizes of the groups.

    All arguments broadcast; returns (y, v) of that shape. Source: Hedges (1981).
    """
    total = n1 + n2
    m = total - 2.0
    J_less_one = CORRECTIONS[correction](m)
    g = d + J_less_one * d
    return estimate(g, SMD_VARIANCES[variance](Standardized(d, g, J_less_one, n1, n2, total, m)))


def glass_delta(
    mean1: FloatArray,
    n1: FloatArray,
    mean2: FloatArray,
    sd2: FloatArray,
    n2: FloatArray,
    *,
    correction: str = "exact",
    variance: str = "LS",
) -> tuple[FloatArray, FloatArray]:
    """Difference of two means in units of group 2's standard deviation, if both groups have the same: Glass' delta.

        d = (mean1 - mean2)/sd2,   y = J(n2 - 1) d

    with v from SMD_VARIANCES, for n = n2 people and m = n2 - 1 degrees of freedom behind the standard deviation.
    All arguments broadcast; returns (y, v) of that shape. Source: Glass (1976); Hedges (1981).
    """
    d = (mean1 - mean2) / sd2
    m = n2 - 1.0
    J_less_one = CORRECTIONS[correction](m)
    g = d + J_less_one * d
    return estimate(g, SMD_VARIANCES[variance](Standardized(d, g, J_less_one, n1, n2, n2, m)))


def glass_delta_heteroscedastic(
    mean1: FloatArray,
    sd1: FloatArray,
    n1: FloatArray,
    mean2: FloatArray,
    sd2: FloatArray,
    n2: FloatArray,
    *,
    correction: str = "exact",
    variance: str = "LS",
) -> tuple[FloatArray, FloatArray]:
    """Difference of two means in units of group 2's standard deviation, where group 1's may differ.

        d = (mean1 - mean2)/sd2,   y = J d,   J = J(n2 - 1)
        v = J² [sd1²/(sd2² (n1 - 1)) + 1/(n2 - 1) + d²/(2 (n2 - 1))]     "LS"
        v = sd1²/(sd2² n1) + 1/n2 + y²/(2 n2)                            "n": as metafor had it before version 4.6

    All arguments broadcast; returns (y, v) of that shape. Source: Bonett (2008), for the variance of d.
    """
    d = (mean1 - mean2) / sd2
    J_less_one = CORRECTIONS[correction](n2 - 1.0)
    y = np.asarray(d + J_less_one * d)
    ratio = np.square(sd1 / sd2)
    if variance == "n":
        return estimate(y, ratio / n1 + (1.0 + 0.5 * y * y) / n2)
    v = ratio / (n1 - 1.0) + (1.0 + 0.5 * d * d) / (n2 - 1.0)
    return estimate(y, np.square(1.0 + J_less_one) * v)


def average_variance_difference_variance(
    d: FloatArray, sd1: FloatArray, n1: FloatArray, sd2: FloatArray, n2: FloatArray, variance: str = "LS"
) -> FloatArray:
    """Variance of a mean difference d in units of s = √[(sd1² + sd2²)/2], of two normal groups.

        v = d² [sd1⁴/f1 + sd2⁴/f2]/(8 s⁴) + [sd1²/e1 + sd2²/e2]/s²

    with e = f = n - 1 ("LS"), e = f = n ("LS2"), or the exact e = n, f = n - 1 ("LS3").
    All arguments broadcast; returns that shape. Source: Bonett (2008), for "LS"; the delta method.
    """
    share1 = np.square(sd1 / np.hypot(sd1, sd2))
    share2 = np.square(sd2 / np.hypot(sd1, sd2))
    e, f = AVERAGE_VARIANCE_DF[variance]
    spread = np.square(share1) / (n1 - f) + np.square(share2) / (n2 - f)
    return np.asarray(0.5 * d * d * spread + 2.0 * (share1 / (n1 - e) + share2 / (n2 - e)))


# What is taken off n for the variance of a mean, and for that of a standard deviation.
AVERAGE_VARIANCE_DF: MappingProxyType[str, tuple[float, float]] = MappingProxyType(
    {"LS": (1.0, 1.0), "LS2": (0.0, 0.0), "LS3": (0.0, 1.0)}
)


def standardized_mean_difference_heteroscedastic(
    mean1: FloatArray,
    sd1: FloatArray,
    n1: FloatArray,
    mean2: FloatArray,
    sd2: FloatArray,
    n2: FloatArray,
    *,
    correction: str = "exact",
    variance: str = "LS",
) -> tuple[FloatArray, FloatArray]:
    """Difference of two means in units of the root of their average variance, where the two may differ.

        d = (mean1 - mean2)/s,   s² = (sd1² + sd2²)/2,   y = J d,   J = J(n1 + n2 - 2)
        v = J² average_variance_difference_variance(d)

    (metafor before version 4.6 put y for d in that variance.)
    All arguments broadcast; returns (y, v) of that shape. Source: Bonett (2008, 2009).
    """
    d = (mean1 - mean2) * np.sqrt(2.0) / np.hypot(sd1, sd2)
    J_less_one = CORRECTIONS[correction](n1 + n2 - 2.0)
    v = average_variance_difference_variance(d, sd1, n1, sd2, n2, variance)
    return estimate(d + J_less_one * d, np.square(1.0 + J_less_one) * v)


def d_to_log_odds_ratio(d: FloatArray, n1: FloatArray, n2: FloatArray, factor: float) -> tuple[FloatArray, FloatArray]:
    """Log odds ratio behind a standardized mean difference.

        y = c d,   v = c² [1/n1 + 1/n2 + d²/(2N)]

    factor: c = π/√3 if the measurement is logistic (D_TO_LOG_ODDS_LOGISTIC), 1.65 if it is normal (COX_SNELL).
    d: not corrected; all arguments broadcast; returns (y, v) of that shape.
    Source: Hasselblad & Hedges (1995), Chinn (2000); Cox & Snell (1989).
    """
    v = 1.0 / n1 + 1.0 / n2 + d * d / (2.0 * (n1 + n2))
    return estimate(factor * d, factor * factor * v)


D_TO_LOG_ODDS_LOGISTIC = float(np.pi / np.sqrt(3.0))


def cohen_d(
    mean1: FloatArray, sd1: FloatArray, n1: FloatArray, mean2: FloatArray, sd2: FloatArray, n2: FloatArray
) -> FloatArray:
    """Difference of two means in units of their pooled standard deviation, not corrected.

        d = (mean1 - mean2)/s,   s² = pooled_variance

    All arguments broadcast; returns that shape. Source: Cohen (1988).
    """
    return np.asarray((mean1 - mean2) / np.sqrt(pooled_variance(sd1, n1, sd2, n2)))


def common_language_effect_size(
    mean1: FloatArray,
    sd1: FloatArray,
    n1: FloatArray,
    mean2: FloatArray,
    sd2: FloatArray,
    n2: FloatArray,
    *,
    variance: str = "LS3",
) -> tuple[FloatArray, FloatArray]:
    """Probability that a person of group 1 has the higher value of the two, for normal measurements.

        y = Φ(d/√2),   v = φ(d/√2)² v_d/2
        d = √2 (mean1 - mean2)/√(sd1² + sd2²),   v_d from average_variance_difference_variance
        "HO": d with the pooled standard deviation,   v_d = 1/n1 + 1/n2 + d²/(2N)

    All arguments broadcast; returns (y, v) of that shape. Source: McGraw & Wong (1992); the delta method.
    """
    if variance == "HO":
        d = cohen_d(mean1, sd1, n1, mean2, sd2, n2)
        v = 1.0 / n1 + 1.0 / n2 + d * d / (2.0 * (n1 + n2))
    else:
        d = (mean1 - mean2) * np.sqrt(2.0) / np.hypot(sd1, sd2)
        v = average_variance_difference_variance(d, sd1, n1, sd2, n2, variance)
    return estimate(special.ndtr(d / np.sqrt(2.0)), np.exp(-0.5 * d * d) / (4.0 * np.pi) * v)
