"""Measures of influence -> panels with a row a study, and where everything goes, in points from the top left corner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metaanalysis.errors import OptionError, nearest
from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.inference import quantile
from metaanalysis.plots.axis import Tick
from metaanalysis.plots.chart_foot import TICK_LENGTH, TICK_PAD, balanced
from metaanalysis.plots.chart_layout import ticks_of
from metaanalysis.plots.chart_options import ChartOptions
from metaanalysis.plots.chart_spec import Dash, Scale
from metaanalysis.plots.forest_layout import MM
from metaanalysis.plots.placed import Placed, Rule, TextWidths
from metaanalysis.plots.scales import spread
from metaanalysis.plots.style import Style
from metaanalysis.plots.wrapping import longest_word, one_line, wrap
from metaanalysis.results.influence import Influence

HEADINGS = {
    "rstudent": "Residual (in SE)",
    "dffits": "DFFITS",
    "cook_distance": "Cook’s distance",
    "covariance_ratio": "Covariance ratio",
    "tau2_deleted": "τ² without it",
    "q_deleted": "Q without it",
    "hat": "Leverage",
    "weight": "Weight (%)",
    "dfbetas": "DFBETAS",
}
DEFAULT = tuple(HEADINGS)[:-1]
# In multiples of the font size.
LEAST_PANEL = 6.0
GAP = 1.8
LINE = 1.25
NAME_SHARE = 0.36


@dataclass(frozen=True)
class Reference:
    """A line down a panel."""

    at: float
    dash: Dash


@dataclass(frozen=True)
class PanelSpec:
    """One measure of all studies, with its thresholds and the whole fit's value."""

    key: str
    heading: str
    values: FloatArray
    references: tuple[Reference, ...]
    scale: Scale


@dataclass(frozen=True)
class InfluenceSpec:
    """All panels; flagged: the influential studies."""

    names: tuple[str, ...]
    flagged: BoolArray
    panels: tuple[PanelSpec, ...]
    notes: tuple[str, ...]
    title: str


@dataclass(frozen=True)
class PlacedPanel:
    """A panel between two places from left to right."""

    panel: PanelSpec
    left: float
    right: float
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class InfluenceLayout:
    """Everything at its place; rows: the heights of the studies."""

    width: float
    height: float
    size: float
    top: float
    bottom: float
    rows: FloatArray
    flagged: BoolArray
    panels: tuple[PlacedPanel, ...]
    texts: tuple[Placed, ...]
    rules: tuple[Rule, ...]


def influence_spec(result: Influence, measures: Sequence[str] | None, options: ChartOptions) -> InfluenceSpec:
    """The panels asked for, or the usual ones."""
    if isinstance(measures, str) or (measures is not None and not list(measures)):
        raise OptionError(f"measures={measures!r} must be a list, as in measures=['rstudent', 'cook_distance'].")
    wanted = DEFAULT if measures is None else tuple(measures)
    panels: list[PanelSpec] = []
    for name in wanted:
        if name not in HEADINGS:
            raise OptionError(
                f"there is no measure {name!r} of influence.{nearest(str(name), HEADINGS)} The choices are: {', '.join(HEADINGS)}."
            )
        if name == "dfbetas":
            one = len(result.coefficient_names) == 1
            for j, coefficient in enumerate(result.coefficient_names):
                heading = HEADINGS[name] if one else f"{HEADINGS[name]}: {coefficient}"
                panels.append(panel_of(name, heading, result.dfbetas[:, j], result))
        else:
            panels.append(panel_of(name, HEADINGS[name], getattr(result, name), result))
    notes: tuple[str, ...] = ()
    if options.notes:
        flagged = ", ".join(result.flagged)
        shown = f"{flagged[:300]} …" if len(flagged) > 300 else flagged
        notes = (f"Influential: {shown or 'none'}. Dashed: thresholds; dotted: all studies together.",)
        lost = [name for name, x in zip(result.label, result.rstudent, strict=True) if not np.isfinite(x)]
        if lost:
            notes += (f"Without numbers, as they can't be left out: {', '.join(lost)}.",)
    names = tuple(one_line(name) for name in result.label)
    return InfluenceSpec(names, np.asarray(result.influential), tuple(panels), notes, options.title)


def panel_of(key: str, heading: str, values: FloatArray, result: Influence) -> PanelSpec:
    """A measure with its lines."""
    z = float(quantile(0.95, np.asarray(np.inf)))
    thresholds = result.thresholds
    lines: dict[str, tuple[Reference, ...]] = {
        "rstudent": (Reference(-z, "dashed"), Reference(0.0, "dotted"), Reference(z, "dashed")),
        "dffits": (
            Reference(-thresholds["dffits"], "dashed"),
            Reference(0.0, "dotted"),
            Reference(thresholds["dffits"], "dashed"),
        ),
        "cook_distance": (Reference(thresholds["cook_distance"], "dashed"),),
        "covariance_ratio": (Reference(1.0, "dotted"),),
        "tau2_deleted": (Reference(result.tau2, "dotted"),),
        "q_deleted": (Reference(result.q, "dotted"),),
        "hat": (Reference(thresholds["hat"], "dashed"),),
        "weight": (),
        "dfbetas": (Reference(-1.0, "dashed"), Reference(0.0, "dotted"), Reference(1.0, "dashed")),
    }
    references = tuple(line for line in lines[key] if np.isfinite(line.at))
    from_zero = (0.0,) if key in ("cook_distance", "hat", "weight") else ()
    inside = [x for x in values.tolist() if np.isfinite(x)]
    low, high = spread([*inside, *from_zero, *(line.at for line in references)], pad=0.07)
    return PanelSpec(key, heading, values, references, Scale(low, high, heading))


