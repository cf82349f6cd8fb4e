"""The PRISMA 2020 flow diagram."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Unpack

from matplotlib.axes import Axes

from metaanalysis.errors import OptionError
from metaanalysis.plots.chart_options import ChartOptions, Look, chart_options
from metaanalysis.plots.placed import Placed, TextWidths
from metaanalysis.plots.rob_plots_drawing import Arrow, Box, Sheet, drawn_sheet
from metaanalysis.plots.words import with_thousands
from metaanalysis.plots.wrapping import NO_BREAK, wrap
from metaanalysis.reviews.prisma_counts import checked_counts


def prisma(counts: Mapping[str, Any], *, ax: Axes | None = None, **look: Unpack[Look]) -> Axes:
    """Where did the studies come from, and why were others left out? Draw the PRISMA 2020 flow diagram.

    Parameters
    ----------
    counts
        Numbers of records, reports and studies by box: ``databases``, ``screened``, ``excluded``, ``sought``,
        ``not_retrieved``, ``assessed``, ``reports_excluded`` and ``included`` (studies); where there are some, ``registers``,
        ``removed`` (records removed before screening) and ``included_reports``. ``removed`` and ``reports_excluded`` may be
        dicts of reasons and numbers.
    ax
        matplotlib Axes to draw on; by default a new figure, as high as the texts need.
    **look
        ``title``, ``width_mm``, ``height_mm``, ``font``, ``font_size`` (points), ``style``: see `metaanalysis.plots.Look`.

    Returns
    -------
    Axes
        Those given, or of the new figure; `metaanalysis.plots.save` writes them to a file.

    Raises
    ------
    DataError
        Numbers are not counts, or do not add up: the message names the boxes, and by how much.

    References
    ----------
    Page MJ, et al. (2021). The PRISMA 2020 statement: an updated guideline for reporting systematic reviews. BMJ 372, n71.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> ax = ma.prisma({
    ...     "databases": 120, "removed": {"Duplicates": 20}, "screened": 100, "excluded": 70, "sought": 30,
    ...     "not_retrieved": 2, "assessed": 28, "reports_excluded": {"Wrong outcome": 15}, "included": 13,
    ... })
    >>> any("Records screened" in text.get_text() for text in ax.texts)
    True
    """
    options = chart_options(prisma, look)
    return drawn_sheet(partial(arranged, boxes_of(counts), options), options, ax)


def count(title: str, n: int) -> str:
    """As in "Records screened (n = 100)"."""
    return f"{title} (n{NO_BREAK}={NO_BREAK}{with_thousands(n)})"


def boxes_of(counts: object) -> list[tuple[list[str], list[str]]]:
    """The rows of the diagram: paragraphs of the box on the left, and of that on the right."""
    n, reasons = checked_counts(counts)

    def left_out(title: str, key: str) -> list[str]:
        return [count(title, n[key]), *(count(reason, m) for reason, m in reasons.get(key, {}).items())]

    identified = [count("Records from databases", n["databases"])]
    if n["registers"]:
        identified.append(count("Records from registers", n["registers"]))
    last = [count("Studies included", n["included"]), count("Reports of included studies", n["included_reports"])]
    return [
        (identified, left_out("Records removed before screening", "removed")),
        ([count("Records screened", n["screened"])], [count("Records excluded", n["excluded"])]),
        ([count("Reports sought for retrieval", n["sought"])], [count("Reports not retrieved", n["not_retrieved"])]),
        ([count("Reports assessed for eligibility", n["assessed"])], left_out("Reports excluded", "reports_excluded")),
        (last, []),
    ]


def arranged(rows: list[tuple[list[str], list[str]]], options: ChartOptions, width: float, widths: TextWidths) -> Sheet:
    """Boxes as high as their texts, wrapped to their width."""
    size = options.font_size
    edge, pad, gap, step = 0.5 * size, 0.6 * size, 1.8 * size, 1.3 * size
    wide = 0.5 * (width - 2 * edge - gap)
    if wide - 2 * pad < 6 * size:
        raise OptionError(
            f"a flow diagram of {width:.0f} points is too narrow for font_size={size:g}: give width_mm more."
        )
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    texts: list[tuple[Placed, str]] = []
    y = edge

    def lines_of(paragraphs: list[str], limit: float) -> list[str]:
        return [line for text in paragraphs for line in wrap(text, limit, lambda part: widths.width(part, size))]

    if options.title:
        for line in wrap(options.title, width - 2 * edge, lambda part: widths.width(part, size, True)):
            texts.append((Placed(line, edge, y + size, "left", size, bold=True), ""))
            y += step
        y += pad
    previous = 0.0
    for number, sides in enumerate(rows):
        lines = [lines_of(paragraphs, wide - 2 * pad) for paragraphs in sides]
        high = 2 * pad + max(map(len, lines)) * step
        x = edge
        for side in lines:
            if side:
                boxes.append(Box(x, y, x + wide, y + high))
                first = y + 0.5 * (high - len(side) * step) + size
                texts += [(Placed(t, x + pad, first + i * step, "left", size), "") for i, t in enumerate(side)]
            x += wide + gap
        if number:
            arrows.append(Arrow(edge + 0.5 * wide, previous, edge + 0.5 * wide, y))
        if lines[1]:
            arrows.append(Arrow(edge + wide, y + 0.5 * high, edge + wide + gap, y + 0.5 * high))
        previous = y + high
        y = previous + gap
    return Sheet(width, previous + edge, tuple(boxes), tuple(arrows), tuple(texts))
