"""Confidence intervals of the between-study variance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2_iterative import solve_generalised_q
from metaanalysis.formulas.weighted import residual_df


class Tau2Interval(NamedTuple):
    """Limits (...) and a status (...) each; a limit that no tau2 from 0 upward reaches is 0 with NO_SOLUTION."""

    low: FloatArray
    high: FloatArray
    low_status: IntArray
    high_status: IntArray


def q_profile(y: FloatArray, v: FloatArray, X: FloatArray | None, level: float) -> Tau2Interval:
    """The values of tau2 that Q(tau2) does not reject: Q(tau2) between the chi2 quantiles with k - p degrees of freedom.

    y, v: (..., k); X: (..., k, p) or None.
    Source: Viechtbauer (2007).
    """
    df = residual_df(1.0 / v, X)
    tail = (1.0 - level) / 2.0
    usable = np.where(df > 0, df, 1.0)
    # chdtri inverts the upper tail; the lower quantile is the one whose lower tail is `tail`.
    upper_quantile = np.asarray(special.chdtri(usable, tail), dtype=np.float64)
    lower_quantile = np.asarray(2.0 * special.gammaincinv(usable / 2.0, tail), dtype=np.float64)
    low = solve_generalised_q(y, v, X, upper_quantile)
    high = solve_generalised_q(y, v, X, lower_quantile)

    def at_zero(status: IntArray) -> IntArray:
        return np.where(status == Status.NO_SOLUTION, Status.AT_ZERO, status)

    return Tau2Interval(low.x, high.x, at_zero(low.status), high.status)
