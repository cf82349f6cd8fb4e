"""How much the studies differ: Q, its test, I2 and H2, from Q or from tau2."""

from __future__ import annotations

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.problems import Problems, problems


def cochran_q(y: FloatArray, v: FloatArray, X: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
    """Cochran's Q = sum (y - X b)^2 / v about the common-effect fit, and its degrees of freedom k - p.

    y, v: (..., k); X: (..., k, p) or None. Returns two arrays (...).
    Source: Cochran (1954).
    """
    return q_and_typical_variance(y, v, X)[:2]


def q_and_typical_variance(
    y: FloatArray, v: FloatArray, X: FloatArray | None = None, given: Problems | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Cochran's Q, its degrees of freedom and the typical sampling variance, from one fit; see the two functions.

    given: what `problems` makes of y, v and X, where it is known.
    """
    p = problems(y, v, X) if given is None else given
    enough = p.df > 0
    typical = np.where(enough, p.df / np.where(enough, p.at_zero.trace_p, 1.0), np.nan)
    return p.at_zero.q.reshape(p.lead), p.df.reshape(p.lead), typical.reshape(p.lead)


def chi2_upper_tail(x: FloatArray, df: FloatArray) -> FloatArray:
    """P(chi2 with df > x); NaN where df is 0."""
    return np.where(df > 0, special.chdtrc(np.where(df > 0, df, 1.0), x), np.nan)


def typical_variance(v: FloatArray, X: FloatArray | None = None) -> FloatArray:
    """The sampling variance of a typical study: s2 = (k - p) / tr P with w = 1 / v.

    v: (..., k); X: (..., k, p) or None. Returns (...). Source: Higgins & Thompson (2002), equation 9.
    """
    return q_and_typical_variance(np.zeros_like(v), v, X)[2]


def i2_from_tau2(tau2: FloatArray, s2: FloatArray) -> FloatArray:
    """I2 = 100 tau2 / (tau2 + s2), in per cent: the share of the total variation that lies between studies."""
    return 100.0 * tau2 / (tau2 + s2)


def h2_from_tau2(tau2: FloatArray, s2: FloatArray) -> FloatArray:
    """H2 = (tau2 + s2) / s2 = 1 + tau2 / s2."""
    return 1.0 + tau2 / s2


def i2_from_q(q: FloatArray, df: FloatArray) -> FloatArray:
    """I2 = 100 max(0, (Q - df) / Q), in per cent. Source: Higgins & Thompson (2002)."""
    usable = (df > 0) & ~np.isnan(q)
    positive = usable & (q > df)
    return np.where(usable, np.where(positive, 100.0 * (q - df) / np.where(positive, q, 1.0), 0.0), np.nan)


def h2_from_q(q: FloatArray, df: FloatArray) -> FloatArray:
    """H2 = Q / df. Source: Higgins & Thompson (2002)."""
    return np.where(df > 0, q / np.where(df > 0, df, 1.0), np.nan)
