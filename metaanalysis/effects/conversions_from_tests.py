"""Test statistics and p-values as papers print them -> standardised mean differences and correlations."""

from __future__ import annotations

import numpy as np

from metaanalysis.effects.conversions_inputs import (
    Estimate,
    Given,
    Numbers,
    check_correlations,
    check_directions,
    check_group_sizes,
    check_p_values,
    check_positive,
    choose,
    given,
    refuse_each,
)
from metaanalysis.formulas import binary, continuous
from metaanalysis.formulas import conversions_from_tests as formulas
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.gamma_correction import CORRECTIONS
from metaanalysis.formulas.smd_variances import SMD_VARIANCES

CORRECTION_CHOICES = tuple(CORRECTIONS)
# "AV" averages over studies, so that it has no place where one study is converted at a time.
VARIANCE_CHOICES = tuple(name for name in SMD_VARIANCES if name != "AV")
DISTRIBUTIONS = ("logistic", "normal")


def smd_from_d(d: Numbers, n1: Numbers, n2: Numbers, *, correction: str = "exact", variance: str = "LS") -> Estimate:
    """Hedges' g and its sampling variance from a published Cohen's d.

    Parameters
    ----------
    d
        Cohen's d, not yet corrected for its bias; positive where group 1 has the higher mean.
    n1, n2
        Sizes of the two independent groups.
    correction, variance
        As in `effect_sizes` for ``SMD``; ``correction="none"`` where the paper has corrected already.

    Returns
    -------
    Estimate
        ``y`` and ``v``, in standard deviations; NaN where an input is missing.

    Raises
    ------
    DataError
        Where a group is empty or both together have fewer than 4 people.

    References
    ----------
    Hedges LV (1981). Journal of Educational Statistics 6, 107-128.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> y, v = conversions.smd_from_d(0.5, 20, 22)
    >>> print(f"{y:.4f} {v:.4f}")
    0.4906 0.0983
    """
    x = given(d=d, n1=n1, n2=n2)
    check_group_sizes(x, "n1", "n2")
    check_total(x)
    return smd(x, x["d"], correction, variance)


def smd_from_t(t: Numbers, n1: Numbers, n2: Numbers, *, correction: str = "exact", variance: str = "LS") -> Estimate:
    """Hedges' g and its sampling variance from the t statistic of two independent groups.

    Parameters
    ----------
    t
        Student's t, of equal variances; positive where group 1 has the higher mean.
    n1, n2
        Sizes of the groups.
    correction, variance
        As in `effect_sizes` for ``SMD``.

    Returns
    -------
    Estimate
        ``y`` and ``v``, in standard deviations: what the means and standard deviations themselves would give.

    Raises
    ------
    DataError
        Where a group is empty or both together have fewer than 4 people.

    References
    ----------
    Borenstein M (2009). Effect sizes for continuous data. The handbook of research synthesis and meta-analysis, chapter 12.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> y, v = conversions.smd_from_t(2.1, 20, 22)
    >>> print(f"{y:.4f} {v:.4f}")
    0.6366 0.1003
    """
    x = given(t=t, n1=n1, n2=n2)
    check_group_sizes(x, "n1", "n2")
    check_total(x)
    return smd(x, formulas.d_from_t(x["t"], x["n1"], x["n2"]), correction, variance)


def smd_from_f(
    f: Numbers,
    n1: Numbers,
    n2: Numbers,
    *,
    direction: Numbers,
    correction: str = "exact",
    variance: str = "LS",
) -> Estimate:
    """Hedges' g and its sampling variance from the F statistic of a comparison of two groups.

    Parameters
    ----------
    f
        F with one degree of freedom in the numerator.
    n1, n2
        Sizes of the groups.
    direction
        +1 where group 1 has the higher mean, -1 where the lower: F itself does not say.
    correction, variance
        As in `effect_sizes` for ``SMD``.

    Returns
    -------
    Estimate
        ``y`` and ``v``, in standard deviations.

    Raises
    ------
    DataError
        Where F is negative, a direction is 0, or a group is too small.

    References
    ----------
    Borenstein M (2009). Effect sizes for continuous data. The handbook of research synthesis and meta-analysis, chapter 12.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> y, v = conversions.smd_from_f(4.41, 20, 22, direction=-1)
    >>> print(f"{y:.4f} {v:.4f}")
    -0.6366 0.1003
    """
    x = given(f=f, n1=n1, n2=n2, direction=direction)
    refuse_each(x, ("f",), lambda values: values < 0, "is negative", "an F statistic is 0 or more; correct it")
    check_directions(x)
    check_group_sizes(x, "n1", "n2")
    check_total(x)
    t = signed(formulas.t_from_f(x["f"]), x["direction"])
    return smd(x, formulas.d_from_t(t, x["n1"], x["n2"]), correction, variance)


