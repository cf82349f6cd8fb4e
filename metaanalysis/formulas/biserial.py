"""A dichotomous and a continuous variable, from the means of two groups: -> correlation y and sampling variance v.

d is the standardized mean difference (not corrected) of groups of n1 and n2; N = n1 + n2.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.estimates import estimate


def point_biserial_from_d(d: FloatArray, n1: FloatArray, n2: FloatArray) -> FloatArray:
    """Correlation of group membership and measurement, in the sample at hand.

        r = d/√(d² + h),   h = (N - 2)(1/n1 + 1/n2)

    All arguments broadcast; returns that shape. Source: Tate (1954).
    """
    return np.asarray(d / np.hypot(d, np.sqrt(_h(n1, n2))))


def _h(n1: FloatArray, n2: FloatArray) -> FloatArray:
    return np.asarray((n1 + n2 - 2.0) * (1.0 / n1 + 1.0 / n2))


def point_biserial_correlation(
    d: FloatArray, n1: FloatArray, n2: FloatArray, variance: str = "ST"
) -> tuple[FloatArray, FloatArray]:
    """Point-biserial correlation from a standardized mean difference.

        y = d/√(d² + h),   h = (N - 2)(1/n1 + 1/n2)

    with the variance from POINT_BISERIAL_VARIANCES: "ST" where n1 and n2 were fixed, "CS" where only N was.
    All arguments broadcast; returns (y, v) of that shape. Source: Tate (1954).
    """
    return estimate(point_biserial_from_d(d, n1, n2), POINT_BISERIAL_VARIANCES[variance](d, n1, n2))


def point_biserial_variance_fixed_groups(d: FloatArray, n1: FloatArray, n2: FloatArray) -> FloatArray:
    """Variance of a point-biserial correlation where the sizes of the groups were fixed ("ST").

        v = h²/(d² + h)³ [1/n1 + 1/n2 + d²/(2N)]

    All arguments broadcast; returns that shape. Source: the delta method on the large-sample variance of d.
    """
    h = _h(n1, n2)
    share = h / (d * d + h)
    return np.asarray(share * share / (d * d + h) * (1.0 / n1 + 1.0 / n2 + d * d / (2.0 * (n1 + n2))))


def point_biserial_variance_cross_sectional(d: FloatArray, n1: FloatArray, n2: FloatArray) -> FloatArray:
    """Variance of a point-biserial correlation where only the total was fixed ("CS").

        v = (1 - r²)² [N r²/(4 n1 n2) + (2 - 3 r²)/(2N)]

    All arguments broadcast; returns that shape. Source: Tate (1954).
    """
    h, total = _h(n1, n2), n1 + n2
    r2 = d * d / (d * d + h)
    complement = h / (d * d + h)
    return np.asarray(complement * complement * (total * r2 / (4.0 * n1 * n2) + (2.0 - 3.0 * r2) / (2.0 * total)))


POINT_BISERIAL_VARIANCES: MappingProxyType[str, Callable[[FloatArray, FloatArray, FloatArray], FloatArray]] = (
    MappingProxyType({"ST": point_biserial_variance_fixed_groups, "CS": point_biserial_variance_cross_sectional})
)


def biserial_correlation(d: FloatArray, n1: FloatArray, n2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Correlation of the measurement with a normal variable of which the groups are the two halves.

        y = r √(p q)/φ(z),   p = n1/N,   q = n2/N,   z = Φ⁻¹(q),   r the point-biserial correlation
        v = {p q/φ² - [3/2 + (1 - p z/φ)(1 + q z/φ)] y² + y⁴}/(N - 1),   y taken as ±1 there where it exceeds that

    All arguments broadcast; returns (y, v) of that shape; y can exceed 1.
    Source: Soper (1914); Jacobs & Viechtbauer (2017).
    """
    total = n1 + n2
    p, q = n1 / total, n2 / total
    z = special.ndtri(np.minimum(p, q))
    z = np.where(q <= p, z, -z)
    density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    y = point_biserial_from_d(d, n1, n2) * np.sqrt(p * q) / density
    y2 = np.minimum(y * y, 1.0)
    middle = 1.5 + (1.0 - p * z / density) * (1.0 + q * z / density)
    return estimate(y, (p * q / (density * density) - middle * y2 + y2 * y2) / (total - 1.0))


def stabilized_biserial_correlation(d: FloatArray, n1: FloatArray, n2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Biserial correlation on a scale where its variance does not depend on it.

        y = (a/2) ln[(1 + a r)/(1 - a r)] = a artanh(a r),   a = √φ(z)/(p q)^(1/4),   r from biserial_correlation
        v = 1/(N - 1)

    All arguments broadcast; returns (y, v) of that shape, NaN where |a r| > 1.
    Source: Jacobs & Viechtbauer (2017).
    """
    total = n1 + n2
    p, q = n1 / total, n2 / total
    z = special.ndtri(np.minimum(p, q))
    a = np.sqrt(np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)) / np.sqrt(np.sqrt(p * q))
    y = np.asarray(a * np.arctanh(a * biserial_correlation(d, n1, n2)[0]))
    return estimate(y, 1.0 / (total - 1.0))
