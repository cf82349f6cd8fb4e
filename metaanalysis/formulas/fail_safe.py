"""How many studies without an effect would take a result away? Shapes: y, v (k,)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray


class FailSafe(NamedTuple):
    """A number of studies, not rounded, and what it was made of."""

    number: float
    p_value: float  # of the studies at hand; NaN where the method has no test
    mean: float
    target: float


def rosenthal(y: FloatArray, v: FloatArray, alpha: float) -> FailSafe:
    """The studies of mean z = 0 that would bring Stouffer's one-sided p up to alpha.

        N = (sum z / z_alpha)^2 - k,   z = y / sqrt(v)

    Source: Rosenthal (1979).
    """
    k = y.size
    total = abs(float((y / np.sqrt(v)).sum()))
    critical = -float(special.ndtri(alpha))
    stouffer = total / math.sqrt(k)
    return FailSafe(max(0.0, (total / critical) ** 2 - k), float(special.ndtr(-stouffer)), math.nan, math.nan)


def orwin(y: FloatArray, v: FloatArray, target: float | None, weighted: bool) -> FailSafe:
    """The studies of effect 0 that would bring the mean effect down to a target; half the mean where None.

        N = k (mean - target) / target

    The mean is plain, or weighted by inverse variance. Source: Orwin (1983).
    """
    w = 1.0 / v if weighted else np.ones(y.size)
    mean = float((w * y).sum() / w.sum())
    goal = mean / 2.0 if target is None else target
    number = y.size * (mean - goal) / goal if goal != 0 else math.inf
    return FailSafe(max(0.0, number), math.nan, mean, goal)


def rosenberg(y: FloatArray, v: FloatArray, alpha: float) -> FailSafe:
    """The studies of effect 0 and average weight that would bring the common-effect two-sided p up to alpha.

        N = k [(sum w y)^2 / (z_(alpha/2)^2 sum w) - 1],   w = 1 / v

    Source: Rosenberg (2005).
    """
    w = 1.0 / v
    total = float(w.sum())
    z = abs(float((w * y).sum())) / math.sqrt(total)
    critical = -float(special.ndtri(alpha / 2.0))
    mean = float((w * y).sum()) / total
    return FailSafe(max(0.0, y.size * ((z / critical) ** 2 - 1.0)), float(2.0 * special.ndtr(-z)), mean, math.nan)
