"""What a forest plot shows: columns, rows, marks and an axis. Nothing here knows how it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from metaanalysis.plots.risk_of_bias_colours import Judgement

Align = Literal["left", "right", "center"]
Kind = Literal["group", "study", "pooled", "overall", "sum", "prediction", "note"]
Shape = Literal["square", "diamond", "hollow", "bar", "polygon", "density"]

# The key of the panel itself, over which a heading may stand like one over a column.
PANEL = "(panel)"


@dataclass(frozen=True)
class Column:
    """One column of text; `wraps` where its texts may be broken into lines, `lights` where it holds judgements."""

    key: str
    align: Align = "right"
    wraps: bool = False
    lights: bool = False


@dataclass(frozen=True)
class Head:
    """A heading over one or more neighbouring columns; level 0 stands directly over them, level 1 over other headings."""

    text: str
    columns: tuple[str, ...]
    level: int = 0


@dataclass(frozen=True)
class ColumnSet:
    """The columns left and right of the panel, with their headings."""

    left: tuple[Column, ...]
    right: tuple[Column, ...]
    heads: tuple[Head, ...]


@dataclass(frozen=True)
class Mark:
    """What a row draws, on the scale of the axis; share: the weight as a share of the largest, which the area shows.

    curve: of a density, places on the axis and heights as shares of the highest.
    """

    shape: Shape
    estimate: float
    low: float
    high: float
    share: float = 1.0
    curve: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Row:
    """One row: its texts by column, or a text that runs across columns (a group's title, a note); tall: its height in rows."""

    kind: Kind
    cells: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    text: str = ""
    mark: Mark | None = None
    indented: bool = False
    lights: Mapping[str, Judgement] = field(default_factory=lambda: MappingProxyType({}))
    tall: float = 1.0


@dataclass(frozen=True)
class AxisSpec:
    """The axis of effects: scale, limits, lines and what its directions mean."""

    log: bool
    low: float
    high: float
    label: str
    null: float | None
    pooled: float
    favours: tuple[str, str] | None = None
    ticks: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Manner:
    """How a forest plot is drawn, apart from its colours.

    bands: every other row on a tinted band. directions_over: what the directions of the axis mean stands over the panel and not
    under it; arrows: with arrows. pooled_line: a dotted line from the pooled estimate. crosses: a tick at each estimate. foot_rule:
    a line under the rows. bold_heads: headings in bold type.
    """

    bands: bool = False
    directions_over: bool = False
    arrows: bool = True
    pooled_line: bool = True
    crosses: bool = True
    foot_rule: bool = False
    bold_heads: bool = True


@dataclass(frozen=True)
class ForestSpec:
    """A whole forest plot. `column_sets` stand in the order of preference: the first that has room is drawn.

    unfinished: more rows follow on another page, so that the lines run on to the end of the panel.
    """

    column_sets: tuple[ColumnSet, ...]
    rows: tuple[Row, ...]
    axis: AxisSpec
    notes: tuple[str, ...] = ()
    title: str = ""
    manner: Manner = field(default_factory=Manner)
    unfinished: bool = False
