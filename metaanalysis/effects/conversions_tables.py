"""The four counts of a 2 x 2 table from margins and an association, from risks, or from a diagnostic test's accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metaanalysis.effects.conversions_inputs import (
    Given,
    Numbers,
    check_correlations,
    check_directions,
    check_group_sizes,
    check_positive,
    check_proportions,
    given,
    refuse_each,
)
from metaanalysis.errors import OptionError
from metaanalysis.formulas import tables_2x2 as formulas
from metaanalysis.formulas.arrays import FloatArray

if TYPE_CHECKING:
    import pandas as pd

# A count may come out this far outside the margins by rounding in the arithmetic alone; then it is the margin.
ARITHMETIC = 1e-9
ASSOCIATIONS = ("phi", "chi_square", "odds_ratio", "risk_ratio", "risk_difference")
FRACTIONS = "printed numbers are rounded; correct them, or make them missing"


def table_from_margins(
    n1: Numbers,
    n2: Numbers,
    events: Numbers,
    *,
    phi: Numbers = None,
    chi_square: Numbers = None,
    odds_ratio: Numbers = None,
    risk_ratio: Numbers = None,
    risk_difference: Numbers = None,
    direction: Numbers = None,
    continuity_corrected: bool = False,
    whole: bool = True,
) -> pd.DataFrame:
    """The events of each group, from the groups' sizes, the events of both together and one measure of association.

    Parameters
    ----------
    n1, n2
        Sizes of the groups.
    events
        Events in both groups together.
    phi, chi_square, odds_ratio, risk_ratio, risk_difference
        Exactly one of them, as published.
    direction
        For a chi-square: +1 where group 1 has the higher risk, -1 where the lower.
    continuity_corrected
        Whether the chi-square is Yates'.
    whole
        Whether counts are rounded to whole numbers (default). False keeps the fractions, which show how well the
        published numbers fit.

    Returns
    -------
    pandas.DataFrame
        ``events1 n1 events2 n2``, one row a study; NaN where an input is missing.

    Raises
    ------
    DataError
        Where no table has these margins and this association.
    OptionError
        Where not exactly one association is given.

    References
    ----------
    Plackett RL (1965). Journal of the American Statistical Association 60, 516-522.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> conversions.table_from_margins(100, 100, 50, odds_ratio=0.583).to_dict("records")
    [{'events1': 20.0, 'n1': 100.0, 'events2': 30.0, 'n2': 100.0}]
    """
    associations = (phi, chi_square, odds_ratio, risk_ratio, risk_difference)
    measures = {name: value for name, value in zip(ASSOCIATIONS, associations, strict=True) if value is not None}
    if len(measures) != 1:
        got = ", ".join(measures) or "none"
        raise OptionError(f"exactly one of {', '.join(ASSOCIATIONS)} says how the table is filled; {got} was given.")
    ((name, value),) = measures.items()
    signs = {"direction": direction} if name == "chi_square" else {}
    if name == "chi_square" and direction is None:
        raise OptionError("a chi-square needs direction: +1 where group 1 has the higher risk, -1 where the lower.")
    x = given(n1=n1, n2=n2, events=events, **{name: value}, **signs)
    check_margins(x)
    check_association(x, name)
    with np.errstate(all="ignore"):
        margins = (x["n1"], x["n2"], x["events"])
        if name == "phi":
            events1 = formulas.events1_from_phi(x["phi"], *margins)
        elif name == "chi_square":
            events1 = formulas.events1_from_chi_square(
                x["chi_square"], *margins, x["direction"], continuity_corrected=continuity_corrected
            )
        elif name == "odds_ratio":
            events1 = formulas.events1_from_odds_ratio(x["odds_ratio"], *margins)
        elif name == "risk_ratio":
            events1 = formulas.events1_from_risk_ratio(x["risk_ratio"], *margins)
        else:
            events1 = formulas.events1_from_risk_difference(x["risk_difference"], *margins)
    return filled(x, events1, name, whole)


def table_from_risks(risk1: Numbers, n1: Numbers, risk2: Numbers, n2: Numbers, *, whole: bool = True) -> pd.DataFrame:
    """The events of each group from their risks and sizes.

    Parameters
    ----------
    risk1, risk2
        Proportions with the event, from 0 to 1.
    n1, n2
        Sizes of the groups.
    whole
        Whether counts are rounded to whole numbers.

    Returns
    -------
    pandas.DataFrame
        ``events1 n1 events2 n2``, one row a study.

    Raises
    ------
    DataError
        Where a risk is not a proportion or a group is empty.

    References
    ----------
    Higgins JPT, Li T, Deeks JJ (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> conversions.table_from_risks(0.114, 35, 0.25, 36).to_dict("records")
    [{'events1': 4.0, 'n1': 35.0, 'events2': 9.0, 'n2': 36.0}]
    """
    x = given(risk1=risk1, n1=n1, risk2=risk2, n2=n2)
    check_proportions(x, "risk1", "risk2")
    check_group_sizes(x, "n1", "n2")
    counts = (formulas.events_from_risk(x["risk1"], x["n1"]), formulas.events_from_risk(x["risk2"], x["n2"]))
    return two_groups(x, counts[0], counts[1], whole)


def table_from_odds_ratio(
    odds_ratio: Numbers, se: Numbers, n1: Numbers, n2: Numbers, *, risk2: Numbers, whole: bool = True
) -> pd.DataFrame:
    """The events of each group from the odds ratio, the standard error of its log and the groups' sizes.

    Parameters
    ----------
    odds_ratio
        As published.
    se
        Standard error of its log; `standard_error_from_interval` gives it.
    n1, n2
        Sizes of the groups.
    risk2
        The risk in group 2 as far as it is known: two tables fit, and the one with the nearer risk is taken.
    whole
        Whether counts are rounded to whole numbers.

    Returns
    -------
    pandas.DataFrame
        ``events1 n1 events2 n2``, one row a study.

    Raises
    ------
    DataError
        Where no table of these sizes has so small a standard error, or an input can't be.

    References
    ----------
    Di Pietrantonj C (2006). Statistics in Medicine 25, 2299-2322.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> conversions.table_from_odds_ratio(0.583, 0.3318, 100, 100, risk2=0.3).to_dict("records")
    [{'events1': 20.0, 'n1': 100.0, 'events2': 30.0, 'n2': 100.0}]
    """
    x = given(odds_ratio=odds_ratio, se=se, n1=n1, n2=n2, risk2=risk2)
    check_positive(x, "odds_ratio", "se")
    check_group_sizes(x, "n1", "n2")
    check_proportions(x, "risk2")
    few1, few2, many1, many2 = formulas.events_from_odds_ratio_and_variance(
        x["odds_ratio"], np.square(x["se"]), x["n1"], x["n2"]
    )
    x.data.refuse(
        np.isnan(few1) | np.isnan(many1),
        lambda row: f"{x.data.shown('se', row)} is smaller than groups of this size allow",
        "is it a variance, or the standard error of a ratio instead of its log? Correct it, or make it missing",
    )
    # Equal standard errors of a few and of many events: the risk tells them apart.
    few = np.abs(few2 / x["n2"] - x["risk2"]) <= np.abs(many2 / x["n2"] - x["risk2"])
    return two_groups(x, np.where(few, few1, many1), np.where(few, few2, many2), whole)


def table_from_cells(events1: Numbers, non_events1: Numbers, events2: Numbers, non_events2: Numbers) -> pd.DataFrame:
    """Events and sizes of each group, from events and non-events.

    Parameters
    ----------
    events1, non_events1, events2, non_events2
        The four cells of the table.

    Returns
    -------
    pandas.DataFrame
        ``events1 n1 events2 n2``, one row a study.

    Raises
    ------
    DataError
        Where a count is negative.

    References
    ----------
    Higgins JPT, Li T, Deeks JJ (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> conversions.table_from_cells(4, 119, 11, 128).to_dict("records")
    [{'events1': 4.0, 'n1': 123.0, 'events2': 11.0, 'n2': 139.0}]
    """
    x = given(events1=events1, non_events1=non_events1, events2=events2, non_events2=non_events2)
    refuse_each(x, tuple(x.data.inputs), lambda count: count < 0, "is negative", "a count is 0 or more; correct it")
    sizes = {"n1": x["events1"] + x["non_events1"], "n2": x["events2"] + x["non_events2"]}
    columns = {"events1": x["events1"], "n1": sizes["n1"], "events2": x["events2"], "n2": sizes["n2"]}
    return x.frame({name: np.where(x.data.complete, values, np.nan) for name, values in columns.items()})


def table_from_accuracy(
    sensitivity: Numbers,
    specificity: Numbers,
    *,
    diseased: Numbers = None,
    healthy: Numbers = None,
    prevalence: Numbers = None,
    total: Numbers = None,
    whole: bool = True,
) -> pd.DataFrame:
    """The four counts of a diagnostic study from sensitivity and specificity.

    Parameters
    ----------
    sensitivity, specificity
        Proportions from 0 to 1.
    diseased, healthy
        People with and without the disease; or
    prevalence, total
        the proportion with the disease among all people.
    whole
        Whether counts are rounded to whole numbers.

    Returns
    -------
    pandas.DataFrame
        ``true_positive false_positive false_negative true_negative``, one row a study.

    Raises
    ------
    DataError
        Where a proportion is outside 0 to 1 or there are no people.
    OptionError
        Where neither pair of numbers is complete.

    References
    ----------
    Altman DG, Bland JM (1994). BMJ 308, 1552.

    Examples
    --------
    >>> from metaanalysis.effects import conversions
    >>> conversions.table_from_accuracy(0.9, 0.8, diseased=50, healthy=200).iloc[0].astype(int).to_dict()
    {'true_positive': 45, 'false_positive': 40, 'false_negative': 5, 'true_negative': 160}
    """
    by_groups = diseased is not None and healthy is not None
    by_prevalence = prevalence is not None and total is not None
    if by_groups == by_prevalence:
        raise OptionError("give either diseased and healthy, or prevalence and total.")
    if by_groups:
        x = given(sensitivity=sensitivity, specificity=specificity, diseased=diseased, healthy=healthy)
        check_group_sizes(x, "diseased", "healthy", at_least=0)
        groups = x["diseased"], x["healthy"]
    else:
        x = given(sensitivity=sensitivity, specificity=specificity, prevalence=prevalence, total=total)
        check_proportions(x, "prevalence")
        check_group_sizes(x, "total")
        groups = formulas.diseased_from_prevalence(x["prevalence"], x["total"])
        groups = (np.round(groups[0]), x["total"] - np.round(groups[0])) if whole else groups
    check_proportions(x, "sensitivity", "specificity")
    cells = formulas.table_from_sensitivity(x["sensitivity"], x["specificity"], *groups)
    if whole:
        tp, tn = np.round(cells[0]), np.round(cells[3])
        cells = tp, groups[1] - tn, groups[0] - tp, tn
    names = ("true_positive", "false_positive", "false_negative", "true_negative")
    return x.frame({name: np.where(x.data.complete, c, np.nan) for name, c in zip(names, cells, strict=True)})


def check_margins(x: Given) -> None:
    """Groups with people, and no more events than people."""
    check_group_sizes(x, "n1", "n2")
    refuse_each(x, ("events",), lambda m: m < 0, "is negative", "a count is 0 or more; correct it")
    x.data.refuse(
        x["events"] > x["n1"] + x["n2"],
        lambda row: (
            f"{x.data.shown('events', row)} exceeds {x.data.shown('n1', row)} and {x.data.shown('n2', row)} together"
        ),
        "correct them, or make them missing",
    )


def check_association(x: Given, name: str) -> None:
    """The measure of association can be one."""
    if name == "phi":
        check_correlations(x, "phi")
    elif name == "chi_square":
        refuse_each(x, ("chi_square",), lambda c: c < 0, "is negative", "a chi-square is 0 or more; correct it")
        check_directions(x)
    elif name == "risk_difference":
        refuse_each(
            x, (name,), lambda d: np.abs(d) > 1, "is not between -1 and 1", "divide per cents by 100; correct it"
        )
    else:
        check_positive(x, name, what="is not a positive ratio")


def filled(x: Given, events1: FloatArray, name: str, whole: bool) -> pd.DataFrame:
    """The table that a count of events in group 1 and the margins make; DataError where it does not lie within them."""
    low = np.maximum(0.0, x["events"] - x["n2"])
    high = np.minimum(x["n1"], x["events"])
    slack = ARITHMETIC * (x["n1"] + x["n2"]) + (0.5 if whole else 0.0)
    x.data.refuse(
        ~((events1 >= low - slack) & (events1 <= high + slack)),
        lambda row: (
            f"{x.data.shown(name, row)} would need {events1[row]:.4g} events in group 1, where the margins allow "
            f"{low[row]:g} to {high[row]:g},"
        ),
        FRACTIONS,
    )
    events1 = np.clip(events1, low, high)
    events1 = np.round(events1) if whole else events1
    return two_groups(x, events1, x["events"] - events1, whole=False)


def two_groups(x: Given, events1: FloatArray, events2: FloatArray, whole: bool) -> pd.DataFrame:
    """The columns of two groups' counts."""
    counts = [np.round(events1), np.round(events2)] if whole else [events1, events2]
    columns = {"events1": counts[0], "n1": x["n1"], "events2": counts[1], "n2": x["n2"]}
    return x.frame({name: np.where(x.data.complete, values, np.nan) for name, values in columns.items()})
