"""Mean and standard deviation of a sample of which only median, quartiles or range were printed.

Three cases, by what is known: "range" (minimum, median, maximum), "quartiles" (q1, median, q3), "five" (all five numbers).
All suppose a normal measurement; skewness() says whether that can be believed.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import BoolArray, FloatArray


def wan_mean_from_range(minimum: FloatArray, median: FloatArray, maximum: FloatArray) -> FloatArray:
    """Mean from minimum, median and maximum.

        (a + 2m + b)/4

    All arguments broadcast; returns that shape. Source: Hozo, Djulbegovic & Hozo (2005), as used by Wan et al. (2014).
    """
    return np.asarray((minimum + 2.0 * median + maximum) / 4.0)


def wan_mean_from_quartiles(q1: FloatArray, median: FloatArray, q3: FloatArray) -> FloatArray:
    """Mean from the quartiles and the median.

        (q1 + m + q3)/3

    All arguments broadcast; returns that shape. Source: Wan, Wang, Liu & Tong (2014).
    """
    return np.asarray((q1 + median + q3) / 3.0)


def wan_mean_from_five_numbers(
    minimum: FloatArray, q1: FloatArray, median: FloatArray, q3: FloatArray, maximum: FloatArray
) -> FloatArray:
    """Mean from the five-number summary.

        (a + 2 q1 + 2m + 2 q3 + b)/8

    All arguments broadcast; returns that shape. Source: Bland (2015), as used by Wan et al. (2014).
    """
    return np.asarray((minimum + 2.0 * (q1 + median + q3) + maximum) / 8.0)


def wan_sd_from_range(minimum: FloatArray, maximum: FloatArray, n: FloatArray) -> FloatArray:
    """Standard deviation from the range.

        (b - a)/ξ,   ξ = 2 Φ⁻¹[(n - 0.375)/(n + 0.25)]

    All arguments broadcast; returns that shape. Source: Wan, Wang, Liu & Tong (2014).
    """
    return np.asarray((maximum - minimum) / (2.0 * _expected_maximum(n)))


def wan_sd_from_quartiles(q1: FloatArray, q3: FloatArray, n: FloatArray) -> FloatArray:
    """Standard deviation from the quartiles.

        (q3 - q1)/η,   η = 2 Φ⁻¹[(0.75 n - 0.125)/(n + 0.25)]

    All arguments broadcast; returns that shape. Source: Wan, Wang, Liu & Tong (2014).
    """
    return np.asarray((q3 - q1) / (2.0 * _expected_upper_quartile(n)))


def wan_sd_from_five_numbers(
    minimum: FloatArray, q1: FloatArray, q3: FloatArray, maximum: FloatArray, n: FloatArray
) -> FloatArray:
    """Standard deviation from the five-number summary: the average of the two others.

        [(b - a)/ξ + (q3 - q1)/η]/2

    All arguments broadcast; returns that shape. Source: Wan, Wang, Liu & Tong (2014).
    """
    return np.asarray(0.5 * (wan_sd_from_range(minimum, maximum, n) + wan_sd_from_quartiles(q1, q3, n)))


def luo_mean_from_range(minimum: FloatArray, median: FloatArray, maximum: FloatArray, n: FloatArray) -> FloatArray:
    """Mean from minimum, median and maximum, with the weights of least error.

        w (a + b)/2 + (1 - w) m,   w = 4/(4 + n^0.75)

    All arguments broadcast; returns that shape. Source: Luo, Wan, Liu & Tong (2018).
    """
    w = 4.0 / (4.0 + n**0.75)
    return np.asarray(w * (minimum + maximum) / 2.0 + (1.0 - w) * median)


def luo_mean_from_quartiles(q1: FloatArray, median: FloatArray, q3: FloatArray, n: FloatArray) -> FloatArray:
    """Mean from the quartiles and the median, with the weights of least error.

        w (q1 + q3)/2 + (1 - w) m,   w = 0.7 + 0.39/n

    All arguments broadcast; returns that shape. Source: Luo, Wan, Liu & Tong (2018).
    """
    w = 0.7 + 0.39 / n
    return np.asarray(w * (q1 + q3) / 2.0 + (1.0 - w) * median)


def luo_mean_from_five_numbers(
    minimum: FloatArray, q1: FloatArray, median: FloatArray, q3: FloatArray, maximum: FloatArray, n: FloatArray
) -> FloatArray:
    """Mean from the five-number summary, with the weights of least error.

        w1 (a + b)/2 + w2 (q1 + q3)/2 + (1 - w1 - w2) m,   w1 = 2.2/(2.2 + n^0.75),   w2 = 0.7 - 0.72/n^0.55

    All arguments broadcast; returns that shape. Source: Luo, Wan, Liu & Tong (2018).
    """
    w1, w2 = 2.2 / (2.2 + n**0.75), 0.7 - 0.72 / n**0.55
    return np.asarray(w1 * (minimum + maximum) / 2.0 + w2 * (q1 + q3) / 2.0 + (1.0 - w1 - w2) * median)


def shi_sd_from_five_numbers(
    minimum: FloatArray, q1: FloatArray, q3: FloatArray, maximum: FloatArray, n: FloatArray
) -> FloatArray:
    """Standard deviation from the five-number summary, with the weights of least error.

        (b - a)/θ1 + (q3 - q1)/θ2
        θ1 = (2 + 0.14 n^0.6) Φ⁻¹[(n - 0.375)/(n + 0.25)]
        θ2 = [2 + 2/(0.07 n^0.6)] Φ⁻¹[(0.75 n - 0.125)/(n + 0.25)]

    All arguments broadcast; returns that shape. Source: Shi et al. (2020).
    """
    grown = 0.07 * n**0.6
    range_part = (maximum - minimum) / ((2.0 + 2.0 * grown) * _expected_maximum(n))
    quartile_part = (q3 - q1) / ((2.0 + 2.0 / grown) * _expected_upper_quartile(n))
    return np.asarray(range_part + quartile_part)


def skewness_from_range(
    minimum: FloatArray, median: FloatArray, maximum: FloatArray, n: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Whether minimum, median and maximum betray a skewed measurement, at the 5 per cent level.

        T = |a + b - 2m|/(b - a),   critical: 1.01/ln(n + 9) + 2.43/(n + 1)

    All arguments broadcast; returns (T, critical value, T > critical) of that shape. Source: Shi et al. (2023).
    """
    statistic = np.asarray(np.abs(minimum + maximum - 2.0 * median) / (maximum - minimum))
    critical = np.asarray(1.01 / np.log(n + 9.0) + 2.43 / (n + 1.0))
    return statistic, critical, np.asarray(statistic > critical)


