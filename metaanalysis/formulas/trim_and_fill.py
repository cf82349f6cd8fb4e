"""How many studies are missing from one side of the funnel, and where would they lie? Trim and fill.

The studies that stick out are trimmed until the rest are even about their centre; then their mirror images are filled in.
Source: Duval & Tweedie (2000a, 2000b).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.registry import Entry, Registry

MAX_ITERATIONS = 100


class Missing(NamedTuple):
    """An estimated number of missing studies, not yet rounded, its standard error and p of "none"; NaN where undefined."""

    number: float
    se: float
    p_value: float


def rank_sum_variance(k: int, missing: float) -> float:
    """Variance of the sum of the positive ranks when `missing` studies are; may turn negative where it is too large."""
    m = missing
    return (
        k * (k + 1) * (2 * k + 1) + 10 * m**3 + 27 * m**2 + 17 * m - 18 * k * m**2 - 18 * k * m + 6 * k**2 * m
    ) / 24.0


def missing_l0(ranks: FloatArray) -> Missing:
    """L0 = [4 T - k(k + 1)] / (2k - 1), with T the sum of the positive ranks. ranks: (k,), signed."""
    k = ranks.size
    number = float((4.0 * ranks[ranks > 0].sum() - k * (k + 1)) / (2 * k - 1))
    variance = rank_sum_variance(k, number)
    return Missing(
        number, 4.0 * float(np.sqrt(variance)) / (2 * k - 1) if variance >= 0 else float("nan"), float("nan")
    )


def missing_r0(ranks: FloatArray) -> Missing:
    """R0 = k - (largest rank among the negative) - 1: the length of the rightmost run less one. ranks: (k,), signed.

    If none is missing, P(R0 >= r) = 2^-(r + 1).
    """
    k = ranks.size
    negative = -ranks[ranks < 0]
    number = float(k - (negative.max() if negative.size else 0.0) - 1.0)
    at_least_0 = max(0.0, number)
    return Missing(number, float(np.sqrt(2.0 * at_least_0 + 2.0)), 0.5 ** (round(at_least_0) + 1))


def missing_q0(ranks: FloatArray) -> Missing:
    """Q0 = k - 1/2 - sqrt(2k^2 - 4T + 1/4), with T the sum of the positive ranks; NaN where T is too large for a root."""
    k = ranks.size
    inside = float(2.0 * k**2 - 4.0 * ranks[ranks > 0].sum() + 0.25)
    if inside < 0:
        return Missing(float("nan"), float("nan"), float("nan"))
    number = k - 0.5 - float(np.sqrt(inside))
    variance = rank_sum_variance(k, number)
    slope = (k - 0.5) ** 2 - number * (2 * k - number - 1)
    se = 2.0 * float(np.sqrt(variance / slope)) if variance >= 0 and slope > 0 else float("nan")
    return Missing(number, se, float("nan"))


MissingFunction: TypeAlias = Callable[[FloatArray], Missing]

MISSING: Registry[MissingFunction] = Registry(
    "estimator",
    {
        "L0": Entry(missing_l0, "L0, linear in the rank sum", "duval2000"),
        "R0": Entry(missing_r0, "R0, from the rightmost run", "duval2000"),
        "Q0": Entry(missing_q0, "Q0, quadratic", "duval2000"),
    },
)


def signed_ranks(deviations: FloatArray, shared: bool) -> FloatArray:
    """Ranks of |deviation| with the signs of the deviations; ties share their ranks, or are ranked as they come."""
    size = np.abs(deviations)
    order = np.argsort(size, kind="stable")
    ranks = np.empty(size.size)
    ranks[order] = np.arange(1.0, size.size + 1.0)
    if shared:
        _, group = np.unique(size, return_inverse=True)
        ranks = np.bincount(group, weights=ranks)[group] / np.bincount(group)[group]
    return ranks * np.sign(deviations)


class Trimmed(NamedTuple):
    """Where trimming ended. Its number is NaN where the estimator broke down; `settled` says whether it came to rest."""

    missing: Missing
    k0: int
    centre: float
    trimmed: IntArray  # (k0,): which studies stick out, by rising effect
    settled: bool


def trim(
    y: FloatArray,
    v: FloatArray,
    centre: Callable[[FloatArray, FloatArray], float],
    estimator: MissingFunction,
    shared: bool = False,
) -> Trimmed:
    """Trim the k0 largest effects, take the centre of the rest, estimate k0 anew from all, until k0 stays.

    y, v: (k,), with the missing studies on the left (turn the signs for the right). centre: (y, v) -> pooled effect.
    """
    order = np.argsort(y, kind="stable")
    y, v = y[order], v[order]
    k, k0 = y.size, 0
    middle, found = float("nan"), Missing(float("nan"), float("nan"), float("nan"))
    for _ in range(MAX_ITERATIONS):
        middle = centre(y[: k - k0], v[: k - k0])
        found = estimator(signed_ranks(y - middle, shared))
        if np.isnan(found.number):
            return Trimmed(found, 0, middle, order[k:], False)
        # Half to even, as IEEE rounds; a centre needs a study at least.
        now = min(max(0, round(found.number)), k - 1)
        if now == k0:
            return Trimmed(found, k0, middle, order[k - k0 :], True)
        k0 = now
    return Trimmed(found, k0, middle, order[k - k0 :], False)
