"""How large and how small a standard deviation can be beside its mean, for values that keep to a scale."""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.rounding import Interval


def largest_standard_deviation(mean: Interval, n: FloatArray, lowest: FloatArray, highest: FloatArray) -> FloatArray:
    """The most that the standard deviation of n values on a scale can be.

        SD^2 <= (mean - lowest) (highest - mean) n / (n - 1)

    Reached where every value stands at one end or the other. Over the rounding of the mean it is largest where the mean is
    nearest to the middle of the scale. mean: ends of its rounding; n, lowest, highest: (...). Returns (...), 0 where the mean
    lies outside the scale, NaN where n < 2. Source: Bhatia & Davis (2000).
    """
    nearest = np.clip(np.clip((lowest + highest) / 2.0, mean.low, mean.high), lowest, highest)
    product = (nearest - lowest) * (highest - nearest)
    return np.asarray(np.sqrt(product * n / np.where(n > 1, n - 1.0, np.nan)))


def smallest_standard_deviation(mean: Interval, n: FloatArray, step: FloatArray) -> FloatArray:
    """The least that the standard deviation of n values can be that are whole multiples of a step.

        SD^2 >= step^2 f (1 - f) n / (n - 1),   f = the fraction of mean / step

    Reached where every value is one of the two multiples next to the mean. f (1 - f) is concave between two multiples: over the
    rounding of the mean it is least at an end, and 0 where a multiple lies within. mean: ends of its rounding; n, step: (...).
    Returns (...), NaN where n < 2.
    """
    low, high = mean.low / step, mean.high / step
    with np.errstate(invalid="ignore"):
        spread = np.minimum(*(fraction * (1.0 - fraction) for fraction in (low - np.floor(low), high - np.floor(high))))
        spread = np.where(np.floor(high) > np.floor(low), 0.0, spread)
    return np.asarray(step * np.sqrt(spread * n / np.where(n > 1, n - 1.0, np.nan)))
