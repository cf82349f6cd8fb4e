"""The summary plot of the risk of bias: how often each judgement occurs in each domain."""

from __future__ import annotations

from functools import partial
from typing import Any, Unpack

from matplotlib.axes import Axes

from metaanalysis.effects.risk_of_bias_tables import Assessments, Domains
from metaanalysis.errors import OptionError
from metaanalysis.plots.chart_options import ChartOptions, Look
from metaanalysis.plots.draw_sheet import MM, drawn_sheet, sheet_options
from metaanalysis.plots.placed import TextWidths
from metaanalysis.plots.risk_of_bias_parts import (
    EDGE,
    Weights,
    best_first,
    footnotes,
    legend,
    read_table,
    sign_of,
    stars_note,
    titled,
)
from metaanalysis.plots.sheet import LINE, MIDDLE, Box, Path, Sheet, Words, first_baseline
from metaanalysis.plots.words import per_cent_text
from metaanalysis.plots.wrapping import wrap

# In multiples of the font size: a bar with the room round it, and the least length of the bars.
ROW, BAR, LEAST = 2.4, 1.7, 8.0
NAMES_AT_MOST = 0.45
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def rob_summary(
    frame: Any,
    tool: str = "RoB 2",
    *,
    weights: Weights | None = None,
    study: str | None = None,
    domains: Domains | None = None,
    ax: Axes | None = None,
    **look: Unpack[Look],
) -> Axes:
    """How much of the evidence is at which risk of bias? Draw a bar of the judgements for each domain, in per cent.

    Parameters
    ----------
    frame, tool, study, domains
        As for `rob_traffic_light`.
    weights
        By default each study counts the same. A result of `pool` brings the weights of its studies, which the table must have
        under the same names; or a column of the table, or a number a study, on any scale.
    ax
        Axes to draw on; everything stays within the box that they have. By default a new figure, as high as its rows need.
    **look
        Title, legend, notes, size, font, style: see `metaanalysis.plots.Look`.

    Returns
    -------
    matplotlib.axes.Axes
        Those given, or of the new figure.

    Raises
    ------
    DataError
        Where a judgement is missing or none of the tool's, where a weight is not a number of 0 or above, or where the fit and
        the table have different studies.
    OptionError
        Where an option can't be, or the bars have no room.

    Notes
    -----
    A part of a bar that is narrower than its sign has none: parts follow each other from the best judgement to the worst, and
    their shades differ in grey.

    References
    ----------
    Higgins JPT, et al. (2011). The Cochrane Collaboration's tool for assessing risk of bias in randomised trials. BMJ 343,
    d5928. For the other tools see `rob_traffic_light`.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> table = {"study": ["Aronson 1948", "Hart 1977"], "D1": ["low", "high"], "Overall": ["low", "high"]}
    >>> fit = ma.pool([-0.9, -1.3], [0.3, 0.1], label=table["study"])
    >>> ax = ma.rob_summary(table, "RoB 2", weights=fit)
    """
    options = sheet_options(rob_summary, look, ax)
    table = read_table(frame, tool, study, domains, weights)
    return drawn_sheet(partial(bars, table), options, ax)


def bars(table: Assessments, options: ChartOptions, width: float, widths: TextWidths) -> Sheet:
    """A bar of the shares of the judgements for each domain, over an axis of per cent."""
    size, edge = options.font_size, EDGE * options.font_size
    bold = [table.overall and j == len(table.domains) - 1 for j in range(len(table.domains))]
    names = [
        wrap(domain, NAMES_AT_MOST * width, lambda t, own=own: widths.width(t, size, own))  # type: ignore[misc]
        for domain, own in zip(table.domains, bold, strict=True)
    ]
    wide = max(widths.width(t, size, own) for lines, own in zip(names, bold, strict=True) for t in lines)
    left = edge + 0.8 * size + max(wide, 0.5 * widths.width("0%", size))
    right = width - edge - 0.5 * widths.width("100%", size)
    if right - left < LEAST * size:
        raise OptionError(
            f"{width / MM:.0f} mm have no room for bars beside their names: give more width (width_mm=), or a smaller font_size."
        )
    top = titled(options, width, widths)
    y = top.height
    texts, boxes = list(top.texts), []
    for lines, own, shares in zip(names, bold, table.shares, strict=True):
        high = max(ROW * size, LINE * size * len(lines) + 0.5 * size)
        first = first_baseline(y, high, len(lines), size)
        texts += [
            Words(t, left - 0.8 * size, first + LINE * size * i, size, "right", bold=own) for i, t in enumerate(lines)
        ]
        x, middle = left, y + 0.5 * high
        for key in best_first(list(shares)):
            end = x + shares[key] * (right - left)
            sign = sign_of(key, options.style)
            boxes.append(Box(x, middle - 0.5 * BAR * size, end, middle + 0.5 * BAR * size, sign.fill, "ink", key=key))
            for said in (f"{sign.sign} {per_cent_text(shares[key])}%", sign.sign):
                if widths.width(said, size) + 0.5 * size < end - x:
                    at = middle + MIDDLE * size
                    texts.append(Words(said, 0.5 * (x + end), at, size, "center", sign.ink, key="share"))
                    break
            x = end
        y += high
    y += 0.2 * size
    paths = [Path(((left, y), (right, y)))]
    for share in TICKS:
        place = left + share * (right - left)
        paths.append(Path(((place, y), (place, y + 0.3 * size))))
        if share in (0.0, 0.5, 1.0) or widths.width("100%", size) < 0.2 * (right - left):
            texts.append(Words(f"{100 * share:.0f}%", place, y + 1.35 * size, size, "center"))
    y += 1.7 * size
    said = "Share of the studies’ weights" if table.weighted else "Share of the studies"
    where = 0.5 * (left + right)
    half = 0.5 * widths.width(said, size)
    texts.append(Words(said, min(where, width - edge - half), y + size, size, "center"))
    y += 1.5 * size
    sheet = Sheet(width, y, tuple(boxes), tuple(paths), tuple(texts))
    notes = [f"{note} The stronger a bar’s shade, the more of them." for note in stars_note(table)]
    return sheet.with_foot(legend(table, options, width, widths)).with_foot(footnotes(notes, options, width, widths))
