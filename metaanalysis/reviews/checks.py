"""The checks of an audit: each holds one reported number against what the others allow, row by row, and says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metaanalysis.formulas import consistency
from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.inference import quantile
from metaanalysis.formulas.rounding import Interval, absolute, gap, midpoint
from metaanalysis.reviews.reported import Printed, Reported

# Below this probability chance is no longer an explanation for studies that agree too well.
_BEYOND_CHANCE = 1e-3

_SCALE_NAMES = {"log": "log", "atanh": "Fisher z"}

Words = Callable[[int], str]


@dataclass(frozen=True)
class Check:
    """One check of every row.

    Parameters
    ----------
    key
        Its name.
    reported
        The number held against the others, as printed.
    possible
        What the others allow, on the scale on which the number is printed.
    apart
        How far the two lie apart: 0 where they agree, NaN where the row does not report what the check needs.
    distance
        The same in standard errors.
    subject, witness, reach
        Row to words: the number, what it is held against, and what that allows.
    unless
        What else could explain a number that does not fit.
    allow
        The verb, as the witness has it.
    """

    key: str
    reported: Sequence[str]
    possible: Interval
    apart: FloatArray
    distance: FloatArray
    subject: Words
    witness: Words
    reach: Words
    unless: str = ""
    allow: str = "allows"

    def sentence(self, i: int) -> str:
        """The verdict on a row in words."""
        if self.apart[i] == 0:
            return f"{self.subject(i)} agrees with {self.witness(i).removesuffix(',')}, which {self.allow} {self.reach(i)}."
        return f"{self.subject(i)} is impossible: {self.witness(i)} {self.allow} {self.reach(i)}{self.unless}."


@dataclass(frozen=True)
class Reading:
    """What the confidence intervals say when read by one distribution, which `name` says in words."""

    name: Words
    df: FloatArray
    se: Interval
    checks: Mapping[str, Check]

    @property
    def failures(self) -> FloatArray:
        """How many of its checks fail in each row."""
        failed = np.array([np.nan_to_num(check.apart) > 0 for check in self.checks.values()])
        return np.asarray(failed.sum(axis=0), dtype=np.float64)


@dataclass(frozen=True)
class Effects:
    """Estimates and limits on the scale on which the intervals are symmetric."""

    estimate: Interval
    low: Interval
    high: Interval


def by_scale(x: Interval, scales: Sequence[str], move: Callable[[Interval, str], Interval]) -> Interval:
    """Each row moved from or to its own scale."""
    scale = np.array(scales)
    low, high = np.full(scale.shape, np.nan), np.full(scale.shape, np.nan)
    for key in consistency.SYMMETRIC_SCALES:
        at = scale == key
        low[at], high[at] = move(Interval(x.low[at], x.high[at]), key)
    return Interval(low, high)


def effects_of(table: Reported) -> Effects:
    """The printed estimates and limits, each row on its own measure's symmetric scale."""
    ranges = (table.numbers[field].range for field in ("estimate", "ci_low", "ci_high"))
    return Effects(*(by_scale(x, table.scale, consistency.to_symmetric_scale) for x in ranges))


def q_df_of(table: Reported) -> FloatArray:
    """The degrees of freedom of Q: as reported, else k - 1."""
    reported = table.numbers["q_df"].value
    return np.where(np.isnan(reported), table.numbers["k"].value - 1.0, reported)


def read_intervals(table: Reported, effects: Effects, df: FloatArray, level: float) -> Reading:
    """Hold the test statistic and p against the interval, and against each other, by one distribution."""
    se = consistency.standard_error(effects.low, effects.high, quantile(level, df))
    signed = consistency.statistic(effects.estimate, se)
    size = absolute(signed)
    z, p = table.numbers["statistic"], table.numbers["p_value"]
    # Most reports leave the sign out; where it is printed, it counts.
    negative = z.value < 0
    of_interval = Interval(np.where(negative, signed.low, size.low), np.where(negative, signed.high, size.high))
    p_of_interval = consistency.p_of_statistic(size, df)
    size_of_z = absolute(z.range)
    p_of_z = consistency.p_of_statistic(size_of_z, df)
    size_of_p = consistency.statistic_of_p(p.range, df)
    z_apart = gap(z.range, of_interval)
    checks = (
        Check(
            "Z from the interval",
            z.text,
            of_interval,
            z_apart,
            z_apart,
            lambda i: equals("Z", z.text[i]),
            lambda _: "the interval",
            lambda i: spread(of_interval, i, max(2, int(z.decimals[i]))),
        ),
        Check(
            "p from the interval",
            p.text,
            p_of_interval,
            gap(p.range, p_of_interval),
            gap(size, size_of_p),
            lambda i: equals("p", p.text[i]),
            lambda _: "the interval",
            lambda i: spread(p_of_interval, i, int(p.decimals[i]) + 1),
        ),
        Check(
            "p from Z",
            p.text,
            p_of_z,
            gap(p.range, p_of_z),
            gap(size_of_z, size_of_p),
            lambda i: equals("p", p.text[i]),
            lambda i: equals("Z", z.text[i]),
            lambda i: spread(p_of_z, i, int(p.decimals[i]) + 1),
        ),
    )
    return Reading(distribution(df), df, se, {check.key: check for check in checks})


