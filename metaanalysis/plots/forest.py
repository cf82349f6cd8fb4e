"""The forest plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from matplotlib.axes import Axes

from metaanalysis.errors import OptionError
from metaanalysis.plots.draw_forest import box_in_points, draw
from metaanalysis.plots.figure import new_axes
from metaanalysis.plots.fonts import Typeface
from metaanalysis.plots.forest_layout import MM, arrange
from metaanalysis.plots.forest_models import Models, models_of, specified_panels
from metaanalysis.plots.forest_options import Columns, ForestOptions, refuse_unknown
from metaanalysis.plots.forest_spec import ForestSpec
from metaanalysis.plots.forest_stack import drawn_stack
from metaanalysis.plots.page import style_for
from metaanalysis.plots.style import Style
from metaanalysis.results import Pooled, Subgroups
from metaanalysis.results.refits import Refits
from metaanalysis.results.umbrella_review import UmbrellaReview

Drawable: TypeAlias = Pooled | Subgroups | Refits | UmbrellaReview | Sequence[Pooled] | Mapping[str, Pooled]


def forest(
    result: Drawable,
    *,
    also: Models | None = None,
    layout: str = "default",
    ax: Axes | None = None,
    left: Columns | None = None,
    right: Columns | None = None,
    risk_of_bias: Columns | None = None,
    sort: str | Sequence[str] | None = None,
    groups: tuple[str, str] | None = None,
    favours: tuple[str, str] | bool | None = None,
    decimals: int | None = None,
    xlim: tuple[float, float] | None = None,
    ticks: list[float] | tuple[float, ...] | None = None,
    null_line: float | bool = True,
    axis_label: str | None = None,
    title: str = "",
    study_heading: str | None = None,
    prediction: bool | str | None = None,
    notes: bool = True,
    width_mm: float = 180.0,
    font: str | None = None,
    font_size: float = 8.0,
    style: Style | str | None = None,
    **unknown: Any,
) -> Axes:
    """Draw a forest plot: studies, intervals, weights and what they pool to.

    Parameters
    ----------
    result
        From `pool` or `subgroups`; or from `leave_one_out` or `cumulative`, with a row a study left out or added and the
        columns ``study``, ``estimate``, ``k``, ``p_value``, ``tau2``, ``i2``, ``q`` and ``prediction`` (no bar is drawn). Several
        results of `pool`, as a list or by their names, have a diamond each: under the studies where they are of the same
        studies, else alone. From `umbrella`: a row a review's pooled result, grouped by outcome, a panel a measure, and the
        columns ``study`` (the review), ``outcome``, ``estimate``, ``k``, ``n_total``, ``i2`` and whatever else the table has.
    also
        Further models of the same studies: a result of `pool`, a list, or results by the names that they are to have. Each has a
        hollow diamond under the first.
    layout
        ``default``, or the columns, headings, wording and lines of ``revman5``, ``revman-web``, ``jama`` or ``bmj``.
    ax
        Axes to draw on; everything stays within the box that they have. By default a new figure as wide as `width_mm` and as
        tall as its rows need; in a notebook, and wherever pyplot is in use, it is one of pyplot's and shown like any other.
    left, right
        Columns on either side of the panel, by name or as a mapping of names to headings: ``study``, ``estimate`` (with its
        interval), ``weight``, the data behind the effect sizes (``events1``, ``n1``, ``mean1``, ``sd1``, ``r``, ``n``, …; put
        together as ``"events1/n1"`` or ``"mean1 (sd1)"``), ``y``, ``v`` and ``se`` on the scale of analysis, and any column of the
        table that the effects were made from. A function makes a column of its own: it is given what is known of a study by
        name (the same names, and ``low`` and ``high``) and returns a text or a number. By default the layout's columns; where
        the figure is narrow, fewer.
    risk_of_bias
        Columns of the table with judgements (low, some concerns, unclear, moderate, high, serious, critical, no information, or
        their signs), drawn as coloured signs on the right under the letters A, B, C, or under the headings of a mapping.
    sort
        A column to order the studies by, or several, as in ``"estimate"``, ``"-weight"`` (descending) or ``["group", "year"]``;
        within subgroups where there are any. By default the table's order.
    groups
        What the two groups are called over their data: ``("Treatment", "Control")`` by default.
    favours
        What an effect left and right of the line of no effect favours, as in ``("vaccination", "no vaccination")``. By default
        the axis says which group has the lower risk, odds or mean, which is true whether more is better or worse; the other
        layouts say "Favours [experimental]" as their models do. False: nothing.
    decimals
        Of estimates; by default 2, and more where intervals are narrow.
    xlim, ticks
        Limits and numbers of the axis, on the scale on which the measure is read.
    null_line
        Where the line of no effect stands; False for none.
    axis_label, title, study_heading
        Texts under the axis, over the plot and over the studies' names.
    prediction
        How the prediction interval is shown: ``bar``, ``polygon`` (a flat diamond) or ``density`` (the predictive density with
        the interval filled); True or False. By default the layout's way; ``revman5`` shows none.
    notes
        Whether to show the lines on heterogeneity, tests and method.
    width_mm
        Width of a new figure in millimetres: 180 for a page, 85 to 90 for a column.
    font, font_size
        An installed font (by default that of matplotlib's settings) and its size in points; the size is reduced, and names are
        broken into lines, where room is short.
    style
        Colours and line widths: a `metaanalysis.plots.Style`, or ``dark`` for a dark page. By default the layout's own, and on
        dark Axes, or where matplotlib's settings make figures dark, the dark ones.
    **unknown
        Nothing else: any other keyword is refused with the nearest names.

    Returns
    -------
    matplotlib.axes.Axes
        The panel. Its x axis is the measure's own scale (logarithmic for ratios). `metaanalysis.plots.save` saves it;
        `metaanalysis.plots.forest_pages` draws hundreds of studies on several pages. An umbrella review of several measures
        has its panels in ``child_axes``.

    Raises
    ------
    OptionError
        Where an option can't be, or where the columns have no room.
    DataError
        Where `risk_of_bias` names a column with what is no judgement.

    Notes
    -----
    The squares' areas are proportional to the weights. Intervals that would squash all others end in an arrow at the end of
    the axis. The dotted line is the pooled estimate; the bar under the diamond is the prediction interval.

    References
    ----------
    Lewis S, Clarke M (2001). Forest plots: trying to see the wood and the trees. BMJ 322, 1479-1480.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR")
    >>> ax = ma.forest(ma.subgroups(effects, by="alloc"), groups=("Vaccinated", "Not vaccinated"))
    >>> ax.get_xscale()
    'log'
    >>> ax = ma.forest(ma.pool(effects), layout="bmj", sort="-weight", also=ma.pool(effects, model="common"))
    """
    refuse_unknown(unknown)
    options = ForestOptions(
        layout=layout,
        left=left,
        right=right,
        risk_of_bias=risk_of_bias,
        sort=sort,
        groups=groups,
        favours=favours,
        decimals=decimals,
        xlim=xlim,
        ticks=ticks,
        null_line=null_line,
        axis_label=axis_label,
        title=title,
        study_heading=study_heading,
        prediction=prediction,
        notes=notes,
        width_mm=width_mm,
        font=font,
        font_size=font_size,
        style=style,
    )
    if not isinstance(result, Pooled | Subgroups | Refits | UmbrellaReview | Mapping | Sequence) or isinstance(
        result, str
    ):
        raise OptionError(
            f"forest draws the result of pool, subgroups, leave_one_out, cumulative or umbrella, or several results of pool, "
            f"not {type(result).__name__}."
        )
    specs, own = specified_panels(result, models_of(also), options)
    if len(specs) == 1:
        return drawn(specs[0], options, ax, own)
    refuse_other_than_axes(ax)
    return drawn_stack(specs, options, ax, style_for(options.page_style, own or options.look.style, ax))


def drawn(spec: ForestSpec, options: ForestOptions, ax: Axes | None, own: Style | None = None) -> Axes:
    """A forest plot on the Axes given, or on those of a new figure; own: the colours where the user chose none."""
    refuse_other_than_axes(ax)
    style = style_for(options.page_style, own or options.look.style, ax)
    typeface = Typeface(options.font)
    width, height = (options.width_mm * MM, None) if ax is None else box_in_points(ax)
    layout = arrange(spec, typeface, width, height, options.font_size, style)
    typeface.warn_of_missing()
    target = new_axes(layout.width, layout.height, style.page) if ax is None else ax
    draw(target, layout, spec, typeface, style)
    return target


def refuse_other_than_axes(ax: object) -> None:
    """OptionError for what can't be drawn on."""
    if ax is not None and not isinstance(ax, Axes):
        raise OptionError(f"ax={ax!r} is not a matplotlib Axes.")
