"""Hedges' J: the factor that takes the small-sample bias out of a standardized mean difference."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray

# Γ(x + 1/2) / Γ(x) = √t (1 + Σ c_j / t^(2j)) with t = x - 1/4 has even powers only; its logarithm has the coefficients
# ± E_2j / (j 4^(2j + 1)) with the Euler numbers 1, 5, 61, 1385, ..., and these are the exponential of that.
_RATIO_SERIES = (
    1 / 64,
    -19 / 8192,
    631 / 524288,
    -174317 / 134217728,
    20491783 / 8589934592,
    -7334801895 / 1099511627776,
)
# From here on the series is exact to the last bit or two; below, the gamma functions themselves are.
_SERIES_FROM = 24.0


def exact_correction_less_one(m: FloatArray) -> FloatArray:
    """J - 1 for the exact J, to full precision also where J is nearly 1.

        J - 1 = s + e + s e,   s = √(1 - 3/(2m)) - 1,   e = Σ c_j / t^(2j),   t = (2m - 3)/4

    m: any shape. Returns the same shape; NaN for m <= 1, where J has no meaning.
    Source: Hedges (1981) for J; the series follows from that of ln Γ (Abramowitz & Stegun 1964, chapter 6).
    """
    m = np.asarray(m, dtype=np.float64)
    # Degrees of freedom are nearly always whole and not many, and looking them up is ten times faster than the series.
    if m.size and np.min(m) >= 0 and np.max(m) < _WHOLE.size:
        whole = m.astype(np.intp)
        if np.array_equal(whole, m):
            return np.asarray(_WHOLE.take(whole))
    return _computed_less_one(m)


def _computed_less_one(m: FloatArray) -> FloatArray:
    small = m < _SERIES_FROM
    t = np.where(small, _SERIES_FROM, m)
    s = np.asarray(-1.5 / t)
    s /= 1.0 + np.sqrt(1.0 + s)
    t *= 0.5
    t -= 0.75
    t *= t
    np.reciprocal(t, out=t)
    e = np.full_like(t, _RATIO_SERIES[-1])
    for coefficient in _RATIO_SERIES[-2::-1]:
        e *= t
        e += coefficient
    e *= t
    less_one = np.asarray(s * e)
    less_one += e
    less_one += s
    if small.any():
        less_one[small] = _by_gamma_functions(m[small])
    return less_one


def _by_gamma_functions(m: FloatArray) -> FloatArray:
    m = np.where(m > 1.0, m, np.nan)
    return np.asarray(special.gamma(m / 2.0) / (np.sqrt(m / 2.0) * special.gamma((m - 1.0) / 2.0)) - 1.0)


_WHOLE = _computed_less_one(np.arange(4096.0))


def exact_correction(m: FloatArray) -> FloatArray:
    """Hedges' J, the exact factor, for any degrees of freedom m > 1, whole or not.

        J = Γ(m/2) / [√(m/2) Γ((m - 1)/2)]

    m: any shape. Returns the same shape; NaN for m <= 1. Differences of log-gammas would lose digits as m grows.
    Source: Hedges (1981).
    """
    return np.asarray(1.0 + exact_correction_less_one(m))


def approximate_correction_less_one(m: FloatArray) -> FloatArray:
    """J - 1 for Hedges' approximation to J.

        J - 1 = -3 / (4m - 1)

    m: any shape. Returns the same shape. Source: Hedges (1981).
    """
    return np.asarray(-3.0 / (4.0 * np.asarray(m, dtype=np.float64) - 1.0))


def approximate_correction(m: FloatArray) -> FloatArray:
    """Hedges' approximation to J; with two groups of N = m + 2 people it is 1 - 3/(4N - 9).

        J = 1 - 3 / (4m - 1)

    m: any shape. Returns the same shape. Source: Hedges (1981).
    """
    return np.asarray(1.0 + approximate_correction_less_one(m))


def no_correction_less_one(m: FloatArray) -> FloatArray:
    """Zero: J - 1 where the standardized mean difference is left as it is (Cohen's d).

    m: any shape. Returns the same shape.
    """
    return np.zeros_like(m, dtype=np.float64)


CorrectionFunction = Callable[[FloatArray], FloatArray]

# Each gives J - 1, from which J follows without loss; the other way round the digits of 1 - J would be gone.
CORRECTIONS: MappingProxyType[str, CorrectionFunction] = MappingProxyType(
    {
        "exact": exact_correction_less_one,
        "approximate": approximate_correction_less_one,
        "none": no_correction_less_one,
    }
)
