"""What a sheet without axes shows: boxes, lines, arrows and texts, in points from the top left corner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from metaanalysis.plots.placed import TextWidths
from metaanalysis.plots.wrapping import wrap

# Distance between the lines of a text, and from a line's middle to its baseline, in multiples of the font size.
LINE = 1.3
MIDDLE = 0.36


@dataclass(frozen=True)
class Box:
    """A rectangle or an ellipse from one corner to the other; fill, edge: colours or their names in the style, "" for none."""

    x0: float
    y0: float
    x1: float
    y1: float
    fill: str = ""
    edge: str = "ink"
    round: bool = False
    key: str = ""


@dataclass(frozen=True)
class Path:
    """A line through points, with an arrow's head at its end or without; weight: thickness as a multiple of the style's."""

    points: tuple[tuple[float, float], ...]
    arrow: bool = False
    tone: str = "ink"
    weight: float = 0.8


@dataclass(frozen=True)
class Words:
    """A line of text; y is its baseline, or its middle where it runs upward. tone: a colour or its name in the style."""

    text: str
    x: float
    y: float
    size: float
    align: Literal["left", "right", "center"] = "left"
    tone: str = "ink"
    bold: bool = False
    upright: bool = False
    key: str = ""


@dataclass(frozen=True)
class Sheet:
    """All that is drawn."""

    width: float
    height: float
    boxes: tuple[Box, ...] = ()
    paths: tuple[Path, ...] = ()
    texts: tuple[Words, ...] = ()

    def with_foot(self, other: Sheet) -> Sheet:
        """The same with another under it."""
        down = self.height
        return Sheet(
            self.width,
            down + other.height,
            (*self.boxes, *(replace(box, y0=box.y0 + down, y1=box.y1 + down) for box in other.boxes)),
            (*self.paths, *(replace(p, points=tuple((x, y + down) for x, y in p.points)) for p in other.paths)),
            (*self.texts, *(replace(text, y=text.y + down) for text in other.texts)),
        )


def paragraphs(
    texts: Sequence[str],
    x: float,
    limit: float,
    size: float,
    widths: TextWidths,
    *,
    tone: str = "ink",
    bold: bool = False,
    width: float = 0.0,
) -> Sheet:
    """Texts under one another, broken into lines no wider than the limit."""
    lines = [line for text in texts for line in wrap(text, limit, lambda t: widths.width(t, size, bold))]
    words = [
        Words(line, x, (0.95 + LINE * i) * size, size, tone=tone, bold=bold) for i, line in enumerate(lines) if line
    ]
    return Sheet(width, LINE * size * len(lines), texts=tuple(words))


def first_baseline(top: float, high: float, count: int, size: float) -> float:
    """Where the first of some lines stands that are to be in the middle of a height."""
    return top + 0.5 * (high - LINE * size * (count - 1)) + MIDDLE * size
