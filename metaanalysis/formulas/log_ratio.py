"""The logarithm of a ratio, without losing the digits of a ratio near 1."""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray


def log_ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """ln(p / q), to full relative precision also where p and q are nearly equal.

        ln(p/q) = ln[1 + (p - q)/q]   where p/q is within a quarter of 1

    numerator, denominator: broadcastable, positive. Returns their broadcast shape.
    """
    p, q = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    y: FloatArray = np.asarray(p / q)
    near = (y > 0.75) & (y < 1.25)
    np.log(y, out=y, where=~near)
    excess = np.asarray(p - q)
    np.divide(excess, q, out=excess, where=near)
    np.log1p(excess, out=y, where=near)
    return y
