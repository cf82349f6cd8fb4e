"""Matched pairs, or one group seen twice, with a dichotomous outcome: -> effect size y and sampling variance v.

Of n pairs, ``both`` (a) have the event under treatments 1 and 2, ``only1`` (b) under 1 alone, ``only2`` (c)
under 2 alone, ``neither`` (d) under none. The marginal risks are (a + b)/n and (a + c)/n.
"""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.estimates import estimate
from metaanalysis.formulas.log_ratio import log_ratio


def paired_risk_difference(
    both: FloatArray, only1: FloatArray, only2: FloatArray, neither: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Difference of two marginal risks.

        y = (b - c)/n
        v = [(b + c)/n - (b - c)²/n²]/n

    All arguments broadcast; returns (y, v) of that shape. Source: Newcombe (1998).
    """
    n = both + only1 + only2 + neither
    y = np.asarray((only1 - only2) / n)
    # (b + c) n - (b - c)² = (b + c)(a + d) + 4 b c
    v = ((only1 + only2) * (both + neither) + 4.0 * only1 * only2) / (n * n * n)
    return estimate(y, v)


def paired_log_risk_ratio(both: FloatArray, only1: FloatArray, only2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log of the ratio of two marginal risks.

        y = ln[(a + b)/(a + c)]
        v = (b + c)/[(a + b)(a + c)]

    All arguments broadcast; returns (y, v) of that shape. Source: Becker & Balagtas (1993); Zou (2007).
    """
    events1, events2 = both + only1, both + only2
    y = log_ratio(events1, events2)
    return estimate(y, (only1 + only2) / (events1 * events2))


def paired_log_odds_ratio(
    both: FloatArray, only1: FloatArray, only2: FloatArray, neither: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Log of the ratio of two marginal odds.

        y = ln[(a + b)(b + d)/((a + c)(c + d))]
        v = n/[(a + b)(c + d)] + n/[(a + c)(b + d)] - 2 n (a d - b c)/[(a + b)(c + d)(a + c)(b + d)]

    All arguments broadcast; returns (y, v) of that shape. Source: Becker & Balagtas (1993).
    """
    n = both + only1 + only2 + neither
    events1, others1 = both + only1, only2 + neither
    events2, others2 = both + only2, only1 + neither
    y = log_ratio(events1 * others2, events2 * others1)
    # Over the common denominator nothing is subtracted: p1 q1 + p2 q2 - 2 (ad - bc) as sums of products of cells.
    numerator = (only1 + only2) * (both + neither) + 4.0 * only1 * only2
    v = n * (numerator / (events1 * others1)) / (events2 * others2)
    return estimate(y, v)


def marginal_log_odds_ratio(
    events1: FloatArray, events2: FloatArray, n: FloatArray, r: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Log of the ratio of two marginal odds where only the margins and the correlation (phi) of the pairs are known.

        y = logit p1 - logit p2,   p_g = events_g/n
        v = v1 + v2 - 2 r √(v1 v2),   v_g = 1/[n p_g (1 - p_g)]

    events1, events2: pairs with the event under treatment 1 and 2, of n. All broadcast; returns (y, v) of that shape.
    Source: Elbourne et al. (2002).
    """
    others1, others2 = n - events1, n - events2
    y = log_ratio(events1 * others2, events2 * others1)
    v1, v2 = n / (events1 * others1), n / (events2 * others2)
    return estimate(y, np.square(np.sqrt(v1) - np.sqrt(v2)) + 2.0 * (1.0 - r) * np.sqrt(v1 * v2))


def conditional_log_odds_ratio(only1: FloatArray, only2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log of the odds ratio within pairs, from the pairs that disagree.

        y = ln(b/c),   v = 1/b + 1/c

    only1, only2: broadcastable; returns (y, v) of that shape. Source: McNemar (1947); Curtin et al. (2002).
    """
    return estimate(log_ratio(only1, only2), (only1 + only2) / (only1 * only2))


def conditional_peto_log_odds_ratio(only1: FloatArray, only2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log of the odds ratio within pairs by Peto's one-step method.

        y = (O - E)/V,   v = 1/V,   O - E = (b - c)/2,   V = (b + c)/4

    only1, only2: broadcastable; returns (y, v) of that shape. Source: Curtin et al. (2002).
    """
    discordant = only1 + only2
    return estimate(2.0 * (only1 - only2) / discordant, 4.0 / discordant)
