"""Confidence interval of the between-study variance from the exact distribution of a generalised Q with fixed weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.moments import moments
from metaanalysis.formulas.quadratic_forms import orthonormal_basis, upper_tail
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2_interval import Tau2Interval
from metaanalysis.formulas.tau2_iterative import flatten
from metaanalysis.formulas.weighted import inverse_variance_weights, residual_df, weighted_least_squares


def generalised_q(
    y: FloatArray, v: FloatArray, X: FloatArray | None, level: float, a: FloatArray | None = None
) -> Tau2Interval:
    """The values of tau2 under which the observed Q_a = sum a (y - X b)^2 is neither too large nor too small.

        low:  P(Q_a >= q; tau2) = (1 - level)/2,   high:  P(Q_a <= q; tau2) = (1 - level)/2

    y, v: (..., k); X: (..., k, p) or None; a: (..., k) fixed weights, by default 1 / v.
    Source: Biggerstaff & Jackson (2008) with weights 1 / v; Jackson (2013) for any weights.
    """
    a = inverse_variance_weights(v) if a is None else np.broadcast_to(a, v.shape)
    lead = v.shape[:-1]
    k = v.shape[-1]
    q = weighted_least_squares(y, a, X).q.reshape(-1)
    df = residual_df(1.0 / v, X).reshape(-1)
    n = q.size
    a_rows, v_rows = a.reshape(n, k), v.reshape(n, k)
    designs = None if X is None else np.broadcast_to(X, (*lead, k, X.shape[-1])).reshape(n, k, X.shape[-1])
    limits = np.full((2, n), np.nan)
    statuses = np.full((2, n), Status.TOO_FEW_STUDIES, dtype=np.intp)
    alpha = (1.0 - level) / 2.0
    for row in np.flatnonzero(df > 0):
        carries = a_rows[row] > 0
        design = None if designs is None else designs[row][carries]
        for side, probability in ((0, alpha), (1, 1.0 - alpha)):
            limits[side, row], statuses[side, row] = solve_tail(
                float(q[row]), a_rows[row][carries], v_rows[row][carries], design, probability
            )
    return Tau2Interval(
        limits[0].reshape(lead), limits[1].reshape(lead), statuses[0].reshape(lead), statuses[1].reshape(lead)
    )


def solve_tail(
    q: float, a: FloatArray, v: FloatArray, X: FloatArray | None, probability: float
) -> tuple[float, Status]:
    """The tau2 at which P(Q_a >= q; tau2), which increases with tau2, equals a probability; 0 where it is above it at 0."""
    basis = orthonormal_basis(a, X)
    start = max(q / float(a.sum()), float(v.min()))
    return solve_increasing(lambda tau2: upper_tail(q, (v + tau2) * a, basis), probability, start)


def biggerstaff_tweedie(y: FloatArray, v: FloatArray, X: FloatArray | None, level: float) -> Tau2Interval:
    """As the generalised Q with weights 1 / v, but with a gamma distribution of the same mean and variance for Q.

        E Q = tr PS,   var Q = 2 tr PSPS,   S = diag(v + tau2);   with PV of rank k - p and PVP = P

        tr PS = (k - p) + tau2 tr P,   tr PSPS = (k - p) + 2 tau2 tr P + tau2^2 tr PP

    An approximation, kept for what was published with it; the upper limit can be far from the exact one.
    y, v: (..., k); X: (..., k, p) or None. Source: Biggerstaff & Tweedie (1997).
    """
    y, v, X, lead = flatten(y, v, X)
    n = v.shape[0]
    df = residual_df(1.0 / v, X)
    at_zero = moments(y, v, np.zeros(n), X)
    alpha = (1.0 - level) / 2.0
    limits = np.full((2, n), np.nan)
    statuses = np.full((2, n), Status.TOO_FEW_STUDIES, dtype=np.intp)
    for row in np.flatnonzero(df > 0):
        freedom, q = float(df[row]), float(at_zero.q[row])
        first, second = float(at_zero.trace_p[row]), float(at_zero.trace_pp[row])

        def tail(tau2: float, q: float = q, m: float = freedom, p1: float = first, p2: float = second) -> float:
            mean = m + tau2 * p1
            variance = 2.0 * (m + 2.0 * tau2 * p1 + tau2**2 * p2)
            return float(special.gammaincc(mean**2 / variance, q * mean / variance))

        for side, probability in ((0, alpha), (1, 1.0 - alpha)):
            limits[side, row], statuses[side, row] = solve_increasing(
                tail, probability, max(q / first, float(v[row].min()))
            )
    return Tau2Interval(
        limits[0].reshape(lead), limits[1].reshape(lead), statuses[0].reshape(lead), statuses[1].reshape(lead)
    )


def solve_increasing(tail: Callable[[float], float], probability: float, start: float) -> tuple[float, Status]:
    """The tau2 at which an increasing tail probability equals `probability`; 0 where it is above it at 0."""
    from scipy import optimize

    if tail(0.0) >= probability:
        return 0.0, Status.AT_ZERO if probability < 0.5 else Status.NO_SOLUTION
    high = start
    for _ in range(200):
        if tail(high) > probability:
            break
        high *= 4.0
    else:
        return np.nan, Status.NO_SOLUTION
    root = optimize.brentq(lambda tau2: tail(tau2) - probability, 0.0, high, xtol=1e-14 * high, rtol=1e-13, maxiter=500)
    return float(root), Status.CONVERGED
