"""Maximum likelihood for generalised linear mixed models: scan for maxima, climb each, then sharpen the quadrature.

For given standard deviations of the random effects the log-likelihood is concave in the coefficients; in the standard
deviations it can have several maxima, and one at 0. So a grid of these is scanned, every maximum on it is climbed from
there, and the highest is kept. The number of quadrature points is then doubled until nothing moves any more.
"""

from __future__ import annotations

import itertools
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.glmm_climb import LARGEST_SPREAD, Summit, all_free, climb, coefficients_free
from metaanalysis.formulas.glmm_likelihood import CountModel, Point, Quadrature

# Stable to this: the log-likelihood relative to 1 + its size, estimates relative to their standard errors.
STABLE = 1e-10
# Log-likelihoods, relative to 1 + their size, and curvatures, relative to the information, as near as this are the same.
TIE = 1e-9
# Worse than this, the log-likelihood is not known well enough to test or to report.
ACCEPTABLE = 1e-6
SCAN = Quadrature("gauss-hermite", 15)
# In one dimension Gauss-Hermite rules, and trapezoidal ones for integrands that those are slow on; in two the former alone.
SHARPER = (
    *(Quadrature("gauss-hermite", points) for points in (21, 31, 63)),
    *(Quadrature("trapezoid", points) for points in (65, 129, 257, 513, 1025, 2049)),
)
SHARPER_IN_TWO = tuple(Quadrature("gauss-hermite", points) for points in (11, 15, 21, 31, 43, 63, 91, 127))
# What the scan's coarse rules may be wrong by, in a log-likelihood.
REACH = 0.5
# After so many rules under which a climb came to no end there is no summit.
FAILURES = 3
SCAN_POINTS_PER_DECADE = 4
SCAN_POINTS = (16, 48)
SCAN_IN_TWO = Quadrature("gauss-hermite", 7)
SCAN_POINTS_IN_TWO = 6


class FitStatus(IntEnum):
    """How a fit ended; `sentence` says it in words."""

    CONVERGED = 0
    AT_ZERO = 1
    INFINITE_EFFECT = 2
    INFINITE_SPREAD = 3
    NOT_CONVERGED = 4
    INEXACT = 5

    @property
    def sentence(self) -> str:
        """The status in words."""
        return _SENTENCES[self]

    @property
    def usable(self) -> bool:
        """Whether the numbers are estimates."""
        return self in (FitStatus.CONVERGED, FitStatus.AT_ZERO)


_SENTENCES = {
    FitStatus.CONVERGED: "converged",
    FitStatus.AT_ZERO: "converged, with a variance of random effects at the boundary, 0",
    FitStatus.INFINITE_EFFECT: "the likelihood rises without end as the effect grows: its estimate is infinite",
    FitStatus.INFINITE_SPREAD: "the likelihood rises without end as the variance between studies grows",
    FitStatus.NOT_CONVERGED: "the iterations did not converge",
    FitStatus.INEXACT: "the quadrature did not settle with as many points as are allowed",
}


class Fit(NamedTuple):
    """A maximum of the likelihood: where, how high, the covariance of the free parameters, and how it was found."""

    status: FitStatus
    point: Point
    log_likelihood: float
    covariance: FloatArray  # (P, P): coefficients and standard deviations; NaN where a standard deviation is 0
    summit: Summit
    quadrature: Quadrature
    change: float  # of the log-likelihood, with the last refinement of the quadrature
    maxima: int  # how many different ones the scan found
    iterations: int


def fit(model: CountModel, start: Point, smallest: float, widest: float, limit: float = -np.inf) -> Fit:
    """The highest maximum of the likelihood.

    start: coefficients and own coefficients to begin with; smallest, widest: standard deviations between which the scan looks;
    limit: what the log-likelihood tends to as the standard deviation grows beyond all bounds.
    """
    if model.dimensions == 0:
        summit = climb(model, start, SCAN, all_free(model))
        return finished(model, summit, Quadrature("none", 1), 0.0, 1, summit.iterations)
    summits, iterations = explored(model, start, smallest, widest)
    inside = [summit for summit in summits if summit.point.spread.max() <= LARGEST_SPREAD]
    if not inside or tied(limit, inside[0].value) > 0:
        return finished(model, summits[0], SCAN, 0.0, 1, iterations)._replace(status=FitStatus.INFINITE_SPREAD)
    found = sharpened(model, inside, iterations)
    return found._replace(status=FitStatus.INFINITE_SPREAD) if tied(limit, found.log_likelihood) > 0 else found


