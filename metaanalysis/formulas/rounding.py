"""What a printed number leaves open: interval arithmetic over its rounding.

An interval holds every value that would have been printed so; both ends belong to it, so that no rule for rounding a half
matters. A result of this arithmetic holds every value that the printed numbers allow, and may hold a little more: each
printed number is let vary on its own. NaN marks what was not printed, and stays NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import FloatArray

# No number is known better than to its last bits: what other programs' arithmetic, and ours, may differ by.
_RELATIVE_ERROR = 1e-13
_BOUNDARY_ERROR = 1e-12  # of half a unit, so that the ends belong to the interval in spite of binary fractions


class Interval(NamedTuple):
    """Closed intervals [low, high]; arrays of one shape."""

    low: FloatArray
    high: FloatArray


def printed(x: FloatArray, decimals: FloatArray) -> Interval:
    """All values that are printed as x with so many decimals.

        [x - h, x + h],   h = 10^-decimals / 2

    x, decimals: (...). Returns (...). 0.86 with 2 decimals is [0.855, 0.865].
    """
    x = np.asarray(x, dtype=np.float64)
    half = 0.5 * 10.0 ** -np.asarray(decimals, dtype=np.float64)
    half = half * (1.0 + _BOUNDARY_ERROR) + _RELATIVE_ERROR * np.abs(x)
    return Interval(x - half, x + half)


def clipped(x: Interval, lowest: float, highest: float) -> Interval:
    """The part of the intervals within [lowest, highest]; an interval outside shrinks to the nearer end."""
    return Interval(np.clip(x.low, lowest, highest), np.clip(x.high, lowest, highest))


def increasing(function: Callable[[FloatArray], FloatArray], x: Interval) -> Interval:
    """The image of intervals under a function that never falls: both ends through the function."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return Interval(np.asarray(function(x.low)), np.asarray(function(x.high)))


def decreasing(function: Callable[[FloatArray], FloatArray], x: Interval) -> Interval:
    """The image of intervals under a function that never rises: the ends change places."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return Interval(np.asarray(function(x.high)), np.asarray(function(x.low)))


def absolute(x: Interval) -> Interval:
    """|x|; 0 is in it where it is in x."""
    low, high = np.abs(x.low), np.abs(x.high)
    holds_zero = (x.low <= 0) & (x.high >= 0)
    return Interval(np.where(holds_zero, 0.0, np.minimum(low, high)), np.maximum(low, high))


def midpoint(a: Interval, b: Interval) -> Interval:
    """(a + b) / 2."""
    return Interval((a.low + b.low) / 2.0, (a.high + b.high) / 2.0)


def width(low: Interval, high: Interval) -> Interval:
    """High - low where low <= high is known, so never below 0."""
    return Interval(np.maximum(high.low - low.high, 0.0), np.maximum(high.high - low.low, 0.0))


def quotient(x: Interval, d: Interval) -> Interval:
    """X / d for d >= 0; infinite where d may be 0, and 0 / 0 is 0."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        low = x.low / np.where(x.low < 0, d.low, d.high)
        high = x.high / np.where(x.high > 0, d.low, d.high)
    return Interval(np.where(x.low == 0, 0.0 * d.low, low), np.where(x.high == 0, 0.0 * d.low, high))


def gap(a: Interval, b: Interval) -> FloatArray:
    """How far two intervals lie apart: 0 where they meet, NaN where one is NaN."""
    with np.errstate(invalid="ignore"):
        return np.maximum(np.maximum(a.low - b.high, b.low - a.high), 0.0)
