"""Where an axis of effects begins and ends, and which of its numbers are printed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from metaanalysis.plots.words import power_of_ten, true_minus

# What reaches further from the centre than so many times the median reach may leave the axis with an arrow …
FURTHEST_INTERVAL = 3.0
FURTHEST_ESTIMATE = 10.0
FURTHEST_POOLED = 4.0
# … unless the axis grows by no more than this share of its length to take it in.
GROWTH = 0.3
# The line of no effect is brought in as long as the data keep this share of the axis.
LEAST_SHARE = 0.2
MOST_TICKS = 7

Extent = tuple[float, float, float]  # estimate, low, high
Tick = tuple[float, str]


def to_axis(x: float, log: bool) -> float:
    """A number in units of length along the axis: its logarithm on a logarithmic axis."""
    if not log:
        return x
    if x <= 0:
        return -math.inf
    return math.log(x) if math.isfinite(x) else x


def from_axis(u: float, log: bool) -> float:
    """The number at a place along the axis."""
    return math.exp(min(max(u, -700.0), 700.0)) if log else u


def axis_limits(
    studies: Sequence[Extent], pooled: Sequence[Extent], null: float | None, log: bool, bounds: tuple[float, float]
) -> tuple[float, float]:
    """Limits that show every interval but those so wide that the others would be squashed.

    studies, pooled: estimate, low and high on the axis's scale; bounds: what the scale itself allows, such as -1 and 1.
    """
    studies = [tuple(to_axis(x, log) for x in extent) for extent in studies]  # type: ignore[misc]
    pooled = [tuple(to_axis(x, log) for x in extent) for extent in pooled]  # type: ignore[misc]
    centres = [extent[0] for extent in (*reversed(pooled), *studies) if math.isfinite(extent[0])]
    centre = centres[0] if centres else 0.0
    reaches = [max(abs(low - centre), abs(high - centre)) for _, low, high in studies]
    finite = [reach for reach in reaches if math.isfinite(reach) and reach > 0]
    typical = float(np.median(np.array(finite))) if finite else 0.0
    places = [centre]
    places += within((x for extent in studies for x in extent[1:]), centre, FURTHEST_INTERVAL * typical)
    places += within((extent[0] for extent in studies), centre, FURTHEST_ESTIMATE * typical)
    places += within((x for extent in pooled for x in extent), centre, FURTHEST_POOLED * typical)
    low, high = grown(min(places), max(places), [x for extent in (*studies, *pooled) for x in extent])
    if null is not None and math.isfinite(to_axis(null, log)):
        line = to_axis(null, log)
        wider = max(high, line) - min(low, line)
        if high - low >= LEAST_SHARE * wider:
            low, high = min(low, line), max(high, line)
    if high <= low:
        half = 0.5 * abs(centre) if centre else 1.0
        low, high = centre - half, centre + half
    pad = 0.04 * (high - low)
    low, high = from_axis(low - pad, log), from_axis(high + pad, log)
    return max(low, bounds[0]), min(high, bounds[1])


def grown(low: float, high: float, places: Iterable[float]) -> tuple[float, float]:
    """The limits, extended to one place after the other as long as each is near."""
    for u in sorted((u for u in places if math.isfinite(u)), key=lambda u: max(low - u, u - high)):
        if max(low - u, u - high) <= GROWTH * (high - low):
            low, high = min(low, u), max(high, u)
    return low, high


def within(places: Iterable[float], centre: float, furthest: float) -> list[float]:
    """The places that are not too far from the centre."""
    return [u for u in places if math.isfinite(u) and abs(u - centre) <= furthest]


def tick_label(x: float) -> str:
    """A tick's number without superfluous zeros; powers of ten where it would be long."""
    if x == 0:
        return "0"
    if abs(x) >= 1e5 or abs(x) < 1e-4:
        mantissa = f"{x:.6e}".split("e")[0].rstrip("0").rstrip(".")
        digits = len(mantissa.split(".")[1]) if "." in mantissa else 0
        return power_of_ten(x, digits)
    return true_minus(f"{x:.10f}".rstrip("0").rstrip("."))


