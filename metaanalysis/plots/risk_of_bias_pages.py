"""The traffic-light plot of many studies, on several pages."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Unpack

from matplotlib.axes import Axes

from metaanalysis.effects.risk_of_bias_tables import Assessments, Domains
from metaanalysis.errors import OptionError
from metaanalysis.plots.chart_options import ChartOptions, Look
from metaanalysis.plots.draw_sheet import MM, drawn_sheet, sheet_options
from metaanalysis.plots.fonts import Typeface
from metaanalysis.plots.placed import TextWidths
from metaanalysis.plots.risk_of_bias_lights import lights
from metaanalysis.plots.risk_of_bias_parts import read_table

HEIGHT = 250.0


def rob_traffic_light_pages(
    frame: Any,
    tool: str = "RoB 2",
    *,
    study: str | None = None,
    domains: Domains | None = None,
    **look: Unpack[Look],
) -> list[Axes]:
    """How was each of many studies judged in each domain? Draw the traffic lights on as many pages as it takes.

    Parameters
    ----------
    frame, tool, study, domains
        As for `rob_traffic_light`.
    **look
        As for `rob_traffic_light`, but ``height_mm`` is the most that a page may have, in millimetres: 250 by default. A page is
        as high as its rows need.

    Returns
    -------
    list of matplotlib.axes.Axes
        Those of each page, a figure each. Columns, headings, legend and notes are the same on all of them.
        `metaanalysis.plots.save_pages` saves them.

    Raises
    ------
    DataError
        As for `rob_traffic_light`.
    OptionError
        Where an option can't be, or a page has no room for the headings, the notes and a study.

    Examples
    --------
    >>> from metaanalysis import plots
    >>> table = {"study": [f"Study {i}" for i in range(60)], "D1": ["low", "high", "low"] * 20}
    >>> len(plots.rob_traffic_light_pages(table, height_mm=150))
    4
    """
    options = sheet_options(rob_traffic_light_pages, look, None)
    table = read_table(frame, tool, study, domains)
    height = (HEIGHT if options.height_mm is None else options.height_mm) * MM
    free = replace(options, height_mm=None)
    parts = parts_of(table, free, options.width_mm * MM, height, Typeface(options.font))
    return [drawn_sheet(partial(lights, table, rows=rows, last=last), free, None) for rows, last in parts]


def parts_of(
    table: Assessments, options: ChartOptions, width: float, height: float, widths: TextWidths
) -> list[tuple[range, bool]]:
    """The rows of each page, as many as it has room for, and whether they are the last."""
    count = len(table.studies)

    def tall(start: int, end: int) -> float:
        return lights(table, options, width, widths, range(start, end), end == count).height

    found: list[tuple[range, bool]] = []
    start = 0
    while start < count:
        if tall(start, start + 1) > height:
            raise OptionError(
                f"a page of {height / MM:.0f} mm has no room for the headings, the notes and a study, which need "
                f"{tall(start, start + 1) / MM:.0f} mm: make pages taller (height_mm=) or leave out the notes (notes=False)."
            )
        low, high = start + 1, count
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if tall(start, middle) <= height else (low, middle - 1)
        found.append((range(start, low), low == count))
        start = low
    return found
