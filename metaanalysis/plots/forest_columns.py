"""The columns of a forest plot: which there are, what stands in them and over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.effects.columns import is_missing
from metaanalysis.errors import OptionError, nearest
from metaanalysis.plots.forest_options import ForestOptions
from metaanalysis.plots.forest_spec import Column, ColumnSet, Head
from metaanalysis.plots.words import column_texts, fixed
from metaanalysis.plots.wrapping import one_line

TREATMENT, CONTROL = "Treatment", "Control"
HEADINGS = {
    "events": "Events",
    "n": "Total",
    "mean": "Mean",
    "sd": "SD",
    "time": "Time",
    "r": "Correlation",
    "events/n": "Events/total",
    "events/time": "Events/time",
    "mean (sd)": "Mean (SD)",
}
# What may be added up over studies.
SUMS = ("events", "n", "time")

Total = Callable[[Sequence[int]], str]


@dataclass(frozen=True)
class StudyColumn:
    """A column with a text a study, what its totals are, and the group that it belongs to (1, 2, or 0 for none)."""

    column: Column
    heading: str
    texts: tuple[str, ...]
    total: Total
    group: int = 0


def no_total(_: Sequence[int]) -> str:
    """The total of what can't be added up."""
    return ""


def preferred_columns(effects: Effects) -> list[tuple[list[str], list[str]]]:
    """Left and right columns by default: all that is known first, then less and less for narrow figures."""
    known = set(effects.inputs)
    both = ["estimate", "weight"]
    choices: list[tuple[list[str], list[str]]] = []
    if {"events1", "n1", "events2", "n2"} <= known:
        choices += [(["events1", "n1", "events2", "n2"], both), (["events1/n1", "events2/n2"], both)]
        choices += [(["events1/n1", "events2/n2"], ["estimate"])]
    elif {"mean1", "sd1", "n1", "mean2", "sd2", "n2"} <= known:
        choices += [(["mean1 (sd1)", "n1", "mean2 (sd2)", "n2"], both), (["n1", "n2"], both)]
    elif effects.inputs:
        # A correlation is its own estimate: beside the estimate's column it would stand twice.
        named = [name for name in effects.inputs if name not in ("y", "v", "se", "r")]
        choices += [(named, both)]
    choices += [([], both), ([], ["estimate"])]
    return [(["study", *left], right) for left, right in choices]


def chosen_columns(effects: Effects, options: ForestOptions) -> list[tuple[list[str], list[str]]]:
    """The user's own columns, or those by default. The study's name comes first where it isn't placed."""
    preferred = preferred_columns(effects)
    right_given = list(options.right or ())
    if options.left is None and options.right is None:
        return preferred
    placed = [*(options.left or ()), *right_given]
    for name in set(options.left or ()) & set(right_given):
        raise OptionError(f"the column {name!r} stands both in left and in right: choose one side.")
    choices: list[tuple[list[str], list[str]]] = []
    for left, right in preferred:
        own_left = list(options.left) if options.left is not None else [c for c in left if c not in right_given]
        own_right = right_given if options.right is not None else [c for c in right if c not in placed]
        if "study" not in [*own_left, *own_right]:
            own_left = ["study", *own_left]
        if (own_left, own_right) not in choices:
            choices.append((own_left, own_right))
    return choices


def known_columns(effects: Effects) -> list[str]:
    """Every name that left and right understand."""
    inputs = [name for name in effects.inputs if name not in ("y", "v", "se")]
    both = [f"{a}{g}/{b}{g}" for g in (1, 2) for a, b in (("events", "n"), ("events", "time"))]
    both = [name for name in both if set(name.split("/")) <= set(inputs)]
    both += [f"mean{g} (sd{g})" for g in (1, 2) if {f"mean{g}", f"sd{g}"} <= set(inputs)]
    table = [] if effects.source is None else [str(name) for name in effects.source.columns]
    return list(dict.fromkeys(["study", "estimate", "weight", *inputs, *both, "se", *table]))


