"""A forest plot of many studies on several pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes

from metaanalysis.errors import OptionError
from metaanalysis.plots.draw_forest import draw
from metaanalysis.plots.figure import SETTINGS, new_axes, save
from metaanalysis.plots.fonts import Typeface
from metaanalysis.plots.forest_layout import MM, Across, ForestLayout, down, fitting_plans
from metaanalysis.plots.forest_models import models_of, specified
from metaanalysis.plots.forest_options import ForestOptions, checked_number, refuse_unknown
from metaanalysis.plots.forest_spec import ForestSpec, Kind, Row
from metaanalysis.plots.page import style_for
from metaanalysis.plots.style import Style
from metaanalysis.results import Pooled, Subgroups
from metaanalysis.results.refits import Refits
from metaanalysis.results.umbrella_review import UmbrellaReview

# Rows that stay with the row before them.
FOLLOWERS: tuple[Kind, ...] = ("pooled", "overall", "sum", "prediction", "note")
CONTINUED = "(continued)"
ON_THE_NEXT_PAGE = "Continued on the next page"


def forest_pages(
    result: Pooled | Subgroups | Refits | UmbrellaReview,
    *,
    height_mm: float = 250.0,
    also: Any = None,
    **options: Any,
) -> list[Axes]:
    """Draw a forest plot of hundreds of studies on as many pages as it takes.

    Parameters
    ----------
    result
        From `pool`, `subgroups`, `leave_one_out`, `cumulative` or (one measure) `umbrella`, as for `forest`.
    height_mm
        The height of a page in millimetres, 250 by default; the last page is as tall as its rows need.
    also
        Further models of the same studies, as for `forest`.
    **options
        Those of `forest`, but for ``ax``.

    Returns
    -------
    list of matplotlib.axes.Axes
        The panel of each page, a figure each. Columns, headings, axis and limits are the same on all of them; a subgroup that goes
        on is named again; the pooled estimate and the notes stand on the last. `metaanalysis.plots.save_pages` saves them.

    Raises
    ------
    OptionError
        Where an option can't be, or a page has no room for the headings and a few rows.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis import plots
    >>> fit = ma.pool(ma.effect_sizes(ma.load_dataset("molloy2014"), "ZCOR"))
    >>> len(plots.forest_pages(fit, height_mm=60))
    3
    """
    if "ax" in options:
        raise OptionError("ax does not apply to forest_pages, which makes a figure a page.")
    refuse_unknown(options, "forest_pages")
    chosen = ForestOptions(**options)
    height = checked_number("height_mm", height_mm, "a number above 0") * MM
    if height <= 0:
        raise OptionError(f"height_mm={height_mm!r} is not a size: it is a number above 0.")
    if not isinstance(result, Pooled | Subgroups | Refits | UmbrellaReview | Mapping | Sequence) or isinstance(
        result, str
    ):
        raise OptionError(f"forest_pages draws what forest draws, not {type(result).__name__}.")
    spec, own = specified(result, models_of(also), chosen)
    style = style_for(chosen.page_style, own or chosen.look.style, None)
    typeface = Typeface(chosen.font)
    found = pages(spec, typeface, chosen.width_mm * MM, height, chosen.font_size, style)
    typeface.warn_of_missing()
    drawn = []
    for page, layout in found:
        ax = new_axes(layout.width, layout.height, style.page)
        draw(ax, layout, page, typeface, style)
        drawn.append(ax)
    return drawn


def pages(
    spec: ForestSpec, typeface: Typeface, width: float, height: float, size: float, style: Style
) -> list[tuple[ForestSpec, ForestLayout]]:
    """Each page's rows and layout; the columns are as wide as all rows together need."""
    spec, plan, across = next(fitting_plans(spec, typeface, width, size, style, free_height=True))

    def laid_out(start: int, end: int) -> tuple[ForestSpec, ForestLayout]:
        page, own = part(spec, across, start, end)
        return page, down(page, plan, own, typeface, width, style)

    found: list[tuple[ForestSpec, ForestLayout]] = []
    ends = [*breaks(spec.rows), len(spec.rows)]
    start = 0
    while start < len(spec.rows):
        possible = [end for end in ends if end > start]
        # The last of the possible ends whose page is not too tall; heights grow with the rows but for the notes at the very end.
        low, high = -1, len(possible) - 1
        if laid_out(start, possible[-1])[1].height > height:
            high -= 1
            while low < high:
                middle = (low + high + 1) // 2
                fits = laid_out(start, possible[middle])[1].height <= height
                low, high = (middle, high) if fits else (low, middle - 1)
        if high < 0:
            least = laid_out(start, possible[0])[1].height
            raise OptionError(
                f"a page of {height / MM:.0f} mm has no room for the headings and the next rows, which need "
                f"{least / MM:.0f} mm: make pages taller (height_mm=) or leave out the notes (notes=False)."
            )
        found.append(laid_out(start, possible[high]))
        start = possible[high]
    return found


