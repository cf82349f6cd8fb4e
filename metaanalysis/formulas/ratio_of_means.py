"""Two groups, ratios of means and of spreads: -> effect size y and sampling variance v, on the log scale.

All are unit-free; means must be of one sign. cv = sd/mean is a group's coefficient of variation.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.continuous import pooled_variance
from metaanalysis.formulas.correlation import size_weighted_average
from metaanalysis.formulas.estimates import estimate
from metaanalysis.formulas.log_ratio import log_ratio


def log_ratio_of_means(
    mean1: FloatArray,
    sd1: FloatArray,
    n1: FloatArray,
    mean2: FloatArray,
    sd2: FloatArray,
    n2: FloatArray,
    *,
    corrected: bool = False,
    variance: str = "LS",
) -> tuple[FloatArray, FloatArray]:
    """Log of the ratio of two means (log response ratio).

        y = ln(mean1/mean2),   v from RATIO_OF_MEANS_VARIANCES
        corrected:   y + (cv1²/n1 - cv2²/n2)/2

    All arguments broadcast to (..., k); returns (y, v) of that shape.
    Source: Hedges, Gurevitch & Curtis (1999); the correction, Lajeunesse (2015).
    """
    y = log_ratio(mean1, mean2)
    v = RATIO_OF_MEANS_VARIANCES[variance](mean1, sd1, n1, mean2, sd2, n2)
    if corrected:
        y = y + 0.5 * (np.square(sd1 / mean1) / n1 - np.square(sd2 / mean2) / n2)
    return estimate(y, v)


def ratio_of_means_variance(
    mean1: FloatArray, sd1: FloatArray, n1: FloatArray, mean2: FloatArray, sd2: FloatArray, n2: FloatArray
) -> FloatArray:
    """Large-sample variance of the log ratio of means ("LS").

        v = cv1²/n1 + cv2²/n2

    All arguments broadcast; returns that shape. Source: Hedges, Gurevitch & Curtis (1999).
    """
    return np.asarray(np.square(sd1 / mean1) / n1 + np.square(sd2 / mean2) / n2)


def ratio_of_means_second_order_variance(
    mean1: FloatArray, sd1: FloatArray, n1: FloatArray, mean2: FloatArray, sd2: FloatArray, n2: FloatArray
) -> FloatArray:
    """Variance of the log ratio of means with the next term of its expansion ("second-order").

        v = cv1²/n1 + cv2²/n2 + (cv1⁴/n1² + cv2⁴/n2²)/2

    All arguments broadcast; returns that shape. Source: Lajeunesse (2015).
    """
    v1, v2 = np.square(sd1 / mean1) / n1, np.square(sd2 / mean2) / n2
    return np.asarray(v1 + v2 + 0.5 * (v1 * v1 + v2 * v2))


def ratio_of_means_shared_variance(
    mean1: FloatArray, sd1: FloatArray, n1: FloatArray, mean2: FloatArray, sd2: FloatArray, n2: FloatArray
) -> FloatArray:
    """Large-sample variance of the log ratio of means if both groups have one standard deviation ("HO").

        v = s²/(n1 mean1²) + s²/(n2 mean2²),   s² = pooled_variance

    All arguments broadcast; returns that shape. Source: Hedges, Gurevitch & Curtis (1999).
    """
    s2 = pooled_variance(sd1, n1, sd2, n2)
    return np.asarray(s2 / (n1 * mean1 * mean1) + s2 / (n2 * mean2 * mean2))


def ratio_of_means_average_variance(
    mean1: FloatArray, sd1: FloatArray, n1: FloatArray, mean2: FloatArray, sd2: FloatArray, n2: FloatArray
) -> FloatArray:
    """Variance of the log ratio of means at each group's average coefficient of variation over the studies ("AV").

        v = c1²/n1 + c2²/n2,   c_g = Σ n_g cv_g/Σ n_g

    The averages run over the last axis; all arguments broadcast to (..., k); returns that shape.
    Source: Nakagawa et al. (2023).
    """
    c1, c2 = size_weighted_average(sd1 / mean1, n1), size_weighted_average(sd2 / mean2, n2)
    return np.asarray(c1 * c1 / n1 + c2 * c2 / n2)


def ratio_of_means_common_average_variance(
    mean1: FloatArray, sd1: FloatArray, n1: FloatArray, mean2: FloatArray, sd2: FloatArray, n2: FloatArray
) -> FloatArray:
    """Variance of the log ratio of means at one average coefficient of variation over studies and groups ("AVHO").

        v = c² (1/n1 + 1/n2),   c = Σ (n1 cv1 + n2 cv2)/Σ (n1 + n2)

    The average runs over the last axis; all arguments broadcast to (..., k); returns that shape.
    Source: Nakagawa et al. (2023).
    """
    c = size_weighted_average((n1 * (sd1 / mean1) + n2 * (sd2 / mean2)) / (n1 + n2), n1 + n2)
    return np.asarray(c * c * (1.0 / n1 + 1.0 / n2))


VarianceFunction = Callable[[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray], FloatArray]

RATIO_OF_MEANS_VARIANCES: MappingProxyType[str, VarianceFunction] = MappingProxyType(
    {
        "LS": ratio_of_means_variance,
        "second-order": ratio_of_means_second_order_variance,
        "HO": ratio_of_means_shared_variance,
        "AV": ratio_of_means_average_variance,
        "AVHO": ratio_of_means_common_average_variance,
    }
)


def log_coefficient_of_variation_ratio(
    mean1: FloatArray,
    sd1: FloatArray,
    n1: FloatArray,
    mean2: FloatArray,
    sd2: FloatArray,
    n2: FloatArray,
    *,
    corrected: bool = True,
) -> tuple[FloatArray, FloatArray]:
    """Log of the ratio of two coefficients of variation, of normal measurements.

        y = ln(cv1/cv2) + 1/[2(n1 - 1)] - 1/[2(n2 - 1)]
        v = cv1²/n1 + 1/[2(n1 - 1)] + cv2²/n2 + 1/[2(n2 - 1)]

    The last terms of y correct a bias and may be left out. All arguments broadcast; returns (y, v) of that shape.
    Source: Nakagawa et al. (2015), without their terms for a correlation of mean and standard deviation.
    """
    y = log_ratio(sd1 * mean2, sd2 * mean1)
    if corrected:
        y = y + _spread_bias(n1, n2)
    v = 0.5 / (n1 - 1.0) + 0.5 / (n2 - 1.0)
    return estimate(y, v + ratio_of_means_variance(mean1, sd1, n1, mean2, sd2, n2))


def log_variability_ratio(
    sd1: FloatArray, n1: FloatArray, sd2: FloatArray, n2: FloatArray, *, corrected: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Log of the ratio of two standard deviations, of normal measurements.

        y = ln(sd1/sd2) + 1/[2(n1 - 1)] - 1/[2(n2 - 1)]
        v = 1/[2(n1 - 1)] + 1/[2(n2 - 1)]

    The last terms of y correct a bias and may be left out. All arguments broadcast; returns (y, v) of that shape.
    Source: Nakagawa et al. (2015).
    """
    y = log_ratio(sd1, sd2)
    if corrected:
        y = y + _spread_bias(n1, n2)
    return estimate(y, 0.5 / (n1 - 1.0) + 0.5 / (n2 - 1.0))


def _spread_bias(n1: FloatArray, n2: FloatArray) -> FloatArray:
    # 1/[2(n1 - 1)] - 1/[2(n2 - 1)]
    return np.asarray(0.5 * (n2 - n1) / ((n1 - 1.0) * (n2 - 1.0)))
