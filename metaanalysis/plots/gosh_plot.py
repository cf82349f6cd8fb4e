"""The GOSH plot: results of all subsets of the studies."""

from __future__ import annotations

from typing import Literal, Unpack

import numpy as np
from matplotlib.axes import Axes

from metaanalysis.errors import DataError, OptionError
from metaanalysis.plots.chart_options import ChartOptions, Look, chart_options, checked_choice, checked_switch
from metaanalysis.plots.chart_spec import ChartSpec, Dots, Entry, Margin, Scale
from metaanalysis.plots.draw_chart import drawn_chart
from metaanalysis.plots.scales import effect_scale, spread, with_limits
from metaanalysis.plots.words import with_thousands
from metaanalysis.results.gosh import Density, Gosh

Y_LABELS = {"i2": "I² (%)", "tau2": "τ²", "h2": "H²", "q": "Cochran’s Q"}
WITH, WITHOUT = "#a8481a", "square"


def gosh(
    result: Gosh,
    *,
    study: str | int | None = None,
    y_axis: Literal["i2", "tau2", "h2", "q"] = "i2",
    densities: bool = True,
    ax: Axes | None = None,
    **look: Unpack[Look],
) -> Axes:
    """Are there clusters or outliers behind the heterogeneity? Draw the result of each subset against its heterogeneity.

    Parameters
    ----------
    result
        From `metaanalysis.gosh`.
    study
        A study by its label or, from 0 upward, its place: the subsets that have it stand out.
    y_axis
        ``i2`` (default), ``tau2``, ``h2`` or ``q``.
    densities
        Whether to draw how often each result and each heterogeneity occurs, over the panel and beside it.
    ax
        Axes to draw on; everything stays within the box that they have. By default a new figure.
    **look
        Title, labels, limits, size, font, style: see `metaanalysis.plots.Look`.

    Returns
    -------
    matplotlib.axes.Axes
        The panel. Its x axis is the scale of analysis (log for ratios), with numbers on the scale on which the measure is read.
        The points are a picture (of dots) even in an SVG or a PDF, as there may be a million.

    Raises
    ------
    OptionError
        Where an option can't be.
    DataError
        Where the study is not there, or no subset has the numbers.

    References
    ----------
    Olkin I, Dahabreh IJ, Trikalinos TA (2012). GOSH: a graphical display of study heterogeneity. Research Synthesis Methods
    3, 214-223.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis import plots
    >>> found = ma.gosh(ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="author"), tau2="DL", subsets=500, seed=1)
    >>> ax = plots.gosh(found, study="TPT Madras")
    """
    options = chart_options(gosh, look, ax)
    if not isinstance(result, Gosh):
        raise OptionError(f"gosh draws the result of metaanalysis.gosh, not {type(result).__name__}.")
    checked_choice("y_axis", y_axis, tuple(Y_LABELS))
    checked_switch("densities", densities)
    return drawn_chart(gosh_spec(result, study, y_axis, densities, options), options, ax)


def margins(result: Gosh, quantity: str, study: str | int | None) -> tuple[Margin, ...]:
    """The density of all subsets, or of those with and without a study, on one scale."""
    found: dict[str, tuple[Density, str]]
    if study is None:
        found = {"density": (result.density(quantity), WITHOUT)}
    else:
        found = {
            "density without": (result.density(quantity, study=study, without=True), WITHOUT),
            "density with": (result.density(quantity, study=study), WITH),
        }
    top = max((float(one.density.max()) for one, _ in found.values() if one.x.size), default=1.0)
    return tuple(Margin(key, one.x, one.density / top, tone) for key, (one, tone) in found.items() if one.x.size)


def gosh_spec(result: Gosh, study: str | int | None, y_axis: str, densities: bool, options: ChartOptions) -> ChartSpec:
    """A point a subset of two studies and more."""
    y = getattr(result, y_axis)
    there = np.isfinite(result.estimate) & np.isfinite(y) & (result.k > 1)
    if not there.any():
        raise DataError(f"no subset has {y_axis}: under the common-effect model draw y_axis='q' or 'i2'.")
    entry = result.effects.measure_entry
    low, high = spread(result.estimate[there].tolist())
    top = 100.0 if y_axis == "i2" else float(y[there].max()) or 1.0
    # Many points let those behind them show through, few stand out.
    n = int(there.sum())
    alpha = float(np.clip(60.0 / np.sqrt(n), 0.08, 0.9))
    parts = [("subsets", there, WITHOUT)]
    if study is not None:
        has = result.contains(study)
        parts = [("without", there & ~has, WITHOUT), ("with", there & has, WITH)]
    dots = tuple(
        Dots(key, result.estimate[rows], y[rows], tone, "", "o", None, 0.28, alpha, raster=True)
        for key, rows, tone in parts
    )
    legend: tuple[Entry, ...] = ()
    if study is not None:
        name = study if isinstance(study, str) else result.effects.label[study]
        legend = (Entry(f"With {name}", dots[1]), Entry("Without", dots[0]))
    which = "All" if result.every else "A random sample of"
    note = f"{which} {with_thousands(n)} subsets of two studies and more, of {result.effects.k} studies."
    y_label = Y_LABELS[y_axis] if options.y_label is None else options.y_label
    return ChartSpec(
        x=effect_scale(entry, low, high, options.x_label, options.xlim),
        y=with_limits(Scale(-0.02 * top, 1.03 * top, y_label), options.ylim, "ylim"),
        dots=dots,
        legend=legend if options.legend else (),
        notes=(note,) if options.notes else (),
        title=options.title,
        over=margins(result, "estimate", study) if densities else (),
        beside=margins(result, y_axis, study) if densities else (),
    )