def study_column(effects: Effects, name: str, heading: str | None) -> StudyColumn:
    """A column of study data or of the user's own table; OptionError where there is none of that name."""
    stem, group = name.rstrip("12"), int(name[-1]) if name[-1] in "12" else 0
    if name in effects.inputs:
        return input_column(effects, name, heading or HEADINGS.get(stem, stem), group)
    if "/" in name and set(name.split("/")) <= set(effects.inputs):
        return fraction_column(effects, name, heading)
    if name in ("mean1 (sd1)", "mean2 (sd2)") and {f"mean{name[4]}", f"sd{name[4]}"} <= set(effects.inputs):
        return mean_column(effects, int(name[4]), heading)
    if effects.source is not None and name in effects.source.columns:
        return table_column(effects, name, heading or name)
    if name == "se":
        texts = tuple(column_texts(effects.se, most=4))
        return StudyColumn(Column(name), heading or "SE", texts, no_total)
    known = known_columns(effects)
    raise OptionError(f"there is no column {name!r}.{nearest(name, known)} The columns are: {', '.join(known)}.")


def input_column(effects: Effects, name: str, heading: str, group: int) -> StudyColumn:
    """Counts with their totals; means, standard deviations and correlations without."""
    values = effects.inputs[name]
    texts = tuple(column_texts(values))

    def total(rows: Sequence[int]) -> str:
        return column_texts([math.fsum(values[list(rows)])])[0]

    return StudyColumn(Column(name), heading, texts, total if name.rstrip("12") in SUMS else no_total, group)


def fraction_column(effects: Effects, name: str, heading: str | None) -> StudyColumn:
    """As in "4/123"."""
    above, below = (input_column(effects, part, "", 0) for part in name.split("/"))
    stem = "/".join(part.rstrip("12") for part in name.split("/"))
    texts = tuple(f"{a}/{b}" for a, b in zip(above.texts, below.texts, strict=True))

    def total(rows: Sequence[int]) -> str:
        return f"{above.total(rows)}/{below.total(rows)}"

    return StudyColumn(Column(name), heading or HEADINGS.get(stem, stem), texts, total, int(name[-1]))


def mean_column(effects: Effects, group: int, heading: str | None) -> StudyColumn:
    """As in "55 (47)"."""
    means, sds = (column_texts(effects.inputs[f"{part}{group}"]) for part in ("mean", "sd"))
    texts = tuple(f"{mean} ({sd})" for mean, sd in zip(means, sds, strict=True))
    name = f"mean{group} (sd{group})"
    return StudyColumn(Column(name), heading or HEADINGS["mean (sd)"], texts, no_total, group)


def table_column(effects: Effects, name: str, heading: str) -> StudyColumn:
    """A column of the user's table: numbers to the right, texts to the left and broken into lines where need be."""
    raw = effects.column(name)
    present = [value for value in raw if not is_missing(value)]
    if present and all(isinstance(value, Real) and not isinstance(value, bool | np.bool_) for value in present):
        numbers = [math.nan if is_missing(value) else float(value) for value in raw]
        return StudyColumn(Column(name), heading, tuple(column_texts(numbers, most=3)), no_total)
    texts = tuple("" if is_missing(value) else one_line(str(value)) for value in raw)
    return StudyColumn(Column(name, "left", wraps=True), heading, texts, no_total)


def weight_column(weights: Sequence[float]) -> StudyColumn:
    """As in "11.2%", with what a group's studies add up to."""
    texts = tuple("" if math.isnan(w) else f"{fixed(w, 1)}%" for w in weights)

    def total(rows: Sequence[int]) -> str:
        whole = math.fsum(weights[row] for row in rows)
        return "" if math.isnan(whole) else f"{fixed(whole, 1)}%"

    return StudyColumn(Column("weight"), "Weight", texts, total)


def column_set(
    names: tuple[list[str], list[str]],
    columns: Mapping[str, StudyColumn],
    headings: Mapping[str, str],
    groups: tuple[str, str],
) -> ColumnSet:
    """The columns of one choice, with a group's name over the columns that belong to it."""
    sides: list[tuple[Column, ...]] = []
    heads: list[Head] = []
    for side in names:
        placed: list[Column] = []
        for name in side:
            if name == "estimate":
                placed += [Column("estimate"), Column("interval")]
                heads.append(Head(headings[name], ("estimate", "interval")))
                continue
            placed.append(columns[name].column)
            heads.append(Head(headings[name], (columns[name].column.key,)))
        sides.append(tuple(placed))
        for group in (1, 2):
            keys = [name for name in side if name in columns and columns[name].group == group]
            if keys and side.index(keys[-1]) - side.index(keys[0]) == len(keys) - 1:
                heads.append(Head(groups[group - 1], tuple(keys), level=1))
            else:
                heads += [Head(groups[group - 1], (key,), level=1) for key in keys]
    return ColumnSet(sides[0], sides[1], tuple(heads))
