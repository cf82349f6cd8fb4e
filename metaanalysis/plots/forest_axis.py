"""The axis of a forest plot: its limits, its lines, and what its two directions mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

from metaanalysis.effects import Effects
from metaanalysis.errors import OptionError
from metaanalysis.plots.axis import axis_limits, from_axis, to_axis
from metaanalysis.plots.forest_options import ForestOptions
from metaanalysis.plots.forest_spec import AxisSpec, Row

# What is lower on the left of the line of no effect, for the measures that compare two groups.
LOWER = {
    "RR": "Lower risk",
    "RD": "Lower risk",
    "OR": "Lower odds",
    "PETO": "Lower odds",
    "HR": "Lower hazard",
    "MD": "Lower mean",
    "SMD": "Lower mean",
    "SMDH": "Lower mean",
    "ROM": "Lower mean",
    "IRR": "Lower rate",
    "IRD": "Lower rate",
}
PROPORTION = "one group, proportion"
BOUNDS = {
    "tanh": (-1.0, 1.0),
    "square": (0.0, math.inf),
    "freeman-tukey rate": (0.0, math.inf),
    "square of tanh": (0.0, 1.0),
    "cube root of alpha": (-math.inf, 1.0),
    "log of alpha": (-math.inf, 1.0),
}


def logarithmic(effects: Effects) -> bool:
    """Whether the axis is: a proportion is read from 0 to 1, though it may have been pooled by its logarithm."""
    entry = effects.measure_entry
    return entry.back == "exp" and entry.kind != PROPORTION


def forest_axis(effects: Effects, options: ForestOptions, rows: Sequence[Row]) -> AxisSpec:
    """The axis with its limits, its lines and its directions."""
    entry, log = effects.measure_entry, logarithmic(effects)
    null = entry.no_effect if options.null_line is True else None
    if not isinstance(options.null_line, bool):
        null = options.null_line
    marks = [(row.kind, row.mark) for row in rows if row.mark is not None]
    studies = [(m.estimate, m.low, m.high) for kind, m in marks if kind == "study"]
    pooled = [(m.estimate, m.low, m.high) for kind, m in marks if kind != "study"]
    bounds = (0.0, 1.0) if entry.kind == PROPORTION else BOUNDS.get(entry.back, (0.0 if log else -math.inf, math.inf))
    low, high = options.xlim or axis_limits(studies, pooled, null, log, bounds)
    if options.look.symmetric and options.xlim is None and null is not None:
        low, high = around(null, low, high, log, bounds)
    if log and min(low, *(options.ticks or ()), high) <= 0:
        raise OptionError(f"the axis of a {entry.title} is logarithmic: xlim and ticks lie above 0.")
    label = options.axis_label
    if label is None and not options.look.axis_named:
        label = ""
    elif label is None:
        label = f"{entry.title[:1].upper()}{entry.title[1:]}{' (log scale)' if log else ''}"
    estimate = next(row.mark.estimate for row in rows if row.kind == "overall" and row.mark is not None)
    ticks = None if options.ticks is None else tuple(options.ticks)
    return AxisSpec(log, low, high, label, null, estimate, directions(effects, options), ticks)


def around(middle: float, low: float, high: float, log: bool, bounds: tuple[float, float]) -> tuple[float, float]:
    """Limits as far to the left of a number as to the right, where both lie on either side of it."""
    if not low <= middle <= high or (log and middle <= 0):
        return low, high
    a, b, c = (to_axis(x, log) for x in (low, middle, high))
    reach = max(b - a, c - b)
    return max(from_axis(b - reach, log), bounds[0]), min(from_axis(b + reach, log), bounds[1])


def directions(effects: Effects, options: ForestOptions) -> tuple[str, str] | None:
    """What the two directions of the axis mean: as asked for; else which group is lower, which is always true.

    Layouts of programs and journals that print "Favours [experimental]" whatever the outcome do so here.
    """
    given, entry, look = options.favours, effects.measure_entry, options.look
    if given is False:
        return None
    if isinstance(given, tuple):
        if not entry.favours:
            raise OptionError(
                f"favours does not apply to a {entry.title}: no side of its axis favours a group. "
                f"Name its directions in axis_label."
            )
        return (look.favours.format(given[0]), look.favours.format(given[1]))
    named = options.groups or (look.groups if effects.inputs or look.unnamed else None)
    if not entry.favours or named is None:
        return None
    if look.unnamed:
        if options.groups is None:
            return (look.unnamed.format(named[0].lower()), look.unnamed.format(named[1].lower()))
        return (look.favours.format(named[0]), look.favours.format(named[1]))
    lower = LOWER.get(entry.key)
    return None if lower is None else (f"{lower}: {named[0]}", f"{lower}: {named[1]}")
