"""A laid-out forest plot, drawn on given Axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import SubFigure
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Ellipse, Polygon, Rectangle
from matplotlib.path import Path
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from matplotlib.transforms import Bbox

from metaanalysis.plots.axis import from_axis, to_axis
from metaanalysis.plots.fonts import SteadyText, Typeface
from metaanalysis.plots.forest_footer import TICK_LENGTH, TICK_PAD
from metaanalysis.plots.forest_layout import ForestLayout, PlacedMark
from metaanalysis.plots.forest_spec import AxisSpec, ForestSpec
from metaanalysis.plots.style import Style

# The side of the largest square and the height of a diamond, as shares of the distance between rows.
LARGEST_SQUARE = 0.74
SMALLEST_SQUARE = 1.2
DIAMOND = 0.72
BAR = 0.3
POLYGON = 0.5
# The height of a density's peak over its row's lower edge, and the size of the sign in a light.
PEAK = 1.7
SIGN = 0.66
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


def draw(ax: Axes, layout: ForestLayout, spec: ForestSpec, typeface: Typeface, style: Style) -> None:
    """Make the Axes the panel, within the box that they had, and put everything round it."""
    take_panel(ax, layout)
    draw_panel(ax, layout, spec, typeface, style)


def draw_panel(ax: Axes, layout: ForestLayout, spec: ForestSpec, typeface: Typeface, style: Style) -> None:
    """Everything in and round Axes that are the panel already."""
    axis = spec.axis
    draw_axis(ax, layout, axis, typeface, style)
    draw_bands(ax, layout, style)
    draw_lines(ax, layout, spec, style)
    draw_squares(ax, layout, axis, style)
    draw_intervals(ax, layout, spec, style)
    draw_pooled(ax, layout, axis, style)
    draw_lights(ax, layout, typeface, style)
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


def draw_bands(ax: Axes, layout: ForestLayout, style: Style) -> None:
    """Tinted stripes behind every other study, over the whole width."""
    x, _ = fractions(layout)
    for low, high in layout.bands:
        left = x(0.25 * layout.size)
        band = Rectangle((left, low), x(layout.width - 0.25 * layout.size) - left, high - low)
        band.set(facecolor=style.band, edgecolor="none", zorder=0.5, clip_on=False)
        band.set_transform(ax.get_yaxis_transform())
        band.set_gid("band")
        ax.add_patch(band)


def draw_lines(ax: Axes, layout: ForestLayout, spec: ForestSpec, style: Style) -> None:
    """The line of no effect, and the dotted line of the pooled estimate down to its diamond."""
    axis = spec.axis
    if axis.null is not None and axis.low <= axis.null <= axis.high:
        null = vertical(axis.null, layout.top, layout.bottom, layout.breaks)
        ax.add_collection(
            LineCollection(null, colors=style.quiet, linewidths=0.7 * style.line_width, zorder=1.0, gid="null"),
            autolim=False,
        )
    ends = [placed.y for placed in layout.marks if placed.kind == "overall"]
    ends += [layout.bottom] if spec.unfinished else []
    if ends and spec.manner.pooled_line and axis.low <= axis.pooled <= axis.high:
        pooled = vertical(axis.pooled, layout.top, ends[0], layout.breaks)
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


def draw_intervals(ax: Axes, layout: ForestLayout, spec: ForestSpec, style: Style) -> None:
    """The studies' intervals over their squares, a tick at the estimate, arrows where they leave the axis."""
    axis = spec.axis
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
    if spec.manner.crosses:
        ticks_at = LineCollection(ticks, colors=style.ink, linewidths=style.line_width, zorder=3.0, gid="estimates")
        ax.add_collection(ticks_at, autolim=False)
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
    """Diamonds from end to end of the interval, and what shows the prediction interval."""
    for placed in layout.marks:
        mark = placed.mark
        if mark.shape in ("bar", "polygon", "density"):
            draw_prediction(ax, placed, layout, axis, style)
        elif mark.shape in ("diamond", "hollow"):
            draw_diamond(ax, placed, layout, axis, style)


def draw_diamond(ax: Axes, placed: PlacedMark, layout: ForestLayout, axis: AxisSpec, style: Style) -> None:
    """A diamond, hollow where another model has the filled one; a point where there is no interval."""
    mark, y, half = placed.mark, placed.y, 0.5 * DIAMOND * layout.pitch
    filled = mark.shape == "diamond"
    if not (math.isnan(mark.low) or math.isnan(mark.high)):
        diamond = Polygon(diamond_corners(placed, layout, axis, half), closed=True)
        edge = style.ink if contrast(style.diamond, style.page) < LEAST_CONTRAST or not filled else "none"
        diamond.set(facecolor=style.diamond if filled else style.page, edgecolor=edge, zorder=2.5)
        diamond.set(linewidth=0.7 * style.line_width, joinstyle="miter")
        diamond.set_gid(placed.kind)
        ax.add_patch(diamond)
    elif on_axis(mark.estimate, axis):
        point = ax.scatter([mark.estimate], [y], s=(1.2 * half) ** 2, marker="D", zorder=2.5, clip_on=False)
        point.set(facecolors=style.page, edgecolors=style.diamond, linewidths=style.line_width)
        point.set_gid(placed.kind)


