"""Two dichotomous variables: a 2 x 2 table -> correlation-like measure of association y and sampling variance v.

As in binary.py: row 1 has ``events1`` of ``n1``, row 2 ``events2`` of ``n2``; a = events1, b = n1 - events1,
c = events2, d = n2 - events2, N = a + b + c + d. Columns sum to a + c and b + d.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.estimates import estimate


def phi_coefficient(
    events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray, variance: str = "CS"
) -> tuple[FloatArray, FloatArray]:
    """Phi, the correlation of two dichotomous variables.

        y = (a d - b c) / √[n1 n2 (a + c)(b + d)]

    with the variance from PHI_VARIANCES: "CS" where only N was fixed, "ST" where the row totals were.
    All arguments broadcast; returns (y, v) of that shape, NaN where a margin is 0.
    """
    column1, column2 = events1 + events2, (n1 - events1) + (n2 - events2)
    y = (events1 * n2 - events2 * n1) / (np.sqrt(n1 * n2) * np.sqrt(column1 * column2))
    return estimate(y, PHI_VARIANCES[variance](events1, n1, events2, n2))


def phi_variance_fixed_rows(events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray) -> FloatArray:
    """Variance of phi where the sizes of the two rows were fixed: two binomials ("ST").

        v = Σ (∂φ/∂p_g)² p_g (1 - p_g)/n_g,      φ = √(q1 q2) (p1 - p2)/√(p (1 - p)),   q_g = n_g/N,   p = q1 p1 + q2 p2
        ∂φ/∂p_g = √(q1 q2) [± 1 - q_g (p1 - p2)(1 - 2p)/(2 p (1 - p))] / √(p (1 - p))

    All arguments broadcast; returns that shape. Source: the delta method; compare Fleiss & Berlin (2009).
    """
    total = n1 + n2
    q1, q2 = n1 / total, n2 / total
    p = (events1 + events2) / total
    q = ((n1 - events1) + (n2 - events2)) / total
    slope = (events1 * n2 - events2 * n1) / (n1 * n2) * (q - p) / (2.0 * p * q)
    v1 = np.square(1.0 - q1 * slope) * (events1 / n1) * ((n1 - events1) / n1) / n1
    v2 = np.square(1.0 + q2 * slope) * (events2 / n2) * ((n2 - events2) / n2) / n2
    return np.asarray(q1 * q2 / (p * q) * (v1 + v2))


def phi_variance_cross_sectional(
    events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray
) -> FloatArray:
    """Variance of phi where only the total was fixed: one multinomial ("CS").

        v = {1 - φ² + φ (1 + φ²/2) r c/√(R C) - (3/4) φ² (r²/R + c²/C)} / N

    with the margins' proportions r = (n1 - n2)/N, R = n1 n2/N² and likewise c, C for the columns.
    All arguments broadcast; returns that shape. Source: Yule (1912).
    """
    total = n1 + n2
    column1, column2 = events1 + events2, (n1 - events1) + (n2 - events2)
    rows, columns = n1 * n2, column1 * column2
    r, c = (n1 - n2) / np.sqrt(rows), (column1 - column2) / np.sqrt(columns)
    phi = (events1 * n2 - events2 * n1) / (np.sqrt(rows) * np.sqrt(columns))
    phi2 = phi * phi
    return np.asarray((1.0 - phi2 + phi * (1.0 + 0.5 * phi2) * r * c - 0.75 * phi2 * (r * r + c * c)) / total)


PHI_VARIANCES: MappingProxyType[str, Callable[[FloatArray, FloatArray, FloatArray, FloatArray], FloatArray]] = (
    MappingProxyType({"ST": phi_variance_fixed_rows, "CS": phi_variance_cross_sectional})
)


def yule_q(events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Yule's coefficient of association.

        Q = (a d - b c)/(a d + b c)
        v = (1 - Q²)²/4 (1/a + 1/b + 1/c + 1/d)

    All arguments broadcast; returns (Q, v) of that shape, NaN where v is not defined. Source: Yule (1912).
    """
    b, d = n1 - events1, n2 - events2
    concordant, discordant = events1 * d, b * events2
    both = concordant + discordant
    y = (events1 * n2 - events2 * n1) / both
    # 1 - Q² = 4 ad bc/(ad + bc)²
    v = np.square(2.0 * (concordant / both) * (discordant / both)) * (n1 / (events1 * b) + n2 / (events2 * d))
    return estimate(y, v)


def yule_y(events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Yule's coefficient of colligation.

        Y = (√(a d) - √(b c))/(√(a d) + √(b c))
        v = (1 - Y²)²/16 (1/a + 1/b + 1/c + 1/d)

    All arguments broadcast; returns (Y, v) of that shape, NaN where v is not defined. Source: Yule (1912).
    """
    b, d = n1 - events1, n2 - events2
    concordant, discordant = np.sqrt(events1 * d), np.sqrt(b * events2)
    both = concordant + discordant
    y = (events1 * n2 - events2 * n1) / (both * both)
    v = np.square((concordant / both) * (discordant / both)) * (n1 / (events1 * b) + n2 / (events2 * d))
    return estimate(y, v)
