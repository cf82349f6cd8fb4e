"""The normal quantile-quantile plot of studentised residuals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas.order_statistics import normal_order_limits, normal_scores
from metaanalysis.options import checked_level
from metaanalysis.plots.baujat_plot import chosen_labels
from metaanalysis.plots.chart_options import ChartOptions, Look, chart_options
from metaanalysis.plots.chart_spec import Area, ChartSpec, Curve, Dots, Entry, PointLabel, Scale
from metaanalysis.plots.draw_chart import drawn_chart
from metaanalysis.plots.scales import spread, with_limits
from metaanalysis.results.influence import Influence
from metaanalysis.results.text import per_cent

BAND = "square@0.22"


def qq(
    result: Influence,
    *,
    level: float = 0.95,
    label: bool | Sequence[str] = False,
    ax: Axes | None = None,
    **look: Unpack[Look],
) -> Axes:
    """Are the effects normal about what the model expects? Draw the studentised residuals against normal quantiles.

    Parameters
    ----------
    result
        From `metaanalysis.influence`: each study's residual is from the fit without it.
    level
        Of the band in which each point lies if the model holds.
    label
        Whether to name the studies, or which ones; the largest residuals come first, names without room are left out.
    ax
        Axes to draw on; everything stays within the box that they have. By default a new figure.
    **look
        Title, labels, limits, size, font, style: see `metaanalysis.plots.Look`.

    Returns
    -------
    matplotlib.axes.Axes
        The panel: normal quantiles against residuals, both in standard deviations.

    Raises
    ------
    OptionError
        Where an option can't be.
    DataError
        Where a study to be named is not there, or no residual could be computed.

    Notes
    -----
    The band is exact for independent normal values, one point at a time: with many points some lie outside by chance.

    References
    ----------
    Wang MC, Bushman BJ (1998). Using the normal quantile plot to explore meta-analytic data sets. Psychological Methods 3,
    46-54.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis import plots
    >>> fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR"))
    >>> ax = plots.qq(ma.influence(fit))
    """
    options = chart_options(qq, look, ax)
    if not isinstance(result, Influence):
        raise OptionError(f"qq draws the result of metaanalysis.influence, not {type(result).__name__}.")
    return drawn_chart(qq_spec(result, checked_level(level), label, options), options, ax)


def qq_spec(result: Influence, level: float, label: bool | Sequence[str], options: ChartOptions) -> ChartSpec:
    """Residuals in order against normal quantiles."""
    named = chosen_labels(result.label, label)
    order = [i for i in np.argsort(result.rstudent, kind="stable").tolist() if np.isfinite(result.rstudent[i])]
    if not order:
        raise DataError("no study could be left out: there are no residuals to draw.")
    x, y = normal_scores(len(order)), result.rstudent[np.array(order)]
    low, high = normal_order_limits(len(order), level)
    x_low, x_high = spread(x.tolist(), pad=0.06)
    y_low, y_high = spread([*y.tolist(), *low.tolist(), *high.tolist()])
    x_label = "Normal quantile" if options.x_label is None else options.x_label
    y_label = "Studentised residual" if options.y_label is None else options.y_label
    band = Area("band", np.append(x, x[::-1]), np.append(low, high[::-1]), BAND)
    ends = np.array([min(x_low, y_low), max(x_high, y_high)])
    line = Curve("equal", ends, ends, "ink", "solid", 1.0)
    names = [PointLabel(result.label[i], float(a), float(b)) for i, a, b in zip(order, x, y, strict=True) if named[i]]
    names.sort(key=lambda point: -abs(point.y))
    legend = (Entry("Residuals as expected", line), Entry(f"{per_cent(level)} band, point by point", band))
    return ChartSpec(
        x=with_limits(Scale(x_low, x_high, x_label), options.xlim, "xlim"),
        y=with_limits(Scale(y_low, y_high, y_label), options.ylim, "ylim"),
        areas=(band,),
        curves=(line,),
        dots=(Dots("studies", x, y),),
        labels=tuple(names),
        legend=legend if options.legend else (),
        title=options.title,
        aspect=0.85,
    )
