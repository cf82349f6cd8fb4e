"""One group measured twice, or matched pairs, on a continuous scale: -> effect size y and sampling variance v.

``mean1``, ``sd1`` on occasion 1; ``mean2``, ``sd2`` on occasion 2; ``r``: correlation of the two; ``n`` people or pairs.
Effects are occasion 1 less (or over) occasion 2.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.estimates import estimate
from metaanalysis.formulas.gamma_correction import CORRECTIONS
from metaanalysis.formulas.log_ratio import log_ratio


def change_variance(sd1: FloatArray, sd2: FloatArray, r: FloatArray) -> FloatArray:
    """Variance of the change between two occasions.

        s² = sd1² + sd2² - 2 r sd1 sd2

    All arguments broadcast; returns that shape.
    """
    # The same, written so that equal spreads and a correlation near 1 cancel nothing.
    return np.asarray(np.square(sd1 - sd2) + 2.0 * (1.0 - r) * sd1 * sd2)


def mean_change(
    mean1: FloatArray, sd1: FloatArray, mean2: FloatArray, sd2: FloatArray, r: FloatArray, n: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean change, in the units of the measurement.

        y = mean1 - mean2,   v = (sd1² + sd2² - 2 r sd1 sd2)/n

    All arguments broadcast; returns (y, v) of that shape.
    """
    v = np.asarray(change_variance(sd1, sd2, r) / n)
    return estimate(mean1 - mean2, v)


def standardized_mean_change(
    mean1: FloatArray,
    sd1: FloatArray,
    mean2: FloatArray,
    sd2: FloatArray,
    r: FloatArray,
    n: FloatArray,
    *,
    correction: str = "exact",
    variance: str = "LS",
) -> tuple[FloatArray, FloatArray]:
    """Mean change in units of the standard deviation of the changes.

        y = J d,   d = (mean1 - mean2)/s,   s² = change_variance,   J = J(n - 1)
        v = 1/n + y²/(2n)              "LS"
        v = J² [1/n + d²/(2n)]         "LS2"

    All arguments broadcast; returns (y, v) of that shape. Source: Gibbons, Hedeker & Davis (1993).
    """
    d = (mean1 - mean2) / np.sqrt(change_variance(sd1, sd2, r))
    return _corrected(d, 1.0, n, correction, variance)


def _corrected(
    d: FloatArray, null: FloatArray | float, n: FloatArray, correction: str, variance: str
) -> tuple[FloatArray, FloatArray]:
    """J d with its variance; null is n times the variance at d = 0."""
    J_less_one = CORRECTIONS[correction](n - 1.0)
    y = np.asarray(d + J_less_one * d)
    return estimate(y, CHANGE_VARIANCES[variance](d, y, 1.0 + J_less_one, null) / n)


def _large_sample(d: FloatArray, y: FloatArray, J: FloatArray, null: FloatArray | float) -> FloatArray:  # noqa: ARG001
    return np.asarray(null + 0.5 * y * y)


def _large_sample_of_scaled(d: FloatArray, y: FloatArray, J: FloatArray, null: FloatArray | float) -> FloatArray:  # noqa: ARG001
    return np.asarray(J * J * (null + 0.5 * d * d))


def _borenstein(d: FloatArray, y: FloatArray, J: FloatArray, null: FloatArray | float) -> FloatArray:  # noqa: ARG001
    return np.asarray(J * J * null * (1.0 + 0.5 * d * d))


CHANGE_VARIANCES: MappingProxyType[
    str, Callable[[FloatArray, FloatArray, FloatArray, FloatArray | float], FloatArray]
] = MappingProxyType({"LS": _large_sample, "LS2": _large_sample_of_scaled, "Borenstein": _borenstein})


def raw_score_standardized_mean_change(
    mean1: FloatArray,
    sd1: FloatArray,
    mean2: FloatArray,
    r: FloatArray,
    n: FloatArray,
    *,
    correction: str = "exact",
    variance: str = "LS",
) -> tuple[FloatArray, FloatArray]:
    """Mean change in units of the standard deviation on occasion 1.

        y = J d,   d = (mean1 - mean2)/sd1,   J = J(n - 1)
        v = 2 (1 - r)/n + y²/(2n)                  "LS"
        v = J² [2 (1 - r)/n + d²/(2n)]             "LS2"
        v = J² 2 (1 - r) [1/n + d²/(2n)]           "Borenstein"

    All arguments broadcast; returns (y, v) of that shape. Source: Becker (1988); Borenstein (2009).
    """
    d = (mean1 - mean2) / sd1
    return _corrected(d, 2.0 * (1.0 - r), n, correction, variance)


def raw_score_standardized_mean_change_heteroscedastic(
    mean1: FloatArray,
    sd1: FloatArray,
    mean2: FloatArray,
    sd2: FloatArray,
    r: FloatArray,
    n: FloatArray,
    *,
    correction: str = "exact",
) -> tuple[FloatArray, FloatArray]:
    """Mean change in units of the standard deviation on occasion 1, where the two occasions' may differ.

        y = J d,   d = (mean1 - mean2)/sd1,   J = J(n - 1)
        v = J² [s²/(sd1² (n - 1)) + d²/(2 (n - 1))],   s² = change_variance

    All arguments broadcast; returns (y, v) of that shape. Source: Bonett (2008), for the variance of d.
    """
    d = (mean1 - mean2) / sd1
    J_less_one = CORRECTIONS[correction](n - 1.0)
    v = (change_variance(sd1, sd2, r) / (sd1 * sd1) + 0.5 * d * d) / (n - 1.0)
    return estimate(d + J_less_one * d, np.square(1.0 + J_less_one) * v)


def log_ratio_of_means_change(
    mean1: FloatArray, sd1: FloatArray, mean2: FloatArray, sd2: FloatArray, r: FloatArray, n: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Log of the ratio of two occasions' means.

        y = ln(mean1/mean2)
        v = (cv1² + cv2² - 2 r cv1 cv2)/n,   cv = sd/mean

    All arguments broadcast; returns (y, v) of that shape. Source: Lajeunesse (2011).
    """
    v = np.asarray(change_variance(sd1 / mean1, sd2 / mean2, r) / n)
    return estimate(log_ratio(mean1, mean2), v)


def log_coefficient_of_variation_ratio_change(
    mean1: FloatArray, sd1: FloatArray, mean2: FloatArray, sd2: FloatArray, r: FloatArray, n: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Log of the ratio of two occasions' coefficients of variation, of a normal measurement.

        y = ln(cv1/cv2),   cv = sd/mean
        v = (1 - r²)/(n - 1) + (cv1² + cv2² - 2 r cv1 cv2)/n

    All arguments broadcast; returns (y, v) of that shape. Source: Nakagawa et al. (2015), for dependent measurements.
    """
    y = np.asarray(log_ratio(sd1 * mean2, sd2 * mean1))
    v = (1.0 - r) * (1.0 + r) / (n - 1.0) + change_variance(sd1 / mean1, sd2 / mean2, r) / n
    return estimate(y, v)


def log_variability_ratio_change(
    sd1: FloatArray, sd2: FloatArray, r: FloatArray, n: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Log of the ratio of two occasions' standard deviations, of a normal measurement.

        y = ln(sd1/sd2),   v = (1 - r²)/(n - 1)

    All arguments broadcast; returns (y, v) of that shape. Source: Nakagawa et al. (2015), for dependent measurements.
    """
    v = np.asarray((1.0 - r) * (1.0 + r) / (n - 1.0))
    return estimate(log_ratio(sd1, sd2), v)