def multiples(low: float, high: float, step: float) -> list[float]:
    """Multiples of a step from low to high."""
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last - first > 50:
        return []
    return [float(f"{j * step:.12g}") for j in range(first, last + 1)]


def linear_families(low: float, high: float) -> Iterator[list[float]]:
    """Even ticks, from close to sparse."""
    exponent = math.floor(math.log10(high - low)) - 1
    for e in range(exponent, exponent + 3):
        for factor in (1.0, 2.0, 2.5, 5.0):
            yield multiples(low, high, factor * 10.0**e)


def ratio_families(low: float, high: float) -> Iterator[list[float]]:
    """1, 2, 5 of every power of ten; where they are too many, 1 and 3, then powers of ten; where too few, even ticks."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    one_two_five = [f * 10.0**e for e in powers for f in (1, 2, 5)]
    shown = [float(f"{x:.12g}") for x in one_two_five if low <= x <= high]
    if len(shown) < 3:
        for ticks in linear_families(low, high):
            yield [x for x in ticks if x > 0]
    yield shown
    yield [x for f, e in ((f, e) for e in powers for f in (1, 3)) if low <= (x := float(f"{f * 10.0**e:.12g}")) <= high]
    for step in range(1, len(powers) + 1):
        yield [float(f"{10.0**e:.12g}") for e in powers if e % step == 0 and low <= 10.0**e <= high]


def is_stretched(low: float, high: float, place: Callable[[float], float]) -> bool:
    """Whether numbers from low to high, all between 0 and 1, stand unevenly along the axis, as on a scale of log odds."""
    if not 0.0 < low < high < 1.0:
        return False
    first, last = place(low), place(high)
    shares = (0.25, 0.5, 0.75)
    return any(abs(place(low + s * (high - low)) - first - s * (last - first)) > 0.1 * (last - first) for s in shares)


def stretched_families(low: float, high: float) -> Iterator[list[float]]:
    """Proportions on a scale that stretches towards 0 and 1: 1, 2, 5 of every power of ten up to a half, and their mirror."""
    powers = range(math.floor(math.log10(min(low, 1.0 - high))) - 1, 0)
    for factors, step in (((1, 2, 5), 1), ((1, 3), 1), *(((1,), step) for step in range(1, len(powers) + 1))):
        small = [float(f"{f * 10.0**e:.12g}") for e in powers if e % step == 0 for f in factors]
        both = sorted({0.5, *small, *(float(f"{1.0 - x:.12g}") for x in small)})
        yield [x for x in both if low <= x <= high]


def families(low: float, high: float, log: bool, place: Callable[[float], float]) -> Iterator[list[float]]:
    """Ticks to choose from, the best first."""
    if log:
        yield from ratio_families(low, high)
        return
    if is_stretched(low, high, place):
        yield from stretched_families(low, high)
    yield from linear_families(low, high)


def choose_ticks(
    low: float,
    high: float,
    log: bool,
    place: Callable[[float], float],
    width: Callable[[str], float],
    gap: float,
    bounds: tuple[float, float],
) -> tuple[Tick, ...]:
    """As many ticks as have room; place: number -> points, width: label -> points, bounds: points within which labels stay."""
    best: list[Tick] = []
    for values in families(low, high, log, place):
        ticks = [(x, tick_label(x)) for x in values]
        ticks = [t for t in ticks if have_room([t], place, width, gap, bounds)]
        if len(ticks) <= MOST_TICKS and have_room(ticks, place, width, gap, bounds):
            if len(ticks) >= 3:
                return tuple(ticks)
            if len(ticks) > len(best):
                best = ticks
    return tuple(best)


def have_room(
    ticks: Sequence[Tick],
    place: Callable[[float], float],
    width: Callable[[str], float],
    gap: float,
    bounds: tuple[float, float],
) -> bool:
    """Whether no label touches its neighbour or leaves the bounds."""
    edge = bounds[0] - gap
    for x, label in sorted(ticks):
        half = 0.5 * width(label)
        if place(x) - half < edge + gap:
            return False
        edge = place(x) + half
    return edge <= bounds[1]
