"""Between-study variance where an equation must be solved: Paule-Mandel, maximum and restricted maximum likelihood."""

from __future__ import annotations

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.likelihood import log_likelihood
from metaanalysis.formulas.moments import Moments, moments, score_of_mean
from metaanalysis.formulas.solve import Solution, Status, newton_in_bracket
from metaanalysis.formulas.tau2_moments import dersimonian_laird
from metaanalysis.formulas.weighted import anchor_first, count, residual_df, weighted_least_squares

# Likelihoods change on the scale of a factor of ten in tau2 + v; eight points a factor of ten leave no mode unseen.
SCAN_POINTS_PER_DECADE = 8
SCAN_POINTS_AT_LEAST = 24
SCAN_POINTS_AT_MOST = 400
# Elements of one block of the scan: small enough to stay in cache.
SCAN_BLOCK = 65_536


def flatten(
    y: FloatArray, v: FloatArray, X: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray | None, tuple[int, ...]]:
    """One leading axis of problems, whatever came in; anchored for the mean. Returns y, v, X and the leading shape."""
    y, v = np.broadcast_arrays(y, v)
    lead, k = y.shape[:-1], y.shape[-1]
    y, v = y.reshape(-1, k), v.reshape(-1, k)
    if X is None:
        y, v = anchor_first(y, v)
    else:
        X = np.broadcast_to(X, (*lead, k, X.shape[-1])).reshape(y.shape[0], k, X.shape[-1])
    return y, v, X, lead


def take(X: FloatArray | None, index: IntArray) -> FloatArray | None:
    """The designs of some of the problems."""
    return None if X is None else X[index]


def shaped(solution: Solution, lead: tuple[int, ...]) -> Solution:
    """The solution in the leading shape of the question."""
    return Solution(solution.x.reshape(lead), solution.status.reshape(lead), solution.iterations.reshape(lead))


def unsolvable(y: FloatArray, v: FloatArray, df: FloatArray) -> IntArray:
    """The status of problems that no iteration can help; CONVERGED for the others."""
    finite = np.isfinite(np.where(np.isinf(v), 0.0, y)).all(axis=-1) & ~np.isnan(v).any(axis=-1) & (v > 0).all(axis=-1)
    status = np.where(finite, int(Status.CONVERGED), int(Status.NOT_FINITE))
    return np.where(finite & (df <= 0), int(Status.TOO_FEW_STUDIES), status).astype(np.intp)


def solve_generalised_q(y: FloatArray, v: FloatArray, X: FloatArray | None, target: FloatArray) -> Solution:
    """The tau2 at which the generalised Q(tau2) = y'Py equals `target` (...); 0 with NO_SOLUTION where Q(0) is below it.

    Newton's method on 1/Q, which increases and is concave:  step = (Q - c) / y'PPy * Q / c.
    y, v: (..., k); X: (..., k, p) or None.
    Source: Paule & Mandel (1982) for the equation; the iteration is Newton's.
    """
    y, v, X, lead = flatten(y, v, X)
    target = np.broadcast_to(target, lead).reshape(-1)
    n = y.shape[0]
    df = residual_df(1.0 / v, X)
    status = unsolvable(y, v, df)
    x, iterations = np.zeros(n), np.zeros(n, dtype=np.intp)
    x[status != int(Status.CONVERGED)] = np.nan
    usable = np.flatnonzero(status == int(Status.CONVERGED))
    at_zero = moments(y[usable], v[usable], np.zeros(usable.size), take(X, usable)).q
    status[usable[at_zero == target[usable]]] = int(Status.AT_ZERO)
    status[usable[at_zero < target[usable]]] = int(Status.NO_SOLUTION)
    todo = usable[at_zero > target[usable]]
    if todo.size:
        y, v, X, c = y[todo], v[todo], take(X, todo), target[todo]

        def step(tau2: FloatArray, index: IntArray) -> tuple[FloatArray, FloatArray]:
            m = moments(y[index], v[index], tau2, take(X, index))
            excess = m.q - c[index]
            return excess, excess / m.yppy * (m.q / c[index])

        start = np.maximum(dersimonian_laird(y, v, X), 0.0)
        w = 1.0 / v
        found = newton_in_bracket(
            step, start, np.zeros(todo.size), np.full(todo.size, np.inf), count(w) / w.sum(axis=-1)
        )
        x[todo], status[todo], iterations[todo] = found
    return shaped(Solution(x, status, iterations), lead)


