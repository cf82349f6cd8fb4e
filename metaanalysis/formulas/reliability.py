"""Cronbach's alpha and its transformations: -> effect size y and sampling variance v.

``alpha`` of a scale of ``items`` (m) items, found in ``n`` people.
"""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.estimates import estimate


def cronbach_alpha(alpha: FloatArray, items: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cronbach's alpha as it is.

        y = α,   v = 2 m (1 - α)²/[(m - 1)(n - 2)]

    All arguments broadcast; returns (y, v) of that shape. Source: Bonett (2010).
    """
    v = np.asarray(2.0 * items * np.square(1.0 - alpha) / ((items - 1.0) * (n - 2.0)))
    return estimate(alpha, v)


def cube_root_alpha(alpha: FloatArray, items: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Hakstian and Whalen's transformation of alpha, turned so that it rises with alpha.

        y = 1 - (1 - α)^(1/3),   v = 18 m (n - 1)(1 - α)^(2/3)/[(m - 1)(9n - 11)²]

    All arguments broadcast; returns (y, v) of that shape. Source: Hakstian & Whalen (1976).
    """
    root = np.cbrt(1.0 - alpha)
    v = np.asarray(18.0 * items * (n - 1.0) * root * root / ((items - 1.0) * np.square(9.0 * n - 11.0)))
    return estimate(-np.expm1(np.log1p(-alpha) / 3.0), v)


def log_alpha(alpha: FloatArray, items: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bonett's transformation of alpha, turned so that it rises with alpha.

        y = -ln(1 - α),   v = 2 m/[(m - 1)(n - 2)]

    All arguments broadcast; returns (y, v) of that shape. Source: Bonett (2002).
    """
    v = np.asarray(2.0 * items / ((items - 1.0) * (n - 2.0)))
    return estimate(-np.log1p(-alpha), v)
