"""What a forest plot shows: columns, rows, marks and an axis. Nothing here knows how it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Align = Literal["left", "right", "center"]
Kind = Literal["group", "study", "pooled", "overall", "prediction", "note"]
Shape = Literal["square", "diamond", "bar"]


@dataclass(frozen=True)
class Column:
    """One column of text; `wraps` where its texts may be broken into lines."""

    key: str
    align: Align = "right"
    wraps: bool = False


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
    """What a row draws, on the scale of the axis; share: the weight as a share of the largest, which the area shows."""

    shape: Shape
    estimate: float
    low: float
    high: float
    share: float = 1.0


@dataclass(frozen=True)
class Row:
    """One row: its texts by column, or a text that runs across columns (a group's title, a note)."""

    kind: Kind
    cells: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    text: str = ""
    mark: Mark | None = None
    indented: bool = False


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
class ForestSpec:
    """A whole forest plot. `column_sets` stand in the order of preference: the first that has room is drawn."""

    column_sets: tuple[ColumnSet, ...]
    rows: tuple[Row, ...]
    axis: AxisSpec
    notes: tuple[str, ...] = ()
    title: str = ""
