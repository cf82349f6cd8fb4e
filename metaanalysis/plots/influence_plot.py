"""The influence panel: what leaving out each study does, a row a study and a column a measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from matplotlib.axes import Axes

from metaanalysis.errors import OptionError
from metaanalysis.plots.chart_options import Look, chart_options
from metaanalysis.plots.draw_forest import box_in_points
from metaanalysis.plots.draw_influence import draw_influence
from metaanalysis.plots.figure import new_axes
from metaanalysis.plots.fonts import Typeface
from metaanalysis.plots.forest_layout import MM
from metaanalysis.plots.influence_rows import arrange_influence, influence_spec
from metaanalysis.results.influence import Influence


def influence(
    result: Influence, *, measures: Sequence[str] | None = None, ax: Axes | None = None, **look: Unpack[Look]
) -> Axes:
    """Which studies does the result hang on? Draw the measures of influence beside each other, a row a study.

    Parameters
    ----------
    result
        From `metaanalysis.influence`.
    measures
        Which, from left to right: ``rstudent``, ``dffits``, ``cook_distance``, ``covariance_ratio``, ``tau2_deleted``,
        ``q_deleted``, ``hat``, ``weight``, ``dfbetas`` (a panel a coefficient). By default the first eight as far as there is room.
    ax
        Axes to draw on; everything stays within the box that they have. By default a new figure as tall as its rows need.
    **look
        Title, size, font, notes, style: see `metaanalysis.plots.Look`; labels and limits do not apply.

    Returns
    -------
    matplotlib.axes.Axes
        Axes that hold a panel a measure, ``ax.child_axes``.

    Raises
    ------
    OptionError
        Where an option can't be, or the panels have no room.

    Notes
    -----
    Dashed lines are the thresholds of Viechtbauer & Cheung (2010), dotted lines the values of the whole fit. Studies that pass a
    threshold are drawn as squares with bold names.

    References
    ----------
    Viechtbauer W, Cheung MWL (2010). Outlier and influence diagnostics for meta-analysis. Research Synthesis Methods 1,
    112-125.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis import plots
    >>> fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR"))
    >>> ax = plots.influence(ma.influence(fit), measures=["rstudent", "cook_distance", "tau2_deleted"])
    >>> len(ax.child_axes)
    3
    """
    options = chart_options(influence, look, ax)
    if not isinstance(result, Influence):
        raise OptionError(f"influence draws the result of metaanalysis.influence, not {type(result).__name__}.")
    for name in ("x_label", "y_label", "xlim", "ylim"):
        if name in look:
            raise OptionError(f"{name} does not apply to influence, which has an axis a measure.")
    if ax is not None and not isinstance(ax, Axes):
        raise OptionError(f"ax={ax!r} is not a matplotlib Axes.")
    spec = influence_spec(result, measures, options)
    typeface = Typeface(options.font)
    tall = None if options.height_mm is None else options.height_mm * MM
    wide = (180.0 if "width_mm" not in look else options.width_mm) * MM
    width, height = (wide, tall) if ax is None else box_in_points(ax)
    layout = arrange_influence(spec, typeface, width, height, options.font_size, options.style, measures is None)
    typeface.warn_of_missing()
    target = new_axes(layout.width, layout.height, options.style.page) if ax is None else ax
    draw_influence(target, layout, typeface, options.style)
    return target