def skewness_from_quartiles(
    q1: FloatArray, median: FloatArray, q3: FloatArray, n: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Whether quartiles and median betray a skewed measurement, at the 5 per cent level.

        T = |q1 + q3 - 2m|/(q3 - q1),   critical: 2.65/√n - 6/n²

    All arguments broadcast; returns (T, critical value, T > critical) of that shape. Source: Shi et al. (2023).
    """
    statistic = np.asarray(np.abs(q1 + q3 - 2.0 * median) / (q3 - q1))
    critical = np.asarray(2.65 / np.sqrt(n) - 6.0 / np.square(n))
    return statistic, critical, np.asarray(statistic > critical)


def skewness_from_five_numbers(
    minimum: FloatArray, q1: FloatArray, median: FloatArray, q3: FloatArray, maximum: FloatArray, n: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Whether a five-number summary betrays a skewed measurement, at the 5 per cent level.

        T = max{2.65 ln(0.6 n)/√n · |a + b - 2m|/(b - a), |q1 + q3 - 2m|/(q3 - q1)},   critical: 3/√n - 40/n³

    All arguments broadcast; returns (T, critical value, T > critical) of that shape. Source: Shi et al. (2023).
    """
    by_range = np.abs(minimum + maximum - 2.0 * median) / (maximum - minimum)
    by_quartiles = np.abs(q1 + q3 - 2.0 * median) / (q3 - q1)
    statistic = np.asarray(np.maximum(2.65 * np.log(0.6 * n) / np.sqrt(n) * by_range, by_quartiles))
    critical = np.asarray(3.0 / np.sqrt(n) - 40.0 / (n * n * n))
    return statistic, critical, np.asarray(statistic > critical)


def _expected_maximum(n: FloatArray) -> FloatArray:
    # Blom's approximation; (n - 0.375)/(n + 0.25) = 1 - 0.625/(n + 0.25)
    return np.asarray(-special.ndtri(0.625 / (n + 0.25)))


def _expected_upper_quartile(n: FloatArray) -> FloatArray:
    return np.asarray(special.ndtri((0.75 * n - 0.125) / (n + 0.25)))
