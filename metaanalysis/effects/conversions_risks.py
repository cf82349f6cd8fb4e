"""Odds ratio, risk ratio and risk difference into each other at a baseline risk, and the number needed to treat."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from metaanalysis.effects.conversions_inputs import Given, Numbers, check_proportions, choose, given, refuse_each
from metaanalysis.errors import DataError, DataWarning
from metaanalysis.formulas import risk_conversions as formulas
from metaanalysis.formulas.arrays import FloatArray

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("OR", "RR", "RD")
NAMES = {"OR": "odds_ratio", "RR": "risk_ratio", "RD": "risk_difference"}
Conversion = Callable[[FloatArray, FloatArray], FloatArray]
CONVERSIONS: dict[tuple[str, str], Conversion] = {
    ("OR", "RR"): formulas.risk_ratio_from_odds_ratio,
    ("OR", "RD"): formulas.risk_difference_from_odds_ratio,
    ("RR", "OR"): formulas.odds_ratio_from_risk_ratio,
    ("RR", "RD"): formulas.risk_difference_from_risk_ratio,
    ("RD", "RR"): formulas.risk_ratio_from_risk_difference,
    ("RD", "OR"): formulas.odds_ratio_from_risk_difference,
}


def convert_risk(estimate: Numbers, baseline_risk: Numbers, *, measure: str, to: str) -> Numbers:
    """One of odds ratio, risk ratio and risk difference as another, for people whose risk without treatment is known.

    The limits of a confidence interval are converted by the same call, as the conversion never turns round; the interval
    leaves out that the baseline risk is itself uncertain.

    Parameters
    ----------
    estimate
        As read: ratios, not their logs.
    baseline_risk
        Risk without treatment, strictly between 0 and 1.
    measure, to
        ``OR``, ``RR`` or ``RD``: what the estimate is, and what it is to be.

    Returns
    -------
    float, array or Series
        The other measure, as read.

    Raises
    ------
    DataError
        Where a ratio is not positive, or the effect would take the risk out of 0 to 1.
    OptionError
        Where there is no such measure.

    References
    ----------
    Zhang J, Yu KF (1998). JAMA 280, 1690-1691.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> print(f"{conversions.convert_risk(0.73, 0.3, measure='OR', to='RD'):.3f}")
    -0.062
    """
    choose("measure", measure, MEASURES)
    choose("to", to, MEASURES)
    x = given(**{NAMES[measure]: estimate, "baseline_risk": baseline_risk})
    check_effect(x, measure, (NAMES[measure],))
    found = converted(x[NAMES[measure]], x["baseline_risk"], measure, to)
    x.data.refuse(
        ~np.isfinite(found),
        lambda row: (
            f"{x.data.shown(NAMES[measure], row)} is impossible at {x.data.shown('baseline_risk', row)}, or has no {to},"
        ),
        "the risk with treatment would leave the range from 0 to 1: correct one of them, or make it missing",
    )
    return x.answer(found)


def effects_at_baseline_risk(
    estimate: Numbers,
    ci_low: Numbers,
    ci_high: Numbers,
    baseline_risk: Numbers,
    *,
    measure: str,
    harmful_event: bool = True,
) -> pd.DataFrame:
    """What a pooled effect means for people of several risks: odds ratio, risk ratio, risk difference, number needed.

    Parameters
    ----------
    estimate, ci_low, ci_high
        Effect and confidence limits as read: ratios, not their logs.
    baseline_risk
        Risks without treatment, strictly between 0 and 1; one or many.
    measure
        What the effect is: ``OR``, ``RR`` or ``RD``.
    harmful_event
        Whether fewer events are a benefit.

    Returns
    -------
    pandas.DataFrame
        One row a baseline risk: ``baseline_risk``; ``odds_ratio``, ``risk_ratio`` and ``risk_difference``, each with
        ``…_low`` and ``…_high``; and ``number_needed``, the number needed to treat in words (see `number_needed_to_treat`).
        The interval leaves out that the baseline risk is itself uncertain.

    Raises
    ------
    DataError
        Where the estimate is not within its interval, a ratio not positive, or the estimate impossible at a risk.

    Warns
    -----
    DataWarning
        Where a limit is impossible at a risk; it is NaN.

    References
    ----------
    Schünemann HJ et al. (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 15.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> table = conversions.effects_at_baseline_risk(0.92, 0.85, 0.99, [0.1, 0.3], measure="RR")
    >>> table[["baseline_risk", "risk_difference", "number_needed"]].round(3).to_dict("records")[1]
    {'baseline_risk': 0.3, 'risk_difference': -0.024, 'number_needed': 'NNTB 42 (NNTB 23 to NNTB 334)'}
    """
    choose("measure", measure, MEASURES)
    x = given(estimate=estimate, ci_low=ci_low, ci_high=ci_high, baseline_risk=baseline_risk)
    check_effect(x, measure, ("estimate", "ci_low", "ci_high"))
    check_within(x, "estimate")
    columns: dict[str, FloatArray] = {"baseline_risk": x["baseline_risk"]}
    impossible = np.zeros(x.size, dtype=np.bool_)
    for to in MEASURES:
        for name, suffix in (("estimate", ""), ("ci_low", "_low"), ("ci_high", "_high")):
            found = converted(x[name], x["baseline_risk"], measure, to)
            possible = np.isfinite(found) | ~x.data.complete
            if not suffix:
                x.data.refuse(
                    ~possible,
                    lambda row: (
                        f"{x.data.shown('estimate', row)} is impossible at {x.data.shown('baseline_risk', row)}"
                    ),
                    "the risk with treatment would leave the range from 0 to 1: correct one of them",
                )
            impossible |= ~possible
            columns[NAMES[to] + suffix] = np.where(np.isfinite(found), found, np.nan)
    if impossible.any():
        risks = ", ".join(f"{risk:g}" for risk in x["baseline_risk"][impossible][:5])
        warnings.warn(
            f"a confidence limit would take the risk out of 0 to 1 at baseline risk {risks}: it is given as NaN.",
            DataWarning,
            stacklevel=2,
        )
    words = needed_in_words(
        columns["risk_difference"], columns["risk_difference_low"], columns["risk_difference_high"], harmful_event
    )
    return x.frame({**columns, "number_needed": words})


def number_needed_to_treat(
    risk_difference: Numbers, ci_low: Numbers = None, ci_high: Numbers = None, *, harmful_event: bool = True
) -> pd.DataFrame:
    """How many people are treated for one event less, or one more, with Altman's rule for the interval.

    Where the interval of the risk difference includes no difference, that of the number needed runs from a benefit through
    infinity to a harm, and is written so.

    Parameters
    ----------
    risk_difference, ci_low, ci_high
        Risk in group 1 minus risk in group 2, and its confidence limits where known.
    harmful_event
        Whether fewer events are a benefit.

    Returns
    -------
    pandas.DataFrame
        One row a study: ``number_needed`` (not rounded), ``kind`` (``benefit`` or ``harm``; empty at no difference),
        ``limit1`` and ``limit2`` (the numbers needed at the limit with more benefit and at the other), ``kind1`` and ``kind2``,
        ``through_infinity``, and ``text``, in which numbers are rounded up to whole people.

    Raises
    ------
    DataError
        Where a difference is not between -1 and 1 or lies outside its interval.

    References
    ----------
    Altman DG (1998). Confidence intervals for the number needed to treat. BMJ 317, 1309-1312.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> print(conversions.number_needed_to_treat(-0.10, -0.25, 0.05).text[0])
    NNTB 10 (NNTB 4 to ∞ to NNTH 20)
    """
    if (ci_low is None) != (ci_high is None):
        raise DataError("ci_low and ci_high go together: an interval has two limits.")
    x = given(("ci_low", "ci_high"), risk_difference=risk_difference, ci_low=ci_low, ci_high=ci_high)
    refuse_each(
        x,
        tuple(x.data.inputs),
        lambda difference: np.abs(difference) > 1,
        "is not between -1 and 1",
        "divide per cents by 100; correct it",
    )
    low, high = np.full(x.size, np.nan), np.full(x.size, np.nan)
    if "ci_low" in x:
        check_within(x, "risk_difference")
        both = x.known("ci_low", "ci_high")
        low, high = np.where(both, x["ci_low"], np.nan), np.where(both, x["ci_high"], np.nan)
    difference = x["risk_difference"]
    best, worst = (low, high) if harmful_event else (high, low)
    kinds = [kind_of(d, harmful_event) for d in (difference, best, worst)]
    return x.frame(
        {
            "number_needed": needed(difference),
            "kind": kinds[0],
            "limit1": needed(best),
            "kind1": kinds[1],
            "limit2": needed(worst),
            "kind2": kinds[2],
            "through_infinity": (low < 0) & (high > 0),
            "text": needed_in_words(difference, low, high, harmful_event),
        }
    )


def check_effect(x: Given, measure: str, names: tuple[str, ...]) -> None:
    """Effects and baseline risks that can be."""
    if measure == "RD":
        refuse_each(x, names, lambda d: np.abs(d) > 1, "is not between -1 and 1", "divide per cents by 100; correct it")
    else:
        refuse_each(x, names, lambda ratio: ratio <= 0, "is not a positive ratio", "give the ratio itself, not its log")
    check_proportions(x, "baseline_risk")
    refuse_each(
        x,
        ("baseline_risk",),
        lambda risk: (risk == 0) | (risk == 1),
        "leaves no room for an effect",
        "give a risk strictly between 0 and 1",
    )


def check_within(x: Given, name: str) -> None:
    """An estimate within its limits."""
    with np.errstate(invalid="ignore"):
        outside = (x[name] < x["ci_low"]) | (x[name] > x["ci_high"]) | (x["ci_low"] > x["ci_high"])
    x.data.refuse(
        outside,
        lambda row: (
            f"{x.data.shown(name, row)} is not within its limits, {x.data.shown('ci_low', row)} to "
            f"{x.data.shown('ci_high', row)},"
        ),
        "correct the estimate or the limits",
    )


def converted(estimate: FloatArray, risk2: FloatArray, measure: str, to: str) -> FloatArray:
    """One measure as another; NaN or infinite where that is impossible."""
    with np.errstate(all="ignore"):
        if measure == to:
            # A detour that leaves numbers as they are and finds those that are impossible at this risk.
            difference = estimate if to == "RD" else CONVERSIONS[measure, "RD"](estimate, risk2)
            risk1 = risk2 + difference
            return np.where((risk1 >= 0) & (risk1 <= 1), estimate, np.nan)
        return CONVERSIONS[measure, to](estimate, risk2)


def needed(difference: FloatArray) -> FloatArray:
    """Numbers needed to treat, NaN where missing."""
    return np.where(np.isnan(difference), np.nan, formulas.number_needed_to_treat(np.nan_to_num(difference)))


def kind_of(difference: FloatArray, harmful_event: bool) -> list[str]:
    """Benefit or harm of each difference."""
    sign = np.sign(difference) if harmful_event else -np.sign(difference)
    return ["benefit" if s < 0 else "harm" if s > 0 else "" for s in sign]


def needed_in_words(difference: FloatArray, low: FloatArray, high: FloatArray, harmful_event: bool) -> list[str]:
    """The number needed and its interval as a paper would print it."""

    def one(d: float) -> str:
        if d == 0:
            return "∞"
        benefit = (d < 0) == harmful_event
        # Rounded up, but not because of the last bits of a division.
        number = int(np.ceil(1.0 / abs(d) * (1.0 - 1e-12)))
        return f"{'NNTB' if benefit else 'NNTH'} {number}"

    words = []
    for d, a, b in zip(difference, low, high, strict=True):
        if np.isnan(d):
            words.append("")
            continue
        best, worst = (a, b) if harmful_event else (b, a)
        if np.isnan(a) or np.isnan(b):
            words.append(one(d))
        elif a < 0 < b:
            words.append(f"{one(d)} ({one(best)} to ∞ to {one(worst)})")
        else:
            # The stronger effect has the smaller number.
            first, last = (a, b) if abs(a) >= abs(b) else (b, a)
            words.append(f"{one(d)} ({one(first)} to {one(last)})")
    return words
