"""Where the values of a normal sample lie when put in order."""

from __future__ import annotations

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray


def normal_scores(k: int) -> FloatArray:
    """The normal quantiles that k values in ascending order are held against.

        z_i = Φ⁻¹((i - a) / (k + 1 - 2a)),   a = 3/8 for k <= 10, else 1/2

    Returns (k,). Source: Blom (1958) for a = 3/8; Hazen (1914) for a = 1/2.
    """
    a = 0.375 if k <= 10 else 0.5
    return np.asarray(special.ndtri((np.arange(1, k + 1) - a) / (k + 1 - 2 * a)))


def normal_order_limits(k: int, level: float) -> tuple[FloatArray, FloatArray]:
    """Between which limits the i-th smallest of k independent standard normal values lies, one value at a time.

        Φ⁻¹ of the quantiles of Beta(i, k + 1 - i)

    level: of each interval. Returns low (k,), high (k,). Source: David & Nagaraja (2003), Order Statistics.
    """
    i, tail = np.arange(1.0, k + 1.0), (1.0 - level) / 2.0
    low = special.ndtri(special.betaincinv(i, k + 1.0 - i, tail))
    # The upper limit of the i-th is the lower limit of the (k + 1 - i)-th, turned round: no tail is lost near 1.
    return np.asarray(low), np.asarray(-low[::-1])
