"""What reviews report -> the rows of a forest plot: a panel a measure, and in it a group an outcome. Nothing is pooled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from metaanalysis.errors import OptionError, nearest
from metaanalysis.plots.axis import axis_limits
from metaanalysis.plots.forest_axis import around
from metaanalysis.plots.forest_columns import StudyColumn as TextColumn
from metaanalysis.plots.forest_columns import column_set, computed_column, no_total, text_or_number
from metaanalysis.plots.forest_options import ForestOptions
from metaanalysis.plots.forest_order import ordered
from metaanalysis.plots.forest_rows import given_headings
from metaanalysis.plots.forest_spec import AxisSpec, Column, ColumnSet, ForestSpec, Mark, Row
from metaanalysis.plots.words import decimals_for, fixed, true_minus
from metaanalysis.plots.wrapping import one_line
from metaanalysis.results.text import per_cent
from metaanalysis.results.umbrella_review import UmbrellaReview, is_ratio, measure_title

# Nothing is weighed: all squares have the same area, this share of the largest that studies may have.
SAME_SIZE = 0.35
# More decimals than these are those of a computer and not of a report.
MOST_DECIMALS = 4
HEADINGS = {
    "k": "Studies",
    "n_total": "Participants",
    "i2": "I²",
    "q": "Q",
    "q_df": "df (Q)",
    "q_p_value": "p (Q)",
    "p_value": "p",
    "statistic": "z",
    "outcome": "Outcome",
    "measure": "Measure",
    "amstar": "AMSTAR",
    "amstar2": "AMSTAR 2",
}
# Columns with which tables of reviews say how good a review is, by how their names begin.
QUALITY = ("amstar", "quality", "robis", "grade", "certainty")
UNNAMED = "No outcome named"
NOT_POOLED = "Reviews may rest on the same studies: their results are not pooled"


def umbrella_specs(found: UmbrellaReview, options: ForestOptions) -> tuple[ForestSpec, ...]:
    """A forest plot a measure, all with the same columns; the title stands over the first and the notes under the last."""
    refuse(found, options)
    return Umbrella(found, options).specs()


def refuse(found: UmbrellaReview, options: ForestOptions) -> None:
    """OptionError for what has no place in a plot of reviews, or in one of several measures."""
    if not len(found):
        raise OptionError("there is nothing to draw: no review reports a result.")
    remedies = {
        "risk_of_bias": "its rows are reviews; a judgement of them is a column, as in right=['estimate', 'amstar2']",
        "groups": "name the directions of its axis, as in favours=('treatment', 'control')",
        "prediction": "reviews are not pooled, so that there is no prediction interval",
    }
    for name, remedy in remedies.items():
        if getattr(options, name) not in (None, False):
            raise OptionError(f"{name} does not apply to the forest plot of an umbrella review: {remedy}.")
    if len(found.measures) > 1:
        one_axis = ("xlim", "ticks", "axis_label")
        given = [name for name in one_axis if getattr(options, name) is not None]
        given += [] if isinstance(options.null_line, bool) else ["null_line"]
        if given:
            raise OptionError(
                f"{given[0]} is of one axis, and {' and '.join(found.measures)} have one each: make an umbrella of the rows of "
                f"one measure."
            )


class Umbrella:
    """Builds the rows of all panels; holds what they share: columns, decimals and groups."""

    def __init__(self, found: UmbrellaReview, options: ForestOptions) -> None:
        self.found, self.options, self.look = found, options, options.look
        self.decimals = [self.decimals_of(i) for i in range(len(found))]
        names = [name for name in found.outcomes if found.outcome.count(name) > 1]
        placed = [*(options.names("left") or ()), *(options.names("right") or ())]
        self.grouped = bool(names) and "outcome" not in placed
        self.choices = self.chosen()
        self.columns = self.text_columns()

    def decimals_of(self, i: int) -> int:
        """Those that the user asks for, those of the report, or few where a program wrote all that it had."""
        found = self.found
        if self.options.decimals is not None:
            return self.options.decimals
        own = int(found.decimals[i])
        width = float(found.ci_high[i] - found.ci_low[i])
        return own if own <= MOST_DECIMALS else decimals_for([width], is_ratio(found.measure[i]))

    def chosen(self) -> list[tuple[list[str], list[str]]]:
        """Columns left and right in the order of preference: the user's, or those that tables of reviews print."""
        own = [name for name in ("k", "n_total") if name in self.found.reported]
        i2 = [name for name in ("i2",) if name in self.found.reported]
        quality = [name for name in self.found.others if name.lower().startswith(QUALITY)]
        outcome = ["outcome"] if self.found.outcomes and not self.grouped else []
        study = ["study", *outcome]
        choices = [
            ([*study, *own], ["estimate", *i2, *quality]),
            ([*study, *own[:1]], ["estimate", *i2, *quality]),
            ([*study, *own[:1]], ["estimate", *i2]),
            ([*study, *own[:1]], ["estimate"]),
            (study, ["estimate"]),
        ]
        left_given, right_given = (self.aliased(self.options.names(side)) for side in ("left", "right"))
        known = self.known_names()
        for name in (*(left_given or ()), *(right_given or ())):
            if name not in known and name not in self.options.functions:
                raise OptionError(
                    f"there is no column {name!r}.{nearest(name, known)} The columns are: {', '.join(known)}."
                )
        if left_given is None and right_given is None:
            return choices
        for name in set(left_given or ()) & set(right_given or ()):
            raise OptionError(f"the column {name!r} stands both in left and in right: choose one side.")
        asked = []
        for left, right in choices:
            one = [c for c in left if c not in (right_given or ())] if left_given is None else left_given
            two = [c for c in right if c not in (left_given or ())] if right_given is None else right_given
            pair = (one if "study" in (*one, *two) else ["study", *one], two)
            asked += [] if pair in asked else [pair]
        return asked

    def aliased(self, names: list[str] | None) -> list[str] | None:
        """The user's names, with a review's name under the one that it has among columns."""
        return None if names is None else ["study" if name == "review" else name for name in names]

    def known_names(self) -> list[str]:
        """Every name that left and right understand."""
        found = self.found
        outcome = ["outcome"] if found.outcomes else []
        return list(
            dict.fromkeys(["study", *outcome, "measure", "estimate", "interval", *found.reported, *found.others])
        )

    def known(self) -> list[Mapping[str, Any]]:
        """What is known of each row, by name: what a function of a column is given, and what rows are sorted by."""
        found = self.found
        columns: dict[str, Sequence[Any]] = {**found.others}
        columns |= {name: values.tolist() for name, values in found.numbers.items()}
        columns |= {"study": found.review, "review": found.review, "outcome": found.outcome, "measure": found.measure}
        columns |= {"estimate": found.estimate.tolist(), "low": found.ci_low.tolist(), "high": found.ci_high.tolist()}
        return [{name: values[i] for name, values in columns.items()} for i in range(len(found))]

    def text_columns(self) -> Mapping[str, TextColumn]:
        """Every column that some choice of columns needs, but for the estimate and its interval."""
        found, headings = self.found, self.own_headings()
        columns: dict[str, TextColumn] = {}
        for name in dict.fromkeys(name for choice in self.choices for side in choice for name in side):
            heading = headings.get(name, HEADINGS.get(name.lower(), name))
            if name in ("study", "outcome", "measure"):
                values = found.review if name == "study" else getattr(found, name)
                texts = tuple(one_line(text) for text in values)
                columns[name] = TextColumn(Column(name, "left", wraps=True), heading, texts, no_total)
            elif name in self.options.functions:
                function = self.options.functions[name]
                columns[name] = computed_column(name, function, headings.get(name), self.known())
            elif name in found.reported:
                unit = "%" if name == "i2" else ""
                texts = tuple(true_minus(f"{text}{unit}") if text else "" for text in found.reported[name])
                columns[name] = TextColumn(Column(name), heading, texts, no_total)
            elif name not in ("estimate", "interval"):
                columns[name] = text_or_number(name, heading, found.others[name])
        return columns

    def own_headings(self) -> dict[str, str]:
        """The headings that the user gave with the columns."""
        given = given_headings(self.options)
        return {("study" if name == "review" else name): heading for name, heading in given.items()}

    def titled(self, pattern: str, measure: str) -> str:
        """A heading of the layout; how studies were pooled is for each review to say."""
        title = measure_title(measure)
        return pattern.replace("{method}, {model}, ", "").format(
            measure=title,
            Measure=f"{title[:1].upper()}{title[1:]}",
            MEASURE=" ".join(f"{word[:1].upper()}{word[1:]}" for word in title.split(" ")),
            level=per_cent(self.found.level),
        )

    def specs(self) -> tuple[ForestSpec, ...]:
        """A panel a measure."""
        options = self.options
        specs = [self.panel(measure) for measure in self.found.measures]
        notes = [f"Level of the intervals: {per_cent(self.found.level)}"] if self.found.level != 0.95 else []
        specs[0] = replace(specs[0], title=options.title)
        specs[-1] = replace(specs[-1], notes=(NOT_POOLED, *notes) if options.notes else ())
        return tuple(specs)

    def panel(self, measure: str) -> ForestSpec:
        """The reviews that report one measure."""
        found, look = self.found, self.look
        mine = [i for i in range(len(found)) if found.measure[i] == measure]
        if self.options.sort:
            known = self.known()
            mine = ordered(mine, self.options.sort, {name: [row[name] for row in known] for name in known[0]})
        # A hyphen between limits would read as a minus sign where some limit of the panel has one.
        negative = not is_ratio(measure) and any(found.ci_low[i] < 0 for i in mine)
        rows: list[Row] = []
        if self.grouped:
            for name in dict.fromkeys(found.outcome):
                own = [i for i in mine if found.outcome[i] == name]
                if own:
                    rows.append(Row("group", text=one_line(name) or UNNAMED))
                    rows += [self.row(i, negative, indented=look.indent) for i in own]
        else:
            rows = [self.row(i, negative, indented=False) for i in mine]
        return ForestSpec(self.column_sets(measure), tuple(rows), self.axis(measure, mine), manner=look.manner)

    def row(self, i: int, negative: bool, indented: bool) -> Row:
        """One pooled result of one review."""
        found, decimals, ratio = self.found, self.decimals[i], is_ratio(self.found.measure[i])
        low, estimate, high = float(found.ci_low[i]), float(found.estimate[i]), float(found.ci_high[i])
        cells = {name: column.texts[i] for name, column in self.columns.items()}
        cells["estimate"] = fixed(estimate, decimals, ratio)
        cells["interval"] = self.look.wording.interval(low, high, decimals, ratio, negative)
        return Row("study", cells, mark=Mark("square", estimate, low, high, share=SAME_SIZE), indented=indented)

    def column_sets(self, measure: str) -> tuple[ColumnSet, ...]:
        """The columns with the headings of a panel: its measure stands over its estimates."""
        headings = {name: column.heading for name, column in self.columns.items()}
        chosen = self.options.study_heading
        headings["study"] = "Review" if chosen is None else chosen
        headings["estimate"] = self.titled(self.look.estimate_heading, measure)
        own = self.own_headings()
        headings |= own
        headings["measure"] = own.get("estimate", self.titled("{Measure}", measure))
        headings["interval"] = own.get("interval", self.titled("{level}\u00a0CI", measure))
        panel = self.titled(self.look.panel_heading, measure)
        return tuple(column_set(choice, self.columns, headings, ("", ""), panel=panel) for choice in self.choices)

    def axis(self, measure: str, mine: Sequence[int]) -> AxisSpec:
        """The axis of a measure with its limits and directions: logarithmic for ratios."""
        found, options, look, log = self.found, self.options, self.look, is_ratio(measure)
        null: float | None = (1.0 if log else 0.0) if options.null_line is True else None
        if not isinstance(options.null_line, bool):
            null = options.null_line
        extents = [(float(found.estimate[i]), float(found.ci_low[i]), float(found.ci_high[i])) for i in mine]
        bounds = (-1.0, 1.0) if measure == "COR" else (0.0 if log else -math.inf, math.inf)
        low, high = options.xlim or axis_limits(extents, (), null, log, bounds)
        if look.symmetric and options.xlim is None and null is not None:
            low, high = around(null, low, high, log, bounds)
        if log and min(low, *(options.ticks or ()), high) <= 0:
            raise OptionError(f"the axis of a {measure_title(measure)} is logarithmic: xlim and ticks lie above 0.")
        label = options.axis_label
        if label is None:
            label = f"{self.titled('{Measure}', measure)}{' (log scale)' if log else ''}" if look.axis_named else ""
        favours = None
        if isinstance(options.favours, tuple):
            favours = (look.favours.format(options.favours[0]), look.favours.format(options.favours[1]))
        ticks = None if options.ticks is None else tuple(options.ticks)
        return AxisSpec(log, low, high, label, null, math.nan, favours, ticks)