def arrange_influence(
    spec: InfluenceSpec,
    widths: TextWidths,
    width: float,
    height: float | None,
    size: float,
    style: Style,
    may_drop: bool,
) -> InfluenceLayout:
    """As many panels as have room where `may_drop`, else all. OptionError where they do not fit."""
    margin, small = 0.5 * size, max(size - 0.5, min(style.smallest_font, size))

    def measured(text: str) -> float:
        return widths.width(text, size)

    def bold(text: str) -> float:
        return widths.width(text, size, True)

    names = [
        wrap(name, NAME_SHARE * width, bold if flag else measured, 2)
        for name, flag in zip(spec.names, spec.flagged.tolist(), strict=True)
    ]
    longest = max(
        (bold if flag else measured)(line)
        for lines, flag in zip(names, spec.flagged.tolist(), strict=True)
        for line in lines
    )
    first = margin + longest + GAP * size
    room = width - margin - first
    panels = list(spec.panels)
    while panels:
        own = (room - GAP * size * (len(panels) - 1)) / len(panels)
        if own >= max(LEAST_PANEL * size, *(longest_word(panel.heading, bold) for panel in panels)):
            break
        if not may_drop:
            raise OptionError(
                f"{len(panels)} panels don't fit into a width of {width / MM:.0f} mm: choose fewer measures, or make the figure "
                f"wider (width_mm=)."
            )
        panels.pop()
    if not panels:
        raise OptionError(f"no panel fits into a width of {width / MM:.0f} mm: make the figure wider (width_mm=).")
    texts: list[Placed] = []
    y = margin
    for line in wrap(spec.title, width - 2 * margin, lambda t: widths.width(t, size + 1.0, True)) if spec.title else ():
        texts.append(Placed(line, margin, y + 0.85 * (size + 1.0), "left", size + 1.0, bold=True))
        y += LINE * (size + 1.0)
    heads = [balanced(panel.heading, own, bold) for panel in panels]
    tall = LINE * size * max(len(lines) for lines in heads)
    lefts = [first + (own + GAP * size) * i for i in range(len(panels))]
    for left, lines in zip(lefts, heads, strict=True):
        for i, line in enumerate(lines):
            baseline = y + tall - LINE * size * (len(lines) - 1 - i) - 0.35 * size
            texts.append(Placed(line, left + 0.5 * own, baseline, "center", size, bold=True))
    texts.append(Placed("Study", margin, y + tall - 0.35 * size, "left", size, bold=True))
    top = y + tall + 0.1 * size
    rules = [Rule(margin, width - margin, top, 0.8)]
    note_lines = [
        line for note in spec.notes for line in wrap(note, width - 2 * margin, lambda t: widths.width(t, small))
    ]
    under = (
        TICK_LENGTH
        + TICK_PAD
        + 1.3 * size
        + (0.4 * size + 1.3 * small * len(note_lines) if note_lines else 0.0)
        + margin
    )
    heights = np.array([style.leading + LINE * (len(lines) - 1) for lines in names]) * size
    pad = 0.4 * size
    if height is not None:
        stretch = (height - top - under - 2 * pad) / heights.sum()
        if stretch < 0.8:
            needed = top + under + 2 * pad + 0.8 * heights.sum()
            raise OptionError(
                f"the influence panel needs {needed / 72:.1f} inches of height and has {height / 72:.1f}: make the figure taller."
            )
        heights = heights * min(stretch, 1.6)
    ends = top + pad + np.cumsum(heights)
    rows = ends - 0.5 * heights
    for lines, middle, flag in zip(names, rows.tolist(), spec.flagged.tolist(), strict=True):
        for i, line in enumerate(lines):
            baseline = middle + 0.36 * size + (i - 0.5 * (len(lines) - 1)) * LINE * size
            texts.append(Placed(line, margin, baseline, "left", size, bold=flag))
    bottom = float(ends[-1]) + pad
    y = bottom + TICK_LENGTH + TICK_PAD + 1.3 * size
    y += 0.4 * size if note_lines else 0.0
    for line in note_lines:
        texts.append(Placed(line, margin, y + 0.9 * small, "left", small, quiet=True))
        y += 1.3 * small
    placed = []
    for panel, left in zip(panels, lefts, strict=True):
        edge = (-0.5 * GAP * size + 1.0, own + min(0.5 * GAP * size, margin) - 1.0)
        placed.append(PlacedPanel(panel, left, left + own, ticks_of(panel.scale, own, measured, 0.25 * size, edge)))
    total = y + margin if height is None else height
    return InfluenceLayout(
        width, total, size, top, bottom, rows, spec.flagged, tuple(placed), tuple(texts), tuple(rules)
    )
