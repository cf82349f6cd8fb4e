"""How small a pooled standard error can be: beside the number of people, and beside the variance between studies."""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas import consistency
from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.rounding import Interval
from metaanalysis.reviews.checks import Check, in_units, spread
from metaanalysis.reviews.checks_of_intervals import Reading
from metaanalysis.reviews.reported import Reported

# Below this probability chance is no longer an explanation for studies that agree too well.
_BEYOND_CHANCE = 1e-3


def excused_by_hartung_knapp(table: Reported, t: Reading, t_holds: BoolArray, least: FloatArray) -> BoolArray:
    """Whether a Hartung-Knapp interval explains a standard error that is smaller than Wald's can be.

    It can be narrower than any Wald interval when the studies agree by chance; it is an explanation as long as it needs no
    smaller Q than the row reports or, where it reports none, one that chance can bring about.
    """
    q, i2 = table.numbers["q"], table.numbers["i2"]
    needed = consistency.hartung_knapp_q(t.se.high, least, t.df)
    q_low = np.fmax(np.nan_to_num(q.range.low), np.nan_to_num(consistency.q_of_i2(i2.range, t.df).low))
    # What Q has above its df goes into the between-study variance, which widens every interval.
    return np.asarray(
        (t_holds | (t.failures == 0))
        & (needed >= np.minimum(q_low, t.df))
        & (~np.isnan(q.value) | (consistency.p_of_so_small_a_q(needed, t.df) >= _BEYOND_CHANCE))
    )


def smallest_standard_error_check(table: Reported, normal: Reading, t: Reading, t_holds: BoolArray) -> Check:
    """An interval of a standardized mean difference is no narrower than the number of people allows."""
    total = table.numbers["n_total"]
    is_smd = np.array([measure == "SMD" for measure in table.measure])
    least = np.where(is_smd, consistency.smallest_smd_standard_error(total.value, table.numbers["k"].value), np.nan)
    missing = np.maximum(least - normal.se.high, 0.0)
    excused = excused_by_hartung_knapp(table, t, t_holds, least)
    apart = np.where(excused & (missing > 0), 0.0, missing)
    shown = tuple("" if np.isnan(one) else spread(normal.se, i, 3) for i, one in enumerate(apart))

    def reach(i: int) -> str:
        if apart[i] == 0 and missing[i] > 0:
            return f"{least[i]:.3f} or more by Wald's formula and less by Hartung and Knapp's"
        return f"{least[i]:.3f} or more" + ("" if apart[i] == 0 else " in a comparison of two arms")

    return Check(
        "smallest standard error",
        shown,
        Interval(least, np.where(np.isnan(least), np.nan, np.inf)),
        apart,
        in_units(apart, normal.se.high),
        lambda i: f"A standard error of {shown[i]}, as the interval has it,",
        lambda i: f"N = {total.text[i]}",
        reach,
    )


def tau2_check(table: Reported, normal: Reading, t: Reading, t_holds: BoolArray) -> Check:
    """A random-effects interval is no narrower than the variance between the studies allows."""
    tau2, k = table.numbers["tau2"], table.numbers["k"]
    own = table.numbers["se"]
    by_interval = ~np.isnan(normal.se.high)
    se = Interval(*(np.where(by_interval, a, b) for a, b in zip(normal.se, own.range, strict=True)))
    # A tau2 that may be 0 allows every standard error.
    usable = (tau2.range.low > 0) & (k.value > 1)
    least = consistency.smallest_standard_error_beside_tau2(
        np.where(usable, tau2.range.low, np.nan), np.where(usable, k.value, np.nan)
    )
    missing = np.maximum(least - se.high, 0.0)
    # Hartung and Knapp's factor has its own Q, about the random-effects weights: chance alone limits it.
    needed = consistency.hartung_knapp_q(t.se.high, least, t.df)
    excused = (t_holds | (t.failures == 0)) & (consistency.p_of_so_small_a_q(needed, t.df) >= _BEYOND_CHANCE)
    apart = np.where(excused & (missing > 0), 0.0, missing)
    shown = tuple("" if np.isnan(one) else spread(se, i, 3) for i, one in enumerate(apart))

    def reach(i: int) -> str:
        if apart[i] == 0 and missing[i] > 0:
            return f"{least[i]:.3g} or more by Wald's formula and less by Hartung and Knapp's"
        return f"{least[i]:.3g} or more"

    return Check(
        "smallest standard error beside τ²",
        shown,
        Interval(least, np.where(np.isnan(least), np.nan, np.inf)),
        apart,
        in_units(apart, se.high),
        lambda i: f"A standard error of {shown[i]}" + (", as the interval has it," if by_interval[i] else ""),
        lambda i: f"τ² = {tau2.text[i]} with {k.text[i]} studies",
        reach,
        "the interval is that of a common effect",
        np.array([method in ("", "common") for method in table.tau2_method]),
    )
