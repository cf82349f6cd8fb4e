"""Location-scale models: y ~ N(X b, v + tau2_i) with tau2_i = link(z_i'a). Likelihood, score and information of a.

Shapes: y, v, tau2 (..., k); X (..., k, p) moderators of the mean; Z (..., k, q) moderators of the variance between studies.
With W = diag 1 / (v + tau2) and P = W - WX (X'WX)^-1 X'W; nothing of size k x k is built.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.weighted import Basis, annihilated, orthonormal_basis
from metaanalysis.registry import Entry, Registry


class Tau2OfPredictor(NamedTuple):
    """tau2 and its first two derivatives by the linear predictor, each (..., k)."""

    tau2: FloatArray
    slope: FloatArray
    bend: FloatArray


# eta = Z a (..., k) -> Tau2OfPredictor
LinkFunction: TypeAlias = Callable[[FloatArray], Tau2OfPredictor]


def log_link(eta: FloatArray) -> Tau2OfPredictor:
    """tau2 = exp(eta): positive whatever the coefficients. eta: (..., k)."""
    tau2 = np.exp(eta)
    return Tau2OfPredictor(tau2, tau2, tau2)


def identity_link(eta: FloatArray) -> Tau2OfPredictor:
    """tau2 = eta, for coefficients that leave no study a negative one. eta: (..., k)."""
    return Tau2OfPredictor(np.maximum(eta, 0.0), np.ones_like(eta), np.zeros_like(eta))


LINKS: Registry[LinkFunction] = Registry(
    "link",
    {
        "log": Entry(log_link, "log link", "viechtbauer2022"),
        "identity": Entry(identity_link, "identity link", "viechtbauer2022"),
    },
)


def log_likelihood_of_variances(
    y: FloatArray, v: FloatArray, X: FloatArray, tau2: FloatArray, restricted: bool
) -> FloatArray:
    """The log-likelihood at a tau2 a study, with b at its weighted least-squares value.

        full:        -1/2 [ k log(2 pi) + sum log(v + tau2) + y'Py ]
        restricted:  -1/2 [ (k - p) log(2 pi) + sum log(v + tau2) + log|X'WX| - log|X'X| + y'Py ]

    y, v, tau2: (..., k); X: (..., k, p). Returns (...).
    Source: Harville (1977); for location-scale models Viechtbauer & Lopez-Lopez (2022).
    """
    k, p = X.shape[-2:]
    total = v + tau2
    w = 1.0 / total
    b = orthonormal_basis(X, w)
    z = annihilated(b.basis, np.sqrt(w) * y)
    value = np.log(total).sum(axis=-1) + (z * z).sum(axis=-1)
    if not restricted:
        return np.asarray(-0.5 * (k * np.log(2.0 * np.pi) + value))
    log_det_xwx = 2.0 * np.log(np.diagonal(b.triangle, axis1=-2, axis2=-1)).sum(axis=-1)
    triangle = np.abs(np.linalg.qr(X, mode="r"))
    log_det_xx = 2.0 * np.log(np.diagonal(triangle, axis1=-2, axis2=-1)).sum(axis=-1)
    return np.asarray(-0.5 * ((k - p) * np.log(2.0 * np.pi) + value + log_det_xwx - log_det_xx))


class Derivatives(NamedTuple):
    """Of the log-likelihood by the scale coefficients a."""

    score: FloatArray  # (..., q)
    expected: FloatArray  # (..., q, q): minus the expected second derivative
    observed: FloatArray  # (..., q, q): minus the second derivative, b following a


def derivatives(
    y: FloatArray, v: FloatArray, X: FloatArray, Z: FloatArray, at: Tau2OfPredictor, restricted: bool
) -> Derivatives:
    """Score and information of the scale coefficients; with t, t' the link's derivatives and u = Py,

        score     1/2 sum t_i z_i (u_i^2 - d_i),   d_i = P_ii (restricted) or w_i (full)
        expected  1/2 sum over i, j of t_i t_j D_ij z_i z_j',   D_ij = P_ij^2 (restricted) or w_i^2 for i = j (full)
        observed  sum over i, j of t_i t_j u_i u_j P_ij z_i z_j' - expected - 1/2 sum t'_i (u_i^2 - d_i) z_i z_i'

    as dP/dtau2_j = -P e_j e_j' P. y, v: (..., k); X: (..., k, p); Z: (..., k, q).
    """
    w, b, u, d = projected(y, v, X, at.tau2, restricted)
    excess = u * u - d
    score = 0.5 * np.einsum("...k,...kq->...q", at.slope * excess, Z)
    share = at.slope * w
    expected = 0.5 * (squared_pairs(share, Z, b) if restricted else gram(Z, share * share))
    # Column by column, the part of sqrt(W) diag(t u) Z that the mean's moderators leave.
    columns = np.swapaxes((np.sqrt(w) * at.slope * u)[..., np.newaxis] * Z, -1, -2)
    left = annihilated(b.basis[..., np.newaxis, :, :], columns)
    crossed = left @ np.swapaxes(left, -1, -2)
    return Derivatives(score, expected, crossed - expected - 0.5 * gram(Z, at.bend * excess))


def projected(
    y: FloatArray, v: FloatArray, X: FloatArray, tau2: FloatArray, restricted: bool
) -> tuple[FloatArray, Basis, FloatArray, FloatArray]:
    """The weights w, the basis of sqrt(W) X, u = Py and d, the diagonal of P (restricted) or W (full).

    Half of u^2 - d is the derivative of the log-likelihood by the studies' tau2. y, v, tau2: (..., k); X: (..., k, p).
    """
    w = 1.0 / (v + tau2)
    root = np.sqrt(w)
    b = orthonormal_basis(X, w)
    u = root * annihilated(b.basis, root * y)
    return w, b, u, w * b.complements if restricted else w


def gram(Z: FloatArray, weights: FloatArray) -> FloatArray:
    """Sum of weights_i z_i z_i'. Z: (..., k, q); weights: (..., k). Returns (..., q, q)."""
    return np.asarray(np.einsum("...ka,...k,...kb->...ab", Z, weights, Z))


def squared_pairs(s: FloatArray, Z: FloatArray, b: Basis) -> FloatArray:
    """Sum over i, j of s_i s_j M_ij^2 z_i z_j', where M = I - BB'.

        i = j: (1 - h_i)^2;   i != j: (B_i . B_j)^2 = (B_i x B_i) . (B_j x B_j),   x the Kronecker product

    so that the sum over all pairs is F F' with F = sum s_i z_i (B_i x B_i)'. Pairs with a study of large leverage are counted
    one by one, for in the difference between all pairs and i = j they would cancel.
    s: (..., k); Z: (..., k, q). Returns (..., q, q).
    """
    light = np.broadcast_to(s, b.leverages.shape).copy()
    np.put_along_axis(light, b.heavy, 0.0, axis=-1)
    f = np.einsum("...kq,...ka,...kb->...qab", light[..., np.newaxis] * Z, b.basis, b.basis)
    pairs = np.einsum("...qab,...rab->...qr", f, f) - gram(Z, (light * b.leverages) ** 2)
    squares = b.products**2
    heavy_s = np.take_along_axis(np.broadcast_to(s, b.leverages.shape), b.heavy, axis=-1)
    heavy_z = np.take_along_axis(
        np.broadcast_to(Z, (*b.leverages.shape, Z.shape[-1])), b.heavy[..., np.newaxis], axis=-2
    )
    ends = heavy_s[..., np.newaxis] * heavy_z
    one_way = np.einsum("...kq,...kn,...nr->...qr", light[..., np.newaxis] * Z, squares, ends)
    # A pair of heavy studies is met from both its ends, one of a light and a heavy study from the heavy end alone.
    both_heavy = np.einsum("...kq,...kn,...nr->...qr", (s - light)[..., np.newaxis] * Z, squares, ends)
    return np.asarray(gram(Z, (s * b.complements) ** 2) + pairs + one_way + np.swapaxes(one_way, -1, -2) + both_heavy)
