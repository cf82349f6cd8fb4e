"""The columns of a forest plot: which there are, what stands in them and over them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.effects.columns import is_missing
from metaanalysis.errors import OptionError, nearest
from metaanalysis.plots.forest_options import ColumnFunction, ForestOptions
from metaanalysis.plots.forest_spec import PANEL, Column, ColumnSet, Head
from metaanalysis.plots.risk_of_bias_colours import Judgement, judgement
from metaanalysis.plots.words import column_texts, fixed
from metaanalysis.plots.wrapping import one_line

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
# Where a group has one column, what is counted may stand over both groups' names.
QUANTITIES = {"events/n": "No. of events/total", "events/time": "No. of events/time"}
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
    lights: Mapping[int, Judgement] = field(default_factory=dict)


def no_total(_: Sequence[int]) -> str:
    """The total of what can't be added up."""
    return ""


def chosen_columns(effects: Effects, options: ForestOptions) -> list[tuple[list[str], list[str]]]:
    """The user's own columns, or the layout's. The study's name comes first where it isn't placed, lights come last."""
    preferred = options.look.choices(effects)
    left_given, right_given = (
        None if names is None else [own for name in names for own in expanded(effects, name)]
        for names in (options.names("left"), options.names("right"))
    )
    placed = [*(left_given or ()), *(right_given or ())]
    for name in set(left_given or ()) & set(right_given or ()):
        raise OptionError(f"the column {name!r} stands both in left and in right: choose one side.")
    lights = [f"{LIGHTS}{name}" for name in options.names("risk_of_bias") or ()]
    choices: list[tuple[list[str], list[str]]] = []
    for left, right in preferred:
        own_left = [c for c in left if c not in placed] if left_given is None else left_given
        own_right = [c for c in right if c not in placed] if right_given is None else right_given
        if "study" not in [*own_left, *own_right]:
            own_left = ["study", *own_left]
        if (own_left, [*own_right, *lights]) not in choices:
            choices.append((own_left, [*own_right, *lights]))
    return choices


# Names that stand for a column a group, where the data have groups.
_OF_BOTH_GROUPS = ("events/n", "events/time", "mean (sd)", "events", "n", "mean", "sd", "time")
_PART = re.compile(r"[a-z]+")


def expanded(effects: Effects, name: str) -> list[str]:
    """The columns that a name stands for: "events/total" and "mean (SD)" are those of both groups, others themselves."""
    known = known_columns(effects)
    pattern = name.lower().replace("total", "n")
    if name in known or pattern not in _OF_BOTH_GROUPS:
        return [name]
    pair = [_PART.sub(rf"\g<0>{group}", pattern) for group in (1, 2)]
    return pair if set(pair) <= set(known) else [name]


def known_columns(effects: Effects) -> list[str]:
    """Every name that left and right understand."""
    inputs = [name for name in effects.inputs if name not in ("y", "v", "se")]
    both = [f"{a}{g}/{b}{g}" for g in (1, 2) for a, b in (("events", "n"), ("events", "time"))]
    both = [name for name in both if set(name.split("/")) <= set(inputs)]
    both += [f"mean{g} (sd{g})" for g in (1, 2) if {f"mean{g}", f"sd{g}"} <= set(inputs)]
    table = [] if effects.source is None else [str(name) for name in effects.source.columns]
    return list(dict.fromkeys(["study", "estimate", "interval", "weight", *inputs, *both, "y", "v", "se", *table]))


def study_column(effects: Effects, name: str, heading: str | None) -> StudyColumn:
    """A column of study data or of the user's own table; OptionError where there is none of that name."""
    stem, group = name.rstrip("12"), int(name[-1]) if name[-1] in "12" else 0
    if name in ("y", "v", "se"):
        texts = tuple(column_texts(getattr(effects, name), most=4 if name != "y" else 3))
        own = {"y": effects.measure_entry.analysis_scale, "v": "Variance", "se": "SE"}[name]
        return StudyColumn(Column(name), heading or f"{own[:1].upper()}{own[1:]}", texts, no_total)
    if name in effects.inputs:
        return input_column(effects, name, heading or HEADINGS.get(stem, stem), group)
    if "/" in name and set(name.split("/")) <= set(effects.inputs):
        return fraction_column(effects, name, heading)
    if name in ("mean1 (sd1)", "mean2 (sd2)") and {f"mean{name[4]}", f"sd{name[4]}"} <= set(effects.inputs):
        return mean_column(effects, int(name[4]), heading)
    if effects.source is not None and name in effects.source.columns:
        return table_column(effects, name, heading or name)
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
    """A column of the user's table."""
    return text_or_number(name, heading, effects.column(name))


def text_or_number(name: str, heading: str, values: Sequence[Any]) -> StudyColumn:
    """Numbers to the right; texts to the left and broken into lines where need be."""
    present = [value for value in values if not is_missing(value)]
    if present and all(isinstance(value, Real) and not isinstance(value, bool | np.bool_) for value in present):
        numbers = [math.nan if is_missing(value) else float(value) for value in values]
        return StudyColumn(Column(name), heading, tuple(column_texts(numbers, most=3)), no_total)
    texts = tuple("" if is_missing(value) else one_line(str(value)) for value in values)
    return StudyColumn(Column(name, "left", wraps=True), heading, texts, no_total)


