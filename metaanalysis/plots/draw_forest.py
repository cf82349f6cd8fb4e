"""A laid-out forest plot, drawn on given Axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import SubFigure
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Polygon, Rectangle
from matplotlib.path import Path
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from matplotlib.transforms import Bbox

from metaanalysis.plots.fonts import SteadyText, Typeface
from metaanalysis.plots.forest_footer import TICK_LENGTH, TICK_PAD
from metaanalysis.plots.forest_layout import ForestLayout, PlacedMark
from metaanalysis.plots.forest_spec import AxisSpec
from metaanalysis.plots.style import Style

# The side of the largest square and the height of a diamond, as shares of the distance between rows.
LARGEST_SQUARE = 0.74
SMALLEST_SQUARE = 1.2
DIAMOND = 0.72
BAR = 0.3
# Twice the length of an arrowhead: a marker is scaled by its furthest corner from the tip.
ARROW = 0.65
ARROW_TO_LEFT = Path([(0.0, 0.0), (1.0, 0.5), (1.0, -0.5), (0.0, 0.0)], closed=True)
ARROW_TO_RIGHT = Path([(0.0, 0.0), (-1.0, 0.5), (-1.0, -0.5), (0.0, 0.0)], closed=True)


def box_in_points(ax: Axes) -> tuple[float, float]:
    """Width and height of the Axes, once the figure's layout is settled."""
    figure = ax.figure.figure if isinstance(ax.figure, SubFigure) else ax.figure
    if figure is not None and figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
    dpi = ax.figure.dpi
    box = ax.get_window_extent()
    return float(box.width * 72.0 / dpi), float(box.height * 72.0 / dpi)


def draw(ax: Axes, layout: ForestLayout, axis: AxisSpec, typeface: Typeface, style: Style) -> None:
    """Make the Axes the panel, within the box that they had, and put everything round it."""
    take_panel(ax, layout)
    draw_axis(ax, layout, axis, typeface, style)
    draw_lines(ax, layout, axis, style)
    draw_squares(ax, layout, axis, style)
    draw_intervals(ax, layout, axis, style)
    draw_pooled(ax, layout, axis, style)
    draw_texts(ax, layout, typeface, style)


def take_panel(ax: Axes, layout: ForestLayout) -> None:
    """Shrink the Axes to the panel: top left corner and size of the whole are those of the Axes as given."""
    parent = ax.figure.transSubfigure if isinstance(ax.figure, SubFigure) else ax.figure.transFigure
    box, point = ax.get_window_extent(), ax.figure.dpi / 72.0
    corners = [
        (box.x0 + layout.left * point, box.y1 - layout.bottom * point),
        (box.x0 + layout.right * point, box.y1 - layout.top * point),
    ]
    ax.set_position(Bbox(parent.inverted().transform(corners)))


def draw_axis(ax: Axes, layout: ForestLayout, axis: AxisSpec, typeface: Typeface, style: Style) -> None:
    """The axis of effects at the bottom, and nothing at the other sides. Heights are points, from the top down."""
    ax.set_xscale("log" if axis.log else "linear")
    ax.set_xlim(axis.low, axis.high)
    ax.set_ylim(layout.bottom, layout.top)
    ax.set_facecolor("none")
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_visible(True)
    ax.spines["bottom"].set_color(style.ink)
    ax.spines["bottom"].set_linewidth(0.8 * style.line_width)
    ax.set_axisbelow(True)
    ax.yaxis.set_major_locator(NullLocator())
    ax.yaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_locator(FixedLocator([x for x, _ in layout.ticks]))
    ax.xaxis.set_major_formatter(FixedFormatter([label for _, label in layout.ticks]))
    ax.tick_params(
        axis="x",
        length=TICK_LENGTH,
        pad=TICK_PAD,
        width=0.8 * style.line_width,
        color=style.ink,
        labelcolor=style.ink,
        labelsize=layout.size,
        labelrotation=0,
        direction="out",
        bottom=True,
        labelbottom=True,
        top=False,
        labeltop=False,
    )
    for label in ax.get_xticklabels():
        label.set_fontfamily(typeface.families(label.get_text())[0])
    ax.grid(visible=False)


