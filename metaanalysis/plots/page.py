"""The page that a plot is drawn on, and the style that goes with it."""

from __future__ import annotations

from dataclasses import replace

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import SubFigure

from metaanalysis.plots.shades import contrast, mixed
from metaanalysis.plots.style import DARK, DEFAULT, STYLES, Style

# Of the ink: how much a band takes on a page of the user's own colour.
BAND = 0.06


def style_for(asked: Style | str | None, usual: Style, ax: object) -> Style:
    """The style asked for; where none was, the usual one, or on a dark page the dark one.

    The page is that of the figure that the Axes belong to; without Axes, the one that matplotlib's settings give new figures.
    """
    if asked is not None:
        return STYLES[asked] if isinstance(asked, str) else asked
    page = page_of(ax)
    if page is None or contrast(DEFAULT.ink, page) >= contrast(DARK.ink, page):
        return usual
    return replace(DARK, page=page, band=mixed(page, DARK.ink, BAND))


def page_of(ax: object) -> str | None:
    """The page's colour; None where it is transparent."""
    if not isinstance(ax, Axes):
        colour = mpl.rcParams["figure.facecolor"]
    else:
        figure = ax.figure
        if isinstance(figure, SubFigure) and to_rgba(figure.get_facecolor())[3] == 0.0:
            figure = figure.figure
        colour = figure.get_facecolor()
    return to_hex(colour) if to_rgba(colour)[3] > 0.0 else None
