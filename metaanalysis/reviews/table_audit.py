"""Every check of a table of reported analyses, row by row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metaanalysis.reviews.checks import Check
from metaanalysis.reviews.checks_of_heterogeneity import heterogeneity_checks, p_of_q_check, q_df_of
from metaanalysis.reviews.checks_of_intervals import effects_of, interval_checks, merged, read_intervals, t_explains
from metaanalysis.reviews.checks_of_standard_errors import smallest_standard_error_check, tau2_check
from metaanalysis.reviews.reported import Reported
from metaanalysis.reviews.verdicts import Verdict, verdicts_of


def table_verdicts(table: Reported, level: float, rows: Sequence[int] | None = None) -> list[Verdict]:
    """Every verdict on the rows of a table; `rows` are their numbers, by default from 1."""
    # What overflows ends as infinite or unknown, and neither is called impossible.
    with np.errstate(all="ignore"):
        return verdicts_of(checks_of(table, level), rows or range(1, len(table) + 1), table.source, table.outcome)


def checks_of(table: Reported, level: float) -> list[Check]:
    """Every check of the rows."""
    effects = effects_of(table)
    df = q_df_of(table)
    t_df = np.where(df > 0, df, np.nan)
    own_level = table.numbers["ci_level"].value
    levels = np.where(np.isnan(own_level), level, own_level)
    normal = read_intervals(table, effects, np.full(len(table), np.inf), levels)
    t = read_intervals(table, effects, t_df, levels)
    t_holds = t_explains(normal, t)
    numbers = table.numbers
    return [
        *interval_checks(table, effects, normal.se),
        *merged(normal, t, t_holds),
        *heterogeneity_checks(table, df),
        p_of_q_check(
            "p of Q between",
            "Q between",
            numbers["q_between"],
            numbers["q_between_p_value"],
            numbers["q_between_df"].value,
        ),
        smallest_standard_error_check(table, normal, t, t_holds),
        tau2_check(table, normal, t, t_holds),
    ]