def computed_column(
    name: str, function: ColumnFunction, heading: str | None, studies: Sequence[Mapping[str, Any]]
) -> StudyColumn:
    """What a function of the user says of each study; OptionError that names the study where it fails."""
    values = []
    for study in studies:
        try:
            values.append(function(study))
        except Exception as error:
            raise OptionError(
                f"the column {name} failed for study {study['study']!r}: {type(error).__name__}: {error}. A function of a "
                f"column is given what is known of the study by name: {', '.join(study)}."
            ) from error
    own = getattr(function, "__name__", "")
    usual = "" if own.startswith("<") else own.replace("_", " ").strip().capitalize()
    return text_or_number(name, usual if heading is None else heading, values)


# What tells a column of lights from one of the same name with the judgements in words.
LIGHTS = "lights: "


def lights_column(effects: Effects, name: str, heading: str) -> StudyColumn:
    """Judgements of the risk of bias; a study without one has no light."""
    if effects.source is None or name not in effects.source.columns:
        if effects.source is None:
            raise OptionError(
                f"risk_of_bias names {name!r}, and these effects were given as plain arrays: pass a table to effect_sizes."
            )
        known = [str(column) for column in effects.source.columns]
        raise OptionError(
            f"risk_of_bias names {name!r}, which is no column.{nearest(name, known)} The columns are: {', '.join(known)}."
        )
    lights: dict[int, Judgement] = {}
    for i, value in enumerate(effects.column(name)):
        if not is_missing(value) and str(value).strip():
            lights[i] = judgement(value, f"study {effects.label[i]!r}, column {name!r}")
    column = Column(f"{LIGHTS}{name}", "center", lights=True)
    return StudyColumn(column, heading, ("",) * effects.k, no_total, lights=lights)


def weight_column(name: str, weights: Sequence[float], heading: str, unit: str) -> StudyColumn:
    """As in "11.2%", with what a group's studies add up to; with more decimals where many studies share the weight."""
    known = [w for w in weights if not math.isnan(w)]
    typical = float(np.median(np.array(known))) if known else math.nan
    decimals = 1 if not 0.0 < typical < 1.0 else 2 if typical >= 0.1 else 3
    texts = tuple("" if math.isnan(w) else f"{fixed(w, decimals)}{unit}" for w in weights)

    def total(rows: Sequence[int]) -> str:
        own = [weights[row] for row in rows if not math.isnan(weights[row])]
        return f"{fixed(math.fsum(own), decimals)}{unit}" if own else ""

    return StudyColumn(Column(name), heading, texts, total)


def column_set(
    names: tuple[list[str], list[str]],
    columns: Mapping[str, StudyColumn],
    headings: Mapping[str, str],
    groups: tuple[str, str],
    quantity_over_groups: bool = False,
    panel: str = "",
) -> ColumnSet:
    """The columns of one choice, with a group's name over the columns that belong to it; panel: the heading over the panel."""
    sides: list[tuple[Column, ...]] = []
    heads: list[Head] = []
    # The estimate brings its interval with it, unless that has a place of its own.
    alone = any("interval" in side for side in names)
    for side in names:
        placed: list[Column] = []
        quantities = pairs_of(side, columns) if quantity_over_groups else {}
        for name in side:
            if name in ("estimate", "interval"):
                together = name == "estimate" and not alone
                placed += [Column("estimate")] if name == "estimate" else []
                placed += [Column("interval", "left")] if together or name == "interval" else []
                under = ("estimate", "interval") if together else (name,)
                heads.append(Head(headings["measure" if name == "estimate" and alone else name], under))
                continue
            column = columns[name]
            placed.append(column.column)
            heads.append(Head(groups[column.group - 1] if name in quantities else headings[name], (column.column.key,)))
        sides.append(tuple(placed))
        heads += [Head(text, pair, level=1) for text, pair in {(t, p) for t, p in quantities.values()}]
        for group in (1, 2):
            keys = [n for n in side if n in columns and columns[n].group == group and n not in quantities]
            if keys and side.index(keys[-1]) - side.index(keys[0]) == len(keys) - 1:
                heads.append(Head(groups[group - 1], tuple(keys), level=1))
            else:
                heads += [Head(groups[group - 1], (key,), level=1) for key in keys]
        lights = tuple(name for name in side if name in columns and columns[name].column.lights)
        if lights:
            heads.append(Head(RISK_OF_BIAS, lights, level=1))
    if panel:
        heads.append(Head(panel, (PANEL,)))
    return ColumnSet(sides[0], sides[1], tuple(heads))


RISK_OF_BIAS = "Risk of bias"


def pairs_of(side: Sequence[str], columns: Mapping[str, StudyColumn]) -> dict[str, tuple[str, tuple[str, str]]]:
    """The columns that stand for both groups as one pair of neighbours: column -> what is counted, and the pair."""
    own = [name for name in side if name in columns and columns[name].group]
    if len(own) != 2 or side.index(own[1]) - side.index(own[0]) != 1:
        return {}
    stems = {name.replace("1", "").replace("2", "") for name in own}
    if len(stems) != 1 or {columns[name].group for name in own} != {1, 2}:
        return {}
    quantity = QUANTITIES.get(stem := stems.pop(), HEADINGS.get(stem, stem))
    return dict.fromkeys(own, (quantity, (own[0], own[1])))
