"""Confidence intervals, p-values and test statistics -> standard errors, and variances on another scale."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metaanalysis.effects.conversions_inputs import (
    SMALLEST,
    Estimate,
    Given,
    Numbers,
    check_group_sizes,
    check_limits,
    check_p_values,
    check_positive,
    given,
    refuse_each,
)
from metaanalysis.formulas import conversions_from_tests as formulas
from metaanalysis.formulas import delta_method as delta
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.options import checked_level

RATIO = "is not positive, though it belongs to a ratio"


def standard_error_from_interval(
    ci_low: Numbers, ci_high: Numbers, *, level: float = 0.95, df: Numbers = None, ratio: bool = False
) -> Numbers:
    """The standard error behind a confidence interval.

    Parameters
    ----------
    ci_low, ci_high
        Limits as published.
    level
        Confidence level of the interval.
    df
        Degrees of freedom where the interval was made with t; the normal distribution where None.
    ratio
        Whether the limits are those of a ratio. The standard error is then the log ratio's.

    Returns
    -------
    float, array or Series
        The standard error, on the log scale for ratios.

    Raises
    ------
    DataError
        Where the limits are not in order, or a ratio's not positive.

    References
    ----------
    Higgins JPT, Li T, Deeks JJ (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> print(f"{conversions.standard_error_from_interval(0.53, 0.94, ratio=True):.4f}")
    0.1462
    """
    x = given(("df",), ci_low=ci_low, ci_high=ci_high, df=df)
    low, high = limits(x, ratio)
    check_group_sizes(x, "df")
    return x.answer(formulas.standard_error_from_interval(low, high, checked_level(level), degrees(x)), needed(x))


def estimate_from_interval(ci_low: Numbers, ci_high: Numbers, *, ratio: bool = False) -> Numbers:
    """The estimate in the middle of a confidence interval.

    Parameters
    ----------
    ci_low, ci_high
        Limits as published.
    ratio
        Whether they are those of a ratio: the middle is then their geometric mean.

    Returns
    -------
    float, array or Series
        The estimate as it would be published: a ratio, not its log.

    Raises
    ------
    DataError
        Where the limits are not in order, or a ratio's not positive.

    References
    ----------
    Higgins JPT, Li T, Deeks JJ (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> print(f"{conversions.estimate_from_interval(0.5, 2.0, ratio=True):.2f}")
    1.00
    """
    x = given(ci_low=ci_low, ci_high=ci_high)
    middle = formulas.estimate_from_interval(*limits(x, ratio))
    return x.answer(np.exp(middle) if ratio else middle)


def standard_error_from_p(estimate: Numbers, p: Numbers, *, df: Numbers = None, ratio: bool = False) -> Numbers:
    """The standard error behind an estimate and the two-sided p-value of its test.

    Parameters
    ----------
    estimate
        As published: a difference, tested against 0, or a ratio, tested against 1.
    p
        Two-sided p-value, below 1.
    df
        Degrees of freedom of a t-test; the normal distribution where None.
    ratio
        Whether the estimate is a ratio. The standard error is then the log ratio's.

    Returns
    -------
    float, array or Series
        The standard error, on the log scale for ratios.

    Raises
    ------
    DataError
        Where p is not strictly between 0 and 1, or the estimate shows no difference at all, from which no error follows.

    References
    ----------
    Higgins JPT, Li T, Deeks JJ (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.

    Examples
    --------
    A difference of means of 3.8 with p = 0.008 from 25 and 22 people, as in the Cochrane Handbook:

    >>> from metaanalysis.effects import conversions
    >>> print(f"{conversions.standard_error_from_p(3.8, 0.008, df=45):.2f}")
    1.37
    """
    x = given(("df",), estimate=estimate, p=p, df=df)
    check_p_values(x)
    refuse_each(x, ("p",), lambda p: p == 1, "says nothing of the error", "make it missing, or look for an interval")
    check_group_sizes(x, "df")
    return x.answer(formulas.standard_error_from_p(difference(x, ratio), x["p"], degrees(x)), needed(x))


def standard_error_from_statistic(estimate: Numbers, statistic: Numbers, *, ratio: bool = False) -> Numbers:
    """The standard error behind an estimate and its z or t statistic.

    Parameters
    ----------
    estimate
        As published: a difference, tested against 0, or a ratio, tested against 1.
    statistic
        Its z or t statistic, not 0.
    ratio
        Whether the estimate is a ratio. The standard error is then the log ratio's.

    Returns
    -------
    float, array or Series
        The standard error, on the log scale for ratios.

    Raises
    ------
    DataError
        Where the statistic is 0 or the estimate shows no difference at all, from which no error follows.

    References
    ----------
    Higgins JPT, Li T, Deeks JJ (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> print(f"{conversions.standard_error_from_statistic(3.8, 2.78):.2f}")
    1.37
    """
    x = given(estimate=estimate, statistic=statistic)
    refuse_each(
        x,
        ("statistic",),
        lambda z: np.abs(z) < SMALLEST,
        "says nothing of the error",
        "make it missing, or look for an interval",
    )
    return x.answer(formulas.standard_error_from_statistic(difference(x, ratio), x["statistic"]))


def delta_method(
    y: Numbers,
    v: Numbers,
    function: Callable[[FloatArray], FloatArray],
    derivative: Callable[[FloatArray], FloatArray] | None = None,
) -> Estimate:
    """An effect size on another scale, with its large-sample variance.

    Parameters
    ----------
    y, v
        Effect size and its sampling variance.
    function
        The new scale: a function of arrays, element by element, such as ``numpy.exp``.
    derivative
        Its derivative; computed from the function where None.

    Returns
    -------
    Estimate
        ``function(y)`` and its variance, the squared derivative times v.

    Raises
    ------
    DataError
        Where a variance is not positive, or the function or its slope is not defined at an effect size.

    References
    ----------
    Oehlert GW (1992). A note on the delta method. The American Statistician 46, 27-29.

    Examples
    --------
    >>> import numpy as np
    >>> from metaanalysis.effects import conversions
    >>> y, v = conversions.delta_method(0.5, 0.04, np.exp)
    >>> print(f"{y:.4f} {v:.4f}")
    1.6487 0.1087
    """
    x = given(y=y, v=v)
    check_positive(x, "v", what="is not a positive sampling variance")
    with np.errstate(all="ignore"):
        new_y, new_v = delta.delta_method(x["y"], x["v"], function, derivative)
    x.data.refuse(
        ~(np.isfinite(new_y) & np.isfinite(new_v)),
        lambda row: f"{x.data.shown('y', row)} is where the function or its slope is not defined",
        "give a function that is smooth there, with its derivative, or make the study missing",
    )
    return x.estimate(new_y, new_v)


def limits(x: Given, ratio: bool) -> tuple[FloatArray, FloatArray]:
    """Checked limits on the scale on which they are symmetric."""
    if ratio:
        check_positive(x, "ci_low", "ci_high", what=RATIO)
    check_limits(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (np.log(x["ci_low"]), np.log(x["ci_high"])) if ratio else (x["ci_low"], x["ci_high"])


def difference(x: Given, ratio: bool) -> FloatArray:
    """A checked estimate on the scale on which it is tested against 0."""
    if ratio:
        check_positive(x, "estimate", what=RATIO)
    nothing = 1.0 if ratio else 0.0
    refuse_each(
        x,
        ("estimate",),
        lambda estimate: estimate == nothing,
        "shows no difference at all, so that its error can't be told from a test",
        "make it missing, or look for an interval",
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.log(x["estimate"])) if ratio else x["estimate"]


def degrees(x: Given) -> FloatArray | None:
    """Degrees of freedom where they were given for every study or for some."""
    return x.data.inputs.get("df")


def needed(x: Given) -> tuple[str, ...]:
    """Degrees of freedom that were given for some studies are needed for all."""
    return tuple(x.data.inputs)