def diamond_corners(placed: PlacedMark, layout: ForestLayout, axis: AxisSpec, half: float) -> list[tuple[float, float]]:
    """From end to end of the interval; an end beyond the axis is cut there and pointed like an arrow."""
    mark, y = placed.mark, placed.y
    low, middle, high, first, last = (
        to_axis(min(max(x, 1e-300 if axis.log else -1e300), 1e300), axis.log)
        for x in (mark.low, mark.estimate, mark.high, axis.low, axis.high)
    )
    tip = 0.5 * ARROW * layout.pitch / (layout.right - layout.left) * (last - first)
    corners = [(mark.low, y), (mark.estimate, y - half), (mark.high, y), (mark.estimate, y + half)]
    if (low >= first and high <= last) or not first + tip < middle < last - tip:
        return corners
    left, right = [corners[0]], [corners[2]]
    if low < first:
        tall = half * (first + tip - low) / (middle - low)
        shoulder = from_axis(first + tip, axis.log)
        left = [(shoulder, y + tall), (axis.low, y), (shoulder, y - tall)]
    if high > last:
        tall = half * (high - last + tip) / (high - middle)
        shoulder = from_axis(last - tip, axis.log)
        right = [(shoulder, y - tall), (axis.high, y), (shoulder, y + tall)]
    return [*left, corners[1], *right, corners[3]]


def draw_prediction(ax: Axes, placed: PlacedMark, layout: ForestLayout, axis: AxisSpec, style: Style) -> None:
    """The prediction interval: a bar, a flat polygon that peaks at the estimate, or the density with its interval filled."""
    mark, y, pitch = placed.mark, placed.y, layout.pitch
    low, high = clipped(placed, axis)
    own = {"edgecolor": style.ink, "linewidth": 0.6 * style.line_width, "zorder": 2.5}
    if mark.shape == "bar":
        bar = Rectangle((low, y - 0.5 * BAR * pitch), high - low, BAR * pitch)
        bar.set(facecolor=style.prediction, **own)
        bar.set_gid("prediction")
        ax.add_patch(bar)
    elif mark.shape == "polygon":
        half = 0.5 * POLYGON * pitch
        middle = min(max(mark.estimate, low), high)
        corners = [(mark.low, y), (middle, y - half), (mark.high, y), (middle, y + half)]
        polygon = Polygon(corners, closed=True, facecolor=style.prediction, joinstyle="miter", **own)
        polygon.set_gid("prediction")
        ax.add_patch(polygon)
    else:
        base = y + 0.5 * PEAK * pitch
        shown = [(x, base - PEAK * pitch * height) for x, height in mark.curve if axis.low <= x <= axis.high]
        inside = [(x, top) for x, top in shown if low <= x <= high]
        if inside:
            area = Polygon([(inside[0][0], base), *inside, (inside[-1][0], base)], closed=True)
            area.set(facecolor=style.prediction, edgecolor="none", zorder=2.4)
            area.set_gid("prediction")
            ax.add_patch(area)
            curves = LineCollection([shown], colors=style.ink, linewidths=0.8 * style.line_width, zorder=2.6)
            curves.set_gid("density")
            ax.add_collection(curves, autolim=False)
            ax.add_collection(
                LineCollection(
                    [[(low, base), (high, base)]], colors=style.ink, linewidths=style.line_width, zorder=2.6
                ),
                autolim=False,
            )
        draw_arrows(ax, [PlacedMark(base, placed.kind, mark)], layout, axis, style.ink)
        return
    draw_arrows(ax, [placed], layout, axis, style.ink)


# Below this ratio a fill needs an edge to be seen on its page.
LEAST_CONTRAST = 3.0


def contrast(one: str, other: str) -> float:
    """How many times lighter the lighter of two colours is, from 1 to 21."""
    first, second = sorted((luminance(one), luminance(other)))
    return (second + 0.05) / (first + 0.05)


def luminance(color: str) -> float:
    """Relative luminance from 0 to 1."""
    parts = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color))
    return float(sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True)))


def fractions(layout: ForestLayout) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """From points of the whole picture to shares of the panel, across and upward."""
    wide, tall = layout.right - layout.left, layout.bottom - layout.top
    return (lambda points: (points - layout.left) / wide), (lambda points: (layout.bottom - points) / tall)


def draw_lights(ax: Axes, layout: ForestLayout, typeface: Typeface, style: Style) -> None:
    """Judgements: a coloured circle each, with its sign."""
    x, y = fractions(layout)
    wide, tall = layout.right - layout.left, layout.bottom - layout.top
    for light in layout.lights:
        own = light.judgement
        circle = Ellipse((x(light.x), y(light.y)), light.diameter / wide, light.diameter / tall)
        circle.set(facecolor=own.fill, edgecolor=style.quiet, linewidth=0.5 * style.line_width, zorder=3.5)
        circle.set(transform=ax.transAxes, clip_on=False)
        circle.set_gid(f"risk of bias: {own.key}")
        ax.add_patch(circle)
        size = SIGN * light.diameter * (1.0 if len(own.sign) == 1 else 0.72)
        sign = SteadyText(own.sign, typeface, size, bold=True)
        sign.set(position=(x(light.x), y(light.y + 0.36 * size)), color=own.ink, horizontalalignment="center")
        sign.set(verticalalignment="baseline", transform=ax.transAxes, zorder=4.0)
        ax.add_artist(sign)
        sign.set_clip_on(False)


def draw_texts(ax: Axes, layout: ForestLayout, typeface: Typeface, style: Style) -> None:
    """Texts and rules, in fractions of the panel, so that they move with it."""
    x, y = fractions(layout)
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
