"""What the printed numbers of a meta-analysis say about each other, as intervals over their rounding.

The test statistic can be known three ways (as printed, from the confidence interval, from p), and so can Q (as printed,
from I2, from its p). Intervals on a line that meet pair by pair have a point in common: to compare each pair is enough.
Degrees of freedom are infinite where the normal distribution is meant. Shapes are (...) unless said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.gamma_correction import exact_correction
from metaanalysis.formulas.heterogeneity import chi2_upper_tail, i2_from_q
from metaanalysis.formulas.inference import quantile, two_sided_p
from metaanalysis.formulas.rounding import Interval, clipped, decreasing, increasing, quotient, width


class Scale(NamedTuple):
    """To the scale on which an interval is symmetric, back to the one on which it is read, and the reading's range."""

    to: Callable[[FloatArray], FloatArray]
    back: Callable[[FloatArray], FloatArray]
    lowest: float
    highest: float


SYMMETRIC_SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "identity": Scale(np.asarray, np.asarray, -np.inf, np.inf),
        "log": Scale(np.log, np.exp, 0.0, np.inf),
        "atanh": Scale(np.arctanh, np.tanh, -1.0, 1.0),
    }
)
# Fewer than two people in each arm leave no standard deviation in both.
_SMALLEST_STUDY = 4.0


def to_symmetric_scale(x: Interval, scale: str) -> Interval:
    """Readings on the scale on which the interval is symmetric; infinite where rounding reaches the edge of the range."""
    chosen = SYMMETRIC_SCALES[scale]
    return increasing(chosen.to, clipped(x, chosen.lowest, chosen.highest))


def from_symmetric_scale(x: Interval, scale: str) -> Interval:
    """The way back, to the scale on which numbers are read."""
    return increasing(SYMMETRIC_SCALES[scale].back, x)


def critical_values(level: FloatArray, df: FloatArray) -> FloatArray:
    """The two-sided critical value of each row at a level of its own. level, df: (rows,). Returns (rows,)."""
    found = np.full(np.shape(df), np.nan)
    for one in np.unique(level):
        at = level == one
        found[at] = quantile(float(one), df[at])
    return found


def standard_error(low: Interval, high: Interval, critical: FloatArray) -> Interval:
    """Se = (high - low) / (2 critical), from the limits of a symmetric interval."""
    span = width(low, high)
    return Interval(span.low / (2.0 * critical), span.high / (2.0 * critical))


def statistic(estimate: Interval, se: Interval) -> Interval:
    """Estimate / se, with its sign."""
    return quotient(estimate, se)


def p_of_statistic(size: Interval, df: FloatArray) -> Interval:
    """Two-sided p of the absolute test statistic."""
    return decreasing(lambda x: two_sided_p(x, df), size)


def statistic_of_p(p: Interval, df: FloatArray) -> Interval:
    """The absolute test statistic whose two-sided p it is; infinite at p = 0."""
    # stdtrit gives an infinite quantile the wrong sign; only the size is wanted.
    return decreasing(lambda x: np.abs(special.stdtrit(df, x / 2.0)), p)


def i2_of_q(q: Interval, df: FloatArray) -> Interval:
    """I2 in per cent, which rises with Q. Source: Higgins & Thompson (2002)."""
    return increasing(lambda x: np.where(np.isnan(x), np.nan, i2_from_q(x, df)), q)


def q_of_i2(i2: Interval, df: FloatArray) -> Interval:
    """Q = df / (1 - I2/100); every Q up to df has I2 = 0. Source: Higgins & Thompson (2002)."""
    ends = increasing(lambda x: np.where(df > 0, df, np.nan) / (1.0 - x / 100.0), clipped(i2, 0.0, 100.0))
    return Interval(np.where(i2.low > 0, ends.low, 0.0 * ends.low), ends.high)


def p_of_q(q: Interval, df: FloatArray) -> Interval:
    """The p-value of Q, P(chi2 with df > Q)."""
    return decreasing(lambda x: chi2_upper_tail(x, df), q)


def q_of_p(p: Interval, df: FloatArray) -> Interval:
    """The Q whose p-value it is; infinite at p = 0."""
    return decreasing(lambda x: np.asarray(special.chdtri(np.where(df > 0, df, np.nan), x)), p)


def normal_deviate_of_q(q: Interval) -> Interval:
    """sqrt(2 Q), nearly normal with variance 1 whatever the degrees of freedom. Source: Fisher (1925)."""
    return increasing(lambda x: np.sqrt(2.0 * np.maximum(x, 0.0)), q)


