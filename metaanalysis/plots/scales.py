"""Axes of effects: places on the scale of analysis, numbers on the scale on which the measure is read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from metaanalysis.effects import Measure
from metaanalysis.errors import OptionError
from metaanalysis.plots.chart_spec import Convert, Scale

# Halvings that leave nothing between two floating-point numbers.
HALVINGS = 200
PAD = 0.04


def null_place(entry: Measure) -> float | None:
    """Where no effect stands on the scale of analysis; None for a mean or a proportion of one group, which has none."""
    if entry.no_effect is None:
        return None
    return 0.0 if entry.transformed else entry.no_effect


def title_of(entry: Measure) -> str:
    """The measure's title with a capital."""
    return f"{entry.title[:1].upper()}{entry.title[1:]}"


def readable(entry: Measure) -> bool:
    """Whether numbers on the scale of analysis can be read back: Freeman-Tukey's take the studies' sizes as well."""
    return entry.transformed and entry.size is None


def effect_label(entry: Measure) -> str:
    """What an axis of effects is called."""
    if not entry.transformed:
        return title_of(entry)
    if not readable(entry):
        return f"{entry.analysis_scale[:1].upper()}{entry.analysis_scale[1:]}"
    if entry.back == "exp":
        return f"{title_of(entry)} (log scale)"
    return f"{title_of(entry)} (scale: {entry.analysis_scale})"


def effect_scale(
    entry: Measure, low: float, high: float, label: str | None, limits: tuple[float, float] | None, option: str = "xlim"
) -> Scale:
    """An axis of effects from low to high, places on the scale of analysis; limits: those asked for, as numbers read."""
    label = effect_label(entry) if label is None else label
    if not readable(entry):
        return with_limits(Scale(low, high, label), limits, option)

    def to_number(place: float) -> float:
        with np.errstate(over="ignore"):
            return float(entry.back_transform(np.array(place)))

    log = entry.back == "exp"
    inverse = natural_logarithm if log else inverse_of(to_number, low, high)
    return with_limits(Scale(low, high, label, to_number, inverse, log), limits, option)


def natural_logarithm(x: float) -> float:
    """The logarithm; minus infinity at 0 and below, which no axis of ratios has."""
    return math.log(x) if x > 0 else -math.inf


def inverse_of(rising: Convert, low: float, high: float) -> Convert:
    """The inverse of a rising function, found by halving an interval that reaches well beyond the axis."""
    reach = max(high - low, abs(low), abs(high), 1.0)

    def inverse(number: float) -> float:
        a, b = low - 4.0 * reach, high + 4.0 * reach
        if not rising(a) <= number <= rising(b):
            return -math.inf if number < rising(a) else math.inf
        for _ in range(HALVINGS):
            middle = 0.5 * (a + b)
            if middle in (a, b):
                break
            a, b = (middle, b) if rising(middle) < number else (a, middle)
        return 0.5 * (a + b)

    return inverse


def with_limits(scale: Scale, limits: tuple[float, float] | None, option: str) -> Scale:
    """The axis with the limits asked for; OptionError where it has no such numbers."""
    if limits is None:
        return scale
    low, high = (scale.to_place(x) for x in limits)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        what = "ratios, which lie above 0" if scale.log else "numbers that the axis has"
        raise OptionError(f"{option}={limits!r} is not this axis: it is two {what}, the lower first.")
    return replace(scale, low=low, high=high)


def spread(places: Iterable[float], pad: float = PAD, around: float = 0.0) -> tuple[float, float]:
    """From the lowest to the highest finite place, and a little beyond."""
    finite = [float(x) for x in places if math.isfinite(x)]
    low, high = (min(finite), max(finite)) if finite else (around, around)
    if high <= low:
        half = 0.5 * abs(low) if low else 1.0
        low, high = low - half, high + half
    return low - pad * (high - low), high + pad * (high - low)
