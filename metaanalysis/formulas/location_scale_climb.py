"""From a start to a maximum of the location-scale likelihood, or to the edge where it has none. One problem at a time.

Coordinates g are those of an orthonormal basis Q of the scale moderators, Z a = Q g, so that nothing depends on their units.
Shapes: y, v (k,); X (k, p); Q (k, r); g (r,).
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.formulas.location_scale import (
    Derivatives,
    derivatives,
    identity_link,
    log_likelihood_of_variances,
    log_link,
    projected,
)
from metaanalysis.formulas.weighted import orthonormal_basis

MAX_ITERATIONS = 200
# The gain in log-likelihood that a Newton step promises, below which the step no longer matters beside a standard error.
NEGLIGIBLE_GAIN = 1e-26
# Below this promise a change of the log-likelihood can't be told from rounding, and Newton's step is taken at its word.
TRUSTED_GAIN = 1e-10
# A direction is flat when both slope and curvature are below this share of what k fully informative studies would give.
FLAT = 1e-11
# By how much log tau2 of a study that feels it may move in one step.
LONGEST_STEP = 3.0
# Log-likelihoods nearer than this are the same.
SAME_HEIGHT = 1e-7
# A study whose tau2 is below this share of its total variance no longer feels it.
NOTHING = 1e-6
# A study whose tau2 is this share feels it enough to climb on; a climb wakes sleeping studies so many times at most.
AWAKE = 1e-4
MAX_AWAKENINGS = 5


class Ending(IntEnum):
    """How a location-scale fit ended; `sentence` says it in words."""

    CONVERGED = 0
    SOME_AT_ZERO = 1
    ALL_AT_ZERO = 2
    NOT_DETERMINED = 3
    NOT_CONVERGED = 4

    @property
    def sentence(self) -> str:
        """The ending in words."""
        return _SENTENCES[self]


_SENTENCES = {
    Ending.CONVERGED: "converged",
    Ending.SOME_AT_ZERO: "the likelihood is highest where tau2 of some studies is 0",
    Ending.ALL_AT_ZERO: "the likelihood is highest where tau2 of all studies is 0",
    Ending.NOT_DETERMINED: "the data do not determine the scale coefficients: the likelihood is flat in a direction",
    Ending.NOT_CONVERGED: "the iterations did not converge",
}


class Data(NamedTuple):
    """What a likelihood is of."""

    y: FloatArray
    v: FloatArray
    X: FloatArray
    restricted: bool

    def height(self, tau2: FloatArray) -> FloatArray:
        """The log-likelihood at tau2 (..., k); minus infinity where it overflows."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value = log_likelihood_of_variances(self.y, self.v, self.X, tau2, self.restricted)
        return np.where(np.isfinite(value), value, -np.inf)


class Peak(NamedTuple):
    """Where a climb ended."""

    height: float  # the log-likelihood
    tau2: FloatArray  # (k,)
    predictor: FloatArray  # (k,): the link of tau2; minus infinity where tau2 fell to 0 under the log link
    at_zero: BoolArray  # (k,): the studies whose tau2 is 0
    ending: Ending


def climb_log(data: Data, Q: FloatArray, g: FloatArray) -> Peak:
    """Climb under the log link from g; where the likelihood keeps rising as some tau2 fall to 0, put them there and go on."""
    at_zero = np.zeros(data.y.size, dtype=np.bool_)
    ending = Ending.CONVERGED
    awakenings = 0
    while True:
        g, flat, arrived = climb_unbounded(data, Q, g, at_zero)
        eta = Q @ g
        with np.errstate(over="ignore"):
            tau2 = np.where(at_zero, 0.0, np.exp(eta))
        if not arrived:
            ending = Ending.NOT_CONVERGED
            break
        if flat.shape[1] == 0:
            break
        reach = np.sqrt(((Q @ flat) ** 2).sum(axis=1))
        moving = reach > NOTHING * reach.max()
        woken = awakened(data, Q, g, flat, np.where(moving, 0.0, tau2), moving) if awakenings < MAX_AWAKENINGS else None
        if woken is not None:
            g, awakenings = woken, awakenings + 1
            continue
        if not falls_to_zero(data, tau2, moving):
            ending = Ending.NOT_DETERMINED
            break
        at_zero = at_zero | moving
        ending = Ending.ALL_AT_ZERO if at_zero.all() else Ending.SOME_AT_ZERO
        tau2 = np.where(at_zero, 0.0, tau2)
        if at_zero.all():
            break
        Q = spanning(np.where(at_zero[:, np.newaxis], 0.0, Q))
        g = Q.T @ np.where(at_zero, 0.0, eta) / np.count_nonzero(~at_zero)
    return Peak(float(data.height(tau2)), tau2, np.where(at_zero, -np.inf, eta), at_zero, ending)


