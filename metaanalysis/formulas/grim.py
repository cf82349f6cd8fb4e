"""GRIM: can a mean be the mean of so many whole numbers? Granularity-related inconsistency of means."""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.rounding import Interval


def nearest_means(mean: FloatArray, count: FloatArray) -> Interval:
    """The means of `count` whole numbers next below and above a mean.

        floor(mean count) / count,   ceil(mean count) / count

    mean, count: (...), count >= 1; people times items where a score is the mean of several items. Returns (...).
    Source: Brown & Heathers (2017).
    """
    with np.errstate(invalid="ignore", over="ignore"):
        total = mean * count
        return Interval(np.floor(total) / count, np.ceil(total) / count)


def off_the_grid(mean: Interval, count: FloatArray) -> FloatArray:
    """How far a printed mean lies from the nearest mean of `count` whole numbers: 0 where its rounding holds one.

    mean: ends of its rounding; count: (...). Returns (...), NaN where either is not known.
    Source: Brown & Heathers (2017).
    """
    below = nearest_means(mean.low, count)
    # The first mean from the lower end upward is either within the rounding or beyond its upper end.
    with np.errstate(invalid="ignore"):
        above = np.maximum(below.high - mean.high, 0.0)
        return np.where(above > 0, np.minimum(above, mean.low - below.low), above)


def can_tell(mean: Interval, count: FloatArray) -> BoolArray:
    """Whether the possible means lie further apart than the rounding is wide: else every mean is possible."""
    with np.errstate(invalid="ignore"):
        return np.asarray((mean.high - mean.low) * count < 1.0)
