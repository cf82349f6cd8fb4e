"""One group: proportion, incidence rate, mean or spread -> effect size y and sampling variance v.

``events`` (x) of ``n`` people, ``events`` (x) in ``time`` (t) units of person-time, or ``mean``, ``sd`` and ``n``.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.correlation import size_weighted_average
from metaanalysis.formulas.estimates import estimate
from metaanalysis.formulas.gamma_correction import CORRECTIONS
from metaanalysis.formulas.log_ratio import log_ratio


def proportion(events: FloatArray, n: FloatArray, variance: str = "LS") -> tuple[FloatArray, FloatArray]:
    """Proportion of people with an event.

        y = p = x/n,   v from PROPORTION_VARIANCES

    events, n: (..., k), broadcastable; returns (y, v) of that shape.
    """
    return estimate(events / n, PROPORTION_VARIANCES[variance](events, n))


def _proportion_large_sample(events: FloatArray, n: FloatArray) -> FloatArray:
    return np.asarray(events * (n - events) / (n * n * n))


def _proportion_unbiased(events: FloatArray, n: FloatArray) -> FloatArray:
    return np.asarray(events * (n - events) / (n * n * (n - 1.0)))


def _proportion_average(events: FloatArray, n: FloatArray) -> FloatArray:
    average = size_weighted_average(events / n, n)
    return np.asarray(average * (1.0 - average) / n)


# p (1 - p)/n; the same with n - 1, which is unbiased; the same with the studies' pooled proportion for p.
PROPORTION_VARIANCES: MappingProxyType[str, Callable[[FloatArray, FloatArray], FloatArray]] = MappingProxyType(
    {"LS": _proportion_large_sample, "UB": _proportion_unbiased, "AV": _proportion_average}
)


def log_proportion(events: FloatArray, n: FloatArray, variance: str = "LS") -> tuple[FloatArray, FloatArray]:
    """Log of a proportion.

        y = ln(x/n)
        v = 1/x - 1/n            "LS"
        v = (1 - p)/(n p)        "AV": with the proportion over all studies (the last axis)

    events, n: broadcastable to (..., k); returns (y, v) of that shape, infinite where x = 0.
    """
    y = log_ratio(events, n)
    if variance == "AV":
        average = size_weighted_average(events / n, n)
        return estimate(y, (1.0 - average) / (average * n))
    return estimate(y, (n - events) / (events * n))


def logit_proportion(events: FloatArray, n: FloatArray, variance: str = "LS") -> tuple[FloatArray, FloatArray]:
    """Log odds of a proportion.

        y = ln[x/(n - x)]
        v = 1/x + 1/(n - x)      "LS"
        v = 1/[n p (1 - p)]      "AV": with the proportion over all studies (the last axis)

    events, n: broadcastable to (..., k); returns (y, v) of that shape, infinite where x = 0 or x = n.
    """
    others = n - events
    y = log_ratio(events, others)
    if variance == "AV":
        average = size_weighted_average(events / n, n)
        return estimate(y, 1.0 / (n * average * (1.0 - average)))
    return estimate(y, n / (events * others))


def arcsine_proportion(events: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Arcsine square root of a proportion.

        y = arcsin √(x/n),   v = 1/(4n)

    events, n: broadcastable; returns (y, v) of that shape.
    """
    y = np.arctan2(np.sqrt(events), np.sqrt(n - events))
    return estimate(y, 0.25 / n)