def awakened(
    data: Data, Q: FloatArray, g: FloatArray, flat: FloatArray, rest: FloatArray, moving: BoolArray
) -> FloatArray | None:
    """Where the ascent leads from a point at which tau2 of the moving studies is next to nothing; None if it falls for ever.

    So near to the edge the likelihood is that of tau2 = 0 in the moving studies (`rest`) plus the sum of tau2_i times its
    derivative there, which says which way is up however small the tau2 are.
    """
    _, _, u, d = projected(data.y, data.v, data.X, rest, data.restricted)
    felt = moving & (d > 0)
    rows, d, excess = Q[felt], d[felt], (u * u - d)[felt]
    if rows.shape[0] == 0 or (np.log(d) + rows @ g).max() > np.log(NOTHING):
        return None
    for _ in range(MAX_ITERATIONS):
        level = np.log(d) + rows @ g
        top = level.max()
        if top > np.log(AWAKE):
            return g
        up = flat @ (flat.T @ (rows.T @ (np.exp(level - top) / d * excess)))
        change = rows @ up
        if (change <= 0).all():
            return None
        g = g + up * (LONGEST_STEP / np.abs(change).max())
    return None


def falls_to_zero(data: Data, tau2: FloatArray, moving: BoolArray) -> bool:
    """Whether the likelihood is flat because tau2 of the moving studies is next to nothing.

    It is not where it is lower at 0, nor where one of them alone has a say in some coefficient of the mean: the restricted
    likelihood does not see such a study, and its tau2 may be anything.
    """
    if float(data.height(np.where(moving, 0.0, tau2))) < float(data.height(tau2)) - SAME_HEIGHT:
        return False
    unseen = orthonormal_basis(data.X, np.ones(tau2.size)).complements < 1e-12
    return not (data.restricted and bool((moving & unseen).any()))


def spanning(columns: FloatArray) -> FloatArray:
    """An orthogonal basis of the space of some columns, each of mean square 1 over the rows that are not 0."""
    rows = np.count_nonzero(columns.any(axis=1))
    left, size, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, size > 1e-9 * size[0]] * np.sqrt(rows))


