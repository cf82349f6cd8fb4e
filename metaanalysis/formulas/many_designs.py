"""Many designs over one set of effects and variances: what a permutation test refits thousands of times.

With y and v shared, all that a fit needs is sums over studies of w^j x x', w^j x y and w^j y^2, j = 1, 2, 3; at trial
values of tau2 that all designs share, the sums are one product of matrices. The sums lose digits where a few studies carry
all the weight: `sums_are_safe` says where they may be used, and `tau2_iterative` is right everywhere.
Shapes: y, v (k,); designs (n, k, p), columns of similar size, best orthonormal ones put in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np

from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.moments import Moments
from metaanalysis.formulas.solve import Solution, Status, newton_in_bracket
from metaanalysis.formulas.tau2 import Tau2Function
from metaanalysis.formulas.tau2_iterative import (
    empirical_bayes,
    maximum_likelihood,
    paule_mandel,
    restricted_maximum_likelihood,
    score_and_step,
)
from metaanalysis.formulas.tau2_maxima import (
    SCAN_POINTS_AT_LEAST,
    SCAN_POINTS_AT_MOST,
    SCAN_POINTS_PER_DECADE,
    brackets_between,
    highest,
    traces,
)
from metaanalysis.formulas.tau2_moments import dersimonian_laird

# Beyond this ratio of the variances the sums would keep fewer than ten digits.
SAFE_VARIANCE_RATIO = 1e5


def sums_are_safe(v: FloatArray) -> bool:
    """Whether no study outweighs the others so far that the sums would cancel. v: (k,)."""
    return bool(v.max() <= SAFE_VARIANCE_RATIO * v.min())


class Features(NamedTuple):
    """The products of each design's columns, by study, and the effects and variances that all designs share."""

    squares: FloatArray  # (n, p (p + 1) / 2, k): x_i x_j with i >= j, in rows of a triangle
    columns: FloatArray  # (n, p, k)
    y: FloatArray  # (k,)
    v: FloatArray  # (k,)

    @property
    def p(self) -> int:
        """How many coefficients there are."""
        return int(self.columns.shape[1])


def features(designs: FloatArray, y: FloatArray, v: FloatArray) -> Features:
    """The products of the columns of designs (n, k, p)."""
    columns = np.ascontiguousarray(np.swapaxes(designs, -1, -2))
    rows, cols = np.tril_indices(columns.shape[1])
    return Features(columns[:, rows] * columns[:, cols], columns, y, v)


class Whitened(NamedTuple):
    """The sums in coordinates in which X'WX is the identity, X'WX = L L'; leading axes (...) are problems or points."""

    moments: Moments
    triangle: list[list[FloatArray]]  # L, lower
    along: list[FloatArray]  # z = L^-1 X'Wy


def cholesky(a: list[list[FloatArray]]) -> list[list[FloatArray]]:
    """The lower triangle L of A = L L', element by element over arrays; a[i][j] for j <= i."""
    lower: list[list[FloatArray]] = []
    for i, row in enumerate(a):
        lower.append([])
        for j in range(i + 1):
            rest = row[j]
            for m in range(j):
                rest = rest - lower[i][m] * lower[j][m]
            lower[i].append(np.sqrt(rest) if i == j else rest / lower[j][j])
    return lower


def forward(lower: list[list[FloatArray]], b: list[FloatArray]) -> list[FloatArray]:
    """L^-1 b, element by element over arrays."""
    out: list[FloatArray] = []
    for i, rest in enumerate(b):
        for m in range(i):
            rest = rest - lower[i][m] * out[m]
        out.append(rest / lower[i][i])
    return out


def backward(lower: list[list[FloatArray]], b: list[FloatArray]) -> list[FloatArray]:
    """L'^-1 b, element by element over arrays."""
    p = len(b)
    out: list[FloatArray] = list(b)
    for i in reversed(range(p)):
        rest = b[i]
        for m in range(i + 1, p):
            rest = rest - lower[m][i] * out[m]
        out[i] = rest / lower[i][i]
    return out


