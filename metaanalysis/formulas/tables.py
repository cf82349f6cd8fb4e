"""Pooling 2 x 2 tables themselves: Mantel-Haenszel and Peto.

Counts (..., k): a of n1 have the event in group 1, c of n2 in group 2; b = n1 - a, d = n2 - c, N = n1 + n2.
Each returns the pooled estimate (...), its variance (...) and the studies' weights (..., k), not scaled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.weighted import weighted_mean


class Pooled2x2(NamedTuple):
    """A pooled estimate with its variance and the weights of the studies."""

    estimate: FloatArray
    variance: FloatArray
    weights: FloatArray


def total(x: FloatArray) -> FloatArray:
    """The sum over studies."""
    return np.asarray(x.sum(axis=-1))


def log_ratio_of_sums(r: FloatArray, s: FloatArray, excess: FloatArray) -> FloatArray:
    """ln(r / s), as ln(1 + excess / s) near 1, where excess = r - s was summed by itself and so keeps its digits."""
    near = np.abs(excess) < 0.25 * s
    ratio = np.where(near, 1.0, r / s)
    return np.where(near, np.log1p(np.where(near, excess / s, 0.0)), np.log(ratio))


def mantel_haenszel_log_odds_ratio(a: FloatArray, n1: FloatArray, c: FloatArray, n2: FloatArray) -> Pooled2x2:
    """The Mantel-Haenszel log odds ratio, ln(sum R / sum S) with R = ad/N, S = bc/N.

        var = sum(PR) / (2 (sum R)^2) + sum(PS + QR) / (2 sum R sum S) + sum(QS) / (2 (sum S)^2),
        P = (a + d)/N,  Q = (b + c)/N

    Source: Mantel & Haenszel (1959); variance Robins, Breslow & Greenland (1986).
    """
    b, d, N = n1 - a, n2 - c, n1 + n2
    R, S = a * d / N, b * c / N
    P, Q = (a + d) / N, (b + c) / N
    r, s = total(R), total(S)
    variance = total(P * R) / (2 * r**2) + total(P * S + Q * R) / (2 * r * s) + total(Q * S) / (2 * s**2)
    return Pooled2x2(log_ratio_of_sums(r, s, total((a * d - b * c) / N)), variance, S)


def mantel_haenszel_log_risk_ratio(a: FloatArray, n1: FloatArray, c: FloatArray, n2: FloatArray) -> Pooled2x2:
    """The Mantel-Haenszel log risk ratio, ln(sum R / sum S) with R = a n2/N, S = c n1/N.

        var = sum[(n1 n2 (a + c) - a c N) / N^2] / (sum R sum S)

    The bracket is n1 a d + n2 b c, in which nothing cancels. Source: Greenland & Robins (1985).
    """
    b, d, N = n1 - a, n2 - c, n1 + n2
    r, s = total(a * n2 / N), total(c * n1 / N)
    variance = total((n1 * a * d + n2 * b * c) / N**2) / (r * s)
    return Pooled2x2(log_ratio_of_sums(r, s, total((a * n2 - c * n1) / N)), variance, c * n1 / N)


def with_ratios_of_one(
    pooled: Pooled2x2, a: FloatArray, n1: FloatArray, c: FloatArray, n2: FloatArray, at: BoolArray
) -> Pooled2x2:
    """The Mantel-Haenszel log risk ratio where the ratio of some studies is 1, whatever their corrected counts would make it.

        ln(sum S RR / sum S),   RR = 1 at those studies, R / S at the others; the variance keeps its numerator

    pooled: of the corrected counts a, n1, c, n2; at: (..., k) those studies. So Review Manager takes studies in which everybody
    in both groups had the event: found in its weights, not in its documentation.
    """
    N = n1 + n2
    s = total(c * n1 / N)
    excess = total(np.where(at, 0.0, (a * n2 - c * n1) / N))
    estimate = log_ratio_of_sums(s + excess, s, excess)
    return pooled._replace(estimate=estimate, variance=pooled.variance * np.exp(pooled.estimate - estimate))


def mantel_haenszel_risk_difference(a: FloatArray, n1: FloatArray, c: FloatArray, n2: FloatArray) -> Pooled2x2:
    """The Mantel-Haenszel risk difference with Greenland and Robins' variance.

        RD = sum[(a n2 - c n1)/N] / sum[n1 n2/N],
        var = sum[(a b n2^3 + c d n1^3) / (n1 n2 N^2)] / (sum[n1 n2/N])^2

    Source: Greenland & Robins (1985).
    """
    b, d, N = n1 - a, n2 - c, n1 + n2
    weights = n1 * n2 / N
    whole = total(weights)
    estimate = total((a * n2 - c * n1) / N) / whole
    variance = total((a * b * n2**3 + c * d * n1**3) / (n1 * n2 * N**2)) / whole**2
    return Pooled2x2(estimate, variance, weights)


def mantel_haenszel_risk_difference_sato(a: FloatArray, n1: FloatArray, c: FloatArray, n2: FloatArray) -> Pooled2x2:
    """The Mantel-Haenszel risk difference with Sato's variance, right for many small and for few large tables.

        var = (RD sum P + sum Q) / (sum[n1 n2/N])^2,
        P = (n1^2 c - n2^2 a + n1 n2 (n2 - n1)/2) / N^2,   Q = (a (n2 - c) + c (n1 - a)) / (2N)

    Source: Sato, Greenland & Robins (1989).
    """
    pooled = mantel_haenszel_risk_difference(a, n1, c, n2)
    N = n1 + n2
    P = total((n1**2 * c - n2**2 * a + n1 * n2 * (n2 - n1) / 2) / N**2)
    Q = total((a * (n2 - c) + c * (n1 - a)) / (2 * N))
    return pooled._replace(variance=(pooled.estimate * P + Q) / total(pooled.weights) ** 2)


def peto_pooled(o_minus_e: FloatArray, variance: FloatArray) -> Pooled2x2:
    """Peto's log odds ratio, sum(O - E) / sum(V), with variance 1 / sum(V).

    o_minus_e, variance: (..., k), the hypergeometric excess of events and its variance.
    Source: Yusuf, Peto, Lewis, Collins & Sleight (1985).
    """
    whole = total(variance)
    return Pooled2x2(total(o_minus_e) / whole, 1.0 / whole, variance)


class HeterogeneityAbout(NamedTuple):
    """Q about an estimate that was not pooled by inverse variance, its degrees of freedom, and the tau2 that it makes."""

    q: FloatArray
    q_df: FloatArray
    tau2: FloatArray


def cochran_q_about(
    y: FloatArray, v: FloatArray, estimate: FloatArray, counted: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Q about any estimate, and its degrees of freedom.

        Q = sum (y - estimate)^2 / v,   df = k - 1,   over the studies that count

    y, v, counted: (..., k); estimate (...). Source: Deeks, Altman & Bradburn in Egger, Davey Smith & Altman (2001).
    """
    w = np.where(counted, 1.0 / v, 0.0)
    return np.asarray((w * (y - estimate[..., np.newaxis]) ** 2).sum(axis=-1)), np.asarray(counted.sum(axis=-1) - 1.0)


def dersimonian_laird_about(
    y: FloatArray, v: FloatArray, estimate: FloatArray, counted: BoolArray, trace: FloatArray | None = None
) -> HeterogeneityAbout:
    """DerSimonian and Laird's tau2 from the Q about another estimate, such as Mantel-Haenszel's; 0 where df is.

        tau2 = max{0, (Q - df) / (sum w - sum w^2 / sum w)},   w = 1 / v

    Review Manager's "Mantel-Haenszel, random". y, v, counted: (..., k); estimate (...); trace (...): the denominator, where
    it is known.
    Source: DerSimonian & Laird (1986) for the moments; Deeks, Altman & Bradburn (2001) for the Q.
    """
    q, df = cochran_q_about(y, v, estimate, counted)
    if trace is None:
        w = np.where(counted, 1.0 / v, 0.0)
        trace = (w * weighted_mean(y, w).complements).sum(axis=-1)
    enough = df > 0
    excess = np.where(enough, q - df, 0.0) / np.where(enough, trace, 1.0)
    return HeterogeneityAbout(q, df, np.maximum(excess, 0.0))
