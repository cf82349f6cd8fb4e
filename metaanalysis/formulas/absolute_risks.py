"""Risk differences that hazard ratios mean, for people whose risk without treatment is known.

``risk2`` is that risk (of the control group) over some time. Those of odds and risk ratios are in ``risk_conversions.py``.
"""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray


def risk_difference_from_hazard_ratio(hazard_ratio: FloatArray, risk2: FloatArray) -> FloatArray:
    """Risk difference over the time in which the risk without treatment is risk2, hazards being proportional.

        RD = (1 - p2) - (1 - p2)^HR = -(1 - p2) {exp[(HR - 1) log(1 - p2)] - 1}

    hazard_ratio, risk2: broadcastable, risk2 below 1; returns that shape. Source: Skoetz et al. (2020).
    """
    free = np.log1p(-np.asarray(risk2, dtype=np.float64))
    return np.asarray(-np.exp(free) * np.expm1((hazard_ratio - 1.0) * free))
