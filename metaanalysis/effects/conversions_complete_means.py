"""A table in which each study reports its groups in its own way -> means, standard deviations and sizes, with their origin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metaanalysis.effects.checks import StudyData
from metaanalysis.effects.columns import FrameLike
from metaanalysis.effects.conversions_frames import found_columns, numbers_in, opened, with_columns
from metaanalysis.effects.conversions_from_quantiles import (
    IN_WORDS,
    METHODS,
    check_quantiles,
    from_quantiles,
    warn_of_skewness,
)
from metaanalysis.effects.conversions_inputs import (
    Given,
    check_group_sizes,
    check_p_values,
    check_positive,
    choose,
)
from metaanalysis.effects.conversions_spreads import NOT_A_SPREAD
from metaanalysis.formulas import arms, quantiles
from metaanalysis.formulas import conversions_from_tests as tests
from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.options import checked_level

# What a group may report, by our names: {} is the number of the group.
OF_GROUP = {
    "mean": "mean{}",
    "sd": "sd{}",
    "n": "n{}",
    "se": "se{}",
    "ci_low": "ci_low{}",
    "ci_high": "ci_high{}",
    "median": "median{}",
    "q1": "q1_{}",
    "q3": "q3_{}",
    "minimum": "min{}",
    "maximum": "max{}",
}
OF_DIFFERENCE = ("se_difference", "t", "p")
MEANS_COLUMNS = (*(name.format(group) for group in (1, 2) for name in OF_GROUP.values()), *OF_DIFFERENCE)


def complete_means(
    data: FrameLike,
    *,
    label: str | None = None,
    method: str = "luo-shi",
    ci_level: float = 0.95,
    **columns: str,
) -> Any:
    """Fill ``mean1 sd1 n1 mean2 sd2 n2`` from whatever each study reports, and say where each came from.

    A mean is taken as given, else from the middle of its confidence interval, else from quantiles. A standard deviation is
    taken as given, else from the standard error of the mean, else from its confidence interval (with t), else from quantiles,
    else, for both groups alike, from the standard error, t statistic or p-value of the difference of two known means. What
    does not follow from these stays missing, and `effect_sizes` will leave the study out and name it.

    Parameters
    ----------
    data
        One row a study: a pandas, Polars or Arrow frame, or a dict of columns. It is not changed. Columns that are read where
        they are there, for groups 1 and 2: ``mean1 sd1 n1 se1 ci_low1 ci_high1 median1 q1_1 q3_1 min1 max1`` and so on;
        and of the difference: ``se_difference``, ``t`` and ``p`` (two-sided, of a t-test of independent groups).
    label
        The column that names the studies, for messages; by default ``study``, ``label`` or ``author``.
    method
        How quantiles become means and standard deviations; see `conversions.mean_sd_from_quantiles`.
    ci_level
        Confidence level of the intervals.
    **columns
        Columns by our names where yours differ, as in ``sd1="SD treated"``.

    Returns
    -------
    frame
        The table, of the kind that was given (pandas where the kind is none of pandas, Polars and Arrow), with the six columns
        filled and ``from1`` and ``from2``, sentences that say where each group's numbers came from.

    Raises
    ------
    DataError
        Where a number can't be; the message names study, column, value and remedy.

    Warns
    -----
    DataWarning
        Where quantiles that were used look skewed.

    References
    ----------
    Higgins JPT, Li T, Deeks JJ (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.

    Examples
    --------
    >>> from metaanalysis.effects.conversions_complete_means import complete_means
    >>> table = complete_means(
    ...     {
    ...         "study": ["A", "B"],
    ...         "mean1": [5.1, 4.8], "sd1": [2.0, None], "se1": [None, 0.4], "n1": [30, 25],
    ...         "mean2": [6.2, None], "sd2": [2.2, None], "n2": [28, 27],
    ...         "median2": [None, 6.0], "q1_2": [None, 4.5], "q3_2": [None, 7.8],
    ...     }
    ... )
    >>> table["sd1"].round(2).to_list()
    [2.0, 2.0]
    >>> table["from2"].to_list()
    ['as given', 'mean and SD from the quartiles (luo-shi)']
    """
    choose("method", method, METHODS)
    level = checked_level(ci_level)
    frame = opened(data)
    found = found_columns(frame, MEANS_COLUMNS, columns, "complete_means")
    return with_columns(frame, completed_means(numbers_in(frame, found, label), level, method))


def completed_means(x: Given, level: float, method: str) -> dict[str, Any]:
    """The six columns and the two of their origin, from numbers by our names."""
    groups = [group_of(x, number) for number in (1, 2)]
    filled = [complete_group(group, level, method) for group in groups]
    share_difference(x, groups, filled)
    skewed = np.logical_or(*(group.skewed for group in filled))
    warn_of_skewness(skewed, [f"'{name}'" for name in x.data.label])
    out: dict[str, Any] = {}
    for number, (group, numbers) in enumerate(zip(groups, filled, strict=True), start=1):
        n = column_of(group, "n")
        out |= {f"mean{number}": numbers.mean, f"sd{number}": numbers.sd, f"n{number}": n}
    for number, (group, numbers) in enumerate(zip(groups, filled, strict=True), start=1):
        out[f"from{number}"] = origins(numbers, column_of(group, "n"))
    return out


class Filled:
    """A group's numbers as they are being completed, and their origins; a place to write while one table is read."""

    def __init__(self, group: Given) -> None:
        self.mean, self.sd = column_of(group, "mean").copy(), column_of(group, "sd").copy()
        self.mean_from = np.where(np.isnan(self.mean), "", "as given").astype(object)
        self.sd_from = np.where(np.isnan(self.sd), "", "as given").astype(object)
        self.skewed: BoolArray = np.zeros(group.size, dtype=np.bool_)

    def fill_mean(self, rows: BoolArray, values: FloatArray, origin: str) -> None:
        """Means where they are still missing."""
        rows = rows & np.isnan(self.mean) & np.isfinite(values)
        self.mean[rows], self.mean_from[rows] = values[rows], origin

    def fill_sd(self, rows: BoolArray, values: FloatArray, origin: str) -> None:
        """Standard deviations where they are still missing."""
        rows = rows & np.isnan(self.sd) & np.isfinite(values) & (values > 0)
        self.sd[rows], self.sd_from[rows] = values[rows], origin


def group_of(x: Given, number: int) -> Given:
    """One group's numbers, by names without the group's number; messages keep the table's names."""
    names = {role: name.format(number) for role, name in OF_GROUP.items() if name.format(number) in x}
    inputs: Mapping[str, FloatArray] = {role: x[name] for role, name in names.items()}
    shown = {role: x.data.columns[name] for role, name in names.items()}
    return Given(StudyData(inputs, shown, x.data.label, x.data.complete), single=False, index=None)


def column_of(x: Given, name: str) -> FloatArray:
    """A column's numbers; all missing where there is no such column."""
    return x[name] if name in x else np.full(x.size, np.nan)


def complete_group(group: Given, level: float, method: str) -> Filled:
    """One group's mean and standard deviation, from its own numbers."""
    check_group(group)
    filled = Filled(group)
    n = column_of(group, "n")
    with np.errstate(all="ignore"):
        if "se" in group:
            sd = arms.sd_from_standard_error(group["se"], n)
            filled.fill_sd(group.known("se", "n"), sd, f"the standard error ({group.data.columns['se']})")
        if "ci_low" in group and "ci_high" in group:
            low, high = group["ci_low"], group["ci_high"]
            filled.fill_mean(group.known("ci_low", "ci_high"), tests.estimate_from_interval(low, high), "its interval")
            enough = group.known("ci_low", "ci_high", "n") & (n >= 2)
            filled.fill_sd(enough, arms.sd_from_interval(low, high, n, level), "the interval of its mean")
    fill_from_quantiles(group, filled, method)
    return filled


def check_group(group: Given) -> None:
    """One group's own numbers can be."""
    check_positive(group, "sd", "se", what=NOT_A_SPREAD)
    check_group_sizes(group, "n")
    if "ci_low" in group and "ci_high" in group:
        low, high = group["ci_low"], group["ci_high"]
        shown = group.data.shown
        group.data.refuse(
            low >= high,
            lambda row: f"{shown('ci_low', row)} is not below {shown('ci_high', row)}",
            "are the limits swapped? Correct them",
        )
        if "mean" in group:
            group.data.refuse(
                (group["mean"] < low) | (group["mean"] > high),
                lambda row: f"{shown('mean', row)} lies outside {shown('ci_low', row)} to {shown('ci_high', row)}",
                "is the interval that of a difference? Correct it, or make it missing",
            )


def fill_from_quantiles(group: Given, filled: Filled, method: str) -> None:
    """Means and standard deviations that only quantiles can tell."""
    wanting = np.isnan(filled.mean) | np.isnan(filled.sd)
    if not wanting.any() or "n" not in group:
        return
    data = StudyData(group.data.inputs, group.data.columns, group.data.label, wanting)
    some = Given(data, single=False, index=None)
    check_quantiles(some, method)
    hidden = {name: np.where(wanting, values, np.nan) for name, values in group.data.inputs.items()}
    found = from_quantiles(
        Given(StudyData(hidden, data.columns, data.label, wanting), single=False, index=None), method
    )
    for name, words in IN_WORDS.items():
        rows = np.array([known == name for known in found.known], dtype=np.bool_)
        used = rows & wanting
        filled.fill_mean(used, found.mean, f"the {words} ({method})")
        filled.fill_sd(used, found.sd, f"the {words} ({method})")
        filled.skewed |= used & found.skewed & (method != "mcgrath")
    # A mean may come with quartiles or a range and no median.
    n = group["n"]
    with np.errstate(all="ignore"):
        if "q1" in group and "q3" in group:
            sd = quantiles.wan_sd_from_quartiles(group["q1"], group["q3"], n)
            filled.fill_sd(~np.isnan(filled.mean), sd, "the quartiles (wan)")
        if "minimum" in group and "maximum" in group:
            sd = quantiles.wan_sd_from_range(group["minimum"], group["maximum"], n)
            filled.fill_sd(~np.isnan(filled.mean), sd, "the range (wan)")


def check_tests(x: Given, wanting: BoolArray) -> None:
    """What is reported of the difference can be, where it is needed."""
    some = Given(StudyData(x.data.inputs, x.data.columns, x.data.label, wanting), single=False, index=None)
    check_positive(some, "se_difference", what=NOT_A_SPREAD)
    if "p" in x:
        check_p_values(some)


def share_difference(x: Given, groups: list[Given], filled: list[Filled]) -> None:
    """One standard deviation for both groups, where neither has one, from a test of the difference of their means."""
    n1, n2 = (column_of(group, "n") for group in groups)
    neither = np.isnan(filled[0].sd) & np.isnan(filled[1].sd) & (n1 + n2 > 2)
    check_tests(x, neither)
    with np.errstate(all="ignore"):
        difference = filled[0].mean - filled[1].mean
        ways: list[tuple[str, str, FloatArray]] = []
        if "se_difference" in x:
            ways.append(("se_difference", "the standard error", x["se_difference"]))
        if "t" in x:
            ways.append(("t", "the t statistic", tests.standard_error_from_statistic(difference, x["t"])))
        if "p" in x:
            ways.append(("p", "the p-value", tests.standard_error_from_p(difference, x["p"], n1 + n2 - 2.0)))
        for name, words, se in ways:
            sd = arms.sd_from_mean_difference_error(se, n1, n2)
            origin = f"{words} of the difference ({x.data.columns[name]}), shared by both groups"
            for group in filled:
                group.fill_sd(neither, sd, origin)


def origins(filled: Filled, n: FloatArray) -> list[str]:
    """Where a group's numbers came from, or what is wanting, in words."""
    words = []
    for mean, sd, size in zip(filled.mean_from, filled.sd_from, n, strict=True):
        wanting = [name for name, missing in (("mean", not mean), ("SD", not sd), ("n", np.isnan(size))) if missing]
        if wanting:
            words.append(f"incomplete: no {' and no '.join(wanting)}, and nothing that it follows from")
        elif mean == sd:
            words.append("as given" if mean == "as given" else f"mean and SD from {mean}")
        else:
            parts = [
                f"{name} {'' if way == 'as given' else 'from '}{way}" for name, way in (("mean", mean), ("SD", sd))
            ]
            words.append("; ".join(parts))
    return words