def freeman_tukey_proportion(events: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Freeman and Tukey's double arcsine of a proportion, halved so that it is on the scale of the single one.

        y = [arcsin √(x/(n + 1)) + arcsin √((x + 1)/(n + 1))]/2,   v = 1/(4n + 2)

    events, n: broadcastable; returns (y, v) of that shape. Source: Freeman & Tukey (1950).
    """
    others = n - events
    y = 0.5 * (np.arctan2(np.sqrt(events), np.sqrt(others + 1.0)) + np.arctan2(np.sqrt(events + 1.0), np.sqrt(others)))
    return estimate(y, 1.0 / (4.0 * n + 2.0))


def rate(events: FloatArray, time: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Incidence rate.

        y = x/t,   v = x/t²

    events, time: broadcastable; returns (y, v) of that shape, per unit of person-time.
    """
    y = np.asarray(events / time)
    return estimate(y, y / time)


def log_rate(events: FloatArray, time: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log of an incidence rate.

        y = ln(x/t),   v = 1/x

    events, time: broadcastable; returns (y, v) of that shape, infinite where x = 0.
    """
    y = np.asarray(np.log(events / time))
    return estimate(y, 1.0 / events)


def square_root_rate(events: FloatArray, time: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Square root of an incidence rate.

        y = √(x/t),   v = 1/(4t)

    events, time: broadcastable; returns (y, v) of that shape.
    """
    y = np.asarray(np.sqrt(events / time))
    return estimate(y, 0.25 / time)


def freeman_tukey_rate(events: FloatArray, time: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Freeman and Tukey's transformation of an incidence rate, halved so that it is on the scale of the square root.

        y = [√(x/t) + √((x + 1)/t)]/2,   v = 1/(4t)

    events, time: broadcastable; returns (y, v) of that shape. Source: Freeman & Tukey (1950).
    """
    y = np.asarray(0.5 * (np.sqrt(events / time) + np.sqrt((events + 1.0) / time)))
    return estimate(y, 0.25 / time)


def mean_of_group(mean: FloatArray, sd: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean of a measurement, in its units.

        y = mean,   v = sd²/n

    All arguments broadcast; returns (y, v) of that shape.
    """
    v = np.asarray(sd * sd / n)
    return estimate(mean, v)


def standardized_mean(
    mean: FloatArray, sd: FloatArray, n: FloatArray, correction: str = "exact"
) -> tuple[FloatArray, FloatArray]:
    """Mean in units of the standard deviation (a difference from a fixed value where that was subtracted before).

        y = J(n - 1) mean/sd,   v = 1/n + y²/(2n)

    All arguments broadcast; returns (y, v) of that shape. Source: Hedges & Olkin (1985).
    """
    d = mean / sd
    y = np.asarray(d + CORRECTIONS[correction](n - 1.0) * d)
    return estimate(y, (1.0 + 0.5 * y * y) / n)


def log_mean(mean: FloatArray, sd: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log of a mean.

        y = ln mean,   v = sd²/(n mean²)

    All arguments broadcast; returns (y, v) of that shape. Source: Hedges, Gurevitch & Curtis (1999).
    """
    v = np.asarray(np.square(sd / mean) / n)
    return estimate(np.log(mean), v)


def log_coefficient_of_variation(
    mean: FloatArray, sd: FloatArray, n: FloatArray, corrected: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Log of the coefficient of variation, of a normal measurement.

        y = ln(sd/mean) + 1/[2(n - 1)],   v = 1/[2(n - 1)] + sd²/(n mean²)

    The second term of y corrects a bias and may be left out. All arguments broadcast; returns (y, v) of that shape.
    Source: Nakagawa et al. (2015), without their terms for a correlation of mean and standard deviation.
    """
    spread = 0.5 / (n - 1.0)
    y = np.asarray(np.log(sd / mean) + (spread if corrected else 0.0))
    return estimate(y, spread + np.square(sd / mean) / n)


def log_standard_deviation(sd: FloatArray, n: FloatArray, corrected: bool = True) -> tuple[FloatArray, FloatArray]:
    """Log of a standard deviation, of a normal measurement.

        y = ln sd + 1/[2(n - 1)],   v = 1/[2(n - 1)]

    The second term of y corrects a bias and may be left out. sd, n: broadcastable; returns (y, v) of that shape.
    Source: Raudenbush & Bryk (1987); Nakagawa et al. (2015).
    """
    spread = 0.5 / (n - 1.0)
    y = np.asarray(np.log(sd) + (spread if corrected else 0.0))
    return estimate(y, spread)
