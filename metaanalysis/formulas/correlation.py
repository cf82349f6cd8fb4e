"""Correlations, partial correlations and explained variance: -> effect size y and sampling variance v."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.estimates import estimate


def correlation(r: FloatArray, n: FloatArray, variance: str = "LS") -> tuple[FloatArray, FloatArray]:
    """Correlation as it is.

        y = r,   v from CORRELATION_VARIANCES

    r, n: (..., k), broadcastable; returns (y, v) of that shape.
    """
    return estimate(r, CORRELATION_VARIANCES[variance](r, r, n))


def unbiased_correlation(r: FloatArray, n: FloatArray, variance: str = "LS") -> tuple[FloatArray, FloatArray]:
    """Correlation corrected for its bias towards zero.

        y = r ₂F₁(1/2, 1/2; (n - 2)/2; 1 - r²),   v from CORRELATION_VARIANCES

    r, n: (..., k), broadcastable, n > 4; returns (y, v) of that shape. Source: Olkin & Pratt (1958).
    """
    first, rest = hypergeometric_terms(0.5, 0.5 * (n - 2.0), (1.0 - r) * (1.0 + r))
    y = np.asarray(r + r * (first + rest))
    return estimate(y, CORRELATION_VARIANCES[variance](y, r, n))


# Where the series converges within its terms: from this c, or up to this x. SciPy's function is good elsewhere, but fails
# at c = 999, x = 0.9975 (NaN).
_SERIES_FROM_C = 30.0
_SERIES_TO_X = 0.5
_SERIES_TERMS = 60


def hypergeometric_terms(a: float, c: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Gauss' hypergeometric function with two equal parameters, as what its terms add to 1: the first, and all others.

        ₂F₁(a, a; c; x) = 1 + first + rest,   first = a² x/c,   rest = Σ (k = 2, 3, ...) [(a)_k]²/(c)_k x^k/k!

    c, x: broadcastable, c > 2a, 0 <= x <= 1. Returns (first, rest), each of that shape.
    Source: Abramowitz & Stegun (1964), chapter 15.
    """
    c, x = np.broadcast_arrays(np.asarray(c, dtype=np.float64), np.asarray(x, dtype=np.float64))
    inner = np.zeros(c.shape)
    # Horner's scheme, from the last term.
    for k in range(_SERIES_TERMS - 1, 0, -1):
        inner = (1.0 + inner) * ((a + k) * (a + k) / (k + 1.0) * x / (c + k))
    first = np.asarray(a * a * x / c)
    rest = first * inner
    slow = (c < _SERIES_FROM_C) & (x > _SERIES_TO_X)
    if slow.any():
        rest = np.where(slow, special.hyp2f1(a, a, np.minimum(c, _SERIES_FROM_C), x) - 1.0 - first, rest)
    return first, rest


def correlation_large_sample_variance(y: FloatArray, r: FloatArray, n: FloatArray) -> FloatArray:  # noqa: ARG001
    """Large-sample variance of a correlation ("LS").

        v = (1 - y²)²/(n - 1)

    y: the estimate; r: as observed; n: sample size; broadcastable. Returns that shape. Source: Borenstein (2009).
    """
    return np.asarray(np.square((1.0 - y) * (1.0 + y)) / (n - 1.0))


def correlation_unbiased_variance(y: FloatArray, r: FloatArray, n: FloatArray) -> FloatArray:  # noqa: ARG001
    """Unbiased estimate of the variance of the unbiased correlation ("UB"; only for that).

        v = y² - 1 + (n - 3)/(n - 2) (1 - r²) ₂F₁(1, 1; n/2; 1 - r²)

    y: unbiased estimate; r: as observed; n: sample size; broadcastable. Returns that shape.
    Source: Olkin & Pratt (1958); Hedges (1989).
    """
    x = (1.0 - r) * (1.0 + r)
    first, rest = hypergeometric_terms(0.5, 0.5 * (n - 2.0), x)
    # y² = r² (1 + first + rest)² and 2 first = x/(n - 2): the terms in x alone cancel, and are left out.
    excess = np.add(*hypergeometric_terms(1.0, 0.5 * n, x))
    y_part = r * r * (2.0 * rest + np.square(first + rest))
    return np.asarray(x * ((n - 3.0) * excess - x) / (n - 2.0) + y_part)


def correlation_average_variance(y: FloatArray, r: FloatArray, n: FloatArray) -> FloatArray:  # noqa: ARG001
    """Large-sample variance at the average correlation of the studies, weighted by their sizes ("AV").

        v = (1 - ȳ²)²/(n - 1),   ȳ = Σ n y/Σ n

    The average runs over the last axis. Arguments as in correlation_large_sample_variance; returns their shape.
    """
    average = size_weighted_average(y, n)
    return np.asarray(np.square((1.0 - average) * (1.0 + average)) / (n - 1.0))