def draw_lines(ax: Axes, layout: ForestLayout, axis: AxisSpec, style: Style) -> None:
    """The line of no effect, and the dotted line of the pooled estimate down to its diamond."""
    if axis.null is not None and axis.low <= axis.null <= axis.high:
        null = vertical(axis.null, layout.top, layout.bottom, layout.breaks)
        ax.add_collection(
            LineCollection(null, colors=style.quiet, linewidths=0.7 * style.line_width, zorder=1.0, gid="null"),
            autolim=False,
        )
    ends = [placed.y for placed in layout.marks if placed.kind == "overall"]
    if ends and axis.low <= axis.pooled <= axis.high:
        pooled = vertical(axis.pooled, layout.top, ends[-1], layout.breaks)
        dots = LineCollection(
            pooled,
            colors=style.quiet,
            linewidths=0.8 * style.line_width,
            linestyles=[(0, (1.2, 2.2))],
            zorder=1.1,
            gid="pooled",
        )
        ax.add_collection(dots, autolim=False)


def vertical(
    x: float, top: float, bottom: float, breaks: Sequence[tuple[float, float]]
) -> list[list[tuple[float, float]]]:
    """A vertical line in pieces, broken where a text crosses it."""
    pieces, start = [], top
    for low, high in [*breaks, (bottom, bottom)]:
        if low > start:
            pieces.append([(x, start), (x, min(low, bottom))])
        start = max(start, high)
    return pieces


def on_axis(x: float, axis: AxisSpec) -> bool:
    """Whether a number lies between the ends of the axis."""
    return axis.low <= x <= axis.high


def draw_squares(ax: Axes, layout: ForestLayout, axis: AxisSpec, style: Style) -> None:
    """One square a study, its area proportional to the weight."""
    largest = LARGEST_SQUARE * layout.pitch
    shown = [p for p in layout.marks if p.mark.shape == "square" and on_axis(p.mark.estimate, axis)]
    squares = ax.scatter(
        [p.mark.estimate for p in shown],
        [p.y for p in shown],
        s=[max(largest**2 * p.mark.share, SMALLEST_SQUARE**2) for p in shown],
        marker="s",
        facecolors=style.square,
        linewidths=0,
        zorder=2.0,
        clip_on=False,
    )
    squares.set_gid("studies")


def draw_intervals(ax: Axes, layout: ForestLayout, axis: AxisSpec, style: Style) -> None:
    """The studies' intervals over their squares, a tick at the estimate, arrows where they leave the axis."""
    rows = [p for p in layout.marks if p.mark.shape == "square"]
    lines = [[(x, p.y) for x in clipped(p, axis)] for p in rows if crosses(p, axis)]
    ax.add_collection(
        LineCollection(
            lines, colors=style.ink, linewidths=style.line_width, zorder=3.0, capstyle="butt", gid="intervals"
        ),
        autolim=False,
    )
    half = 0.16 * layout.pitch
    ticks = [
        [(p.mark.estimate, p.y - half), (p.mark.estimate, p.y + half)] for p in rows if on_axis(p.mark.estimate, axis)
    ]
    ax.add_collection(
        LineCollection(ticks, colors=style.ink, linewidths=style.line_width, zorder=3.0, gid="estimates"), autolim=False
    )
    draw_arrows(ax, rows, layout, axis, style.ink)


def clipped(placed: PlacedMark, axis: AxisSpec) -> tuple[float, float]:
    """The part of an interval that lies on the axis."""
    return max(placed.mark.low, axis.low), min(placed.mark.high, axis.high)


