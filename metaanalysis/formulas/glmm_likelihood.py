"""The likelihood of a generalised linear mixed model for counts, with its gradient and Hessian, study by study.

A study has one or two arms. The linear predictor of arm j is linear in everything, given standard normal z:

    eta_j = sum_p F[j, p] b_p + sum_d R[j, d] s_d z_d + L[j] a

b: coefficients common to the studies; s: standard deviations of random effects; a: the study's own coefficient (its fixed
effect), if the model has one. The study's likelihood is the integral of the product of its arms' probabilities over z.
Derivatives of the log of an integral are moments under the integrand, normalised (Louis 1982):

    gradient = E[g],   Hessian = E[H] + Cov[g],   g, H: derivatives of the log integrand at fixed z.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.glmm_families import Family, Terms
from metaanalysis.formulas.quadrature import (
    FARTHEST,
    NEGLIGIBLE,
    Nodes,
    adaptive_nodes,
    gauss_hermite,
    trapezoidal_nodes,
)

MODE_ITERATIONS = 100
# Squared distance from the mode, in units of the curvature there, at which nodes need be no nearer.
MODE_TOLERANCE = 1e-18
BISECTIONS = 12


@dataclass(frozen=True, eq=False)
class CountModel:
    """Arms and how they depend on coefficients: fixed F (arms, p), random R (arms, d), local L (arms,) or None."""

    arms: tuple[Family, ...]
    fixed: FloatArray
    random: FloatArray
    local: FloatArray | None = None

    @property
    def dimensions(self) -> int:
        """How many random effects a study has."""
        return int(self.random.shape[1])


class Point(NamedTuple):
    """Parameters: coefficients (p,), standard deviations (d,) and the studies' own coefficients (k,), zeros without."""

    fixed: FloatArray
    spread: FloatArray
    local: FloatArray


class Quadrature(NamedTuple):
    """Which rule, ``gauss-hermite`` or ``trapezoid``, and how many points an axis."""

    rule: str
    points: int


class Studies(NamedTuple):
    """Log-likelihoods (k,), gradients (k, P) and Hessians (k, P, P); P: coefficients, standard deviations, own coefficient."""

    value: FloatArray
    gradient: FloatArray
    hessian: FloatArray


def study_likelihoods(
    model: CountModel, point: Point, quadrature: Quadrature, start: FloatArray
) -> tuple[Studies, FloatArray]:
    """Every study's log-likelihood and derivatives, and the modes (k, d) of the integrands; start: where to seek these."""
    mode, root = latent_modes(model, point, start)
    nodes = place_nodes(model, point, quadrature, mode, root)
    arms = arm_terms(model, point, nodes.z)
    log_integrand = sum((arm.log_probability for arm in arms), start=nodes.log_weights)
    top = log_integrand.max(axis=-1)
    weight = np.exp(log_integrand - top[:, np.newaxis])
    total = weight.sum(axis=-1)
    weight /= total[:, np.newaxis]
    gradient, hessian = posterior_derivatives(model, arms, nodes.z, weight)
    return Studies(top + np.log(total), gradient, hessian), mode


