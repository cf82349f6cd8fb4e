"""The logarithm of a ratio, without losing the digits of a ratio near 1."""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray

# 1/3, 1/5, ...: enough of the series for |z| up to 1/7, where the first term left out is below 1e-17.
_SERIES = tuple(1.0 / (2 * j + 1) for j in range(1, 10))


def log_ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """ln(p / q), to full relative precision also where p and q are nearly equal.

        ln(p/q) = 2 (z + z³/3 + z⁵/5 + ...),   z = (p - q)/(p + q)   where p/q is within a quarter of 1

    numerator, denominator: broadcastable, positive. Returns their broadcast shape.
    """
    p, q = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    ratio = np.asarray(p / q, order="C")
    near = (ratio > 0.75) & (ratio < 1.25)
    at = np.flatnonzero(near)
    if at.size == 0:
        return np.asarray(np.log(ratio))
    p, q = (np.broadcast_to(x, ratio.shape).ravel().take(at) for x in (p, q))
    # The two kinds are taken out and put back: a `where` would cost the logarithm its speed.
    y = np.empty(ratio.shape)
    far = np.flatnonzero(~near)
    y.reshape(-1)[far] = np.log(ratio.ravel().take(far))
    y.reshape(-1)[at] = _near_one(p, q)
    return y


def _near_one(p: FloatArray, q: FloatArray) -> FloatArray:
    z = (p - q) / (p + q)
    square = z * z
    total = np.full_like(z, _SERIES[-1])
    for coefficient in _SERIES[-2::-1]:
        total *= square
        total += coefficient
    # z itself last, so that its digits are not rounded away.
    total *= square
    total *= z
    total += z
    total *= 2.0
    return total
