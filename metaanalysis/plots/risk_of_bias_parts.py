"""What both plots of the risk of bias share: the table read, the looks of judgements, the legend and the footnotes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from metaanalysis.effects.risk_of_bias_tables import Assessments, Domains, assessments
from metaanalysis.errors import OptionError
from metaanalysis.plots.chart_options import ChartOptions
from metaanalysis.plots.placed import TextWidths
from metaanalysis.plots.risk_of_bias_colours import JUDGEMENTS
from metaanalysis.plots.shades import mixed, readable_on
from metaanalysis.plots.sheet import MIDDLE, Box, Sheet, Words, paragraphs
from metaanalysis.plots.style import Style
from metaanalysis.results import Pooled, Subgroups

# In multiples of the font size.
EDGE = 0.5
LIGHT = 1.75
Weights: TypeAlias = str | Sequence[float] | Pooled | Subgroups


@dataclass(frozen=True)
class Sign:
    """A judgement's words, the sign that stands for it, and its fill and ink."""

    title: str
    sign: str
    fill: str
    ink: str


def read_table(
    frame: Any, tool: str, study: str | None, domains: Domains | None, weights: Weights | None = None
) -> Assessments:
    """The judgements of a frame, checked; a fit brings the weights of its studies by their names."""
    fit = weights.overall if isinstance(weights, Subgroups) else weights
    if isinstance(fit, Pooled):
        if not all(w >= 0 for w in fit.weights):
            raise OptionError(
                "this fit has no weights, as its model is of counts: give weights= as a column or numbers."
            )
        return assessments(
            frame, tool, study=study, domains=domains, weights=fit.weights.tolist(), weighed=tuple(fit.effects.label)
        )
    return assessments(frame, tool, study=study, domains=domains, weights=fit)


def sign_of(key: str, style: Style) -> Sign:
    """The look of a judgement, or of a number of stars such as "3/4": the more of those possible, the darker."""
    if key in JUDGEMENTS:
        one = JUDGEMENTS[key]
        return Sign(one.title, one.sign, one.fill, one.ink)
    got, most = map(int, key.split("/"))
    fill = mixed(style.page, style.diamond, got / most)
    return Sign(f"{key} stars", f"{got}★", fill, readable_on(fill, style))


def best_first(keys: Sequence[str]) -> list[str]:
    """The judgements that occur, from the best to the worst."""
    if any("/" in key for key in keys):
        return sorted(set(keys), key=lambda key: -int(key.split("/")[0]))
    return [key for key in JUDGEMENTS if key in set(keys)]


def titled(options: ChartOptions, width: float, widths: TextWidths) -> Sheet:
    """The title, and the room above a plot."""
    size, edge = options.font_size, EDGE * options.font_size
    top = Sheet(width, edge)
    if not options.title:
        return top
    lines = paragraphs([options.title], edge, width - 2 * edge, size + 1.0, widths, bold=True, width=width)
    return top.with_foot(lines).with_foot(Sheet(width, edge))


def legend(table: Assessments, options: ChartOptions, width: float, widths: TextWidths) -> Sheet:
    """Samples of the judgements in as many lines as they need."""
    size, edge = options.font_size, EDGE * options.font_size
    keys = (
        [] if not options.legend or not table.tool.judgements else best_first([k for row in table.cells for k in row])
    )
    boxes: list[Box] = []
    texts: list[Words] = []
    across, step = LIGHT * size, 2.2 * size
    x, y = edge, 0.4 * size
    for key in keys:
        own = sign_of(key, options.style)
        needs = across + 0.5 * size + widths.width(own.title, size)
        if x > edge and x + needs > width - edge:
            x, y = edge, y + step
        boxes.append(Box(x, y, x + across, y + across, own.fill, "quiet", round=True, key="legend"))
        base = y + 0.5 * across + MIDDLE * size
        texts.append(Words(own.sign, x + 0.5 * across, base, size, "center", own.ink, bold=True, key="legend"))
        texts.append(Words(own.title, x + across + 0.5 * size, base, size, key="legend"))
        x += needs + 1.4 * size
    return Sheet(width, y + step if keys else 0.0, tuple(boxes), (), tuple(texts))


def footnotes(lines: Sequence[str], options: ChartOptions, width: float, widths: TextWidths) -> Sheet:
    """Small lines at the bottom."""
    size, edge = options.font_size, EDGE * options.font_size
    small = max(size - 0.5, min(options.style.smallest_font, size))
    if not (lines and options.notes):
        return Sheet(width, edge)
    notes = paragraphs(lines, edge, width - 2 * edge, small, widths, tone="quiet", width=width)
    return Sheet(width, edge).with_foot(notes).with_foot(Sheet(width, edge))


def stars_note(table: Assessments) -> list[str]:
    """How many stars a domain can have."""
    if table.tool.judgements:
        return []
    most: dict[str, str] = {}
    for row in table.cells:
        most |= {head: key.split("/")[1] for head, key in zip(table.heads, row, strict=True)}
    parts = [f"{head.lower()} {n}" for head, n in most.items()]
    return [f"{table.tool.title} Scale. Most stars possible: {', '.join(parts)}."]
