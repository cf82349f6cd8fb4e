"""Test statistics and p-values as papers print them -> correlations, to go with ``n`` into COR or ZCOR."""

from __future__ import annotations

from metaanalysis.effects.conversions_from_tests import signed
from metaanalysis.effects.conversions_inputs import (
    Given,
    Numbers,
    check_directions,
    check_group_sizes,
    check_p_values,
    given,
    refuse_each,
)
from metaanalysis.formulas import conversions_from_tests as formulas


def r_from_t(t: Numbers, df: Numbers) -> Numbers:
    """A correlation from its t statistic.

    Parameters
    ----------
    t
        The t statistic; its sign is the correlation's.
    df
        Its degrees of freedom: n - 2 for a plain correlation; in a regression, where the result is a partial
        correlation, the residual ones.

    Returns
    -------
    float, array or Series
        The correlation, between -1 and 1; NaN where an input is missing.

    Raises
    ------
    DataError
        Where df is below 1.

    References
    ----------
    Rosenthal R (1991). Meta-analytic procedures for social research. Sage.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> print(f"{conversions.r_from_t(2.5, 38):.4f}")
    0.3758
    """
    x = given(t=t, df=df)
    check_group_sizes(x, "df")
    return x.answer(formulas.r_from_t(x["t"], x["df"]))


def r_from_f(f: Numbers, df: Numbers, *, direction: Numbers) -> Numbers:
    """A correlation from an F statistic with one degree of freedom in the numerator.

    Parameters
    ----------
    f
        F with one degree of freedom in the numerator.
    df
        Degrees of freedom of the denominator.
    direction
        +1 or -1, the sign of the correlation: F itself does not say.

    Returns
    -------
    float, array or Series
        The correlation.

    Raises
    ------
    DataError
        Where F is negative, df below 1 or a direction 0.

    References
    ----------
    Rosenthal R (1991). Meta-analytic procedures for social research. Sage.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> print(f"{conversions.r_from_f(6.25, 38, direction=-1):.4f}")
    -0.3758
    """
    x = given(f=f, df=df, direction=direction)
    refuse_each(x, ("f",), lambda values: values < 0, "is negative", "an F statistic is 0 or more; correct it")
    check_group_sizes(x, "df")
    check_directions(x)
    return x.answer(formulas.r_from_t(signed(formulas.t_from_f(x["f"]), x["direction"]), x["df"]))


def r_from_p(p: Numbers, n: Numbers, *, direction: Numbers) -> Numbers:
    """A correlation from the two-sided p-value of its t-test against zero.

    Parameters
    ----------
    p
        Two-sided p-value.
    n
        How many people were correlated.
    direction
        +1 or -1, the sign of the correlation.

    Returns
    -------
    float, array or Series
        The correlation.

    Raises
    ------
    DataError
        Where p is not above 0 and up to 1, n below 3 or a direction 0.

    References
    ----------
    Rosenthal R (1991). Meta-analytic procedures for social research. Sage.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> print(f"{conversions.r_from_p(0.0168, 40, direction=1):.4f}")
    0.3760
    """
    x = given(p=p, n=n, direction=direction)
    check_p_values(x)
    check_people(x)
    check_directions(x)
    df = x["n"] - 2.0
    return x.answer(formulas.r_from_t(signed(formulas.t_from_p(x["p"], df), x["direction"]), df))


def r_from_chi_square(chi_square: Numbers, n: Numbers, *, direction: Numbers) -> Numbers:
    """Phi, the correlation of two yes-or-no variables, from the chi-square of their 2 x 2 table.

    Parameters
    ----------
    chi_square
        Pearson's chi-square with one degree of freedom, without continuity correction.
    n
        How many people are in the table.
    direction
        +1 or -1, the sign of the correlation.

    Returns
    -------
    float, array or Series
        Phi.

    Raises
    ------
    DataError
        Where chi-square is negative or exceeds n, as no 2 x 2 table has that, or a direction is 0.

    References
    ----------
    Rosenthal R (1991). Meta-analytic procedures for social research. Sage.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> print(f"{conversions.r_from_chi_square(4.0, 100, direction=1):.2f}")
    0.20
    """
    x = given(chi_square=chi_square, n=n, direction=direction)
    refuse_each(x, ("chi_square",), lambda values: values < 0, "is negative", "a chi-square is 0 or more; correct it")
    check_group_sizes(x, "n")
    x.data.refuse(
        x["chi_square"] > x["n"],
        lambda row: f"{x.data.shown('chi_square', row)} exceeds {x.data.shown('n', row)}",
        "no 2 x 2 table has so large a chi-square; correct one of them",
    )
    check_directions(x)
    return x.answer(signed(formulas.r_from_chi_square(x["chi_square"], x["n"]), x["direction"]))


def check_people(x: Given) -> None:
    """A correlation of two people says nothing."""
    check_group_sizes(x, "n", at_least=3)
