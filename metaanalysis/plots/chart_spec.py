"""What a chart with two axes shows: areas, curves, dots and their names. Nothing here knows how it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from metaanalysis.formulas.arrays import FloatArray

Dash = Literal["solid", "dashed", "dotted", "dash-dot"]
Shape = Literal["o", "s", "D", "^", "v", "P", "X"]
Convert = Callable[[float], float]


def same(x: float) -> float:
    """The number itself."""
    return x


@dataclass(frozen=True)
class Scale:
    """An axis: its limits as places along it, and the numbers that stand there.

    to_number, to_place: between places and the numbers that are printed; log: whether these are ratios; down: whether the
    axis points down; numbers: those to print, where they are not chosen by the room there is; text: how they are printed.
    """

    low: float
    high: float
    label: str
    to_number: Convert = same
    to_place: Convert = same
    log: bool = False
    down: bool = False
    numbers: tuple[float, ...] | None = None
    text: Callable[[float], str] | None = None


@dataclass(frozen=True)
class Dots:
    """Points; fill, edge: colours or their names in the style, no fill: open.

    shares: of the largest area; largest: its diameter in multiples of the font size.
    """

    key: str
    x: FloatArray
    y: FloatArray
    fill: str | None = "diamond"
    edge: str = "page"
    shape: Shape = "o"
    shares: FloatArray | None = None
    largest: float = 0.62
    alpha: float = 1.0
    raster: bool = False


@dataclass(frozen=True)
class Curve:
    """A line through places; weight: its thickness as a multiple of the style's."""

    key: str
    x: FloatArray
    y: FloatArray
    tone: str = "ink"
    dash: Dash = "solid"
    weight: float = 1.0
    alpha: float = 1.0


@dataclass(frozen=True)
class Area:
    """A filled polygon."""

    key: str
    x: FloatArray
    y: FloatArray
    tone: str
    alpha: float = 1.0


@dataclass(frozen=True)
class Margin:
    """A density over the panel or beside it: places along the axis, and heights from 0 to 1."""

    key: str
    at: FloatArray
    height: FloatArray
    tone: str = "ink"


@dataclass(frozen=True)
class PointLabel:
    """The name of a point, set beside it where there is room."""

    text: str
    x: float
    y: float


@dataclass(frozen=True)
class Entry:
    """A line of the legend: a sample of what it explains, and a text."""

    text: str
    sample: Dots | Curve | Area


@dataclass(frozen=True)
class ChartSpec:
    """A whole chart; areas, curves and dots are drawn in this order. over, beside: densities along the axes.

    aspect: height over width; `square`: equal scales.
    """

    x: Scale
    y: Scale
    areas: tuple[Area, ...] = ()
    curves: tuple[Curve, ...] = ()
    dots: tuple[Dots, ...] = ()
    labels: tuple[PointLabel, ...] = ()
    legend: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()
    title: str = ""
    right: Scale | None = None
    over: tuple[Margin, ...] = ()
    beside: tuple[Margin, ...] = ()
    aspect: float = 0.72
    square: bool = False
