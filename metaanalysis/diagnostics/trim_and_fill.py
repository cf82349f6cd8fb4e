"""Trim and fill: studies that seem to be missing, and the result with them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from metaanalysis.diagnostics.given import (
    at_least,
    by_inverse_variance,
    fit_of,
    named_estimator,
    pooled_again,
    tau2_function,
)
from metaanalysis.effects import Effects
from metaanalysis.errors import ConvergenceError, DataError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.asymmetry import line_with_variance
from metaanalysis.formulas.inference import wald
from metaanalysis.formulas.trim_and_fill import MAX_ITERATIONS, MISSING, trim
from metaanalysis.models.numbers import pooled_numbers
from metaanalysis.models.pool import fitted
from metaanalysis.options import PoolOptions, choose
from metaanalysis.results import Pooled
from metaanalysis.results.trim_and_fill import TrimAndFill

# Standard errors that differ by less than this share are all alike: then no slope tells the side.
SAME = 1e-10


def trim_and_fill(
    fit: Pooled | Effects,
    estimator: str = "L0",
    side: str | None = None,
    *,
    convention: str = "metafor",
    **options: Any,
) -> TrimAndFill:
    """How many studies does the funnel lack on one side, and what is the result with them?

    Parameters
    ----------
    fit
        A result of `pool` by inverse variance, whose options are used throughout; or `Effects`.
    estimator
        Of the number of missing studies: ``L0`` (default), ``R0`` (with a test) or ``Q0``.
    side
        Where studies are missing, ``left`` or ``right``; by default the side that small studies shun, from the slope of
        effects on their standard errors.
    convention
        ``metafor`` (default): the centre about which the funnel should be even, and the slope, are those of the fit's own
        model. ``meta``: those of the common-effect model whatever the fit, and ties share their ranks. Either way the filled
        studies are pooled by the fit's own model.
    **options
        Those of `pool`, where effects are given.

    Returns
    -------
    TrimAndFill
        ``missing``, the studies filled in, and ``filled``, the `Pooled` with them.

    Raises
    ------
    DataError
        Where there are fewer than 3 studies, or the estimator breaks down.
    ConvergenceError
        Where trimming does not come to rest.

    Notes
    -----
    A sensitivity analysis, not a correction: other causes of asymmetry are taken for missing studies.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR"), model="common")
    >>> print(ma.trim_and_fill(fit))
    Trim and fill (L0): 4 studies (SE 2.39) missing on the right
    Original  k = 13  risk ratio 0.6503, 95% CI 0.6007 to 0.7040
    Filled    k = 17  risk ratio 0.7475, 95% CI 0.6935 to 0.8057

    References
    ----------
    Duval S, Tweedie R (2000). Trim and fill: a simple funnel-plot-based method of testing and adjusting for publication
    bias in meta-analysis. Biometrics 56, 455-463.
    """
    way = choose("convention", convention, ("metafor", "meta"))
    fit = fit_of(fit, "trim_and_fill", **options)
    by_inverse_variance(fit, "trim_and_fill")
    entry = MISSING.entry(estimator)
    key = MISSING.key(estimator)
    effects, y, v = fit.effects, np.asarray(fit.effects.y), np.asarray(fit.effects.v)
    at_least(effects.k, 3, "trim_and_fill")
    named_estimator(fit.options, "trim_and_fill")
    pooled_again(fit, "trim_and_fill")
    trimming = fit.options if way == "metafor" else PoolOptions(model="common")
    where = shunned_side(y, v, trimming) if side is None else choose("side", side, ("left", "right"))
    sign = 1.0 if where == "left" else -1.0

    def centre(y: FloatArray, v: FloatArray) -> float:
        return float(pooled_numbers(y, v, trimming).estimate)

    found = trim(sign * y, v, centre, entry.function, shared=way == "meta")
    if math.isnan(found.missing.number) or math.isnan(found.centre):
        raise DataError(
            f"the estimator {key} is not defined for these studies: their ranks leave no root. Use L0 or R0."
        )
    if not found.settled:
        raise ConvergenceError(
            f"trimming by {key} did not come to rest in {MAX_ITERATIONS} rounds: use another estimator, or name the side."
        )
    mirrored = found.trimmed[::-1]
    filled_y = sign * (2.0 * found.centre - sign * y[mirrored])
    filled_v = v[mirrored]
    notes = () if fit.k >= 10 else (f"k = {fit.k}: fewer than 10 studies say little of a funnel's shape",)
    return TrimAndFill(
        missing=found.k0,
        missing_se=found.missing.se,
        missing_p_value=found.missing.p_value,
        side=where,
        estimator=key,
        convention=way,
        centre=sign * found.centre,
        filled_y=filled_y,
        filled_v=filled_v,
        mirrored=mirrored.copy(),
        original=fit,
        filled=fitted(with_filled(effects, filled_y, filled_v, mirrored.tolist()), fit.options, fit.convention),
        notes=notes,
    )


def shunned_side(y: FloatArray, v: FloatArray, options: PoolOptions) -> str:
    """The side from which small studies keep away: left where their effects are larger than those of large ones."""
    se = np.sqrt(v)
    if np.ptp(se) <= SAME * se.max():
        raise DataError(
            "all studies have the same standard error, so that no slope tells the side: name it, as in side='left'."
        )
    slope = line_with_variance(y, v, se, tau2_function(options), wald)[0].slope
    if math.isnan(slope):
        raise DataError(
            "the slope of the effects on their standard errors is not estimable: name the side, as in side='left'."
        )
    return "right" if slope < 0 else "left"


def with_filled(effects: Effects, y: FloatArray, v: FloatArray, mirrored: list[int]) -> Effects:
    """The effects with the filled studies after them."""
    return Effects(
        y=np.concatenate([effects.y, y]),
        v=np.concatenate([effects.v, v]),
        measure=effects.measure,
        label=(*effects.label, *(f"Filled: {effects.label[i]}" for i in mirrored)),
        options=effects.options,
        convention=effects.convention,
        given=True,
    )
