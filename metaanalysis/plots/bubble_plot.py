"""The bubble plot of a meta-regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from matplotlib.axes import Axes

from metaanalysis.errors import OptionError
from metaanalysis.plots.bubble_rows import bubble_spec
from metaanalysis.plots.chart_options import Look, chart_options, checked_switch
from metaanalysis.plots.draw_chart import drawn_chart
from metaanalysis.results import Regression


def bubble(
    regression: Regression,
    moderator: str | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    confidence: bool = True,
    prediction: bool = True,
    by: str | Sequence[Any] | None = None,
    label: bool | Sequence[str] = False,
    ax: Axes | None = None,
    **look: Unpack[Look],
) -> Axes:
    """How does the effect go with a moderator? Draw the studies, the regression line and its bands.

    Parameters
    ----------
    regression
        From `meta_regression`.
    moderator
        The column on the x axis, a number; may be left out where the formula has one.
    at
        Where the other moderators are held, as in ``{"year": 1970}``; by default a number at the studies' mean and a factor at
        its most frequent level, which the notes say.
    confidence, prediction
        Whether to show the confidence band of the mean effect, and the prediction band of a new study's effect.
    by
        A column of the studies' table, or one value a study: groups by colour and shape.
    label
        Whether to name the studies, or which ones; names that have no room are left out.
    ax
        Axes to draw on; everything stays within the box that they have. By default a new figure.
    **look
        Title, labels, limits, size, font, style: see `metaanalysis.plots.Look`.

    Returns
    -------
    matplotlib.axes.Axes
        The panel. Its y axis is the scale of analysis (log for ratios), with numbers on the scale on which the measure is read.

    Raises
    ------
    OptionError
        Where an option can't be, or the moderator is not a number.
    DataError
        Where a study to be named is not there.

    Notes
    -----
    Line and bands are those of ``regression.predict``. The circles are the studies' own effects, not adjusted for the other
    moderators.

    References
    ----------
    Thompson SG, Higgins JPT (2002). How should meta-regression analyses be undertaken and interpreted? Statistics in Medicine
    21, 1559-1573.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis import plots
    >>> effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR")
    >>> ax = plots.bubble(ma.meta_regression(effects, "~ ablat"), x_label="Absolute latitude (degrees)")
    """
    options = chart_options(bubble, look, ax)
    if not isinstance(regression, Regression):
        raise OptionError(f"bubble draws the result of meta_regression, not {type(regression).__name__}.")
    checked_switch("confidence", confidence)
    checked_switch("prediction", prediction)
    if moderator is None:
        known = regression.design.variables
        if len(known) != 1:
            raise OptionError(f"name the moderator of the x axis: the regression has {', '.join(known) or 'none'}.")
        moderator = known[0]
    spec = bubble_spec(regression, moderator, at or {}, confidence, prediction, by, label, options)
    return drawn_chart(spec, options, ax)