def smallest_smd_standard_error(total: FloatArray, k: FloatArray) -> FloatArray:
    """The least that the standard error of k pooled standardized mean differences can be with so many people in all.

        se^2 >= 4 / [(k - 1) h(4) + h(N - 4 (k - 1))],   h(n) = n / J(n - 2)^2

    A study's variance is at least 1/n1 + 1/n2 >= 4/n, times Hedges' J^2 in the one formula that has it; weights by inverse
    variance add up to at most sum h(n_i) / 4, and as h is convex the sum is largest where all studies but one are tiny
    (n = 4). With large studies it is 2 / sqrt(N). Where k is not known (NaN), every study may be tiny: 2 / sqrt(pi N).
    Source: Hedges (1981) for the variance; Borenstein et al. (2009), chapter 4, for the one with J^2.
    """
    others = np.maximum(np.where(np.isnan(k), 0.0, k - 1.0), 0.0)
    rest = total - _SMALLEST_STUDY * others
    possible = ~np.isnan(k) & (rest >= _SMALLEST_STUDY)
    precision = others * _effective_size(np.array(_SMALLEST_STUDY)) + _effective_size(np.where(possible, rest, 4.0))
    all_tiny = total / _SMALLEST_STUDY * _effective_size(np.array(_SMALLEST_STUDY))
    return np.asarray(2.0 / np.sqrt(np.where(possible, precision, all_tiny)))


def _effective_size(n: FloatArray) -> FloatArray:
    return n / exact_correction(n - 2.0) ** 2


def smallest_standard_error_beside_tau2(tau2: FloatArray, k: FloatArray) -> FloatArray:
    """The least that the standard error of a random-effects mean of k studies can be.

        se^2 = 1 / sum 1 / (v + tau2) >= tau2 / k

    Whatever the estimator of tau2, as every v > 0. Source: DerSimonian & Laird (1986) for the standard error.
    """
    return np.asarray(np.sqrt(tau2 / np.where(k > 0, k, np.nan)))


def hartung_knapp_q(se: FloatArray, wald_se: FloatArray, df: FloatArray) -> FloatArray:
    """The Q that a Hartung-Knapp standard error implies beside Wald's: se^2 = wald_se^2 Q / df.

    Source: Hartung & Knapp (2001).
    """
    return np.asarray(df * (se / wald_se) ** 2)


def p_of_so_small_a_q(q: FloatArray, df: FloatArray) -> FloatArray:
    """P(chi2 with df <= q): how often studies agree so well by chance."""
    return np.asarray(special.chdtr(df, q))


def q_between(estimates: Interval, ses: Interval) -> Interval:
    """Every Q = sum w (y - mean)^2 with w = 1 / se^2 that the groups' estimates and standard errors allow.

    estimates, ses: (groups,) on the symmetric scale. Returns 0-dimensional ends.
    Q is the least over m of sum w (y - m)^2. Its lower end takes each estimate as near to m as rounding lets it and the
    largest standard errors, and is exact; its upper end takes the far ends and the smallest standard errors, and is
    exact for groups further apart than their rounding, never too small otherwise. NaN where an estimate or its standard
    error is not known.
    """
    if not (np.all(np.isfinite(estimates)) and np.all(np.isfinite(ses))):
        return Interval(np.array(np.nan), np.array(np.nan))
    with np.errstate(divide="ignore"):
        light, heavy = 1.0 / ses.high**2, 1.0 / ses.low**2
    if not np.all(np.isfinite(heavy)):
        high = np.array(np.inf)
    else:
        middles = (estimates.low + estimates.high) / 2.0
        high = _least(_furthest, estimates, heavy, middles)
    return Interval(_least(_nearest, estimates, light, np.concatenate(estimates)), high)


def _nearest(m: FloatArray, y: Interval) -> FloatArray:
    """The end or inner point of each interval that is nearest to m. m: (candidates, 1). Returns (candidates, groups)."""
    return np.clip(m, y.low, y.high)


def _furthest(m: FloatArray, y: Interval) -> FloatArray:
    """The end of each interval that is furthest from m. m: (candidates, 1). Returns (candidates, groups)."""
    return np.where(m - y.low > y.high - m, y.low, y.high)


def _least(
    chosen: Callable[[FloatArray, Interval], FloatArray], y: Interval, w: FloatArray, breaks: FloatArray
) -> FloatArray:
    """The least over m of sum w (chosen(m) - m)^2, convex and quadratic between breaks: there or at a vertex."""
    breaks = np.unique(breaks)
    inner = (breaks[1:] + breaks[:-1])[:, np.newaxis] / 2.0
    ends = np.array([[breaks[0] - 1.0], [breaks[-1] + 1.0]])
    pieces = np.concatenate([ends[:1], inner, ends[1:]])
    moving = chosen(pieces, y)
    free = moving != pieces
    weight = np.where(free, w, 0.0)
    total = weight.sum(axis=-1)
    vertices = (weight * moving).sum(axis=-1)[total > 0] / total[total > 0]
    candidates = np.concatenate([breaks, vertices])[:, np.newaxis]
    return np.asarray((w * (chosen(candidates, y) - candidates) ** 2).sum(axis=-1).min())
