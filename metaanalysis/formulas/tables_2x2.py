"""The four counts of a 2 x 2 table from what a paper prints instead of them.

All return ``events1``, the count from which and from the margins the other three follow, or all four. Counts come out as
fractions, as the printed numbers are rounded; who wants whole ones rounds them. ``n1`` and ``n2`` are the groups' sizes,
``events`` (m) is the number of events in both groups, N = n1 + n2.
"""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray


def events_from_risk(risk: FloatArray, n: FloatArray) -> FloatArray:
    """Events in a group from its risk.

        a = p n

    risk, n: broadcastable; returns that shape.
    """
    return np.asarray(risk * n)


def events1_from_phi(phi: FloatArray, n1: FloatArray, n2: FloatArray, events: FloatArray) -> FloatArray:
    """Events in group 1 from the margins and phi.

        a = {n1 m + φ √[n1 n2 m (N - m)]}/N

    All arguments broadcast; returns that shape.
    """
    total = n1 + n2
    return np.asarray((n1 * events + phi * np.sqrt(n1 * n2 * events * (total - events))) / total)


def events1_from_chi_square(
    chi2: FloatArray,
    n1: FloatArray,
    n2: FloatArray,
    events: FloatArray,
    direction: FloatArray,
    *,
    continuity_corrected: bool = False,
) -> FloatArray:
    """Events in group 1 from the margins and Pearson's chi-square.

        χ² = N (a d - b c)²/[n1 n2 m (N - m)]
        χ² = N (|a d - b c| - N/2)²/[n1 n2 m (N - m)]        with Yates' correction

    direction: positive where group 1 has the higher risk, negative where the lower.
    All arguments broadcast; returns that shape. Yates' statistic is 0, and says no more, where |ad - bc| <= N/2.
    """
    total = n1 + n2
    cross = np.sqrt(chi2 / total * n1 * n2 * events * (total - events))
    if continuity_corrected:
        cross = cross + 0.5 * total
    # a d - b c = a N - n1 m
    return np.asarray((n1 * events + np.sign(direction) * cross) / total)


def events1_from_odds_ratio(odds_ratio: FloatArray, n1: FloatArray, n2: FloatArray, events: FloatArray) -> FloatArray:
    """Events in group 1 from the margins and the odds ratio.

        (OR - 1) a² - [(OR - 1)(n1 + m) + N] a + OR n1 m = 0,   the root within the margins

    All arguments broadcast; returns that shape. Source: Plackett (1965).
    """
    excess = odds_ratio - 1.0
    # a (n2 - m + a) = OR (n1 - a)(m - a); this form of the root has no difference to cancel where OR is near 1.
    middle = excess * (n1 + events) + n1 + n2
    product = odds_ratio * n1 * events
    root = np.sqrt(middle * middle - 4.0 * excess * product)
    return np.asarray(2.0 * product / (middle + root))


def events1_from_risk_ratio(risk_ratio: FloatArray, n1: FloatArray, n2: FloatArray, events: FloatArray) -> FloatArray:
    """Events in group 1 from the margins and the risk ratio.

        a = RR n1 m/(RR n1 + n2)

    All arguments broadcast; returns that shape.
    """
    return np.asarray(risk_ratio * n1 * events / (risk_ratio * n1 + n2))


def events1_from_risk_difference(
    risk_difference: FloatArray, n1: FloatArray, n2: FloatArray, events: FloatArray
) -> FloatArray:
    """Events in group 1 from the margins and the risk difference.

        a = n1 (m + RD n2)/N

    All arguments broadcast; returns that shape.
    """
    return np.asarray(n1 * (events + risk_difference * n2) / (n1 + n2))


def events_from_odds_ratio_and_variance(
    odds_ratio: FloatArray, v: FloatArray, n1: FloatArray, n2: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Events in both groups from the odds ratio, the variance of its log and the groups' sizes: two answers.

        1/a + 1/(n1 - a) + 1/c + 1/(n2 - c) = v   with the control's odds ω = c/(n2 - c) and group 1's OR ω becomes
        (OR/n1 + 1/n2) ω² + (2/n1 + 2/n2 - v) ω + 1/(OR n1) + 1/n2 = 0

    Both roots are tables with this odds ratio and variance; which one it was, something else must tell, such as the
    control's risk. All arguments broadcast; returns events1 and events2 of the root with the smaller risks, then of that
    with the larger; NaN where no table has so small a variance. Source: Di Pietrantonj (2006).
    """
    first, last = odds_ratio / n1 + 1.0 / n2, 1.0 / (odds_ratio * n1) + 1.0 / n2
    middle = v - 2.0 / n1 - 2.0 / n2
    square = middle * middle - 4.0 * first * last
    root = np.sqrt(np.where((square >= 0.0) & (middle > 0.0), square, np.nan))
    large = 0.5 * (middle + root) / first
    small = 2.0 * last / (middle + root)
    answers = []
    for odds2 in (small, large):
        odds1 = odds_ratio * odds2
        answers += [np.asarray(n1 * odds1 / (1.0 + odds1)), np.asarray(n2 * odds2 / (1.0 + odds2))]
    return answers[0], answers[1], answers[2], answers[3]


def table_from_sensitivity(
    sensitivity: FloatArray, specificity: FloatArray, diseased: FloatArray, healthy: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """A diagnostic table from sensitivity, specificity and the number of people with and without the disease.

        TP = sens · diseased,   FN = (1 - sens) diseased,   FP = (1 - spec) healthy,   TN = spec · healthy

    All arguments broadcast; returns (TP, FP, FN, TN) of that shape.
    """
    true_positive, true_negative = sensitivity * diseased, specificity * healthy
    return (
        np.asarray(true_positive),
        np.asarray(healthy - true_negative),
        np.asarray(diseased - true_positive),
        np.asarray(true_negative),
    )


def diseased_from_prevalence(prevalence: FloatArray, total: FloatArray) -> tuple[FloatArray, FloatArray]:
    """People with and without a disease, from its prevalence.

        diseased = prevalence · N,   healthy = N - diseased

    prevalence, total: broadcastable; returns (diseased, healthy) of that shape.
    """
    diseased = np.asarray(prevalence * total)
    return diseased, np.asarray(total - diseased)
