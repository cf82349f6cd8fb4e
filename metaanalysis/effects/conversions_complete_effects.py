"""A table in which each study reports its result in its own way -> one effect size and standard error a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from metaanalysis.conventions import convention_named, override
from metaanalysis.effects.calculate import computed_from_data
from metaanalysis.effects.checks import StudyData
from metaanalysis.effects.checks_of_inputs import check_inputs, check_variants
from metaanalysis.effects.columns import FrameLike
from metaanalysis.effects.conversions_complete_means import MEANS_COLUMNS, completed_means
from metaanalysis.effects.conversions_frames import found_columns, numbers_in, opened, with_columns
from metaanalysis.effects.conversions_from_quantiles import METHODS
from metaanalysis.effects.conversions_inputs import (
    Given,
    check_directions,
    check_p_values,
    check_positive,
    choose,
    refuse_each,
)
from metaanalysis.effects.measures import TWO_GROUP_MEANS, Measure, measure_named
from metaanalysis.errors import OptionError
from metaanalysis.formulas import continuous
from metaanalysis.formulas import conversions_from_tests as tests
from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.options import EffectOptions, checked_level

OPTION_NAMES = tuple(entry.name for entry in fields(EffectOptions))
REPORTED = ("y", "v", "se", "estimate", "ci_low", "ci_high", "p", "z", "t", "f", "df", "direction")
# From the scale on which a measure is read to that of analysis, by the key of the way back.
ANALYSIS_SCALE: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "identity": np.positive,
    "exp": np.log,
    "tanh": np.arctanh,
}
CORRELATIONS = ("COR", "UCOR", "ZCOR")


def complete_effects(
    data: FrameLike,
    measure: str,
    *,
    label: str | None = None,
    method: str = "luo-shi",
    convention: str = "metafor",
    ci_level: float = 0.95,
    **columns_and_options: Any,
) -> Any:
    """Fill ``y`` and ``se`` from whatever each study reports, and say where each came from.

    For each study the first of these that is complete is used: ``y`` with ``se`` or ``v`` on the scale of analysis; the study
    data of the measure, such as ``events1 n1 events2 n2``, or means completed as by `complete_means`; the published estimate
    with its confidence interval, or the interval alone; for a standardised mean difference or a correlation ``t`` with the
    sizes; the estimate with its ``z``, ``t`` or p-value; for a standardised mean difference or a correlation, F or the
    p-value with the sizes and a direction. What does not follow from these stays missing.

    Parameters
    ----------
    data
        One row a study: a pandas, Polars or Arrow frame, or a dict of columns. It is not changed. Columns that are read where
        they are there: the measure's own (see `measures`); ``y v se`` on the scale of analysis (log for ratios); ``estimate
        ci_low ci_high`` as published (ratios, not their logs); ``p`` (two-sided), ``z``, ``t``, ``f`` (one degree of freedom
        in the numerator), ``df`` (of the test or interval; the normal distribution where missing) and ``direction`` (+1 or
        -1, for F and p).
    measure
        As in `effect_sizes`.
    label
        The column that names the studies, for messages; by default ``study``, ``label`` or ``author``.
    method
        How quantiles become means and standard deviations; see `conversions.mean_sd_from_quantiles`.
    convention
        The program whose rules are followed where study data are computed with.
    ci_level
        Confidence level of the intervals.
    **columns_and_options
        Columns by our names where yours differ, and the fields of `EffectOptions`, as in `effect_sizes`.

    Returns
    -------
    frame
        The table, of the kind that was given (pandas where the kind is none of pandas, Polars and Arrow), with ``y`` and
        ``se`` filled and ``effect_from``, a sentence that says where they came from. It goes on to
        ``effect_sizes(table, measure, y="y", se="se")``, which leaves out, and names, the studies that are still missing.

    Raises
    ------
    DataError
        Where a number can't be; the message names study, column, value and remedy.
    OptionError
        Where there is no such measure, option or column keyword.

    Warns
    -----
    DataWarning
        Where quantiles that were used look skewed, or counts are not whole.

    References
    ----------
    Higgins JPT, Li T, Deeks JJ (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.

    Examples
    --------
    >>> from metaanalysis.effects.conversions_complete_effects import complete_effects
    >>> table = complete_effects(
    ...     {
    ...         "study": ["A", "B", "C"],
    ...         "events1": [4, None, None], "n1": [123, None, None], "events2": [11, None, None], "n2": [139, None, None],
    ...         "estimate": [None, 0.7, 0.8], "ci_low": [None, 0.5, None], "ci_high": [None, 0.98, None],
    ...         "p": [None, None, 0.04],
    ...     },
    ...     "RR",
    ... )
    >>> table[["y", "se"]].round(3).to_dict("list")
    {'y': [-0.889, -0.357, -0.223], 'se': [0.571, 0.172, 0.109]}
    >>> table["effect_from"].to_list()
    ['computed from events1 n1 events2 n2', 'estimate with its interval', 'estimate with its p-value (normal)']
    """
    entry = measure_named(measure)
    choose("method", method, METHODS)
    level = checked_level(ci_level)
    frame = opened(data)
    given_options = {name: value for name, value in columns_and_options.items() if name in OPTION_NAMES}
    options = override(convention_named(convention).effects, given_options)
    check_variants(entry, options)
    mapped = {name: value for name, value in columns_and_options.items() if name not in OPTION_NAMES}
    names = dict.fromkeys((*REPORTED, *entry.inputs, *(MEANS_COLUMNS if of_means(entry) else ()), *sizes_of(entry)))
    x = numbers_in(frame, found_columns(frame, names, mapped, "complete_effects"), label)
    filled = Effect(x)
    fill_given(x, filled)
    fill_from_data(x, filled, entry, options, level, method)
    fill_from_estimates(x, filled, entry, level)
    if not filled.wanting.any():
        return with_columns(frame, filled.columns())
    if entry.key == "SMD":
        fill_smd_from_tests(x, filled, options)
    if entry.key in CORRELATIONS:
        fill_correlation_from_tests(x, filled, entry, options)
    return with_columns(frame, filled.columns())


class Effect:
    """Effect sizes as they are being completed, and their origins; a place to write while one table is read."""

    def __init__(self, x: Given) -> None:
        self.y, self.se = np.full(x.size, np.nan), np.full(x.size, np.nan)
        self.origin = np.full(x.size, "", dtype=object)
        self.obstacle = np.full(x.size, "", dtype=object)

    @property
    def wanting(self) -> BoolArray:
        """Studies that have no effect yet."""
        return np.asarray(np.isnan(self.y))

    def fill(self, rows: BoolArray, y: FloatArray, se: FloatArray, origin: Any) -> None:
        """Effects where they are still missing."""
        y, se = np.broadcast_to(y, self.y.shape), np.broadcast_to(se, self.y.shape)
        with np.errstate(invalid="ignore"):
            rows = rows & self.wanting & np.isfinite(y) & np.isfinite(se) & (se > 0)
        self.y[rows], self.se[rows] = y[rows], se[rows]
        self.origin[rows] = origin[rows] if isinstance(origin, np.ndarray) else origin

    def columns(self) -> dict[str, Any]:
        """The three columns to add."""
        nothing = "incomplete: nothing that a standard error follows from"
        words = [
            str(origin) if origin else f"incomplete: {obstacle}" if obstacle else nothing
            for origin, obstacle in zip(self.origin, self.obstacle, strict=True)
        ]
        return {"y": self.y, "se": self.se, "effect_from": words}


def of_means(entry: Measure) -> bool:
    """Whether the measure compares the means of two groups."""
    return bool(entry.inputs) and set(entry.inputs) <= set(TWO_GROUP_MEANS) and "mean1" in entry.inputs


def sizes_of(entry: Measure) -> tuple[str, ...]:
    """The sizes that test statistics need."""
    return ("n1", "n2") if entry.key == "SMD" else ("n",) if entry.key in CORRELATIONS else ()


def limited(x: Given, rows: BoolArray) -> Given:
    """The same numbers, of which only some rows are looked at and may be refused."""
    return Given(StudyData(x.data.inputs, x.data.columns, x.data.label, rows), single=False, index=None)


def fill_given(x: Given, filled: Effect) -> None:
    """Effects on the scale of analysis with a standard error or a variance."""
    if "y" not in x:
        return
    check_positive(x, "se", what="is not a positive standard error")
    check_positive(x, "v", what="is not a positive sampling variance")
    if "se" in x:
        filled.fill(x.known("y", "se"), x["y"], x["se"], "as given")
    if "v" in x:
        filled.fill(x.known("y", "v"), x["y"], np.sqrt(np.where(x["v"] > 0, x["v"], np.nan)), "as given")


def fill_from_data(x: Given, filled: Effect, entry: Measure, options: EffectOptions, level: float, method: str) -> None:
    """Effects computed by the measure's formula."""
    inputs, columns = dict(x.data.inputs), dict(x.data.columns)
    notes = np.full(x.size, "", dtype=object)
    if of_means(entry) and any(name in x for name in MEANS_COLUMNS):
        # Of studies that need nothing, nothing is asked.
        asked = {name: np.where(filled.wanting, values, np.nan) for name, values in inputs.items()}
        part = Given(StudyData(asked, columns, x.data.label, filled.wanting), single=False, index=None)
        means = completed_means(part, level, method)
        inputs |= {name: means[name] for name in TWO_GROUP_MEANS}
        columns = {name: name for name in inputs} | columns
        for row, (from1, from2) in enumerate(zip(means["from1"], means["from2"], strict=True)):
            ways = [f"group {i}: {way}" for i, way in ((1, from1), (2, from2)) if way != "as given"]
            ways = [f"both groups: {from1}"] if len(ways) == 2 and from1 == from2 else ways
            notes[row] = f" ({'; '.join(ways)})" if ways else ""
            if "incomplete" in notes[row] and any(not np.isnan(asked[name][row]) for name in own_means(x)):
                filled.obstacle[row] = "; ".join(way.replace("incomplete: ", "") for way in ways)
    if not entry.inputs or not set(entry.inputs) <= set(inputs):
        return
    own = {name: inputs[name] for name in entry.inputs}
    complete = filled.wanting & ~np.isnan(np.stack(list(own.values()))).any(axis=0)
    for size in ("n1", "n2", "n"):
        if size in own:
            filled.obstacle[complete & (own[size] == 0)] = f"{columns[size]} is 0: nobody was observed"
            complete &= own[size] != 0
    if not complete.any():
        return
    check_inputs(StudyData(own, {name: columns[name] for name in own}, x.data.label, complete), entry)
    found = computed_from_data(entry, {name: values[complete] for name, values in own.items()}, options)
    at = np.flatnonzero(complete)
    y, se = np.full(x.size, np.nan), np.full(x.size, np.nan)
    with np.errstate(invalid="ignore"):
        y[at], se[at] = np.where(found.left_out, np.nan, found.y), np.sqrt(found.v)
    filled.obstacle[at[found.left_out]] = found.reason
    origin = np.array([f"computed from {' '.join(entry.inputs)}{note}" for note in notes], dtype=object)
    origin[at[found.corrected]] += f", {corrected_by(options)}"
    filled.fill(complete, y, se, origin)


def own_means(x: Given) -> list[str]:
    """The columns that say something of the groups' means, beside their sizes."""
    return [name for name in MEANS_COLUMNS if name in x and name not in (*REPORTED, "n1", "n2")]


def corrected_by(options: EffectOptions) -> str:
    """What a continuity correction did, in words."""
    if options.addition == "treatment-arm":
        return "with a treatment-arm continuity correction"
    return f"{options.add:g} added to its cells"


def fill_from_estimates(x: Given, filled: Effect, entry: Measure, level: float) -> None:
    """Published estimates with their intervals or tests."""
    if not any(name in x for name in ("estimate", "ci_low", "y")) or not filled.wanting.any():
        return
    if entry.back not in ANALYSIS_SCALE and ("estimate" in x or "ci_low" in x):
        raise OptionError(
            f"{entry.key} has no single way from its published to its analysis scale: give y and se on the scale of "
            f"analysis ({entry.analysis_scale}), and other names to the columns estimate, ci_low and ci_high."
        )
    some = limited(x, filled.wanting)
    check_published(some, entry)
    with np.errstate(all="ignore"):
        scale = ANALYSIS_SCALE.get(entry.back, np.positive)
        y = scale(x["estimate"]) if "estimate" in x else np.full(x.size, np.nan)
        if "y" in x:
            y = np.where(np.isnan(y), x["y"], y)
        df = x.data.inputs.get("df", np.full(x.size, np.nan))
        by_t = ~np.isnan(df)
        known = np.array(["(normal)" if np.isnan(m) else f"(t, {m:g} degrees of freedom)" for m in df], dtype=object)
        if "se" in x and "estimate" in x:
            filled.fill(x.known("estimate", "se"), y, x["se"], "estimate with its standard error")
        if "ci_low" in x and "ci_high" in x:
            low, high = scale(x["ci_low"]), scale(x["ci_high"])
            se = np.where(
                by_t,
                tests.standard_error_from_interval(low, high, level, df),
                tests.standard_error_from_interval(low, high, level),
            )
            from_t = np.where(by_t, " (t)", "")
            filled.fill(~np.isnan(y), y, se, "estimate with its interval" + from_t.astype(object))
            middle = tests.estimate_from_interval(low, high)
            filled.fill(np.isnan(y), middle, se, "middle and width of its interval" + from_t.astype(object))
        if "z" in x:
            filled.fill(
                ~np.isnan(y), y, tests.standard_error_from_statistic(y, x["z"]), "estimate with its z statistic"
            )
        # With the sizes, t gives a standardised difference and a correlation themselves, not their error alone.
        exact = x.known("t", *sizes_of(entry)) if sizes_of(entry) else np.zeros(x.size, dtype=np.bool_)
        if "t" in x:
            se = tests.standard_error_from_statistic(y, x["t"])
            filled.fill(~np.isnan(y) & ~exact, y, se, "estimate with its t statistic")
        if "p" in x:
            se = np.where(by_t, tests.standard_error_from_p(y, x["p"], df), tests.standard_error_from_p(y, x["p"]))
            filled.fill(~np.isnan(y) & ~exact, y, se, "estimate with its p-value " + known)
    if "p" in x:
        filled.obstacle[filled.wanting & (y == 0) & ~np.isnan(x["p"])] = (
            "the estimate shows no difference at all, so that its error can't be told from a test"
        )


def check_published(x: Given, entry: Measure) -> None:
    """Published numbers can be, in the studies that need them."""
    names = ("estimate", "ci_low", "ci_high")
    if entry.back == "exp":
        check_positive(x, *names, what="is not positive, though the measure is a ratio")
    if entry.back == "tanh":
        refuse_each(x, names, lambda r: np.abs(r) >= 1, "is not strictly between -1 and 1", "correct it")
    shown = x.data.shown
    if "ci_low" in x and "ci_high" in x:
        x.data.refuse(
            x["ci_low"] >= x["ci_high"],
            lambda row: f"{shown('ci_low', row)} is not below {shown('ci_high', row)}",
            "are the limits swapped? Correct them",
        )
        if "estimate" in x:
            x.data.refuse(
                (x["estimate"] < x["ci_low"]) | (x["estimate"] > x["ci_high"]),
                lambda row: (
                    f"{shown('estimate', row)} lies outside its interval, {shown('ci_low', row)} to {shown('ci_high', row)}"
                ),
                "correct the estimate or the limits, and see that all are as published",
            )
    if "p" in x:
        check_p_values(x)
    refuse_each(x, ("df",), lambda df: df < 1, "is below 1", "degrees of freedom are 1 or more; correct it")


def column(x: Given, name: str) -> FloatArray:
    """A column's numbers; all missing where there is no such column."""
    return x[name] if name in x else np.full(x.size, np.nan)


def directed(x: Given, filled: Effect) -> FloatArray:
    """Which way an effect went: as given, or as the means or the estimate show."""
    direction = column(x, "direction")
    for other in (column(x, "mean1") - column(x, "mean2"), column(x, "estimate"), column(x, "y")):
        direction = np.where(np.isnan(direction), np.where(other == 0, np.nan, np.sign(other)), direction)
    unknown = filled.wanting & np.isnan(direction) & ~(np.isnan(column(x, "f")) & np.isnan(column(x, "p")))
    filled.obstacle[unknown] = "F and p do not say in which direction the effect went (give direction, +1 or -1)"
    return direction


def statistics_of_tests(x: Given, filled: Effect, df: FloatArray) -> list[tuple[str, FloatArray]]:
    """The t statistics behind t, F and p, with the name of each."""
    some = limited(x, filled.wanting)
    check_directions(some)
    refuse_each(some, ("f",), lambda f: f < 0, "is negative", "an F statistic is 0 or more; correct it")
    if "p" in x:
        check_p_values(some)
    direction = directed(x, filled)
    with np.errstate(all="ignore"):
        return [
            ("the t statistic", column(x, "t")),
            ("the F statistic", np.where(np.isnan(direction), np.nan, np.copysign(np.sqrt(column(x, "f")), direction))),
            ("the p-value", np.copysign(tests.t_from_p(column(x, "p"), df), direction) + 0.0 * direction),
        ]


def fill_smd_from_tests(x: Given, filled: Effect, options: EffectOptions) -> None:
    """Standardised mean differences from t, F or p of two independent groups."""
    n1, n2 = column(x, "n1"), column(x, "n2")
    enough = (n1 >= 1) & (n2 >= 1) & (n1 + n2 >= 4)
    correction = options.correction if isinstance(options.correction, str) else options.smd_correction
    variance = options.variance or options.smd_variance
    if variance == "AV":
        raise OptionError(
            "variance='AV' averages over studies, and can't be used where some come from test statistics."
        )
    for words, t in statistics_of_tests(x, filled, n1 + n2 - 2.0):
        with np.errstate(all="ignore"):
            d = tests.d_from_t(t, n1, n2)
            y, v = continuous.standardized_mean_difference_from_d(d, n1, n2, correction=correction, variance=variance)
            filled.fill(enough, y, np.sqrt(v), f"{words} and the sizes of the groups")


def fill_correlation_from_tests(x: Given, filled: Effect, entry: Measure, options: EffectOptions) -> None:
    """Correlations from t, F or p."""
    n = column(x, "n")
    for words, t in statistics_of_tests(x, filled, n - 2.0):
        with np.errstate(all="ignore"):
            r = tests.r_from_t(t, n - 2.0)
        rows = filled.wanting & (n >= 4) & (np.abs(r) < 1)
        if not rows.any():
            continue
        found = computed_from_data(entry, {"r": r[rows], "n": n[rows]}, options)
        y, se = np.full(x.size, np.nan), np.full(x.size, np.nan)
        y[rows], se[rows] = found.y, np.sqrt(found.v)
        filled.fill(rows, y, se, f"{words} and the number of people")
