"""The Baujat plot: who makes the heterogeneity, and does it make the result?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from metaanalysis.errors import DataError, OptionError, nearest
from metaanalysis.plots.chart_options import ChartOptions, Look, chart_options
from metaanalysis.plots.chart_spec import ChartSpec, Dots, PointLabel, Scale
from metaanalysis.plots.draw_chart import drawn_chart
from metaanalysis.plots.scales import with_limits
from metaanalysis.results.influence import Baujat


def baujat(result: Baujat, *, label: bool | Sequence[str] = True, ax: Axes | None = None, **look: Unpack[Look]) -> Axes:
    """Which studies make the heterogeneity, and do these also make the result? They stand at the top right.

    Parameters
    ----------
    result
        From `metaanalysis.baujat`.
    label
        Whether to name the studies, or which ones. The furthest from the origin come first; names without room are left out.
    ax
        Axes to draw on; everything stays within the box that they have. By default a new figure.
    **look
        Title, labels, limits, size, font, style: see `metaanalysis.plots.Look`.

    Returns
    -------
    matplotlib.axes.Axes
        The panel: contribution to heterogeneity against influence on the result, neither with a unit.

    Raises
    ------
    OptionError
        Where an option can't be.
    DataError
        Where a study to be named is not there, or no study has numbers.

    References
    ----------
    Baujat B, Mahé C, Pignon JP, Hill C (2002). A graphical method for exploring heterogeneity in meta-analyses: application
    to a meta-analysis of 65 trials. Statistics in Medicine 21, 2641-2652.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis import plots
    >>> fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR"), model="common")
    >>> ax = plots.baujat(ma.baujat(fit))
    """
    options = chart_options(baujat, look, ax)
    if not isinstance(result, Baujat):
        raise OptionError(f"baujat draws the result of metaanalysis.baujat, not {type(result).__name__}.")
    return drawn_chart(baujat_spec(result, label, options), options, ax)


def chosen_labels(names: Sequence[str], label: bool | Sequence[str]) -> list[bool]:
    """Which studies are named; DataError for one that is not there."""
    if isinstance(label, bool):
        return [label] * len(names)
    wanted = [label] if isinstance(label, str) else list(label)
    for name in wanted:
        if name not in names:
            raise DataError(f"there is no study {name!r}.{nearest(str(name), names)}")
    return [name in wanted for name in names]


def baujat_spec(result: Baujat, label: bool | Sequence[str], options: ChartOptions) -> ChartSpec:
    """Contribution and influence of each study that could be left out."""
    there = np.isfinite(result.contribution) & np.isfinite(result.influence)
    if not there.any():
        raise DataError("no study could be left out: there is nothing to draw.")
    x, y = result.contribution[there], result.influence[there]
    x_top, y_top = (float(values.max()) or 1.0 for values in (x, y))
    x_label = "Contribution to heterogeneity" if options.x_label is None else options.x_label
    y_label = "Influence on the result" if options.y_label is None else options.y_label
    x_scale = with_limits(Scale(-0.02 * x_top, 1.06 * x_top, x_label), options.xlim, "xlim")
    y_scale = with_limits(Scale(-0.03 * y_top, 1.08 * y_top, y_label), options.ylim, "ylim")
    named = chosen_labels(result.label, label)
    labels = [
        PointLabel(name, float(a), float(b))
        for name, a, b, use in zip(result.label, result.contribution, result.influence, named, strict=True)
        if use and np.isfinite(a) and np.isfinite(b)
    ]
    labels.sort(key=lambda point: -np.hypot(point.x / x_top, point.y / y_top))
    left_out = [name for name, ok in zip(result.label, there, strict=True) if not ok]
    notes = (f"Not shown, as they can't be left out: {', '.join(left_out)}",) if left_out and options.notes else ()
    return ChartSpec(
        x=x_scale, y=y_scale, dots=(Dots("studies", x, y),), labels=tuple(labels), notes=notes, title=options.title
    )
