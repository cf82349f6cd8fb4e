"""Medians, quartiles and ranges -> means and standard deviations, with a test of whether that can be believed."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metaanalysis.effects.conversions_inputs import Given, Numbers, check_group_sizes, choose, given
from metaanalysis.errors import DataWarning
from metaanalysis.formulas import quantiles
from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.quantile_estimation import (
    QUANTILE_FAMILIES,
    estimate_from_quantiles,
    quantile_probabilities,
)

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = ("minimum", "q1", "median", "q3", "maximum")
METHODS = ("luo-shi", "luo-wan", "wan", "mcgrath")
# Which numbers a paper may print, richest first, in the words of formulas/quantiles.py.
KNOWN = {
    "five": ("minimum", "q1", "median", "q3", "maximum"),
    "quartiles": ("q1", "median", "q3"),
    "range": ("minimum", "median", "maximum"),
}
IN_WORDS = {"five": "five-number summary", "quartiles": "quartiles", "range": "range"}
# Shi's critical values were fitted to samples of five and more.
SMALLEST_TESTED = 5


class FromQuantiles(NamedTuple):
    """Mean, SD, what they came from, and Shi's test; arrays of shape (k,)."""

    mean: FloatArray
    sd: FloatArray
    known: list[str]
    statistic: FloatArray
    critical: FloatArray
    skewed: BoolArray
    family: list[str]


def mean_sd_from_quantiles(
    *,
    n: Numbers,
    minimum: Numbers = None,
    q1: Numbers = None,
    median: Numbers = None,
    q3: Numbers = None,
    maximum: Numbers = None,
    method: str = "luo-shi",
) -> pd.DataFrame:
    """Estimate mean and standard deviation of groups of which median, quartiles or range were published.

    Parameters
    ----------
    n
        Sizes of the groups.
    minimum, q1, median, q3, maximum
        What was published, in the unit of the measurement; missing values are allowed. All five are used where they are
        there, else quartiles and median, else range and median.
    method
        ``luo-shi`` (default): mean by Luo et al., standard deviation by Shi et al. from five numbers and by Wan et al. from
        three. ``luo-wan``: mean by Luo et al., standard deviation by Wan et al. throughout. ``wan``: both as Wan et al.
        give them. ``mcgrath``: quantile estimation by McGrath et al., for measurements that need not be normal.

    Returns
    -------
    pandas.DataFrame
        One row a group: ``mean``, ``sd``, ``known`` (what they came from), ``skewness`` and ``skewness_critical`` (Shi's
        test at the 5 per cent level), ``skewed`` and ``family`` (the distribution that ``mcgrath`` found nearest). NaN where
        the numbers do not suffice.

    Raises
    ------
    DataError
        Where quantiles are not in order, n is below 2 (3 for ``mcgrath``) or the quantiles leave no spread.
    OptionError
        Where there is no such method.

    Warns
    -----
    DataWarning
        Where the data look skewed, so that the mean and standard deviation of a normal measurement mislead.

    References
    ----------
    Wan X, Wang W, Liu J, Tong T (2014). BMC Medical Research Methodology 14, 135.
    Luo D, Wan X, Liu J, Tong T (2018). Statistical Methods in Medical Research 27, 1785-1805.
    Shi J, Luo D, Weng H, Zeng XT, Lin L, Chu H, Tong T (2020). Research Synthesis Methods 11, 641-654.
    Shi J, Luo D, Wan X, Liu Y, Liu J, Bian Z, Tong T (2023). Statistical Methods in Medical Research 32, 1338-1360.
    McGrath S, Zhao X, Steele R, Thombs BD, Benedetti A (2020). Statistical Methods in Medical Research 29, 2520-2537.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> found = conversions.mean_sd_from_quantiles(n=[60, 41], q1=[4.0, 8.1], median=[6.0, 10.0], q3=[9.0, 12.2])
    >>> found[["mean", "sd", "skewed"]].round(2).to_dict("records")
    [{'mean': 6.35, 'sd': 3.8, 'skewed': False}, {'mean': 10.11, 'sd': 3.15, 'skewed': False}]
    """
    choose("method", method, METHODS)
    x = given(QUANTILES, n=n, minimum=minimum, q1=q1, median=median, q3=q3, maximum=maximum)
    check_quantiles(x, method)
    found = from_quantiles(x, method)
    x.data.refuse(
        np.isinf(found.mean) | np.isinf(found.sd),
        lambda row: f"{x.data.shown('n', row)} and its quantiles leave mean or SD without bound by method {method!r}",
        "use another method, or make them missing",
    )
    if method != "mcgrath":
        warn_of_skewness(found.skewed, [f"'{label}'" for label in x.data.label])
    return x.frame(
        {
            "mean": found.mean,
            "sd": found.sd,
            "known": found.known,
            "skewness": found.statistic,
            "skewness_critical": found.critical,
            "skewed": found.skewed,
            "family": found.family,
        }
    )


