"""Estimators or models under one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from metaanalysis.errors import OptionError
from metaanalysis.plots.forest import drawn
from metaanalysis.plots.forest_options import ForestOptions, refuse_unknown
from metaanalysis.plots.forest_refits import ESTIMATOR, models_spec
from metaanalysis.results import Pooled
from metaanalysis.results.comparison import Comparison


def compare(result: Comparison | Mapping[str, Pooled], *, ax: Axes | None = None, **options: Any) -> Axes:
    """How much does the answer depend on the estimator, or on the model? Draw the results under one another.

    Parameters
    ----------
    result
        From `metaanalysis.compare`; or results of `pool` by the names that they are to have, of one measure.
    ax
        Axes to draw on; by default a new figure.
    **options
        Those of `forest` that apply: ``left`` and ``right`` (columns ``study``, ``estimate``, ``tau2``, ``i2``, ``q``,
        ``p_value``, ``k`` and ``prediction``), ``decimals``, ``xlim``, ``ticks``, ``null_line``, ``axis_label``, ``favours``,
        ``groups``, ``title``, ``study_heading``, ``prediction`` (the column), ``notes``, ``width_mm``, ``font``,
        ``font_size``, ``style``.

    Returns
    -------
    matplotlib.axes.Axes
        The panel, on the scale on which the measure is read. A diamond a row, from end to end of the confidence interval.

    Raises
    ------
    OptionError
        Where an option can't be, where the results are of several measures, or where the columns have no room.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis import plots
    >>> effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR")
    >>> ax = plots.compare(ma.compare(effects, ["DL", "PM", "REML"]))
    >>> models = {model: ma.pool(effects, model=model) for model in ("random", "common")}
    >>> ax = plots.compare(models, study_heading="Model")
    """
    refuse_unknown(options, "compare")
    chosen = ForestOptions(**options)
    if isinstance(result, Comparison):
        return drawn(models_spec(result.fits, result.failed, ESTIMATOR, chosen), chosen, ax)
    if not isinstance(result, Mapping) or not result or not all(isinstance(fit, Pooled) for fit in result.values()):
        raise OptionError(
            f"compare draws the result of metaanalysis.compare, or results of pool by name, not {type(result).__name__}: "
            f"as in compare({{'REML': fit, 'DL': other}})."
        )
    measures = sorted({fit.measure for fit in result.values()})
    if len(measures) > 1:
        raise OptionError(
            f"compare draws results of one measure on one axis, and these are of {' and '.join(measures)}."
        )
    fits = {str(name): fit for name, fit in result.items()}
    return drawn(models_spec(fits, {}, "Model", chosen), chosen, ax)