def paule_mandel(y: FloatArray, v: FloatArray, X: FloatArray | None = None) -> Solution:
    """Between-study variance by Paule and Mandel: the tau2 at which Q(tau2) = k - p; 0 where Q(0) is below.

    y, v: (..., k); X: (..., k, p) or None.
    Source: Paule & Mandel (1982); with moderators DerSimonian & Kacker (2007).
    """
    df = residual_df(1.0 / v, X)
    found = solve_generalised_q(y, v, X, df)
    return found._replace(status=np.where(found.status == int(Status.NO_SOLUTION), int(Status.AT_ZERO), found.status))


def empirical_bayes(y: FloatArray, v: FloatArray, X: FloatArray | None = None) -> Solution:
    """Between-study variance by empirical Bayes, the tau2 at which

        sum w [k / (k - p) (y - X b)^2 - v - tau2] = 0,   w = 1 / (v + tau2)

    As w (v + tau2) = 1, this says Q(tau2) = k - p: the equation of Paule and Mandel.
    y, v: (..., k); X: (..., k, p) or None. Source: Morris (1983).
    """
    return paule_mandel(y, v, X)


def median_unbiased_paule_mandel(y: FloatArray, v: FloatArray, X: FloatArray | None = None) -> Solution:
    """Between-study variance at which Q(tau2) equals the median of its distribution, chi2 with k - p degrees of freedom.

    y, v: (..., k); X: (..., k, p) or None. Source: Viechtbauer (2021).
    """
    df = residual_df(1.0 / v, X)
    median = 2.0 * np.asarray(special.gammaincinv(np.where(df > 0, df, 1.0) / 2.0, 0.5), dtype=np.float64)
    found = solve_generalised_q(y, v, X, median)
    return found._replace(status=np.where(found.status == int(Status.NO_SOLUTION), int(Status.AT_ZERO), found.status))


def restricted_maximum_likelihood(y: FloatArray, v: FloatArray, X: FloatArray | None = None) -> Solution:
    """Between-study variance at the highest maximum of the restricted likelihood, 0 included.

    The score is proportional to y'PPy - tr P. y, v: (..., k); X: (..., k, p) or None.
    Source: Harville (1977); for meta-analysis Viechtbauer (2005).
    """
    return maximise_likelihood(y, v, X, restricted=True)


def maximum_likelihood(y: FloatArray, v: FloatArray, X: FloatArray | None = None) -> Solution:
    """Between-study variance at the highest maximum of the full likelihood, 0 included.

    The score is proportional to y'PPy - tr W. y, v: (..., k); X: (..., k, p) or None.
    Source: Hardy & Thompson (1996).
    """
    return maximise_likelihood(y, v, X, restricted=False)


def score_and_step(m: Moments, restricted: bool) -> tuple[FloatArray, FloatArray]:
    """The score (up to a factor 1/2) and Newton's step on trace / y'PPy = 1; Fisher's step where that points nowhere."""
    first, second = (m.trace_p, m.trace_pp) if restricted else (m.trace_w, m.trace_ww)
    score = m.yppy - first
    denominator = 2.0 * first * m.ypppy - second * m.yppy
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        newton = score * m.yppy / denominator
        fisher = score / second
    return score, np.where(denominator > 0, newton, fisher)


def upper_bound(y: FloatArray, v: FloatArray, X: FloatArray | None) -> FloatArray:
    """A tau2 (n,) beyond which the score is never positive.

    For the mean the squared range of the effects is one: a residual is at most (1 - h) times the range, so that each
    study's part of the score, w (w r^2 - (1 - h)), is at most 0 from there on.
    With moderators, let A be the mean square of the residuals from an unweighted fit: y'PPy <= (k - p) A / (tau2 + min v)^2
    and tr W >= tr P >= (k - p) / (tau2 + max v), so that A + sqrt(A max v) is one.
    """
    carries = np.isfinite(v)
    if X is None:
        y = np.where(carries, y, 0.0)
        return np.asarray((y.max(axis=-1) - y.min(axis=-1)) ** 2)
    w = carries.astype(np.float64)
    mean_square = weighted_least_squares(y, w, X).q / residual_df(w, X)
    return np.asarray(mean_square + np.sqrt(mean_square * np.where(carries, v, 0.0).max(axis=-1)))