def size_weighted_average(y: FloatArray, n: FloatArray) -> FloatArray:
    """Average over the studies of a meta-analysis, the last axis, weighted by their sizes.

        ȳ = Σ n y/Σ n

    y, n: (..., k), broadcastable; a study whose y is not finite does not count. Returns (..., 1). Source: Hunter & Schmidt (2004).
    """
    y, n = np.broadcast_arrays(y, n)
    known = np.isfinite(y)
    weighted, weights = np.where(known, n * y, 0.0), np.where(known, n, 0.0)
    return np.asarray(np.sum(weighted, axis=-1, keepdims=True) / np.sum(weights, axis=-1, keepdims=True))


CORRELATION_VARIANCES: MappingProxyType[str, Callable[[FloatArray, FloatArray, FloatArray], FloatArray]] = (
    MappingProxyType(
        {
            "LS": correlation_large_sample_variance,
            "UB": correlation_unbiased_variance,
            "AV": correlation_average_variance,
        }
    )
)


def fisher_z(r: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Fisher's transformation of a correlation.

        y = artanh r = ln[(1 + r)/(1 - r)]/2
        v = 1/(n - 3)

    r, n: broadcastable; returns (y, v) of that shape. Source: Fisher (1921).
    """
    y = np.arctanh(r)
    return estimate(y, 1.0 / (n - 3.0))


def fisher_z_of_estimate(y: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Fisher's transformation of any correlation-like estimate, its variance by the delta method.

        z = artanh y,   v_z = v/(1 - y²)²

    For phi, tetrachoric, biserial and semi-partial correlations, whose variance it does not stabilize.
    y, v: broadcastable; returns (z, v_z) of that shape.
    """
    return estimate(np.arctanh(y), v / np.square((1.0 - y) * (1.0 + y)))


def partial_correlation(
    t: FloatArray, n: FloatArray, predictors: FloatArray, variance: str = "LS"
) -> tuple[FloatArray, FloatArray]:
    """Partial correlation from the t statistic of a regression coefficient.

        y = t/√(t² + df),   df = n - predictors - 1
        v = (1 - y²)²/df                       "LS"; "AV" with the studies' average y, weighted by n, instead

    t, n, predictors (all of them, the focal one too): (..., k), broadcastable; returns (y, v) of that shape.
    Source: Aloe & Thompson (2013).
    """
    df = n - predictors - 1.0
    y = np.asarray(t / np.hypot(t, np.sqrt(df)))
    if variance == "AV":
        average = size_weighted_average(y, n)
        return estimate(y, np.square((1.0 - average) * (1.0 + average)) / df)
    # 1 - y² = df/(t² + df)
    return estimate(y, np.square(df / (t * t + df)) / df)


def fisher_z_partial_correlation(t: FloatArray, n: FloatArray, predictors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Fisher's transformation of a partial correlation.

        y = artanh[t/√(t² + df)] = arsinh(t/√df),   df = n - predictors - 1
        v = 1/(n - predictors - 2) = 1/(n - 3 - number of variables partialled out)

    t, n, predictors (all of them, the focal one too): broadcastable; returns (y, v) of that shape.
    Source: Fisher (1924). (metafor before version 4.0 took 1/df.)
    """
    df = n - predictors - 1.0
    y = np.asarray(np.arcsinh(t / np.sqrt(df)))
    return estimate(y, 1.0 / (df - 1.0))


def semipartial_correlation(
    t: FloatArray, n: FloatArray, predictors: FloatArray, r2: FloatArray, variance: str = "LS"
) -> tuple[FloatArray, FloatArray]:
    """Semi-partial correlation from the t statistic of a regression coefficient and the model's R².

        y = t √(1 - R²)/√df,   df = n - predictors - 1
        v = [R⁴ - 2R² + (R² - y²) + 1 - (R² - y²)²]/n        "LS"; "AV" with the studies' average y instead

    t, n, predictors (all of them, the focal one too), r2: (..., k), broadcastable; returns (y, v) of that shape.
    Source: Aloe & Becker (2012).
    """
    y = np.asarray(t * np.sqrt((1.0 - r2) / (n - predictors - 1.0)))
    at = size_weighted_average(y, n) if variance == "AV" else y
    rest = r2 - at * at
    return estimate(y, (np.square(1.0 - r2) + rest * (1.0 - rest)) / n)


def explained_variance(r2: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Coefficient of determination, R².

        y = R²,   v = 4 R² (1 - R²)²/n

    r2, n: broadcastable; returns (y, v) of that shape. Source: Olkin & Finn (1995).
    """
    return estimate(r2, 4.0 * r2 * np.square(1.0 - r2) / n)


def fisher_z_explained_variance(r2: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Fisher's transformation of the multiple correlation R.

        y = artanh √R²,   v = 1/n

    r2, n: broadcastable; returns (y, v) of that shape. Source: Olkin & Finn (1995).
    """
    y = np.asarray(np.arctanh(np.sqrt(r2)))
    return estimate(y, 1.0 / n)
