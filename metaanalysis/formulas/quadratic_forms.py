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

# Nodes on each half of the contour; the trapezoid rule on it converges geometrically, and these give 1e-12.
NODES = 200


def orthonormal_basis(a: FloatArray, X: FloatArray | None) -> FloatArray:
    """B (k, p), orthonormal columns that span sqrt(a) X; a: (k,)."""
    root = np.sqrt(a)
    if X is None:
        return np.asarray((root / np.sqrt(a.sum()))[:, np.newaxis])
    return np.asarray(np.linalg.qr(root[:, np.newaxis] * X)[0])


def log_moment_generating_function(z: ComplexArray, d: FloatArray, basis: FloatArray) -> ComplexArray:
    """Ln M at points z (n,), none of them real and beyond the first pole; d = s a: (k,); basis: (k, p)."""
    factors = 1.0 - 2.0 * z[:, np.newaxis] * d
    small = 2.0 * z[:, np.newaxis] * (d / factors)
    inner = np.einsum("kp,nk,kq->npq", basis, small, basis)
    p = basis.shape[1]
    # The determinant's argument stays within a quarter turn a coefficient: the logs of the eigenvalues are continuous.
    eigenvalues = np.linalg.eigvals(np.eye(p) + inner) if p > 1 else (1.0 + inner[:, 0, 0])[:, np.newaxis]
    total = np.log(factors).sum(axis=1) + np.log(eigenvalues).sum(axis=1)
    return np.asarray(-0.5 * total)


def upper_tail(q: float, d: FloatArray, basis: FloatArray) -> float:
    """P(Q > q), by inverting the moment generating function along a contour that closes exponentially fast.

        P(Q > q) = 1/(2 pi i) int M(z) exp(-z q) / z dz

    The contour crosses the real axis at the saddle point and bends to the right, where exp(-zq) dies out, around the
    poles of M. q: a number; d: (k,); basis: (k, p).
    Source: the inversion formula of Gil-Pelaez (1951), on a deformed contour as in Rice (1980).
    """
    if q <= 0:
        return 1.0
    scale = float(d.max())
    d, q = d / scale, q / scale
    # Above the mean the saddle lies right of 0 (upper tail), below it left of 0 (minus the lower tail).
    mean = float((d * (1.0 - (basis**2).sum(axis=1))).sum())
    upper = q >= mean
    saddle = saddle_point(q, d, basis, upper)
    h = 1e-4 * max(abs(saddle), 1e-6)
    real = np.array([saddle - h, saddle, saddle + h], dtype=np.complex128)
    k3 = np.real(log_moment_generating_function(real, d, basis) - np.log(np.abs(real)))
    curvature = max(float((k3[0] - 2 * k3[1] + k3[2]) / h**2), q * q * 1e-6)
    width = 1.0 / np.sqrt(curvature)
    # z = saddle + q-scaled parabola; u runs over the half line, the other half is its mirror image.
    bend = 0.25 * width
    t_max = max(12.0, np.sqrt(80.0 / max(q * bend, 1e-3)))
    u = (np.arange(NODES * 4) + 0.5) * (t_max / (NODES * 4))
    z = saddle + bend * u**2 + 1j * width * u
    dz = 2.0 * bend * u + 1j * width
    exponent = log_moment_generating_function(z, d, basis) - z * q
    value = np.exp(exponent) / z * dz
    integral = float(np.imag(value.sum()) * (t_max / (NODES * 4)) / np.pi)
    return min(max(integral if upper else 1.0 + integral, 0.0), 1.0)


def saddle_point(q: float, d: FloatArray, basis: FloatArray, upper: bool) -> float:
    """The minimum of ln M(z) - zq - ln|z| on (0, pole) or on (-infinity, 0), by golden section."""
    low, high = (1e-9, 0.5 - 1e-9) if upper else (-1e6, -1e-9)

    def objective(z: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore", divide="ignore"):
            value = np.real(log_moment_generating_function(z.astype(np.complex128), d, basis))
        return np.asarray(value - z * q - np.log(np.abs(z)))

    # Log-spaced trial points first: the function is convex, so the best one and its neighbours hold the minimum.
    trial = np.concatenate([np.geomspace(1e-9, 0.25, 60), 0.5 - np.geomspace(0.25, 1e-9, 60)[1:]])
    if not upper:
        trial = -np.geomspace(1e6, 1e-9, 120)
    for _ in range(3):
        values = np.where(np.isfinite(objective(trial)), objective(trial), np.inf)
        at = int(np.argmin(values))
        low, high = float(trial[max(at - 1, 0)]), float(trial[min(at + 1, trial.size - 1)])
        trial = np.linspace(low, high, 30)
    return float(trial[int(np.argmin(objective(trial)))])
