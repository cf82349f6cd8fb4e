"""A result -> the rows, marks and axis of its forest plot. Numbers are taken from the result; none is computed here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.errors import OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.plots.axis import axis_limits
from metaanalysis.plots.forest_columns import (
    CONTROL,
    TREATMENT,
    StudyColumn,
    chosen_columns,
    column_set,
    no_total,
    study_column,
    weight_column,
)
from metaanalysis.plots.forest_options import ForestOptions
from metaanalysis.plots.forest_spec import AxisSpec, Column, ForestSpec, Mark, Row
from metaanalysis.plots.words import bracketed, decimals_for, fixed, in_symbols
from metaanalysis.plots.wrapping import NO_BREAK, one_line
from metaanalysis.results import Pooled, Subgroups
from metaanalysis.results.text import heterogeneity_line, model_sentence, per_cent, test_statistic

# What is lower on the left of the line of no effect, for the measures that compare two groups.
LOWER = {
    "RR": "Lower risk",
    "RD": "Lower risk",
    "OR": "Lower odds",
    "PETO": "Lower odds",
    "HR": "Lower hazard",
    "MD": "Lower mean",
    "SMD": "Lower mean",
    "SMDH": "Lower mean",
    "ROM": "Lower mean",
    "IRR": "Lower rate",
    "IRD": "Lower rate",
}
PROPORTION = "one group, proportion"
BOUNDS = {
    "tanh": (-1.0, 1.0),
    "square": (0.0, math.inf),
    "freeman-tukey rate": (0.0, math.inf),
    "square of tanh": (0.0, 1.0),
    "cube root of alpha": (-math.inf, 1.0),
    "log of alpha": (-math.inf, 1.0),
}
MOST_LEFT_OUT = 10


def forest_spec(result: Pooled | Subgroups, options: ForestOptions) -> ForestSpec:
    """The forest plot of a result: studies, pooled estimates and, for subgroups, each with its own."""
    whole = result.overall if isinstance(result, Subgroups) else result
    return Rows(result, whole, options).spec()


def study_rows(whole: Effects, part: Effects) -> list[int]:
    """Where the studies of a subgroup stand among all."""
    rows = np.arange(whole.k) if whole.rows is None else whole.rows
    places = {int(row): place for place, row in enumerate(rows)}
    own = np.arange(part.k) if part.rows is None else part.rows
    return [places[int(row)] for row in own]


def read_scale(effects: Effects, numbers: FloatArray) -> FloatArray:
    """One number a study, on the scale on which the measure is read; what is too large for it is infinite."""
    with np.errstate(over="ignore"):
        return effects.back_transform_each(numbers)


class Rows:
    """Builds the rows of one plot; holds what every row needs: scale, decimals, weights and columns."""

    def __init__(self, result: Pooled | Subgroups, whole: Pooled, options: ForestOptions) -> None:
        self.result, self.whole, self.options = result, whole, options
        self.effects = whole.effects
        entry = self.effects.measure_entry
        # A proportion is read from 0 to 1, though it may have been pooled by its logarithm.
        self.log = entry.back == "exp" and entry.kind != PROPORTION
        low, high = self.effects.interval(whole.level)
        self.y, self.low, self.high = (read_scale(self.effects, x) for x in (self.effects.y, low, high))
        self.weights = [float(w) for w in whole.weights]
        weighted = not any(math.isnan(w) for w in self.weights)
        largest = max(self.weights, default=0.0)
        self.shares = [w / largest if weighted and largest > 0 else 1.0 for w in self.weights]
        spans = [h - low for low, h in zip(self.low.tolist(), self.high.tolist(), strict=True)]
        self.decimals = decimals_for(spans, self.log) if options.decimals is None else options.decimals
        self.choices = chosen_columns(self.effects, options)
        if not weighted and options.right is None:
            # A model of counts gives studies no weights.
            self.choices = [(left, [name for name in right if name != "weight"]) for left, right in self.choices]
        self.columns = self.study_columns()

    def spec(self) -> ForestSpec:
        """Everything."""
        options = self.options
        rows: list[Row] = []
        if isinstance(self.result, Subgroups):
            for name, fit in self.result.groups.items():
                rows += self.group(name, fit, self.result.by)
        else:
            rows += [self.study(i, indented=False) for i in range(self.effects.k)]
        everyone = range(self.effects.k)
        rows.append(self.pooled(self.whole, everyone, self.overall_label(), "overall"))
        if options.prediction and not math.isnan(self.whole.prediction_low):
            rows.append(self.prediction())
        groups = options.groups or (TREATMENT, CONTROL)
        headings = self.headings()
        sets = tuple(column_set(choice, self.columns, headings, groups) for choice in self.choices)
        notes = self.notes() if options.notes else ()
        return ForestSpec(sets, tuple(rows), self.axis(rows), notes, options.title)

    def study_columns(self) -> Mapping[str, StudyColumn]:
        """Every column that some choice of columns needs."""
        names = dict.fromkeys(name for left, right in self.choices for name in (*left, *right))
        found: dict[str, StudyColumn] = {}
        headings = given_headings(self.options)
        for name in names:
            if name == "study":
                labels = tuple(one_line(label) for label in self.effects.label)
                found[name] = StudyColumn(Column("study", "left", wraps=True), "", labels, no_total)
            elif name == "weight":
                found[name] = weight_column(self.weights)
            elif name != "estimate":
                found[name] = study_column(self.effects, name, headings.get(name))
        return MappingProxyType(found)

    def headings(self) -> Mapping[str, str]:
        """The heading of each column, the user's own first."""
        headings = {name: column.heading for name, column in self.columns.items()}
        title = self.effects.measure_entry.title
        headings["study"] = self.options.study_heading
        headings["estimate"] = f"{title[:1].upper()}{title[1:]} [{per_cent(self.whole.level)}{NO_BREAK}CI]"
        return {**headings, **given_headings(self.options)}

    def estimate_cells(self, estimate: float, low: float, high: float) -> dict[str, str]:
        """The estimate and its interval as texts."""
        return {
            "estimate": fixed(estimate, self.decimals, self.log),
            "interval": bracketed(low, high, self.decimals, self.log),
        }

    def study(self, i: int, indented: bool) -> Row:
        """One study."""
        numbers = (float(self.y[i]), float(self.low[i]), float(self.high[i]))
        cells = {name: column.texts[i] for name, column in self.columns.items()} | self.estimate_cells(*numbers)
        return Row("study", cells, mark=Mark("square", *numbers, share=self.shares[i]), indented=indented)

    def pooled(self, fit: Pooled, rows: Sequence[int], label: str, kind: str) -> Row:
        """A pooled estimate with its diamond and its totals."""
        with np.errstate(over="ignore"):
            back = fit.back_transformed()
        cells = {name: column.total(rows) for name, column in self.columns.items()}
        cells |= {"study": label} | self.estimate_cells(back.estimate, back.ci_low, back.ci_high)
        mark = Mark("diamond", back.estimate, back.ci_low, back.ci_high)
        return Row("overall", cells, mark=mark) if kind == "overall" else Row("pooled", cells, mark=mark, indented=True)

    def prediction(self) -> Row:
        """The prediction interval, a bar under the diamond."""
        with np.errstate(over="ignore"):
            back = self.whole.back_transformed()
        low, high = back.prediction_low, back.prediction_high
        cells = {"study": "Prediction interval", "interval": bracketed(low, high, self.decimals, self.log)}
        return Row("prediction", cells, mark=Mark("bar", back.estimate, low, high))

    def group(self, name: str, fit: Pooled, by: str) -> list[Row]:
        """A subgroup: its title, its studies, its diamond and its heterogeneity."""
        rows = study_rows(self.effects, fit.effects)
        title = f"{by} = {name}" if name.replace(".", "", 1).replace("-", "", 1).isdigit() else name
        built = [Row("group", text=title)]
        built += [self.study(i, indented=True) for i in rows]
        built.append(self.pooled(fit, rows, "Subtotal", "pooled"))
        if self.options.notes:
            built.append(Row("note", text=heterogeneity(fit), indented=True))
        return built

    def overall_label(self) -> str:
        """As in "Overall (random effects)", or the model alone where there are no subgroups."""
        if isinstance(self.result, Subgroups):
            return f"Overall ({self.whole.model} effect{'s' if self.whole.model == 'random' else ''})"
        return model_sentence(self.whole).split(",")[0]

    def notes(self) -> tuple[str, ...]:
        """What stands under the plot: heterogeneity, tests, how it was pooled, who was left out."""
        fit = self.whole
        found = [heterogeneity(fit)]
        if not math.isnan(fit.p_value):
            found.append(f"Test for overall effect: {in_symbols(test_statistic(fit.statistic, fit.df, fit.p_value))}")
        if isinstance(self.result, Subgroups) and len(self.result.groups) > 1:
            found.append(f"Test for subgroup differences: {in_symbols(self.result.test_sentence())}")
        method = in_symbols(model_sentence(fit))
        if fit.method == "inverse-variance" and fit.ci_method and fit.k > 1:
            method += f"; confidence interval: {fit.ci_method}"
        found.append(method)
        left_out = [f"{label} ({reason})" for label, reason in self.effects.left_out]
        if left_out:
            more = f"; and {len(left_out) - MOST_LEFT_OUT} more" if len(left_out) > MOST_LEFT_OUT else ""
            found.append(f"Left out: {'; '.join(left_out[:MOST_LEFT_OUT])}{more}")
        return tuple(found)

    def axis(self, rows: Sequence[Row]) -> AxisSpec:
        """The axis with its limits, its lines and its directions."""
        options, entry = self.options, self.effects.measure_entry
        null = entry.no_effect if options.null_line is True else None
        if not isinstance(options.null_line, bool):
            null = options.null_line
        marks = [(row.kind, row.mark) for row in rows if row.mark is not None]
        studies = [(m.estimate, m.low, m.high) for kind, m in marks if kind == "study"]
        pooled = [(m.estimate, m.low, m.high) for kind, m in marks if kind != "study"]
        bounds = (
            (0.0, 1.0)
            if entry.kind == PROPORTION
            else BOUNDS.get(entry.back, (0.0 if self.log else -math.inf, math.inf))
        )
        low, high = options.xlim or axis_limits(studies, pooled, null, self.log, bounds)
        if self.log and min(low, *(options.ticks or ()), high) <= 0:
            raise OptionError(f"the axis of a {entry.title} is logarithmic: xlim and ticks lie above 0.")
        label = options.axis_label
        if label is None:
            label = f"{entry.title[:1].upper()}{entry.title[1:]}{' (log scale)' if self.log else ''}"
        estimate = next(row.mark.estimate for row in rows if row.kind == "overall" and row.mark is not None)
        ticks = None if options.ticks is None else tuple(options.ticks)
        return AxisSpec(self.log, low, high, label, null, estimate, self.favours(), ticks)

    def favours(self) -> tuple[str, str] | None:
        """What the two directions of the axis mean: as asked for; else which group is lower, which is always true."""
        given, entry = self.options.favours, self.effects.measure_entry
        if given is False:
            return None
        if isinstance(given, tuple):
            if not entry.favours:
                raise OptionError(
                    f"favours does not apply to a {entry.title}: no side of its axis favours a group. "
                    f"Name its directions in axis_label."
                )
            return (f"Favours {given[0]}", f"Favours {given[1]}")
        lower = LOWER.get(entry.key)
        named = self.options.groups or ((TREATMENT, CONTROL) if self.effects.inputs else None)
        if not entry.favours or lower is None or named is None:
            return None
        return (f"{lower}: {named[0]}", f"{lower}: {named[1]}")


def given_headings(options: ForestOptions) -> dict[str, str]:
    """Headings that the user gave with the columns."""
    headings: dict[str, str] = {}
    for side in (options.left, options.right):
        if isinstance(side, Mapping):
            headings.update(side)
    return headings


def heterogeneity(fit: Pooled) -> str:
    """As in "Heterogeneity: τ² = 0.31; Q = 152.23, df = 12 (p < 0.0001); I² = 92.1%"."""
    if fit.k < 2:
        return "Heterogeneity: not applicable"
    return f"Heterogeneity: {in_symbols(heterogeneity_line(fit))}"
