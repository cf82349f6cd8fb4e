"""An effect size and its sampling variance, as every formula for study data returns them."""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray


def estimate(y: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The pair (y, v) in one shape, copied only where the two differ.

    y, v: broadcastable. Returns (y, v) of their broadcast shape.
    """
    y, v = np.asarray(y), np.asarray(v)
    if y.shape == v.shape:
        return y, v
    shape = np.broadcast_shapes(y.shape, v.shape)
    return np.broadcast_to(y, shape).copy(), np.broadcast_to(v, shape).copy()
