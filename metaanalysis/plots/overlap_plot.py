"""The heat map of reviews that rest on the same studies."""

from __future__ import annotations

import math
from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from metaanalysis.errors import OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.plots.chart_layout import MM
from metaanalysis.plots.chart_options import ChartOptions, Look, chart_options, checked_switch
from metaanalysis.plots.chart_spec import Area, ChartSpec, Curve, Entry, Scale
from metaanalysis.plots.draw_chart import drawn_chart, set_ticks
from metaanalysis.plots.draw_forest import box_in_points
from metaanalysis.plots.fonts import SteadyText, Typeface
from metaanalysis.plots.shades import mixed, readable_on
from metaanalysis.plots.style import Style
from metaanalysis.plots.words import per_cent_text
from metaanalysis.plots.wrapping import shortened
from metaanalysis.results.citation_matrix import OVERLAPS, CitationMatrix, overlap_in_words

# How much of the style's darkest fill each class of overlap takes, the page the rest.
SHADES = {"slight": 0.06, "moderate": 0.26, "high": 0.55, "very high": 1.0}
RANGES = {"slight": "up to 5 %", "moderate": "up to 10 %", "high": "up to 15 %", "very high": "above 15 %"}
LONGEST_NAME = 0.42
# Of a square's width, how much a number may take.
FILLED = 0.92
# Of the panel, the room for half a line at its edges.
HAIR = 0.003


def overlap(
    matrix: CitationMatrix, *, structural: bool | None = None, ax: Axes | None = None, **look: Unpack[Look]
) -> Axes:
    """Which reviews rest on the same studies? Draw the corrected covered area of every two of them as a heat map.

    Parameters
    ----------
    matrix
        From `citation_matrix`.
    structural
        Whether cells that a review could not have filled, as the study appeared after its search, are out of the denominators.
        By default where years are known.
    ax
        Axes to draw on; everything stays within the box that they have. By default a new figure.
    **look
        Title, labels, size, font, style: see `metaanalysis.plots.Look`.

    Returns
    -------
    matplotlib.axes.Axes
        The panel: below the diagonal the corrected covered area in per cent, on the diagonal how many studies a review has.
        Columns are numbered as the rows are.

    Raises
    ------
    OptionError
        Where an option can't be, or structural missingness is asked for without years.

    Notes
    -----
    Shades are the classes of Pieper et al. (2014). What has no room is left out: numbers in squares, and names of
    reviews where there are very many.

    References
    ----------
    Pieper D, Antoine SL, Mathes T, Neugebauer EAM, Eikermann M (2014). Systematic review finds overlapping reviews were not
    mentioned in every other overview. Journal of Clinical Epidemiology 67, 368-375.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> lists = {"Adams 2010": ["Ito 2001", "Jones 2007"], "Brown 2015": ["Ito 2001", "Jones 2007", "Kim 2012"]}
    >>> ax = ma.overlap(ma.citation_matrix(lists))
    """
    options = chart_options(overlap, look, ax)
    if not isinstance(matrix, CitationMatrix):
        raise OptionError(f"overlap draws the result of metaanalysis.citation_matrix, not {type(matrix).__name__}.")
    for name in ("xlim", "ylim"):
        if name in look:
            raise OptionError(f"{name} does not apply to overlap, whose axes are reviews.")
    known = bool(np.isfinite(matrix.study_years).any() and np.isfinite(matrix.search_years).any())
    if structural is None:
        structural = known
    elif checked_switch("structural", structural) and not known:
        raise OptionError("structural=True needs years: give study_years and search_years to citation_matrix.")
    if ax is not None and not isinstance(ax, Axes):
        raise OptionError(f"ax={ax!r} is not a matplotlib Axes.")
    typeface = Typeface(options.font)
    width = options.width_mm * MM if ax is None else box_in_points(ax)[0]
    names = tuple(
        shortened(f"{number}  {name}", LONGEST_NAME * width, lambda text: typeface.width(text, options.font_size))
        for number, name in enumerate(matrix.reviews, start=1)
    )
    panel = drawn_chart(overlap_spec(matrix, structural, names, options), options, ax)
    thin_out(panel, names, typeface, options)
    write_numbers(panel, matrix, structural, typeface, options)
    return panel