def smd_from_p(
    p: Numbers,
    n1: Numbers,
    n2: Numbers,
    *,
    direction: Numbers,
    correction: str = "exact",
    variance: str = "LS",
) -> Estimate:
    """Hedges' g and its sampling variance from the p-value of a t-test of two independent groups.

    Parameters
    ----------
    p
        Two-sided p-value. Where a paper prints only that it is below a threshold, the threshold is the cautious choice.
    n1, n2
        Sizes of the groups.
    direction
        +1 where group 1 has the higher mean, -1 where the lower.
    correction, variance
        As in `effect_sizes` for ``SMD``.

    Returns
    -------
    Estimate
        ``y`` and ``v``, in standard deviations.

    Raises
    ------
    DataError
        Where p is not above 0 and up to 1, a direction is 0, or a group is too small.

    References
    ----------
    Borenstein M (2009). Effect sizes for continuous data. The handbook of research synthesis and meta-analysis, chapter 12.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> y, v = conversions.smd_from_p(0.042, 20, 22, direction=1)
    >>> print(f"{y:.4f} {v:.4f}")
    0.6368 0.1003
    """
    x = given(p=p, n1=n1, n2=n2, direction=direction)
    check_p_values(x)
    check_directions(x)
    check_group_sizes(x, "n1", "n2")
    check_total(x)
    t = signed(formulas.t_from_p(x["p"], x["n1"] + x["n2"] - 2.0), x["direction"])
    return smd(x, formulas.d_from_t(t, x["n1"], x["n2"]), correction, variance)


def smd_from_log_odds_ratio(y: Numbers, v: Numbers, *, distribution: str = "logistic") -> Estimate:
    """The standardised mean difference behind a log odds ratio, if events are large values of an unseen measurement.

    Parameters
    ----------
    y, v
        Log odds ratio and its sampling variance.
    distribution
        Of the unseen measurement: ``logistic`` (times √3/π) or ``normal`` (Cox and Snell: divided by 1.65).

    Returns
    -------
    Estimate
        ``y`` and ``v``, in standard deviations.

    Raises
    ------
    DataError
        Where a variance is not positive.
    OptionError
        Where there is no such distribution.

    References
    ----------
    Chinn S (2000). Statistics in Medicine 19, 3127-3131.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> y, v = conversions.smd_from_log_odds_ratio(1.0, 0.09)
    >>> print(f"{y:.4f} {v:.4f}")
    0.5513 0.0274
    """
    choose("distribution", distribution, DISTRIBUTIONS)
    x = given(y=y, v=v)
    check_variances(x)
    convert = binary.log_odds_ratio_to_d_logistic if distribution == "logistic" else binary.log_odds_ratio_to_d_normal
    return x.estimate(*convert(x["y"], x["v"]))


def smd_from_r(r: Numbers, v: Numbers) -> Estimate:
    """The standardised mean difference of two halves of the people, from a correlation.

    Parameters
    ----------
    r, v
        Correlation and its sampling variance, such as ``COR`` of `effect_sizes` gives.

    Returns
    -------
    Estimate
        ``y`` and ``v``, in standard deviations.

    Raises
    ------
    DataError
        Where r is not strictly between -1 and 1 or a variance is not positive.

    References
    ----------
    Borenstein M, Hedges LV, Higgins JPT, Rothstein HR (2009). Introduction to meta-analysis, chapter 7.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> y, v = conversions.smd_from_r(0.5, 0.0058)
    >>> print(f"{y:.4f} {v:.4f}")
    1.1547 0.0550
    """
    x = given(r=r, v=v)
    check_correlations(x, "r")
    check_variances(x)
    return x.estimate(*formulas.d_from_r(x["r"], x["v"]))


def r_from_smd(y: Numbers, v: Numbers, n1: Numbers, n2: Numbers) -> Estimate:
    """The correlation of group and measurement, from a standardised mean difference.

    Parameters
    ----------
    y, v
        Standardised mean difference and its sampling variance.
    n1, n2
        Sizes of the groups.

    Returns
    -------
    Estimate
        The correlation as ``y``, and its variance ``v``.

    Raises
    ------
    DataError
        Where a group is empty or a variance is not positive.

    References
    ----------
    Borenstein M, Hedges LV, Higgins JPT, Rothstein HR (2009). Introduction to meta-analysis, chapter 7.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> y, v = conversions.r_from_smd(1.1547, 0.0550, 100, 100)
    >>> print(f"{y:.4f} {v:.4f}")
    0.5000 0.0058
    """
    x = given(y=y, v=v, n1=n1, n2=n2)
    check_group_sizes(x, "n1", "n2")
    check_variances(x)
    return x.estimate(*formulas.r_from_d(x["y"], x["v"], x["n1"], x["n2"]))


def check_total(x: Given) -> None:
    """Two groups together have the people that the correction of g needs."""
    x.data.refuse(
        x["n1"] + x["n2"] < 4,
        lambda row: f"{x.data.shown('n1', row)} and {x.data.shown('n2', row)} are fewer than 4 people",
        "their standard deviation has too few degrees of freedom; correct them, or make them missing",
    )


def check_variances(x: Given) -> None:
    """Sampling variances above zero."""
    check_positive(x, "v", what="is not a positive sampling variance")


def signed(size: FloatArray, direction: FloatArray) -> FloatArray:
    """A statistic of which only the size is known, in its direction."""
    return np.asarray(np.copysign(size, direction))


def smd(x: Given, d: FloatArray, correction: str, variance: str) -> Estimate:
    """Hedges' g and its variance from Cohen's d."""
    choose("correction", correction, CORRECTION_CHOICES)
    choose("variance", variance, VARIANCE_CHOICES)
    with np.errstate(all="ignore"):
        y, v = continuous.standardized_mean_difference_from_d(
            d, x["n1"], x["n2"], correction=correction, variance=variance
        )
    return x.estimate(y, v)
