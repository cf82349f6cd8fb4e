"""Standard deviations from whatever stands for them: standard errors, intervals, differences, changes; and arms combined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metaanalysis.effects.checks import StudyData, check_finite
from metaanalysis.effects.columns import plain_array
from metaanalysis.effects.conversions_inputs import (
    Numbers,
    check_correlations,
    check_group_sizes,
    check_limits,
    check_positive,
    choose,
    given,
)
from metaanalysis.errors import DataError
from metaanalysis.formulas import arms as formulas
from metaanalysis.options import checked_level

if TYPE_CHECKING:
    import pandas as pd

DISTRIBUTIONS = ("t", "normal")
NOT_A_SPREAD = "is not positive, as a standard deviation or error is"


def sd_from_standard_error(se: Numbers, n: Numbers) -> Numbers:
    """The standard deviation of a group from the standard error of its mean.

    Parameters
    ----------
    se
        Standard error of the mean.
    n
        Size of the group.

    Returns
    -------
    float, array or Series
        The standard deviation, in the unit of the measurement.

    Raises
    ------
    DataError
        Where se is not positive or n below 1.

    References
    ----------
    Higgins JPT, Li T, Deeks JJ (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> print(f"{conversions.sd_from_standard_error(0.4, 25):.1f}")
    2.0
    """
    x = given(se=se, n=n)
    check_positive(x, "se", what=NOT_A_SPREAD)
    check_group_sizes(x, "n")
    return x.answer(formulas.sd_from_standard_error(x["se"], x["n"]))


def sd_from_interval(
    ci_low: Numbers, ci_high: Numbers, n: Numbers, *, level: float = 0.95, distribution: str = "t"
) -> Numbers:
    """The standard deviation of a group from the confidence interval of its mean.

    Parameters
    ----------
    ci_low, ci_high
        Limits of the group's own mean, not of a difference.
    n
        Size of the group.
    level
        Confidence level of the interval.
    distribution
        ``t`` with n - 1 degrees of freedom, as intervals of means are usually made, or ``normal``.

    Returns
    -------
    float, array or Series
        The standard deviation, in the unit of the measurement.

    Raises
    ------
    DataError
        Where the limits are not in order or n is below 2.

    References
    ----------
    Higgins JPT, Li T, Deeks JJ (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> print(f"{conversions.sd_from_interval(30.0, 34.2, 25):.2f}")
    5.09
    """
    choose("distribution", distribution, DISTRIBUTIONS)
    x = given(ci_low=ci_low, ci_high=ci_high, n=n)
    check_limits(x)
    check_group_sizes(x, "n", at_least=2)
    sd = formulas.sd_from_interval(
        x["ci_low"], x["ci_high"], x["n"], checked_level(level), t_distribution=distribution == "t"
    )
    return x.answer(sd)


def sd_from_difference(se: Numbers, n1: Numbers, n2: Numbers) -> Numbers:
    """The standard deviation that two groups share, from the standard error of the difference of their means.

    Parameters
    ----------
    se
        Standard error of the difference; `standard_error_from_p` and `standard_error_from_interval` give it.
    n1, n2
        Sizes of the groups.

    Returns
    -------
    float, array or Series
        One standard deviation for both groups, in the unit of the measurement.

    Raises
    ------
    DataError
        Where se is not positive or a group empty.

    References
    ----------
    Higgins JPT, Li T, Deeks JJ (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> print(f"{conversions.sd_from_difference(1.37, 25, 22):.2f}")
    4.69
    """
    x = given(se=se, n1=n1, n2=n2)
    check_positive(x, "se", what=NOT_A_SPREAD)
    check_group_sizes(x, "n1", "n2")
    return x.answer(formulas.sd_from_mean_difference_error(x["se"], x["n1"], x["n2"]))


def change_sd(sd_before: Numbers, sd_after: Numbers, r: Numbers) -> Numbers:
    """The standard deviation of changes from baseline, from both occasions' and their correlation.

    Parameters
    ----------
    sd_before, sd_after
        Standard deviations of the group on the two occasions.
    r
        Correlation of the two occasions, from the study or imputed from a similar one.

    Returns
    -------
    float, array or Series
        The standard deviation of the changes, in the unit of the measurement.

    Raises
    ------
    DataError
        Where a standard deviation is not positive or r not strictly between -1 and 1.

    References
    ----------
    Higgins JPT, Li T, Deeks JJ (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> print(f"{conversions.change_sd(2.38, 2.21, 0.68):.4f}")
    1.8426
    """
    x = given(sd_before=sd_before, sd_after=sd_after, r=r)
    check_positive(x, "sd_before", "sd_after", what=NOT_A_SPREAD)
    check_correlations(x, "r")
    return x.answer(formulas.change_sd(x["sd_before"], x["sd_after"], x["r"]))


def correlation_from_change_sd(sd_before: Numbers, sd_after: Numbers, sd_change: Numbers) -> Numbers:
    """The correlation of two occasions, from their standard deviations and that of the change.

    Parameters
    ----------
    sd_before, sd_after, sd_change
        Standard deviations of a group on the two occasions and of its changes.

    Returns
    -------
    float, array or Series
        The correlation, to be used for a study that does not report its own.

    Raises
    ------
    DataError
        Where a standard deviation is not positive, or no correlation fits the three.

    References
    ----------
    Higgins JPT, Li T, Deeks JJ (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> print(f"{conversions.correlation_from_change_sd(2.38, 2.21, 1.8426):.2f}")
    0.68
    """
    x = given(sd_before=sd_before, sd_after=sd_after, sd_change=sd_change)
    check_positive(x, "sd_before", "sd_after", "sd_change", what=NOT_A_SPREAD)
    r = formulas.correlation_from_change_sd(x["sd_before"], x["sd_after"], x["sd_change"])
    x.data.refuse(
        np.abs(r) > 1,
        lambda row: f"{x.data.shown('sd_change', row)} fits no correlation between -1 and 1 (it would be {r[row]:.3g})",
        "is it a standard error? Correct it, or make it missing",
    )
    return x.answer(r)


def combine_arms(
    n: Sequence[Numbers], mean: Sequence[Numbers] | None = None, sd: Sequence[Numbers] | None = None
) -> pd.DataFrame:
    """Several arms as if they had been one: exactly the mean and standard deviation of all their people.

    Parameters
    ----------
    n, mean, sd
        One entry an arm, each a number or one number a study; ``sd`` and ``mean`` go together. With ``n`` alone, as for
        numbers of events, it is added up.

    Returns
    -------
    pandas.DataFrame
        ``n``, ``mean`` and ``sd``, one row a study; NaN where an arm's number is missing.

    Raises
    ------
    DataError
        Where there are fewer than two arms, a size is below 1 or a standard deviation not positive.

    References
    ----------
    Higgins JPT, Li T, Deeks JJ (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> conversions.combine_arms(n=[20, 35], mean=[5.0, 6.5], sd=[2.0, 3.0]).round(3).to_dict("records")
    [{'n': 55.0, 'mean': 5.955, 'sd': 2.758}]
    """
    import pandas as pd

    if (mean is None) != (sd is None):
        raise DataError("mean and sd go together: arms can't be combined with one of them alone.")
    parts = {"n": n, "mean": mean, "sd": sd}
    columns = {
        name: [plain_array(np.atleast_1d(arm), name) for arm in arms]
        for name, arms in parts.items()
        if arms is not None
    }
    counts = {name: len(arms) for name, arms in columns.items()}
    if min(counts.values()) < 2 or len(set(counts.values())) > 1:
        raise DataError(f"{counts} arms were given: combining takes two or more, each with the same numbers.")
    sizes = {arm.size for arms in columns.values() for arm in arms} - {1}
    if len(sizes) > 1:
        raise DataError(f"the arms have numbers for {sorted(sizes)} studies: each study needs one of each.")
    k = next(iter(sizes), 1)
    stacked = {name: np.stack([np.broadcast_to(arm, (k,)) for arm in arms], axis=-1) for name, arms in columns.items()}
    check_arms(stacked)
    if "mean" not in stacked:
        return pd.DataFrame({"n": stacked["n"].sum(axis=-1)})
    missing = np.isnan(np.concatenate(list(stacked.values()), axis=-1)).any(axis=-1)
    total, centre, spread = formulas.combine_arms(stacked["n"], stacked["mean"], stacked["sd"])
    numbers = {"n": total, "mean": centre, "sd": spread}
    return pd.DataFrame({name: np.where(missing, np.nan, x) for name, x in numbers.items()})


def check_arms(stacked: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]) -> None:
    """Sizes and standard deviations of arms; shape (studies, arms)."""
    k, count = stacked["n"].shape
    for arm in range(count):
        inputs = {name: values[:, arm] for name, values in stacked.items()}
        names = {name: f"{name} of arm {arm + 1}" for name in inputs}
        data = StudyData(inputs, names, [f"Study {row + 1}" for row in range(k)], np.ones(k, dtype=np.bool_))
        check_finite(data)
        lowest = 1 if "sd" in inputs else 0
        data.refuse_each(("n",), lambda n: n < lowest, f"is below {lowest}", "correct it, or make it missing")  # noqa: B023
        if "sd" in inputs:
            data.refuse_each(("sd",), lambda sd: sd <= 0, NOT_A_SPREAD, "correct it, or make it missing")
