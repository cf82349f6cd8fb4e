"""The drapery plot."""

from __future__ import annotations

from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from metaanalysis.errors import OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.inference import quantile, two_sided_p
from metaanalysis.formulas.prediction import PREDICTION, PredictionInput
from metaanalysis.plots.chart_options import ChartOptions, Look, chart_options, checked_switch
from metaanalysis.plots.chart_spec import Area, ChartSpec, Curve, Entry, Scale
from metaanalysis.plots.draw_chart import drawn_chart
from metaanalysis.plots.scales import effect_scale, null_place, spread
from metaanalysis.results import Pooled
from metaanalysis.results.text import per_cent

# Levels from 0 to nearly 1 whose intervals make up a curve; close together where curves are steep.
STEPS = 160
LEAST_P = 1e-4
REGION = "prediction@0.30"
STUDY_TONE = "square"


def drapery(fit: Pooled, *, prediction: bool = True, ax: Axes | None = None, **look: Unpack[Look]) -> Axes:
    """What would the intervals be at every level? Draw the p-value of every effect, for each study and for all together.

    Parameters
    ----------
    fit
        From `pool`.
    prediction
        Whether to show the prediction intervals of all levels, where the fit has one.
    ax
        Axes to draw on; everything stays within the box that they have. By default a new figure.
    **look
        Title, labels, limits, size, font, style: see `metaanalysis.plots.Look`.

    Returns
    -------
    matplotlib.axes.Axes
        The panel: two-sided p-values (on the right the level of the interval that ends there) against effects, on the scale of
        analysis (log for ratios) with numbers on the scale on which the measure is read.

    Raises
    ------
    OptionError
        Where an option can't be, or the fit's interval is not made of a standard error and a distribution.

    References
    ----------
    Rücker G, Schwarzer G (2021). Beyond the forest plot: the drapery plot. Research Synthesis Methods 12, 13-19.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis import plots
    >>> ax = plots.drapery(ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR"), ci="hksj", prediction="hts"))
    """
    options = chart_options(drapery, look, ax)
    if not isinstance(fit, Pooled):
        raise OptionError(f"drapery draws the result of pool, not {type(fit).__name__}.")
    checked_switch("prediction", prediction)
    if np.isnan(fit.df) or np.isnan(fit.se):
        raise OptionError(
            f"the interval of this fit ({fit.ci_method or fit.method}) is not made of a standard error and a distribution, so that "
            f"it has no curve of p-values: pool with another ci, such as 'wald' or 'hksj'."
        )
    return drawn_chart(drapery_spec(fit, prediction, options), options, ax)


def p_curve(estimate: float, se: float, df: float) -> tuple[FloatArray, FloatArray]:
    """Effects and their two-sided p-values, in ascending order of effects, with the very top among them."""
    reach = float(quantile(1.0 - LEAST_P, np.asarray(df)))
    # Even steps of a cube root: half of them lie within an eighth of the reach.
    steps = np.linspace(-1.0, 1.0, STEPS + 1) ** 3 * reach
    return estimate + steps * se, two_sided_p(steps, np.asarray(df))


def prediction_region(fit: Pooled) -> tuple[FloatArray, FloatArray] | None:
    """The ends of the prediction intervals of every level, at p = 1 - level; None where the fit has none."""
    if np.isnan(fit.prediction_low) or fit.options.prediction == "nagashima":
        return None
    function = PREDICTION.entry(fit.options.prediction).function
    levels = 1.0 - np.geomspace(LEAST_P, 0.999, STEPS)
    y, v = np.asarray(fit.effects.y), np.asarray(fit.effects.v)
    estimate, se, tau2, k, df = (np.asarray(float(x)) for x in (fit.estimate, fit.se, fit.tau2, fit.k, fit.df))
    ends = [function(PredictionInput(estimate, se, tau2, k, df, float(level), y, v)) for level in levels]
    low, high = np.array([float(a) for a, _ in ends]), np.array([float(b) for _, b in ends])
    if not np.isfinite(low).all():
        return None
    return np.concatenate([low, high[::-1]]), np.concatenate([1.0 - levels, (1.0 - levels)[::-1]])


def drapery_spec(fit: Pooled, prediction: bool, options: ChartOptions) -> ChartSpec:
    """The curves of all studies, of the pooled estimate, and the region of prediction."""
    effects, entry = fit.effects, fit.effects.measure_entry
    curves = [
        Curve(f"study: {name}", *p_curve(float(y), float(se), np.inf), STUDY_TONE, "solid", 0.9, 0.9)
        for name, y, se in zip(effects.label, effects.y, effects.se, strict=True)
    ]
    pooled = Curve("estimate", *p_curve(fit.estimate, fit.se, fit.df), "ink", "solid", 2.2)
    legend = [Entry("Study", curves[0]), Entry("Pooled estimate", pooled)]
    areas: list[Area] = []
    region = prediction_region(fit) if prediction else None
    if region is not None:
        areas = [Area("prediction", *region, REGION)]
        legend.append(Entry("Prediction interval", areas[0]))
    low, high = effects.interval(0.99)
    reach = 2.5 * float(np.median(high - low))
    ends = [x for x in (*low.tolist(), *high.tolist()) if abs(x - fit.estimate) <= reach]
    ends += [*effects.y.tolist(), fit.ci_low, fit.ci_high]
    if not np.isnan(fit.prediction_low):
        ends += [fit.prediction_low, fit.prediction_high]
    x = effect_scale(entry, *spread(ends, pad=0.02), options.x_label, options.xlim)
    alpha = 1.0 - fit.level
    level = Curve("level", np.array([x.low, x.high]), np.full(2, alpha), "quiet", "dotted", 0.8)
    lines = [level]
    null = null_place(entry)
    if null is not None:
        lines.append(Curve("null", np.full(2, null), np.array([0.0, 1.0]), "quiet", "solid", 0.6))
    numbers = sorted({0.0, 0.2, 0.4, 0.6, 0.8, fit.level} if fit.level > 0.85 else {0.0, 0.2, 0.4, 0.6, 0.8, 1.0})
    right = Scale(
        0.0, 1.02, "Level of the interval", lambda p: 1.0 - p, lambda c: 1.0 - c, numbers=tuple(numbers), text=per_cent
    )
    y_label = "p-value (two-sided)" if options.y_label is None else options.y_label
    return ChartSpec(
        x=x,
        y=Scale(0.0, 1.02, y_label),
        right=right,
        areas=tuple(areas),
        curves=(*lines, *curves, pooled),
        legend=tuple(legend) if options.legend else (),
        title=options.title,
    )
