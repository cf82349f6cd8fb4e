"""The traffic-light plot: each study's judgements of the risk of bias."""

from __future__ import annotations

from dataclasses import replace
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
    LIGHT,
    footnotes,
    legend,
    read_table,
    sign_of,
    stars_note,
    titled,
)
from metaanalysis.plots.sheet import LINE, MIDDLE, Box, Path, Sheet, Words, first_baseline
from metaanalysis.plots.wrapping import wrap

# In multiples of the font size: a row, the least and the most width of a column of lights, the least for the names.
ROW, LEAST, MOST, NAMES = 2.2, 2.1, 3.6, 5.0
HEAD = "Study"
GIVEN, NOT_GIVEN = "★", "☆"
CONTINUED, CONTINUED_ALONE = "(continued)", "Continued"
ON_THE_NEXT_PAGE = "Continued on the next page"


def rob_traffic_light(
    frame: Any,
    tool: str = "RoB 2",
    *,
    study: str | None = None,
    domains: Domains | None = None,
    ax: Axes | None = None,
    **look: Unpack[Look],
) -> Axes:
    """How was each study judged in each domain? Draw a sign for each, in a colour that stays apart in grey.

    Parameters
    ----------
    frame
        A table (pandas, Polars, Arrow, or a dict of columns), one row a study. Columns are the tool's domains by their short
        names (``D1``, ``D2``, …) or by what they are called ("Bias due to missing outcome data", "Missing outcome data"),
        ``Overall``, and any others that hold nothing but judgements. Judgements are words ("low", "some concerns", "High risk"),
        their first letters or their signs (+ ! − ? ~ × NI). Newcastle-Ottawa has numbers of stars in ``Selection``,
        ``Comparability`` and ``Outcome`` (cohorts) or ``Exposure`` (case-control studies).
    tool
        ``"RoB 2"`` (default), ``"ROBINS-I"``, ``"Cochrane 2011"`` or ``"Newcastle-Ottawa"``.
    study
        The column of the studies' names; by default study, label or author.
    domains
        Which columns to draw, in this order, or a mapping of columns to what they are to be called.
    ax
        Axes to draw on; everything stays within the box that they have. By default a new figure, as high as its rows need.
    **look
        Title, legend, notes, size, font, style: see `metaanalysis.plots.Look`.

    Returns
    -------
    matplotlib.axes.Axes
        Those given, or of the new figure. `metaanalysis.plots.save` writes them to a file.

    Raises
    ------
    DataError
        Where a judgement is missing or none of the tool's: the message names study, column, value and choices.
    OptionError
        Where an option can't be, or the columns have no room.

    Notes
    -----
    Official names of the domains stand below. Many studies make a high figure: `metaanalysis.plots.rob_traffic_light_pages` draws
    them on several pages.

    References
    ----------
    RoB 2: Sterne JAC, et al. (2019), BMJ 366, l4898. ROBINS-I: Sterne JAC, et al. (2016), BMJ 355, i4919. Cochrane 2011:
    Higgins JPT, et al. (2011), BMJ 343, d5928. Newcastle-Ottawa: Wells GA, et al., The Newcastle-Ottawa Scale for assessing the
    quality of nonrandomised studies in meta-analyses.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> table = {"study": ["Aronson 1948", "Hart 1977"], "D1": ["low", "high"], "D2": ["+", "!"], "Overall": ["low", "high"]}
    >>> ax = ma.rob_traffic_light(table, "RoB 2")
    >>> any(text.get_text() == "D1: Bias arising from the randomization process" for text in ax.texts)
    True
    """
    options = sheet_options(rob_traffic_light, look, ax)
    table = read_table(frame, tool, study, domains)
    return drawn_sheet(partial(lights, table), options, ax)


def column_widths(
    table: Assessments, options: ChartOptions, width: float, widths: TextWidths
) -> tuple[float, list[float]]:
    """The room for the names, and the widths of the columns; OptionError where there is none."""
    size = options.font_size
    heads = [widths.width(head, size, True) + 0.6 * size for head in table.heads]
    if table.tool.judgements:
        least = [max(LEAST * size, head) for head in heads]
        most = [max(MOST * size, head) for head in heads]
    else:
        least = [max(widths.width(star_text(key), size) for key in column) + 0.9 * size
                 for column in zip(*table.cells, strict=True)]  # fmt: skip
        least = [max(own, head) for own, head in zip(least, heads, strict=True)]
        most = [own + 1.5 * size for own in least]
    names = max(widths.width(HEAD, size, True), *(widths.width(name, size) for name in table.studies)) + size
    room = width - 2 * EDGE * size
    if room - sum(least) < NAMES * size:
        raise OptionError(
            f"{len(heads)} columns do not fit into {width / MM:.0f} mm beside the studies' names: give more width (width_mm=), "
            f"or a smaller font_size."
        )
    left = min(names, room - sum(least))
    spare = min(1.0, (room - left - sum(least)) / (sum(most) - sum(least))) if sum(most) > sum(least) else 0.0
    return left, [a + spare * (b - a) for a, b in zip(least, most, strict=True)]


