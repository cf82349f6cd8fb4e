"""Names beside their points: where each has room, and none over another, over a point, or outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.plots.placed import Placed, TextWidths

# Where a name may stand, as multiples of its own width and height from the point: beside it first.
SIDES = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1))
DISTANCES = (0.0, 0.4)
# What it costs to stand further off, and to cross a line.
FURTHER, CROSSING = 1.0, 1.5
HEIGHT = 1.12
CLEAR = 0.25

Box = tuple[float, float, float, float]


def boxes_of(x: FloatArray, y: FloatArray, half: FloatArray) -> FloatArray:
    """The boxes of points, (n, 4): left, top, right, bottom."""
    return np.stack([x - half, y - half, x + half, y + half], axis=-1)


def overlaps(box: Sequence[float], others: FloatArray) -> int:
    """How many boxes a box has a part of."""
    if not len(others):
        return 0
    apart = (others[:, 2] <= box[0]) | (others[:, 0] >= box[2]) | (others[:, 3] <= box[1]) | (others[:, 1] >= box[3])
    return int((~apart).sum())


def places(x: float, y: float, half: float, width: float, size: float) -> Iterator[tuple[float, Box]]:
    """Boxes for a name, the nearest first, with what their distance costs."""
    tall = HEIGHT * size
    for number, distance in enumerate(DISTANCES):
        gap = half + (CLEAR + distance) * size
        for right, down in SIDES:
            beside = gap if not (right and down) else 0.75 * gap
            left = x + beside if right > 0 else x - beside - width if right < 0 else x - 0.5 * width
            top = y + beside if down > 0 else y - beside - tall if down < 0 else y - 0.5 * tall
            yield FURTHER * number, (left, top, left + width, top + tall)


def place_labels(
    names: Sequence[str],
    points: FloatArray,
    halves: FloatArray,
    dots: FloatArray,
    lines: FloatArray,
    panel: tuple[float, float, float, float],
    size: float,
    widths: TextWidths,
) -> tuple[Placed, ...]:
    """Names in order of importance; what has no room is left out. All in points from the top left corner.

    points: (n, 2); halves: half the diameter of each point; dots: boxes (m, 4) that stay free; lines: boxes (l, 4) that are
    crossed only where nothing else is free; panel: left, top, right, bottom.
    """
    taken = dots
    found: list[Placed] = []
    for name, (x, y), half in zip(names, points.tolist(), halves.tolist(), strict=True):
        if not (panel[0] <= x <= panel[2] and panel[1] <= y <= panel[3]):
            continue
        best: tuple[float, Box] | None = None
        for cost, box in places(x, y, half, widths.width(name, size), size):
            if box[0] < panel[0] or box[1] < panel[1] or box[2] > panel[2] or box[3] > panel[3] or overlaps(box, taken):
                continue
            cost += CROSSING if overlaps(box, lines) else 0.0
            if best is None or cost < best[0]:
                best = (cost, box)
            if cost == 0.0:
                break
        if best is not None:
            box = best[1]
            taken = np.vstack([taken, [box]])
            found.append(Placed(name, box[0], box[1] + 0.86 * size, "left", size))
    return tuple(found)