def explored(model: CountModel, start: Point, smallest: float, widest: float) -> tuple[list[Summit], int]:
    """Scan, and climb from every maximum on the grid; the highest summit first."""
    two = model.dimensions > 1
    quadrature = SCAN_IN_TWO if two else SCAN
    axis = scan_axis(smallest, widest, two)
    grid: dict[tuple[int, ...], Summit] = {}
    values: dict[tuple[int, ...], float] = {}
    while True:
        for index in itertools.product(range(axis.size), repeat=model.dimensions):
            if index not in grid:
                seed, modes = neighbour(index, grid, start)
                seed = seed._replace(spread=axis[list(index)])
                grid[index] = climb(model, seed, quadrature, coefficients_free(model), modes, rough=True)
                values[index] = grid[index].value if np.isfinite(grid[index].value) else -np.inf
        best = max(values, key=lambda index: values[index])
        if max(best) < axis.size - 1 or axis[-1] > LARGEST_SPREAD:
            break
        axis = np.append(axis, 2.0 * axis[-1])
    iterations = sum(summit.iterations for summit in grid.values())
    # The origin always: a coarse rule may hide that the likelihood is level, or a little lower, further out.
    starts = [index for index in values if not any(index) or is_peak(index, values)]
    starts.sort(key=lambda index: -values[index])
    found: list[Summit] = []
    for index in starts:
        summit = ascended(model, grid[index], quadrature, float(axis[1]))
        iterations += summit.iterations
        if not any(alike(summit, other) for other in found):
            found.append(summit)
    found.sort(key=lambda summit: -summit.value)
    return found, iterations


def neighbour(
    index: tuple[int, ...], grid: dict[tuple[int, ...], Summit], start: Point
) -> tuple[Point, FloatArray | None]:
    """Where to begin at a grid point: where a climb next to it ended."""
    for d in range(len(index) - 1, -1, -1):
        near = grid.get((*index[:d], index[d] - 1, *index[d + 1 :]))
        if near is not None:
            return near.point, near.modes
    return start, None


def scan_axis(smallest: float, widest: float, two: bool) -> FloatArray:
    """Standard deviations from 0 to the widest, evenly spread in the log of the variance plus the smallest variance."""
    span = np.log1p((widest / smallest) ** 2)
    along = int(np.clip(SCAN_POINTS_PER_DECADE * span / np.log(10.0), *SCAN_POINTS))
    points = SCAN_POINTS_IN_TWO if two else along
    return np.asarray(smallest * np.sqrt(np.expm1(np.linspace(0.0, span, points))))


def is_peak(index: tuple[int, ...], values: dict[tuple[int, ...], float]) -> bool:
    """Whether no neighbour on the grid is higher; of a plateau its beginning."""
    for other in itertools.product(*(range(i - 1, i + 2) for i in index)):
        order = tied(values.get(other, -np.inf), values[index])
        if order > 0 or (order == 0 and other < index):
            return False
    return True


def tied(one: float, other: float) -> int:
    """1 where the first log-likelihood is higher, -1 where it is lower, 0 where rounding can't tell."""
    near = TIE * (1.0 + abs(other))
    return 1 if one > other + near else -1 if one < other - near else 0


def ascended(model: CountModel, grid: Summit, quadrature: Quadrature, step: float) -> Summit:
    """Climb from a grid point with every parameter free.

    The likelihood is even in a standard deviation, so that its slope at 0 is always 0: whether 0 is a maximum is told by
    the curvature there, and where it is none the climb starts a little way off.
    """
    zero = grid.point.spread == 0.0
    p = model.fixed.shape[1]
    if zero.any():
        # The curvature is wanted at the best coefficients, and the scan's are rough.
        grid = climb(model, grid.point, quadrature, coefficients_free(model), grid.modes)
    curvature = np.diag(grid.reduced.hessian)
    rising = zero & (curvature[p:] > TIE * np.abs(curvature[0]))
    spread = np.where(rising, 0.5 * step, grid.point.spread)
    free = all_free(model)
    free[p:] = spread > 0.0
    return settled(model, climb(model, grid.point._replace(spread=spread), quadrature, free, grid.modes), quadrature)


def settled(model: CountModel, summit: Summit, quadrature: Quadrature) -> Summit:
    """A standard deviation that has all but come down to 0 is put there, if the likelihood does not mind."""
    p = model.fixed.shape[1]
    for d in np.flatnonzero(summit.point.spread > 0.0):
        # In units of the information that the studies hold about it.
        information = np.abs(np.diag(summit.reduced.hessian)[p + d])
        if information * summit.point.spread[d] ** 2 > 1e-3:
            continue
        spread = summit.point.spread.copy()
        spread[d] = 0.0
        free = all_free(model)
        free[p:] = spread > 0.0
        lower = climb(model, summit.point._replace(spread=spread), quadrature, free, summit.modes)
        curvature = np.diag(lower.reduced.hessian)
        no_rise = curvature[p + d] <= TIE * np.abs(curvature[0])
        if lower.converged and no_rise and tied(lower.value, summit.value) >= 0:
            summit = lower
    return summit


