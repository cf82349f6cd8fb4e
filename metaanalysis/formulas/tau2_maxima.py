"""Where a likelihood of tau2 has its maxima: brackets of every point at which its score falls through 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.moments import Moments, ScoreMoments, moments, score_moments, score_of_mean
from metaanalysis.formulas.problems import Problems, rows, take
from metaanalysis.formulas.solve import Solution, Status
from metaanalysis.formulas.weighted import residual_df, weighted_least_squares

# Likelihoods change on the scale of a factor of ten in tau2 + v; what hides between two points is looked for by dividing.
SCAN_POINTS_PER_DECADE = 8
SCAN_POINTS_AT_LEAST = 24
SCAN_POINTS_AT_MOST = 400
# Elements of one block of the scan: small enough to stay in cache.
SCAN_BLOCK = 65_536
# How often a piece between two points is divided, and into how many parts, where it may hide a maximum. After five times its ends
# are 0.03 % of tau2 + v apart: two zeros of the score this close are a flat stretch of the likelihood, not a maximum that matters.
# (Quarters take half the rounds of halves; for few meta-analyses a round costs its calls, not its numbers.)
DIVISIONS, PARTS = 5, 4


class Brackets(NamedTuple):
    """Pieces of tau2 in which the score falls through 0 and, unless it is flat there, does nothing else; (m,) each."""

    which: IntArray  # the problem that a piece belongs to
    low: FloatArray
    high: FloatArray
    start: FloatArray  # where a straight line between the scores at both ends crosses 0


def traces(m: Moments | ScoreMoments, restricted: bool) -> tuple[FloatArray, FloatArray]:
    """The trace in the score, and minus its derivative."""
    return (m.trace_p, m.trace_pp) if restricted else (m.trace_w, m.trace_ww)


def upper_bound(y: FloatArray, v: FloatArray, X: FloatArray | None) -> FloatArray:
    """A tau2 (n,) beyond which the score is never positive; for the mean (X None) y are anchored.

    For the mean the squared range of the effects is one: a residual is at most (1 - h) times the range, so that each
    study's part of the score, w (w r^2 - (1 - h)), is at most 0 from there on.
    With moderators, let A be the mean square of the residuals from an unweighted fit: y'PPy <= (k - p) A / (tau2 + min v)^2
    and tr W >= tr P >= (k - p) / (tau2 + max v), so that A + sqrt(A max v) is one.
    """
    if X is None:
        return np.asarray((y.max(axis=-1) - y.min(axis=-1)) ** 2)
    carries = np.isfinite(v)
    w = carries.astype(np.float64)
    mean_square = weighted_least_squares(y, w, X).q / residual_df(w, X)
    return np.asarray(mean_square + np.sqrt(mean_square * np.where(carries, v, 0.0).max(axis=-1)))


def scan(
    y: FloatArray, v: FloatArray, X: FloatArray | None, restricted: bool
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Trial values of tau2 and y'PPy and the trace there, all (points, n): denser where the smallest variances set the scale."""
    smallest = v.min(axis=-1)
    high = upper_bound(y, v, X)
    with np.errstate(over="ignore"):
        span = np.log1p(high / smallest)
    widest = float(span.max()) if span.size else 0.0
    points = int(np.clip(SCAN_POINTS_PER_DECADE * widest / np.log(10), SCAN_POINTS_AT_LEAST, SCAN_POINTS_AT_MOST)) + 1
    fraction = np.linspace(0.0, 1.0, points)[:, np.newaxis]
    trial = smallest * np.expm1(fraction * span)
    squares, falls = np.empty_like(trial), np.empty_like(trial)
    block = max(1, SCAN_BLOCK // max(1, y.size))
    for first in range(0, points, block):
        part = slice(first, first + block)
        if X is None:
            squares[part], trace_p, trace_w = score_of_mean(y, 1.0 / (v + trial[part][..., np.newaxis]))
            falls[part] = trace_p if restricted else trace_w
        else:
            m = moments(y, v, trial[part], X)
            squares[part], falls[part] = m.yppy, traces(m, restricted)[0]
    return trial, squares, falls


def highest(
    at_zero: IntArray, which: IntArray, found: Solution, height: Callable[[FloatArray, IntArray], FloatArray], n: int
) -> Solution:
    """Of each of n problems the highest maximum: 0 for the problems `at_zero`, and those `found` (m,) for problems `which` (m,).

    height: the log-likelihoods, but for a constant, at values of tau2 (j,) of problems (j,). A problem without any maximum did
    not converge: where the likelihood overflows there is no candidate, and that is no answer.
    """
    owner = np.concatenate([at_zero, which])
    value = np.concatenate([np.zeros(at_zero.size), found.x])
    code = np.concatenate([np.full(at_zero.size, int(Status.AT_ZERO), dtype=np.intp), found.status])
    steps = np.concatenate([np.zeros(at_zero.size, dtype=np.intp), found.iterations])
    heights = np.zeros(owner.size)
    # Most have one maximum only, and need no comparison.
    several = np.flatnonzero(np.bincount(owner, minlength=n)[owner] > 1)
    if several.size:
        heights[several] = height(np.where(np.isnan(value[several]), 0.0, value[several]), owner[several])
    # A maximum that could not be refined must not be passed over in silence: it goes on top.
    heights = np.where(np.isnan(value), np.inf, heights)
    order = np.lexsort((heights, owner))
    best = order[np.flatnonzero(np.diff(owner[order], append=-1))]
    x, status, iterations = np.full(n, np.nan), np.full(n, int(Status.NOT_CONVERGED)), np.zeros(n, dtype=np.intp)
    at = owner[best]
    x[at], status[at], iterations[at] = value[best], code[best], steps[best]
    return Solution(x, status, iterations)


def brackets_of_maxima(p: Problems, restricted: bool) -> tuple[Brackets, IntArray]:
    """A bracket of every maximum above 0, and the problems whose likelihood does not rise at 0."""
    trial, squares, falls = scan(p.y, p.v, p.X, restricted)

    def at(tau2: FloatArray, which: IntArray) -> Moments | ScoreMoments:
        return score_moments(rows(p.y, which), rows(p.v, which), tau2, take(p.X, which))

    return brackets_between(trial, squares, falls, at, restricted), np.flatnonzero(squares[0] <= falls[0])


def brackets_between(
    trial: FloatArray,
    squares: FloatArray,
    falls: FloatArray,
    at: Callable[[FloatArray, IntArray], Moments | ScoreMoments],
    restricted: bool,
) -> Brackets:
    """A bracket of every maximum between the points of a scan.

    The score is A - B, with A = y'PPy, B the trace; its slope is D - 2 C, with C = y'PPPy, D the trace's fall. All four fall
    as tau2 grows. Between a and b the score hence keeps its sign where A(a) < B(b) or A(b) > B(a), and its direction where
    D(a) < 2 C(b) or D(b) > 2 C(a). A piece between two points of the scan in which neither is sure is divided until it is.
    trial, squares (A), falls (B): (points, n); at: the moments of problems `which` (m,) at values of tau2 (m,).
    """
    unsure, which = np.nonzero((squares[:-1] >= falls[1:]) & (squares[1:] <= falls[:-1]))
    low, high = trial[unsure, which], trial[unsure + 1, which]

    def terms(tau2: FloatArray, of: IntArray) -> FloatArray:
        m = at(tau2, of)
        return np.stack([m.yppy, *traces(m, restricted), m.ypppy])

    left, right = np.split(terms(np.concatenate([low, high]), np.concatenate([which, which])), 2, axis=1)
    found: list[Brackets] = []
    for division in range(DIVISIONS + 1):
        (square0, trace0, fall0, slope0), (square1, trace1, fall1, slope1) = left, right
        before, after = square0 - trace0, square1 - trace1
        one_sign = (square0 < trace1) | (square1 > trace0)
        one_way = (fall0 < 2.0 * slope1) | (fall1 > 2.0 * slope0)
        sure = one_sign | one_way | (division == DIVISIONS)
        down = np.flatnonzero(sure & (before > 0) & (after <= 0))
        start = low[down] + (high[down] - low[down]) * (before[down] / (before[down] - after[down]))
        found.append(Brackets(which[down], low[down], high[down], start))
        if sure.all():
            break
        low, high, which, left, right = low[~sure], high[~sure], which[~sure], left[:, ~sure], right[:, ~sure]
        inner = np.concatenate([low + (high - low) * (part / PARTS) for part in range(1, PARTS)])
        there = terms(inner, np.tile(which, PARTS - 1))
        low, high = np.concatenate([low, inner]), np.concatenate([inner, high])
        left, right = np.concatenate([left, there], axis=1), np.concatenate([there, right], axis=1)
        which = np.tile(which, PARTS)
    which, low, high, start = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Brackets(which, low, high, start)
