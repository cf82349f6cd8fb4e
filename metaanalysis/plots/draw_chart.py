"""A laid-out chart, drawn on given Axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import SubFigure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from matplotlib.transforms import Bbox

from metaanalysis.errors import OptionError
from metaanalysis.plots.axis import Tick
from metaanalysis.plots.chart_foot import TICK_LENGTH, TICK_PAD, PlacedEntry
from metaanalysis.plots.chart_layout import MM, STRIP, STRIP_GAP, ChartLayout, arrange_chart, diameters
from metaanalysis.plots.chart_options import ChartOptions
from metaanalysis.plots.chart_spec import Area, ChartSpec, Curve, Dots, Margin, Scale
from metaanalysis.plots.draw_forest import box_in_points
from metaanalysis.plots.figure import new_axes
from metaanalysis.plots.fonts import SteadyText, Typeface
from metaanalysis.plots.shades import mixed
from metaanalysis.plots.style import Style

DASHES: dict[str, Any] = {
    "solid": "-",
    "dashed": (0, (4, 2.2)),
    "dotted": (0, (1.2, 2.0)),
    "dash-dot": (0, (5, 1.8, 1.2, 1.8)),
}
EDGE = 0.5


def drawn_chart(spec: ChartSpec, options: ChartOptions, ax: Axes | None) -> Axes:
    """A chart on the Axes given, or on those of a new figure."""
    if ax is not None and not isinstance(ax, Axes):
        raise OptionError(f"ax={ax!r} is not a matplotlib Axes.")
    typeface = Typeface(options.font)
    tall = None if options.height_mm is None else options.height_mm * MM
    width, height = (options.width_mm * MM, tall) if ax is None else box_in_points(ax)
    layout = arrange_chart(spec, typeface, width, height, options.font_size, options.style)
    typeface.warn_of_missing()
    target = new_axes(layout.width, layout.height, options.style.page) if ax is None else ax
    draw_chart(target, spec, layout, typeface, options.style)
    return target


def tone(name: str, style: Style) -> str:
    """A colour by its name in the style, or as it is; "quiet@0.2" is the page with a fifth of it."""
    colour, _, share = name.partition("@")
    found = str(getattr(style, colour, colour))
    return mixed(style.page, found, float(share)) if share else found


def draw_chart(ax: Axes, spec: ChartSpec, layout: ChartLayout, typeface: Typeface, style: Style) -> None:
    """Make the Axes the panel, within the box that they had, and put everything in and round it."""
    parent = ax.figure.transSubfigure if isinstance(ax.figure, SubFigure) else ax.figure.transFigure
    box, point = ax.get_window_extent(), ax.figure.dpi / 72.0
    corners = [
        (box.x0 + layout.left * point, box.y1 - layout.bottom * point),
        (box.x0 + layout.right * point, box.y1 - layout.top * point),
    ]
    ax.set_position(Bbox(parent.inverted().transform(corners)))
    draw_axes(ax, spec, layout, typeface, style)
    for number, area in enumerate(spec.areas):
        draw_area(ax, area, style, 0.5 + 0.001 * number)
    for curve in spec.curves:
        draw_curve(ax, curve, style)
    for number, dots in enumerate(spec.dots):
        draw_dots(ax, dots, layout.size, style, 3.0 + 0.001 * number)
    for margins, upward in ((spec.over, True), (spec.beside, False)):
        for margin in margins:
            draw_margin(ax, margin, spec.x if upward else spec.y, layout, style, upward)
    draw_texts(ax, layout, typeface, style)
    for entry in layout.entries:
        draw_sample(ax, entry, layout, style)


def draw_axes(ax: Axes, spec: ChartSpec, layout: ChartLayout, typeface: Typeface, style: Style) -> None:
    """Axes at the bottom and on the left, and on the right where there is one."""
    ax.set_xscale("linear")
    ax.set_yscale("linear")
    ax.set_aspect("auto")
    ax.set_xlim(spec.x.low, spec.x.high)
    ax.set_ylim(*((spec.y.high, spec.y.low) if spec.y.down else (spec.y.low, spec.y.high)))
    ax.set_facecolor("none")
    ax.grid(visible=False)
    shown = ("left", "bottom", "right") if spec.right else ("left", "bottom")
    for side, spine in ax.spines.items():
        spine.set_visible(side in shown)
        spine.set_color(style.ink)
        spine.set_linewidth(0.8 * style.line_width)
    ax.set(xlabel="", ylabel="", title="")
    set_ticks(ax, "x", layout.x_ticks, layout.size, typeface, style)
    set_ticks(ax, "y", layout.y_ticks, layout.size, typeface, style)
    if spec.right is not None:
        scale = spec.right
        low, high = ax.get_ylim()
        place = {float(at): (at - scale.low) / (scale.high - scale.low) for at, _ in layout.right_ticks}
        other = ax.secondary_yaxis("right")
        ticks = tuple((low + place[float(at)] * (high - low), text) for at, text in layout.right_ticks)
        set_ticks(other, "y", ticks, layout.size, typeface, style, side="right")
        other.spines["right"].set_visible(False)


def set_ticks(
    ax: Any, axis: str, ticks: tuple[Tick, ...], size: float, typeface: Typeface, style: Style, side: str = "left"
) -> None:
    """The numbers of an axis."""
    own = ax.xaxis if axis == "x" else ax.yaxis
    own.set_minor_locator(NullLocator())
    own.set_major_locator(FixedLocator([at for at, _ in ticks]))
    own.set_major_formatter(FixedFormatter([text for _, text in ticks]))
    sides = {"x": ("bottom", "top"), "y": (side, "left" if side == "right" else "right")}[axis]
    ax.tick_params(
        axis=axis,
        length=TICK_LENGTH,
        pad=TICK_PAD,
        width=0.8 * style.line_width,
        color=style.ink,
        labelcolor=style.ink,
        labelsize=size,
        labelrotation=0,
        direction="out",
        **{sides[0]: True, f"label{sides[0]}": True, sides[1]: False, f"label{sides[1]}": False},
    )
    for label in own.get_ticklabels():
        label.set_fontfamily(typeface.families(label.get_text())[0])
        label.set_fontweight("normal")


def draw_area(ax: Axes, area: Area, style: Style, order: float, transform: Any = None) -> None:
    """A filled polygon, without an edge."""
    corners = np.stack([area.x, area.y], axis=-1)
    own = {} if transform is None else {"transform": transform, "clip_on": False}
    polygon = PolyCollection(
        [corners],
        facecolors=tone(area.tone, style),
        linewidths=0,
        alpha=area.alpha,
        zorder=order,
        gid=area.key,
        **own,
    )
    ax.add_collection(polygon, autolim=False)


def draw_margin(ax: Axes, margin: Margin, scale: Scale, layout: ChartLayout, style: Style, upward: bool) -> None:
    """A density over the panel, or on its right."""
    length = layout.bottom - layout.top if upward else layout.right - layout.left
    along = (margin.at - scale.low) / (scale.high - scale.low)
    shown = (along >= 0) & (along <= 1)
    along = along[shown]
    high = 1.0 + layout.size * (STRIP_GAP + STRIP * margin.height[shown]) / length
    if not along.size:
        return
    base = np.full(2, 1.0 + layout.size * STRIP_GAP / length)
    ends = along[[-1, 0]]
    x, y = (along, high) if upward else (high, along)
    low_x, low_y = (ends, base) if upward else (base, ends)
    fill = Area(margin.key, np.append(x, low_x), np.append(y, low_y), margin.tone, alpha=0.3)
    draw_area(ax, fill, style, 0.5, ax.transAxes)
    draw_curve(ax, Curve(margin.key, x, y, margin.tone), style, ax.transAxes)


def draw_curve(ax: Axes, curve: Curve, style: Style, transform: Any = None) -> None:
    """A line, cut off at the edges of the panel."""
    own = {} if transform is None else {"transform": transform, "clip_on": False}
    line = LineCollection(
        [np.stack([curve.x, curve.y], axis=-1)],
        colors=tone(curve.tone, style),
        linewidths=curve.weight * style.line_width,
        linestyles=[DASHES[curve.dash]],
        alpha=curve.alpha,
        capstyle="butt",
        zorder=2.0,
        gid=curve.key,
        **own,
    )
    ax.add_collection(line, autolim=False)


def draw_dots(ax: Axes, dots: Dots, size: float, style: Style, order: float, transform: Any = None) -> None:
    """Points, the smaller over the larger."""
    across = diameters(dots, size)
    x, y = np.asarray(dots.x), np.asarray(dots.y)
    if dots.shares is not None:
        falling = np.argsort(-across, kind="stable")
        x, y, across = x[falling], y[falling], across[falling]
    own: dict[str, Any] = {} if transform is None else {"transform": transform}
    points = ax.scatter(
        x,
        y,
        s=across**2,
        marker=dots.shape,
        facecolors=style.page if dots.fill is None else tone(dots.fill, style),
        edgecolors=tone(dots.edge, style) if dots.edge else "none",
        linewidths=(1.0 if dots.fill is None else EDGE) * (style.line_width if dots.edge else 0.0),
        alpha=dots.alpha,
        zorder=order,
        clip_on=transform is None and dots.raster,
        rasterized=dots.raster,
        **own,
    )
    points.set_gid(dots.key)


def draw_texts(ax: Axes, layout: ChartLayout, typeface: Typeface, style: Style) -> None:
    """Texts in fractions of the panel, so that they move with it."""
    for rotation, some in ((0, layout.texts), (90, layout.upright)):
        for placed in some:
            text = SteadyText(placed.text, typeface, placed.size, placed.bold)
            text.set(
                position=fraction(layout, placed.x, placed.y),
                color=style.quiet if placed.quiet else style.ink,
                rotation=rotation,
                rotation_mode="anchor",
                horizontalalignment=placed.align,
                verticalalignment="baseline",
                transform=ax.transAxes,
                zorder=4.0,
            )
            ax.add_artist(text)
            text.set_clip_on(False)


def fraction(layout: ChartLayout, x: float, y: float) -> tuple[float, float]:
    """A place of the picture in fractions of the panel."""
    return (x - layout.left) / (layout.right - layout.left), (layout.bottom - y) / (layout.bottom - layout.top)


def draw_sample(ax: Axes, placed: PlacedEntry, layout: ChartLayout, style: Style) -> None:
    """What an entry of the legend explains, in small."""
    sample = placed.entry.sample
    ends = [placed.x, placed.x + placed.width]
    if isinstance(sample, Dots):
        x, y = fraction(layout, 0.5 * sum(ends), placed.y)
        largest = min(sample.largest, 0.8) if sample.shares is not None or not sample.raster else 0.5
        one = Dots("legend", np.array([x]), np.array([y]), sample.fill, sample.edge, sample.shape, None, largest)
        draw_dots(ax, one, layout.size, style, 3.0, ax.transAxes)
        return
    if isinstance(sample, Curve):
        (x0, y), (x1, _) = (fraction(layout, x, placed.y) for x in ends)
        line = Curve("legend", np.array([x0, x1]), np.array([y, y]), sample.tone, sample.dash, sample.weight)
        draw_curve(ax, line, style, ax.transAxes)
        return
    half = 0.45 * layout.size
    corners = [
        (ends[0], placed.y - half),
        (ends[1], placed.y - half),
        (ends[1], placed.y + half),
        (ends[0], placed.y + half),
    ]
    box = np.array([fraction(layout, x, y) for x, y in corners])
    draw_area(ax, Area("legend", box[:, 0], box[:, 1], sample.tone), style, 0.5, ax.transAxes)
    edge = Curve("legend", np.append(box[:, 0], box[0, 0]), np.append(box[:, 1], box[0, 1]), "quiet", weight=0.4)
    draw_curve(ax, edge, style, ax.transAxes)