def check_quantiles(x: Given, method: str = "luo-shi") -> None:
    """Quantiles in order, with some spread between them; groups large enough."""
    have = [name for name in QUANTILES if name in x]
    for i, lower in enumerate(have):
        for upper in have[i + 1 :]:
            with np.errstate(invalid="ignore"):
                wrong = x[lower] > x[upper]
            x.data.refuse(
                wrong,
                lambda row, lower=lower, upper=upper: f"{x.data.shown(lower, row)} exceeds {x.data.shown(upper, row)}",  # type: ignore[misc]
                "quantiles rise; are columns swapped? Correct them, or make them missing",
            )
    for lower, upper in (("q1", "q3"), ("minimum", "maximum")):
        if lower in x and upper in x:
            x.data.refuse(
                x[lower] == x[upper],
                lambda row, lower=lower, upper=upper: (  # type: ignore[misc]
                    f"{x.data.shown(lower, row)} and {x.data.shown(upper, row)} are equal"
                ),
                "no standard deviation follows from them; make them missing",
            )
    check_group_sizes(x, "n", at_least=3 if method == "mcgrath" else 2)


def which_known(x: Given) -> list[str]:
    """What each study has: "five", "quartiles", "range" or ""."""
    known = np.full(x.size, "", dtype=object)
    for name in reversed(KNOWN):
        known[x.known("n", *KNOWN[name])] = name
    return [str(name) for name in known]


def from_quantiles(x: Given, method: str) -> FromQuantiles:
    """Means and standard deviations of checked quantiles."""
    known = which_known(x)
    mean, sd, statistic, critical = (np.full(x.size, np.nan) for _ in range(4))
    skewed = np.zeros(x.size, dtype=np.bool_)
    family = [""] * x.size
    for name, columns in KNOWN.items():
        rows = np.flatnonzero(np.array(known) == name)
        if rows.size == 0:
            continue
        q = [x[column][rows] for column in columns]
        n = x["n"][rows]
        if method == "mcgrath":
            mean[rows], sd[rows], best = estimate_from_quantiles(quantile_probabilities(n, name), np.stack(q, axis=-1))
            for row, at in zip(rows, best, strict=True):
                family[row] = tuple(QUANTILE_FAMILIES)[at]
        else:
            mean[rows] = mean_of(name, q, n, luo=method != "wan")
            sd[rows] = sd_of(name, q, n, shi=method == "luo-shi")
        tested = n >= SMALLEST_TESTED
        T, limit, over = skewness_of(name, q, n)
        statistic[rows], critical[rows] = np.where(tested, T, np.nan), np.where(tested, limit, np.nan)
        skewed[rows] = over & tested
    return FromQuantiles(mean, sd, known, statistic, critical, skewed, family)


def mean_of(known: str, q: list[FloatArray], n: FloatArray, *, luo: bool) -> FloatArray:
    """Means from the quantiles `q`, in rising order."""
    if known == "five":
        low, q1, median, q3, high = q
        if luo:
            return quantiles.luo_mean_from_five_numbers(low, q1, median, q3, high, n)
        return quantiles.wan_mean_from_five_numbers(low, q1, median, q3, high)
    low, median, high = q
    if known == "quartiles":
        if luo:
            return quantiles.luo_mean_from_quartiles(low, median, high, n)
        return quantiles.wan_mean_from_quartiles(low, median, high)
    if luo:
        return quantiles.luo_mean_from_range(low, median, high, n)
    return quantiles.wan_mean_from_range(low, median, high)


def sd_of(known: str, q: list[FloatArray], n: FloatArray, *, shi: bool) -> FloatArray:
    """Standard deviations from the quantiles `q`, in rising order."""
    if known == "five":
        low, q1, _, q3, high = q
        formula = quantiles.shi_sd_from_five_numbers if shi else quantiles.wan_sd_from_five_numbers
        return formula(low, q1, q3, high, n)
    if known == "quartiles":
        return quantiles.wan_sd_from_quartiles(q[0], q[2], n)
    return quantiles.wan_sd_from_range(q[0], q[2], n)


def skewness_of(known: str, q: list[FloatArray], n: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Shi's test of skewness."""
    if known == "five":
        low, q1, median, q3, high = q
        return quantiles.skewness_from_five_numbers(low, q1, median, q3, high, n)
    test = quantiles.skewness_from_quartiles if known == "quartiles" else quantiles.skewness_from_range
    return test(q[0], q[1], q[2], n)


def warn_of_skewness(skewed: BoolArray, names: list[str]) -> None:
    """Name the studies whose data look skewed."""
    rows = np.flatnonzero(skewed)
    if rows.size == 0:
        return
    shown = ", ".join(names[row] for row in rows[:5])
    more = f" and {rows.size - 5} more" if rows.size > 5 else ""
    warnings.warn(
        f"the quantiles of {shown}{more} look skewed (Shi's test, 5 per cent level): a mean and a standard deviation made "
        f'from them as if they were normal may mislead. Try method="mcgrath", or see what leaving them out changes.',
        DataWarning,
        stacklevel=3,
    )
