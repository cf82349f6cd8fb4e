"""Trials of several treated arms against one control arm: the covariance of two of their effect sizes.

Two contrasts with the same control (``events2``, ``n2``; ``sd2``) are positively correlated, because the control's error is
in both.
"""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray


def log_risk_ratio_covariance(events2: FloatArray, n2: FloatArray) -> FloatArray:
    """Covariance of two log risk ratios against the same control.

        cov = 1/c - 1/n2

    events2 (c), n2: broadcastable; returns that shape. Source: Gleser & Olkin (2009).
    """
    return np.asarray((n2 - events2) / (events2 * n2))


def log_odds_ratio_covariance(events2: FloatArray, n2: FloatArray) -> FloatArray:
    """Covariance of two log odds ratios against the same control.

        cov = 1/c + 1/(n2 - c)

    events2 (c), n2: broadcastable; returns that shape. Source: Gleser & Olkin (2009).
    """
    return np.asarray(n2 / (events2 * (n2 - events2)))


def risk_difference_covariance(events2: FloatArray, n2: FloatArray) -> FloatArray:
    """Covariance of two risk differences against the same control.

        cov = c (n2 - c)/n2³

    events2 (c), n2: broadcastable; returns that shape. Source: Gleser & Olkin (2009).
    """
    return np.asarray(events2 * (n2 - events2) / (n2 * n2 * n2))


def log_rate_ratio_covariance(events2: FloatArray) -> FloatArray:
    """Covariance of two log rate ratios against the same control.

        cov = 1/x2

    events2 (x2): any shape. Returns the same shape.
    """
    return np.asarray(1.0 / events2)


def mean_difference_covariance(sd2: FloatArray, n2: FloatArray) -> FloatArray:
    """Covariance of two mean differences against the same control.

        cov = sd2²/n2

    sd2, n2: broadcastable; returns that shape.
    """
    return np.asarray(sd2 * sd2 / n2)


def log_ratio_of_means_covariance(mean2: FloatArray, sd2: FloatArray, n2: FloatArray) -> FloatArray:
    """Covariance of two log ratios of means against the same control.

        cov = sd2²/(n2 mean2²)

    mean2, sd2, n2: broadcastable; returns that shape. Source: Lajeunesse (2011).
    """
    return np.asarray(np.square(sd2 / mean2) / n2)


def standardized_mean_difference_covariance(
    g_a: FloatArray, g_b: FloatArray, n2: FloatArray, total: FloatArray
) -> FloatArray:
    """Covariance of two standardized mean differences against the same control, one standard deviation for all arms.

        cov = 1/n2 + g_a g_b/(2 N)

    g_a, g_b: the two effects; n2: size of the control arm; total (N): people in all arms behind the standard deviation.
    All arguments broadcast; returns that shape. Source: Gleser & Olkin (2009).
    """
    return np.asarray(1.0 / n2 + g_a * g_b / (2.0 * total))
