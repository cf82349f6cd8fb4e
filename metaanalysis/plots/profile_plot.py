"""The profile likelihood of the between-study variance."""

from __future__ import annotations

import math
from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from metaanalysis.errors import OptionError
from metaanalysis.formulas.inference import quantile
from metaanalysis.formulas.likelihood import log_likelihood
from metaanalysis.plots.chart_options import ChartOptions, Look, chart_options, checked_switch
from metaanalysis.plots.chart_spec import Area, ChartSpec, Curve, Dots, Entry, Scale
from metaanalysis.plots.draw_chart import drawn_chart
from metaanalysis.plots.scales import with_limits
from metaanalysis.results import Pooled
from metaanalysis.results.text import per_cent

POINTS = 400
BAND = "square@0.22"
# How far below its top the curve is shown, as a multiple of the drop that ends the interval.
DEEPEST = 3.0


def profile(fit: Pooled, *, restricted: bool = True, ax: Axes | None = None, **look: Unpack[Look]) -> Axes:
    """How well do the studies tell the between-study variance? Draw its profile likelihood and its interval.

    Parameters
    ----------
    fit
        From `pool` by inverse variance under the random-effects model.
    restricted
        Whether to draw the restricted likelihood (that of REML), or the full one (of ML).
    ax
        Axes to draw on; everything stays within the box that they have. By default a new figure.
    **look
        Title, labels, limits, size, font, style: see `metaanalysis.plots.Look`.

    Returns
    -------
    matplotlib.axes.Axes
        The panel: tau2, on the squared scale of analysis, against the log-likelihood. The shade is the profile-likelihood
        interval at the fit's level, the point the fit's own estimate.

    Raises
    ------
    OptionError
        Where an option can't be, or the fit has no between-study variance.

    References
    ----------
    Hardy RJ, Thompson SG (1996). A likelihood approach to meta-analysis with random effects. Statistics in Medicine 15,
    619-629.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis import plots
    >>> ax = plots.profile(ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR")))
    """
    options = chart_options(profile, look, ax)
    if not isinstance(fit, Pooled):
        raise OptionError(f"profile draws the result of pool, not {type(fit).__name__}.")
    checked_switch("restricted", restricted)
    if math.isnan(fit.tau2) or fit.method != "inverse-variance" or fit.k < 2:
        raise OptionError(
            "profile draws the likelihood of the between-study variance, which this fit does not have: pool two studies or more "
            "by inverse variance under the random-effects model."
        )
    return drawn_chart(profile_spec(fit, restricted, options), options, ax)


def profile_spec(fit: Pooled, restricted: bool, options: ChartOptions) -> ChartSpec:
    """The curve from 0 to well beyond the interval."""
    y, v = np.asarray(fit.effects.y), np.asarray(fit.effects.v)

    def height(tau2: float) -> float:
        return float(log_likelihood(y, v, np.asarray(tau2), None, restricted))

    limits = fit.tau2_interval(method="profile-likelihood" if restricted else "profile-likelihood-ml")
    end = 1.35 * max(limits.high if math.isfinite(limits.high) else 0.0, fit.tau2) or float(np.median(v))
    # Even steps of the square root: the curve bends most near 0.
    grid = np.linspace(0.0, math.sqrt(end), POINTS) ** 2
    curve = Curve("likelihood", grid, np.array([height(tau2) for tau2 in grid.tolist()]), "ink", "solid", 1.3)
    drop = 0.5 * float(quantile(fit.level, np.asarray(np.inf))) ** 2
    top = float(curve.y.max())
    # The interval ends where the curve has fallen by half the chi-squared quantile from its top.
    level = height(limits.high) if math.isfinite(limits.high) else top - drop
    low = max(float(curve.y.min()), top - DEEPEST * drop, -1e300)
    low = min(low, level - 0.3 * drop)
    areas: list[Area] = []
    y_scale = Scale(low - 0.04 * (top - low), top + 0.08 * (top - low), "")
    label = f"{'Restricted log' if restricted else 'Log'}-likelihood" if options.y_label is None else options.y_label
    y_scale = with_limits(Scale(y_scale.low, y_scale.high, label), options.ylim, "ylim")
    if math.isfinite(limits.high):
        corners = np.array([limits.low, limits.high, limits.high, limits.low])
        areas.append(Area("interval", corners, np.array([y_scale.low, y_scale.low, y_scale.high, y_scale.high]), BAND))
    cut = Curve("level", np.array([0.0, end]), np.full(2, level), "quiet", "dashed", 0.8)
    point = Dots("estimate", np.array([fit.tau2]), np.array([height(fit.tau2)]), largest=0.8)
    x_label = "Between-study variance τ²" if options.x_label is None else options.x_label
    name = f"Estimate ({fit.tau2_method})" if fit.tau2_method else "Estimate"
    legend = [Entry(name, point)]
    legend += [Entry(f"{per_cent(fit.level)} profile-likelihood interval", area) for area in areas]
    return ChartSpec(
        x=with_limits(Scale(-0.01 * end, end, x_label), options.xlim, "xlim"),
        y=y_scale,
        areas=tuple(areas),
        curves=(cut, curve),
        dots=(point,),
        legend=tuple(legend) if options.legend else (),
        title=options.title,
    )
