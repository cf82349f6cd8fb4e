"""A laid-out influence panel, drawn on given Axes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import NullLocator

from metaanalysis.plots.draw_chart import DASHES, set_ticks
from metaanalysis.plots.fonts import SteadyText, Typeface
from metaanalysis.plots.influence_rows import InfluenceLayout, PlacedPanel
from metaanalysis.plots.style import Style

DOT, SQUARE = 0.5, 0.55


def draw_influence(ax: Axes, layout: InfluenceLayout, typeface: Typeface, style: Style) -> None:
    """Panels as children of the Axes, which themselves show nothing but the texts."""
    ax.set_axis_off()
    wide, tall = layout.width, layout.height
    for placed in layout.panels:
        box = (
            placed.left / wide,
            (tall - layout.bottom) / tall,
            (placed.right - placed.left) / wide,
            (layout.bottom - layout.top) / tall,
        )
        draw_panel(ax.inset_axes(box), placed, layout, typeface, style)
    for rule in layout.rules:
        line = LineCollection(
            [[(rule.x0 / wide, 1.0 - rule.y / tall), (rule.x1 / wide, 1.0 - rule.y / tall)]],
            colors=style.ink,
            linewidths=rule.weight * style.line_width,
            transform=ax.transAxes,
            clip_on=False,
        )
        ax.add_collection(line, autolim=False)
    for text in layout.texts:
        artist = SteadyText(text.text, typeface, text.size, text.bold)
        artist.set(
            position=(text.x / wide, 1.0 - text.y / tall),
            color=style.quiet if text.quiet else style.ink,
            horizontalalignment=text.align,
            verticalalignment="baseline",
            transform=ax.transAxes,
        )
        ax.add_artist(artist)
        artist.set_clip_on(False)


def draw_panel(ax: Axes, placed: PlacedPanel, layout: InfluenceLayout, typeface: Typeface, style: Style) -> None:
    """One measure: a dot a study joined to where it would be if nothing hung on it."""
    panel = placed.panel
    ax.set_xlim(panel.scale.low, panel.scale.high)
    ax.set_ylim(layout.bottom, layout.top)
    ax.set_facecolor("none")
    ax.grid(visible=False)
    for side, spine in ax.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(style.ink)
        spine.set_linewidth(0.8 * style.line_width)
    ax.yaxis.set_major_locator(NullLocator())
    ax.yaxis.set_minor_locator(NullLocator())
    set_ticks(ax, "x", placed.ticks, layout.size, typeface, style)
    for reference in panel.references:
        line = [[(reference.at, layout.top), (reference.at, layout.bottom)]]
        dash = DASHES[reference.dash]
        ax.add_collection(
            LineCollection(
                line, colors=style.quiet, linewidths=0.8 * style.line_width, linestyles=[dash], gid="reference"
            ),
            autolim=False,
        )
    home = next((line.at for line in panel.references if line.dash == "dotted"), 0.0)
    home = min(max(home, panel.scale.low), panel.scale.high)
    there = np.isfinite(panel.values)
    stems = [[(home, y), (x, y)] for x, y in zip(panel.values[there], layout.rows[there], strict=True)]
    ax.add_collection(
        LineCollection(stems, colors=style.square, linewidths=1.2 * style.line_width, gid="stems", zorder=1.5),
        autolim=False,
    )
    for key, rows, shape, tone, share in (
        ("studies", there & ~layout.flagged, "o", style.diamond, DOT),
        ("influential", there & layout.flagged, "s", "#a8481a", SQUARE),
    ):
        dots = ax.scatter(
            panel.values[rows],
            layout.rows[rows],
            s=(share * layout.size) ** 2,
            marker=shape,
            facecolors=tone,
            edgecolors=style.page,
            linewidths=0.4,
            clip_on=False,
            zorder=3.0,
        )
        dots.set_gid(key)
