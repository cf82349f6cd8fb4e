"""Weights of the user's own: for pooling, and for the generalised Q that estimates tau2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.effects.columns import is_missing, to_floats
from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.inference import Inference
from metaanalysis.formulas.tau2 import Tau2Function
from metaanalysis.formulas.tau2_moments import generalised_moments
from metaanalysis.formulas.weighted import own_weights_fit, residual_df
from metaanalysis.models.numbers import PooledNumbers, assembled, heterogeneity
from metaanalysis.options import PoolOptions

# A column of the table, or one weight a study.
Weights: TypeAlias = str | Sequence[float] | FloatArray

# The intervals that are defined with any weights: the others rest on inverse-variance weights.
INTERVALS = ("wald", "t")


def weights_of(effects: Effects, weights: Weights, name: str) -> FloatArray:
    """The weights of the studies, checked: positive and finite, one a study."""
    values: list[Any] = effects.column(weights) if isinstance(weights, str) else list(weights)
    if len(values) != effects.k:
        raise DataError(f"{name} has {len(values)} values for {effects.k} studies: each study needs one.")
    column = weights if isinstance(weights, str) else name
    array = to_floats(values, column, effects.label)
    bad = np.flatnonzero(~(np.isfinite(array) & (array > 0)))
    if bad.size:
        row = int(bad[0])
        shown = "missing" if is_missing(values[row]) else f"{array[row]:g}"
        raise DataError(
            f"{column} ({shown}) of study '{effects.label[row]}' is not a positive weight: correct it, or leave the study out."
        )
    return array


def generalised_q_function(weights: FloatArray) -> Tau2Function:
    """The estimator of tau2 by generalised moments with these weights."""

    def generalised_q(y: FloatArray, v: FloatArray, X: FloatArray | None) -> FloatArray:
        return generalised_moments(y, v, X, np.where(np.isinf(v), 0.0, weights))

    generalised_q.__name__ = "generalised Q with given weights"
    return generalised_q


def with_generalised_q(effects: Effects, tau2: Any, tau2_weights: Weights | None) -> Any:
    """The estimator that was asked for, GENQ turned into a function of its weights."""
    asked = isinstance(tau2, str) and tau2.upper() == "GENQ"
    if asked and tau2_weights is None:
        raise OptionError("tau2='GENQ' needs fixed weights: give tau2_weights, a column or one value a study.")
    if not asked and tau2_weights is not None:
        raise OptionError("tau2_weights belong to tau2='GENQ' alone: leave them out, or ask for GENQ.")
    return (
        generalised_q_function(weights_of(effects, tau2_weights, "tau2_weights")) if tau2_weights is not None else tau2
    )


def own_weight_numbers(y: FloatArray, v: FloatArray, options: PoolOptions, weights: FloatArray) -> PooledNumbers:
    """Pool with the user's own weights; the variance allows for them. y, v, weights: (k,)."""
    if options.ci not in INTERVALS:
        raise OptionError(
            f"ci={options.ci!r} rests on inverse-variance weights; with weights of your own use wald or t."
        )
    found = heterogeneity(y, v, options)
    used = np.where(np.isnan(found.tau2), 0.0, found.tau2)
    coefficients, covariance = own_weights_fit(y, v + used[..., np.newaxis], weights, None)
    df = residual_df(weights, None) if options.ci == "t" else np.full(found.q.shape, np.inf)
    shares = 100.0 * weights / weights.sum(axis=-1, keepdims=True)
    return assembled(coefficients[..., 0], Inference(covariance, df), shares, y, v, found, options)
