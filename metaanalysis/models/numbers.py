"""The one path from effect sizes to pooled numbers, for one meta-analysis or a block of them: no checks, no labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.heterogeneity import (
    chi2_upper_tail,
    h2_from_q,
    h2_from_tau2,
    i2_from_q,
    i2_from_tau2,
    q_and_typical_variance,
)
from metaanalysis.formulas.inference import CI, Inference, InferenceFunction, ci_function, quantile, two_sided_p
from metaanalysis.formulas.mean_intervals import MEAN_INTERVALS
from metaanalysis.formulas.prediction import PREDICTION, PredictionInput
from metaanalysis.formulas.problems import problems
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2 import TAU2, estimate_tau2, moments_for
from metaanalysis.formulas.weighted import inverse_variance_weights, weighted_mean
from metaanalysis.options import PoolOptions


class PooledNumbers(NamedTuple):
    """Everything that pooling answers, each (...); `weights` (..., k) in per cent."""

    estimate: FloatArray
    se: FloatArray
    ci_low: FloatArray
    ci_high: FloatArray
    statistic: FloatArray
    df: FloatArray
    p_value: FloatArray
    tau2: FloatArray
    i2: FloatArray
    h2: FloatArray
    q: FloatArray
    q_df: FloatArray
    q_p_value: FloatArray
    prediction_low: FloatArray
    prediction_high: FloatArray
    weights: FloatArray
    status: IntArray
    iterations: IntArray


class Heterogeneity(NamedTuple):
    """Between-study variance and its kin, before pooling."""

    tau2: FloatArray
    q: FloatArray
    q_df: FloatArray
    typical_variance: FloatArray
    status: IntArray
    iterations: IntArray


def heterogeneity(y: FloatArray, v: FloatArray, options: PoolOptions, tau2: FloatArray | None = None) -> Heterogeneity:
    """Q and, under the random-effects model, tau2: estimated, or as given."""
    given = problems(y, v, None, moments_for(options.tau2 if options.model == "random" and tau2 is None else None))
    q, q_df, s2 = q_and_typical_variance(y, v, None, given)
    lead = q.shape
    nothing = np.zeros(lead, dtype=np.intp)
    if options.model == "common":
        return Heterogeneity(np.full(lead, np.nan), q, q_df, s2, nothing, nothing)
    if tau2 is not None:
        return Heterogeneity(np.broadcast_to(tau2, lead).astype(np.float64), q, q_df, s2, nothing, nothing)
    found = estimate_tau2(TAU2.entry(options.tau2).function, y, v, None, given)
    return Heterogeneity(found.x, q, q_df, s2, found.status, found.iterations)


def pooled_numbers(
    y: FloatArray,
    v: FloatArray,
    options: PoolOptions,
    tau2: FloatArray | None = None,
    q: FloatArray | None = None,
    q_df: FloatArray | None = None,
) -> PooledNumbers:
    """Pool by inverse variance. y, v: (..., k); tau2, q, q_df (...): as given, not computed, where a model fixes them."""
    found = heterogeneity(y, v, options, tau2)
    if q is not None and q_df is not None:
        found = found._replace(q=q, q_df=q_df)
    # A single study, and the common-effect model, are pooled with tau2 = 0.
    single = found.status == Status.TOO_FEW_STUDIES
    used = np.zeros_like(found.q) if options.model == "common" else np.where(single, 0.0, found.tau2)
    if options.ci in MEAN_INTERVALS:
        return round_mean_interval(y, v, found, options)
    w = inverse_variance_weights(v, used)
    fit = weighted_mean(y, w)
    inference = ci_function(options.ci, options.level)(fit, w, None)
    weights = 100.0 * fit.leverages
    return assembled(fit.coefficients[..., 0], inference, weights, y, v, found, options)


def round_mean_interval(y: FloatArray, v: FloatArray, found: Heterogeneity, options: PoolOptions) -> PooledNumbers:
    """The numbers where the method brings an interval of its own."""
    answer = MEAN_INTERVALS.entry(str(options.ci)).function(y, v, options.level)
    inference = Inference(answer.variance[..., np.newaxis, np.newaxis], np.full(answer.estimate.shape, np.inf))
    usual = assembled(answer.estimate, inference, 100.0 * answer.weights, y, v, found, options)
    return usual._replace(
        ci_low=answer.low, ci_high=answer.high, statistic=answer.statistic, df=answer.df, p_value=answer.p_value
    )


def ci_title(ci: str | InferenceFunction) -> str:
    """The confidence interval's title, whichever kind it is."""
    return MEAN_INTERVALS.entry(ci).title if isinstance(ci, str) and ci in MEAN_INTERVALS else CI.entry(ci).title


def assembled(
    estimate: FloatArray,
    inference: Inference,
    weights: FloatArray,
    y: FloatArray,
    v: FloatArray,
    found: Heterogeneity,
    options: PoolOptions,
) -> PooledNumbers:
    """Tests, intervals and I2 round an estimate, however it was pooled."""
    se = np.sqrt(inference.covariance[..., 0, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / se
    half = quantile(options.level, inference.df) * se
    random = options.model == "random"
    s2 = found.typical_variance
    if random and options.i2 == "tau2":
        i2, h2 = i2_from_tau2(found.tau2, s2), h2_from_tau2(found.tau2, s2)
    else:
        i2, h2 = i2_from_q(found.q, found.q_df), h2_from_q(found.q, found.q_df)
    k = found.q_df + 1.0
    low = high = np.full(estimate.shape, np.nan)
    if random:
        given = PredictionInput(estimate, se, found.tau2, k, inference.df, options.level, y, v)
        low, high = PREDICTION.entry(options.prediction).function(given)
    return PooledNumbers(
        estimate,
        se,
        estimate - half,
        estimate + half,
        statistic,
        inference.df,
        two_sided_p(statistic, inference.df),
        found.tau2,
        i2,
        h2,
        found.q,
        found.q_df,
        chi2_upper_tail(found.q, found.q_df),
        low,
        high,
        weights,
        found.status,
        found.iterations,
    )
