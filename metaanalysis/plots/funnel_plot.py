"""The funnel plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Unpack

from matplotlib.axes import Axes

from metaanalysis.errors import OptionError
from metaanalysis.plots.chart_options import Look, chart_options, checked_choice, checked_switch
from metaanalysis.plots.draw_chart import drawn_chart
from metaanalysis.plots.funnel_rows import Y_AXES, funnel_spec
from metaanalysis.results import Pooled
from metaanalysis.results.small_study import SmallStudyTest
from metaanalysis.results.trim_and_fill import TrimAndFill


def funnel(
    fit: Pooled,
    *,
    y_axis: Literal["se", "variance", "precision", "n"] = "se",
    contours: bool = False,
    limits: bool = True,
    trim_and_fill: TrimAndFill | None = None,
    egger: SmallStudyTest | None = None,
    by: str | Sequence[Any] | None = None,
    ax: Axes | None = None,
    **look: Unpack[Look],
) -> Axes:
    """Do small studies show other effects than large ones? Draw effects against their precision.

    Parameters
    ----------
    fit
        From `pool`: its estimate is the funnel's middle.
    y_axis
        ``se`` (default) or ``variance`` (0 at the top), ``precision`` (1 / standard error), or ``n``, the number of
        participants.
    contours
        Whether to shade where a study's own effect is significant: p from 0.10, 0.05 and 0.01 (Peters et al. 2008), about no
        effect whatever the estimate.
    limits
        Whether to draw the pseudo confidence limits: where at the fit's level the studies would lie were there no heterogeneity.
    trim_and_fill
        From `trim_and_fill` of this fit: the studies filled in are drawn open, with the estimate that they lead to.
    egger
        From `small_study_test`, such as Egger's: its line, where it is one of effects on standard errors or variances.
    by
        A column of the studies' table, or one value a study: groups by colour and shape.
    ax
        Axes to draw on; everything stays within the box that they have. By default a new figure.
    **look
        Title, labels, limits, size, font, style: see `metaanalysis.plots.Look`.

    Returns
    -------
    matplotlib.axes.Axes
        The panel. Its x axis is the scale of analysis (log for ratios), with numbers on the scale on which the measure is read.

    Raises
    ------
    OptionError
        Where an option can't be, or does not go with the fit.

    Notes
    -----
    Below ten studies a funnel's shape says little; asymmetry has more causes than missing studies.

    References
    ----------
    Sterne JAC, Egger M (2001). Funnel plots for detecting bias in meta-analysis: guidelines on choice of axis. Journal of
    Clinical Epidemiology 54, 1046-1055.

    Peters JL, Sutton AJ, Jones DR, Abrams KR, Rushton L (2008). Contour-enhanced meta-analysis funnel plots help distinguish
    publication bias from other causes of asymmetry. Journal of Clinical Epidemiology 61, 991-996.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis import plots
    >>> fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR"), model="common")
    >>> ax = plots.funnel(fit, contours=True, trim_and_fill=ma.trim_and_fill(fit), egger=ma.small_study_test(fit))
    >>> bool(ax.yaxis_inverted())
    True
    """
    options = chart_options(funnel, look, ax)
    if not isinstance(fit, Pooled):
        raise OptionError(f"funnel draws the result of pool, not {type(fit).__name__}.")
    checked_choice("y_axis", y_axis, Y_AXES)
    checked_switch("contours", contours)
    checked_switch("limits", limits)
    for name, value, kind in (("trim_and_fill", trim_and_fill, TrimAndFill), ("egger", egger, SmallStudyTest)):
        if value is not None and not isinstance(value, kind):
            raise OptionError(
                f"{name}={value!r} is not a result: it comes from {'trim_and_fill' if kind is TrimAndFill else 'small_study_test'}."
            )
    return drawn_chart(funnel_spec(fit, y_axis, contours, limits, trim_and_fill, egger, by, options), options, ax)
