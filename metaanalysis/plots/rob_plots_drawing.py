"""Sheets of boxes, circles, arrows and texts, in points from the top left corner, and drawing them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, FancyArrowPatch, Rectangle

from metaanalysis.errors import OptionError
from metaanalysis.plots.chart_options import ChartOptions
from metaanalysis.plots.draw_forest import box_in_points
from metaanalysis.plots.figure import new_axes
from metaanalysis.plots.fonts import SteadyText, Typeface
from metaanalysis.plots.placed import Placed, TextWidths

MM = 72.0 / 25.4


@dataclass(frozen=True)
class Box:
    """A rectangle or an ellipse from one corner to the other; fill: a colour, or "" for none."""

    x0: float
    y0: float
    x1: float
    y1: float
    fill: str = ""
    round: bool = False


@dataclass(frozen=True)
class Arrow:
    """A straight arrow."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Sheet:
    """All that is drawn. Texts carry their colour; "" for ink."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    texts: tuple[tuple[Placed, str], ...]


def drawn_sheet(arrange: Callable[[float, TextWidths], Sheet], options: ChartOptions, ax: Axes | None) -> Axes:
    """A sheet on the Axes given, or on those of a new figure."""
    if ax is not None and not isinstance(ax, Axes):
        raise OptionError(f"ax={ax!r} is not a matplotlib Axes.")
    typeface, style = Typeface(options.font), options.style
    width, height = (options.width_mm * MM, None) if ax is None else box_in_points(ax)
    if ax is None and options.height_mm is not None:
        height = options.height_mm * MM
    sheet = arrange(width, typeface)
    if height is not None and sheet.height > height:
        raise OptionError(
            f"the plot needs {sheet.height / MM:.0f} mm of height at this width, and has {height / MM:.0f}: give it more room, "
            f"or a smaller font_size."
        )
    typeface.warn_of_missing()
    tall = sheet.height if height is None else height
    target = new_axes(width, tall, style.page) if ax is None else ax
    target.set_xlim(0.0, width)
    target.set_ylim(tall, 0.0)
    target.set_axis_off()
    for box in sheet.boxes:
        fill = box.fill or "none"
        middle, wide, high = (0.5 * (box.x0 + box.x1), 0.5 * (box.y0 + box.y1)), box.x1 - box.x0, box.y1 - box.y0
        shape = Ellipse(middle, wide, high) if box.round else Rectangle((box.x0, box.y0), wide, high)
        shape.set(facecolor=fill, edgecolor=style.ink, linewidth=0.7 * style.line_width)
        target.add_patch(shape)
    for arrow in sheet.arrows:
        ends = ((arrow.x0, arrow.y0), (arrow.x1, arrow.y1))
        target.add_patch(
            FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=6, shrinkA=0, shrinkB=0, lw=0.7, color=style.ink)
        )
    for placed, colour in sheet.texts:
        text = SteadyText(placed.text, typeface, placed.size, placed.bold)
        text.set(x=placed.x, y=placed.y, horizontalalignment=placed.align, verticalalignment="baseline")
        text.set_color(colour or (style.quiet if placed.quiet else style.ink))
        target.add_artist(text)
    return target
