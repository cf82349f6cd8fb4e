"""The distribution of the generalised Q: a weighted sum of squares of normal variables, without its eigenvalues.

Q = y'Py with P = A - aX (X'AX)^-1 X'a and var(y) = diag(s), s = v + tau2. Its moment generating function is

    M(z) = det(I - 2z S P)^(-1/2)
         = prod (1 - 2z s a)^(-1/2)  det(I + 2z B'D B)^(-1/2),   D = diag(s a / (1 - 2z s a)), B orthonormal for sqrt(A) X

by the determinant lemma: O(k p^2) a point, nothing of size k x k.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaanalysis.formulas.arrays import FloatArray

ComplexArray = npt.NDArray[np.complex128]

# The trapezoid rule on the contour converges geometrically: its error is about exp(-2 pi / STEP), for the pole at 0 is a unit or
# more from the contour. Long contours have up to NODES steps.
STEP = 0.1
NODES = 800
# Points at which the saddle point is sought first, and numbers in one temporary array.
TRIALS = 119
BLOCK = 60_000


def orthonormal_basis(a: FloatArray, X: FloatArray | None) -> FloatArray:
    """B (k, p), orthonormal columns that span sqrt(a) X; a: (k,)."""
    root = np.sqrt(a)
    if X is None:
        return np.asarray((root / np.sqrt(a.sum()))[:, np.newaxis])
    return np.asarray(np.linalg.qr(root[:, np.newaxis] * X)[0])


def log_moment_generating_function(z: ComplexArray, d: FloatArray, basis: FloatArray) -> ComplexArray:
    """Ln M at points z (m, n), none of them real and beyond the first pole; d = s a: (m, k); basis: (k, p)."""
    factors = 1.0 - 2.0 * z[..., np.newaxis] * d[:, np.newaxis]
    small = 2.0 * z[..., np.newaxis] * (d[:, np.newaxis] / factors)
    p = basis.shape[1]
    # The determinant's argument stays within a quarter turn a coefficient: the logs of the eigenvalues are continuous.
    if p == 1:
        rest = np.log(1.0 + small @ (basis[:, 0] ** 2))
    else:
        rest = np.log(np.linalg.eigvals(np.eye(p) + np.einsum("kp,mnk,kq->mnpq", basis, small, basis))).sum(axis=-1)
    return np.asarray(-0.5 * (np.log(factors).sum(axis=-1) + rest))


def log_moments_on_the_axis(z: FloatArray, d: FloatArray, basis: FloatArray) -> FloatArray:
    """Its real part for real z, beyond poles too."""
    with np.errstate(invalid="ignore", divide="ignore"):
        factors = 1.0 - 2.0 * z[..., np.newaxis] * d[:, np.newaxis]
        small = 2.0 * z[..., np.newaxis] * (d[:, np.newaxis] / factors)
        p = basis.shape[1]
        if p == 1:
            rest = np.log(np.abs(1.0 + small @ (basis[:, 0] ** 2)))
        else:
            rest = np.linalg.slogdet(np.eye(p) + np.einsum("kp,mnk,kq->mnpq", basis, small, basis))[1]
        return np.asarray(-0.5 * (np.log(np.abs(factors)).sum(axis=-1) + rest))


def upper_tail(q: float, d: FloatArray, basis: FloatArray) -> float:
    """P(Q > q). q: a number; d = s a: (k,); basis: (k, p)."""
    return float(upper_tails(np.array([q]), d[np.newaxis], basis)[0])


def upper_tails(q: FloatArray, d: FloatArray, basis: FloatArray) -> FloatArray:
    """P(Q > q), by inverting the moment generating function along a contour that closes exponentially fast.

        P(Q > q) = 1/(2 pi i) int M(z) exp(-z q) / z dz

    The contour crosses the real axis at the saddle point and bends to the right, where exp(-zq) dies out, around the
    poles of M. q: (m,); d = s a: (m, k); basis: (k, p). Returns (m,).
    Source: the inversion formula of Gil-Pelaez (1951), on a deformed contour as in Rice (1980).
    """
    tail = np.ones(q.shape)
    positive = np.flatnonzero(q > 0)
    size = max(1, BLOCK // (TRIALS * d.shape[1]))
    for first in range(0, positive.size, size):
        part = positive[first : first + size]
        scale = d[part].max(axis=1)
        tail[part] = tails_of_positive(q[part] / scale, d[part] / scale[:, np.newaxis], basis)
    return tail


def tails_of_positive(q: FloatArray, d: FloatArray, basis: FloatArray) -> FloatArray:
    """The same for q > 0 and the largest d 1."""
    # Above the mean the saddle lies right of 0 (upper tail), below it left of 0 (minus the lower tail).
    upper = q >= (d * (1.0 - (basis**2).sum(axis=1))).sum(axis=1)
    saddle = saddle_points(q, d, basis, upper)[:, np.newaxis]
    h = 1e-4 * np.maximum(np.abs(saddle), 1e-6)
    near = saddle + h * np.array([-1.0, 0.0, 1.0])
    bottom = log_moments_on_the_axis(near, d, basis) - np.log(np.abs(near))
    q = q[:, np.newaxis]
    curvature = np.maximum((bottom @ np.array([1.0, -2.0, 1.0]))[:, np.newaxis] / h**2, q * q * 1e-6)
    width = 1.0 / np.sqrt(curvature)
    bend = 0.25 * width
    # z = saddle + q-scaled parabola; u runs over the half line, the other half is its mirror image.
    end = np.maximum(12.0, np.sqrt(80.0 / np.maximum(q * bend, 1e-3)))
    nodes = min(int(np.ceil(end.max() / STEP)), NODES)
    u = (np.arange(nodes) + 0.5) * (end / nodes)
    z = saddle + bend * u**2 + 1j * width * u
    value = np.exp(log_moment_generating_function(z, d, basis) - z * q) / z * (2.0 * bend * u + 1j * width)
    integral = np.imag(value.sum(axis=1)) * (end[:, 0] / nodes) / np.pi
    return np.asarray(np.clip(np.where(upper, integral, 1.0 + integral), 0.0, 1.0))


def saddle_points(q: FloatArray, d: FloatArray, basis: FloatArray, upper: npt.NDArray[np.bool_]) -> FloatArray:
    """The minima of ln M(z) - zq - ln|z| on (0, pole) or on (-infinity, 0): near enough, for the contour need not cross there."""
    # Log-spaced trial points first: the function is convex, so the best one and its neighbours hold the minimum.
    right = np.concatenate([np.geomspace(1e-9, 0.25, 60), 0.5 - np.geomspace(0.25, 1e-9, TRIALS - 59)[1:]])
    left = -np.geomspace(1e6, 1e-9, TRIALS)
    trial = np.where(upper[:, np.newaxis], right, left)
    everyone = np.arange(q.size)
    for points in (20, 20, 0):
        value = log_moments_on_the_axis(trial, d, basis) - trial * q[:, np.newaxis] - np.log(np.abs(trial))
        at = np.argmin(np.where(np.isfinite(value), value, np.inf), axis=1)
        if points:
            low, high = trial[everyone, np.maximum(at - 1, 0)], trial[everyone, np.minimum(at + 1, trial.shape[1] - 1)]
            trial = low[:, np.newaxis] + (high - low)[:, np.newaxis] * np.linspace(0.0, 1.0, points)
    return np.asarray(trial[everyone, at])
