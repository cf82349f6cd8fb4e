"""What one arm of a trial reports: several arms into one, and the standard deviation from whatever stands for it."""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.before_after import change_variance
from metaanalysis.formulas.conversions_from_tests import half_width_factor


def combine_arms(n: FloatArray, mean: FloatArray, sd: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Several arms as if they had been one.

        N = Σ n,   M = Σ n m/N,   SD² = [Σ (n - 1) sd² + Σ n (m - M)²]/(N - 1)

    n, mean, sd: (..., arms); an arm of n = 0 does not exist. Returns (N, M, SD) of shape (...), exactly what the
    people's own data would give. Source: Higgins et al. (2019), Cochrane Handbook, chapter 6.
    """
    n, mean, sd = np.broadcast_arrays(n, mean, sd)
    there = n > 0
    total = np.sum(n, axis=-1)
    # Counted from the first arm's mean, so that means far from zero cost no digits.
    origin = np.take_along_axis(mean, np.argmax(there, axis=-1)[..., np.newaxis], axis=-1)
    offset = np.where(there, mean - origin, 0.0)
    centre = np.sum(n * offset, axis=-1, keepdims=True) / total[..., np.newaxis]
    within = np.where(there, (n - 1.0) * np.square(np.where(there, sd, 0.0)), 0.0)
    squares = np.sum(within + n * np.square(offset - centre), axis=-1)
    return total, np.asarray((origin + centre)[..., 0]), np.asarray(np.sqrt(squares / (total - 1.0)))


def sd_from_standard_error(se: FloatArray, n: FloatArray) -> FloatArray:
    """Standard deviation of an arm from the standard error of its mean.

        sd = se √n

    se, n: broadcastable; returns that shape.
    """
    return np.asarray(se * np.sqrt(n))


def sd_from_interval(
    low: FloatArray, high: FloatArray, n: FloatArray, level: float = 0.95, *, t_distribution: bool = True
) -> FloatArray:
    """Standard deviation of an arm from the confidence interval of its mean.

        sd = √n (high - low)/(2 c),   c the quantile of t with n - 1 degrees of freedom, or of the normal distribution

    low, high, n: broadcastable; returns that shape. Source: Higgins et al. (2019), Cochrane Handbook, chapter 6.
    """
    factor = half_width_factor(level, np.asarray(n - 1.0) if t_distribution else None)
    return np.asarray(np.sqrt(n) * (high - low) / (2.0 * factor))


def sd_from_mean_difference_error(se: FloatArray, n1: FloatArray, n2: FloatArray) -> FloatArray:
    """Standard deviation that two arms share, from the standard error of the difference of their means.

        sd = se/√(1/n1 + 1/n2)

    All arguments broadcast; returns that shape. Source: Higgins et al. (2019), Cochrane Handbook, chapter 6.
    """
    return np.asarray(se / np.sqrt(1.0 / n1 + 1.0 / n2))


def change_sd(sd1: FloatArray, sd2: FloatArray, r: FloatArray) -> FloatArray:
    """Standard deviation of the change from baseline, from both occasions' and their correlation.

        sd = √(sd1² + sd2² - 2 r sd1 sd2)

    All arguments broadcast; returns that shape. Source: Higgins et al. (2019), Cochrane Handbook, chapter 6.
    """
    return np.asarray(np.sqrt(change_variance(sd1, sd2, r)))


def correlation_from_change_sd(sd1: FloatArray, sd2: FloatArray, sd_change: FloatArray) -> FloatArray:
    """Correlation of two occasions, from their standard deviations and that of the change.

        r = (sd1² + sd2² - sd_change²)/(2 sd1 sd2)

    All arguments broadcast; returns that shape. Source: Higgins et al. (2019), Cochrane Handbook, chapter 6.
    """
    return np.asarray(1.0 + (sd1 - sd2 - sd_change) * (sd1 - sd2 + sd_change) / (2.0 * sd1 * sd2))
