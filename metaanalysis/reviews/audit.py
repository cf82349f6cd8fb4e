"""Can the numbers that a review reports all be true together? Interval arithmetic over their rounding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metaanalysis.effects.columns import FrameLike
from metaanalysis.errors import DataError
from metaanalysis.formulas import consistency
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.inference import quantile
from metaanalysis.formulas.rounding import Interval, gap
from metaanalysis.options import checked_level
from metaanalysis.results.audit import Audit
from metaanalysis.reviews.checks import (
    Check,
    Effects,
    Reading,
    effects_of,
    equals,
    heterogeneity_checks,
    interval_checks,
    merged,
    p_of_q_check,
    q_df_of,
    read_intervals,
    smallest_standard_error_check,
    spread,
    t_explains,
)
from metaanalysis.reviews.reported import Printed, Reported, printed_number, read_reported

if TYPE_CHECKING:
    import pandas as pd

_SUBGROUP_TEST = "the test for subgroup differences"
_COLUMNS = (
    "row",
    "source",
    "outcome",
    "check",
    "reported",
    "possible_low",
    "possible_high",
    "consistent",
    "how_far_off",
    "sentence",
)


def audit(reported: FrameLike, level: float = 0.95, **columns: str) -> Audit:
    """Hold the reported numbers of pooled analyses against each other: which cannot all be true together?

    Every printed number stands for all values that round to it (0.86 for 0.855 to 0.865), and what one number allows
    another is found by interval arithmetic over that rounding. A number is called impossible only where no values within
    the rounding agree. The checks, each made where its numbers are reported:

    - the estimate lies inside its confidence interval, and in the middle of it (on the log scale for ratios);
    - the test statistic Z and the two-sided p from the interval, and p from Z;
    - I² from Q, the p-value of Q from Q and from I², with k - 1 degrees of freedom; df from k; no heterogeneity where k = 1;
    - the p-value of a test for subgroup differences (see `audit_subgroups` for the subgroups themselves);
    - a standardised mean difference: the smallest standard error that so many people in two arms allow.

    Parameters
    ----------
    reported
        A data frame (pandas, Polars, Arrow, a dict of columns) or the path of a CSV file in UTF-8, one row a pooled
        analysis. Columns ``measure``, ``estimate``, ``ci_low`` and ``ci_high``, and as far as they were reported
        ``source``, ``outcome``, ``k``, ``n_total``, ``p_value``, ``statistic``, ``i2`` (per cent), ``q``, ``q_df``,
        ``q_p_value``, ``q_between``, ``q_between_df`` and ``q_between_p_value``; common other spellings are understood
        (``est``, ``ci_lo``, ``N``, ``p``, ``z``, ``I2``, ``Q``, ``df``, ``p_Q``). An empty cell means: not reported.
    level
        The level of the confidence intervals.
    **columns
        What columns are called where their names are not understood: ``estimate="pooled SMD"``.

    Returns
    -------
    Audit
        ``verdicts`` (a frame, one row a check), ``consistent``, ``inconsistent`` (ranked by how far off), ``summary()``,
        ``to_markdown()``.

    Raises
    ------
    DataError
        The table is empty, lacks a column, or holds a number that cannot be what it claims to be.
    OptionError
        The level does not lie between 0 and 1, or a name in ``columns`` is no column of an audit.

    Notes
    -----
    *Decimals.* They are those of the text in a file or a text column, and of the shortest form of the number in a
    numeric column. Estimate and limits of a row have the decimals of the widest of the three: -0.1 beside -0.34 was
    printed as -0.10. Counts and I² that end in .0, and floats that are whole, were printed as whole numbers: I² 38.0 means
    37.5 to 38.5. A zero that is lost at the end (p = 0.1 for a printed 0.10) makes a check more lenient, never stricter.

    *Measures.* Ratios (RR, OR, HR, ROM, IRR, DOR, PETO) are symmetric on the log scale, correlations (COR) on Fisher's z; SMD,
    MD, RD, IRD, ZCOR and GEN as they are printed. Intervals that are not symmetric by design (profile likelihood, bootstrap)
    fail the check of the middle.

    *Normal or t.* An interval can be estimate ± 1.96 se with a normal Z and p, or, after Hartung and Knapp, made of t with
    k - 1 degrees of freedom throughout. A row is read by the normal distribution, unless fewer of its Z and p contradict
    each other when all are read by t. The sentence about a number that fits neither tells what both allow.

    *I².* It is computed from Q. Programs that compute it from tau² can print an I² that Q does not allow.

    *Smallest standard error.* The variance of a standardised mean difference is at least 4/n for n people in two arms, so
    that of the pooled one is at least about 4/N; the bound used is the sharper one of `smallest_smd_standard_error` that
    holds for every variance formula in use. Designs that are more precise than two independent arms (crossover,
    adjustment for baseline) can pass below it, and so can a Hartung-Knapp interval: that is accepted as an explanation unless
    the row's Z, p, Q or I² rule it out or, where no Q is reported, studies would have to agree so well as they do by chance
    less than once in a thousand times.

    References
    ----------
    Higgins JPT, Thompson SG (2002). Quantifying heterogeneity in a meta-analysis. Statistics in Medicine 21:1539-1558.
    Hartung J, Knapp G (2001). On tests of the overall treatment effect in meta-analysis with normally distributed
    responses. Statistics in Medicine 20:1771-1782.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> found = ma.audit({"measure": ["SMD"], "k": [21], "est": [-0.39], "ci_lo": [-0.54], "ci_hi": [-0.24], "z": [9.42]})
    >>> found.consistent
    False
    >>> print(found.inconsistent.sentence[0])
    Z = 9.42 is impossible: the interval allows 4.87 to 5.34 (5.18 to 5.68 if it is by t with 20 df).
    """
    level = checked_level(level)
    table = read_reported(reported, columns)
    return Audit(_frame(_table_verdicts(table, level)), level, len(table), table.ignored)


def audit_subgroups(
    subgroups: FrameLike | None = None,
    *,
    q: float | str | None = None,
    df: int | None = None,
    p_value: float | str | None = None,
    level: float = 0.95,
    **columns: str,
) -> Audit:
    """Hold a reported test for subgroup differences against itself and against the subgroups' own intervals.

    Parameters
    ----------
    subgroups
        A table as in `audit`, one row a subgroup; each row is audited by itself too. Without it only p is held against Q.
    q, df, p_value
        The test as printed, as text where zeros at the end matter: ``q="4.27", df=1, p_value="0.039"``. ``df`` is one
        less than the number of subgroups where it is left out. Without ``q`` the range that the intervals allow is told.
    level
        The level of the confidence intervals.
    **columns
        What columns are called where their names are not understood, as in `audit`.

    Returns
    -------
    Audit
        As from `audit`; the verdicts on the test have row 0.

    Raises
    ------
    DataError
        As from `audit`; fewer than two subgroups; subgroups of different measures; nothing to hold against anything.
    OptionError
        As from `audit`.

    Notes
    -----
    Q between is sum (y - mean)² / se² over the subgroups. Each estimate and each limit may lie anywhere within its rounding;
    the range told holds every Q that they allow. A fixed effect across subgroups is assumed, as programs do. The
    intervals are read by the normal distribution, or all by t with k - 1 degrees of freedom where only that fits.

    References
    ----------
    Borenstein M, Hedges LV, Higgins JPT, Rothstein HR (2009). Introduction to Meta-Analysis, chapter 19. Wiley.

    Examples
    --------
    >>> from metaanalysis.reviews import audit_subgroups
    >>> print(audit_subgroups(q="4.27", df=1, p_value="0.039").verdicts.sentence[0])
    p = 0.039 of Q between agrees with Q between = 4.27 with 1 df, which allows 0.0387 to 0.0389.
    """
    level = checked_level(level)
    table = None if subgroups is None else read_reported(subgroups, columns)
    if table is None and (q is None or p_value is None or df is None):
        raise DataError("There is nothing to audit: give the subgroups, or q, df and p_value of the test.")
    if table is not None and len(table) < 2:
        raise DataError("A test for subgroup differences needs at least two subgroups: the table has one row.")
    if table is not None and len(set(table.measure)) > 1:
        raise DataError(f"The subgroups have different measures ({', '.join(sorted(set(table.measure)))}): give one.")
    q_printed, df_printed, p_printed = (
        printed_number(value, field, name, _SUBGROUP_TEST)
        for value, field, name in (
            (q, "q_between", "q"),
            (df, "q_between_df", "df"),
            (p_value, "q_between_p_value", "p_value"),
        )
    )
    own = df_printed.value if table is None or df is not None else np.array([len(table) - 1.0])
    checks = [p_of_q_check("p of Q between", "Q between", q_printed, p_printed, own)]
    if table is not None:
        checks += _between_checks(table, q_printed, df_printed, p_printed, own, level)
    verdicts = _verdicts(checks, [0], [""], [_SUBGROUP_TEST])
    if table is None:
        return Audit(_frame(verdicts), level, 1)
    return Audit(_frame(_table_verdicts(table, level) + verdicts), level, len(table), table.ignored)


def _table_verdicts(table: Reported, level: float) -> list[tuple[object, ...]]:
    """Every verdict on the rows of a table, row by row."""
    effects = effects_of(table)
    df = q_df_of(table)
    t_df = np.where(df > 0, df, np.nan)
    normal = read_intervals(table, effects, np.full(len(table), np.inf), level)
    t = read_intervals(table, effects, t_df, level)
    t_holds = t_explains(normal, t)
    numbers = table.numbers
    checks = [
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
    ]
    return _verdicts(checks, range(1, len(table) + 1), table.source, table.outcome)


@dataclass(frozen=True)
class _Implied(Check):
    """What the subgroups allow where nothing was reported to hold against it."""

    def sentence(self, i: int) -> str:
        """What is allowed, in words."""
        return f"{self.subject(i)}: {self.witness(i)} {self.allow} {self.reach(i)}."


def _between_checks(
    table: Reported, q: Printed, df_printed: Printed, p: Printed, df: FloatArray, level: float
) -> list[Check]:
    """The test for subgroup differences against the subgroups' intervals."""
    effects = effects_of(table)
    left = Interval(np.array([len(table) - 1.0]), np.array([len(table) - 1.0]))
    deviate = consistency.normal_deviate_of_q
    df_check = Check(
        "df of Q between",
        df_printed.text,
        left,
        gap(df_printed.range, left),
        gap(deviate(df_printed.range), deviate(left)),
        lambda _: f"df = {df_printed.text[0]} of Q between",
        lambda _: f"the number of subgroups, {len(table)},",
        lambda _: f"{len(table) - 1}",
    )
    own_df = q_df_of(table)
    by_normal = _read_between(effects, np.full(len(table), np.inf), q, p, df, level, "by the normal distribution")
    # A subgroup of one study has the interval of that study.
    t_df = np.where(own_df > 0, own_df, np.where(own_df == 0, np.inf, np.nan))
    by_t = _read_between(effects, t_df, q, p, df, level, "by t with k - 1 df")
    return [df_check, *merged(by_normal, by_t, t_explains(by_normal, by_t))]


