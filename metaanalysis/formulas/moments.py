"""Quadratic forms and traces of P = W - WX (X'WX)^-1 X'W at a trial tau2: what every estimator of tau2 is made of.

Nothing of size k x k is built: with an orthonormal basis B of sqrt(W) X, all of them are sums over studies and p x p matrices.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.weighted import annihilated, dot, dot3, inverse_variance_weights, orthonormal_basis


class Moments(NamedTuple):
    """At weights w = 1 / (v + tau2), each of shape (...)."""

    q: FloatArray  # y'Py, the generalised Q
    yppy: FloatArray  # y'PPy
    ypppy: FloatArray  # y'PPPy
    trace_p: FloatArray  # tr P
    trace_pp: FloatArray  # tr PP
    trace_w: FloatArray  # tr W
    trace_ww: FloatArray  # tr WW
    log_det_xwx: FloatArray  # log |X'WX|


class ScoreMoments(NamedTuple):
    """Of the moments those that the score, its slope and the proofs of one maximum are made of; (...) each."""

    q: FloatArray
    yppy: FloatArray
    ypppy: FloatArray
    trace_p: FloatArray
    trace_pp: FloatArray
    trace_w: FloatArray
    trace_ww: FloatArray


class FewMoments(NamedTuple):
    """Of the moments those that equations of Q are solved by; (...) each."""

    q: FloatArray
    yppy: FloatArray
    trace_p: FloatArray
    trace_w: FloatArray


class QMoments(NamedTuple):
    """Of the moments those that estimators by the method of moments, Q and I2 are made of; (...) each."""

    q: FloatArray
    trace_p: FloatArray
    trace_w: FloatArray


def moments_of_mean(e: FloatArray, w: FloatArray) -> Moments:
    """For the mean alone; e, w: (..., k) with the anchor first (see `problems.problems`)."""
    m = score_moments_of_mean(e, w)
    return Moments(*m, np.log(m.trace_w))


def score_moments_of_mean(e: FloatArray, w: FloatArray) -> ScoreMoments:
    """For the mean alone; e, w: (..., k) with the anchor first (see `problems.problems`).

        P_ij = w_i (1 - h_i) for i = j, -w_i w_j / sum(w) otherwise,   h = w / sum(w)

    A study with nearly all of the weight is the anchor: 1 - h does not cancel for the others, and is a sum over them for it.
    """
    first, others = w[..., 0], w[..., 1:]
    rest = others.sum(axis=-1)
    total = first + rest
    over = 1.0 / total
    r = e - (dot(w, e) * over)[..., np.newaxis]
    q = dot3(w, r, r)
    # Each in the memory of the one before, which has done its work.
    u = np.multiply(w, r, out=r)
    yppy = dot(u, u)
    spread = np.subtract(u, (dot(w, u) * over)[..., np.newaxis], out=u)
    rest2, rest3 = dot(others, others), dot3(others, others, others)
    anchor, first2, share = first * rest * over, first * first, rest2 * over
    return ScoreMoments(
        q=q,
        yppy=yppy,
        ypppy=dot3(w, spread, spread),
        trace_p=anchor + rest - share,
        # The diagonal's squares and twice the pairs' above it; the sums of w^4 in both of them cancel exactly.
        trace_pp=anchor * anchor + rest2 + over * (share * (2.0 * first2 + rest2) - 2.0 * rest3),
        trace_w=total,
        trace_ww=first2 + rest2,
    )


def traces_of_mean(w: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The traces of P and of W for the mean alone; w: (..., k) with the anchor first."""
    first, others = w[..., 0], w[..., 1:]
    rest = others.sum(axis=-1)
    total = first + rest
    return first * rest / total + rest - dot(others, others) / total, total


def few_moments_of_mean(e: FloatArray, w: FloatArray) -> FewMoments:
    """For the mean alone, in half the time of all; e, w: (..., k) with the anchor first."""
    trace_p, total = traces_of_mean(w)
    r = e - (dot(w, e) / total)[..., np.newaxis]
    u = w * r
    return FewMoments(dot(u, r), dot(u, u), trace_p, total)


def q_moments_of_mean(e: FloatArray, w: FloatArray) -> QMoments:
    """For the mean alone, in a third of the time of all; e, w: (..., k) with the anchor first."""
    trace_p, total = traces_of_mean(w)
    r = e - (dot(w, e) / total)[..., np.newaxis]
    return QMoments(dot3(w, r, r), trace_p, total)


