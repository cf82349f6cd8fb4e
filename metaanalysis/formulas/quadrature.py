"""Integrals over normally distributed effects: adaptive Gauss-Hermite rules, and a trapezoidal rule where those are slow.

An integral is that of exp(h(z)) against the standard normal density of z, one a study, with log-concave exp(h). Nodes are
(k, n, d): study, node, dimension; log weights are (k, n) and hold the normal density.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import FloatArray

# Beyond this many standard deviations of z from its mode a log-concave integrand has fallen by more than 40 on the log scale.
FARTHEST = 9.0
NEGLIGIBLE = 40.0


class Rule(NamedTuple):
    """Nodes (n, d) and log weights (n) of a product rule for integrals against exp(-|x|^2 / 2)."""

    nodes: FloatArray
    log_weights: FloatArray


class Nodes(NamedTuple):
    """Where each study's integrand is evaluated, (k, n, d), and log weights times the normal density, (k, n)."""

    z: FloatArray
    log_weights: FloatArray


@lru_cache(maxsize=32)
def gauss_hermite(points: int, dimensions: int) -> Rule:
    """The product rule of `points` Gauss-Hermite nodes an axis, scaled for exp(-x^2 / 2) instead of exp(-x^2)."""
    x, w = np.polynomial.hermite.hermgauss(points)
    with np.errstate(divide="ignore"):
        line, log_w = np.sqrt(2.0) * x, np.log(w) + 0.5 * np.log(2.0)
    nodes, log_weights = np.zeros((1, 0)), np.zeros(1)
    for _ in range(dimensions):
        old = nodes.shape[0]
        nodes = np.concatenate([np.repeat(nodes, points, axis=0), np.tile(line, old)[:, np.newaxis]], axis=1)
        log_weights = np.repeat(log_weights, points) + np.tile(log_w, old)
    # A weight that underflows belongs to a node that no sum would notice.
    seen = np.isfinite(log_weights)
    rule = Rule(nodes[seen], log_weights[seen])
    for array in rule:
        array.flags.writeable = False
    return rule


def adaptive_nodes(rule: Rule, mode: FloatArray, root: FloatArray) -> Nodes:
    """The rule moved to each integrand's mode and stretched to its curvature there.

        z = mode + L x,   weight = w exp(|x|^2 / 2) |L| phi(z),   L L' = (minus the second derivative)^-1

    mode: (k, d) of h(z) - |z|^2 / 2; root: (k, d, d) lower triangular L.
    Source: Naylor & Smith (1982); Pinheiro & Bates (1995).
    """
    z = mode[:, np.newaxis, :] + rule.nodes @ np.swapaxes(root, -1, -2)
    log_det = np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(axis=-1)
    own = rule.log_weights + 0.5 * (rule.nodes**2).sum(axis=-1)
    return Nodes(z, own + log_det[:, np.newaxis] + log_normal_density(z))


def trapezoidal_nodes(points: int, low: FloatArray, high: FloatArray) -> Nodes:
    """Equally spaced nodes from low to high, (k,), in one dimension.

    For an analytic integrand that has died away at both ends the error falls geometrically with the number of points,
    however little the integrand looks like a normal density. Source: Trefethen & Weideman (2014).
    """
    fraction = np.linspace(0.0, 1.0, points)
    width = (high - low)[:, np.newaxis]
    z = (low[:, np.newaxis] + width * fraction)[..., np.newaxis]
    return Nodes(z, np.log(width / (points - 1)) + log_normal_density(z))


def log_normal_density(z: FloatArray) -> FloatArray:
    """Log of the standard normal density in d dimensions; z: (..., d). Returns (...)."""
    return np.asarray(-0.5 * (z**2).sum(axis=-1) - 0.5 * z.shape[-1] * np.log(2.0 * np.pi))
