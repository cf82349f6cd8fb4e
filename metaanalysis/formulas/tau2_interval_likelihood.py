"""Confidence intervals of the between-study variance from the likelihood: its profile, and its curvature."""

from __future__ import annotations

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.inference import quantile
from metaanalysis.formulas.likelihood import log_likelihood
from metaanalysis.formulas.moments import moments
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2_interval import Tau2Interval
from metaanalysis.formulas.tau2_iterative import flatten, maximise_likelihood, take
from metaanalysis.formulas.weighted import inverse_variance_weights, residual_df, weighted_least_squares


def profile_likelihood_of_tau2(
    y: FloatArray, v: FloatArray, X: FloatArray | None, level: float, restricted: bool = True
) -> Tau2Interval:
    """The values of tau2 round the best that a likelihood-ratio test does not reject.

        2 [l(tau2_hat) - l(tau2)] <= chi2 quantile with 1 degree of freedom

    The lower limit is 0 where 0 itself is not rejected. y, v: (..., k); X: (..., k, p) or None.
    Source: Hardy & Thompson (1996).
    """
    from scipy.optimize import elementwise

    y, v, X, lead = flatten(y, v, X)
    found = maximise_likelihood(y, v, X, restricted)
    enough = np.isfinite(found.x)
    best = np.where(enough, found.x, 0.0)
    n = best.size
    critical = float(special.chdtri(1.0, 1.0 - level))
    highest = log_likelihood(y, v, best, X, restricted)

    def excess(tau2: FloatArray, at: FloatArray) -> FloatArray:
        rows = at.astype(np.intp).reshape(-1)
        value = log_likelihood(y[rows], v[rows], tau2.reshape(-1), take(X, rows), restricted)
        return np.asarray(2.0 * (highest[rows] - value) - critical).reshape(tau2.shape)

    which = np.arange(n, dtype=np.float64)
    inside = excess(np.zeros(n), which) <= 0
    low = np.zeros(n)
    to_find = np.flatnonzero(enough & ~inside)
    if to_find.size:
        low[to_find] = elementwise.find_root(
            excess,
            (np.zeros(to_find.size), best[to_find]),
            args=(which[to_find],),
            tolerances={"xatol": 0.0, "xrtol": 1e-13, "fatol": 0.0},
        ).x
    high = np.full(n, np.nan)
    above = np.flatnonzero(enough)
    if above.size:
        far = best[above] + v[above].min(axis=-1)
        growing = np.arange(above.size)
        for _ in range(300):
            growing = growing[excess(far[growing], which[above[growing]]) < 0]
            if growing.size == 0:
                break
            far[growing] *= 4.0
        high[above] = elementwise.find_root(
            excess,
            (best[above], far),
            args=(which[above],),
            tolerances={"xatol": 0.0, "xrtol": 1e-13, "fatol": 0.0},
        ).x
    low_status = np.where(inside, Status.AT_ZERO, Status.CONVERGED)
    low = np.where(enough, low, np.nan)
    few = ~enough
    return Tau2Interval(
        low.reshape(lead),
        high.reshape(lead),
        np.where(few, Status.TOO_FEW_STUDIES, low_status).reshape(lead),
        np.where(few, Status.TOO_FEW_STUDIES, Status.CONVERGED).reshape(lead),
    )


def standard_error_of_tau2(
    y: FloatArray, v: FloatArray, X: FloatArray | None, tau2: FloatArray, restricted: bool
) -> FloatArray:
    """From the expected information: sqrt(2 / tr PP) under the restricted likelihood, sqrt(2 / tr WW) under the full one.

    y, v: (..., k); X: (..., k, p) or None; tau2: (...). Source: Viechtbauer (2005).
    """
    y, v, X, lead = flatten(y, v, X)
    m = moments(y, v, np.broadcast_to(tau2, lead).reshape(-1), X)
    return np.asarray(np.sqrt(2.0 / (m.trace_pp if restricted else m.trace_ww))).reshape(lead)


def wald_of_tau2(
    y: FloatArray,
    v: FloatArray,
    X: FloatArray | None,
    level: float,
    restricted: bool = True,
    truncated: bool = True,
) -> Tau2Interval:
    """tau2 plus and minus a normal quantile of its standard errors: crude unless there are many studies.

    Cut off at 0, or, as older papers print it, not. y, v: (..., k); X: (..., k, p) or None.
    Source: Biggerstaff & Tweedie (1997).
    """
    found = maximise_likelihood(y, v, X, restricted)
    half = quantile(level, np.asarray(np.inf)) * standard_error_of_tau2(y, v, X, found.x, restricted)
    low = found.x - half
    if not truncated:
        return Tau2Interval(low, found.x + half, found.status, found.status)
    status = np.where(low > 0, found.status, Status.AT_ZERO)
    status = np.where(np.isnan(found.x), found.status, status)
    return Tau2Interval(np.maximum(low, 0.0), found.x + half, status, found.status)


def sidik_jonkman_interval(y: FloatArray, v: FloatArray, X: FloatArray | None, level: float) -> Tau2Interval:
    """Sidik and Jonkman's estimate times k - p over chi2 quantiles.

    y, v: (..., k); X: (..., k, p) or None. Source: Sidik & Jonkman (2005a).
    """
    carries = np.where(np.isfinite(v), 1.0, 0.0)
    start = weighted_least_squares(y, carries, None).q / carries.sum(axis=-1)
    weights = inverse_variance_weights(v, start)
    df = residual_df(weights, X)
    q = start * weighted_least_squares(y, weights, X).q
    tail = (1.0 - level) / 2.0
    usable = np.where(df > 0, df, 1.0)
    low = np.where(df > 0, q / np.asarray(special.chdtri(usable, tail)), np.nan)
    high = np.where(df > 0, q / (2.0 * np.asarray(special.gammaincinv(usable / 2.0, tail))), np.nan)
    status = np.where(df > 0, Status.CONVERGED, Status.TOO_FEW_STUDIES)
    return Tau2Interval(low, high, status, status)