def crosses(placed: PlacedMark, axis: AxisSpec) -> bool:
    """Whether some of an interval lies on the axis."""
    return placed.mark.low <= axis.high and placed.mark.high >= axis.low


def draw_arrows(ax: Axes, rows: Sequence[PlacedMark], layout: ForestLayout, axis: AxisSpec, color: str) -> None:
    """An arrowhead at the end of the axis for each interval that goes on beyond it."""
    to_left = [p.y for p in rows if p.mark.low < axis.low]
    to_right = [p.y for p in rows if p.mark.high > axis.high]
    side = ARROW * layout.pitch
    for x, heights, shape in ((axis.low, to_left, ARROW_TO_LEFT), (axis.high, to_right, ARROW_TO_RIGHT)):
        if heights:
            arrows: PathCollection = ax.scatter(
                [x] * len(heights),
                heights,
                s=side**2,
                marker=MarkerStyle(shape),
                facecolors=color,
                linewidths=0,
                zorder=3.1,
                clip_on=False,
            )
            arrows.set_gid("arrows")


def draw_pooled(ax: Axes, layout: ForestLayout, axis: AxisSpec, style: Style) -> None:
    """Diamonds from end to end of the interval, and the prediction interval as a bar."""
    half = 0.5 * DIAMOND * layout.pitch
    for placed in layout.marks:
        mark, y = placed.mark, placed.y
        if mark.shape == "bar":
            low, high = clipped(placed, axis)
            bar = Rectangle((low, y - 0.5 * BAR * layout.pitch), high - low, BAR * layout.pitch)
            bar.set(facecolor=style.prediction, edgecolor=style.ink, linewidth=0.6 * style.line_width, zorder=2.5)
            bar.set_gid("prediction")
            ax.add_patch(bar)
            draw_arrows(ax, [placed], layout, axis, style.ink)
        elif mark.shape == "diamond" and not (math.isnan(mark.low) or math.isnan(mark.high)):
            low, high = (min(max(x, 1e-300 if axis.log else -1e300), 1e300) for x in (mark.low, mark.high))
            diamond = Polygon([(low, y), (mark.estimate, y - half), (high, y), (mark.estimate, y + half)], closed=True)
            diamond.set(facecolor=style.diamond, edgecolor="none", zorder=2.5)
            diamond.set_gid(placed.kind)
            ax.add_patch(diamond)
            draw_arrows(ax, [placed], layout, axis, style.diamond)
        elif mark.shape == "diamond" and on_axis(mark.estimate, axis):
            point = ax.scatter([mark.estimate], [y], s=(1.2 * half) ** 2, marker="D", zorder=2.5, clip_on=False)
            point.set(facecolors="white", edgecolors=style.diamond, linewidths=style.line_width)
            point.set_gid(placed.kind)


def draw_texts(ax: Axes, layout: ForestLayout, typeface: Typeface, style: Style) -> None:
    """Texts and rules, in fractions of the panel, so that they move with it."""
    wide, tall = layout.right - layout.left, layout.bottom - layout.top

    def x(points: float) -> float:
        return (points - layout.left) / wide

    def y(points: float) -> float:
        return (layout.bottom - points) / tall

    for rule in layout.rules:
        ax.plot(
            [x(rule.x0), x(rule.x1)],
            [y(rule.y), y(rule.y)],
            transform=ax.transAxes,
            color=style.ink,
            linewidth=rule.weight * style.line_width,
            solid_capstyle="butt",
            clip_on=False,
            zorder=1.0,
            scalex=False,
            scaley=False,
        )
    for placed in layout.texts:
        text = SteadyText(placed.text, typeface, placed.size, placed.bold)
        text.set(
            position=(x(placed.x), y(placed.y)),
            color=style.quiet if placed.quiet else style.ink,
            horizontalalignment=placed.align,
            verticalalignment="baseline",
            transform=ax.transAxes,
            zorder=4.0,
        )
        ax.add_artist(text)
        text.set_clip_on(False)