def scan(y: FloatArray, v: FloatArray, X: FloatArray | None, restricted: bool) -> tuple[FloatArray, FloatArray]:
    """Trial values of tau2 and the scores there, both (points, n): denser where the smallest variances set the scale."""
    smallest = v.min(axis=-1)
    high = upper_bound(y, v, X)
    with np.errstate(over="ignore"):
        span = np.log1p(high / smallest)
    widest = float(span.max()) if span.size else 0.0
    points = int(np.clip(SCAN_POINTS_PER_DECADE * widest / np.log(10), SCAN_POINTS_AT_LEAST, SCAN_POINTS_AT_MOST)) + 1
    fraction = np.linspace(0.0, 1.0, points)[:, np.newaxis]
    trial = smallest * np.expm1(fraction * span)
    scores = np.empty_like(trial)
    block = max(1, SCAN_BLOCK // max(1, y.size))
    for first in range(0, points, block):
        part = slice(first, first + block)
        if X is None:
            yppy, trace_p, trace_w = score_of_mean(y, 1.0 / (v + trial[part][..., np.newaxis]))
        else:
            m = moments(y, v, trial[part], X)
            yppy, trace_p, trace_w = m.yppy, m.trace_p, m.trace_w
        scores[part] = yppy - (trace_p if restricted else trace_w)
    return trial, scores


def maximise_likelihood(y: FloatArray, v: FloatArray, X: FloatArray | None, restricted: bool) -> Solution:
    """Scan the score for every local maximum, refine each by bracketed Newton steps, keep the highest (0 among them)."""
    y, v, X, lead = flatten(y, v, X)
    n = y.shape[0]
    df = residual_df(1.0 / v, X)
    status = unsolvable(y, v, df)
    x, iterations = np.full(n, np.nan), np.zeros(n, dtype=np.intp)
    usable = np.flatnonzero(status == int(Status.CONVERGED))
    if usable.size:
        y, v, X = y[usable], v[usable], take(X, usable)
        trial, scores = scan(y, v, X, restricted)
        crossing, which = np.nonzero((scores[:-1] > 0) & (scores[1:] <= 0))
        low, high = trial[crossing, which], trial[crossing + 1, which]
        # Where the score does not change sign between two points it may still touch 0 twice; the ends are then too close
        # in likelihood to matter, for the score is smooth on the scale of the scan.
        w = 1.0 / v
        scale = count(w) / w.sum(axis=-1)

        def step(tau2: FloatArray, index: IntArray) -> tuple[FloatArray, FloatArray]:
            at = which[index]
            return score_and_step(moments(y[at], v[at], tau2, take(X, at)), restricted)

        # Start where a straight line between the two scores of the scan crosses 0.
        before, after = scores[crossing, which], scores[crossing + 1, which]
        start = low + (high - low) * (before / (before - after))
        found = newton_in_bracket(step, start, low, high, scale[which])
        at_zero = np.flatnonzero(scores[0] <= 0)
        owner = np.concatenate([at_zero, which])
        value = np.concatenate([np.zeros(at_zero.size), found.x])
        code = np.concatenate([np.full(at_zero.size, int(Status.AT_ZERO), dtype=np.intp), found.status])
        steps = np.concatenate([np.zeros(at_zero.size, dtype=np.intp), found.iterations])
        # Where each likelihood has one maximum there is nothing to compare.
        height = np.zeros(owner.size)
        if np.unique(owner).size < owner.size:
            height = log_likelihood(y[owner], v[owner], value, take(X, owner), restricted)
            # A maximum that could not be refined must not be passed over in silence: it goes on top.
            height = np.where(np.isnan(value), np.inf, height)
        order = np.lexsort((height, owner))
        best = order[np.flatnonzero(np.diff(owner[order], append=-1))]
        # Where the likelihood overflows there is no candidate at all, and that is no answer.
        status[usable] = int(Status.NOT_CONVERGED)
        at = usable[owner[best]]
        x[at], status[at], iterations[at] = value[best], code[best], steps[best]
    return shaped(Solution(x, status, iterations), lead)