def _read_between(
    effects: Effects, interval_df: FloatArray, q: Printed, p: Printed, df: FloatArray, level: float, name: str
) -> Reading:
    """The test held against the intervals as read by one distribution; told where it was not reported."""
    se = consistency.standard_error(effects.low, effects.high, quantile(level, interval_df))
    possible = consistency.q_between(effects.estimate, se)
    q_range = Interval(possible.low[np.newaxis], possible.high[np.newaxis])
    p_range = consistency.p_of_q(q_range, df)
    deviate = consistency.normal_deviate_of_q
    told = Check if q.text[0] else _Implied
    checks = (
        told(
            "Q between from the subgroups",
            q.text,
            q_range,
            gap(q.range, q_range) if q.text[0] else np.where(np.isnan(q_range.low), np.nan, 0.0),
            gap(deviate(q.range), deviate(q_range)) if q.text[0] else np.zeros(1),
            lambda _: equals("Q between", q.text[0]) if q.text[0] else "Q between",
            lambda _: "the subgroups' estimates and intervals",
            lambda i: spread(q_range, i, max(2, int(q.decimals[i]))),
            allow="allow",
        ),
        Check(
            "p of Q between from the subgroups",
            p.text,
            p_range,
            gap(p.range, p_range),
            gap(deviate(q_range), deviate(consistency.q_of_p(p.range, df))),
            lambda _: f"{equals('p', p.text[0])} of Q between",
            lambda _: "the subgroups' estimates and intervals",
            lambda i: spread(p_range, i, int(p.decimals[i]) + 1),
            allow="allow",
        ),
    )
    return Reading(lambda _: name, df, se, {check.key: check for check in checks})


def _verdicts(
    checks: Sequence[Check], rows: Sequence[int], source: Sequence[str], outcome: Sequence[str]
) -> list[tuple[object, ...]]:
    """One tuple a check that could be made, row by row."""
    return [
        (
            row,
            source[i],
            outcome[i],
            check.key,
            check.reported[i],
            float(check.possible.low[i]),
            float(check.possible.high[i]),
            bool(check.apart[i] == 0),
            float(check.distance[i]) if check.apart[i] > 0 else 0.0,
            check.sentence(i),
        )
        for i, row in enumerate(rows)
        for check in checks
        if not math.isnan(check.apart[i])
    ]


def _frame(verdicts: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    import pandas as pd

    columns = list(zip(*verdicts, strict=True)) or [()] * len(_COLUMNS)
    types = dict.fromkeys(_COLUMNS, "object") | {
        "row": "int64",
        "possible_low": "float64",
        "possible_high": "float64",
        "consistent": "bool",
        "how_far_off": "float64",
    }
    return pd.DataFrame(
        {name: pd.Series(column, dtype=types[name]) for name, column in zip(_COLUMNS, columns, strict=True)}
    )
