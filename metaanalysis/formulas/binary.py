"""Two groups, counts of people with and without an event: study tables -> effect size y and sampling variance v.

Group 1 has ``events1`` of ``n1``, group 2 ``events2`` of ``n2``. In the equations a = events1, b = n1 - events1,
c = events2, d = n2 - events2, N = n1 + n2. Counts may be fractions, as after a continuity correction (continuity.py).
"""

from __future__ import annotations

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.estimates import estimate
from metaanalysis.formulas.log_ratio import log_ratio
from metaanalysis.formulas.one_group import PROPORTION_VARIANCES


def log_risk_ratio(
    events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Log of the ratio of two risks.

        y = ln[(a/n1) / (c/n2)]
        v = (1/a - 1/n1) + (1/c - 1/n2)

    All arguments broadcast; returns (y, v) of that shape, infinite or NaN where a or c is 0.
    Source: Katz, Baptista, Azen & Pike (1978).
    """
    y = log_ratio(events1 * n2, events2 * n1)
    v = (n1 - events1) / (events1 * n1) + (n2 - events2) / (events2 * n2)
    return estimate(y, v)


def log_odds_ratio(
    events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Log of the ratio of two odds.

        y = ln[(a d) / (b c)]
        v = 1/a + 1/b + 1/c + 1/d

    All arguments broadcast; returns (y, v) of that shape, infinite or NaN where a cell is 0.
    Source: Woolf (1955).
    """
    b, d = n1 - events1, n2 - events2
    y = log_ratio(events1 * d, b * events2)
    v = n1 / (events1 * b) + n2 / (events2 * d)
    return estimate(y, v)


def risk_difference(
    events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray, variance: str = "LS"
) -> tuple[FloatArray, FloatArray]:
    """Difference of two risks.

        y = a/n1 - c/n2
        v = a b/n1³ + c d/n2³                          "LS"
        v = a b/[n1² (n1 - 1)] + c d/[n2² (n2 - 1)]    "UB": unbiased
        v = p1 (1 - p1)/n1 + p2 (1 - p2)/n2            "AV": with each group's risk over all studies (the last axis)

    All arguments broadcast to (..., k); returns (y, v) of that shape. Source: Fleiss & Berlin (2009).
    """
    y = (events1 * n2 - events2 * n1) / (n1 * n2)
    proportion_variance = PROPORTION_VARIANCES[variance]
    return estimate(y, proportion_variance(events1, n1) + proportion_variance(events2, n2))


def peto_components(
    events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Observed less expected events of group 1, and the hypergeometric variance of that.

        O - E = a - n1 (a + c)/N = (a n2 - c n1)/N
        V     = n1 n2 (a + c)(b + d) / [N² (N - 1)]

    All arguments broadcast; returns (O - E, V) of that shape; V = 0 where nobody or everybody had the event.
    Source: Yusuf, Peto, Lewis, Collins & Sleight (1985).
    """
    total = n1 + n2
    events = events1 + events2
    o_minus_e = (events1 * n2 - events2 * n1) / total
    variance = (n1 / total) * (n2 / total) * events * ((total - events) / (total - 1.0))
    return o_minus_e, variance


def peto_log_odds_ratio(
    events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Log odds ratio by Peto's one-step method.

        y = (O - E)/V,   v = 1/V

    All arguments broadcast; returns (y, v) of that shape, NaN and infinite where V = 0.
    Source: Yusuf, Peto, Lewis, Collins & Sleight (1985).
    """
    o_minus_e, variance = peto_components(events1, n1, events2, n2)
    return estimate(o_minus_e / variance, 1.0 / variance)


def arcsine_difference(
    events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Difference of the arcsine square roots of two risks; defined with zeros too.

        y = arcsin √(a/n1) - arcsin √(c/n2)
        v = 1/(4 n1) + 1/(4 n2)

    All arguments broadcast; returns (y, v) of that shape. Source: Rücker, Schwarzer, Carpenter & Olkin (2009).
    """
    b, d = n1 - events1, n2 - events2
    # The angle between two directions, (√a, √b) and (√c, √d): no difference of nearly equal arcsines is taken.
    rising, falling = np.sqrt(events1 * d), np.sqrt(b * events2)
    scale = rising + falling
    sine = (events1 * n2 - events2 * n1) / np.where(scale > 0.0, scale, 1.0)
    y = np.arctan2(sine, np.sqrt(events1 * events2) + np.sqrt(b * d))
    return estimate(y, 0.25 / n1 + 0.25 / n2)


def log_odds_ratio_to_d_logistic(y: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Standardized mean difference behind a log odds ratio, if the underlying measurement is logistic.

        d = y √3/π,   v_d = v 3/π²

    y, v: log odds ratio and its variance, any shape. Returns (d, v_d).
    Source: Hasselblad & Hedges (1995); Chinn (2000).
    """
    return estimate(y * (np.sqrt(3.0) / np.pi), v * (3.0 / np.pi**2))


# The constant by which Cox & Snell (1989) divide a log odds ratio if the underlying measurement is normal.
COX_SNELL = 1.65


def log_odds_ratio_to_d_normal(y: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Standardized mean difference behind a log odds ratio, if the underlying measurement is normal.

        d = y/1.65,   v_d = v/1.65²

    y, v: log odds ratio and its variance, any shape. Returns (d, v_d). Source: Cox & Snell (1989).
    """
    return estimate(y / COX_SNELL, v / COX_SNELL**2)


def probit_difference(
    events1: FloatArray, n1: FloatArray, events2: FloatArray, n2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Difference of two probits: the standardized mean difference of a normal measurement cut in two.

        y = z1 - z2,                     z_g = Φ⁻¹(p_g)
        v = Σ p_g (1 - p_g) / [n_g φ(z_g)²]

    All arguments broadcast; returns (y, v) of that shape, infinite or NaN where a cell is 0.
    Source: Sánchez-Meca, Marín-Martínez & Chacón-Moscoso (2003).
    """
    z1, v1 = _probit(events1, n1)
    z2, v2 = _probit(events2, n2)
    return estimate(z1 - z2, v1 + v2)


def _probit(events: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    others = n - events
    # Φ⁻¹ of the smaller tail: near 1 a probability has lost the digits of its complement.
    z = special.ndtri(np.minimum(events, others) / n)
    v = 2.0 * np.pi * np.exp(z * z) * (events / n) * (others / n) / n
    return np.where(others < events, -z, z), v