def alike(one: Summit, other: Summit) -> bool:
    """Whether two climbs ended on the same summit: within a hundredth of a standard error of the sharper."""
    p = one.point.fixed.size
    information = np.maximum(*(np.abs(np.diag(summit.reduced.hessian)[p:]) for summit in (one, other)))
    distance = np.abs(one.point.spread - other.point.spread)
    return bool((distance**2 * information <= 1e-4).all() and (distance <= 0.1 * (1.0 + one.point.spread)).all())


def sharpened(model: CountModel, summits: list[Summit], iterations: int) -> Fit:
    """Climb again with finer and finer quadrature until neither the likelihood nor the estimates move.

    Every summit within reach of the highest takes part, as the coarse rule may have ranked them wrongly.
    """
    rules = SHARPER_IN_TWO if model.dimensions > 1 else SHARPER
    answers = []
    for start in summits:
        if start.value < summits[0].value - REACH:
            continue
        summit, change, failures = start, np.inf, 0
        for rule in rules:
            free = all_free(model)
            free[model.fixed.shape[1] :] = summit.point.spread > 0.0
            finer = settled(model, climb(model, summit.point, rule, free, summit.modes), rule)
            iterations += finer.iterations
            still, change = unmoved(summit, finer)
            summit = finer
            failures += not finer.converged
            if (still and finer.converged) or failures > FAILURES:
                break
        answers.append(finished(model, summit, rule, change, len(summits), iterations))
    answers.sort(key=lambda answer: float(answer.point.spread.sum()))
    best = answers[0]
    for answer in answers[1:]:
        if (answer.status.usable, tied(answer.log_likelihood, best.log_likelihood)) > (best.status.usable, 0):
            best = answer
    # A summit that melts under a finer rule was none.
    return best._replace(
        maxima=len(summits) - sum(not answer.status.usable for answer in answers if answer is not best)
    )


def unmoved(coarse: Summit, fine: Summit) -> tuple[bool, float]:
    """Whether the finer rule left likelihood and estimates where they were, and by how much the former moved."""
    change = abs(fine.value - coarse.value)
    before = np.concatenate([coarse.point.fixed, coarse.point.spread])
    after = np.concatenate([fine.point.fixed, fine.point.spread])
    unit = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(fine.reduced.hessian)), 1e-300))
    still = bool((np.abs(after - before) <= STABLE * np.maximum(unit, np.abs(after))).all())
    return still and change <= STABLE * (1.0 + abs(fine.value)), change


def finished(model: CountModel, summit: Summit, rule: Quadrature, change: float, maxima: int, iterations: int) -> Fit:
    """The summit with its covariance and a status."""
    p = model.fixed.shape[1]
    free = all_free(model)
    free[p:] = summit.point.spread > 0.0
    covariance, definite = inverse_information(summit.reduced.hessian, free)
    status = FitStatus.CONVERGED if free.all() else FitStatus.AT_ZERO
    if not (summit.converged and definite and np.isfinite(summit.value)):
        status = FitStatus.NOT_CONVERGED
    elif change > ACCEPTABLE * (1.0 + abs(summit.value)):
        status = FitStatus.INEXACT
    if model.dimensions and float(summit.point.spread.max()) > LARGEST_SPREAD:
        status = FitStatus.INFINITE_SPREAD
    return Fit(status, summit.point, summit.value, covariance, summit, rule, change, maxima, iterations)


def inverse_information(hessian: FloatArray, free: BoolArray) -> tuple[FloatArray, bool]:
    """The covariance of the free parameters, NaN for the others, and whether the information is positive definite."""
    covariance = np.full(hessian.shape, np.nan)
    index = np.flatnonzero(free)
    information = -hessian[np.ix_(index, index)]
    scale = np.sqrt(np.abs(np.diag(information)))
    if not (np.isfinite(information).all() and (scale > 0.0).all()):
        return covariance, False
    scaled = information / np.outer(scale, scale)
    if np.linalg.eigvalsh(scaled).min() <= 1e-12:
        return covariance, False
    covariance[np.ix_(index, index)] = np.linalg.solve(scaled, np.eye(index.size)) / np.outer(scale, scale)
    return covariance, True
