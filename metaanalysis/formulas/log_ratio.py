"""The logarithm of a ratio, without losing the digits of a ratio near 1."""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray


def log_ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """ln(p / q), to full relative precision also where p and q are nearly equal.

        ln(p/q) = ± ln[1 + |p - q|/min(p, q)],   with the sign of p - q

    numerator, denominator: broadcastable, of one sign; infinite where one of them is 0, NaN where both are or where their
    signs differ. Returns their broadcast shape. Where the two change places, so does the sign, and nothing else.
    """
    p, q = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    if np.any(q < 0.0):
        p, q = np.where(q < 0.0, -p, p), np.abs(q)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # The logarithm is of 1 or more, so that no step magnifies the rounding of the one before it.
        difference = p - q
        return np.copysign(np.log1p(np.abs(difference) / np.minimum(p, q)), difference)
