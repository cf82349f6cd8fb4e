"""Newton's method on the likelihood of a generalised linear mixed model: one maximum, from one start.

A study's own coefficient enters its own likelihood alone, so that the Hessian is an arrowhead: own coefficients are
eliminated study by study (Schur complement), and nothing larger than the common parameters is ever solved. O(k).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.glmm_likelihood import CountModel, Point, Quadrature, Studies, study_likelihoods

MAX_ITERATIONS = 60
MAX_ITERATIONS_WHEN_ROUGH = 20
# Twice the gain that one more step promises: 1e-20 is a step of 1e-10 standard errors.
DECREMENT = 1e-20
# While scanning with a coarse rule, this will do.
ROUGH = 1e-3
# Steps of less than 1e-3 standard errors are taken unjudged: so near, Newton's method needs no help, and the error of a
# coarse quadrature would have the likelihood's rise contradict its slope.
UNJUDGED = 1e-6
UNJUDGED_WHEN_ROUGH = 0.1
# A step that promises so little and no longer shrinks is at the rounding of the slope.
ROUNDING = 1e-14
# Standard deviations beyond this, on the log or logit scale, are no estimate: the likelihood has no maximum.
LARGEST_SPREAD = 100.0
# No step is longer, on the log or logit scale: far from the maximum a quadratic says little.
LONGEST_STEP = 3.0


class Reduced(NamedTuple):
    """Gradient (P,) and Hessian (P, P) of the common parameters, with the studies' own coefficients at their best."""

    gradient: FloatArray
    hessian: FloatArray
    own_gradient: FloatArray
    own_curvature: FloatArray
    coupling: FloatArray


class Summit(NamedTuple):
    """Where the climb ended."""

    point: Point
    value: float
    studies: Studies
    reduced: Reduced
    modes: FloatArray
    converged: bool
    iterations: int


def reduce(model: CountModel, studies: Studies) -> Reduced:
    """Eliminate own coefficients: g - sum c g_a / h_a and H - sum c c' / h_a; a study that says nothing of its own has h_a = 0."""
    size = model.fixed.shape[1] + model.dimensions
    gradient = studies.gradient[:, :size].sum(axis=0)
    hessian = studies.hessian[:, :size, :size].sum(axis=0)
    k = studies.value.size
    if model.local is None:
        nothing = np.zeros(k)
        return Reduced(gradient, hessian, nothing, nothing, np.zeros((k, size)))
    own_gradient = studies.gradient[:, -1]
    own_curvature = -studies.hessian[:, -1, -1]
    coupling = studies.hessian[:, -1, :size]
    inverse = np.where(own_curvature > 0, 1.0 / np.where(own_curvature > 0, own_curvature, 1.0), 0.0)
    gradient = gradient + coupling.T @ (own_gradient * inverse)
    hessian = hessian + coupling.T @ (coupling * inverse[:, np.newaxis])
    return Reduced(gradient, hessian, own_gradient, own_curvature, coupling)


def climb(
    model: CountModel,
    start: Point,
    quadrature: Quadrature,
    free: BoolArray,
    modes: FloatArray | None = None,
    rough: bool = False,
) -> Summit:
    """Maximise over the common parameters that are free, (P,), and over the studies' own coefficients.

    Newton's direction, with the signs of negative curvatures turned where the likelihood is not concave, halved until the
    likelihood rises. Standard deviations enter squared: their signs mean nothing and are dropped.
    """
    enough, unjudged, halvings = (ROUGH, UNJUDGED_WHEN_ROUGH, 8) if rough else (DECREMENT, UNJUDGED, 25)
    k = start.local.size
    modes = np.zeros((k, model.dimensions)) if modes is None else modes
    point, before, converged, steps = start, np.inf, False, 0
    studies, modes = study_likelihoods(model, point, quadrature, modes)
    reduced = reduce(model, studies)
    while steps < (MAX_ITERATIONS_WHEN_ROUGH if rough else MAX_ITERATIONS):
        steps += 1
        step, own_step, decrement = ascent(reduced, free)
        if not np.isfinite(decrement) or (decrement < ROUNDING and decrement >= before):
            converged = decrement < ROUNDING
            break
        length = min(1.0, LONGEST_STEP / max(1e-300, float(np.abs(np.append(step, own_step)).max())))
        value = studies.value.sum()
        for _ in range(halvings):
            trial = advanced(model, point, length * step, length * own_step)
            found, trial_modes = study_likelihoods(model, trial, quadrature, modes)
            if decrement < unjudged or found.value.sum() > value:
                break
            length *= 0.5
        else:
            break
        point, studies, modes, before = trial, found, trial_modes, decrement
        reduced = reduce(model, studies)
        if decrement <= enough:
            converged = True
            break
        if point.spread.size and point.spread.max() > LARGEST_SPREAD:
            break
    return Summit(point, float(studies.value.sum()), studies, reduced, modes, converged, steps)


def ascent(reduced: Reduced, free: BoolArray) -> tuple[FloatArray, FloatArray, float]:
    """A direction of ascent for common and own coefficients, and the gain that it promises, twice."""
    step = np.zeros(free.size)
    index = np.flatnonzero(free)
    if index.size and np.isfinite(reduced.hessian).all():
        scale = np.sqrt(np.maximum(np.abs(np.diag(reduced.hessian)[index]), 1e-300))
        values, vectors = np.linalg.eigh(-reduced.hessian[np.ix_(index, index)] / np.outer(scale, scale))
        values = np.maximum(np.abs(values), 1e-10 * np.abs(values).max())
        step[index] = vectors @ ((vectors.T @ (reduced.gradient[index] / scale)) / values) / scale
    positive = reduced.own_curvature > 0
    own_residual = reduced.own_gradient + reduced.coupling @ step
    own_step = np.where(positive, own_residual / np.where(positive, reduced.own_curvature, 1.0), 0.0)
    own_gain = np.where(positive, reduced.own_gradient**2 / np.where(positive, reduced.own_curvature, 1.0), 0.0).sum()
    return step, own_step, float(reduced.gradient[index] @ step[index] + own_gain)


def advanced(model: CountModel, point: Point, step: FloatArray, own_step: FloatArray) -> Point:
    """The point after a step."""
    p = model.fixed.shape[1]
    return Point(point.fixed + step[:p], np.abs(point.spread + step[p:]), point.local + own_step)


def all_free(model: CountModel) -> BoolArray:
    """Every common parameter free."""
    return np.ones(model.fixed.shape[1] + model.dimensions, dtype=np.bool_)


def coefficients_free(model: CountModel) -> BoolArray:
    """Coefficients free, standard deviations as they are: then the log-likelihood is concave (Prekopa) and its maximum one."""
    return np.asarray(np.arange(model.fixed.shape[1] + model.dimensions) < model.fixed.shape[1])