def distribution(df: FloatArray) -> Words:
    """The name of the reference distribution of each row."""
    return lambda i: f"by t with {df[i]:g} df" if np.isfinite(df[i]) else "by the normal distribution"


@dataclass(frozen=True, kw_only=True)
class _Merged(Check):
    """A check under the reading that holds for each row; where it fails, the sentence tells what the other allows."""

    by_normal: Check
    by_t: Check
    t_holds: BoolArray
    name_of_t: Words

    def sentence(self, i: int) -> str:
        t_holds = bool(self.t_holds[i])
        chosen, other = (self.by_t, self.by_normal) if t_holds else (self.by_normal, self.by_t)
        sentence = chosen.sentence(i).removesuffix(".")
        if t_holds:
            sentence = f"{sentence} {self.name_of_t(i)}"
        if chosen.apart[i] > 0 and not np.isnan(other.apart[i]):
            other_way = "by the normal distribution" if t_holds else f"if it is {self.name_of_t(i)}"
            but = ", which other numbers of the row rule out" if other.apart[i] == 0 else ""
            sentence = f"{sentence} ({other.reach(i)} {other_way}{but})"
        return f"{sentence}."


def t_explains(normal: Reading, t: Reading) -> BoolArray:
    """Whether a row is read by t: only where fewer of its numbers contradict each other so."""
    return np.asarray(t.failures < normal.failures) & ~np.isnan(t.df)


def merged(normal: Reading, t: Reading, t_holds: BoolArray) -> list[Check]:
    """The checks of the reading that holds for each row."""
    return [
        _Merged(
            key,
            by_normal.reported,
            Interval(*(np.where(t_holds, a, b) for a, b in zip(by_t.possible, by_normal.possible, strict=True))),
            np.where(t_holds, by_t.apart, by_normal.apart),
            np.where(t_holds, by_t.distance, by_normal.distance),
            by_normal.subject,
            by_normal.witness,
            by_normal.reach,
            by_normal=by_normal,
            by_t=by_t,
            t_holds=t_holds,
            name_of_t=t.name,
        )
        for (key, by_normal), by_t in zip(normal.checks.items(), t.checks.values(), strict=True)
    ]


def interval_checks(table: Reported, effects: Effects, se: Interval) -> list[Check]:
    """The estimate lies in its interval, and in the middle of it."""
    estimate, low, high = (table.numbers[field] for field in ("estimate", "ci_low", "ci_high"))
    unit = np.where(np.isfinite(se.high), se.high, se.low)
    middle = midpoint(effects.low, effects.high)
    around = Interval(effects.low.low, effects.high.high)
    outside, off = gap(effects.estimate, around), gap(effects.estimate, middle)
    middle_as_read = by_scale(middle, table.scale, consistency.from_symmetric_scale)
    around_as_read = by_scale(around, table.scale, consistency.from_symmetric_scale)

    def subject(i: int) -> str:
        return f"The estimate {estimate.text[i]}"

    def limits(i: int) -> str:
        return f"its interval, {low.text[i]} to {high.text[i]},"

    def middle_of(i: int) -> str:
        scale = "" if table.scale[i] == "identity" else f" on the {_SCALE_NAMES[table.scale[i]]} scale"
        return f"the middle{scale} of {limits(i)}"

    def reach_of(x: Interval) -> Words:
        return lambda i: spread(x, i, int(estimate.decimals[i]) + 1)

    return [
        Check(
            "estimate inside the interval",
            estimate.text,
            around_as_read,
            outside,
            in_units(outside, unit),
            subject,
            limits,
            reach_of(around_as_read),
        ),
        Check(
            "estimate in the middle",
            estimate.text,
            middle_as_read,
            off,
            in_units(off, unit),
            subject,
            middle_of,
            reach_of(middle_as_read),
            " (Wald, t and Hartung-Knapp intervals are symmetric)",
        ),
    ]


