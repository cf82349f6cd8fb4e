"""A result -> the rows, marks and axis of its forest plot. Numbers are taken from the result; none is computed here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.plots.forest_axis import forest_axis, logarithmic
from metaanalysis.plots.forest_columns import (
    LIGHTS,
    StudyColumn,
    chosen_columns,
    column_set,
    computed_column,
    expanded,
    lights_column,
    no_total,
    study_column,
    weight_column,
)
from metaanalysis.plots.forest_inestimable import NOT_ESTIMABLE, in_table_order, of_group, with_inestimable
from metaanalysis.plots.forest_notes import forest_notes, group_notes, model_name, names_of_models
from metaanalysis.plots.forest_options import ForestOptions
from metaanalysis.plots.forest_order import ordered
from metaanalysis.plots.forest_spec import AxisSpec, Column, ForestSpec, Mark, Row
from metaanalysis.plots.words import decimals_for, fixed
from metaanalysis.plots.wrapping import one_line
from metaanalysis.results import Pooled, Subgroups
from metaanalysis.results.forest_numbers import prediction_density
from metaanalysis.results.text import per_cent

# A density needs more height than a bar.
TALL = 2.0
EVENTS = ("events1", "events2")
NONE: Mapping[str, Pooled] = MappingProxyType({})


def forest_spec(
    result: Pooled | Subgroups, options: ForestOptions, also: Mapping[str, Pooled] = NONE, name: str = ""
) -> ForestSpec:
    """The forest plot of a result: studies, pooled estimates and, for subgroups, each with its own.

    also: further models of the same studies, a diamond each, by their names; name: that of the first. One that begins with a
    blank, or is empty, stands for the model's own.
    """
    whole = result.overall if isinstance(result, Subgroups) else result
    return Rows(result, whole, options, also, name).spec()


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

    def __init__(
        self,
        result: Pooled | Subgroups,
        whole: Pooled,
        options: ForestOptions,
        others: Mapping[str, Pooled] = NONE,
        name: str = "",
    ) -> None:
        self.result, self.whole, self.options, self.look = result, whole, options, options.look
        self.others, self.name = others, name
        self.effects = whole.effects
        self.shown = with_inestimable(whole.effects)
        self.without = list(range(self.effects.k, self.shown.k))
        self.log = logarithmic(self.effects)
        low, high = self.effects.interval(whole.level)
        self.y, self.low, self.high = (read_scale(self.effects, x) for x in (self.effects.y, low, high))
        self.weights = [float(w) for w in whole.weights]
        weighted = not any(math.isnan(w) for w in self.weights)
        largest = max(self.weights, default=0.0)
        self.shares = [w / largest if weighted and largest > 0 else 1.0 for w in self.weights]
        spans = [h - low for low, h in zip(self.low.tolist(), self.high.tolist(), strict=True)]
        self.decimals = decimals_for(spans, self.log) if options.decimals is None else options.decimals
        # Where a plot has numbers below zero, a hyphen between limits would read as a minus sign.
        self.negative = bool(not self.log and np.nanmin(np.append(self.low, 0.0)) < 0)
        self.choices = chosen_columns(self.effects, options)
        if not weighted:
            # A model of counts gives studies no weights.
            self.choices = [
                (
                    [name for name in left if name != "weight" or name in (options.names("left") or ())],
                    [name for name in right if name != "weight" or name in (options.names("right") or ())],
                )
                for left, right in self.choices
            ]
        self.columns = self.study_columns()
        order = range(self.effects.k)
        self.order = list(order) if options.sort is None else ordered(order, options.sort, self.sortable())

    def spec(self) -> ForestSpec:
        """Everything."""
        options, look = self.options, self.look
        rows: list[Row] = []
        if isinstance(self.result, Subgroups):
            for name, fit in self.result.groups.items():
                rows += self.group(name, fit, self.result.by)
        else:
            rows += self.studies(self.order, self.without, indented=False)
        everyone = range(self.shown.k)
        given = ["" if own.startswith(" ") else own for own in (self.name, *self.others)]
        names = names_of_models([self.whole, *self.others.values()], given, given[0] or self.overall_label())
        rows.append(self.pooled(self.whole, everyone, names[0], "overall"))
        if look.sums_apart:
            rows += self.sums(everyone, indented=False)
        if options.prediction_shape and not math.isnan(self.whole.prediction_low):
            rows.append(self.prediction(self.whole, options.prediction_shape))
        for label, fit in zip(names[1:], self.others.values(), strict=True):
            rows.append(self.pooled(fit, (), label, "overall"))
            if options.prediction_shape and not math.isnan(fit.prediction_low):
                rows.append(self.prediction(fit, options.prediction_shape))
        groups = options.groups or look.groups
        headings, own_headings = self.headings(), self.own_headings()
        panel = self.titled(look.panel_heading)
        sets = []
        for choice in self.choices:
            over = look.quantity_over_groups and not any(name in own_headings for side in choice for name in side)
            sets.append(column_set(choice, self.columns, headings, groups, over, panel))
        notes = forest_notes(self.result, self.others, names, options) if options.notes else ()
        return ForestSpec(tuple(sets), tuple(rows), self.axis(rows), notes, options.title, look.manner)

    def study_columns(self) -> Mapping[str, StudyColumn]:
        """Every column that some choice of columns needs."""
        names = dict.fromkeys(name for left, right in self.choices for name in (*left, *right))
        found: dict[str, StudyColumn] = {}
        headings = self.own_headings()
        letters = iter("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        for name in names:
            heading = headings.get(name)
            if name == "study":
                labels = tuple(one_line(label) for label in self.shown.label)
                found[name] = StudyColumn(Column("study", "left", wraps=True), "", labels, no_total)
            elif name == "weight":
                found[name] = weight_column(
                    name,
                    [*self.weights, *(math.nan for _ in self.without)],
                    self.look.weight_heading,
                    self.look.weight_unit,
                )
            elif name.startswith(LIGHTS):
                found[name] = lights_column(
                    self.shown, name.removeprefix(LIGHTS), next(letters, "") if heading is None else heading
                )
            elif name in self.options.functions:
                found[name] = computed_column(name, self.options.functions[name], heading, self.known())
            elif name not in ("estimate", "interval"):
                found[name] = study_column(self.shown, name, heading)
        return MappingProxyType(found)

    def known(self) -> list[Mapping[str, Any]]:
        """What is known of each study, by name: what a function of a column is given."""
        effects = self.effects
        columns: dict[str, Sequence[Any]] = {}
        if effects.source is not None:
            columns |= {str(name): effects.column(str(name)) for name in effects.source.columns}
        columns |= {name: np.asarray(values).tolist() for name, values in effects.inputs.items()}
        columns |= {"study": list(effects.label), "y": effects.y.tolist(), "v": effects.v.tolist()}
        columns |= {"se": effects.se.tolist(), "weight": self.weights}
        columns |= {"estimate": self.y.tolist(), "low": self.low.tolist(), "high": self.high.tolist()}
        return [{name: values[i] for name, values in columns.items()} for i in range(effects.k)]

    def sortable(self) -> Mapping[str, Sequence[Any]]:
        """What the studies may be sorted by."""
        known = self.known()
        return {name: [study[name] for study in known] for name in (known[0] if known else {})}

    def titled(self, pattern: str) -> str:
        """A heading with the measure, the level and the method in their places."""
        title = self.effects.measure_entry.title
        sentence = f"{title[:1].upper()}{title[1:]}"
        return pattern.format(
            measure=title,
            Measure=sentence,
            MEASURE=" ".join(f"{word[:1].upper()}{word[1:]}" for word in title.split(" ")),
            level=per_cent(self.whole.level),
            method=METHODS.get(self.whole.method, "IV"),
            model="Random" if self.whole.model == "random" else "Fixed",
        )

    def headings(self) -> Mapping[str, str]:
        """The heading of each column, the user's own first."""
        headings = {name: column.heading for name, column in self.columns.items()}
        chosen = self.options.study_heading
        headings["study"] = self.look.study_heading if chosen is None else chosen
        headings["estimate"] = self.titled(self.look.estimate_heading)
        own = self.own_headings()
        headings["measure"] = own.get("estimate", self.titled("{Measure}"))
        headings["interval"] = self.titled("{level}\u00a0CI")
        return {**headings, **own}

    def own_headings(self) -> Mapping[str, str]:
        """The headings that the user gave, by the columns that they stand over."""
        given = given_headings(self.options)
        return {own: heading for name, heading in given.items() for own in expanded(self.effects, name)}

    def interval_text(self, low: float, high: float) -> str:
        """An interval in the words of the layout."""
        return self.look.wording.interval(low, high, self.decimals, self.log, self.negative)

    def estimate_cells(self, estimate: float, low: float, high: float) -> dict[str, str]:
        """The estimate and its interval as texts."""
        return {"estimate": fixed(estimate, self.decimals, self.log), "interval": self.interval_text(low, high)}

    def studies(self, estimable: Sequence[int], others: Sequence[int], indented: bool) -> list[Row]:
        """Studies in their order; those without an effect in the table's order among them, or at the end of another."""
        order = [*estimable, *others] if self.options.sort else in_table_order(self.shown, estimable, others)
        return [self.study(i, indented) for i in order]

    def study(self, i: int, indented: bool) -> Row:
        """One study."""
        if i >= self.effects.k:
            cells = {name: column.texts[i] for name, column in self.columns.items() if i < len(column.texts)}
            lights = {name: column.lights[i] for name, column in self.columns.items() if i in column.lights}
            return Row("study", {**cells, "interval": NOT_ESTIMABLE}, indented=indented, lights=lights)
        numbers = (float(self.y[i]), float(self.low[i]), float(self.high[i]))
        cells = {name: column.texts[i] for name, column in self.columns.items()} | self.estimate_cells(*numbers)
        lights = {name: column.lights[i] for name, column in self.columns.items() if i in column.lights}
        mark = Mark("square", *numbers, share=self.shares[i])
        return Row("study", cells, mark=mark, indented=indented, lights=lights)

    def pooled(self, fit: Pooled, rows: Sequence[int], label: str, kind: str) -> Row:
        """A pooled estimate with its diamond and its totals; without rows it has none."""
        with np.errstate(over="ignore"):
            back = fit.back_transformed()
        apart = EVENTS if self.look.sums_apart else ()
        cells = {name: column.total(rows) for name, column in self.columns.items() if rows and name not in apart}
        cells |= {"study": label} | self.estimate_cells(back.estimate, back.ci_low, back.ci_high)
        main = fit is self.whole or kind == "pooled"
        mark = Mark("diamond" if main else "hollow", back.estimate, back.ci_low, back.ci_high)
        if kind == "overall":
            return Row("overall", cells, mark=mark)
        return Row("pooled", cells, mark=mark, indented=self.look.indent)

    def sums(self, rows: Sequence[int], indented: bool) -> list[Row]:
        """Events on a row of their own."""
        cells = {name: self.columns[name].total(rows) for name in EVENTS if name in self.columns}
        return [Row("sum", {"study": "Total events", **cells}, indented=indented)] if cells else []

    def prediction(self, fit: Pooled, shape: str) -> Row:
        """The prediction interval under its diamond: a bar, a polygon or a density."""
        with np.errstate(over="ignore"):
            back = fit.back_transformed()
        low, high = back.prediction_low, back.prediction_high
        label = "Prediction interval" if fit.level == 0.95 else f"{per_cent(fit.level)} prediction interval"
        cells = {"study": label, "interval": self.interval_text(low, high)}
        if shape == "density":
            found = prediction_density(fit)
            top = float(found.density.max())
            curve = tuple(zip(found.x.tolist(), (found.density / top).tolist(), strict=True))
            return Row("prediction", cells, mark=Mark("density", back.estimate, low, high, curve=curve), tall=TALL)
        return Row("prediction", cells, mark=Mark("polygon" if shape == "polygon" else "bar", back.estimate, low, high))

    def group(self, name: str, fit: Pooled, by: str) -> list[Row]:
        """A subgroup: its title, its studies, its diamond and its heterogeneity."""
        kept = study_rows(self.effects, fit.effects)
        others = of_group(self.shown, self.without, by, name)
        rows = [*kept, *others]
        title = f"{by} = {name}" if name.replace(".", "", 1).replace("-", "", 1).isdigit() else name
        own, indent = set(rows), self.look.indent
        built = [Row("group", text=title)]
        in_order = kept if self.options.sort is None else [i for i in self.order if i in own]
        built += self.studies(in_order, others, indented=indent)
        built.append(self.pooled(fit, rows, self.titled(self.look.subtotal), "pooled"))
        if self.look.sums_apart:
            built += self.sums(rows, indented=indent)
        if self.options.notes:
            built += [Row("note", text=text, indented=indent) for text in group_notes(fit, self.look)]
        return built

    def overall_label(self) -> str:
        """As in "Overall (random effects)", or the model alone where there are no subgroups."""
        if self.look.overall:
            return self.titled(self.look.overall)
        if isinstance(self.result, Subgroups):
            return f"Overall ({self.whole.model} effect{'s' if self.whole.model == 'random' else ''})"
        return model_name(self.whole)

    def axis(self, rows: Sequence[Row]) -> AxisSpec:
        """The axis with its limits, its lines and its directions."""
        return forest_axis(self.effects, self.options, rows)


METHODS = {
    "inverse-variance": "IV",
    "mantel-haenszel": "M-H",
    "peto": "Peto",
    "glmm": "GLMM",
    "beta-binomial": "Beta-binomial",
}


def given_headings(options: ForestOptions) -> dict[str, str]:
    """Headings that the user gave with the columns."""
    lights = {f"{LIGHTS}{name}": heading for name, heading in options.headings("risk_of_bias").items()}
    return {**options.headings("left"), **options.headings("right"), **lights}
