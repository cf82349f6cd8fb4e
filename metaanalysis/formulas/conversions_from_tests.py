"""From what papers print about a test (t, F, p, r, chi-square, confidence intervals) to effect sizes and standard errors."""

from __future__ import annotations

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray


def z_from_p(p: FloatArray) -> FloatArray:
    """Size of a normal test statistic from its two-sided p-value.

        |z| = -Φ⁻¹(p/2)

    p: any shape, 0 < p <= 1. Returns the same shape.
    """
    return np.asarray(-special.ndtri(0.5 * np.asarray(p)))


def t_from_p(p: FloatArray, df: FloatArray) -> FloatArray:
    """Size of a t statistic from its two-sided p-value.

        |t| with p = I_x(df/2, 1/2),   x = df/(df + t²)

    p, df: broadcastable, 0 < p <= 1. Returns that shape. I is the regularized incomplete beta function.
    """
    # x for small p and 1 - x for large p: whichever is small is the one that keeps its digits.
    x = special.betaincinv(0.5 * df, 0.5, p)
    rest = special.betainccinv(0.5, 0.5 * df, p)
    return np.asarray(np.sqrt(df * rest / x))


def statistic_from_p(p: FloatArray, df: FloatArray | None = None) -> FloatArray:
    """Size of a test statistic from its two-sided p-value: normal, or t where degrees of freedom are given.

    p, df: broadcastable. Returns that shape.
    """
    return z_from_p(p) if df is None else t_from_p(p, df)


def t_from_f(f: FloatArray) -> FloatArray:
    """Size of the t statistic behind an F statistic with one degree of freedom in the numerator.

        |t| = √F

    f: any shape. Returns the same shape; the sign must come from elsewhere.
    """
    return np.asarray(np.sqrt(f))


def d_from_t(t: FloatArray, n1: FloatArray, n2: FloatArray) -> FloatArray:
    """Cohen's d from the t statistic of two independent groups.

        d = t √(1/n1 + 1/n2)

    All arguments broadcast; returns that shape. Source: Borenstein (2009).
    """
    return np.asarray(t * np.sqrt(1.0 / n1 + 1.0 / n2))


def t_from_d(d: FloatArray, n1: FloatArray, n2: FloatArray) -> FloatArray:
    """The t statistic of two independent groups from Cohen's d.

        t = d/√(1/n1 + 1/n2)

    All arguments broadcast; returns that shape.
    """
    return np.asarray(d / np.sqrt(1.0 / n1 + 1.0 / n2))


def d_from_paired_t(t: FloatArray, n: FloatArray) -> FloatArray:
    """Standardized mean change (by the standard deviation of the changes) from a paired t statistic.

        d = t/√n

    t, n: broadcastable; returns that shape.
    """
    return np.asarray(t / np.sqrt(n))


def r_from_t(t: FloatArray, df: FloatArray) -> FloatArray:
    """Correlation (partial correlation in a regression) from its t statistic.

        r = t/√(t² + df)

    t, df: broadcastable; df = n - 2 for a plain correlation. Returns that shape.
    """
    return np.asarray(t / np.hypot(t, np.sqrt(df)))


def t_from_r(r: FloatArray, df: FloatArray) -> FloatArray:
    """The t statistic of a correlation.

        t = r √df/√(1 - r²)

    r, df: broadcastable; returns that shape.
    """
    return np.asarray(r * np.sqrt(df / ((1.0 - r) * (1.0 + r))))


def r_from_chi_square(chi2: FloatArray, n: FloatArray) -> FloatArray:
    """Size of phi, the correlation of two dichotomous variables, from the chi-square of their 2 x 2 table.

        |φ| = √(χ²/n)

    chi2 (without continuity correction), n: broadcastable; returns that shape; the sign must come from elsewhere.
    """
    return np.asarray(np.sqrt(chi2 / n))


def r_from_d(d: FloatArray, v: FloatArray, n1: FloatArray, n2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Correlation from a standardized mean difference and its variance.

        r = d/√(d² + a),   v_r = a² v/(d² + a)³,   a = (n1 + n2)²/(n1 n2)

    All arguments broadcast; returns (r, v_r) of that shape. Source: Borenstein, Hedges, Higgins & Rothstein (2009).
    """
    a = np.square(n1 + n2) / (n1 * n2)
    return np.asarray(d / np.hypot(d, np.sqrt(a))), np.asarray(v * np.square(a / (d * d + a)) / (d * d + a))


def d_from_r(r: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Standardized mean difference (of two halves of the people) from a correlation and its variance.

        d = 2 r/√(1 - r²),   v_d = 4 v/(1 - r²)³

    r, v: broadcastable; returns (d, v_d) of that shape.
    Source: Borenstein, Hedges, Higgins & Rothstein (2009).
    """
    rest = (1.0 - r) * (1.0 + r)
    return np.asarray(2.0 * r / np.sqrt(rest)), np.asarray(4.0 * v / (rest * rest * rest))


def half_width_factor(level: float, df: FloatArray | None = None) -> FloatArray:
    """How many standard errors a confidence interval reaches to each side: normal, or t where df are given.

    level: strictly between 0 and 1; df: any shape. Returns the shape of df.
    """
    return statistic_from_p(np.asarray(1.0 - level, dtype=np.float64), df)


def standard_error_from_interval(
    low: FloatArray, high: FloatArray, level: float = 0.95, df: FloatArray | None = None
) -> FloatArray:
    """Standard error from a confidence interval that is symmetric on the scale of its limits.

        se = (high - low)/(2 c),   c = half_width_factor(level, df)

    low, high, df: broadcastable; ratios on the log scale. Returns that shape.
    Source: Higgins et al. (2019), Cochrane Handbook, chapter 6.
    """
    return np.asarray((high - low) / (2.0 * half_width_factor(level, df)))


def estimate_from_interval(low: FloatArray, high: FloatArray) -> FloatArray:
    """Estimate in the middle of a confidence interval that is symmetric on the scale of its limits.

        y = (low + high)/2

    low, high: broadcastable; ratios on the log scale. Returns that shape.
    """
    return np.asarray(low + 0.5 * (high - low))


def standard_error_from_p(y: FloatArray, p: FloatArray, df: FloatArray | None = None) -> FloatArray:
    """Standard error of an estimate from the two-sided p-value of its test against zero.

        se = |y|/c,   c = statistic_from_p(p, df)

    y, p, df: broadcastable; y on the scale of the test (log for ratios). Returns that shape.
    Source: Higgins et al. (2019), Cochrane Handbook, chapter 6.
    """
    return np.asarray(np.abs(y) / statistic_from_p(p, df))


def standard_error_from_statistic(y: FloatArray, statistic: FloatArray) -> FloatArray:
    """Standard error of an estimate from its z or t statistic.

        se = |y/statistic|

    y, statistic: broadcastable. Returns that shape.
    """
    return np.asarray(np.abs(y / statistic))