def star_text(key: str) -> str:
    """As in "★★★☆"; the sum as "7/9"."""
    got, most = map(int, key.split("/"))
    return key if most > 4 else GIVEN * got + NOT_GIVEN * (most - got)


def lights(
    table: Assessments,
    options: ChartOptions,
    width: float,
    widths: TextWidths,
    rows: range | None = None,
    last: bool = True,
) -> Sheet:
    """Names on the left, a sign for each domain on the right, short names above and full names below.

    rows: those of the studies to draw, by default all; last: whether they end the table. Columns are as wide as all studies
    need, and the legend names all judgements, so that the pages of a table are alike.
    """
    rows = range(len(table.studies)) if rows is None else rows
    size, edge = options.font_size, EDGE * options.font_size
    names_wide, columns = column_widths(table, options, width, widths)
    start = edge + names_wide
    ends = [start + sum(columns[: j + 1]) for j in range(len(columns))]
    middles = [end - 0.5 * own for end, own in zip(ends, columns, strict=True)]
    top = titled(options if rows.start == 0 else replace(options, title=continued(options.title)), width, widths)
    y = top.height
    texts = [Words(HEAD, edge, y + size, size, bold=True)]
    texts += [Words(head, x, y + size, size, "center", bold=True) for head, x in zip(table.heads, middles, strict=True)]
    y += 1.6 * size
    paths = [Path(((edge, y), (ends[-1], y)), weight=0.9)]
    boxes: list[Box] = []
    for number in rows:
        row = table.cells[number]
        lines = wrap(table.studies[number], names_wide - size, lambda t: widths.width(t, size))
        high = max(ROW * size, LINE * size * len(lines) + 0.6 * size)
        if number != rows.start:
            paths.append(Path(((edge, y), (ends[-1], y)), tone="quiet", weight=0.3))
        first = first_baseline(y, high, len(lines), size)
        texts += [Words(t, edge, first + LINE * size * i, size, key="study") for i, t in enumerate(lines)]
        for x, key in zip(middles, row, strict=True):
            middle = y + 0.5 * high
            if not table.tool.judgements:
                text = star_text(key)
                texts.append(Words(text, x, middle + MIDDLE * size, size, "center", bold="/" in text, key="sign"))
                continue
            own, half = sign_of(key, options.style), 0.5 * LIGHT * size
            boxes.append(Box(x - half, middle - half, x + half, middle + half, own.fill, "quiet", True, key))
            texts.append(Words(own.sign, x, middle + MIDDLE * size, size, "center", own.ink, True, key="sign"))
        y += high
    paths.append(Path(((edge, y), (ends[-1], y)), weight=0.9))
    if table.overall and len(columns) > 1:
        at = ends[-1] - columns[-1]
        paths.append(Path(((at, top.height + 0.2 * size), (at, y)), tone="quiet", weight=0.5))
    body = Sheet(width, y - top.height + 0.3 * size)
    sheet = Sheet(width, top.height, top.boxes, top.paths, top.texts).with_foot(body)
    sheet = Sheet(width, sheet.height, tuple(boxes), tuple(paths), (*sheet.texts, *texts))
    notes = [*domain_notes(table), *stars_note(table), *(() if last else (ON_THE_NEXT_PAGE,))]
    return sheet.with_foot(legend(table, options, width, widths)).with_foot(footnotes(notes, options, width, widths))


def continued(title: str) -> str:
    """The title of a page after the first."""
    return f"{title} {CONTINUED}" if title else CONTINUED_ALONE


def domain_notes(table: Assessments) -> list[str]:
    """What the short names stand for."""
    pairs = zip(table.heads, table.domains, strict=True)
    return [f"{head}: {title}" for head, title in pairs if head not in (title, "Overall")]
