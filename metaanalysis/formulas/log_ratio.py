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
    ratio = np.asarray(p / q)
    near = np.flatnonzero((ratio > 0.75) & (ratio < 1.25))
    y: FloatArray = np.asarray(np.log(ratio), order="C")
    if near.size:
        # Taken out and put back: a `where` would cost the logarithm its speed.
        p, q = (np.broadcast_to(x, y.shape).ravel().take(near) for x in (p, q))
        y.reshape(-1)[near] = np.log1p((p - q) / q)
    return y