def score_of_mean(e: FloatArray, w: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of the moments above only y'PPy, tr P and tr W, for the many points of a scan. e, w: (..., k), anchor first."""
    trace_p, total = traces_of_mean(w)
    u = w * (e - (dot(w, e) / total)[..., np.newaxis])
    return dot(u, u), trace_p, total


def q_of_mean(e: FloatArray, w: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Of the moments above only Q and y'PPy, by which Q falls as tau2 grows. e, w: (..., k), anchor first."""
    r = e - (dot(w, e) / w.sum(axis=-1))[..., np.newaxis]
    u = w * r
    return dot(u, r), dot(u, u)


def moments_of_regression(y: FloatArray, w: FloatArray, X: FloatArray) -> Moments:
    """For a design X (..., k, p); y, w: (..., k).

    With B orthonormal for sqrt(W) X and M = I - BB', P = sqrt(W) M sqrt(W), and

        tr P = sum w (1 - h),   tr PP = sum w^2 (1 - h)^2 + sum over i != j of w_i w_j (B_i . B_j)^2,   h_i = B_i . B_i

    The pairs' sum is ||B'WB||^2 - sum (w h)^2; pairs with a study of large leverage are counted one by one, for in the
    difference they would cancel.
    """
    root = np.sqrt(w)
    b = orthonormal_basis(X, w)
    z = annihilated(b.basis, root * np.where(w > 0, y, 0.0))
    u = root * z
    mu = annihilated(b.basis, root * u)
    diagonal = w * b.complements
    light = w.copy()
    np.put_along_axis(light, b.heavy, 0.0, axis=-1)
    inner = np.einsum("...kp,...k,...kq->...pq", b.basis, light, b.basis)
    light_pairs = (inner * inner).sum(axis=(-1, -2)) - ((light * b.leverages) ** 2).sum(axis=-1)
    # A pair of a heavy and a light study is met once here and counts twice; a pair of heavy ones is met twice.
    with_heavy = np.einsum("...k,...kn->...n", w + light, b.products**2)
    heavy_pairs = (np.take_along_axis(w, b.heavy, axis=-1) * with_heavy).sum(axis=-1)
    return Moments(
        q=(z * z).sum(axis=-1),
        yppy=(u * u).sum(axis=-1),
        ypppy=(mu * mu).sum(axis=-1),
        trace_p=diagonal.sum(axis=-1),
        trace_pp=(diagonal * diagonal).sum(axis=-1) + np.maximum(light_pairs, 0.0) + heavy_pairs,
        trace_w=w.sum(axis=-1),
        trace_ww=(w * w).sum(axis=-1),
        log_det_xwx=2.0 * np.log(np.diagonal(b.triangle, axis1=-2, axis2=-1)).sum(axis=-1),
    )


def moments_of_known_mean(e: FloatArray, w: FloatArray) -> Moments:
    """With no coefficient to estimate, P = W; e: (..., k), deviations from the known mean."""
    u = w * e
    w2 = w * w
    total = w.sum(axis=-1)
    squares = w2.sum(axis=-1)
    return Moments(
        q=(u * e).sum(axis=-1),
        yppy=(u * u).sum(axis=-1),
        ypppy=(w * u * u).sum(axis=-1),
        trace_p=total,
        trace_pp=squares,
        trace_w=total,
        trace_ww=squares,
        log_det_xwx=np.zeros_like(total),
    )


def moments(y: FloatArray, v: FloatArray, tau2: FloatArray, X: FloatArray | None) -> Moments:
    """The moments at tau2 (...); for the mean (X None) y and v are anchored. X without columns: y are deviations."""
    w = inverse_variance_weights(v, tau2)
    if X is not None and X.shape[-1] == 0:
        return moments_of_known_mean(y, w)
    return moments_of_mean(y, w) if X is None else moments_of_regression(y, w, X)


def score_moments(
    y: FloatArray, v: FloatArray, tau2: FloatArray | float, X: FloatArray | None
) -> ScoreMoments | Moments:
    """As `moments`; for the mean (X None) only those that likelihoods are climbed by."""
    if X is None:
        return score_moments_of_mean(y, inverse_variance_weights(v, tau2))
    return moments(y, v, np.broadcast_to(np.asarray(tau2), v.shape[:-1]), X)


def q_and_its_fall(
    y: FloatArray, v: FloatArray, tau2: FloatArray | float, X: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Q and y'PPy, minus its derivative, at tau2 (...); for the mean (X None) y and v are anchored."""
    if X is None:
        return q_of_mean(y, inverse_variance_weights(v, tau2))
    m = moments(y, v, np.broadcast_to(np.asarray(tau2), v.shape[:-1]), X)
    return m.q, m.yppy
