"""The radial plot (Galbraith)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
from matplotlib.axes import Axes

from metaanalysis.errors import OptionError
from metaanalysis.formulas.inference import quantile
from metaanalysis.plots.baujat_plot import chosen_labels
from metaanalysis.plots.chart_options import ChartOptions, Look, chart_options
from metaanalysis.plots.chart_spec import Area, ChartSpec, Curve, Entry, PointLabel, Scale
from metaanalysis.plots.draw_chart import drawn_chart
from metaanalysis.plots.grouped import study_dots
from metaanalysis.plots.scales import effect_scale, null_place, spread, title_of, with_limits
from metaanalysis.results import Pooled
from metaanalysis.results.text import per_cent

BAND = "square@0.22"


def radial(
    fit: Pooled,
    *,
    by: str | Sequence[Any] | None = None,
    label: bool | Sequence[str] = False,
    ax: Axes | None = None,
    **look: Unpack[Look],
) -> Axes:
    """Which studies disagree with the pooled estimate, whatever their size? Draw each as the slope of a ray from the origin.

    Parameters
    ----------
    fit
        From `pool`. Under the random-effects model precisions include the between-study variance.
    by
        A column of the studies' table, or one value a study: groups by colour and shape.
    label
        Whether to name the studies, or which ones; those furthest from the line come first, names without room are left out.
    ax
        Axes to draw on; everything stays within the box that they have. By default a new figure.
    **look
        Title, labels, limits, size, font, style: see `metaanalysis.plots.Look`.

    Returns
    -------
    matplotlib.axes.Axes
        The panel: precision 1 / sqrt(v + tau2) against y / sqrt(v + tau2). A ray from the origin through a study meets the axis
        on the right at the study's effect, in numbers on the scale on which the measure is read.

    Raises
    ------
    OptionError
        Where an option can't be.

    Notes
    -----
    At the fit's level, studies that differ from the pooled estimate by chance lie within the band.

    References
    ----------
    Galbraith RF (1988). Graphical display of estimates having differing standard errors. Technometrics 30, 271-281.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis import plots
    >>> ax = plots.radial(ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR"), model="common"), label=True)
    """
    options = chart_options(radial, look, ax)
    if not isinstance(fit, Pooled):
        raise OptionError(f"radial draws the result of pool, not {type(fit).__name__}.")
    return drawn_chart(radial_spec(fit, by, label, options), options, ax)


def radial_spec(
    fit: Pooled, by: str | Sequence[Any] | None, label: bool | Sequence[str], options: ChartOptions
) -> ChartSpec:
    """Standardised effects against precisions, the pooled estimate's ray and its band."""
    effects, entry = fit.effects, fit.effects.measure_entry
    spread_of = np.sqrt(np.asarray(effects.v) + (fit.tau2 if fit.tau2 > 0 else 0.0))
    x, y = 1.0 / spread_of, np.asarray(effects.y) / spread_of
    z = float(quantile(fit.level, np.asarray(np.inf)))
    end = 1.04 * float(x.max())
    ray = np.array([0.0, end])
    line = fit.estimate * ray
    low, high = spread([*y.tolist(), -z, z, *(line - z).tolist(), *(line + z).tolist()])
    x_label = "Precision (1 / standard error)" if not fit.tau2 > 0 else "Precision (1 / √(sampling variance + τ²))"
    x_scale = with_limits(
        Scale(0.0, end, x_label if options.x_label is None else options.x_label), options.xlim, "xlim"
    )
    y_label = "Effect × precision" if options.y_label is None else options.y_label
    y_scale = with_limits(Scale(low, high, y_label), options.ylim, "ylim")
    right_end = x_scale.high
    right = effect_scale(
        entry, y_scale.low / right_end, y_scale.high / right_end, f"{title_of(entry)} (along rays)", None
    )
    dots, entries = study_dots(effects, x, y, by)
    band = Area("band", np.append(ray, ray[::-1]), np.append(line - z, (line + z)[::-1]), BAND)
    edges = [Curve("limits", ray, line + sign * z, "quiet", "dashed", 0.8) for sign in (-1, 1)]
    estimate = Curve("estimate", ray, line, "ink", "solid", 1.2)
    curves = [*edges, estimate]
    null = null_place(entry)
    if null is not None:
        curves.insert(0, Curve("null", ray, null * ray, "quiet", "dotted", 0.8))
    distance = np.abs(y - fit.estimate * x)
    named = chosen_labels(tuple(effects.label), label)
    order = [i for i in np.argsort(-distance, kind="stable").tolist() if named[i]]
    legend = [*(entries if by is not None else ()), Entry("Pooled estimate", estimate)]
    legend.append(Entry(f"{per_cent(fit.level)} limits of chance", band))
    return ChartSpec(
        x=x_scale,
        y=y_scale,
        right=right,
        areas=(band,),
        curves=tuple(curves),
        dots=dots,
        labels=tuple(PointLabel(effects.label[i], float(x[i]), float(y[i])) for i in order),
        legend=tuple(legend) if options.legend else (),
        title=options.title,
    )
