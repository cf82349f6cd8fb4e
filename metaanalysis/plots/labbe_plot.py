"""The L'Abbé plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

import numpy as np
from matplotlib.axes import Axes

from metaanalysis.effects import Effects
from metaanalysis.errors import OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.weighted import inverse_variance_weights
from metaanalysis.plots.baujat_plot import chosen_labels
from metaanalysis.plots.chart_options import ChartOptions, Look, chart_options
from metaanalysis.plots.chart_spec import ChartSpec, Curve, Entry, PointLabel, Scale
from metaanalysis.plots.draw_chart import drawn_chart
from metaanalysis.plots.forest_options import checked_pair
from metaanalysis.plots.grouped import study_dots
from metaanalysis.plots.scales import with_limits
from metaanalysis.results import Pooled

LARGEST = 2.0
POINTS = 201
COUNTS = ("events1", "n1", "events2", "n2")


def odds(p: FloatArray, y: float) -> FloatArray:
    """Risks at the same odds ratio to others."""
    return np.asarray(p / (p + (1.0 - p) * np.exp(-y)))


# Risks of group 1 at each risk of group 2 where the effect is y, on the scale of analysis.
CURVES: dict[str, Callable[[FloatArray, float], FloatArray]] = {
    "RR": lambda p, y: np.asarray(p * np.exp(y)),
    "OR": odds,
    "PETO": odds,
    "RD": lambda p, y: np.asarray(p + y),
    "AS": lambda p, y: np.asarray(np.sin(np.clip(np.arcsin(np.sqrt(p)) + y, 0.0, np.pi / 2)) ** 2),
}


def labbe(
    result: Pooled | Effects,
    *,
    by: str | Sequence[Any] | None = None,
    groups: tuple[str, str] | None = None,
    label: bool | Sequence[str] = False,
    ax: Axes | None = None,
    **look: Unpack[Look],
) -> Axes:
    """Does the effect hold at every risk? Draw the risk in one group against that in the other.

    Parameters
    ----------
    result
        From `pool`, whose estimate is drawn as a curve; or `Effects`. Made from counts of events in two groups.
    by
        A column of the studies' table, or one value a study: groups by colour and shape.
    groups
        What the two groups are called: ``("Treatment", "Control")`` by default.
    label
        Whether to name the studies, or which ones; the heaviest come first, names without room are left out.
    ax
        Axes to draw on; everything stays within the box that they have. By default a new figure.
    **look
        Title, labels, limits, size, font, style: see `metaanalysis.plots.Look`.

    Returns
    -------
    matplotlib.axes.Axes
        The panel: risks as proportions, group 2 across and group 1 upwards, on equal scales. Areas are in proportion to the
        weights (of `Effects`: 1 / v).

    Raises
    ------
    OptionError
        Where an option can't be, or the effects were made without counts.

    Notes
    -----
    Risks are the raw ones, without a continuity correction.

    References
    ----------
    L'Abbé KA, Detsky AS, O'Rourke K (1987). Meta-analysis in clinical research. Annals of Internal Medicine 107, 224-233.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis import plots
    >>> fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR"))
    >>> ax = plots.labbe(fit, groups=("Vaccinated", "Not vaccinated"))
    """
    options = chart_options(labbe, look, ax)
    if not isinstance(result, Pooled | Effects):
        raise OptionError(f"labbe draws the result of pool or Effects, not {type(result).__name__}.")
    names = checked_pair("groups", groups, '("Vaccinated", "Not vaccinated")') or ("Treatment", "Control")
    return drawn_chart(labbe_spec(result, by, names, label, options), options, ax)


def labbe_spec(
    result: Pooled | Effects,
    by: str | Sequence[Any] | None,
    groups: tuple[str, str],
    label: bool | Sequence[str],
    options: ChartOptions,
) -> ChartSpec:
    """Risks, the line of equal risks, and the curve of the pooled effect."""
    effects = result.effects if isinstance(result, Pooled) else result
    missing = [name for name in COUNTS if name not in effects.inputs]
    if missing:
        raise OptionError(
            f"labbe needs the counts {', '.join(COUNTS)} of each study, and these effects ({effects.measure}) were made without "
            f"{', '.join(missing)}."
        )
    events1, n1, events2, n2 = (np.asarray(effects.inputs[name], dtype=np.float64) for name in COUNTS)
    x, y = events2 / n2, events1 / n1
    w = np.asarray(result.weights if isinstance(result, Pooled) else inverse_variance_weights(np.asarray(effects.v)))
    # A model of counts gives studies no weights.
    known = bool(np.isfinite(w).all())
    top = min(1.0, 1.12 * (max(float(x.max()), float(y.max())) or 0.5))
    pad = 0.03 * top
    x_label = f"Risk: {groups[1]}" if options.x_label is None else options.x_label
    y_label = f"Risk: {groups[0]}" if options.y_label is None else options.y_label
    x_scale = with_limits(Scale(-pad, top + pad, x_label), options.xlim, "xlim")
    y_scale = with_limits(Scale(-pad, top + pad, y_label), options.ylim, "ylim")
    risks = np.linspace(0.0, 1.0, POINTS)
    equal = Curve("null", np.array([0.0, 1.0]), np.array([0.0, 1.0]), "quiet", "dotted", 0.9)
    curves, legend = [equal], [Entry("Equal risks", equal)]
    if isinstance(result, Pooled) and effects.measure in CURVES:
        expected = CURVES[effects.measure](risks, result.estimate)
        on = (expected >= 0.0) & (expected <= 1.0)
        curve = Curve("estimate", risks[on], expected[on], "ink", "solid", 1.2)
        curves.append(curve)
        legend.append(Entry(f"Pooled {effects.measure_entry.title}", curve))
    dots, entries = study_dots(effects, x, y, by, w / w.max() if known else None, LARGEST if known else 0.9)
    named = chosen_labels(tuple(effects.label), label)
    order = [i for i in np.argsort(-w, kind="stable").tolist() if named[i]]
    return ChartSpec(
        x=x_scale,
        y=y_scale,
        curves=tuple(curves),
        dots=dots,
        labels=tuple(PointLabel(effects.label[i], float(x[i]), float(y[i])) for i in order),
        legend=(*(entries if by is not None else ()), *legend) if options.legend else (),
        title=options.title,
        square=options.xlim is None and options.ylim is None,
    )
