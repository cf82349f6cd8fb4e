"""Odds ratio, risk ratio and risk difference into each other, for people whose risk without treatment is known.

``risk2`` is that risk (of the control group). A result is NaN where it would need a risk outside 0 to 1.
"""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray


def risk_ratio_from_odds_ratio(odds_ratio: FloatArray, risk2: FloatArray) -> FloatArray:
    """Risk ratio that an odds ratio means at a given risk.

        RR = OR/(1 - p2 + p2 OR)

    odds_ratio, risk2: broadcastable; returns that shape. Source: Zhang & Yu (1998).
    """
    return np.asarray(odds_ratio / (1.0 + risk2 * (odds_ratio - 1.0)))


def risk_difference_from_odds_ratio(odds_ratio: FloatArray, risk2: FloatArray) -> FloatArray:
    """Risk difference that an odds ratio means at a given risk.

        RD = p2 (1 - p2)(OR - 1)/(1 - p2 + p2 OR)

    odds_ratio, risk2: broadcastable; returns that shape.
    """
    excess = odds_ratio - 1.0
    return np.asarray(risk2 * (1.0 - risk2) * excess / (1.0 + risk2 * excess))


def odds_ratio_from_risk_ratio(risk_ratio: FloatArray, risk2: FloatArray) -> FloatArray:
    """Odds ratio that a risk ratio means at a given risk.

        OR = RR (1 - p2)/(1 - RR p2)

    risk_ratio, risk2: broadcastable; returns that shape, NaN where RR p2 > 1.
    """
    rest = 1.0 - risk_ratio * risk2
    return np.asarray(risk_ratio * (1.0 - risk2) / np.where(rest >= 0.0, rest, np.nan))


def risk_difference_from_risk_ratio(risk_ratio: FloatArray, risk2: FloatArray) -> FloatArray:
    """Risk difference that a risk ratio means at a given risk.

        RD = p2 (RR - 1)

    risk_ratio, risk2: broadcastable; returns that shape, NaN where RR p2 > 1.
    """
    return np.asarray(np.where(risk_ratio * risk2 <= 1.0, risk2 * (risk_ratio - 1.0), np.nan))


def risk_ratio_from_risk_difference(risk_difference: FloatArray, risk2: FloatArray) -> FloatArray:
    """Risk ratio that a risk difference means at a given risk.

        RR = 1 + RD/p2

    risk_difference, risk2: broadcastable; returns that shape, NaN where p2 + RD is not within 0 and 1.
    """
    risk1 = _risk1(risk_difference, risk2)
    return np.asarray(risk1 / risk2)


def odds_ratio_from_risk_difference(risk_difference: FloatArray, risk2: FloatArray) -> FloatArray:
    """Odds ratio that a risk difference means at a given risk.

        OR = (p2 + RD)(1 - p2)/[(1 - p2 - RD) p2]

    risk_difference, risk2: broadcastable; returns that shape, NaN where p2 + RD is not within 0 and 1.
    """
    risk1 = _risk1(risk_difference, risk2)
    return np.asarray(risk1 * (1.0 - risk2) / ((1.0 - risk1) * risk2))


def number_needed_to_treat(risk_difference: FloatArray) -> FloatArray:
    """People to be treated for one event less (or more, where the difference is positive).

        NNT = 1/|RD|

    risk_difference: any shape. Returns the same shape, infinite at 0. Source: Laupacis, Sackett & Roberts (1988).
    """
    size = np.abs(np.asarray(risk_difference, dtype=np.float64))
    return np.divide(1.0, size, out=np.full_like(size, np.inf), where=size != 0.0)


def _risk1(risk_difference: FloatArray, risk2: FloatArray) -> FloatArray:
    risk1 = np.asarray(risk2 + risk_difference)
    return np.where((risk1 >= 0.0) & (risk1 <= 1.0), risk1, np.nan)
