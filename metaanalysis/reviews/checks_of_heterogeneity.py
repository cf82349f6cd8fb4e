"""Do Q, its degrees of freedom, its p, I² and τ² fit each other?"""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas import consistency
from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.rounding import Interval, gap
from metaanalysis.reviews.checks import Check, equals, spread
from metaanalysis.reviews.printed_cells import Printed
from metaanalysis.reviews.reported import Reported


def q_df_of(table: Reported) -> FloatArray:
    """The degrees of freedom of Q: as reported, else k - 1."""
    reported = table.numbers["q_df"].value
    return np.where(np.isnan(reported), table.numbers["k"].value - 1.0, reported)


def heterogeneity_checks(table: Reported, df: FloatArray) -> list[Check]:
    """Q, I2 and the p-value of Q, each pair; df from k; nothing of the kind for a single study."""
    q, i2, p, q_df, k, tau2 = (table.numbers[field] for field in ("q", "i2", "q_p_value", "q_df", "k", "tau2"))
    i2_of_q = consistency.i2_of_q(q.range, df)
    q_of_i2 = consistency.q_of_i2(i2.range, df)
    p_of_i2 = consistency.p_of_q(q_of_i2, df)
    deviate = consistency.normal_deviate_of_q
    left = Interval(k.value - 1.0, k.value - 1.0)
    # With DerSimonian and Laird's tau2, or none, I2 from tau2 is I2 from Q; else programs differ in which they print.
    from_tau2 = np.array([method in ("", "other") for method in table.tau2_method])
    return [
        Check(
            "df from k",
            q_df.text,
            left,
            gap(q_df.range, left),
            gap(deviate(q_df.range), deviate(left)),
            lambda i: f"df = {q_df.text[i]}",
            lambda i: f"k = {k.text[i]}",
            lambda i: f"{left.low[i]:g}",
        ),
        _nothing_between_one("Q", "", q, df),
        _nothing_between_one("I²", " %", i2, df),
        _nothing_between_one("τ²", "", tau2, df),
        _no_tau2_without_heterogeneity(q, tau2, df, np.array([method != "DL" for method in table.tau2_method])),
        Check(
            "I² from Q",
            i2.text,
            i2_of_q,
            gap(i2.range, i2_of_q),
            gap(deviate(q.range), deviate(q_of_i2)),
            lambda i: f"I² = {i2.text[i]} %",
            lambda i: f"Q = {q.text[i]} with {df[i]:g} df",
            lambda i: f"{spread(i2_of_q, i, int(i2.decimals[i]) + 1)} %",
            "I² was computed from τ² by another estimator than DerSimonian and Laird's",
            from_tau2,
        ),
        p_of_q_check("p of Q", "Q", q, p, df),
        Check(
            "p of Q from I²",
            p.text,
            p_of_i2,
            gap(p.range, p_of_i2),
            gap(deviate(q_of_i2), deviate(consistency.q_of_p(p.range, df))),
            lambda i: f"{equals('p', p.text[i])} of Q",
            lambda i: f"I² = {i2.text[i]} % with {df[i]:g} df",
            lambda i: spread(p_of_i2, i, int(p.decimals[i]) + 1),
            "I² was computed from τ² by another estimator than DerSimonian and Laird's",
            from_tau2,
        ),
    ]


def _nothing_between_one(name: str, unit: str, column: Printed, df: FloatArray) -> Check:
    """One study does not differ from itself: Q and I2 are 0 where they are given at all."""
    zero = np.where(df == 0, 0.0, np.nan)
    apart = np.maximum(column.range.low, zero)
    return Check(
        f"{name} of a single study",
        column.text,
        Interval(zero, zero),
        apart,
        # No Q gives a single study an I2 or a tau2 above 0: none is near.
        np.sqrt(2.0 * apart) if name == "Q" else np.where(apart > 0, np.inf, apart),
        lambda i: f"{name} = {column.text[i]}{unit}",
        lambda _: "a single study",
        lambda _: f"0{unit}",
    )


def _no_tau2_without_heterogeneity(q: Printed, tau2: Printed, df: FloatArray, excusable: BoolArray) -> Check:
    """By DerSimonian and Laird there is a variance between studies only where Q exceeds its degrees of freedom."""
    possible = Interval(np.where(np.isnan(q.value) | ~(df > 0), np.nan, 0.0), np.where(q.range.high > df, np.inf, 0.0))
    apart = np.where(np.isnan(possible.low), np.nan, gap(tau2.range, possible))
    deviate = consistency.normal_deviate_of_q
    needed = Interval(df, np.full_like(df, np.inf))
    return Check(
        "τ² from Q",
        tau2.text,
        possible,
        apart,
        np.where(apart > 0, gap(deviate(q.range), deviate(needed)), apart),
        lambda i: f"τ² = {tau2.text[i]}",
        lambda i: f"Q = {q.text[i]} with {df[i]:g} df",
        lambda i: "any from 0 on" if possible.high[i] > 0 else "0",
        "τ² was estimated otherwise than by DerSimonian and Laird",
        excusable,
    )


def p_of_q_check(key: str, name: str, q: Printed, p: Printed, df: FloatArray) -> Check:
    """The p-value of a Q with so many degrees of freedom."""
    possible = consistency.p_of_q(q.range, df)
    deviate = consistency.normal_deviate_of_q
    return Check(
        key,
        p.text,
        possible,
        gap(p.range, possible),
        gap(deviate(q.range), deviate(consistency.q_of_p(p.range, df))),
        lambda i: f"{equals('p', p.text[i])} of {name}",
        lambda i: f"{name} = {q.text[i]} with {df[i]:g} df",
        lambda i: spread(possible, i, int(p.decimals[i]) + 1),
    )
