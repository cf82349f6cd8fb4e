"""Test-based confidence interval of heterogeneity from Cochran's Q alone, by way of H2."""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.heterogeneity import q_and_typical_variance
from metaanalysis.formulas.inference import quantile
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2_interval import Tau2Interval


def standard_error_of_log_h(q: FloatArray, df: FloatArray) -> FloatArray:
    """Standard error of ln H, H2 = Q / df, with k = df + 1.

        [ln Q - ln(k - 1)] / {2 [sqrt(2Q) - sqrt(2k - 3)]}              where Q > k
        sqrt{1 / [2(k - 2)] (1 - 1 / [3(k - 2)^2])}                     otherwise

    q, df: (...). Returns (...); NaN where k is 2 and Q is not above it.
    Source: Higgins & Thompson (2002).
    """
    k = df + 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        large = (np.log(q) - np.log(df)) / (2.0 * (np.sqrt(2.0 * q) - np.sqrt(2.0 * k - 3.0)))
        small = np.sqrt((1.0 - 1.0 / (3.0 * (k - 2.0) ** 2)) / (2.0 * (k - 2.0)))
    return np.asarray(np.where(q > k, large, np.where(k > 2, small, np.nan)))


def higgins_thompson(y: FloatArray, v: FloatArray, X: FloatArray | None, level: float) -> Tau2Interval:
    """The interval of H2 from Q, as the tau2 that has this H2 with the typical sampling variance s2.

        max(1, H) exp(-+ z SE[ln H]), not below 1;   tau2 = s2 (H2 - 1)

    Its I2 and H2 are the usual intervals of the two from Q: I2 = tau2 / (tau2 + s2) = 1 - 1 / H2. With few studies it is
    approximate. y, v: (..., k); X: (..., k, p) or None.
    Source: Higgins & Thompson (2002).
    """
    q, df, s2 = q_and_typical_variance(y, v, X)
    enough = df > 0
    usable = np.where(enough, df, 1.0)
    h = np.sqrt(np.maximum(q / usable, 1.0))
    factor = np.exp(quantile(level, np.asarray(np.inf)) * standard_error_of_log_h(q, usable))
    low, high = (
        np.where(enough, s2 * (np.maximum(limit, 1.0) ** 2 - 1.0), np.nan) for limit in (h / factor, h * factor)
    )
    none = np.isnan(high)
    low = np.where(none, np.nan, low)
    few = np.where(none, Status.TOO_FEW_STUDIES, Status.CONVERGED)
    return Tau2Interval(low, high, np.where(low == 0, Status.AT_ZERO, few), few)
