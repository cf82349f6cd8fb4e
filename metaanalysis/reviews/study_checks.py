"""What cannot be in one study: events above the total, means and standard deviations that its scale rules out."""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.grim import can_tell, nearest_means, off_the_grid
from metaanalysis.formulas.rounding import Interval, gap
from metaanalysis.formulas.standard_deviation_bounds import largest_standard_deviation, smallest_standard_deviation
from metaanalysis.reviews.checks import Check, in_units, spread
from metaanalysis.reviews.printed_cells import Printed
from metaanalysis.reviews.study_table import ARMS, StudyTable

_NEVER_NEGATIVE = ("n", "events", "sd")


def study_checks(table: StudyTable) -> list[Check]:
    """Every check of every arm."""
    checks: list[Check] = []
    for arm in ARMS:
        checks += [_never_negative(f"{name}{arm}", table) for name in _NEVER_NEGATIVE if table.has(f"{name}{arm}")]
        if table.has(f"events{arm}") and table.has(f"n{arm}"):
            checks.append(_events(table, arm))
        if table.has(f"mean{arm}"):
            checks += _means(table, arm)
    return checks


def _never_negative(name: str, table: StudyTable) -> Check:
    """Made only where it fails: nobody wants to read that 40 people are no fewer than none."""
    column = table.numbers[name]
    apart = np.where(column.value < 0, -column.value, np.nan)
    zero = np.zeros_like(apart)
    return Check(
        f"{name} below 0",
        column.text,
        Interval(zero, zero + np.inf),
        apart,
        zero + np.inf,
        lambda i: f"{name} = {column.text[i]}",
        lambda _: "a count" if name[0] in "ne" else "a standard deviation",
        lambda _: "0 or more",
    )


def _events(table: StudyTable, arm: str) -> Check:
    """No more people with an event than people."""
    events, n = table.numbers[f"events{arm}"], table.numbers[f"n{arm}"]
    possible = Interval(np.zeros_like(n.value), n.range.high)
    # What is below 0 is told by itself.
    apart = np.where((events.value < 0) | (n.value < 0), np.nan, gap(events.range, possible))
    return Check(
        f"events{arm} within n{arm}",
        events.text,
        possible,
        apart,
        in_units(apart, 0.5 * np.sqrt(np.maximum(n.value, 0.0))),
        lambda i: f"events{arm} = {events.text[i]}",
        lambda i: f"n{arm} = {n.text[i]}",
        lambda i: f"0 to {n.text[i]}",
    )


def _means(table: StudyTable, arm: str) -> list[Check]:
    mean, sd, n = (table.numbers[f"{field}{arm}"] for field in ("mean", "sd", "n"))
    low, high, items = (table.numbers[field] for field in ("scale_low", "scale_high", "items"))
    people = np.where(n.value >= 1, n.value, np.nan)
    with np.errstate(all="ignore"):
        unit = np.where(sd.value > 0, sd.value, np.nan) / np.sqrt(people)
    checks = []
    if table.has("scale_low") and table.has("scale_high"):
        checks.append(_mean_on_scale(mean, low, high, unit, arm))
        checks.append(_largest(mean, sd, n, people, low, high, arm))
    if table.has("items"):
        checks.append(_grim(mean, n, people, items, unit, arm))
        checks.append(_smallest(mean, sd, n, people, items, arm))
    return checks


def _counted(apart: FloatArray, unit: FloatArray, otherwise: FloatArray) -> FloatArray:
    """In standard errors where there is one, else by what stands in for it."""
    return in_units(apart, np.where(np.isnan(unit), otherwise, unit))


def _mean_on_scale(mean: Printed, low: Printed, high: Printed, unit: FloatArray, arm: str) -> Check:
    possible = Interval(low.value, high.value)
    apart = gap(mean.range, possible)
    return Check(
        f"mean{arm} on its scale",
        mean.text,
        possible,
        apart,
        _counted(apart, unit, high.value - low.value),
        lambda i: f"mean{arm} = {mean.text[i]}",
        lambda i: f"a scale from {low.text[i]} to {high.text[i]}",
        lambda i: f"{low.text[i]} to {high.text[i]}",
    )


def _largest(
    mean: Printed, sd: Printed, n: Printed, people: FloatArray, low: Printed, high: Printed, arm: str
) -> Check:
    """No standard deviation is larger than with everyone at one end of the scale or the other."""
    largest = largest_standard_deviation(mean.range, people, low.value, high.value)
    possible = Interval(np.where(np.isnan(largest), np.nan, 0.0), largest)
    apart = np.where(sd.value < 0, np.nan, gap(sd.range, possible))
    with np.errstate(all="ignore"):
        unit = largest / np.sqrt(2.0 * (people - 1.0))
    return Check(
        f"sd{arm} from the scale",
        sd.text,
        possible,
        apart,
        in_units(apart, unit),
        lambda i: f"sd{arm} = {sd.text[i]}",
        lambda i: f"mean{arm} = {mean.text[i]} of {n.text[i]} people on a scale from {low.text[i]} to {high.text[i]}",
        lambda i: f"at most {spread(Interval(largest, largest), i, int(sd.decimals[i]) + 1)}",
    )


def _grain(i: int, items: Printed) -> str:
    return "whole numbers" if items.value[i] == 1 else f"means of {items.text[i]} items"


def _grim(mean: Printed, n: Printed, people: FloatArray, items: Printed, unit: FloatArray, arm: str) -> Check:
    """GRIM, made where the possible means lie further apart than the rounding."""
    count = np.where(people == np.floor(people), people, np.nan) * items.value
    apart = np.where(can_tell(mean.range, count), off_the_grid(mean.range, count), np.nan)
    nearest = nearest_means(mean.value, count)
    return Check(
        f"mean{arm} of whole numbers (GRIM)",
        mean.text,
        nearest,
        apart,
        _counted(apart, unit, 1.0 / count),
        lambda i: f"mean{arm} = {mean.text[i]}",
        lambda i: f"{n.text[i]} people with {_grain(i, items)}",
        lambda i: _neighbours(nearest, i, int(mean.decimals[i]), met=apart[i] == 0),
        allow="allow",
    )


def _neighbours(nearest: Interval, i: int, decimals: int, met: bool) -> str:
    low, high = (f"{end[i]:.{min(decimals + 1, 15)}f}" for end in nearest)
    if met or low == high:
        return "it" if met else low
    return f"{low} or {high}, and nothing between"


def _smallest(mean: Printed, sd: Printed, n: Printed, people: FloatArray, items: Printed, arm: str) -> Check:
    """A mean between two possible scores needs people on both sides of it."""
    least = smallest_standard_deviation(mean.range, people, 1.0 / items.value)
    apart = np.where((sd.value < 0) | ~(least > 0), np.nan, np.maximum(least - sd.range.high, 0.0))
    with np.errstate(all="ignore"):
        unit = least / np.sqrt(2.0 * (people - 1.0))
    return Check(
        f"sd{arm} of whole numbers",
        sd.text,
        Interval(least, np.where(np.isnan(least), np.nan, np.inf)),
        apart,
        in_units(apart, unit),
        lambda i: f"sd{arm} = {sd.text[i]}",
        lambda i: f"mean{arm} = {mean.text[i]} of {n.text[i]} people with {_grain(i, items)}",
        lambda i: f"{spread(Interval(least, least), i, int(sd.decimals[i]) + 1)} or more",
    )
