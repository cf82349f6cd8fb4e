"""Weighted least squares: the one linear fit beneath every model.

Shapes throughout: y, w (..., k); X (..., k, p), or None for the mean alone (p = 1). A study of weight 0, which is a study
of infinite variance, takes part in nothing and is not counted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray


class WeightedFit(NamedTuple):
    """A weighted least-squares fit; `covariance` is (X'WX)^-1, right where the weights are inverse variances."""

    coefficients: FloatArray  # (..., p)
    covariance: FloatArray  # (..., p, p)
    residuals: FloatArray  # (..., k)
    leverages: FloatArray  # (..., k)
    complements: FloatArray  # (..., k): 1 - leverage, without the cancellation
    q: FloatArray  # (...): the weighted sum of squared residuals


def inverse_variance_weights(v: FloatArray, tau2: FloatArray | float = 0.0) -> FloatArray:
    """W = 1 / (v + tau2); 0 for an infinite variance. v: (..., k); tau2: (...)."""
    if isinstance(tau2, float | int):
        return 1.0 / (v + tau2) if tau2 else 1.0 / v
    w = v + np.asarray(tau2, dtype=np.float64)[..., np.newaxis]
    # (np.reciprocal takes twice the time of a division.)
    return np.divide(1.0, w, out=w)


# Longer rows are summed without BLAS, which would share them out among threads: that costs more than it saves.
BLAS_MOST = 4096


def dot(a: FloatArray, b: FloatArray) -> FloatArray:
    """The sum over the studies of a b. a, b: (..., k). Returns (...)."""
    return np.vecdot(a, b) if a.size < BLAS_MOST else np.asarray(np.einsum("...k,...k->...", a, b))


def dot3(a: FloatArray, b: FloatArray, c: FloatArray) -> FloatArray:
    """The sum over the studies of a b c. a, b, c: (..., k). Returns (...)."""
    return np.vecdot(a * b, c) if a.size < BLAS_MOST else np.asarray(np.einsum("...k,...k,...k->...", a, b, c))


def count(w: FloatArray | BoolArray) -> FloatArray:
    """k, the number of studies that carry weight. w: (..., k). Returns (...)."""
    if w.all():
        return np.full(w.shape[:-1], float(w.shape[-1]))
    return np.asarray(np.count_nonzero(w, axis=-1), dtype=np.float64)


def residual_df(w: FloatArray | BoolArray, X: FloatArray | None) -> FloatArray:
    """K - p. Returns (...)."""
    return count(w) - (1 if X is None else X.shape[-1])


# Of fewer numbers, or with more studies than a byte can count, argmin is asked.
ARGMIN_MOST, BYTE = 4096, 255


def lie_study_by_study(a: FloatArray | BoolArray) -> bool:
    """Whether problems (n, k) lie in memory one study of all of them after the other, as blocks of many do."""
    return bool(a.flags.f_contiguous and not a.flags.c_contiguous)


def smallest(a: FloatArray) -> IntArray:
    """Where the smallest of each row is. a: (n, k). Returns (n,)."""
    n, k = a.shape
    if a.size < ARGMIN_MOST or k > BYTE or not lie_study_by_study(a):
        return np.asarray(a.argmin(axis=-1), dtype=np.intp)
    # argmin walks across the memory: 3.7 ns a number for k = 10. Comparing whole columns and counting in bytes takes 0.9.
    least = a.min(axis=-1)
    is_least = a == least[:, np.newaxis]
    # Where two are equal, or something is NaN, their places can't be added up.
    if np.count_nonzero(is_least) != n or np.isnan(least).any():
        return np.asarray(a.argmin(axis=-1), dtype=np.intp)
    return np.asarray(np.einsum("nk,k->n", is_least.view(np.uint8), np.arange(k, dtype=np.uint8)), dtype=np.intp)


def anchored(y: FloatArray, v: FloatArray, everyone: bool | None = None) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The studies with the most precise one in front, effects counted from its own, and its own effect.

    Sums over the rest then never cancel against the one that dominates: y + 1e8 and variance ratios of 1e12 lose nothing.
    y, v: (n, k); everyone: whether no variance is infinite, where it is known. Returns e = y - y_anchor and v, both with the
    anchor at index 0, and y_anchor (n,).
    """
    n = len(v)
    each, at = np.arange(n), smallest(v)
    in_line = lie_study_by_study(v) and lie_study_by_study(y)
    # One index into the memory is half as dear as two into the axes.
    places = at * n + each if in_line else at
    anchor = y.T.reshape(-1).take(places) if in_line else y[each, at]
    e = y - anchor[:, np.newaxis]
    if not everyone:
        np.copyto(e, 0.0, where=np.isinf(v))
    if at.any():
        # A copy in the order of the memory: blocks of many problems lie study by study.
        v = v.copy(order="K")
        if in_line:
            flat_e, flat_v = e.T.reshape(-1), v.T.reshape(-1)
            front = flat_v.take(places)
            flat_e[places], flat_v[places] = e[:, 0], v[:, 0]
        else:
            front = v[each, at]
            e[each, at], v[each, at] = e[:, 0], v[:, 0]
        e[:, 0], v[:, 0] = 0.0, front
    return e, v, anchor


def anchor_first(y: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """As `anchored`, without the anchor's effect, for any shape. y, v: (..., k)."""
    shape = v.shape
    e, v, _ = anchored(y.reshape(-1, shape[-1]), v.reshape(-1, shape[-1]))
    return e.reshape(shape), v.reshape(shape)


class MeanFit(NamedTuple):
    """Of a `WeightedFit` of the mean what most tests and intervals are made of."""

    coefficients: FloatArray  # (n, 1)
    covariance: FloatArray  # (n, 1, 1)
    q: FloatArray  # (n,): NaN where it was not asked for


def mean_of_anchored(e: FloatArray, w: FloatArray, anchor: FloatArray, with_q: bool) -> MeanFit:
    """As `weighted_mean`, without a number for each study: a fifth of the time. e, w: (n, k), anchor (n,): of `problems`."""
    total = w.sum(axis=-1)
    shift = dot(w, e) / total
    q = np.full(total.shape, np.nan)
    if with_q:
        r = e - shift[:, np.newaxis]
        q = dot3(w, r, r)
    return MeanFit((anchor + shift)[:, np.newaxis], (1.0 / total)[:, np.newaxis, np.newaxis], q)


def weighted_mean(y: FloatArray, w: FloatArray) -> WeightedFit:
    """The weighted mean, sum(w y) / sum(w), with variance 1 / sum(w). y, w: (..., k)."""
    shape = w.shape
    y, w = y.reshape(-1, shape[-1]), w.reshape(-1, shape[-1])
    each, at = np.arange(len(w)), w.argmax(axis=-1)
    anchor = y[each, at][:, np.newaxis]
    carries = w > 0
    everyone = bool(carries.all())
    e = y - anchor if everyone else np.where(carries, y - anchor, 0.0)
    total = w.sum(axis=-1)[:, np.newaxis]
    shift = dot(w, e)[:, np.newaxis] / total
    centre = anchor + shift
    e -= shift
    q = dot3(w, e, e)
    residuals = e if everyone else np.where(carries, e, y - centre)
    leverages = w / total
    complements = 1.0 - leverages
    others = w.copy(order="K")
    others[each, at] = 0.0
    complements[each, at] = others.sum(axis=-1) / total[:, 0]
    lead = shape[:-1]
    return WeightedFit(
        centre.reshape(*lead, 1),
        (1.0 / total).reshape(*lead, 1, 1),
        residuals.reshape(shape),
        leverages.reshape(shape),
        complements.reshape(shape),
        q.reshape(lead),
    )


class Basis(NamedTuple):
    """B, orthonormal, with sqrt(W) X = B T, and what its rows say of the studies' leverages.

    At most `heavy` studies can have a leverage above 3/4; for these, 1 - leverage is taken from the others' rows.
    """

    basis: FloatArray  # B (..., k, p)
    triangle: FloatArray  # T (..., p, p), upper triangular
    leverages: FloatArray  # (..., k): the squared lengths of B's rows
    complements: FloatArray  # (..., k): 1 - leverage, without the cancellation
    heavy: IntArray  # (..., heavy): the studies of the largest leverages
    products: FloatArray  # (..., k, heavy): B_i . B_j of each study i with each heavy one j, 0 for i = j


def orthonormal_basis(X: FloatArray, w: FloatArray) -> Basis:
    """B and T of sqrt(W) X = B T by Gram and Schmidt's method, twice over; X: (..., k, p), w: (..., k).

    Each study's row keeps its own relative precision, whatever the ratio of the weights; Householder's reflections would
    mix the rows. As M = I - BB' is a projection, c = 1 - h of a study obeys c = c^2 + s with s = sum (B_i . B_j)^2 over
    the others, so that c = 2 s / (1 + sqrt(1 - 4 s)) where h > 1/2.
    """
    columns = np.sqrt(w)[..., np.newaxis] * X
    k, p = columns.shape[-2:]
    basis = np.empty_like(columns)
    triangle = np.zeros((*columns.shape[:-2], p, p))
    for j in range(p):
        column, before = columns[..., j], basis[..., :j]
        # The first column has none before it: a sum over nothing is not asked for.
        for _ in range(2 if j else 0):
            along = np.einsum("...kp,...k->...p", before, column)
            column = column - np.einsum("...kp,...p->...k", before, along)
            triangle[..., :j, j] += along
        length = np.sqrt((column * column).sum(axis=-1))
        triangle[..., j, j] = length
        basis[..., j] = column / length[..., np.newaxis]
    leverages = (basis * basis).sum(axis=-1)
    # The leverages add up to p, so that fewer than 4 p / 3 of them exceed 3/4.
    several = min(k, max(4 * p - 1, 0) // 3)
    heavy = np.argpartition(leverages, min(k - several, k - 1), axis=-1)[..., k - several :]
    rows = np.take_along_axis(basis, heavy[..., np.newaxis], axis=-2)
    products = np.einsum("...kp,...np->...kn", basis, rows)
    np.put_along_axis(products, heavy[..., np.newaxis, :], 0.0, axis=-2)
    s = (products * products).sum(axis=-2)
    near_one = 2.0 * s / (1.0 + np.sqrt(np.maximum(1.0 - 4.0 * s, 0.0)))
    complements = 1.0 - leverages
    plain = np.take_along_axis(complements, heavy, axis=-1)
    np.put_along_axis(complements, heavy, np.where(plain < 0.25, near_one, plain), axis=-1)
    return Basis(basis, triangle, leverages, complements, heavy, products)


def annihilated(basis: FloatArray, z: FloatArray) -> FloatArray:
    """(I - BB')z, the part of z (..., k) that B (..., k, p) leaves unexplained."""
    # Twice is enough: the second pass removes what rounding left of the first.
    for _ in range(2):
        z = z - np.einsum("...kp,...p->...k", basis, np.einsum("...kp,...k->...p", basis, z))
    return z


def weighted_least_squares(y: FloatArray, w: FloatArray, X: FloatArray | None = None) -> WeightedFit:
    """Minimise sum(w (y - X b)^2): with sqrt(W) X = B T, b = T^-1 B' sqrt(W) y and (X'WX)^-1 = T^-1 T^-1'.

    y, w: (..., k); X: (..., k, p) of full column rank, or None for the mean.
    """
    if X is None:
        return weighted_mean(y, w)
    b = orthonormal_basis(X, w)
    root = np.sqrt(w)
    carries = w > 0
    z = root * np.where(carries, y, 0.0)
    inverse = np.linalg.solve(b.triangle, np.broadcast_to(np.eye(X.shape[-1]), b.triangle.shape))
    coefficients = np.zeros(b.triangle.shape[:-1])
    unexplained = z
    # The second round refines: what is left of z after the first still holds its rounding.
    for _ in range(2):
        along = np.einsum("...kp,...k->...p", b.basis, unexplained)
        unexplained = unexplained - np.einsum("...kp,...p->...k", b.basis, along)
        coefficients = coefficients + np.einsum("...pq,...q->...p", inverse, along)
    fitted = np.einsum("...kp,...p->...k", X, coefficients)
    residuals = np.where(carries, unexplained / np.where(carries, root, 1.0), y - fitted)
    covariance = np.asarray(inverse @ np.swapaxes(inverse, -1, -2))
    q = (unexplained * unexplained).sum(axis=-1)
    return WeightedFit(coefficients, covariance, residuals, b.leverages, b.complements, q)


def covariance_root(X: FloatArray, w: FloatArray) -> FloatArray:
    """L with (X'WX)^-1 = LL': the standard error of x'b is the length of L'x, where x'LL'x cancels.

    Moderators far from 0, such as years, cost x'LL'x twice the digits that they cost L'x. X: (..., k, p); w: (..., k).
    """
    triangle = orthonormal_basis(X, w).triangle
    return np.asarray(np.linalg.solve(triangle, np.broadcast_to(np.eye(X.shape[-1]), triangle.shape)))


def own_weights_fit(
    y: FloatArray, variance: FloatArray, omega: FloatArray, X: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Coefficients with weights that need not be inverse variances, their covariance, and a root L of it, C = LL'.

        b = (X'OX)^-1 X'Oy,   C = (X'OX)^-1 X'O M O X (X'OX)^-1,   O = diag(omega), M = diag(variance)

    y, variance, omega: (..., k); X: (..., k, p) or None. Returns (..., p) and (..., p, p) twice.
    """
    design = np.ones((*y.shape, 1)) if X is None else X
    root = np.sqrt(omega)
    basis, triangle = np.linalg.qr(root[..., np.newaxis] * design)
    coefficients = weighted_least_squares(y, omega, X).coefficients
    inner = np.einsum("...kp,...k,...kq->...pq", basis, omega * variance, basis)
    half = np.linalg.solve(triangle, np.linalg.cholesky(inner))
    return coefficients, np.asarray(half @ np.swapaxes(half, -1, -2)), half