def breaks(rows: Sequence[Row]) -> Iterator[int]:
    """Where a page may end: not after a group's title, not before what follows from the rows above it."""
    for i in range(1, len(rows)):
        if rows[i - 1].kind != "group" and rows[i].kind not in FOLLOWERS:
            yield i


def part(spec: ForestSpec, across: Across, start: int, end: int) -> tuple[ForestSpec, Across]:
    """The rows of a page, with the title of a group that goes on."""
    rows, lines = spec.rows[start:end], across.lines[start:end]
    first, last = start == 0, end == len(spec.rows)
    title = spec.title
    if not first:
        title = f"{spec.title} {CONTINUED}" if spec.title else "Continued"
    if not first and rows[0].kind != "group":
        group = next((row for row in reversed(spec.rows[:start]) if row.kind == "group"), None)
        if group is not None and rows[0].kind == "study":
            rows = (replace(group, text=f"{group.text} {CONTINUED}"), *rows)
            lines = ({}, *lines)
    notes = spec.notes if last else (ON_THE_NEXT_PAGE,)
    page = replace(spec, rows=rows, notes=notes, title=title, unfinished=not last)
    return page, replace(across, lines=lines)


def save_pages(pages: Sequence[Axes], path: str | PathLike[str], *, dpi: float = 300) -> list[Path]:
    """Save the pages of a plot: one PDF file of several pages, or a numbered file a page in another format.

    Parameters
    ----------
    pages
        From `forest_pages` or `rob_traffic_light_pages`.
    path
        Where to. ``forest.pdf`` holds all pages; ``forest.svg`` becomes ``forest-1.svg``, ``forest-2.svg`` and so on.
    dpi
        Dots per inch of PNG and other pictures of dots.

    Returns
    -------
    list of Path
        The files.

    Examples
    --------
    >>> import tempfile, metaanalysis as ma
    >>> from metaanalysis import plots
    >>> fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = plots.save_pages(plots.forest_pages(fit, height_mm=70), f"{folder}/forest.pdf")
    ...     [file.name for file in files]
    ['forest.pdf']
    """
    path = Path(path)
    if not pages:
        raise OptionError("there are no pages to save.")
    if path.suffix.lower() != ".pdf":
        digits = len(str(len(pages)))
        names = [path.with_name(f"{path.stem}-{i:0{digits}d}{path.suffix}") for i in range(1, len(pages) + 1)]
        return [save(ax, name, dpi=dpi) for ax, name in zip(pages, names, strict=True)]
    from matplotlib.backends.backend_pdf import PdfPages

    with mpl.rc_context(SETTINGS), PdfPages(path, metadata={"CreationDate": None}) as file:
        for ax in pages:
            file.savefig(ax.figure, dpi=dpi, facecolor="auto")
    return [path]
