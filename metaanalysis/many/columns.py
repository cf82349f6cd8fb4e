"""The numbers of a block of groups: those that were asked for, by the formulas of `pool`, and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from metaanalysis.errors import OptionError, nearest
from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.heterogeneity import (
    chi2_upper_tail,
    h2_from_q,
    h2_from_tau2,
    i2_from_q,
    i2_from_tau2,
    q_and_typical_variance,
)
from metaanalysis.formulas.inference import FROM_SUMS, ci_function, quantile, two_sided_p
from metaanalysis.formulas.mean_intervals import MEAN_INTERVALS
from metaanalysis.formulas.prediction import PREDICTION, PredictionInput
from metaanalysis.formulas.problems import Problems, problems
from metaanalysis.formulas.solve import Solution, Status
from metaanalysis.formulas.tau2 import TAU2, estimate_tau2, moments_for
from metaanalysis.formulas.tau2_interval import q_profile
from metaanalysis.formulas.tau2_one_start import FROM_ONE_START, maximum_and_proof
from metaanalysis.formulas.weighted import (
    MeanFit,
    WeightedFit,
    inverse_variance_weights,
    mean_of_anchored,
    weighted_mean,
)
from metaanalysis.models.numbers import pooled_numbers
from metaanalysis.options import PoolOptions

MEAN = ("estimate", "se", "ci_low", "ci_high", "statistic", "df", "p_value")
PREDICTED = ("prediction_low", "prediction_high")
# Those that `pool` always gives, in the order in which a table has them; k is the groups' own size.
USUAL = (*MEAN, "k", "tau2", "tau", "i2", "h2", "q", "q_df", "q_p_value", *PREDICTED)
# The Q-profile intervals, which `Pooled` answers when asked.
OF_TAU2 = ("tau2_low", "tau2_high", "tau_low", "tau_high")
OF_I2 = ("i2_low", "i2_high", "h2_low", "h2_high")
EVERY = (*USUAL, *OF_TAU2, *OF_I2)
# A way to start for an engine alone: groups whose likelihood may have a second maximum are left, with this status, for later.
PROVEN, DOUBTFUL = "proven", -1
# Groups that take more steps than this are left for later too: few of all blocks together, not few in every block.
STEPS_OF_BLOCKS = 4

Answers = dict[str, FloatArray | IntArray]


def chosen_columns(columns: Sequence[str] | None) -> tuple[str, ...]:
    """The columns that were asked for, checked; the usual ones where none were named."""
    if columns is None:
        return USUAL
    if isinstance(columns, str):
        raise OptionError(f'columns={columns!r} is one name; give a list of them, as in columns=["{columns}"].')
    for name in columns:
        if name not in EVERY:
            hint = " They are always there." if name in ("status", "iterations") else ""
            raise OptionError(
                f"columns has no {name!r}.{hint or nearest(str(name), EVERY)} The columns are: {', '.join(EVERY)}."
            )
    return tuple(dict.fromkeys(columns))


def block_columns(
    y: FloatArray, v: FloatArray, k: FloatArray, options: PoolOptions, wanted: frozenset[str], starts: str
) -> Answers:
    """The columns of a block. y, v: (groups, k); k (groups,) or (): how many studies of each are there."""
    if isinstance(options.ci, str) and options.ci in MEAN_INTERVALS:
        numbers = pooled_numbers(y, v, options)
        answer: Answers = {name: value for name, value in numbers._asdict().items() if name != "weights"}
        answer["tau"] = np.sqrt(numbers.tau2)
        s2 = q_and_typical_variance(y, v)[2] if wanted & set(OF_I2) else None
    else:
        answer, s2 = by_inverse_variance(y, v, k, options, wanted, starts)
    answer |= profiled(y, v, options.level, s2, wanted)
    return {name: value for name, value in answer.items() if name in wanted or name in ("status", "iterations")}


def by_inverse_variance(
    y: FloatArray, v: FloatArray, k: FloatArray, options: PoolOptions, wanted: frozenset[str], starts: str
) -> tuple[Answers, FloatArray | None]:
    """The columns of an inverse-variance fit, and the typical variance where it was needed."""
    random = options.model == "random"
    q_df = k - 1.0
    asks_for_q = bool(wanted & {"q", "q_p_value", "i2", "h2", *OF_I2})
    # The common-effect fit, which Q and most estimators of tau2 set out from.
    set_out = asks_for_q or options.ci in FROM_SUMS or (random and not callable(options.tau2))
    given = problems(y, v, None, moments_for(options.tau2 if random else None)) if set_out else None
    found = estimated(y, v, options, starts, given)
    answer: Answers = {"status": found.status, "iterations": found.iterations, "tau2": found.x}
    answer["q_df"] = np.broadcast_to(q_df, found.x.shape)
    s2 = None
    if asks_for_q:
        if given is not None and not wanted & {"i2", "h2", *OF_I2}:
            q = given.at_zero.q.reshape(given.lead)
        else:
            q, _, s2 = q_and_typical_variance(y, v, None, given)
        answer |= of_heterogeneity(found.x, q, q_df, s2, options, wanted)
    if "tau" in wanted:
        answer["tau"] = np.sqrt(found.x)
    if wanted & {*MEAN, *PREDICTED}:
        used = np.where(found.status == Status.TOO_FEW_STUDIES, 0.0, found.x) if random else np.zeros_like(found.x)
        answer |= averaged(y, v, k, found.x, used, options, wanted, given)
    return answer, s2


def of_heterogeneity(
    tau2: FloatArray,
    q: FloatArray,
    q_df: FloatArray,
    s2: FloatArray | None,
    options: PoolOptions,
    wanted: frozenset[str],
) -> Answers:
    """Q, its test, I2 and H2; s2: the typical variance, where I2 is made of tau2."""
    answer: Answers = {"q": q}
    if "q_p_value" in wanted:
        answer["q_p_value"] = chi2_upper_tail(q, q_df)
    from_tau2 = options.model == "random" and options.i2 == "tau2"
    if "i2" in wanted:
        answer["i2"] = i2_from_tau2(tau2, s2) if from_tau2 and s2 is not None else i2_from_q(q, q_df)
    if "h2" in wanted:
        answer["h2"] = h2_from_tau2(tau2, s2) if from_tau2 and s2 is not None else h2_from_q(q, q_df)
    return answer


def estimated(y: FloatArray, v: FloatArray, options: PoolOptions, starts: str, given: Problems | None) -> Solution:
    """The between-study variance; NaN, and converged, under the common-effect model."""
    if options.model == "common":
        nothing = np.zeros(y.shape[:-1], dtype=np.intp)
        return Solution(np.full(y.shape[:-1], np.nan), nothing, nothing)
    if starts == "one" and options.tau2 in FROM_ONE_START:
        return FROM_ONE_START[str(options.tau2)](y, v, None, given)
    if starts == PROVEN and options.tau2 in FROM_ONE_START:
        found, proven = maximum_and_proof(y, v, None, options.tau2 == "REML", given, STEPS_OF_BLOCKS)
        return found._replace(status=np.where(proven, found.status, DOUBTFUL))
    return estimate_tau2(TAU2.entry(options.tau2).function, y, v, None, given)


def averaged(
    y: FloatArray,
    v: FloatArray,
    k: FloatArray,
    tau2: FloatArray,
    used: FloatArray,
    options: PoolOptions,
    wanted: frozenset[str],
    start: Problems | None,
) -> Answers:
    """The mean at weights 1 / (v + used), its inference and its prediction interval; start: what `problems` makes of y and v."""
    fit: MeanFit | WeightedFit
    if start is not None and start.anchor is not None and options.ci in FROM_SUMS:
        # A study that will do for an anchor at tau2 = 0 will do at any tau2.
        w = inverse_variance_weights(start.v, used)
        infer, with_q = FROM_SUMS[str(options.ci)]
        fit = sums = mean_of_anchored(start.y, w, start.anchor, with_q)
        inference = infer(sums, w, None)
    else:
        w = inverse_variance_weights(v, used)
        fit = full = weighted_mean(y, w)
        inference = ci_function(options.ci, options.level)(full, w, None)
    estimate, se = fit.coefficients[..., 0], np.sqrt(inference.covariance[..., 0, 0])
    df = alike(inference.df)
    answer = of_estimate(estimate, se, df, options, wanted)
    answer["df"] = inference.df
    if wanted & set(PREDICTED):
        low = high = np.full(estimate.shape, np.nan)
        if options.model == "random":
            given = PredictionInput(estimate, se, tau2, k, df, options.level, y, v)
            low, high = PREDICTION.entry(options.prediction).function(given)
        answer |= {"prediction_low": low, "prediction_high": high}
    return answer


def of_estimate(
    estimate: FloatArray, se: FloatArray, df: FloatArray, options: PoolOptions, wanted: frozenset[str]
) -> Answers:
    """An estimate's interval and test; df: of its reference distribution."""
    answer: Answers = {"estimate": estimate, "se": se}
    if wanted & {"ci_low", "ci_high"}:
        half = quantile(options.level, df) * se
        answer |= {"ci_low": estimate - half, "ci_high": estimate + half}
    if wanted & {"statistic", "p_value"}:
        answer["statistic"] = statistic = estimate / se
        if "p_value" in wanted:
            answer["p_value"] = two_sided_p(statistic, df)
    return answer


def alike(df: FloatArray) -> FloatArray:
    """Degrees of freedom, as one number where all are the same: a quantile of t costs more than all sums of a group."""
    return df.reshape(-1)[0] if df.size and (df == df.reshape(-1)[0]).all() else df


def profiled(
    y: FloatArray, v: FloatArray, level: float, s2: FloatArray | None, wanted: frozenset[str]
) -> Mapping[str, FloatArray]:
    """The Q-profile intervals of tau2 and of what is made of it; NaN where they are empty, as `Pooled` has them."""
    if not wanted & {*OF_TAU2, *OF_I2}:
        return {}
    limits = q_profile(y, v, None, level)
    empty = limits.high_status == Status.NO_SOLUTION
    answer: dict[str, FloatArray] = {}
    for side, limit in (("low", limits.low), ("high", limits.high)):
        tau2 = np.where(empty, np.nan, limit)
        answer |= {f"tau2_{side}": tau2, f"tau_{side}": np.sqrt(tau2)}
        if s2 is not None:
            answer |= {f"i2_{side}": i2_from_tau2(tau2, s2), f"h2_{side}": h2_from_tau2(tau2, s2)}
    return answer