def posterior_derivatives(
    model: CountModel, arms: list[Terms], z: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """E[g] (k, P) and E[H] + Cov[g] (k, P, P) from the arms' terms at z (k, n, d) with probabilities `weight` (k, n)."""
    k, n, d = z.shape
    p = model.fixed.shape[1]
    size = p + d + (0 if model.local is None else 1)
    g = np.zeros((k, n, size))
    curvature = np.zeros((k, size, size))
    for j, arm in enumerate(arms):
        design = np.empty((k, n, size))
        design[..., :p] = model.fixed[j]
        design[..., p : p + d] = model.random[j] * z
        if model.local is not None:
            design[..., -1] = model.local[j]
        g += design * arm.residual[..., np.newaxis]
        curvature += np.swapaxes(design, -1, -2) @ (design * (weight * arm.variance)[..., np.newaxis])
    mean = (weight[:, np.newaxis, :] @ g)[:, 0, :]
    g -= mean[:, np.newaxis, :]
    covariance = np.swapaxes(g, -1, -2) @ (g * weight[..., np.newaxis])
    return mean, covariance - curvature


def arm_terms(model: CountModel, point: Point, z: FloatArray) -> list[Terms]:
    """Every arm's log probability and its derivatives at z (k, n, d)."""
    answer = []
    for j, arm in enumerate(model.arms):
        eta = z @ (model.random[j] * point.spread) + model.fixed[j] @ point.fixed
        if model.local is not None:
            eta = eta + model.local[j] * point.local[:, np.newaxis]
        answer.append(arm.terms(eta))
    return answer


def log_integrand_at(model: CountModel, point: Point, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """h(z) - |z|^2 / 2 (k,), its gradient (k, d) and minus its Hessian (k, d, d), at one z (k, d) a study."""
    value = -0.5 * (z**2).sum(axis=-1)
    gradient = -z
    curvature = np.tile(np.eye(z.shape[1]), (z.shape[0], 1, 1))
    for j, arm in enumerate(arm_terms(model, point, z[:, np.newaxis, :])):
        slope = model.random[j] * point.spread
        value = value + arm.log_probability[:, 0]
        gradient = gradient + arm.residual * slope
        curvature = curvature + arm.variance[:, :, np.newaxis] * np.outer(slope, slope)
    return value, gradient, curvature


def latent_modes(model: CountModel, point: Point, start: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The modes (k, d) of the integrands, by Newton's method, and L (k, d, d) with L L' = (minus their Hessians)^-1.

    The log integrand is concave with a curvature of at least 1; a step is halved where it would lead downhill.
    """
    z = start
    value, gradient, curvature = log_integrand_at(model, point, z)
    for _ in range(MODE_ITERATIONS):
        step = np.linalg.solve(curvature, gradient[..., np.newaxis])[..., 0]
        decrement = (gradient * step).sum(axis=-1)
        moving = decrement > MODE_TOLERANCE
        if not moving.any():
            break
        length = np.where(moving, 1.0, 0.0)
        for _ in range(60):
            trial = z + length[:, np.newaxis] * step
            found = log_integrand_at(model, point, trial)
            worse = found[0] < value - 1e-12 * (1.0 + np.abs(value))
            if not worse.any():
                break
            length = np.where(worse, 0.5 * length, length)
        z, (value, gradient, curvature) = trial, found
    eye = np.broadcast_to(np.eye(z.shape[1]), curvature.shape)
    return z, np.linalg.cholesky(np.linalg.solve(curvature, eye))


def place_nodes(model: CountModel, point: Point, quadrature: Quadrature, mode: FloatArray, root: FloatArray) -> Nodes:
    """The nodes of the rule asked for; a model without random effects has one, of weight 1."""
    if quadrature.rule == "gauss-hermite" or model.dimensions == 0:
        return adaptive_nodes(gauss_hermite(quadrature.points, model.dimensions), mode, root)
    ends = [integrand_end(model, point, mode, side) for side in (-1.0, 1.0)]
    return trapezoidal_nodes(quadrature.points, ends[0], ends[1])


def integrand_end(model: CountModel, point: Point, mode: FloatArray, side: float) -> FloatArray:
    """Where, on one side of the mode, each one-dimensional integrand has become negligible; (k,)."""
    top = log_integrand_at(model, point, mode)[0]
    near, far = np.zeros(mode.shape[0]), np.full(mode.shape[0], FARTHEST)
    for _ in range(BISECTIONS):
        middle = 0.5 * (near + far)
        value = log_integrand_at(model, point, mode + side * middle[:, np.newaxis])[0]
        gone = top - value > NEGLIGIBLE
        near, far = np.where(gone, near, middle), np.where(gone, middle, far)
    return np.asarray(mode[:, 0] + side * far)
