"""A meta-regression -> its bubble plot. The line and its bands are the regression's own predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from metaanalysis.effects.columns import is_missing
from metaanalysis.errors import DataError, OptionError, nearest
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.weighted import inverse_variance_weights
from metaanalysis.plots.axis import tick_label
from metaanalysis.plots.chart_options import ChartOptions
from metaanalysis.plots.chart_spec import Area, ChartSpec, Curve, Dash, Entry, PointLabel, Scale
from metaanalysis.plots.grouped import study_dots
from metaanalysis.plots.scales import effect_scale, null_place, spread, with_limits
from metaanalysis.results import Regression
from metaanalysis.results.text import per_cent

CONFIDENCE, PREDICTION = "diamond@0.26", "diamond@0.09"
POINTS = 101
LARGEST = 2.2


def bubble_spec(
    regression: Regression,
    moderator: str,
    at: Mapping[str, Any],
    confidence: bool,
    prediction: bool,
    by: str | Sequence[Any] | None,
    label: bool | Sequence[str],
    options: ChartOptions,
) -> ChartSpec:
    """Effects against a moderator, areas by weight, with the regression's line."""
    effects, entry = regression.effects, regression.effects.measure_entry
    null = null_place(entry)
    x = values_of(regression, moderator)
    y = np.asarray(effects.y)
    low, high = spread(x.tolist(), pad=0.06)
    x_scale = Scale(low, high, moderator if options.x_label is None else options.x_label)
    x_scale = with_limits(x_scale, options.xlim, "xlim")
    held = values_held(regression, moderator, at)
    grid = np.linspace(x_scale.low, x_scale.high, POINTS)
    bands = predictions(regression, moderator, grid, held)
    w = inverse_variance_weights(np.asarray(effects.v), regression.tau2 if regression.tau2 > 0 else 0.0)
    dots, entries = study_dots(effects, x, y, by, w / w.max(), LARGEST)
    areas: list[Area] = []
    curves: list[Curve] = []
    legend = list(entries) if by is not None else []
    shown = [*y.tolist()]
    ci = per_cent(regression.level)
    limits: tuple[tuple[str, bool, str, Dash], ...] = (
        ("prediction", prediction, PREDICTION, "dotted"),
        ("confidence", confidence, CONFIDENCE, "dashed"),
    )
    for name, wanted, shade, dash in limits:
        own = "ci" if name == "confidence" else name
        lower, upper = bands[f"{own}_low"], bands[f"{own}_high"]
        if not wanted or np.isnan(lower).any():
            continue
        areas.append(Area(name, np.append(grid, grid[::-1]), np.append(lower, upper[::-1]), shade))
        curves += [Curve(name, grid, edge, "quiet", dash, 0.7) for edge in (lower, upper)]
        legend.append(Entry(f"{ci} {name} band", areas[-1]))
        shown += [*lower.tolist(), *upper.tolist()]
    y_low, y_high = spread([*shown, *(() if null is None else (null,))])
    y_scale = effect_scale(entry, y_low, y_high, options.y_label, options.ylim, "ylim")
    if null is not None:
        curves.append(Curve("null", np.array([x_scale.low, x_scale.high]), np.full(2, null), "quiet", "solid", 0.6))
    curves.append(Curve("regression", grid, bands["estimate"], "ink", "solid", 1.4))
    names = labels_of(regression, x, y, w, label)
    return ChartSpec(
        x=x_scale,
        y=y_scale,
        areas=tuple(areas),
        curves=tuple(curves),
        dots=dots,
        labels=names,
        legend=tuple(legend) if options.legend else (),
        notes=notes(held) if options.notes else (),
        title=options.title,
    )


def predictions(
    regression: Regression, moderator: str, grid: FloatArray, held: Mapping[str, Any]
) -> dict[str, FloatArray]:
    """The regression's predictions along the moderator."""
    import pandas as pd

    frame = pd.DataFrame({moderator: grid, **{name: [value] * grid.size for name, value in held.items()}})
    found = regression.predict(frame)
    return {str(name): found[name].to_numpy(dtype=np.float64) for name in found.columns}


def values_of(regression: Regression, moderator: str) -> FloatArray:
    """The studies' values of a moderator; OptionError where it is none of the formula's, or not a number."""
    known = regression.design.variables
    if moderator not in known:
        raise OptionError(
            f"the regression {regression.formula!r} has no moderator {moderator!r}.{nearest(str(moderator), known)} "
            f"The moderators are: {', '.join(known) or 'none'}."
        )
    values = regression.effects.column(moderator)
    if not all(isinstance(value, Real) and not isinstance(value, bool | np.bool_) for value in values):
        raise OptionError(
            f"{moderator} is not a number, and a bubble plot has an axis of numbers: show groups by forest(subgroups(...)), or "
            f"give it in by={moderator!r} with another moderator on the axis."
        )
    return np.array([float(value) for value in values])


def values_held(regression: Regression, moderator: str, at: Mapping[str, Any]) -> dict[str, Any]:
    """Where the other moderators are held: as asked for; else a number at its mean, a factor at its most frequent level."""
    others = [name for name in regression.design.variables if name != moderator]
    for name in at:
        if name not in others:
            raise OptionError(
                f"at={dict(at)!r} holds {name!r}, which is none of the other moderators.{nearest(str(name), others)} "
                f"These are: {', '.join(others) or 'none'}."
            )
    held: dict[str, Any] = {}
    for name in others:
        values = [value for value in regression.effects.column(name) if not is_missing(value)]
        if name in at:
            held[name] = at[name]
        elif all(isinstance(value, Real) and not isinstance(value, bool | np.bool_) for value in values):
            held[name] = float(np.mean([float(value) for value in values]))
        else:
            held[name] = max(dict.fromkeys(values), key=values.count)
    return held


def labels_of(
    regression: Regression, x: FloatArray, y: FloatArray, w: FloatArray, label: bool | Sequence[str]
) -> tuple[PointLabel, ...]:
    """The names of all studies, or of some, the heaviest first."""
    names = list(regression.effects.label)
    if label is False:
        return ()
    if label is not True:
        for name in label:
            if name not in names:
                raise DataError(f"there is no study {name!r}.{nearest(name, names)}")
    order = np.argsort(-w, kind="stable").tolist()
    return tuple(PointLabel(names[i], float(x[i]), float(y[i])) for i in order if label is True or names[i] in label)


def notes(held: Mapping[str, Any]) -> tuple[str, ...]:
    """What is held where, and what the areas are."""
    found = ["Areas are in proportion to the studies’ weights in the regression."]
    if held:
        words = [
            f"{name} = {tick_label(float(f'{value:.4g}')) if isinstance(value, Real) else value}"
            for name, value in held.items()
        ]
        found.append(f"The line holds {', '.join(words)}.")
    return tuple(found)
