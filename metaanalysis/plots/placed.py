"""What a layout consists of: texts and rules at their places, in points from the top left corner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


class TextWidths(Protocol):
    """Tells how wide texts are, in points."""

    def width(self, text: str, size: float, bold: bool = False) -> float:
        """The width of one line."""


@dataclass(frozen=True)
class Placed:
    """One line of text; y is its baseline."""

    text: str
    x: float
    y: float
    align: Literal["left", "right", "center"]
    size: float
    bold: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Rule:
    """A horizontal line; weight: its thickness as a multiple of the style's line width."""

    x0: float
    x1: float
    y: float
    weight: float