def heterogeneity_checks(table: Reported, df: FloatArray) -> list[Check]:
    """Q, I2 and the p-value of Q, each pair; df from k; nothing of the kind for a single study."""
    q, i2, p, q_df, k = (table.numbers[field] for field in ("q", "i2", "q_p_value", "q_df", "k"))
    i2_of_q = consistency.i2_of_q(q.range, df)
    q_of_i2 = consistency.q_of_i2(i2.range, df)
    p_of_i2 = consistency.p_of_q(q_of_i2, df)
    deviate = consistency.normal_deviate_of_q
    left = Interval(k.value - 1.0, k.value - 1.0)
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
        Check(
            "I² from Q",
            i2.text,
            i2_of_q,
            gap(i2.range, i2_of_q),
            gap(deviate(q.range), deviate(q_of_i2)),
            lambda i: f"I² = {i2.text[i]} %",
            lambda i: f"Q = {q.text[i]} with {df[i]:g} df",
            lambda i: f"{spread(i2_of_q, i, int(i2.decimals[i]) + 1)} %",
            ", unless I² was computed from tau²",
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
            ", unless I² was computed from tau²",
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
        # No Q gives a single study an I2 above 0: none is near.
        np.where(apart > 0, np.inf, apart) if unit else np.sqrt(2.0 * apart),
        lambda i: f"{name} = {column.text[i]}{unit}",
        lambda _: "a single study",
        lambda _: f"0{unit}",
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


def smallest_standard_error_check(table: Reported, normal: Reading, t: Reading, t_holds: BoolArray) -> Check:
    """An interval of a standardized mean difference is no narrower than the number of people allows.

    A Hartung-Knapp interval can be narrower than any Wald interval when the studies agree by chance; it is an explanation
    as long as it needs no smaller Q than the row reports or, where it reports none, one that chance can bring about.
    """
    total, q, i2 = (table.numbers[field] for field in ("n_total", "q", "i2"))
    is_smd = np.array([measure == "SMD" for measure in table.measure])
    least = np.where(is_smd, consistency.smallest_smd_standard_error(total.value, table.numbers["k"].value), np.nan)
    missing = np.maximum(least - normal.se.high, 0.0)
    needed = consistency.hartung_knapp_q(t.se.high, least, t.df)
    q_low = np.fmax(np.nan_to_num(q.range.low), np.nan_to_num(consistency.q_of_i2(i2.range, t.df).low))
    # What Q has above its df goes into the between-study variance, which widens every interval.
    excused = (
        (t_holds | (t.failures == 0))
        & (needed >= np.minimum(q_low, t.df))
        & (~np.isnan(q.value) | (consistency.p_of_so_small_a_q(needed, t.df) >= _BEYOND_CHANCE))
    )
    apart = np.where(excused & (missing > 0), 0.0, missing)
    shown = tuple("" if np.isnan(one) else spread(normal.se, i, 3) for i, one in enumerate(apart))

    def reach(i: int) -> str:
        if apart[i] == 0 and missing[i] > 0:
            return f"{least[i]:.3f} or more by Wald's formula and less by Hartung and Knapp's"
        return f"{least[i]:.3f} or more" + ("" if apart[i] == 0 else " in a comparison of two arms")

    return Check(
        "smallest standard error",
        shown,
        Interval(least, np.where(np.isnan(least), np.nan, np.inf)),
        apart,
        in_units(apart, normal.se.high),
        lambda i: f"A standard error of {shown[i]}, as the interval has it,",
        lambda i: f"N = {total.text[i]}",
        reach,
    )


def in_units(x: FloatArray, unit: FloatArray) -> FloatArray:
    """Counted in standard errors; 0 stays 0 where the standard error is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(x == 0, x, x / unit)


def equals(name: str, text: str) -> str:
    """A number with its name: p = 0.03, or p < 0.001 where only a bound was printed."""
    return f"{name} {text[0]} {text[1:]}" if text[:1] in {"<", ">"} else f"{name} = {text}"


def spread(x: Interval, i: int, decimals: int) -> str:
    """One interval as text."""
    low, high = float(x.low[i]), float(x.high[i])
    if np.isinf(low) and np.isinf(high):
        return "anything"
    if np.isinf(high):
        return f"{_number(low, decimals)} or more"
    if np.isinf(low):
        return f"{_number(high, decimals)} or less"
    first, last = _number(low, decimals), _number(high, decimals)
    return first if first == last else f"{first} to {last}"


def _number(x: float, decimals: int) -> str:
    text = f"{x:.{min(decimals, 15)}f}"
    if float(text) != 0.0:
        return text
    return f"{x:.1g}" if 0.0 < x < 1e-4 else text.removeprefix("-")