def thin_out(ax: Axes, names: tuple[str, ...], typeface: Typeface, options: ChartOptions) -> None:
    """Where reviews are many, name only as many of them as have room: every second, third and so on."""
    size, c = options.font_size, len(names)
    wide, tall = box_in_points(ax)
    needed = {"x": typeface.width(f"{c} ", size) * c / wide, "y": 1.05 * size * c / tall}
    for axis, texts in (("x", tuple(f"{number}" for number in range(1, c + 1))), ("y", names)):
        step = max(1, math.ceil(needed[axis]))
        ticks = tuple((float(place), text) for place, text in enumerate(texts, start=1))[::step]
        set_ticks(ax, axis, ticks, size, typeface, options.style)


def overlap_spec(matrix: CitationMatrix, structural: bool, names: tuple[str, ...], options: ChartOptions) -> ChartSpec:
    """Squares below the diagonal, and empty ones on it."""
    c = len(matrix.reviews)
    values = matrix.pairwise_structural if structural else matrix.pairwise
    shades = {word: shade_of(word, options.style) for _, word in OVERLAPS}
    areas, curves = [], []
    for i in range(c):
        for j in range(i + 1):
            x, y = square(i, j)
            word = overlap_in_words(float(values[i, j]))
            if i != j and word:
                areas.append(Area("overlap", x, y, shades[word]))
            curves.append(Curve("square", x, y, "quiet", weight=0.5))
    every = tuple(float(place) for place in range(1, c + 1))
    x_label = "Review (number)" if options.x_label is None else options.x_label
    y_label = "" if options.y_label is None else options.y_label
    # The panel ends a little beyond the last square, so that its edge is seen whole.
    end = c + 0.5 + HAIR * c
    across = Scale(0.5, end, x_label, numbers=every, text=lambda place: f"{place:.0f}")
    downwards = Scale(
        0.5 - HAIR * c, c + 0.5, y_label, down=True, numbers=every, text=lambda place: names[int(place) - 1]
    )
    edge = np.array([0.0, 1.0, 1.0, 0.0])
    legend = [
        Entry(f"{word.capitalize()} ({RANGES[word]})", Area("legend", edge, edge, shade))
        for word, shade in shades.items()
    ]
    return ChartSpec(
        x=across,
        y=downwards,
        areas=tuple(areas),
        curves=tuple(curves),
        legend=tuple(legend) if options.legend else (),
        notes=notes_of(matrix, structural) if options.notes else (),
        title=options.title,
        square=True,
    )


def square(i: int, j: int) -> tuple[FloatArray, FloatArray]:
    """The corners of a row's square in a column, closed."""
    around = np.array([-0.5, 0.5, 0.5, -0.5, -0.5])
    return j + 1.0 + around, i + 1.0 + np.array([-0.5, -0.5, 0.5, 0.5, -0.5])


def notes_of(matrix: CitationMatrix, structural: bool) -> tuple[str, ...]:
    """What the numbers are, and the overlap of all reviews together."""
    first = "Below the diagonal: corrected covered area of two reviews, %. On it: studies of a review."
    cca = matrix.cca_structural if structural else matrix.cca
    without = ", without cells whose study appeared after the search" if structural else ""
    if math.isnan(cca):
        return (first, f"All reviews{without}: no study could have been cited twice.")
    return first, f"All reviews{without}: {100 * cca:.1f} % ({overlap_in_words(cca)} overlap)."


def shade_of(word: str, style: Style) -> str:
    """The colour of a class of overlap: the page with more or less of the style's strongest fill."""
    return mixed(style.page, style.diamond, SHADES[word])


def write_numbers(
    ax: Axes, matrix: CitationMatrix, structural: bool, typeface: Typeface, options: ChartOptions
) -> None:
    """The numbers in the middle of their squares, as large as the widest of them allows."""
    c = len(matrix.reviews)
    values = matrix.pairwise_structural if structural else matrix.pairwise
    texts = {
        (i, j): f"{int(matrix.shared[i, i])}" if i == j else per_cent_text(float(values[i, j]))
        for i in range(c)
        for j in range(i + 1)
    }
    style = options.style
    room = FILLED * box_in_points(ax)[0] / c
    widest = max(typeface.width(text, 1.0, True) for text in texts.values())
    size = min(options.font_size, room / widest, room)
    if size < style.smallest_font:
        return
    for (i, j), written in texts.items():
        word = overlap_in_words(float(values[i, j]))
        text = SteadyText(written, typeface, size, i == j)
        text.set(
            position=(j + 1.0, i + 1.0),
            color=style.ink if i == j or not word else readable_on(shade_of(word, style), style),
            horizontalalignment="center",
            verticalalignment="center_baseline",
            zorder=4.0,
        )
        text.set_gid("number")
        ax.add_artist(text)