def triangle(parts: FloatArray, p: int) -> list[list[FloatArray]]:
    """Rows of a lower triangle from parts (p (p + 1) / 2, ...)."""
    return [[parts[i * (i + 1) // 2 + j] for j in range(i + 1)] for i in range(p)]


def between(lower: list[list[FloatArray]], a: list[list[FloatArray]]) -> list[list[FloatArray]]:
    """L^-1 A L'^-1 of a symmetric A, whole."""
    p = len(a)
    whole = [[a[max(i, j)][min(i, j)] for i in range(p)] for j in range(p)]
    half = [forward(lower, column) for column in whole]
    return [forward(lower, [half[j][i] for j in range(p)]) for i in range(p)]


def dot(a: list[FloatArray], b: list[FloatArray]) -> FloatArray:
    """Sum of a_i b_i."""
    total = a[0] * b[0]
    for x, y in zip(a[1:], b[1:], strict=True):
        total = total + x * y
    return total


def applied(matrix: list[list[FloatArray]], z: list[FloatArray]) -> list[FloatArray]:
    """Matrix times vector, element by element over arrays."""
    return [dot(row, z) for row in matrix]


def whitened(
    squares: list[FloatArray], columns: list[FloatArray], weights: list[FloatArray], effects: list[FloatArray], p: int
) -> Whitened:
    """The moments from the sums of the first two or three powers of w, each a list by power.

    squares[j]: sums of w^j x x' (p (p + 1) / 2, ...); columns[j]: of w^j x y (p, ...); weights[j]: of w^j (...);
    effects[j]: of w^j y^2 (...). Without the third power y'PPPy and tr PP are NaN.
    """
    lower = cholesky(triangle(squares[0], p))
    z = forward(lower, list(columns[0]))
    n2 = between(lower, triangle(squares[1], p))
    c2 = forward(lower, list(columns[1]))
    n2z = applied(n2, z)
    trace2 = sum((n2[i][i] for i in range(1, p)), n2[0][0])
    yppy = effects[1] - 2.0 * dot(z, c2) + dot(z, n2z)
    ypppy = trace_pp = np.full_like(yppy, np.nan)
    if len(squares) > 2:
        n3 = between(lower, triangle(squares[2], p))
        c3 = forward(lower, list(columns[2]))
        rest = [a - b for a, b in zip(c2, n2z, strict=True)]
        ypppy = effects[2] - 2.0 * dot(z, c3) + dot(z, applied(n3, z)) - dot(rest, rest)
        trace3 = sum((n3[i][i] for i in range(1, p)), n3[0][0])
        square = sum((dot(n2[i], n2[i]) for i in range(1, p)), dot(n2[0], n2[0]))
        trace_pp = weights[1] - 2.0 * trace3 + square
    log_det = sum((np.log(lower[i][i]) for i in range(1, p)), np.log(lower[0][0]))
    found = Moments(
        q=effects[0] - dot(z, z),
        yppy=yppy,
        ypppy=ypppy,
        trace_p=weights[0] - trace2,
        trace_pp=trace_pp,
        trace_w=weights[0],
        trace_ww=weights[1],
        log_det_xwx=2.0 * np.asarray(log_det),
    )
    return Whitened(found, lower, z)


def at_shared_points(f: Features, trial: FloatArray) -> Moments:
    """The moments of every design at every trial tau2 (points,); each (n, points), without y'PPPy and tr PP."""
    w = 1.0 / (f.v[:, np.newaxis] + trial)
    y = f.y[:, np.newaxis]
    powers = [w, w * w]
    squares = [np.moveaxis(f.squares @ power, 1, 0) for power in powers]
    columns = [np.moveaxis(f.columns @ (power * y), 1, 0) for power in powers]
    weights = [power.sum(axis=0) for power in powers]
    effects = [(power * y * y).sum(axis=0) for power in powers]
    m = whitened(squares, columns, weights, effects, f.p).moments
    return Moments(*(np.broadcast_to(part, m.q.shape) for part in m))


def at_own_points(f: Features, tau2: FloatArray, index: IntArray) -> Whitened:
    """The moments of the designs `index` (m,), each at its own tau2 (m,)."""
    w = 1.0 / (f.v + tau2[:, np.newaxis])
    powers = np.stack([w, w * w, w * w * w], axis=-1)
    squares = f.squares[index] @ powers
    columns = f.columns[index] @ (powers * f.y[:, np.newaxis])
    weights, effects = powers.sum(axis=1), (f.y * f.y) @ powers
    each = range(powers.shape[-1])
    return whitened(
        [squares[..., j].T for j in each],
        [columns[..., j].T for j in each],
        [weights[..., j] for j in each],
        [effects[..., j] for j in each],
        f.p,
    )


def variance_scale(f: Features) -> float:
    """K / sum(1 / v): beside this a small step of tau2 does not matter."""
    return float(f.v.size / (1.0 / f.v).sum())


def shared_upper_bound(f: Features) -> float:
    """A tau2 beyond which the score of every design is negative.

    As y'PPy <= sum(y^2) / (tau2 + min v)^2 and tr P >= (k - p) / (tau2 + max v), 2 sum(y^2) / (k - p) is one if not below max v.
    """
    return float(max(f.v.max(), 2.0 * (f.y**2).sum() / (f.v.size - f.p)))


def maximise_likelihood_over_designs(f: Features, restricted: bool) -> Solution:
    """The highest maximum of each design's likelihood, as `tau2_iterative.maximise_likelihood` finds it."""
    n = f.columns.shape[0]
    smallest, high = float(f.v.min()), shared_upper_bound(f)
    span = float(np.log1p(high / smallest))
    points = int(np.clip(SCAN_POINTS_PER_DECADE * span / np.log(10), SCAN_POINTS_AT_LEAST, SCAN_POINTS_AT_MOST)) + 1
    trial = smallest * np.expm1(np.linspace(0.0, 1.0, points) * span)
    m = at_shared_points(f, trial)
    squares, falls = m.yppy.T, traces(m, restricted)[0].T
    everywhere = np.broadcast_to(trial[:, np.newaxis], squares.shape)
    bracket = brackets_between(
        everywhere, squares, falls, lambda t, index: at_own_points(f, t, index).moments, restricted
    )
    which = bracket.which

    def step(tau2: FloatArray, index: IntArray) -> tuple[FloatArray, FloatArray]:
        return score_and_step(at_own_points(f, tau2, which[index]).moments, restricted)

    scale = np.full(which.size, variance_scale(f))
    found = newton_in_bracket(step, bracket.start, bracket.low, bracket.high, scale)
    at_zero = np.flatnonzero(squares[0] <= falls[0])

    def height(tau2: FloatArray, index: IntArray) -> FloatArray:
        m = at_own_points(f, tau2, index).moments
        log_det_v = np.log(f.v + tau2[:, np.newaxis]).sum(axis=-1)
        return np.asarray(-0.5 * (log_det_v + m.q + (m.log_det_xwx if restricted else 0.0)))

    return highest(at_zero, which, found, height, n)


def restricted_over_designs(f: Features) -> Solution:
    """REML of each design."""
    return maximise_likelihood_over_designs(f, restricted=True)


def full_over_designs(f: Features) -> Solution:
    """ML of each design."""
    return maximise_likelihood_over_designs(f, restricted=False)


def at_no_variance(f: Features) -> Moments:
    """The moments of every design at tau2 = 0, each (n,)."""
    m = at_shared_points(f, np.zeros(1))
    return Moments(*(part[:, 0] for part in m))


def moments_over_designs(f: Features) -> Solution:
    """DerSimonian and Laird's estimate of each design, 0 where it is negative."""
    m = at_no_variance(f)
    value = np.maximum((m.q - (f.v.size - f.p)) / m.trace_p, 0.0)
    status = np.where(value > 0, int(Status.CONVERGED), int(Status.AT_ZERO)).astype(np.intp)
    return Solution(value, status, np.zeros(value.size, dtype=np.intp))


def paule_mandel_over_designs(f: Features) -> Solution:
    """Paule and Mandel's estimate of each design, by the same steps as `tau2_iterative.solve_generalised_q`."""
    df = float(f.v.size - f.p)
    m = at_no_variance(f)
    todo = np.flatnonzero(m.q > df)
    n = m.q.size
    x, status = np.zeros(n), np.full(n, int(Status.AT_ZERO), dtype=np.intp)
    iterations = np.zeros(n, dtype=np.intp)

    def step(tau2: FloatArray, index: IntArray) -> tuple[FloatArray, FloatArray]:
        m = at_own_points(f, tau2, todo[index]).moments
        return m.q - df, (m.q - df) / m.yppy * (m.q / df)

    start = (m.q[todo] - df) / m.trace_p[todo]
    scale = np.full(todo.size, variance_scale(f))
    found = newton_in_bracket(step, start, np.zeros(todo.size), np.full(todo.size, np.inf), scale)
    x[todo], status[todo], iterations[todo] = found
    return Solution(x, status, iterations)


OverDesigns: TypeAlias = Callable[[Features], Solution]

# The estimators that have a twin over many designs.
OVER_DESIGNS: MappingProxyType[Tau2Function, OverDesigns] = MappingProxyType(
    {
        restricted_maximum_likelihood: restricted_over_designs,
        maximum_likelihood: full_over_designs,
        dersimonian_laird: moments_over_designs,
        paule_mandel: paule_mandel_over_designs,
        empirical_bayes: paule_mandel_over_designs,
    }
)


class DesignFits(NamedTuple):
    """Weighted least squares of every design at its own tau2."""

    coefficients: FloatArray  # (n, p)
    covariance: FloatArray  # (n, p, p): (X'WX)^-1
    q: FloatArray  # (n,)


def fit_designs(f: Features, tau2: FloatArray) -> DesignFits:
    """The coefficients of every design at tau2 (n,), their covariance (X'WX)^-1 and the weighted sum of squares."""
    n, p = f.columns.shape[:2]
    found = at_own_points(f, tau2, np.arange(n))
    lower = found.triangle
    coefficients = np.stack(backward(lower, found.along), axis=-1)
    covariance = np.empty((n, p, p))
    for j in range(p):
        unit = [np.ones(n) if i == j else np.zeros(n) for i in range(p)]
        for i, column in enumerate(backward(lower, forward(lower, unit))):
            covariance[:, i, j] = column
    return DesignFits(coefficients, covariance, found.moments.q)
