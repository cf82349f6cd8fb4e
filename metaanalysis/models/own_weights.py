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

# How results name them.
OWN_WEIGHTS = "weights given by the user"

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


def generalised_q_of_many(y: FloatArray, v: FloatArray, X: FloatArray | None) -> FloatArray:  # noqa: ARG001
    """Stands for the generalised Q where many meta-analyses have weights of their own, which take its place block by block."""
    raise AssertionError("each block of meta-analyses brings its own weights")


generalised_q_of_many.__name__ = "generalised Q with given weights"


def with_generalised_q_of_many(tau2: Any, has_weights: bool) -> Any:
    """The estimator that was asked for, GENQ turned into what stands for it."""
    asked = isinstance(tau2, str) and tau2.upper() == "GENQ"
    refuse_odd_weights(asked, has_weights)
    return generalised_q_of_many if asked else tau2


def refuse_odd_weights(asked: bool, has_weights: bool) -> None:
    """OptionError for GENQ without weights, and for weights without GENQ."""
    if asked and not has_weights:
        raise OptionError("tau2='GENQ' needs fixed weights: give tau2_weights, a column or one value a study.")
    if not asked and has_weights:
        raise OptionError("tau2_weights belong to tau2='GENQ' alone: leave them out, or ask for GENQ.")


def with_generalised_q(effects: Effects, tau2: Any, tau2_weights: Weights | None) -> Any:
    """The estimator that was asked for, GENQ turned into a function of its weights."""
    asked = isinstance(tau2, str) and tau2.upper() == "GENQ"
    refuse_odd_weights(asked, tau2_weights is not None)
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
    coefficients, covariance, _ = own_weights_fit(y, v + used[..., np.newaxis], weights, None)
    df = residual_df(weights, None) if options.ci == "t" else np.full(found.q.shape, np.inf)
    shares = 100.0 * weights / weights.sum(axis=-1, keepdims=True)
    return assembled(coefficients[..., 0], Inference(covariance, df), shares, y, v, found, options)
