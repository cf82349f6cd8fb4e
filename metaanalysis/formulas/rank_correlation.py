"""Kendall's rank correlation, and its distribution where nothing is related: exact, or normal with ties allowed for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray


class RankCorrelation(NamedTuple):
    """Kendall's tau-b, the score S = concordant - discordant pairs, S / sqrt(var S) and p-values, two-sided."""

    tau: float
    score: float
    statistic: float
    p_normal: float
    p_exact: float  # NaN where there are ties


def tie_sizes(x: FloatArray) -> FloatArray:
    """How many values share each rank."""
    return np.unique(x, return_counts=True)[1].astype(np.float64)


def kendall_score(x: FloatArray, y: FloatArray) -> float:
    """S, the concordant less the discordant pairs; x, y: (k,). One study at a time, never a k x k matrix."""
    return float(sum(np.dot(np.sign(x[i] - x[:i]), np.sign(y[i] - y[:i])) for i in range(1, x.size)))


def kendall_variance(x: FloatArray, y: FloatArray) -> float:
    """Variance of S where nothing is related, t and u being the sizes of the groups of ties in x and y.

        [k(k-1)(2k+5) - sum t(t-1)(2t+5) - sum u(u-1)(2u+5)] / 18
          + sum t(t-1)(t-2) sum u(u-1)(u-2) / [9k(k-1)(k-2)] + sum t(t-1) sum u(u-1) / [2k(k-1)]

    Source: Kendall & Gibbons (1990).
    """
    k = float(x.size)
    t, u = tie_sizes(x), tie_sizes(y)

    def spread(n: FloatArray) -> float:
        return float((n * (n - 1.0) * (2.0 * n + 5.0)).sum())

    def pairs(n: FloatArray) -> float:
        return float((n * (n - 1.0)).sum())

    def triples(n: FloatArray) -> float:
        return float((n * (n - 1.0) * (n - 2.0)).sum())

    plain = (spread(np.array([k])) - spread(t) - spread(u)) / 18.0
    third = triples(t) * triples(u) / (9.0 * k * (k - 1.0) * (k - 2.0))
    return plain + third + pairs(t) * pairs(u) / (2.0 * k * (k - 1.0))


def exact_p_value(k: int, score: float) -> float:
    """Twice the smaller tail of S among the k! orders of k untied values, at most 1.

    The number of discordant pairs is a sum of independent uniform numbers on 0 … i - 1, i = 1 … k.
    """
    half = k * (k - 1) // 2
    discordant = round((half - abs(score)) / 2)
    probability = np.ones(1)
    for i in range(2, k + 1):
        # A moving sum of width i; beyond the smaller tail nothing is needed.
        running = np.cumsum(np.concatenate([probability, np.zeros(i - 1)]))[: discordant + 1]
        running[i:] -= running[:-i].copy()
        probability = running / i
    return float(min(1.0, 2.0 * probability[: discordant + 1].sum()))


def kendall(x: FloatArray, y: FloatArray, continuity: bool = False, exact_at_most: int = 200) -> RankCorrelation:
    """The correlation of the ranks of x and y, (k,) with k at least 3. Source: Kendall & Gibbons (1990)."""
    k = x.size
    score = kendall_score(x, y)
    half = k * (k - 1) / 2.0
    t, u = tie_sizes(x), tie_sizes(y)
    untied_x, untied_y = (half - float((n * (n - 1.0)).sum()) / 2.0 for n in (t, u))
    none = untied_x == 0.0 or untied_y == 0.0
    tau = float("nan") if none else score / float(np.sqrt(untied_x) * np.sqrt(untied_y))
    distance = np.sign(score) * max(abs(score) - 1.0, 0.0) if continuity else score
    statistic = float("nan") if none else float(distance / np.sqrt(kendall_variance(x, y)))
    ties = t.size < k or u.size < k
    exact = float("nan") if ties or k > exact_at_most else exact_p_value(k, score)
    return RankCorrelation(tau, score, statistic, float(2.0 * special.ndtr(-abs(statistic))), exact)


def standardised_deviations(y: FloatArray, v: FloatArray) -> FloatArray:
    """Effects about their common mean, over their standard errors there: (y - mean) / sqrt(v - 1 / sum(w)).

    y, v: (k,). Source: Begg & Mazumdar (1994).
    """
    w = 1.0 / v
    total = w.sum()
    # v - 1 / sum(w) = v (sum of the other weights) / sum(w), without the cancellation.
    at = int(np.argmax(w))
    others = total - w
    others[at] = np.delete(w, at).sum()
    anchor = y - y[at]
    return np.asarray((anchor - (w * anchor).sum() / total) / np.sqrt(v * others / total))
