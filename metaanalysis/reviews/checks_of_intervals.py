"""Do estimate, interval, standard error, test statistic and p fit each other, by the normal distribution or by t?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metaanalysis.formulas import consistency
from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.rounding import Interval, absolute, gap, midpoint
from metaanalysis.reviews.checks import Check, Words, equals, in_units, spread
from metaanalysis.reviews.reported import Reported

_SCALE_NAMES = {"log": "log", "atanh": "Fisher z"}


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


def read_intervals(table: Reported, effects: Effects, df: FloatArray, level: FloatArray) -> Reading:
    """Hold standard error, test statistic and p against the interval, and against each other, by one distribution."""
    se = consistency.standard_error(effects.low, effects.high, consistency.critical_values(level, df))
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
    own_se = table.numbers["se"]
    se_apart = gap(own_se.range, se)
    signed_by_se = consistency.statistic(effects.estimate, own_se.range)
    size_by_se = absolute(signed_by_se)
    z_of_se = Interval(
        np.where(negative, signed_by_se.low, size_by_se.low), np.where(negative, signed_by_se.high, size_by_se.high)
    )
    z_off_se = gap(z.range, z_of_se)
    p_of_se = consistency.p_of_statistic(size_by_se, df)

    def estimate_and_se(i: int) -> str:
        return f"the estimate {table.numbers['estimate'].text[i]} with SE = {own_se.text[i]}{on_scale(table, i)}"

    checks = (
        Check(
            "SE from the interval",
            own_se.text,
            se,
            se_apart,
            in_units(se_apart, se.high),
            lambda i: f"SE = {own_se.text[i]}",
            lambda i: f"the interval{on_scale(table, i)}",
            lambda i: spread(se, i, int(own_se.decimals[i]) + 1),
        ),
        Check(
            "Z from the estimate and SE",
            z.text,
            z_of_se,
            z_off_se,
            z_off_se,
            lambda i: equals("Z", z.text[i]),
            estimate_and_se,
            lambda i: spread(z_of_se, i, max(2, int(z.decimals[i]))),
        ),
        Check(
            "p from the estimate and SE",
            p.text,
            p_of_se,
            gap(p.range, p_of_se),
            gap(size_by_se, size_of_p),
            lambda i: equals("p", p.text[i]),
            estimate_and_se,
            lambda i: spread(p_of_se, i, int(p.decimals[i]) + 1),
        ),
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


def on_scale(table: Reported, i: int) -> str:
    """The scale of a standard error, where it is not the one on which the estimate is read."""
    return "" if table.scale[i] == "identity" else f" on the {_SCALE_NAMES[table.scale[i]]} scale"


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
        return f"the middle{on_scale(table, i)} of {limits(i)}"

    def reach_of(x: Interval) -> Words:
        return lambda i: spread(x, i, int(estimate.decimals[i]) + 1)

    def reach_of_middle(i: int) -> str:
        why = " (Wald, t and Hartung-Knapp intervals are symmetric)" if off[i] > 0 else ""
        return reach_of(middle_as_read)(i) + why

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
            reach_of_middle,
        ),
    ]
