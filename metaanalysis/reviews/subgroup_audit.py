"""Can a reported test for subgroup differences be true beside the subgroups' own intervals?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metaanalysis.effects.columns import FrameLike
from metaanalysis.errors import DataError
from metaanalysis.formulas import consistency
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.inference import quantile
from metaanalysis.formulas.rounding import Interval, gap
from metaanalysis.options import checked_level
from metaanalysis.results.audit import Audit
from metaanalysis.reviews.checks import Check, equals, spread
from metaanalysis.reviews.checks_of_heterogeneity import p_of_q_check, q_df_of
from metaanalysis.reviews.checks_of_intervals import Effects, Reading, effects_of, merged, t_explains
from metaanalysis.reviews.printed_cells import Printed
from metaanalysis.reviews.reported import Reported, printed_number, read_reported
from metaanalysis.reviews.table_audit import table_verdicts
from metaanalysis.reviews.verdicts import frame_of, verdicts_of

_SUBGROUP_TEST = "the test for subgroup differences"


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
    verdicts = verdicts_of(checks, [0], [""], [_SUBGROUP_TEST])
    if table is None:
        return Audit(frame_of(verdicts), level, 1)
    return Audit(frame_of(table_verdicts(table, level) + verdicts), level, len(table), table.ignored)


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
