"""A sheet of boxes, lines and texts, drawn on given Axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Ellipse, Polygon, Rectangle

from metaanalysis.errors import OptionError
from metaanalysis.plots.chart_options import ChartOptions, Look, chart_options
from metaanalysis.plots.draw_chart import tone
from metaanalysis.plots.draw_forest import box_in_points
from metaanalysis.plots.figure import new_axes
from metaanalysis.plots.fonts import SteadyText, Typeface
from metaanalysis.plots.placed import TextWidths
from metaanalysis.plots.sheet import Box, Path, Sheet, Words
from metaanalysis.plots.style import Style

MM = 72.0 / 25.4
# An arrow's head in points.
LONG, HALF = 4.5, 1.9
# By how much letters shrink at a time where room is short.
SMALLER = 0.5
HAS_NO = ("x_label", "y_label", "xlim", "ylim")


def sheet_options(plot: Callable[..., Any], look: Look, ax: object) -> ChartOptions:
    """The options of the look of a plot without axes."""
    options = chart_options(plot, look, ax)
    for name in HAS_NO:
        if name in look:
            raise OptionError(f"{name} does not apply to {plot.__name__}, which has no axes to name or limit.")
    return options


Arrange: TypeAlias = Callable[[ChartOptions, float, TextWidths], Sheet]


def fitted(arrange: Arrange, options: ChartOptions, width: float, height: float | None, widths: TextWidths) -> Sheet:
    """The sheet at a width; where the height is given, in letters small enough for it."""
    sheet = arrange(options, width, widths)
    smallest = min(options.style.smallest_font, options.font_size)
    size = options.font_size
    while height is not None and sheet.height > height and size > smallest:
        size = max(size - SMALLER, smallest)
        sheet = arrange(replace(options, font_size=size), width, widths)
    if height is not None and sheet.height > height:
        raise OptionError(
            f"the plot needs {sheet.height / MM:.0f} mm of height at this width, and has {height / MM:.0f}: give it more room."
        )
    return sheet


def drawn_sheet(arrange: Arrange, options: ChartOptions, ax: Axes | None) -> Axes:
    """A sheet on the Axes given, or on those of a new figure."""
    if ax is not None and not isinstance(ax, Axes):
        raise OptionError(f"ax={ax!r} is not a matplotlib Axes.")
    typeface, style = Typeface(options.font), options.style
    width, height = (options.width_mm * MM, None) if ax is None else box_in_points(ax)
    if ax is None and options.height_mm is not None:
        height = options.height_mm * MM
    sheet = fitted(arrange, options, width, height, typeface)
    typeface.warn_of_missing()
    tall = sheet.height if height is None else height
    target = new_axes(width, tall, style.page) if ax is None else ax
    target.set(xscale="linear", yscale="linear", xlim=(0.0, width), ylim=(tall, 0.0), aspect="auto", title="")
    target.set_axis_off()
    for box in sheet.boxes:
        draw_box(target, box, style)
    for path in sheet.paths:
        draw_path(target, path, style)
    for words in sheet.texts:
        draw_words(target, words, typeface, style)
    return target


def draw_box(ax: Axes, box: Box, style: Style) -> None:
    """A rectangle or an ellipse."""
    middle, wide, high = (0.5 * (box.x0 + box.x1), 0.5 * (box.y0 + box.y1)), box.x1 - box.x0, box.y1 - box.y0
    shape = Ellipse(middle, wide, high) if box.round else Rectangle((box.x0, box.y0), wide, high)
    shape.set(
        facecolor=tone(box.fill, style) if box.fill else "none",
        edgecolor=tone(box.edge, style) if box.edge else "none",
        linewidth=0.6 * style.line_width,
        zorder=1.0,
    )
    shape.set_gid(box.key or None)
    ax.add_patch(shape)


def draw_path(ax: Axes, path: Path, style: Style) -> None:
    """A line, and the head of an arrow at its end."""
    points = list(path.points)
    colour = tone(path.tone, style)
    if path.arrow:
        (x0, y0), (x1, y1) = points[-2:]
        along = ((x1 > x0) - (x1 < x0), (y1 > y0) - (y1 < y0))
        base = (x1 - LONG * along[0], y1 - LONG * along[1])
        corners = [
            (x1, y1),
            (base[0] + HALF * along[1], base[1] + HALF * along[0]),
            (base[0] - HALF * along[1], base[1] - HALF * along[0]),
        ]
        ax.add_patch(Polygon(corners, closed=True, facecolor=colour, edgecolor="none", zorder=2.0, gid="arrow"))
        points[-1] = base
    line = LineCollection(
        [points], colors=colour, linewidths=path.weight * style.line_width, zorder=0.8, capstyle="butt"
    )
    ax.add_collection(line, autolim=False)


def draw_words(ax: Axes, words: Words, typeface: Typeface, style: Style) -> None:
    """A line of text."""
    text = SteadyText(words.text, typeface, words.size, words.bold)
    text.set(
        position=(words.x, words.y),
        color=tone(words.tone, style),
        horizontalalignment=words.align,
        verticalalignment="baseline",
        rotation=90 if words.upright else 0,
        rotation_mode="anchor",
        zorder=4.0,
    )
    text.set_gid(words.key or None)
    ax.add_artist(text)