def climb_unbounded(
    data: Data, Q: FloatArray, g: FloatArray, at_zero: BoolArray
) -> tuple[FloatArray, FloatArray, bool]:
    """Newton's method, Fisher's where the likelihood is not concave, with backtracking.

    Returns g, the flat directions (r, m) that it left alone, and whether it arrived.
    """
    k = data.y.size

    def tau2_at(point: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            return np.where(at_zero, 0.0, np.exp(Q @ point))

    value, before = float(data.height(tau2_at(g))), np.inf
    if np.isinf(value):
        return g, np.zeros((g.size, 0)), False
    for _ in range(MAX_ITERATIONS):
        tau2 = tau2_at(g)
        at = log_link(np.where(at_zero, 0.0, Q @ g))
        d = derivatives(data.y, data.v, data.X, Q, at._replace(tau2=tau2, slope=tau2, bend=tau2), data.restricted)
        step, flat, newton = free_step(d, FLAT * k)
        step = step * shortening(Q @ step, tau2 / (data.v + tau2))
        gain = float(d.score @ step)
        if gain <= NEGLIGIBLE_GAIN or (newton and gain < 1e-18 and gain > 0.25 * before):
            return g, flat, True
        before = gain
        if newton and gain < TRUSTED_GAIN:
            g = g + step
            value = float(data.height(tau2_at(g)))
            continue
        for halving in range(50):
            trial = g + step * 0.5**halving
            height = float(data.height(tau2_at(trial)))
            if height >= value + 1e-4 * gain * 0.5**halving:
                g, value = trial, height
                break
        else:
            return g, flat, False
    return g, np.zeros((g.size, 0)), False


def shortening(change: FloatArray, share: FloatArray) -> float:
    """The factor on a step that changes log tau2 (k,) so, where tau2 is this share of the total variance.

    A study whose tau2 is next to nothing may fall at will, and rise until it is felt.
    """
    asleep = share < NOTHING
    with np.errstate(divide="ignore"):
        room = np.where(asleep, np.log(NOTHING) - np.log(share), 0.0) + LONGEST_STEP
    size = np.where(asleep, np.maximum(change, 0.0), np.abs(change))
    return float(min(1.0, (room / np.maximum(size, 1e-300)).min()))


def free_step(d: Derivatives, nothing: float) -> tuple[FloatArray, FloatArray, bool]:
    """The step, the flat directions that it leaves out, and whether it is Newton's rather than Fisher's."""
    for information, newton in ((d.observed, True), (d.expected, False)):
        curvature, axes = np.linalg.eigh(information)
        slope = axes.T @ d.score
        flat = (np.abs(curvature) < nothing) & (np.abs(slope) < nothing)
        if not newton or (curvature[~flat] > 0).all():
            break
    keep = ~flat
    return axes[:, keep] @ (slope[keep] / np.maximum(curvature[keep], 1e-300)), axes[:, flat], newton


def climb_bounded(data: Data, Q: FloatArray, g: FloatArray) -> Peak:
    """Climb under the identity link from g, every tau2 = Q g kept from falling below 0.

    Each step maximises the quadratic approximation under the bounds; once it is known which of them hold, Newton's method
    within them.
    """
    # Rows that differ by rounding alone are one limit.
    _, first, limit_of = np.unique(np.round(Q, 12), axis=0, return_index=True, return_inverse=True)
    limits = Q[first]
    value = float(data.height(np.maximum(Q @ g, 0.0)))
    before, holding, arrived = np.inf, np.zeros(0, dtype=np.intp), False
    for _ in range(MAX_ITERATIONS):
        at = identity_link(Q @ g)
        d = derivatives(data.y, data.v, data.X, Q, at, data.restricted)
        least = np.linalg.eigvalsh(d.observed)
        newton = bool(least[0] > 1e-10 * least[-1])
        information, room = d.observed if newton else d.expected, np.maximum(limits @ g, 0.0)
        step, held = bounded_step(d.score, information, limits, room)
        rounding = 1e-12 * at.tau2.max(initial=0.0)
        if np.array_equal(held, holding) and (room[held] <= rounding).all():
            inner = newton_within(d, limits[held])
            if inner is not None and (limits @ (g + inner) >= -rounding).all():
                step, information, newton = inner, d.observed, True
        holding = held
        size = float(step @ information @ step)
        if size <= NEGLIGIBLE_GAIN or (newton and size < 1e-18 and size > 0.25 * before):
            g, arrived = g + step, True
            break
        before = size
        gain = float(d.score @ step)
        if newton and size < TRUSTED_GAIN:
            g = g + step
            value = float(data.height(np.maximum(Q @ g, 0.0)))
            continue
        for halving in range(50):
            trial = g + step * 0.5**halving
            height = float(data.height(np.maximum(Q @ trial, 0.0)))
            if height >= value + 1e-4 * gain * 0.5**halving:
                g, value = trial, height
                break
        else:
            break
    tau2 = np.maximum(Q @ g, 0.0)
    at_zero = np.isin(limit_of.reshape(-1), holding) | (tau2 <= 1e-10 * (tau2.max(initial=0.0) + data.v.min()))
    tau2 = np.where(at_zero, 0.0, tau2)
    value = float(data.height(tau2))
    ending = bounded_ending(data, Q, tau2, at_zero) if arrived else Ending.NOT_CONVERGED
    return Peak(value, tau2, tau2, at_zero, ending)


def bounded_ending(data: Data, Q: FloatArray, tau2: FloatArray, at_zero: BoolArray) -> Ending:
    """What a climb that arrived under the identity link found."""
    if at_zero.all():
        return Ending.ALL_AT_ZERO
    d = derivatives(data.y, data.v, data.X, Q, identity_link(tau2), data.restricted)
    within = null_space(Q[at_zero])
    curvature = np.linalg.eigvalsh(within.T @ d.observed @ within) * float(np.median(data.v + tau2)) ** 2
    if curvature.size and curvature[0] < FLAT * tau2.size:
        return Ending.NOT_DETERMINED
    return Ending.SOME_AT_ZERO if at_zero.any() else Ending.CONVERGED


def null_space(rows: FloatArray) -> FloatArray:
    """Orthonormal directions (r, m) along which no row (n, r) changes."""
    if rows.shape[0] == 0:
        return np.eye(rows.shape[1])
    _, size, axes = np.linalg.svd(rows)
    rank = np.count_nonzero(size > 1e-9 * size[0]) if size.size and size[0] > 0 else 0
    return np.asarray(axes[rank:].T)


def newton_within(d: Derivatives, held: FloatArray) -> FloatArray | None:
    """Newton's step along the bounds that hold; None where the likelihood is not concave there."""
    within = null_space(held)
    if within.shape[1] == 0:
        return np.zeros_like(d.score)
    curvature, axes = np.linalg.eigh(within.T @ d.observed @ within)
    if curvature[0] <= 0:
        return None
    return np.asarray(within @ axes @ ((axes.T @ within.T @ d.score) / curvature))


def bounded_step(
    score: FloatArray, information: FloatArray, limits: FloatArray, room: FloatArray
) -> tuple[FloatArray, IntArray]:
    """Maximise score'd - 1/2 d'Hd under limits d >= -room, and the limits that hold.

    With H = LL' and d = L^-T (f + r), f = L^-1 score, this is the least distance r from 0 under linear bounds, which
    non-negative least squares solve. Source: Lawson & Hanson (1974), chapter 23.
    """
    from scipy import optimize

    scale = float(np.abs(np.diagonal(information)).max())
    lower = np.linalg.cholesky(information + 1e-15 * scale * np.eye(score.size))
    f = np.linalg.solve(lower, score)
    G = np.linalg.solve(lower, limits.T).T
    size = np.sqrt((G * G).sum(axis=1))
    usable = size > 0
    G, h = G[usable] / size[usable, np.newaxis], -room[usable] / size[usable]
    h = h - G @ f
    if (h <= 0).all():
        return np.linalg.solve(lower.T, f), np.zeros(0, dtype=np.intp)
    target = np.zeros(score.size + 1)
    target[-1] = 1.0
    u, _ = optimize.nnls(np.vstack([G.T, h]), target, maxiter=100 * (score.size + G.shape[0]))
    left = np.vstack([G.T, h]) @ u - target
    r = -left[:-1] / left[-1]
    return np.linalg.solve(lower.T, f + r), np.flatnonzero(usable)[u > 0]
