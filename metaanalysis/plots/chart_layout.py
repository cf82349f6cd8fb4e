"""Where everything in a chart goes, in points from the top left corner, from the measured widths of its texts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from metaanalysis.errors import OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.plots.axis import Tick, choose_ticks, tick_label
from metaanalysis.plots.chart_foot import LINE, TICK_LENGTH, TICK_PAD, Foot, PlacedEntry, balanced, foot
from metaanalysis.plots.chart_labels import boxes_of, place_labels
from metaanalysis.plots.chart_spec import Area, ChartSpec, Curve, Dots, Scale
from metaanalysis.plots.placed import Placed, TextWidths
from metaanalysis.plots.style import Style
from metaanalysis.plots.wrapping import wrap

MM = 72.0 / 25.4
# In multiples of the font size.
MARGIN = 0.5
LEAST_PANEL = 8.0
TALLEST_PANEL = 110.0 * MM
TALLEST_SQUARE = 126.0 * MM
ROUNDS = 3
SMALLEST_DOT = 1.6
# Of the densities over and beside the panel, with the gap before them.
STRIP, STRIP_GAP = 4.5, 0.5


@dataclass(frozen=True)
class ChartLayout:
    """Everything at its place; ticks are places along the axes with their texts."""

    width: float
    height: float
    size: float
    left: float
    right: float
    top: float
    bottom: float
    texts: tuple[Placed, ...]
    upright: tuple[Placed, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    right_ticks: tuple[Tick, ...]
    entries: tuple[PlacedEntry, ...]


def diameters(dots: Dots, size: float) -> FloatArray:
    """Of each point, in points."""
    largest = dots.largest * size
    if dots.shares is None:
        return np.full(np.size(dots.x), largest)
    return np.maximum(np.sqrt(np.maximum(dots.shares, 0.0)) * largest, SMALLEST_DOT)


def along(scale: Scale, place: float, start: float, end: float) -> float:
    """Where a place of an axis lies between two points of the picture."""
    share = (place - scale.low) / (scale.high - scale.low)
    return start + share * (end - start)


def ticks_of(
    scale: Scale, length: float, width: Callable[[str], float], gap: float, bounds: tuple[float, float]
) -> tuple[Tick, ...]:
    """The ticks of an axis of a length; bounds: within which labels stay, counted from its lower end."""

    def place(number: float) -> float:
        at = along(scale, scale.to_place(number), 0.0, length)
        return min(max(at, -1e9), 1e9)

    if scale.numbers is not None:
        return tuple((scale.to_place(x), (scale.text or tick_label)(x)) for x in scale.numbers)
    low, high = scale.to_number(scale.low), scale.to_number(scale.high)
    if scale.log:
        # A limit that is itself a number to print is one, whatever its logarithm was rounded to.
        low, high = max(low * (1 - 1e-12), 1e-300), min(high * (1 + 1e-12), 1e300)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return ()
    found = choose_ticks(low, high, scale.log, place, width, gap, bounds)
    return tuple((scale.to_place(x), text if scale.text is None else scale.text(x)) for x, text in found)


@dataclass(frozen=True)
class Sides:
    """Where the panel begins and ends from left to right, and what stands on either side of it."""

    left: float
    right: float
    y_ticks: tuple[Tick, ...]
    right_ticks: tuple[Tick, ...]
    left_lines: tuple[str, ...]
    right_lines: tuple[str, ...]


def sides(spec: ChartSpec, panel: float, width: float, size: float, widths: TextWidths) -> Sides:
    """The sides of a panel of a height."""
    margin, bounds = MARGIN * size, (-0.6 * size, panel + 0.6 * size)

    def measured(text: str) -> float:
        return widths.width(text, size)

    def beside(scale: Scale) -> tuple[tuple[Tick, ...], tuple[str, ...], float]:
        ticks = ticks_of(scale, panel, lambda _: 1.1 * size, 0.5 * size, bounds)
        lines = balanced(scale.label, panel, measured)
        numbers = max((measured(text) for _, text in ticks), default=0.0)
        return ticks, lines, margin + LINE * size * len(lines) + numbers + TICK_LENGTH + TICK_PAD + 0.2 * size

    y_ticks, left_lines, left = beside(spec.y)
    right_ticks, right_lines, right = ((), (), margin + 0.4 * size) if spec.right is None else beside(spec.right)
    end = width - right - ((STRIP + STRIP_GAP) * size if spec.beside else 0.0)
    if spec.square:
        end = min(end, left + panel * (spec.x.high - spec.x.low) / (spec.y.high - spec.y.low))
    return Sides(left, end, y_ticks, right_ticks, left_lines, right_lines)


def panel_height(spec: ChartSpec, across: float) -> float:
    """How tall a panel of a width is where its height is free."""
    if spec.square:
        return min(across, TALLEST_SQUARE) * (spec.y.high - spec.y.low) / (spec.x.high - spec.x.low)
    return min(spec.aspect * across, TALLEST_PANEL)


def arrange_chart(
    spec: ChartSpec, widths: TextWidths, width: float, height: float | None, size: float, style: Style
) -> ChartLayout:
    """The layout; the panel takes what the texts leave. width, height: points, the height by the chart's aspect where None.

    OptionError where no panel is left.
    """
    small = max(size - 0.5, min(style.smallest_font, size))
    margin = MARGIN * size
    texts: list[Placed] = []
    top = margin
    for line in wrap(spec.title, width - 2 * margin, lambda t: widths.width(t, size + 1.0, True)) if spec.title else ():
        texts.append(Placed(line, margin, top + 0.85 * (size + 1.0), "left", size + 1.0, bold=True))
        top += LINE * (size + 1.0)
    top += 0.6 * size + ((STRIP + STRIP_GAP) * size if spec.over else 0.0)

    def under(left: float, right: float) -> Foot:
        return foot(spec, left, right, margin, width, size, small, widths)

    # The panel's height and the width of the numbers beside it hang on each other: they settle in a few rounds.
    left, right = margin + 5.0 * size, width - margin - (6.0 * size if spec.right else 0.4 * size)
    for _ in range(ROUNDS):
        room = right - left
        panel = panel_height(spec, room) if height is None else height - top - under(left, right).height
        if min(panel, room) < LEAST_PANEL * size:
            have = f"{width / MM:.0f} mm of width" + ("" if height is None else f" and {height / MM:.0f} mm of height")
            raise OptionError(
                f"the chart does not fit into {have}: make it larger (width_mm=, height_mm=), or leave out the notes and the "
                f"legend (notes=False, legend=False)."
            )
        found = sides(spec, panel, width, size, widths)
        left, right = found.left, found.right
    below = under(left, right)
    bottom = top + panel if height is None else height - below.height
    beneath, entries = below.at(bottom)
    texts += beneath
    texts += names_of_points(spec, widths, (left, top, right, bottom), small, size)
    middle = 0.5 * (top + bottom)
    upright = [
        Placed(line, margin + (0.85 + LINE * i) * size, middle, "center", size)
        for i, line in enumerate(found.left_lines)
    ]
    upright += [
        Placed(line, width - margin - (0.25 + LINE * i) * size, middle, "center", size)
        for i, line in enumerate(reversed(found.right_lines))
    ]
    x_ticks = ticks_of(
        spec.x, right - left, lambda t: widths.width(t, size), 0.7 * size, (margin - left, width - margin - left)
    )
    return ChartLayout(
        width=width,
        height=bottom + below.height,
        size=size,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        texts=tuple(texts),
        upright=tuple(upright),
        x_ticks=x_ticks,
        y_ticks=found.y_ticks,
        right_ticks=found.right_ticks,
        entries=tuple(entries),
    )


def names_of_points(
    spec: ChartSpec, widths: TextWidths, panel: tuple[float, float, float, float], size: float, of_dots: float
) -> tuple[Placed, ...]:
    """The names of points that have room; panel: left, top, right, bottom; of_dots: the size that diameters are multiples of."""
    left, top, right, bottom = panel
    if not spec.labels:
        return ()
    start, end = (top, bottom) if spec.y.down else (bottom, top)

    def at(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        x_share = (np.asarray(x) - spec.x.low) / (spec.x.high - spec.x.low)
        y_share = (np.asarray(y) - spec.y.low) / (spec.y.high - spec.y.low)
        return left + x_share * (right - left), start + y_share * (end - start)

    dots = [boxes_of(*at(group.x, group.y), 0.5 * diameters(group, of_dots)) for group in spec.dots]
    taken = np.concatenate(dots) if dots else np.empty((0, 4))
    lines = [boxes_of(*at(*finely(curve)), np.array(0.4)) for curve in spec.curves]
    crossed = np.concatenate(lines) if lines else np.empty((0, 4))
    x, y = at(np.array([label.x for label in spec.labels]), np.array([label.y for label in spec.labels]))
    halves = np.array([half_at(a, b, taken) for a, b in zip(x.tolist(), y.tolist(), strict=True)])
    names = [label.text for label in spec.labels]
    box = (left + 1.0, top - 0.4 * size, right, bottom - 1.0)
    return place_labels(names, np.stack([x, y], axis=-1), halves, taken, crossed, box, size, widths)


def half_at(x: float, y: float, boxes: FloatArray) -> float:
    """Half the diameter of the point at a place."""
    if not len(boxes):
        return 0.0
    distance = np.hypot(boxes[:, [0, 2]].mean(axis=1) - x, boxes[:, [1, 3]].mean(axis=1) - y)
    nearest = int(np.argmin(distance))
    return float(0.5 * (boxes[nearest, 2] - boxes[nearest, 0])) if distance[nearest] < 0.5 else 0.0


def finely(curve: Curve | Area) -> tuple[FloatArray, FloatArray]:
    """Places along a curve, close enough for a text not to slip between."""
    at = np.linspace(0.0, len(curve.x) - 1.0, max(len(curve.x), 120))
    steps = np.arange(len(curve.x))
    return np.interp(at, steps, curve.x), np.interp(at, steps, curve.y)
